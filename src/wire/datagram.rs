//! Datagrams: the four RPCs of Kademlia and their replies, over UDP.
//!
//! ```text
//!  0        1        2        3        4                 8
//! +--------+--------+--------+--------+-----------------+----------------- - -
//! | 0xD5   | version| kind   | flags  | CRC-32          | RPC id, 20 bytes
//! +--------+--------+--------+--------+-----------------+----------------- - -
//!  28                                48
//! +-----------------+-----------------+----------------- - -
//! | sender's node id, 20 bytes        | body
//! +-----------------------------------+----------------- - -
//! ```
//!
//! The CRC covers the whole datagram, its own four bytes taken as zero. Flags: bit 0 *read-only* (the
//! sender asks but must not be put into tables, as BEP 43); the rest is zero. A reply's kind is the
//! request's with the top bit set.
//!
//! | kind | body |
//! |---|---|
//! | 0x01 `Ping` | cookie 8, padding |
//! | 0x81 `PingReply` | seen 26 |
//! | 0x02 `FindNode` | target 20, cookie 8, padding |
//! | 0x82 `FindNodeReply` | seen 26, token 8, count 1 (0 – 20), contacts of 38 |
//! | 0x03 `FindValue` | file id 20, cookie 8, padding |
//! | 0x83 `FindValueReply` | seen 26, token 8, provides 1 (0 or 1), provider count 1 (0 – 16), contact count 1 (0 – 20), provider locations of 18, contacts of 38 |
//! | 0x04 `Store` | file id 20, token 8, port 2 (not 0), ttl 4, padding |
//! | 0x84 `StoreReply` | seen 26, status 1 |
//! | 0x05 `Replicate` | file id 20, token 8, count 1 (1 – 16), entries of 22 (location 18, ttl 4), padding |
//! | 0x85 `ReplicateReply` | seen 26, status 1 |
//! | 0xFF `Error` | seen 26, code 1 |
//!
//! *seen* = the address that the request came from (18), then a cookie for that address (8). *padding* =
//! length 2, then that many zero bytes: a request is padded up to its reply's greatest size when its
//! sender has no cookie of the receiver, because a reply to an unproved address is never longer than
//! the request. *location*, address = 16 bytes (IPv4 as IPv4-mapped IPv6), port 2 (not 0).
//! *contact* = node id 20, address 18.
//!
//! `Replicate` is how a holder hands records on (rules 10 and 13). Its locations are hearsay, because
//! they come from a payload: the receiver asks each provider itself (`FindValue`, whose reply says
//! *provides*) before it stores anything.

use crate::id::{FileId, Id, NodeId};
use arrayvec::ArrayVec;
use std::net::SocketAddr;

/// A node as another knows it: 38 bytes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// The node's id.
    pub id: NodeId,
    /// Its IP address and UDP port.
    pub address: SocketAddr,
}

/// 160 random bits that a request carries and its reply echoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RpcId(pub [u8; 20]);

/// Proof that the bearer receives what is sent to its address; `Cookie::NONE` proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cookie(pub u64);

/// Leave to store a record under one key, bound to the asker's IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Token(pub u64);

/// What every reply tells the asker about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The address that the request came from.
    pub address: SocketAddr,
    /// To be echoed in the next request to the same node.
    pub cookie: Cookie,
}

/// What became of a `Store` or `Replicate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The record is held (for a `Replicate`: its providers will be asked).
    Stored = 0,
    /// The table of records, or this source's share of it, is full.
    Full = 1,
    /// The token is not one of ours, or too old, or for another key or address.
    BadToken = 2,
    /// This node keeps no records now.
    Refused = 3,
}

/// Why a request got no answer of its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorCode {
    /// The request has a version or kind that this node does not speak.
    Unsupported = 0,
    /// The sender is over its budget; ask later.
    Busy = 1,
}

/// A provider handed on, with the seconds its record has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedProvider {
    /// Where the provider serves.
    pub location: SocketAddr,
    /// Seconds until the record expires.
    pub ttl: u32,
}

/// One datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The sender asks but must not be put into tables (BEP 43).
    pub read_only: bool,
    /// Chosen by the request, echoed by the reply.
    pub rpc_id: RpcId,
    /// The sender's node id.
    pub sender: NodeId,
    /// What it says.
    pub body: Body,
}

/// What a datagram says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Body {
    Ping { cookie: Cookie, padding: u16 },
    PingReply { seen: Seen },
    FindNode { target: Id, cookie: Cookie, padding: u16 },
    FindNodeReply { seen: Seen, token: Token, contacts: ArrayVec<Contact, 20> },
    FindValue { file: FileId, cookie: Cookie, padding: u16 },
    FindValueReply { seen: Seen, token: Token, provides: bool, providers: ArrayVec<SocketAddr, 16>, contacts: ArrayVec<Contact, 20> },
    Store { file: FileId, token: Token, port: u16, ttl: u32, padding: u16 },
    StoreReply { seen: Seen, status: Status },
    Replicate { file: FileId, token: Token, providers: ArrayVec<HandedProvider, 16>, padding: u16 },
    ReplicateReply { seen: Seen, status: Status },
    Error { seen: Seen, code: ErrorCode },
}
