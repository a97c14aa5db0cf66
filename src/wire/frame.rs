//! Frames: what a stream carries, over TCP.
//!
//! ```text
//!  0        1        2                 4                 8                12
//! +--------+--------+-----------------+-----------------+-----------------+------- - -
//! | 0xF5   | kind   | reserved, zero  | body length     | CRC-32          | body
//! +--------+--------+-----------------+-----------------+-----------------+------- - -
//! ```
//!
//! The CRC covers the first eight bytes and the body, except a `Data` frame's payload: that follows the
//! body as raw bytes, is not counted in *body length*, and is covered by the shard's SHA-1, so that it
//! can be sent with `sendfile`. Each kind has a fixed least and greatest body length, which is checked
//! before anything is stored.
//!
//! | kind | body |
//! |---|---|
//! | 0x01 `Open` | version 2, flags 2 (zero), file id 20, node id 20, port 2, holds 1 (0 none, 1 all, 2 some), reserved 1, manifest size 4, shard count 4 (0 and 0: the sender has no manifest yet) |
//! | 0x02 `Map` | first shard 4 (a multiple of 8), bits 1 – 16,384 bytes, most significant bit first |
//! | 0x03 `Have` | shards of 4 (1 – 1,024) |
//! | 0x04 `ManifestRequest` | offset 4, length 4 (1 – 16,368) |
//! | 0x05 `ManifestPart` | total 4, offset 4, bytes 1 – 16,368 |
//! | 0x06 `Request` | range 12 |
//! | 0x07 `Data` | range 12; then *length* raw bytes |
//! | 0x08 `Cancel` | range 12 |
//! | 0x09 `Refuse` | range 12, reason 1 |
//! | 0x0A `Providers` | locations of 18 (1 – 32) |
//! | 0x0B `KeepAlive` | nothing |
//! | 0x0C `Close` | reason 1 |
//!
//! *range* = shard 4, offset in the shard 4, length 4 (1 – 1 MiB). `Open` is the first frame in each
//! direction and comes once; holds = some is followed by `Map` frames that cover every shard. Each
//! `Request` gets exactly one answer, `Data` or `Refuse`, also when it is cancelled.

use crate::id::{FileId, NodeId};
use arrayvec::ArrayVec;
use std::net::SocketAddr;

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

/// The opening frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
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
pub enum Refusal {
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

/// One frame. Byte strings borrow from the buffer that was parsed, lists are decoded on iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Frame<'a> {
    Open(Open),
    Map { first: u32, bits: &'a [u8] },
    /// Shard numbers, four bytes each: see [`shards`].
    Have { shards: &'a [u8] },
    ManifestRequest { offset: u32, length: u32 },
    ManifestPart { total: u32, offset: u32, bytes: &'a [u8] },
    Request(Range),
    /// The payload's `length` bytes follow the frame.
    Data(Range),
    Cancel(Range),
    Refuse { range: Range, reason: Refusal },
    /// Locations, 18 bytes each: see [`locations`].
    Providers { locations: &'a [u8] },
    KeepAlive,
    Close { reason: CloseReason },
}
