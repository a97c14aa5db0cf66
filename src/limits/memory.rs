//! The sum: what a node can ever take of memory, line by line.
//!
//! [`LINES`] is what strangers can make it take, with every table full and every stream stuffed; a
//! node at work takes a fraction of it, because tables take room only as they fill. What its owner
//! has it share and fetch comes on top: [`file_memory`].
//!
//! Sizes are bytes on a 64-bit machine. This module lies below those that own the types, so their
//! sizes are numbers here, and each owner asserts that its type is no larger. Two things are
//! estimates: the program itself, and how well a `BTreeMap` fills its nodes (at worst five of eleven
//! places). `tests/costs/memory.rs` counts what a loaded node really takes.
//!
//! Not here: the page cache, and the kernel's buffers of sockets.

use super::*;
use crate::id::ID_BITS;

/// One line of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What takes it.
    pub what: &'static str,
    /// How many of them there are, at most.
    pub count: usize,
    /// Bytes that each takes, at most.
    pub size: usize,
}

impl Line {
    const fn new(what: &'static str, count: usize, size: usize) -> Line {
        Line { what, count, size }
    }

    /// Bytes of all of them.
    pub const fn total(&self) -> usize {
        self.count * self.size
    }
}

// -- sizes of types, asserted where they are defined

/// A [`SocketAddr`](std::net::SocketAddr), which has no owner among us.
const ADDRESS_SIZE: usize = 32;
const _: () = assert!(size_of::<std::net::SocketAddr>() <= ADDRESS_SIZE);
/// `dht::bucket::Member`
pub const MEMBER_SIZE: usize = 72;
/// `dht::bucket::Bucket`, its contacts aside.
pub const BUCKET_SIZE: usize = 56;
/// What `dht::addresses` knows of an address.
pub const KNOWN_SIZE: usize = 88;
/// `kad::rpc::Pending`, the providers of a `Replicate` aside.
pub const PENDING_SIZE: usize = 248;
/// `wire::native::datagram::HandedProvider`
pub const HANDED_SIZE: usize = 36;
/// `dht::lookup::Lookup`, its paths and providers aside.
pub const LOOKUP_SIZE: usize = 136;
/// `dht::lookup::Candidate`
pub const CANDIDATE_SIZE: usize = 96;
/// What a lookup has found, its providers aside.
pub const FOUND_SIZE: usize = 1_088;
/// `dht::records::Record`
pub const RECORD_SIZE: usize = 40;
/// A key of `dht::records`, its records aside.
pub const KEY_SIZE: usize = 32;
/// `kad::announce::Errand`, its providers aside.
pub const ERRAND_SIZE: usize = 120;
/// What waits to be sent by `kad`.
pub const OUTGOING_SIZE: usize = 104;
/// `kad::event::Event`
pub const EVENT_SIZE: usize = 56;
/// `swarm::stream::Stream`, its boxes and sets aside.
pub const STREAM_SIZE: usize = 2_560;
/// `swarm::swarm::Swarm`, with nothing in it.
pub const SWARM_SIZE: usize = 1_024;
/// `swarm::flight::Flight`
pub const FLIGHT_SIZE: usize = 192;
/// A provider that `swarm::providers` remembers.
pub const PROVIDER_SIZE: usize = 56;

// -- what containers add

/// Places that a vector of `count` has taken when it grew by doubling.
const fn grown(count: usize) -> usize {
    count.next_power_of_two()
}

/// Bytes of a `BTreeMap` of `count` pairs of `size` bytes: five of eleven places are taken at worst,
/// and headers and edges are eight bytes a pair.
const fn tree(count: usize, size: usize) -> usize {
    count * (size + 8) * 11 / 5
}

/// Bytes of a block on the heap beside what is in it.
const BLOCK: usize = 16;

// -- the sum

/// Bytes of the program and its libraries that lie in memory, and of two stacks: what a node that
/// idles shows as `RssFile` and `RssAnon`, rounded up.
const PROGRAM: usize = 3_584 * 1024;

/// Bytes of the contacts of one bucket. Any may hold as many as one near to us: it may have been so
/// once, and live contacts are never removed.
const BUCKET: usize = BUCKET_SIZE + (grown(NEAR_FACTOR * K) + grown(CACHE + 1)) * MEMBER_SIZE;
/// Bytes of a list of locations that a lookup has heard of.
const HEARD: usize = grown(LOOKUP_PROVIDERS_MAX) * ADDRESS_SIZE;
/// Bytes of one path of a lookup.
const PATH: usize = 32 + grown(CANDIDATES_MAX + 1) * CANDIDATE_SIZE;
/// Bytes of the providers that a request or an errand carries.
const HANDED: usize = PROVIDERS_PER_REPLY_MAX * HANDED_SIZE + BLOCK;
/// Bytes of what the records are counted by: IP and subnet of each.
const COUNTS: usize = tree(RECORDS_MAX, 17 + 8) + tree(RECORDS_MAX, 9 + 8);
/// Bytes of the frames of one stream: one that comes in, those that wait to go out (a stream with
/// more is closed), and one more that is put beside them.
const BOXES: usize = grown(FRAME_BODY_MAX + 8) + grown(5 * FRAME_BODY_MAX);
/// Bytes of what one client of the control socket asks and is answered.
const CLIENT: usize = grown(CONTROL_REQUEST_MAX) + grown(2 * CONTROL_ANSWER_SIZE);

/// What a node takes at most, whatever others do.
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
    Line::new(
        "addresses that were probed",
        1,
        tree(PROBED_MAX, ADDRESS_SIZE + 8),
    ),
    Line::new(
        "accounts of sources, proved or not",
        2,
        tree(SOURCES_MAX, 19 + 8),
    ),
    Line::new(
        "requests that wait",
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
    Line::new("what records are counted by", 1, COUNTS),
    Line::new("requests that were carried out", 2 * SPENT_MAX, 8),
    Line::new("errands", grown(ERRANDS_MAX), ERRAND_SIZE + HANDED),
    Line::new("datagrams to be sent", grown(OUTBOX_MAX), OUTGOING_SIZE),
    Line::new("events for the owner", 2 * grown(EVENTS_MAX), EVENT_SIZE),
    Line::new("streams", STREAMS_MAX, STREAM_SIZE + BOXES),
    Line::new("clients of the control socket", CONTROL_CLIENTS_MAX, CLIENT),
    Line::new("small tables together (estimated)", 1, 128 * 1024),
];

/// Bytes that a node takes at most, what it shares and fetches aside.
pub const MEMORY_MAX: usize = {
    let (mut sum, mut at) = (0, 0);
    while at < LINES.len() {
        sum += LINES[at].total();
        at += 1;
    }
    sum
};
const _: () = assert!(
    MEMORY_MAX <= 24 << 20,
    "a Pi Zero has 512 MiB, and others on it"
);

/// Bytes that a file takes at most, shared or fetched, of `shard_count` shards in `entry_count`
/// files, with a manifest of `manifest_size` bytes.
pub const fn file_memory(manifest_size: usize, shard_count: usize, entry_count: usize) -> usize {
    // The swarm, its flights and providers, and those who hold its record; paths of the disk.
    let holders = grown(K) * MEMBER_SIZE + 256;
    let fixed = SWARM_SIZE + FLIGHTS_MAX * FLIGHT_SIZE + PROVIDERS_MAX * PROVIDER_SIZE + holders;
    // Copies and news are 12 bytes a shard; each stream has three sets of bits, the swarm six.
    let a_shard = 12 + (3 * STREAMS_MAX + 6).div_ceil(4);
    // The manifest, or the hashes that it is made from, and where names are not alike, these once more
    // in the node's list of entries and once in the disk's; before there are two lists, they are
    // compared with each other in a copy. An entry takes 24 bytes for its stamp and at most 14 in each
    // list beside its name. Room that was taken in advance and is not written to is not counted.
    fixed + 4096 + 3 * manifest_size + a_shard * shard_count + 64 * entry_count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_sum_of_its_lines() {
        let sum: usize = LINES.iter().map(Line::total).sum();
        assert_eq!(sum, MEMORY_MAX);
        for line in LINES {
            assert!(
                line.total() > 0 && line.total() < MEMORY_MAX,
                "{}",
                line.what
            );
        }
    }

    #[test]
    fn a_greater_file_takes_more() {
        let small = file_memory(300, 1, 1);
        assert!(small < 128 * 1024, "{small}");
        assert!(file_memory(300, 2, 1) > small && file_memory(300, 1, 2) > small);
    }
}
