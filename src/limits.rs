//! Every bound of a node, each with its reason. Nothing grows without one.

mod lan;
mod streams;

pub use lan::*;
use std::time::Duration;
pub use streams::*;

// -- datagrams

/// Bytes of the largest datagram: fits every IPv6 path (1,280) with room for a tunnel's headers.
pub const DATAGRAM_SIZE_MAX: usize = 1_200;
/// Provider locations in one `FindValueReply` or `Replicate`: with 20 contacts it fits a datagram.
pub const PROVIDERS_PER_REPLY_MAX: usize = 16;

// -- Kademlia (paper, section 2)

/// Contacts of a bucket, and nodes that hold a record (k). 20, so that an hour's departures never
/// take all of them.
pub const K: usize = 20;
/// Queries of a lookup in flight (α).
pub const ALPHA: usize = 3;
/// Disjoint paths of a lookup that somebody waits for. One is the paper's. Three ask three times as many
/// nodes, and are worth it where strangers may join: see the figures of `kad`. A fleet that
/// trusts its nodes pays for nothing with one, which is therefore the default.
pub const PATHS: usize = 1;

// -- caps (`--up`, `--down`)

/// Bytes a second of the lowest cap: with [`UPLOADS_MAX`] streams, each gets a portion in less than
/// half of [`REQUEST_TIMEOUT`], after which its other end would give up.
pub const RATE_MIN: u64 = 4 * 1024;
/// Bytes a second of the highest cap: a thousand times the fastest link of a small host.
pub const RATE_MAX: u64 = 1 << 40;
/// What may go at once is the cap's bytes of a second divided by this (100 ms): a turn of the loop
/// that comes late by less loses nothing, and a thin link sees no longer burst.
pub const PACE_BURST_DIVISOR: i64 = 10;
/// What is admitted at once, at least, is the bytes of a second divided by this (10 ms).
pub const PACE_PORTION_DIVISOR: i64 = 100;
/// Bytes of the least portion: with its header it fills a few packets.
pub const PACE_PORTION_MIN: i64 = 4 * 1024;
/// Bytes of the greatest portion: a range.
pub const PACE_PORTION_MAX: i64 = RANGE_SIZE_MAX as i64;

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

// -- Kademlia's tables (rule 16)

/// Contacts that wait for a place, for each bucket: a few hours of newcomers.
pub const CACHE: usize = 10;
/// How many times k a bucket of the subtree around us may hold: one side of a lopsided id space.
pub const NEAR_FACTOR: usize = 8;
/// Far buckets that a node refreshes when it joins: enough for 2^24 nodes, whoever claims to be
/// near us.
pub const FAR_DEPTH_MAX: usize = 24;
/// Contacts of one /24 (IPv6: /64) in a bucket: one owner must not fill it.
pub const PER_SUBNET_MAX: usize = 2;
/// Unanswered requests in a row after which a contact is stale (paper, 4.1).
pub const STALE_AFTER: u32 = 5;
/// Nodes in view of a refresh: a few fresh contacts for a bucket. Five would cost 426 B/s instead of
/// 315 where half of 1,000 nodes leave within 84 seconds.
pub const REFRESH_VIEW: usize = 3;
/// Addresses that are remembered: the lookups of ten minutes.
pub const ADDRESSES_MAX: usize = 1_024;
/// Addresses whose probe is remembered after they went from that table: as many as the budget of
/// new destinations can reach in a [`PROBE_PERIOD`].
pub const PROBED_MAX: usize = 3_072;
const _: () = assert!(
    PROBED_MAX as u64
        >= DESTINATIONS.per_second as u64 * PROBE_PERIOD.as_secs() + DESTINATIONS.burst as u64
);
/// Unanswered requests in a row after which an address has to prove itself again.
pub const SILENCES_MAX: u32 = 3;
/// Requests that wait for their reply: 8 lookups of 20 each, and as much again for upkeep.
pub const RPCS_MAX: usize = 256;
/// Requests that were given up and whose late reply still counts as a sign of life.
pub const LATE_RPCS_MAX: usize = 64;
/// Lookups at once: beyond it they only take one another's places.
pub const LOOKUPS_MAX: usize = 8;
/// Lookups at once that nobody waits for (refreshes, announcements), so that users' find a place.
pub const BACKGROUND_LOOKUPS_MAX: usize = 4;
/// Lookups that wait for a place or for the first contact.
pub const LOOKUPS_WAITING_MAX: usize = 64;
/// Contacts that a lookup keeps in view: k and enough of the next to replace the dead.
pub const CANDIDATES_MAX: usize = 128;
/// Nodes that one lookup asks: four times what a million nodes need, so that liars cannot keep it
/// going.
pub const LOOKUP_ASKED_MAX: u32 = 256;
/// Providers that one lookup reports: more than anybody connects to.
pub const LOOKUP_PROVIDERS_MAX: usize = 256;
/// Files that there are records of.
pub const KEYS_MAX: usize = 4_096;
/// Providers kept for one file: two replies' worth.
pub const PROVIDERS_PER_KEY_MAX: usize = 32;
/// Records in all: about half a MiB.
pub const RECORDS_MAX: usize = 8_192;
/// Providers of one file in one global /24 (IPv6: /64): else one owner fills all of its places.
pub const PROVIDERS_PER_KEY_AND_SUBNET_MAX: usize = 4;
/// Records of one global IP.
pub const RECORDS_PER_IP_MAX: usize = 32;
/// Records of one global /24 (IPv6: /64).
pub const RECORDS_PER_SUBNET_MAX: usize = 64;
/// Keys that are looked at, of those kept and of those provided, for each contact that the table
/// takes in: 0.1 ms of work for most newcomers (`tests/kad_costs.rs`).
pub const NEWCOMER_KEYS_MAX: usize = 256;
/// Records handed to us that wait until their provider is asked.
pub const UNCONFIRMED_MAX: usize = 64;
/// Files that a node announces: as many as it has swarms; each remembers k holders, 1.5 KiB.
pub const PROVIDED_MAX: usize = SWARMS_MAX;
/// Files of which a provider asks a holder in a minute whether it is still there: 35 bytes a second.
pub const HOLDERS_ASKED_MAX: usize = 16;
/// Stores and replications that wait to be sent.
pub const ERRANDS_MAX: usize = 512;
/// Stores and replications in flight, so that lookups find a place.
pub const ERRANDS_ACTIVE_MAX: usize = 64;
/// Contacts that wait to be pinged.
pub const CANDIDATE_CONTACTS_MAX: usize = 256;
/// Pings of candidates and stale contacts in flight.
pub const PINGS_ACTIVE_MAX: usize = 16;
/// Nodes to join through.
pub const BOOTSTRAPS_MAX: usize = 32;
/// Contacts that are saved across restarts: if one in eight lives, 99 restarts of 100 find one. They
/// are 1,234 bytes, and one burst of [`DESTINATIONS`] asks them all.
pub const SAVED_CONTACTS_MAX: usize = 32;
/// Datagrams that wait to be sent: the driver drains them after each input.
pub const OUTBOX_MAX: usize = 512;
/// Events that wait for the owner.
pub const EVENTS_MAX: usize = 1_024;
/// Sources of unproved messages with an account of their own.
pub const SOURCES_MAX: usize = 512;
/// Nodes whose word on our own address counts: the last that gave it.
pub const VOTES_MAX: usize = 16;

// -- Kademlia's budgets (rule 16)

/// How often something may happen: `per_second` in the long run, `burst` at once; each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Events a second.
    pub per_second: u32,
    /// Events at once.
    pub burst: u32,
}

/// Messages of a source that has not proved its address.
pub const UNPROVED_SOURCE: Allowance = Allowance {
    per_second: 10,
    burst: 20,
};
/// Messages of a source that has: more than ten lookups a second of all its users.
pub const PROVED_SOURCE: Allowance = Allowance {
    per_second: 200,
    burst: 400,
};
/// Destinations that were not in use before: home routers die of about 100 a second.
pub const DESTINATIONS: Allowance = Allowance {
    per_second: 50,
    burst: 50,
};

// -- Kademlia's times

/// After it, a node asked in a lookup steps aside and the next is asked (rule 8).
pub const RPC_SLOW: Duration = Duration::from_secs(1);
/// After it, a request counts as unanswered.
pub const RPC_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a lookup may take in all.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);
/// From one secret for cookies and tokens to the next; a proof is good for one to two of them.
pub const SECRET_PERIOD: Duration = Duration::from_secs(300);
/// Bytes of the file of a key that are read: 32 digits, and room for a comment.
pub const KEY_FILE_MAX: u64 = 4_096;
/// Stores that are remembered under one secret, in a network with a key, so that a recorded one has no
/// effect: eight bytes each, and 13 a second before the secret is renewed early.
pub const SPENT_MAX: usize = 4_096;
/// How long an answer proves its address.
pub const PROOF_TTL: Duration = Duration::from_secs(600);
/// At most one request in it goes to an address that has not answered.
pub const PROBE_PERIOD: Duration = Duration::from_secs(60);
/// First and longest time until a silent contact is asked again on our own account (rule 6).
pub const BACK_OFF_MIN: Duration = Duration::from_secs(4);
/// See [`BACK_OFF_MIN`].
pub const BACK_OFF_MAX: Duration = Duration::from_secs(3_600);
/// First and longest time between two attempts to join through a node.
pub const BOOTSTRAP_RETRY_MIN: Duration = Duration::from_secs(1);
/// See [`BOOTSTRAP_RETRY_MIN`].
pub const BOOTSTRAP_RETRY_MAX: Duration = Duration::from_secs(60);
/// From the first lookup of our own id to the second; each pause after it is four times as long.
pub const SETTLE_PERIOD: Duration = Duration::from_secs(15);
/// From the start to the first look whether contacts should be saved, and from look to look: the
/// node has joined by then.
pub const SAVE_DELAY: Duration = Duration::from_secs(60);
/// Contacts are written to disk at most once in this time, but for the end (rule 15): memory cards
/// wear out.
pub const SAVE_PERIOD: Duration = Duration::from_secs(3_600);
/// A bucket without a lookup for so long is refreshed (rule 11).
pub const REFRESH_PERIOD: Duration = Duration::from_secs(3_600);
/// Holders of a record hand it on so often, unless it was stored meanwhile (rule 13).
pub const REPLICATE_PERIOD: Duration = Duration::from_secs(3_600);
/// A provider announces its files so often (rule 13).
pub const ANNOUNCE_PERIOD: Duration = Duration::from_secs(3_600);
/// How soon an announcement that nobody stored is tried again.
pub const ANNOUNCE_RETRY: Duration = Duration::from_secs(30);
/// A record's life without a new announcement: one may fail (rule 13).
pub const RECORD_TTL: Duration = Duration::from_secs(7_200);
/// The shortest life that a record is handed on with.
pub const RECORD_TTL_MIN: Duration = Duration::from_secs(60);
/// How often the hourly works are looked through, and the expired swept out.
pub const UPKEEP_PERIOD: Duration = Duration::from_secs(60);
/// Keys that are replicated in one upkeep: all keys of a full table in an hour.
pub const REPLICATIONS_PER_UPKEEP_MAX: usize = 68;

// -- settings

/// Bytes of a file of settings: a few hundred lines; more is some other file, named by mistake.
pub const CONFIG_SIZE_MAX: u64 = 64 * 1024;

// -- reactor

/// Datagrams received in one turn: a flood of them must not starve the streams.
pub const DATAGRAMS_PER_TURN: usize = 64;
/// Datagrams that are dropped unread when the process goes on after a stop: more than its sockets'
/// buffers hold.
pub const LATE_DATAGRAMS_MAX: usize = 4_096;
/// Connections accepted in one turn, for the same reason.
pub const ACCEPTS_PER_TURN: usize = 8;
/// Operations (receives, and sends, each) on one stream in one turn: with the bytes below, what one
/// stream may hold the others up.
pub const STREAM_OPERATIONS_PER_TURN: usize = 16;
/// Bytes received, and sent, on one stream in one turn: 4 ms of a gigabit link.
pub const STREAM_BYTES_PER_TURN: usize = 512 * 1024;
/// Background reads in one turn: 1 MiB, 25 ms of a slow SD card.
pub const READS_PER_TURN: usize = 4;
/// Files made, or files synced, in one turn of a fetch's beginning or end: each can take
/// milliseconds on an SD card, and the network waits meanwhile.
pub const FILES_MADE_PER_TURN: usize = 64;
/// Files that a checkpoint syncs one by one; if more were written, it syncs the file system at once.
pub const FILES_SYNCED_EACH_MAX: usize = 32;
/// Addresses that a node listens on.
pub const LISTEN_ADDRESSES_MAX: usize = 16;
/// Tries to find a port that is free for UDP and TCP alike: one is nearly always enough.
pub const FREE_PORT_TRIES: usize = 64;
/// Connections that the kernel queues for us: more than are accepted in 30 turns.
pub const ACCEPT_BACKLOG: i32 = 256;
/// Readiness events taken from the kernel at once: every socket of a node, so that one `poll`
/// suffices.
pub const POLL_EVENTS_MAX: usize = 128;
/// Descriptors of shared and fetched files that are kept open: one a stream would be the most of
/// use, but the ordinary limit of a process is 1,024 and small hosts set it lower.
pub const OPEN_FILES_MAX: usize = 32;
/// Descriptors that a node opens at most: its streams and files, two sockets for each address, and
/// a few for the loop, signals, locks and folders.
pub const DESCRIPTORS_MAX: usize = STREAMS_MAX + OPEN_FILES_MAX + 2 * LISTEN_ADDRESSES_MAX + 16;
/// After running out of descriptors, when to try to accept again. Other processes free them unseen.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// The longest sleep. A node's own deadline is nearly always earlier; this one bounds what a
/// lost wake-up could cost, at a price of one wake-up a minute.
pub const SLEEP_MAX: Duration = Duration::from_secs(60);
/// A class of warning that others can cause is logged once in this time.
pub const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// From one look whether systemd should hear another status to the next: a person reads it.
pub const STATUS_PERIOD: Duration = Duration::from_secs(5);
/// How long systemd may take to take a message that must not get lost.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(1);
/// From `stop` to the end of the process, at most.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// The share of a file system that a fetch leaves free, as a divisor: 5 %.
pub const RESERVE_DIVISOR: u64 = 20;

// Each turn's budgets fit the buffers and tables that they are spent on.
const _: () = assert!(STREAM_BYTES_PER_TURN >= RECEIVE_BUFFER_SIZE);
const _: () = assert!(STREAMS_MAX <= 256, "a token keeps the slot in eight bits");
const _: () = assert!(
    LISTEN_ADDRESSES_MAX <= 256,
    "a token keeps the socket in eight bits"
);

pub mod memory;
mod service;

pub use service::*;
