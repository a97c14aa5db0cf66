//! Values that streams of every dialect carry: ranges, and the reasons for rejects and closes.
//!
//! The native frames ([`native::frame`](super::native::frame)) write each enum as the number that
//! stands beside its variant.

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
