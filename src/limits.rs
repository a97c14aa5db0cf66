//! Every bound of a node, each with its reason. Nothing grows without one.

use std::time::Duration;

// -- datagrams

/// Bytes of the largest datagram: fits every IPv6 path (1,280) with room for a tunnel's headers.
pub const DATAGRAM_SIZE_MAX: usize = 1_200;
/// Provider locations in one `FindValueReply` or `Replicate`: with 20 contacts it fits a datagram.
pub const PROVIDERS_PER_REPLY_MAX: usize = 16;

// -- Kademlia (paper, section 2)

/// Contacts of a bucket, and nodes that hold a record (k). 20, so that an hour's departures never take all of them.
pub const K: usize = 20;
/// Queries of a lookup in flight (α).
pub const ALPHA: usize = 3;

// -- streams

/// Bytes of the largest frame body that is stored before it is used.
pub const FRAME_BODY_MAX: usize = 16 * 1024;
/// Bytes of the largest range that one request names: what a cancelled request can cost.
pub const RANGE_SIZE_MAX: u32 = 1024 * 1024;
/// Requests of a stream that wait for their answer.
pub const REQUESTS_MAX: usize = 16;
/// Streams of a node.
pub const STREAMS_MAX: usize = 64;
/// Connections of a swarm that are being made at once: a home router forgets a flood of them.
pub const SWARM_DIALS_MAX: usize = 16;
/// Swarms of a node.
pub const SWARMS_MAX: usize = 1_024;
/// Providers of a file that are remembered: several times as many as a node may connect to.
pub const PROVIDERS_MAX: usize = 4 * STREAMS_MAX;
/// Shards of a swarm in flight at once: each costs a hasher and a place.
pub const FLIGHTS_MAX: usize = 4 * STREAMS_MAX;
/// Shards in flight from one stream: few, so that they become whole, and can be passed on, early.
pub const FLIGHTS_PER_STREAM_MAX: usize = REQUESTS_MAX;
/// Bytes that are asked for in advance on any stream, at least.
pub const ASK_AHEAD_MIN: u64 = 256 * 1024;
/// A stream asks for its rate of a second divided by this in advance.
pub const ASK_AHEAD_DIVISOR: u64 = 4;
/// Bytes that a node with the whole file offers on a stream in advance, at least.
pub const OFFER_AHEAD_MIN: u64 = 256 * 1024;
/// A node with the whole file offers the stream's rate of a second divided by this in advance.
pub const OFFER_AHEAD_DIVISOR: u64 = 4;
/// Wrong shards from one stream before its other end is banned: a failing disk may spoil one or two.
pub const STRIKES_MAX: u8 = 3;

// -- manifest

/// Bytes of the smallest shard: below it, hashes and requests cost more than they save.
pub const SHARD_SIZE_MIN: u32 = 16 * 1024;
/// Bytes of the largest shard: a node can pass a shard on only when it is whole.
pub const SHARD_SIZE_MAX: u32 = 16 * 1024 * 1024;
/// Bytes of the largest manifest: 100 GiB in shards of 1 MiB, or 32,768 files.
pub const MANIFEST_SIZE_MAX: usize = 4 * 1024 * 1024;
/// Shards of a file: what a manifest of the greatest size can list.
pub const SHARD_COUNT_MAX: u32 = (MANIFEST_SIZE_MAX / 20) as u32;
/// Files of a folder.
pub const ENTRIES_MAX: usize = 32_768;
/// Components of a path in a folder.
pub const PATH_DEPTH_MAX: usize = 16;
/// Bytes of a component of a path: what ext4 stores.
pub const NAME_SIZE_MAX: usize = 255;
/// Bytes of the smallest shard that is chosen for a new manifest: an SD card's erase block is no smaller.
pub const SHARD_SIZE_CHOSEN_MIN: u32 = 64 * 1024;
/// Shards that a new manifest aims at: 40 KiB of hashes, and a map of 256 bytes.
pub const SHARD_COUNT_CHOSEN_MAX: u64 = 2_048;
/// Bytes of the largest file or folder: 1 PiB; sums of sizes then stay far from overflow.
pub const FILE_SIZE_MAX: u64 = 1 << 50;
/// Bytes of the largest metainfo file: a manifest, and the trackers and other hashes around it.
pub const METAINFO_SIZE_MAX: usize = 4 * MANIFEST_SIZE_MAX;
/// Lists and dictionaries within each other in bencode: a path in a `file tree` (BEP 52) takes most,
/// one for each component.
pub const BENCODE_DEPTH_MAX: u32 = 32;

// -- links

/// Bytes of the longest link: trackers, which are ignored, make some of them long.
pub const LINK_SIZE_MAX: usize = 16 * 1024;
/// Providers named in a link: the swarm names the others.
pub const LINK_PROVIDERS_MAX: usize = 16;

// -- disk

/// Bytes of the shared receive buffer, which also serves disk reads.
pub const RECEIVE_BUFFER_SIZE: usize = 256 * 1024;
/// Bytes of one background read.
pub const READ_SIZE: u32 = RECEIVE_BUFFER_SIZE as u32;
/// Free space that a fetch leaves, at least.
pub const RESERVE_SIZE_MIN: u64 = 256 * 1024 * 1024;

// -- times of streams and swarms

/// From dialling to a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From connection to a complete `Open`.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Without a byte of what was asked for, before a stream is closed.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a frame, before a stream is closed.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Without sending, before a keep-alive: two of them fit the other end's idle time.
pub const KEEP_ALIVE_PERIOD: Duration = Duration::from_secs(25);
/// How long news of gained shards wait for more, so that one frame and one packet carry them.
pub const HAVE_DELAY: Duration = Duration::from_millis(20);
/// From the loss of a provider to the next try; doubled with each failure.
pub const REDIAL_DELAY_MIN: Duration = Duration::from_secs(1);
/// The longest wait for the next try of a provider.
pub const REDIAL_DELAY_MAX: Duration = Duration::from_secs(120);
/// From the end of a lookup for providers to the next; longer with each that brings nobody.
pub const LOOKUP_PERIOD: Duration = Duration::from_secs(3);
/// Lookups that must have ended before a fetch may fail for want of providers.
pub const LOOKUPS_BEFORE_GIVING_UP: u32 = 2;
/// How long a fetch that has nothing yet waits for a provider.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a fetch that has some shards waits for a provider of the rest.
pub const PATIENCE_PARTIAL: Duration = Duration::from_secs(60);
