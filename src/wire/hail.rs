//! Hails: how the nodes of one local network find each other without being told of any.
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
//! The CRC covers the whole hail, its own four bytes taken as zero. Where the network has a key, a tag
//! of 16 bytes follows ([`network`](super::network)). *port* (not 0) is the sender's,
//! UDP and TCP alike; its IP is the packet's source.
//!
//! | kind | goes to | nonce | cookie |
//! |---|---|---|---|
//! | 0x01 `Call` | the group of the network, by multicast | random | zero |
//! | 0x81 `Answer` | the caller alone, at its port | the call's | for the caller's address, not zero |
//!
//! An answer is as long as a call, so it amplifies nothing. What it proves is that its sender has
//! heard the call: old ones have no effect. The cookie is the one of
//! [`datagram`]: with it the caller's next request has proved its address.
//!
//! A hail never leaves its link: it is sent with a hop limit of 1, and one whose source is not of
//! a network of the receiver is dropped. It is no RPC and no contact: what comes of it, `kad::hail`
//! decides.

use super::datagram::Cookie;
use super::reader::{Reader, Writer};
use super::{Network, datagram};
use crate::id::{ID_SIZE, Id, NodeId};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The first byte of every hail.
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
/// Bytes of every hail, a tag aside.
pub const HAIL_SIZE: usize = SENDER + ID_SIZE + 2 + 8 + 8;

const _: () = assert!(HAIL_SIZE == 46);
const _: () = assert!(MAGIC != datagram::MAGIC, "the first byte tells them apart");

const CALL: u8 = 0x01;
const ANSWER: u8 = 0x81;

/// What a hail says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who is there?
    Call,
    /// I am, and you may ask me with this cookie, which is not [`Cookie::NONE`].
    Answer(Cookie),
}

/// One hail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hail {
    /// What it says.
    pub kind: Kind,
    /// The sender's node id.
    pub sender: NodeId,
    /// The sender's port; not 0.
    pub port: u16,
    /// Chosen by the call, echoed by the answer.
    pub nonce: u64,
}

/// Why bytes are not a hail: the first field that is wrong. They are counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HailError {
    /// Not as long as a hail.
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

impl Hail {
    /// Whether these bytes are a hail, by the first of them.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.first() == Some(&MAGIC)
    }

    /// Reads the hail that `bytes` are: all of them. What is cheap to check is checked first.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &[u8], network: Network) -> Result<Hail, HailError> {
        let (message, tag) = network.split(bytes).ok_or(HailError::Length)?;
        if message.len() != HAIL_SIZE {
            return Err(HailError::Length);
        }
        let mut reader = Reader::new(message);
        let start: [u8; CRC] = reader.array(HailError::Length)?;
        let [magic, version, kind, reserved] = start;
        let crc = reader.u32(HailError::Length)?;
        let covered = reader.clone().rest();
        if magic != MAGIC {
            return Err(HailError::Magic);
        }
        if version != VERSION {
            return Err(HailError::Version);
        }
        if kind != CALL && kind != ANSWER {
            return Err(HailError::Kind);
        }
        if crc != network.crc(&[&start, &[0; 4], covered]) {
            return Err(HailError::Crc);
        }
        if !network.has_made(message, tag) {
            return Err(HailError::Tag);
        }
        if reserved != 0 {
            return Err(HailError::Reserved);
        }
        let sender = NodeId(Id(reader.array(HailError::Length)?));
        let port = reader.u16(HailError::Length)?;
        let nonce = reader.u64(HailError::Length)?;
        let cookie = Cookie(reader.u64(HailError::Length)?);
        if port == 0 {
            return Err(HailError::Port);
        }
        let kind = match (kind, cookie) {
            (CALL, Cookie::NONE) => Kind::Call,
            (ANSWER, cookie) if cookie != Cookie::NONE => Kind::Answer(cookie),
            _ => return Err(HailError::Cookie),
        };
        Ok(Hail {
            kind,
            sender,
            port,
            nonce,
        })
    }

    /// Writes the hail to the start of `buffer`, with a tag where the network has a key, and returns the
    /// size of both in bytes.
    ///
    /// # Panics
    /// When `buffer` is too small for them, the port is 0, or an answer has no cookie.
    pub fn emit(&self, network: Network, buffer: &mut [u8]) -> usize {
        assert!(self.port != 0, "nobody listens at port 0");
        let (kind, cookie) = match self.kind {
            Kind::Call => (CALL, Cookie::NONE),
            Kind::Answer(cookie) => (ANSWER, cookie),
        };
        assert!(
            kind == CALL || cookie != Cookie::NONE,
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

impl fmt::Display for HailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HailError::Length => "not as long as a hail",
            HailError::Magic => "not a sprat hail",
            HailError::Version => "unknown version",
            HailError::Kind => "unknown kind",
            HailError::Crc => "damaged, or of another network",
            HailError::Tag => "not made with the network's key",
            HailError::Reserved => "the reserved byte is not zero",
            HailError::Port => "wrong port",
            HailError::Cookie => "wrong cookie",
        })
    }
}

impl std::error::Error for HailError {}
