//! Bounds of what is shared: manifests, links, and the files on the disk.

use super::SWARMS_MAX;
use std::time::Duration;

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
/// Bytes of the smallest shard chosen for a new manifest: an SD card writes no less at once.
pub const SHARD_SIZE_CHOSEN_MIN: u32 = 16 * 1024;
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
/// Bytes read from or written to an open file until it is looked at again (is it still the same?):
/// a look a write took a fourth of a getter's system calls, one in 16 MiB takes none that counts.
pub const LOOK_SIZE: u64 = 16 * 1024 * 1024;
/// Free space that a fetch leaves, at least.
pub const RESERVE_SIZE_MIN: u64 = 256 * 1024 * 1024;

/// From a write that found no room to the next try: somebody has to make room first.
pub const SPACE_RETRY: Duration = Duration::from_secs(10);
/// From one look at everything that is shared to the next: a file that was edited is not served for
/// longer, and a node that only shares wakes for it once a minute.
pub const WATCH_PERIOD: Duration = Duration::from_secs(60);
/// And while something is missing: who puts a card back waits for it.
pub const WATCH_PERIOD_MISSING: Duration = Duration::from_secs(5);
/// Files looked at in one turn: a look takes microseconds, and a millisecond on a cold card.
pub const WATCHED_PER_TURN: usize = 32;
/// From a file's verification to the next: cards lose bits over months.
pub const SCRUB_INTERVAL: Duration = Duration::from_secs(7 * 24 * 3_600);
/// From one slice of a scrub to the next: with it an idle node wakes once in ten seconds, and sleeps
/// between scrubs.
pub const SCRUB_PERIOD: Duration = Duration::from_secs(10);
/// Bytes of a slice: 256 KiB/s, or 21 GiB a day; a tenth of a second of a slow card.
pub const SCRUB_SIZE: u64 = 10 * READ_SIZE as u64;
/// Shards of a swarm that may go bad since the start and are fetched again: a lost erase block of a
/// card is a few hundred. Beyond it the disk is failing.
pub const REPAIRS_MAX: u32 = 1_024;
/// From a repair that found nobody with what is missing to the next try.
pub const REPAIR_RETRY: Duration = Duration::from_secs(3_600);
/// Bytes of gained shards after which a fetch makes them durable: what a power cut can cost.
pub const CHECKPOINT_SIZE: u64 = 32 * 1024 * 1024;
/// After it, what was gained is made durable even if it is less.
pub const CHECKPOINT_PERIOD: Duration = Duration::from_secs(30);
/// Bytes of a journal that is read: its header and a few clean stops.
pub const JOURNAL_SIZE_BASE: u64 = 64 * 1024;
/// And for each shard: a record of its own. What is lost begins a new journal.
pub const JOURNAL_SIZE_PER_SHARD: u64 = 24;
/// Files whose last verification is kept across restarts: each may be a swarm.
pub const VERIFIED_MAX: usize = SWARMS_MAX;
/// From one list of them that was news to the next, but for the end and for repairs: memory cards
/// wear out.
pub const VERIFIED_PERIOD: Duration = Duration::from_secs(24 * 3_600);
/// From one look whether there is news to the next.
pub const VERIFIED_LOOK_PERIOD: Duration = Duration::from_secs(60);
/// Runs of shards in one record of a journal: 8 KiB, of which a damaged byte can cost no more.
pub const JOURNAL_RUNS_MAX: usize = 1_024;

// -- settings and keys

/// Bytes of a file of settings: a few hundred lines; more is some other file, named by mistake.
pub const CONFIG_SIZE_MAX: u64 = 64 * 1024;
/// Bytes of the file of a key that are read: 32 digits, and room for a comment.
pub const KEY_FILE_MAX: u64 = 4_096;
