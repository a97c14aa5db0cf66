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
//! The CRC covers the whole datagram, its own four bytes taken as zero. Where the network has a key, a
//! tag of 16 bytes follows the body ([`network`](crate::wire::network)); no size here counts it. Flags: bit 0 *read-only*
//! (the sender asks but must not be put into tables, as BEP 43); the rest is zero. A reply's kind
//! is the request's with the top bit set.
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
//! *seen* = the address that the request came from (18), then a cookie for that address (8).
//! *padding* = length 2, then that many zero bytes: a request is padded up to its reply's greatest
//! size when its sender has no cookie of the receiver, because a reply to an unproved address is
//! never longer than the request. *location*, address = 16 bytes (IPv4 as IPv4-mapped IPv6), port 2
//! (not 0). *contact* = node id 20, address 18.
//!
//! `Replicate` is how a holder hands records on (rules 10 and 13). Its locations are hearsay,
//! because they come from a payload: the receiver asks each provider itself (`FindValue`, whose
//! reply says *provides*) before it stores anything.

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

/// The first byte of every datagram.
pub const MAGIC: u8 = 0xd5;
/// The version of the layout.
pub const VERSION: u8 = 1;

// Offsets in the header.
const CRC: usize = 4;
const RPC_ID: usize = CRC + 4;
const SENDER: usize = RPC_ID + ID_SIZE;
/// Bytes of the header.
pub const HEADER_SIZE: usize = SENDER + ID_SIZE;

const READ_ONLY: u8 = 0b0000_0001;

/// Bytes of a contact.
pub const CONTACT_SIZE: usize = ID_SIZE + ADDRESS_SIZE;
const SEEN_SIZE: usize = ADDRESS_SIZE + 8;
const HANDED_PROVIDER_SIZE: usize = ADDRESS_SIZE + 4;

/// Bytes of a `PingReply`.
pub const PING_REPLY_SIZE: usize = HEADER_SIZE + SEEN_SIZE;
/// Bytes of the largest `FindNodeReply`.
pub const FIND_NODE_REPLY_SIZE_MAX: usize = HEADER_SIZE + SEEN_SIZE + 8 + 1 + K * CONTACT_SIZE;
/// Bytes of the largest `FindValueReply`.
pub const FIND_VALUE_REPLY_SIZE_MAX: usize =
    FIND_NODE_REPLY_SIZE_MAX + 1 + 1 + PROVIDERS_PER_REPLY_MAX * ADDRESS_SIZE;
/// Bytes of a `StoreReply`.
pub const STORE_REPLY_SIZE: usize = HEADER_SIZE + SEEN_SIZE + 1;
/// Bytes of a `ReplicateReply`.
pub const REPLICATE_REPLY_SIZE: usize = STORE_REPLY_SIZE;
/// Bytes of an `Error`, which can answer every request.
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
    /// The request is too short to be answered to an address that has proved nothing, and its
    /// cookie proves nothing any more (the node may have restarted): ask again with the cookie of
    /// this reply.
    Unproved = 2,
}

/// A provider handed on, with the seconds its record has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedProvider {
    /// Where the provider serves.
    pub location: SocketAddr,
    /// Seconds until the record expires.
    pub ttl: u32,
}
const _: () = assert!(size_of::<HandedProvider>() <= crate::limits::memory::HANDED_SIZE);

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

/// What a datagram says. Requests carry their padding, because a datagram is read back as it was
/// sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table above says it")]
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

/// The kind of a datagram. The top bit tells a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the table above says it")]
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

impl Kind {
    /// The kind that a byte stands for.
    pub fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            0x01 => Kind::Ping,
            0x81 => Kind::PingReply,
            0x02 => Kind::FindNode,
            0x82 => Kind::FindNodeReply,
            0x03 => Kind::FindValue,
            0x83 => Kind::FindValueReply,
            0x04 => Kind::Store,
            0x84 => Kind::StoreReply,
            0x05 => Kind::Replicate,
            0x85 => Kind::ReplicateReply,
            0xff => Kind::Error,
            _ => return None,
        })
    }

    /// Whether it answers a request.
    pub fn is_reply(self) -> bool {
        self as u8 & 0x80 != 0
    }

    /// The greatest size in bytes of a reply to this request, an `Error` included; `None` for
    /// replies, which are never answered.
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
    /// What a request carries to a node that has not given it a cookie yet.
    pub const NONE: Cookie = Cookie(0);
}

impl Body {
    /// The kind of the datagram that says this.
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

    /// Whether it answers a request.
    pub fn is_reply(&self) -> bool {
        self.kind().is_reply()
    }

    /// What a reply tells the asker about itself; `None` for a request.
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

    /// Bytes of the datagram that says this, header included.
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "sums of bounded counts and a u16"
    )]
    pub fn size(&self) -> usize {
        match self {
            Body::Ping { padding, .. } => HEADER_SIZE + 8 + 2 + usize::from(*padding),
            Body::PingReply { .. } => PING_REPLY_SIZE,
            Body::FindNode { padding, .. } | Body::FindValue { padding, .. } => {
                HEADER_SIZE + ID_SIZE + 8 + 2 + usize::from(*padding)
            }
            Body::FindNodeReply { contacts, .. } => {
                FIND_NODE_REPLY_SIZE_MAX - contacts.remaining_capacity() * CONTACT_SIZE
            }
            Body::FindValueReply {
                providers,
                contacts,
                ..
            } => {
                FIND_VALUE_REPLY_SIZE_MAX
                    - providers.remaining_capacity() * ADDRESS_SIZE
                    - contacts.remaining_capacity() * CONTACT_SIZE
            }
            Body::Store { padding, .. } => {
                HEADER_SIZE + ID_SIZE + 8 + 2 + 4 + 2 + usize::from(*padding)
            }
            Body::StoreReply { .. } => STORE_REPLY_SIZE,
            Body::Replicate {
                providers, padding, ..
            } => {
                REPLICATE_SIZE_MAX - providers.remaining_capacity() * HANDED_PROVIDER_SIZE
                    + usize::from(*padding)
            }
            Body::ReplicateReply { .. } => REPLICATE_REPLY_SIZE,
            Body::Error { .. } => ERROR_SIZE,
        }
    }

    /// The same request with as much padding as makes its datagram at least `total` bytes, and none
    /// when it is that large without. Replies have no padding and stay as they are.
    ///
    /// # Panics
    /// When `total` is greater than [`DATAGRAM_SIZE_MAX`].
    pub fn padded_to(mut self, total: usize) -> Body {
        assert!(total <= DATAGRAM_SIZE_MAX, "no datagram has {total} bytes");
        let size = self.size();
        if let Body::Ping { padding, .. }
        | Body::FindNode { padding, .. }
        | Body::FindValue { padding, .. }
        | Body::Store { padding, .. }
        | Body::Replicate { padding, .. } = &mut self
        {
            let bare = size.saturating_sub(usize::from(*padding));
            // At most DATAGRAM_SIZE_MAX, which fits.
            *padding = total.saturating_sub(bare) as u16;
        }
        self
    }
}

impl Datagram {
    /// Bytes that [`Datagram::emit`] writes, a tag aside.
    pub fn size(&self) -> usize {
        self.body.size()
    }
}

impl fmt::Debug for RpcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Id(self.0), f)
    }
}
