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

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use super::Network;
use super::address::{self, ADDRESS_SIZE};
use super::reader::{Reader, Writer};
use crate::id::{FileId, ID_SIZE, Id, NodeId};
use crate::limits::{DATAGRAM_SIZE_MAX, K, PROVIDERS_PER_REPLY_MAX};
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
const _: () = assert!(FIND_VALUE_REPLY_SIZE_MAX <= DATAGRAM_SIZE_MAX);
const _: () = assert!(REPLICATE_SIZE_MAX <= DATAGRAM_SIZE_MAX);
const _: () = assert!(K <= u8::MAX as usize, "a count is one byte");
const _: () = assert!(
    PROVIDERS_PER_REPLY_MAX <= u8::MAX as usize,
    "a count is one byte"
);
const _: () = assert!(DATAGRAM_SIZE_MAX <= u16::MAX as usize, "padding is a u16");

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

/// What a datagram says. Requests carry their padding, because a datagram is read back as it was sent.
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

/// Why bytes are not a datagram: the first field that is wrong, or not wholly there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramError {
    /// Shorter than the header.
    TooShort,
    /// Longer than [`DATAGRAM_SIZE_MAX`].
    TooLong,
    /// The first byte is not [`MAGIC`].
    Magic,
    /// A version that is not spoken here.
    Version,
    /// No known kind.
    Kind,
    /// Damaged, or of another network.
    Crc,
    /// A reserved flag is set.
    Flags,
    /// The cookie is cut.
    Cookie,
    /// The address or cookie of *seen* is cut, or the address is not usable.
    Seen,
    /// The lookup's target is cut.
    Target,
    /// The file id is cut.
    File,
    /// The token is cut.
    Token,
    /// *provides* is cut, or neither 0 nor 1.
    Provides,
    /// The number of providers is cut, too great, or 0 in a `Replicate`.
    ProviderCount,
    /// The number of contacts is cut or too great.
    ContactCount,
    /// A provider is cut, or its address is not usable.
    Provider,
    /// A contact is cut, or its address is not usable.
    Contact,
    /// The port is cut, or 0.
    Port,
    /// The time to live is cut.
    Ttl,
    /// The status is cut or unknown.
    Status,
    /// The error code is cut or unknown.
    Code,
    /// The padding is cut, or not zero.
    Padding,
    /// Bytes follow the last field.
    Trailing,
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

    /// The greatest size in bytes of a reply to this request, an `Error` included; `None` for replies,
    /// which are never answered.
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

impl Status {
    fn from_byte(byte: u8) -> Option<Status> {
        Some(match byte {
            0 => Status::Stored,
            1 => Status::Full,
            2 => Status::BadToken,
            3 => Status::Refused,
            _ => return None,
        })
    }
}

impl ErrorCode {
    fn from_byte(byte: u8) -> Option<ErrorCode> {
        Some(match byte {
            0 => ErrorCode::Unsupported,
            1 => ErrorCode::Busy,
            _ => return None,
        })
    }
}

impl Datagram {
    /// Reads the datagram that `bytes` are: all of them. What is cheap to check is checked first, the CRC
    /// before any field of the body.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &[u8], network: Network) -> Result<Datagram, DatagramError> {
        if bytes.len() > DATAGRAM_SIZE_MAX {
            return Err(DatagramError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        let start: [u8; CRC] = reader.array(DatagramError::TooShort)?;
        let [magic, version, kind, flags] = start;
        let crc = reader.u32(DatagramError::TooShort)?;
        let covered = reader.clone().rest();
        let rpc_id = RpcId(reader.array(DatagramError::TooShort)?);
        let sender = NodeId(Id(reader.array(DatagramError::TooShort)?));
        if magic != MAGIC {
            return Err(DatagramError::Magic);
        }
        if version != VERSION {
            return Err(DatagramError::Version);
        }
        let kind = Kind::from_byte(kind).ok_or(DatagramError::Kind)?;
        if crc != network.crc(&[&start, &[0; 4], covered]) {
            return Err(DatagramError::Crc);
        }
        if flags & !READ_ONLY != 0 {
            return Err(DatagramError::Flags);
        }
        let body = Body::read(kind, &mut reader)?;
        reader.end(DatagramError::Trailing)?;
        Ok(Datagram {
            read_only: flags == READ_ONLY,
            rpc_id,
            sender,
            body,
        })
    }

    /// Writes the datagram to the start of `buffer` and returns its size in bytes. Addresses are written
    /// in their canonical form.
    ///
    /// # Panics
    /// When `buffer` is smaller than [`DATAGRAM_SIZE_MAX`], the padding makes the datagram larger than
    /// that, a `Store` has port 0, or a `Replicate` no provider.
    pub fn emit(&self, network: Network, buffer: &mut [u8]) -> usize {
        assert!(
            buffer.len() >= DATAGRAM_SIZE_MAX,
            "the buffer is too small for any datagram"
        );
        assert!(
            self.size() <= DATAGRAM_SIZE_MAX,
            "the datagram is too large"
        );
        let mut writer = Writer::new(buffer);
        let flags = if self.read_only { READ_ONLY } else { 0 };
        writer.put(&[MAGIC, VERSION, self.body.kind() as u8, flags]);
        writer.zeros(4);
        writer.put(&self.rpc_id.0);
        writer.put(&self.sender.0.0);
        self.body.write(&mut writer);
        writer.replace_u32(CRC, network.crc(&[writer.written()]));
        writer.written().len()
    }

    /// Bytes that [`Datagram::emit`] writes.
    pub fn size(&self) -> usize {
        self.body.size()
    }
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

    /// The same request with as much padding as makes its datagram at least `total` bytes, and none when
    /// it is that large without. Replies have no padding and stay as they are.
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

    fn read(kind: Kind, reader: &mut Reader<'_>) -> Result<Body, DatagramError> {
        Ok(match kind {
            Kind::Ping => Body::Ping {
                cookie: read_cookie(reader)?,
                padding: read_padding(reader)?,
            },
            Kind::PingReply => Body::PingReply {
                seen: read_seen(reader)?,
            },
            Kind::FindNode => Body::FindNode {
                target: Id(reader.array(DatagramError::Target)?),
                cookie: read_cookie(reader)?,
                padding: read_padding(reader)?,
            },
            Kind::FindNodeReply => {
                let (seen, token) = (read_seen(reader)?, read_token(reader)?);
                let count = read_count(reader, K, DatagramError::ContactCount)?;
                let contacts = read_list(reader, count, read_contact)?;
                Body::FindNodeReply {
                    seen,
                    token,
                    contacts,
                }
            }
            Kind::FindValue => Body::FindValue {
                file: read_file(reader)?,
                cookie: read_cookie(reader)?,
                padding: read_padding(reader)?,
            },
            Kind::FindValueReply => read_find_value_reply(reader)?,
            Kind::Store => Body::Store {
                file: read_file(reader)?,
                token: read_token(reader)?,
                port: read_port(reader)?,
                ttl: reader.u32(DatagramError::Ttl)?,
                padding: read_padding(reader)?,
            },
            Kind::StoreReply => Body::StoreReply {
                seen: read_seen(reader)?,
                status: read_status(reader)?,
            },
            Kind::Replicate => read_replicate(reader)?,
            Kind::ReplicateReply => Body::ReplicateReply {
                seen: read_seen(reader)?,
                status: read_status(reader)?,
            },
            Kind::Error => {
                let seen = read_seen(reader)?;
                let code = reader.u8(DatagramError::Code)?;
                Body::Error {
                    seen,
                    code: ErrorCode::from_byte(code).ok_or(DatagramError::Code)?,
                }
            }
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Body::Ping { cookie, padding } => {
                writer.u64(cookie.0);
                write_padding(writer, *padding);
            }
            Body::PingReply { seen } => write_seen(writer, seen),
            Body::FindNode {
                target: id,
                cookie,
                padding,
            }
            | Body::FindValue {
                file: FileId(id),
                cookie,
                padding,
            } => {
                writer.put(&id.0);
                writer.u64(cookie.0);
                write_padding(writer, *padding);
            }
            Body::FindNodeReply {
                seen,
                token,
                contacts,
            } => {
                write_seen(writer, seen);
                writer.u64(token.0);
                writer.u8(contacts.len() as u8);
                contacts
                    .iter()
                    .for_each(|contact| write_contact(writer, contact));
            }
            Body::FindValueReply {
                seen,
                token,
                provides,
                providers,
                contacts,
            } => {
                write_seen(writer, seen);
                writer.u64(token.0);
                writer.u8(u8::from(*provides));
                writer.u8(providers.len() as u8);
                writer.u8(contacts.len() as u8);
                providers
                    .iter()
                    .for_each(|&location| address::write(writer, location));
                contacts
                    .iter()
                    .for_each(|contact| write_contact(writer, contact));
            }
            Body::Store {
                file,
                token,
                port,
                ttl,
                padding,
            } => {
                assert!(*port != 0, "nobody provides at port 0");
                writer.put(&file.0.0);
                writer.u64(token.0);
                writer.u16(*port);
                writer.u32(*ttl);
                write_padding(writer, *padding);
            }
            Body::StoreReply { seen, status } | Body::ReplicateReply { seen, status } => {
                write_seen(writer, seen);
                writer.u8(*status as u8);
            }
            Body::Replicate {
                file,
                token,
                providers,
                padding,
            } => {
                assert!(
                    !providers.is_empty(),
                    "a Replicate hands on at least one provider"
                );
                writer.put(&file.0.0);
                writer.u64(token.0);
                writer.u8(providers.len() as u8);
                for provider in providers {
                    address::write(writer, provider.location);
                    writer.u32(provider.ttl);
                }
                write_padding(writer, *padding);
            }
            Body::Error { seen, code } => {
                write_seen(writer, seen);
                writer.u8(*code as u8);
            }
        }
    }
}

fn read_find_value_reply(reader: &mut Reader<'_>) -> Result<Body, DatagramError> {
    let (seen, token) = (read_seen(reader)?, read_token(reader)?);
    let provides = match reader.u8(DatagramError::Provides)? {
        0 => false,
        1 => true,
        _ => return Err(DatagramError::Provides),
    };
    let provider_count = read_count(
        reader,
        PROVIDERS_PER_REPLY_MAX,
        DatagramError::ProviderCount,
    )?;
    let contact_count = read_count(reader, K, DatagramError::ContactCount)?;
    let location = |reader: &mut Reader<'_>| address::read(reader, DatagramError::Provider);
    let providers = read_list(reader, provider_count, location)?;
    let contacts = read_list(reader, contact_count, read_contact)?;
    Ok(Body::FindValueReply {
        seen,
        token,
        provides,
        providers,
        contacts,
    })
}

fn read_replicate(reader: &mut Reader<'_>) -> Result<Body, DatagramError> {
    let (file, token) = (read_file(reader)?, read_token(reader)?);
    let count = read_count(
        reader,
        PROVIDERS_PER_REPLY_MAX,
        DatagramError::ProviderCount,
    )?;
    if count == 0 {
        return Err(DatagramError::ProviderCount);
    }
    let providers = read_list(reader, count, |reader| {
        let location = address::read(reader, DatagramError::Provider)?;
        Ok(HandedProvider {
            location,
            ttl: reader.u32(DatagramError::Provider)?,
        })
    })?;
    Ok(Body::Replicate {
        file,
        token,
        providers,
        padding: read_padding(reader)?,
    })
}

/// Reads `count` items, which has been checked against the capacity.
fn read_list<T, const CAPACITY: usize>(
    reader: &mut Reader<'_>,
    count: usize,
    item: impl Fn(&mut Reader<'_>) -> Result<T, DatagramError>,
) -> Result<ArrayVec<T, CAPACITY>, DatagramError> {
    (0..count).map(|_| item(reader)).collect()
}

fn read_count(
    reader: &mut Reader<'_>,
    max: usize,
    wrong: DatagramError,
) -> Result<usize, DatagramError> {
    let count = usize::from(reader.u8(wrong)?);
    if count <= max { Ok(count) } else { Err(wrong) }
}

fn read_file(reader: &mut Reader<'_>) -> Result<FileId, DatagramError> {
    Ok(FileId(Id(reader.array(DatagramError::File)?)))
}

fn read_cookie(reader: &mut Reader<'_>) -> Result<Cookie, DatagramError> {
    reader.u64(DatagramError::Cookie).map(Cookie)
}

fn read_token(reader: &mut Reader<'_>) -> Result<Token, DatagramError> {
    reader.u64(DatagramError::Token).map(Token)
}

fn read_port(reader: &mut Reader<'_>) -> Result<u16, DatagramError> {
    match reader.u16(DatagramError::Port)? {
        0 => Err(DatagramError::Port),
        port => Ok(port),
    }
}

fn read_status(reader: &mut Reader<'_>) -> Result<Status, DatagramError> {
    Status::from_byte(reader.u8(DatagramError::Status)?).ok_or(DatagramError::Status)
}

fn read_padding(reader: &mut Reader<'_>) -> Result<u16, DatagramError> {
    let size = reader.u16(DatagramError::Padding)?;
    let padding = reader.bytes(usize::from(size), DatagramError::Padding)?;
    // Zero, so that nobody hides a second meaning in it.
    if padding.iter().all(|&byte| byte == 0) {
        Ok(size)
    } else {
        Err(DatagramError::Padding)
    }
}

fn read_seen(reader: &mut Reader<'_>) -> Result<Seen, DatagramError> {
    let address = address::read(reader, DatagramError::Seen)?;
    Ok(Seen {
        address,
        cookie: Cookie(reader.u64(DatagramError::Seen)?),
    })
}

fn read_contact(reader: &mut Reader<'_>) -> Result<Contact, DatagramError> {
    let id = NodeId(Id(reader.array(DatagramError::Contact)?));
    Ok(Contact {
        id,
        address: address::read(reader, DatagramError::Contact)?,
    })
}

fn write_padding(writer: &mut Writer<'_>, padding: u16) {
    writer.u16(padding);
    writer.zeros(usize::from(padding));
}

fn write_seen(writer: &mut Writer<'_>, seen: &Seen) {
    address::write(writer, seen.address);
    writer.u64(seen.cookie.0);
}

fn write_contact(writer: &mut Writer<'_>, contact: &Contact) {
    writer.put(&contact.id.0.0);
    address::write(writer, contact.address);
}

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DatagramError::TooShort => "shorter than a datagram's header",
            DatagramError::TooLong => "longer than any datagram",
            DatagramError::Magic => "not a sprat datagram",
            DatagramError::Version => "unknown version",
            DatagramError::Kind => "unknown kind",
            DatagramError::Crc => "damaged, or of another network",
            DatagramError::Flags => "unknown flags",
            DatagramError::Cookie => "cut in its cookie",
            DatagramError::Seen => "wrong address in what the replier saw",
            DatagramError::Target => "cut in its target",
            DatagramError::File => "cut in its file id",
            DatagramError::Token => "cut in its token",
            DatagramError::Provides => "wrong mark of a provider",
            DatagramError::ProviderCount => "wrong number of providers",
            DatagramError::ContactCount => "wrong number of contacts",
            DatagramError::Provider => "wrong provider",
            DatagramError::Contact => "wrong contact",
            DatagramError::Port => "wrong port",
            DatagramError::Ttl => "cut in its time to live",
            DatagramError::Status => "unknown status",
            DatagramError::Code => "unknown error code",
            DatagramError::Padding => "wrong padding",
            DatagramError::Trailing => "bytes after its end",
        })
    }
}

impl std::error::Error for DatagramError {}
