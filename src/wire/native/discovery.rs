//! Messages of local discovery: the nodes of a local network find each other by multicast.
//!
//! ```text
//!  0        1        2        3        4                 8
//! +--------+--------+--------+--------+-----------------+----------------- - -
//! | 0xC5   | 1      | kind   | 0      | CRC-32          | sender's node id, 20 bytes
//! +--------+--------+--------+--------+-----------------+----------------- - -
//!  28       30                        38                        46
//! +--------+-------------------------+-------------------------+
//! | port   | nonce, 8 bytes          | cookie, 8 bytes         |
//! +--------+-------------------------+-------------------------+
//! ```
//!
//! The CRC covers the whole message, with its own four bytes taken as zero. In a network with a
//! key, a tag of 16 bytes follows ([`network`](crate::wire::network)). *port* (not 0) is the
//! sender's, for UDP and TCP alike; the sender's IP is the source of the packet.
//!
//! | kind | goes to | nonce | cookie |
//! |---|---|---|---|
//! | 0x01 `Query` | the group of the network, by multicast | random | zero |
//! | 0x81 `Response` | the query's sender, at its port | the query's | for that address, not 0 |
//!
//! A response is as long as a query, so it amplifies nothing. Its nonce proves that its sender has
//! received the query: recorded responses have no effect. The cookie is one of [`datagram`]s: with
//! it, the next request of the query's sender proves its address.
//!
//! A message never leaves its link: it is sent with a hop limit of 1, and the receiver drops it
//! unless its source is in one of the receiver's networks. It is neither an RPC nor a contact:
//! `kad::discovery` decides which contacts come of it.
//!
//! Invariant: a message that parses emits the bytes that it came from.

use super::datagram;
use super::datagram::Cookie;
use crate::id::{ID_SIZE, Id, NodeId};
use crate::wire::Network;
use crate::wire::reader::{Reader, Writer};
use std::net::{Ipv4Addr, Ipv6Addr};

/// First byte of every discovery message.
pub const MAGIC: u8 = 0xc5;
/// Version of the layout: the second byte.
pub const VERSION: u8 = 1;

/// The group of queries over IPv4: administratively scoped, local (RFC 2365).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 41, 60);
/// The group of queries over IPv6: link-local scope, not assigned by IANA (RFC 4291, 2.7).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x4160);
/// The UDP port of queries. Every node of a host listens on it; responses go to the port in the
/// query.
pub const PORT: u16 = 4161;

// Offsets.
const CRC: usize = 4;
const SENDER: usize = CRC + 4;
/// Bytes of every discovery message, without a tag.
pub const DISCOVERY_SIZE: usize = SENDER + ID_SIZE + 2 + 8 + 8;

const _: () = assert!(DISCOVERY_SIZE == 46);
const _: () = assert!(MAGIC != datagram::MAGIC, "the first byte tells them apart");

const QUERY: u8 = 0x01;
const RESPONSE: u8 = 0x81;

/// The kind of a discovery message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Asks the nodes of the link to respond.
    Query,
    /// Responds with a cookie for the next request, which is not [`Cookie::NONE`].
    Response(Cookie),
}

/// One discovery message, query or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Its kind, with the cookie of a response.
    pub kind: Kind,
    /// The node id of the sender.
    pub sender: NodeId,
    /// The sender's port for UDP and TCP; not 0.
    pub port: u16,
    /// Chosen by the query, echoed by the response.
    pub nonce: u64,
}

/// The first field of a discovery message that is wrong. The node counts it and never answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryError {
    /// The length is not that of a discovery message.
    Length,
    /// The first byte is not [`MAGIC`].
    Magic,
    /// The version is not supported.
    Version,
    /// The kind is not a known one.
    Kind,
    /// The CRC does not match: damaged, or of another network.
    Crc,
    /// The tag was not made with the network's key.
    Tag,
    /// The reserved byte is not zero.
    Reserved,
    /// The port of the sender is 0.
    Port,
    /// A query has a cookie, or a response has none.
    Cookie,
}

impl Discovery {
    /// Whether the first byte is that of a discovery message.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.first() == Some(&MAGIC)
    }

    /// Parses a discovery message, which takes up all of `bytes`. Cheap checks come first.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &[u8], network: Network) -> Result<Discovery, DiscoveryError> {
        let (message, tag) = network.split(bytes).ok_or(DiscoveryError::Length)?;
        if message.len() != DISCOVERY_SIZE {
            return Err(DiscoveryError::Length);
        }
        let mut reader = Reader::new(message);
        let start: [u8; CRC] = reader.array(DiscoveryError::Length)?;
        let [magic, version, kind, reserved] = start;
        let crc = reader.u32(DiscoveryError::Length)?;
        let covered = reader.clone().rest();
        if magic != MAGIC {
            return Err(DiscoveryError::Magic);
        }
        if version != VERSION {
            return Err(DiscoveryError::Version);
        }
        if kind != QUERY && kind != RESPONSE {
            return Err(DiscoveryError::Kind);
        }
        if crc != network.crc(&[&start, &[0; 4], covered]) {
            return Err(DiscoveryError::Crc);
        }
        if !network.has_made(message, tag) {
            return Err(DiscoveryError::Tag);
        }
        if reserved != 0 {
            return Err(DiscoveryError::Reserved);
        }
        let sender = NodeId(Id(reader.array(DiscoveryError::Length)?));
        let port = reader.u16(DiscoveryError::Length)?;
        let nonce = reader.u64(DiscoveryError::Length)?;
        let cookie = Cookie(reader.u64(DiscoveryError::Length)?);
        if port == 0 {
            return Err(DiscoveryError::Port);
        }
        let kind = match (kind, cookie) {
            (QUERY, Cookie::NONE) => Kind::Query,
            (RESPONSE, cookie) if cookie != Cookie::NONE => Kind::Response(cookie),
            _ => return Err(DiscoveryError::Cookie),
        };
        Ok(Discovery {
            kind,
            sender,
            port,
            nonce,
        })
    }

    /// Writes the message, and in a network with a key its tag, to the start of `buffer`. Returns
    /// the bytes written.
    ///
    /// # Panics
    /// When `buffer` is too small for them, the port is 0, or a response has no cookie.
    pub fn emit(&self, network: Network, buffer: &mut [u8]) -> usize {
        assert!(self.port != 0, "no node listens at port 0");
        let (kind, cookie) = match self.kind {
            Kind::Query => (QUERY, Cookie::NONE),
            Kind::Response(cookie) => (RESPONSE, cookie),
        };
        assert!(
            kind == QUERY || cookie != Cookie::NONE,
            "a response has a cookie"
        );
        let mut writer = Writer::new(buffer);
        writer.put(&[MAGIC, VERSION, kind, 0]);
        writer.zeros(4);
        writer.put(&self.sender.0.0);
        writer.u16(self.port);
        writer.u64(self.nonce);
        writer.u64(cookie.0);
        writer.replace_u32(CRC, network.crc(&[writer.written()]));
        network.seal(&mut writer);
        writer.written().len()
    }
}
