//! The work that a node gives its driver, and the events that it tells its owner.
//!
//! The words between the core and its two drivers, below both `swarm` and `node` so that either can
//! say them; [`crate::node`] has the contract that they belong to. Invariant: every type is small
//! and `Copy`, and borrows nothing.

use crate::bitmap::Bitmap;
use crate::dht;
use crate::id::FileId;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Names one swarm of a node: slot and generation, so that a stale key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SwarmKey {
    /// Slot in the node's slab.
    pub slot: u32,
    /// Which use of the slot.
    pub generation: u32,
}

/// Names one stream of a node: slot and generation, so that a stale key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// Slot in the node's slab.
    pub slot: u32,
    /// Which use of the slot.
    pub generation: u32,
}

/// A datagram that stands in the driver's buffer, to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Address and port of the receiver.
    pub to: SocketAddr,
    /// Its bytes, from the start of the buffer.
    pub size: usize,
}

/// Consecutive bytes of one entry of a swarm's file, as it lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The swarm of the file.
    pub swarm: SwarmKey,
    /// Index of the manifest's entry; a single file is entry 0.
    pub entry: u32,
    /// Offset in the entry, in bytes.
    pub offset: u64,
    /// Length in bytes, at least 1.
    pub length: u32,
}

/// The next thing that a stream has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The bytes of `Node::bytes`. With `more`, a file range follows at once (send with
    /// `MSG_MORE`).
    Bytes {
        /// A file range follows.
        more: bool,
    },
    /// A range of a file on disk, for `sendfile`.
    File(FileRange),
}

/// Bytes of the longest goodbye.
pub const LAST_WORDS_MAX: usize = 16;

/// The bytes that a stream says before it is closed, in its dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastWords {
    bytes: [u8; LAST_WORDS_MAX],
    size: u8,
}

impl LastWords {
    /// These bytes, of which there are at most [`LAST_WORDS_MAX`].
    pub fn new(bytes: &[u8]) -> LastWords {
        let mut words = LastWords::default();
        words.bytes[..bytes.len()].copy_from_slice(bytes);
        words.size = bytes.len() as u8;
        words
    }
}

impl AsRef<[u8]> for LastWords {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.size)]
    }
}

/// Work that the node hands to its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection; the answer is `handle_connected`, or `handle_closed` when it fails.
    Connect {
        /// The stream that the node has made for it.
        stream: StreamKey,
        /// Address of the peer to connect to.
        to: SocketAddr,
    },
    /// The stream has something to send: ask `poll_send`.
    Send(StreamKey),
    /// The node has freed the stream: send the last words if the socket takes them at once, then
    /// deregister, close and free. There is no answer.
    Close {
        /// The stream.
        stream: StreamKey,
        /// Bytes to send before the close; may be empty.
        last_words: LastWords,
    },
    /// Make or find the files of a fetch (free space, `NAME.part`, `fallocate`); the answer is
    /// [`DiskReport::Prepared`] or [`DiskReport::Journaled`]. The manifest is known.
    Prepare(SwarmKey),
    /// Write `range.length` bytes, which begin at `start` of the buffer last given to
    /// `handle_received`, to the range; the answer is [`DiskReport::Written`].
    Write {
        /// The range of the file that they fill.
        range: FileRange,
        /// Where they are in the receive buffer.
        start: u32,
        /// The shard that they are part of.
        shard: u32,
    },
    /// Make what a fetch has gained durable, as `store/plan.rs` says. Until the answer,
    /// [`DiskReport::Checkpointed`], `Swarms::checkpoint` has what to write.
    Checkpoint(SwarmKey),
    /// Open a finished file for writing: shards of it (`Swarms::bad`) have gone bad and are fetched
    /// again. The driver first checks that the file is unchanged, and notes on disk, for the next
    /// start, that it is ours and being written; the answer is [`DiskReport::Reopened`].
    Reopen(SwarmKey),
    /// Make a fetched file durable under its final name (`fdatasync`, rename, `fsync` of the
    /// folder), or what was written into one that was reopened (`fdatasync`); the answer is
    /// [`DiskReport::Finished`].
    Finish(SwarmKey),
}

/// The files that the driver found where a fetched file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Nothing: the files are new and hold no shard.
    Fresh,
    /// An unfinished fetch, which may hold some shards.
    Partial,
    /// Files of the right sizes under the final name, which may hold every shard.
    Final,
    /// The same, and this node has put them there, and nobody else has touched them since: what is
    /// wrong in them has gone bad.
    Kept,
}

/// The result of disk work that a node has asked for, or what the driver has noticed of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskReport<'a> {
    /// The answer to [`Output::Prepare`].
    Prepared(Result<Prepared, DiskError>),
    /// The other answer to [`Output::Prepare`]: an unfinished fetch, and the shards that its
    /// journal proves.
    Journaled(&'a Bitmap),
    /// The answer to [`Output::Write`].
    Written {
        /// The shard of the range.
        shard: u32,
        /// Length of the range in bytes.
        length: u32,
        /// The error, where the write failed.
        result: Result<(), DiskError>,
    },
    /// The answer to `poll_read`: all bytes of the range.
    Read(Result<&'a [u8], DiskError>),
    /// The answer to [`Output::Checkpoint`].
    Checkpointed(Result<(), DiskError>),
    /// The answer to [`Output::Reopen`].
    Reopened(Result<(), DiskError>),
    /// The answer to [`Output::Finish`].
    Finished(Result<(), DiskError>),
    /// All that is held was last verified this long ago; `None`: that is not known.
    Verified(Option<Duration>),
    /// The files of what is served are not there: the swarm waits until [`DiskReport::Returned`].
    Missing,
    /// The files are there again, and everything in them as it was.
    Returned,
    /// An entry of what is served is not the file that was hashed: it is no longer served.
    Changed {
        /// Its index in the manifest.
        entry: u32,
    },
}

/// The remedy for a shard that has gone bad on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It is shared from where it lies: its owner has to restore the file.
    Restore,
    /// It is fetched again from others.
    Fetch,
    /// Too many have gone bad: the disk has to be replaced.
    Replace,
}

/// The source to restore a served file from, when its bytes go bad on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This disk alone: its owner shares it from where it lies.
    Own,
    /// Peers, from which it was fetched: bad shards are fetched again.
    Fetched,
}

/// How disk work failed. The driver logs the operation, the path and the system's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The file and the reserve do not fit.
    NoSpace,
    /// Something else stands under the final name.
    Exists,
    /// A file or folder is not there.
    NotFound,
    /// The process lacks the permission.
    Denied,
    /// The file is shorter than it was.
    Truncated,
    /// The file is not the one that was opened first, or was edited since.
    Changed,
    /// Any other error of the system.
    Failed,
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The connection could not be made or broke, or promised payload could not be read.
    Lost,
    /// Neither side had anything that the other lacked, or this node does not share the file.
    Done,
    /// The other node said why.
    Closed(crate::wire::stream::CloseReason),
    /// It did not answer in time.
    Timeout,
    /// It broke the protocol.
    Protocol,
    /// It is not of our network, or does not have its key.
    Stranger,
    /// It is this node itself, or there is another stream to it.
    Duplicate,
    /// It sent wrong bytes.
    Corrupt,
    /// This node stops or gives the file up.
    Stopped,
}

/// Why a node does not take on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has as many swarms as it can.
    Full,
    /// It has a swarm of this file.
    Known(SwarmKey),
}

/// Why a swarm has failed. The file's data and journal are left for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No provider could be found or reached, though lookups ended.
    Nobody {
        /// Nodes that answered the last lookup (not all that were asked).
        asked: u32,
    },
    /// The providers that are left lack some shards, or send them wrong.
    Incomplete {
        /// Shards that nobody has sent right.
        missing: u32,
    },
    /// There is no node to ask and no provider in the link.
    NoContacts,
    /// The disk.
    Disk(DiskError),
    /// The final name holds a file of the right size with other content.
    OtherFile,
    /// This node shares or fetches the same file already: equal name, equal content.
    Known,
    /// The owner has removed the swarm.
    Removed,
    /// The files to share cannot be put into a manifest (a name or a size breaks a limit).
    Manifest(crate::wire::ManifestError),
}

/// News for the node's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// News of the DHT; of its lookups, only the ends of those for providers.
    Dht(dht::Event),
    /// A share is hashed and served from now on.
    Shared {
        /// Its swarm.
        swarm: SwarmKey,
        /// Its id.
        file: FileId,
    },
    /// A stream is open and its other end has the same file.
    Connected {
        /// The swarm.
        swarm: SwarmKey,
        /// The other end.
        address: SocketAddr,
    },
    /// A stream of a swarm has ended.
    Disconnected {
        /// The swarm.
        swarm: SwarmKey,
        /// The other end.
        address: SocketAddr,
        /// Why.
        reason: Ended,
    },
    /// A manifest has been fetched and verified.
    Manifest {
        /// The swarm.
        swarm: SwarmKey,
        /// The sender.
        from: SocketAddr,
    },
    /// The data found on disk has been verified.
    Resumed {
        /// The swarm.
        swarm: SwarmKey,
        /// Number of shards that are verified.
        held: u32,
    },
    /// A shard failed verification: it is fetched again.
    Corrupt {
        /// The swarm.
        swarm: SwarmKey,
        /// The shard.
        shard: u32,
        /// The sender.
        from: SocketAddr,
    },
    /// A shared file is not what was hashed any more: it is no longer served.
    Changed {
        /// The swarm.
        swarm: SwarmKey,
    },
    /// The swarm waits: a fetch for room on its disk (`NoSpace`), what is served for its place to
    /// be there again (`NotFound`). Nothing is forgotten, and [`Event::Continued`] follows.
    Paused {
        /// The swarm.
        swarm: SwarmKey,
        /// The obstacle that it waits on.
        cause: DiskError,
    },
    /// The wait of a swarm has ended.
    Continued {
        /// The swarm.
        swarm: SwarmKey,
    },
    /// A shard that was right once is wrong on the disk, or cannot be read: it is no longer served.
    Rotten {
        /// The swarm.
        swarm: SwarmKey,
        /// The shard.
        shard: u32,
        /// The remedy, as far as there is one.
        remedy: Remedy,
    },
    /// Shards of a finished file that had gone bad were fetched again, and are on the disk.
    Repaired {
        /// The swarm.
        swarm: SwarmKey,
        /// Number of shards that were repaired.
        shards: u32,
    },
    /// Shards of a finished file that have gone bad could not be fetched or written again.
    Unrepaired {
        /// The swarm.
        swarm: SwarmKey,
        /// Number of shards that are still bad.
        missing: u32,
        /// The disk's error, which ends it; `None`: nobody has them now, and it is tried again.
        cause: Option<DiskError>,
    },
    /// Every shard has verified, and the file stands under its final name.
    Complete {
        /// The swarm.
        swarm: SwarmKey,
        /// It was complete before this fetch.
        already: bool,
    },
    /// The swarm has failed and is gone.
    Failed {
        /// The swarm.
        swarm: SwarmKey,
        /// Why.
        cause: Failure,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Full => "this node has as many files as it can",
            Refused::Known(_) => "this node shares or fetches the same file already",
        })
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DiskError::NoSpace => "not enough free space",
            DiskError::Exists => "another file has that name",
            DiskError::NotFound => "no such file or folder",
            DiskError::Denied => "permission denied",
            DiskError::Truncated => "the file is shorter than it was",
            DiskError::Changed => "the file has changed",
            DiskError::Failed => "the disk failed",
        })
    }
}
