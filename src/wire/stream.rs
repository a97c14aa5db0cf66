//! Values that streams of every dialect carry: the first message, ranges, lists, and reasons.
//!
//! The native frames ([`native::frame`](super::native::frame)) write each enum as the number that
//! stands beside its variant. Lists are bytes as frames have them, decoded on iteration: shard
//! numbers of four, locations of eighteen.

use super::address::{self, ADDRESS_SIZE};
use super::reader::Reader;
use crate::id::{FileId, NodeId};
use std::net::SocketAddr;

/// Bytes of a shard number in `Have`.
pub const SHARD_NUMBER_SIZE: usize = 4;
/// What a node has of a file when it opens a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Holds {
    /// No shard.
    None = 0,
    /// Every shard.
    All = 1,
    /// Those in the `Map` frames that follow.
    Some = 2,
}

/// The first message of each end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The file that the stream is about.
    pub file: FileId,
    /// The sender.
    pub node: NodeId,
    /// Where the sender listens for streams; 0 when it does not.
    pub port: u16,
    /// What it has.
    pub holds: Holds,
    /// Bytes of the manifest; 0 when it has none.
    pub manifest_size: u32,
    /// Shards of the file; 0 when it has no manifest, or the file is empty.
    pub shard_count: u32,
}

/// Consecutive bytes of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Index of the shard.
    pub shard: u32,
    /// Bytes into the shard.
    pub offset: u32,
    /// Bytes, at least 1.
    pub length: u32,
}

/// Why a range is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RejectReason {
    /// The sender does not have the shard (any more).
    Missing = 0,
    /// The request was cancelled before its turn.
    Cancelled = 1,
    /// The file could not be read, or has changed.
    Unreadable = 2,
    /// More requests than the sender queues.
    Busy = 3,
}

/// Why a stream is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// Neither side has anything that the other lacks.
    Done = 0,
    /// The node stops.
    Stopping = 1,
    /// The sender has too many streams.
    Full = 2,
    /// The file is not shared here.
    UnknownFile = 3,
    /// Both ends are the same node, or another stream between the two stays.
    Duplicate = 4,
    /// The receiver broke the protocol.
    Protocol = 5,
    /// The receiver did not answer in time.
    Timeout = 6,
    /// The receiver sent a shard that failed verification.
    Corrupt = 7,
}

/// The shard numbers of a list.
pub fn shards(list: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || reader.u32(()).ok())
}

/// The four bytes that stand for a shard in a list.
pub fn shard_bytes(shard: u32) -> [u8; SHARD_NUMBER_SIZE] {
    shard.to_be_bytes()
}

/// The locations of a list, in canonical form.
pub fn locations(list: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || address::read(&mut reader, ()).ok())
}

/// The eighteen bytes that stand for a location in a list.
pub fn location_bytes(location: SocketAddr) -> [u8; ADDRESS_SIZE] {
    address::to_bytes(location)
}
