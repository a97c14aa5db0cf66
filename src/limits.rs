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

// -- manifest

/// Bytes of the smallest shard: below it, hashes and requests cost more than they save.
pub const SHARD_SIZE_MIN: u32 = 16 * 1024;
/// Bytes of the largest shard: a node can pass a shard on only when it is whole.
pub const SHARD_SIZE_MAX: u32 = 16 * 1024 * 1024;
/// Bytes of the largest manifest: 100 GiB in shards of 1 MiB, or 32,768 files.
pub const MANIFEST_SIZE_MAX: usize = 4 * 1024 * 1024;
/// Files of a folder.
pub const ENTRIES_MAX: usize = 32_768;
/// Components of a path in a folder.
pub const PATH_DEPTH_MAX: usize = 16;
/// Bytes of a component of a path: what ext4 stores.
pub const NAME_SIZE_MAX: usize = 255;
/// Bytes of the smallest shard chosen for a new manifest: an SD card writes no less at once.
pub const SHARD_SIZE_CHOSEN_MIN: u32 = 64 * 1024;
/// Shards that a new manifest aims at: 40 KiB of hashes, and a map of 256 bytes.
pub const SHARD_COUNT_CHOSEN_MAX: u64 = 2_048;
/// Bytes of the largest file or folder: 1 PiB; sums of sizes then stay far from overflow.
pub const FILE_SIZE_MAX: u64 = 1 << 50;
/// Bytes of the largest metainfo file: a manifest, and the trackers and other hashes around it.
pub const METAINFO_SIZE_MAX: usize = 4 * MANIFEST_SIZE_MAX;
/// Lists and dictionaries within each other in bencode: a path in a `file tree` (BEP 52) takes the
/// most, one for each component.
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

// -- times

/// From connection to a complete `Open`.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
