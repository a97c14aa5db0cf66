//! Local discovery: how the nodes of one local network find each other without being told of any.
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
//! The CRC covers the whole discovery message, its own four bytes taken as zero. Where the network has a key, a tag
//! of 16 bytes follows ([`network`](crate::wire::network)). *port* (not 0) is the sender's,
//! UDP and TCP alike; its IP is the packet's source.
//!
//! | kind | goes to | nonce | cookie |
//! |---|---|---|---|
//! | 0x01 `Query` | the group of the network, by multicast | random | zero |
//! | 0x81 `Response` | the caller alone, at its port | the call's | for the caller's address, not zero |
//!
//! An answer is as long as a call, so it amplifies nothing. What it proves is that its sender has
//! heard the call: old ones have no effect. The cookie is the one of
//! [`datagram`]: with it the caller's next request has proved its address.
//!
//! A discovery message never leaves its link: it is sent with a hop limit of 1, and one whose source is not of
//! a network of the receiver is dropped. It is no RPC and no contact: what comes of it, `kad::discovery`
//! decides.

use super::datagram;
use super::datagram::Cookie;
use crate::id::{ID_SIZE, Id, NodeId};
use crate::wire::Network;
use crate::wire::reader::{Reader, Writer};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The first byte of every discovery message.
pub const MAGIC: u8 = 0xc5;
/// The version of the layout.
pub const VERSION: u8 = 1;

/// The group of calls over IPv4: administratively scoped, local (RFC 2365).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 41, 60);
/// The group of calls over IPv6: of the link, and not one that IANA assigns (RFC 4291, 2.7).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x4160);
/// The UDP port of calls. Every node of a host listens on it; answers go to the caller's own port.
pub const PORT: u16 = 4161;

// Offsets.
const CRC: usize = 4;
const SENDER: usize = CRC + 4;
/// Bytes of every discovery message, a tag aside.
pub const DISCOVERY_SIZE: usize = SENDER + ID_SIZE + 2 + 8 + 8;

const _: () = assert!(DISCOVERY_SIZE == 46);
const _: () = assert!(MAGIC != datagram::MAGIC, "the first byte tells them apart");

const QUERY: u8 = 0x01;
const RESPONSE: u8 = 0x81;

/// What a discovery message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who is there?
    Query,
    /// I am, and you may ask me with this cookie, which is not [`Cookie::NONE`].
    Response(Cookie),
}

/// One hail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// What it says.
    pub kind: Kind,
    /// The sender's node id.
    pub sender: NodeId,
    /// The sender's port; not 0.
    pub port: u16,
    /// Chosen by the call, echoed by the answer.
    pub nonce: u64,
}

/// Why bytes are not a discovery message: the first field that is wrong. They are counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryError {
    /// Not as long as a discovery message.
    Length,
    /// The first byte is not [`MAGIC`].
    Magic,
    /// A version that is not spoken here.
    Version,
    /// No known kind.
    Kind,
    /// Damaged, or of another network.
    Crc,
    /// Not made with the network's key.
    Tag,
    /// The reserved byte is not zero.
    Reserved,
    /// The port is 0.
    Port,
    /// A call with a cookie, or an answer without.
    Cookie,
}

impl Discovery {
    /// Whether these bytes are a discovery message, by the first of them.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.first() == Some(&MAGIC)
    }

    /// Reads the discovery message that `bytes` are: all of them. What is cheap to check is checked first.
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

    /// Writes the discovery message to the start of `buffer`, with a tag where the network has a key, and returns the
    /// size of both in bytes.
    ///
    /// # Panics
    /// When `buffer` is too small for them, the port is 0, or an answer has no cookie.
    pub fn emit(&self, network: Network, buffer: &mut [u8]) -> usize {
        assert!(self.port != 0, "nobody listens at port 0");
        let (kind, cookie) = match self.kind {
            Kind::Query => (QUERY, Cookie::NONE),
            Kind::Response(cookie) => (RESPONSE, cookie),
        };
        assert!(
            kind == QUERY || cookie != Cookie::NONE,
            "an answer proves something"
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

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DiscoveryError::Length => "not as long as a discovery message",
            DiscoveryError::Magic => "not a sprat discovery message",
            DiscoveryError::Version => "unknown version",
            DiscoveryError::Kind => "unknown kind",
            DiscoveryError::Crc => "damaged, or of another network",
            DiscoveryError::Tag => "not made with the network's key",
            DiscoveryError::Reserved => "the reserved byte is not zero",
            DiscoveryError::Port => "wrong port",
            DiscoveryError::Cookie => "wrong cookie",
        })
    }
}

impl std::error::Error for DiscoveryError {}
