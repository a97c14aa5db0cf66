//! Values in the streams of every dialect: the first message, ranges, lists, and reasons.
//!
//! Lists are the bytes that frames carry, and iterators decode them: shard numbers of four bytes,
//! locations of eighteen.
//!
//! Invariant: the native frames ([`native::frame`](super::native::frame)) write each enum as the
//! byte beside its variant.

use super::address::{self, ADDRESS_SIZE};
use super::reader::Reader;
use crate::id::{FileId, NodeId};
use std::net::SocketAddr;

/// Bytes of a shard number in a list.
pub const SHARD_NUMBER_SIZE: usize = 4;

byte_enum! {
    /// The part of a file that a node has when it opens a stream.
    pub enum Holds {
        /// It has no shard yet.
        None = 0,
        /// It has every shard of the file.
        All = 1,
        /// The shards in the `Map` frames that follow.
        Some = 2,
    }
}

/// The first message of each end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The file that the stream is about.
    pub file: FileId,
    /// The node id of the sender.
    pub node: NodeId,
    /// The port at which the sender accepts streams; 0 when it accepts none.
    pub port: u16,
    /// The shards that the sender has; a node that super-seeds says `None` and offers them later.
    pub holds: Holds,
    /// Bytes of the manifest; 0 when the sender has none.
    pub manifest_size: u32,
    /// Shards of the file; 0 when the sender has no manifest, or the file is empty.
    pub shard_count: u32,
}

/// Consecutive bytes of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Index of the shard in the file.
    pub shard: u32,
    /// Bytes from the start of the shard.
    pub offset: u32,
    /// Bytes of the range, at least 1.
    pub length: u32,
}

byte_enum! {
    /// The reason why a range is not sent.
    pub enum RejectReason {
        /// The node does not have the shard, or no longer.
        Missing = 0,
        /// The requester cancelled the request before it was served.
        Cancelled = 1,
        /// The file cannot be read, or has changed.
        Unreadable = 2,
        /// The queue of requests is full.
        Busy = 3,
    }
}

byte_enum! {
    /// The reason why a stream is closed.
    pub enum CloseReason {
        /// Neither end has a shard that the other lacks.
        Done = 0,
        /// The sender's node is about to stop.
        Stopping = 1,
        /// The sender has too many streams.
        Full = 2,
        /// The sender does not share the file.
        UnknownFile = 3,
        /// Both ends are the same node, or they keep another stream between them.
        Duplicate = 4,
        /// The receiver broke the protocol.
        Protocol = 5,
        /// The receiver did not answer in time.
        Timeout = 6,
        /// The receiver sent a shard that failed verification.
        Corrupt = 7,
    }
}

/// Decodes a list of shard numbers.
pub fn shards(list: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || reader.u32(()).ok())
}

/// Encodes a shard number for a list.
pub fn shard_bytes(shard: u32) -> [u8; SHARD_NUMBER_SIZE] {
    shard.to_be_bytes()
}

/// Decodes a list of locations, in canonical form.
pub fn locations(list: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || address::read(&mut reader, ()).ok())
}

/// Encodes a location for a list.
pub fn location_bytes(location: SocketAddr) -> [u8; ADDRESS_SIZE] {
    address::to_bytes(location)
}
