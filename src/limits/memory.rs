//! The sum: the most memory that a node can ever take, line by line.
//!
//! [`LINES`] is the most that strangers can make it take, with every table full and every stream
//! loaded. A node at work takes a fraction of it, because tables take memory only as they fill. The
//! files that its owner shares and fetches come on top: [`file_memory`].
//!
//! Sizes are bytes on a 64-bit machine. This module lies below the modules that define the types,
//! so the sizes are numbers here, and each definition asserts that its type is no larger. Two
//! numbers are estimates: the program itself, and the fill of a `BTreeMap`'s nodes (at worst five
//! of eleven slots). `tests/costs/memory.rs` measures a loaded node.
//!
//! Not here: the page cache, and the kernel's socket buffers.
//!
//! Invariant: the sum does not grow ([`MEMORY_MAX`]); a larger table takes its memory from another.

use super::*;
use crate::id::ID_BITS;

/// One line of the sum: the memory of one table or buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The table or buffer, in words.
    pub what: &'static str,
    /// The largest number of its items.
    pub count: usize,
    /// Bytes of one item, at most.
    pub size: usize,
}

impl Line {
    const fn new(what: &'static str, count: usize, size: usize) -> Line {
        Line { what, count, size }
    }

    /// Bytes of all items together.
    pub const fn total(&self) -> usize {
        self.count * self.size
    }
}

// -- sizes of types, asserted at their definitions

/// A [`SocketAddr`](std::net::SocketAddr), which the standard library defines.
const ADDRESS_SIZE: usize = 32;
const _: () = assert!(size_of::<std::net::SocketAddr>() <= ADDRESS_SIZE);
/// Bytes of a `dht::bucket::Member` in memory.
pub const MEMBER_SIZE: usize = 72;
/// Bytes of a `dht::bucket::Bucket` without its contacts.
pub const BUCKET_SIZE: usize = 56;
/// Bytes of an entry of `dht::addresses`.
pub const KNOWN_SIZE: usize = 88;
/// Bytes of a `kad::rpc::Pending` without the providers of a `Replicate`.
pub const PENDING_SIZE: usize = 248;
/// Bytes of a `wire::native::datagram::HandedProvider` in memory.
pub const HANDED_SIZE: usize = 36;
/// Bytes of a `dht::lookup::Lookup` without its paths and providers.
pub const LOOKUP_SIZE: usize = 136;
/// Bytes of a `dht::lookup::Candidate` in memory.
pub const CANDIDATE_SIZE: usize = 96;
/// Bytes of the result of a lookup, without its providers.
pub const FOUND_SIZE: usize = 1_088;
/// Bytes of a `dht::records::Record` in memory.
pub const RECORD_SIZE: usize = 40;
/// Bytes of a key of `dht::records` without its records.
pub const KEY_SIZE: usize = 32;
/// Bytes of a `kad::store::Store` without its providers.
pub const STORE_SIZE: usize = 120;
/// Bytes of a datagram in the queue of `kad`.
pub const OUTGOING_SIZE: usize = 104;
/// Bytes of a `dht::Event` in memory.
pub const EVENT_SIZE: usize = 56;
/// Bytes of a `swarm::stream::Stream` without its buffers and sets.
pub const STREAM_SIZE: usize = 2_560;
/// Bytes of a `swarm::swarm::Swarm` without content.
pub const SWARM_SIZE: usize = 1_024;
/// Bytes of a `swarm::flight::Flight` in memory.
pub const FLIGHT_SIZE: usize = 192;
/// Bytes of a provider that `swarm::providers` remembers.
pub const PROVIDER_SIZE: usize = 56;

// -- overhead of containers

/// Capacity of a vector that grew to `count` items by doubling.
const fn grown(count: usize) -> usize {
    count.next_power_of_two()
}

/// Bytes of a `BTreeMap` of `count` pairs of `size` bytes: at worst five of eleven slots are full,
/// and headers and edges take eight bytes a pair.
const fn tree(count: usize, size: usize) -> usize {
    count * (size + 8) * 11 / 5
}

/// Bytes of the allocator's header of a block.
const BLOCK: usize = 16;

// -- the sum

/// Bytes of the resident program and libraries, and of two stacks: `RssFile` and `RssAnon` of an
/// idle node, rounded up.
const PROGRAM: usize = 3_584 * 1024;

/// Bytes of the contacts of one bucket. Any bucket may have as many as one near the node's own id:
/// it may have been near once, and live contacts are never removed.
const BUCKET: usize = BUCKET_SIZE + (grown(NEAR_FACTOR * K) + grown(CACHE + 1)) * MEMBER_SIZE;
/// Bytes of the provider locations that a lookup has collected.
const HEARD: usize = grown(LOOKUP_PROVIDERS_MAX) * ADDRESS_SIZE;
/// Bytes of one path of a lookup.
const PATH: usize = 32 + grown(CANDIDATES_MAX + 1) * CANDIDATE_SIZE;
/// Bytes of the providers of one `Replicate`.
const HANDED: usize = PROVIDERS_PER_REPLY_MAX * HANDED_SIZE + BLOCK;
/// Bytes of the counts of records by IP and by subnet.
const COUNTS: usize = tree(RECORDS_MAX, 17 + 8) + tree(RECORDS_MAX, 9 + 8);
/// Bytes of the frames of one stream: an incoming one, those that wait to be sent (a stream with
/// more is closed), and one more that is appended to them.
const BOXES: usize = grown(FRAME_BODY_MAX + 8) + grown(5 * FRAME_BODY_MAX);
/// Bytes of the request and the reply of one client of the control socket.
const CLIENT: usize = grown(CONTROL_REQUEST_MAX) + grown(2 * CONTROL_ANSWER_SIZE);

/// The most that a node takes, whatever other nodes do.
pub const LINES: &[Line] = &[
    Line::new("program, libraries and stacks (estimated)", 1, PROGRAM),
    Line::new("receive buffer", 1, RECEIVE_BUFFER_SIZE),
    Line::new("readiness events", POLL_EVENTS_MAX, 16),
    Line::new("buckets of contacts", ID_BITS, BUCKET),
    Line::new(
        "known addresses",
        1,
        tree(ADDRESSES_MAX, ADDRESS_SIZE + KNOWN_SIZE),
    ),
    Line::new("probed addresses", 1, tree(PROBED_MAX, ADDRESS_SIZE + 8)),
    Line::new(
        "budgets of sources, proved and unproved",
        2,
        tree(SOURCES_MAX, 19 + 8),
    ),
    Line::new(
        "requests in flight",
        RPCS_MAX,
        tree(1, 20 + PENDING_SIZE) + HANDED,
    ),
    Line::new(
        "lookups",
        LOOKUPS_MAX,
        tree(1, 8 + LOOKUP_SIZE) + PATHS * PATH + HEARD,
    ),
    Line::new("results of lookups", LOOKUPS_MAX, FOUND_SIZE + HEARD),
    Line::new("keys of records", KEYS_MAX, tree(1, 20 + KEY_SIZE) + BLOCK),
    Line::new("records", RECORDS_MAX, RECORD_SIZE),
    Line::new("counts of records", 1, COUNTS),
    Line::new("stores that were carried out", 2 * SPENT_MAX, 8),
    Line::new(
        "stores in the queue",
        grown(STORES_MAX),
        STORE_SIZE + HANDED,
    ),
    Line::new("datagrams in the queue", grown(OUTBOX_MAX), OUTGOING_SIZE),
    Line::new("events for the owner", 2 * grown(EVENTS_MAX), EVENT_SIZE),
    Line::new("streams", STREAMS_MAX, STREAM_SIZE + BOXES),
    Line::new("clients of the control socket", CONTROL_CLIENTS_MAX, CLIENT),
    Line::new("small tables together (estimated)", 1, 128 * 1024),
];

/// The most bytes that a node takes, without the files that it shares and fetches.
pub const MEMORY_MAX: usize = {
    let (mut sum, mut at) = (0, 0);
    while at < LINES.len() {
        sum += LINES[at].total();
        at += 1;
    }
    sum
};
const _: () = assert!(
    MEMORY_MAX <= 22_427_708,
    "a Pi Zero has 512 MiB for all its programs: this number only ever shrinks"
);

/// The most bytes that a shared or fetched file takes, with `shard_count` shards in `entry_count`
/// files and a manifest of `manifest_size` bytes.
pub const fn file_memory(manifest_size: usize, shard_count: usize, entry_count: usize) -> usize {
    // The swarm, its flights and providers, the holders of its record; paths on the disk.
    let holders = grown(K) * MEMBER_SIZE + 256;
    let fixed = SWARM_SIZE + FLIGHTS_MAX * FLIGHT_SIZE + PROVIDERS_MAX * PROVIDER_SIZE + holders;
    // Counts of copies and haves take 12 bytes a shard; each stream has three bitmaps, the swarm
    // six.
    let a_shard = 12 + (3 * STREAMS_MAX + 6).div_ceil(4);
    // The manifest or the hashes that it is built from; where names are not alike, the names again
    // in the node's list of entries and in the disk's, and while two lists are compared, in a copy.
    // An entry takes 24 bytes for its file's identity and at most 14 in each list beside its name.
    // Memory that is reserved and never written to does not count.
    fixed + 4096 + 3 * manifest_size + a_shard * shard_count + 64 * entry_count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text of the lines against sums by hand of the largest tables: a factor that is dropped from
    /// [`LINES`] shows here.
    #[test]
    fn the_largest_lines_are_as_large_as_by_hand() {
        let total = |what: &str| {
            let line = LINES.iter().find(|line| line.what == what);
            line.map(Line::total).unwrap_or_default()
        };
        // 160 buckets of 256 contacts near us and a cache of 16, of 72 bytes each.
        assert_eq!(total("buckets of contacts"), 160 * (56 + (256 + 16) * 72));
        // 64 streams with a frame that arrives and five that wait.
        assert_eq!(total("streams"), 64 * (2_560 + 32_768 + 131_072));
        assert_eq!(total("receive buffer"), 262_144);
        assert_eq!(total("records"), 8_192 * 40);
    }

    #[test]
    fn a_larger_file_takes_more() {
        let small = file_memory(300, 1, 1);
        assert!(small < 128 * 1024, "{small}");
        assert!(file_memory(300, 2, 1) > small && file_memory(300, 1, 2) > small);
    }
}
