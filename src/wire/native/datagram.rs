//! Datagrams: the four RPCs of Kademlia and their replies, over UDP.
//!
//! ```text
//!  0        1        2        3        4                 8
//! +--------+--------+--------+--------+-----------------+----------------- - -
//! | 0xD5   | 1      | kind   | flags  | CRC-32          | RPC id, 20 bytes
//! +--------+--------+--------+--------+-----------------+----------------- - -
//!  28                                48
//! +-----------------+-----------------+----------------- - -
//! | sender's node id, 20 bytes        | body
//! +-----------------------------------+----------------- - -
//! ```
//!
//! Numbers are big-endian. The CRC covers the whole datagram, with its own four bytes taken as
//! zero. Its seed comes from the network's name and key, so nodes drop datagrams of other networks.
//! In a network with a key, a tag of 16 bytes follows the body ([`network`](crate::wire::network));
//! the sizes below do not include it. Flags: bit 0 is *read-only* (other nodes must not put the
//! sender into their tables, as in BEP 43); the other bits are zero. The kind of a reply is the
//! kind of its request with the top bit set; an `Error` can answer any request. The number after a
//! field is its size in bytes.
//!
//! ```text
//! 0x01 Ping            cookie 8, padding
//! 0x81 PingReply       seen 26
//! 0x02 FindNode        target 20, cookie 8, padding
//! 0x82 FindNodeReply   seen 26, token 8, count 1 (0 – 20), contacts of 38
//! 0x03 FindValue       file id 20, cookie 8, padding
//! 0x83 FindValueReply  seen 26, token 8, provides 1 (0 or 1), provider count 1 (0 – 16),
//!                      contact count 1 (0 – 20), provider locations of 18, contacts of 38
//! 0x04 Store           file id 20, token 8, port 2 (not 0), ttl 4, padding
//! 0x84 StoreReply      seen 26, status 1
//! 0x05 Replicate       file id 20, token 8, count 1 (1 – 16), entries of 22 (location 18, ttl 4),
//!                      padding
//! 0x85 ReplicateReply  seen 26, status 1
//! 0xFF Error           seen 26, code 1
//! ```
//!
//! - *seen*: the address that the request came from (18), then a cookie for that address (8).
//! - *padding*: length 2, then that many zero bytes. A reply to an unproved address is never longer
//!   than the request. So a request without a cookie gets a whole reply only when it is padded to
//!   the largest size of that reply; to a shorter one the answer is a shorter reply or an `Error`.
//! - *location*, *address*: 16 bytes (IPv4 as IPv4-mapped IPv6), port 2 (not 0).
//! - *contact*: node id 20, address 18.
//!
//! With `Replicate` a holder passes records on (rules 10 and 13). Its locations are unverified,
//! because they come from a payload: before the receiver stores a record, it asks the provider
//! itself with a `FindValue`, whose reply has *provides* set.
//!
//! Invariant: a datagram that parses emits the bytes that it came from.

mod codec;
mod error;

pub use error::DatagramError;

use crate::address::Contact;
use crate::id::{FileId, ID_SIZE, Id, NodeId};
use crate::limits::{DATAGRAM_SIZE_MAX, K, PROVIDERS_PER_REPLY_MAX};
use crate::wire::address::ADDRESS_SIZE;
use crate::wire::network::TAG_SIZE;
use arrayvec::ArrayVec;
use std::fmt;
use std::net::SocketAddr;

/// First byte of every datagram.
pub const MAGIC: u8 = 0xd5;
/// Version of the layout: the second byte.
pub const VERSION: u8 = 1;

// Offsets in the header.
const CRC: usize = 4;
const RPC_ID: usize = CRC + 4;
const SENDER: usize = RPC_ID + ID_SIZE;
/// Bytes of the header, from the magic byte to the sender.
pub const HEADER_SIZE: usize = SENDER + ID_SIZE;

const READ_ONLY: u8 = 0b0000_0001;

/// Bytes of a contact: node id, address.
pub const CONTACT_SIZE: usize = ID_SIZE + ADDRESS_SIZE;
const SEEN_SIZE: usize = ADDRESS_SIZE + 8;
const HANDED_PROVIDER_SIZE: usize = ADDRESS_SIZE + 4;

/// Bytes of a `PingReply`, header included.
pub const PING_REPLY_SIZE: usize = HEADER_SIZE + SEEN_SIZE;
/// Bytes of the largest `FindNodeReply`, header included.
pub const FIND_NODE_REPLY_SIZE_MAX: usize = HEADER_SIZE + SEEN_SIZE + 8 + 1 + K * CONTACT_SIZE;
/// Bytes of the largest `FindValueReply`, header included.
pub const FIND_VALUE_REPLY_SIZE_MAX: usize =
    FIND_NODE_REPLY_SIZE_MAX + 1 + 1 + PROVIDERS_PER_REPLY_MAX * ADDRESS_SIZE;
/// Bytes of a `StoreReply`, header included.
pub const STORE_REPLY_SIZE: usize = HEADER_SIZE + SEEN_SIZE + 1;
/// Bytes of a `ReplicateReply`, header included.
pub const REPLICATE_REPLY_SIZE: usize = STORE_REPLY_SIZE;
/// Bytes of an `Error`, which can answer any request.
pub const ERROR_SIZE: usize = HEADER_SIZE + SEEN_SIZE + 1;
/// Bytes of the largest `Replicate` without padding.
pub const REPLICATE_SIZE_MAX: usize =
    HEADER_SIZE + ID_SIZE + 8 + 1 + PROVIDERS_PER_REPLY_MAX * HANDED_PROVIDER_SIZE + 2;

const _: () = assert!(HEADER_SIZE == 48 && CONTACT_SIZE == 38 && SEEN_SIZE == 26);
const _: () = assert!(
    FIND_NODE_REPLY_SIZE_MAX <= 1_024,
    "k contacts and the header fit 1,024"
);
const _: () = assert!(FIND_VALUE_REPLY_SIZE_MAX + TAG_SIZE <= DATAGRAM_SIZE_MAX);
const _: () = assert!(REPLICATE_SIZE_MAX + TAG_SIZE <= DATAGRAM_SIZE_MAX);
const _: () = assert!(K <= u8::MAX as usize, "a count is one byte");
const _: () = assert!(
    PROVIDERS_PER_REPLY_MAX <= u8::MAX as usize,
    "a count is one byte"
);
const _: () = assert!(DATAGRAM_SIZE_MAX <= u16::MAX as usize, "padding is a u16");

/// 160 random bits that a request carries and its reply echoes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RpcId(pub [u8; 20]);

/// Proof that the bearer receives datagrams at its address; `Cookie::NONE` proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cookie(pub u64);

/// Permission to store a record of one file, bound to the requester's IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Token(pub u64);

/// The part of every reply that is about its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The address that the request came from.
    pub address: SocketAddr,
    /// The receiver echoes it in its next request to the same node.
    pub cookie: Cookie,
}

byte_enum! {
    /// The result of a `Store` or `Replicate`.
    pub enum Status {
        /// The record is stored (for a `Replicate`: the node will ask its providers).
        Stored = 0,
        /// The table of records, or this source's share of it, is full.
        Full = 1,
        /// The token is too old, for another file or address, or not from this node.
        BadToken = 2,
        /// The node stores no records at present.
        Refused = 3,
    }
}

byte_enum! {
    /// The reason why a request has no reply of its own kind.
    pub enum ErrorCode {
        /// The node does not support the version or kind of the request.
        Unsupported = 0,
        /// The sender is over its budget and should ask later.
        Busy = 1,
        /// The cookie of the request proves nothing (the node may have restarted), and the request
        /// is shorter than its reply may be, or the network has a key. The sender should ask again
        /// with the cookie of this reply.
        Unproved = 2,
    }
}

/// A provider that a holder passes on, with the seconds that its record has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedProvider {
    /// The address at which the provider serves.
    pub location: SocketAddr,
    /// Seconds until the record expires.
    pub ttl: u32,
}
const _: () = assert!(size_of::<HandedProvider>() <= crate::limits::memory::HANDED_SIZE);

/// One datagram: header and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The receiver must not put the sender into its table (BEP 43).
    pub read_only: bool,
    /// Chosen by the requester, echoed by the reply.
    pub rpc_id: RpcId,
    /// The node id of the sender.
    pub sender: NodeId,
    /// The fields that depend on the kind.
    pub body: Body,
}

/// The body of a datagram. Requests keep their padding, so that a parsed datagram emits the bytes
/// that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table of the module says it")]
#[allow(
    clippy::large_enum_variant,
    reason = "lives on the stack for the length of one call"
)]
pub enum Body {
    Ping {
        cookie: Cookie,
        padding: u16,
    },
    PingReply {
        seen: Seen,
    },
    FindNode {
        target: Id,
        cookie: Cookie,
        padding: u16,
    },
    FindNodeReply {
        seen: Seen,
        token: Token,
        contacts: ArrayVec<Contact, K>,
    },
    FindValue {
        file: FileId,
        cookie: Cookie,
        padding: u16,
    },
    FindValueReply {
        seen: Seen,
        token: Token,
        provides: bool,
        providers: ArrayVec<SocketAddr, PROVIDERS_PER_REPLY_MAX>,
        contacts: ArrayVec<Contact, K>,
    },
    Store {
        file: FileId,
        token: Token,
        port: u16,
        ttl: u32,
        padding: u16,
    },
    StoreReply {
        seen: Seen,
        status: Status,
    },
    Replicate {
        file: FileId,
        token: Token,
        providers: ArrayVec<HandedProvider, PROVIDERS_PER_REPLY_MAX>,
        padding: u16,
    },
    ReplicateReply {
        seen: Seen,
        status: Status,
    },
    Error {
        seen: Seen,
        code: ErrorCode,
    },
}

byte_enum! {
    /// The kind of a datagram. The top bit marks a reply.
    #[allow(missing_docs, reason = "the table of the module says it")]
    pub enum Kind {
        Ping = 0x01,
        PingReply = 0x81,
        FindNode = 0x02,
        FindNodeReply = 0x82,
        FindValue = 0x03,
        FindValueReply = 0x83,
        Store = 0x04,
        StoreReply = 0x84,
        Replicate = 0x05,
        ReplicateReply = 0x85,
        Error = 0xff,
    }
}

impl Kind {
    /// Whether datagrams of this kind answer a request.
    pub fn is_reply(self) -> bool {
        self as u8 & 0x80 != 0
    }

    /// Bytes of the largest reply to this request, be it an `Error`; `None` for replies, which
    /// nodes never answer.
    pub fn reply_size_max(self) -> Option<usize> {
        let size = match self {
            Kind::Ping => PING_REPLY_SIZE,
            Kind::FindNode => FIND_NODE_REPLY_SIZE_MAX,
            Kind::FindValue => FIND_VALUE_REPLY_SIZE_MAX,
            Kind::Store => STORE_REPLY_SIZE,
            Kind::Replicate => REPLICATE_REPLY_SIZE,
            _ => return None,
        };
        Some(size.max(ERROR_SIZE))
    }
}

impl Cookie {
    /// The cookie of a request to a node that has not sent one yet.
    pub const NONE: Cookie = Cookie(0);
}

impl Body {
    /// The kind of a datagram with this body.
    pub fn kind(&self) -> Kind {
        match self {
            Body::Ping { .. } => Kind::Ping,
            Body::PingReply { .. } => Kind::PingReply,
            Body::FindNode { .. } => Kind::FindNode,
            Body::FindNodeReply { .. } => Kind::FindNodeReply,
            Body::FindValue { .. } => Kind::FindValue,
            Body::FindValueReply { .. } => Kind::FindValueReply,
            Body::Store { .. } => Kind::Store,
            Body::StoreReply { .. } => Kind::StoreReply,
            Body::Replicate { .. } => Kind::Replicate,
            Body::ReplicateReply { .. } => Kind::ReplicateReply,
            Body::Error { .. } => Kind::Error,
        }
    }

    /// Whether it is the body of a reply.
    pub fn is_reply(&self) -> bool {
        self.kind().is_reply()
    }

    /// The part of a reply that is about its receiver; `None` for a request.
    pub fn seen(&self) -> Option<Seen> {
        match self {
            Body::PingReply { seen }
            | Body::FindNodeReply { seen, .. }
            | Body::FindValueReply { seen, .. }
            | Body::StoreReply { seen, .. }
            | Body::ReplicateReply { seen, .. }
            | Body::Error { seen, .. } => Some(*seen),
            Body::Ping { .. }
            | Body::FindNode { .. }
            | Body::FindValue { .. }
            | Body::Store { .. }
            | Body::Replicate { .. } => None,
        }
    }
}

impl Datagram {
    /// Bytes that [`Datagram::emit`] writes, without a tag.
    pub fn size(&self) -> usize {
        self.body.size()
    }
}

impl fmt::Debug for RpcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Id(self.0), f)
    }
}
