//! Bounds of what is shared: manifests, links, and the files on the disk.

use super::SWARMS_MAX;
use std::time::Duration;

// -- manifest

/// Bytes of the smallest shard: below it, hashes and requests cost more than they save.
pub const SHARD_SIZE_MIN: u32 = 16 * 1024;
/// Bytes of the largest shard: a node can serve a shard only when it is complete.
pub const SHARD_SIZE_MAX: u32 = 16 * 1024 * 1024;
/// Bytes of the largest manifest: 100 GiB in shards of 1 MiB, or 32,768 files.
pub const MANIFEST_SIZE_MAX: usize = 4 * 1024 * 1024;
/// Shards of a file: as many as the largest manifest can list.
pub const SHARD_COUNT_MAX: u32 = (MANIFEST_SIZE_MAX / 20) as u32;
/// Files of a folder: the largest manifest lists as many, at 128 bytes each.
pub const ENTRIES_MAX: usize = 32_768;
/// Components of a path in a folder.
pub const PATH_DEPTH_MAX: usize = 16;
/// Bytes of a component of a path: the maximum of ext4.
pub const NAME_SIZE_MAX: usize = 255;
/// Bytes of the smallest shard chosen for a new manifest: an SD card writes no less at once.
pub const SHARD_SIZE_CHOSEN_MIN: u32 = 16 * 1024;
/// Shards that a new manifest aims at: 40 KiB of hashes, and a map of 256 bytes.
pub const SHARD_COUNT_CHOSEN_MAX: u64 = 2_048;
/// Bytes of the largest file or folder: with 1 PiB, sums of sizes stay far from overflow.
pub const FILE_SIZE_MAX: u64 = 1 << 50;
/// Bytes of the largest metainfo file: a manifest, and the trackers and other hashes around it.
pub const METAINFO_SIZE_MAX: usize = 4 * MANIFEST_SIZE_MAX;
/// Nesting of lists and dictionaries in bencode: a path in a `file tree` (BEP 52) takes the most,
/// one level for each component.
pub const BENCODE_DEPTH_MAX: u32 = 32;

// -- links

/// Bytes of the longest link: trackers, which are ignored, make some links long.
pub const LINK_SIZE_MAX: usize = 16 * 1024;
/// Providers named in a link: the swarm names the others.
pub const LINK_PROVIDERS_MAX: usize = 16;

// -- disk

/// Bytes of the shared receive buffer, which disk reads use too.
pub const RECEIVE_BUFFER_SIZE: usize = 256 * 1024;
/// Bytes of one background read: the whole buffer.
pub const READ_SIZE: u32 = RECEIVE_BUFFER_SIZE as u32;
/// Bytes read from or written to an open file until its identity is checked again: a check for each
/// write took a fourth of a getter's system calls, one in 16 MiB costs nothing measurable.
pub const LOOK_SIZE: u64 = 16 * 1024 * 1024;
/// Bytes of free space that a fetch leaves, at least.
pub const RESERVE_SIZE_MIN: u64 = 256 * 1024 * 1024;

/// From a write that found no free space to the next try: a person has to make room first.
pub const SPACE_RETRY: Duration = Duration::from_secs(10);
/// Period of the check of all shared files: the longest time for which an edited file is served,
/// and one wake-up a minute of a node that only shares.
pub const WATCH_PERIOD: Duration = Duration::from_secs(60);
/// The same while a file is missing: a person who puts a card back waits for it.
pub const WATCH_PERIOD_MISSING: Duration = Duration::from_secs(5);
/// Files checked in one turn: a check takes microseconds, and a millisecond on a cold card.
pub const WATCHED_PER_TURN: usize = 32;
/// From a file's verification to the next: cards lose bits over months.
pub const SCRUB_INTERVAL: Duration = Duration::from_secs(7 * 24 * 3_600);
/// From one slice of a scrub to the next: an idle node wakes once in ten seconds, and sleeps
/// between scrubs.
pub const SCRUB_PERIOD: Duration = Duration::from_secs(10);
/// Bytes of a slice: 256 KiB/s, or 21 GiB a day; a tenth of a second of a slow card.
pub const SCRUB_SIZE: u64 = 10 * READ_SIZE as u64;
/// Shards of a swarm that may go bad after the start and are fetched again: a lost erase block of a
/// card is a few hundred. With more, the disk is failing.
pub const REPAIRS_MAX: u32 = 1_024;
/// From a repair that found no provider of the missing shards to the next try.
pub const REPAIR_RETRY: Duration = Duration::from_secs(3_600);
/// Bytes of gained shards after which a fetch makes them durable: the most that a power cut costs.
pub const CHECKPOINT_SIZE: u64 = 32 * 1024 * 1024;
/// Time after which a fetch makes gained shards durable even if they are fewer.
pub const CHECKPOINT_PERIOD: Duration = Duration::from_secs(30);
/// Bytes of a journal that a start reads, besides those for its shards: a header and a few clean
/// stops.
pub const JOURNAL_SIZE_BASE: u64 = 64 * 1024;
/// Bytes of a journal that a start reads for each shard: a record of its own. A longer journal is
/// started anew.
pub const JOURNAL_SIZE_PER_SHARD: u64 = 24;
/// Files whose last verification is kept across restarts: each may be a swarm.
pub const VERIFIED_MAX: usize = SWARMS_MAX;
/// From one write of that list to the next, except at the end and around repairs: memory cards wear
/// out.
pub const VERIFIED_PERIOD: Duration = Duration::from_secs(24 * 3_600);
/// Period of the check whether the list has changed.
pub const VERIFIED_LOOK_PERIOD: Duration = Duration::from_secs(60);
/// Runs of shards in one record of a journal: 8 KiB, the most that a damaged byte can cost.
pub const JOURNAL_RUNS_MAX: usize = 1_024;

// -- settings and keys

/// Bytes of a settings file: a few hundred lines; a larger one is another file, named by mistake.
pub const CONFIG_SIZE_MAX: u64 = 64 * 1024;
/// Bytes read from a key file: 32 digits, and room for a comment.
pub const KEY_FILE_MAX: u64 = 4_096;
