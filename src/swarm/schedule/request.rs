//! Requests: picks the next range for each stream. The receiving half of the scheduler.
//!
//! A stream's next range is, in this order: the rest of the shard that it sends already; a shard
//! that another stream had to leave, at the offset where it stopped; a new shard, the rarest that
//! the other end has, ties broken at random (so that nodes that start together take different
//! shards). Whole shards come from one stream each, so that they are whole, and can be passed on,
//! early.
//!
//! A stream requests a quarter of a second of its rate ahead, more where the path is longer
//! ([`super::round_trip`]), and at least one shard (of a large one, one range). That is enough for
//! a slow stream, which is one of many: while it waits for its next request, the others keep the
//! pipe full. More would be a choice made too early: a second shard would wait at a busy node,
//! although an idle one has it by then. Where the quarter is many shards, they are requested in
//! batches, so that the other end is woken, and sent a packet, once for several of them.
//!
//! Alternatives that were tried, and their results (32 hosts, uplinks of 20 Mbit/s, 16 MiB, in the
//! simulator, each against the line "before"; time is divided by the bound):
//!
//! | alternative | time | origin sent ÷ file | overhead |
//! |---|---|---|---|
//! | before: 64 KiB requested, 2 shards offered ahead, haves after 93 ms | 1.184 | 1.048 | 9.2 % |
//! | 32 KiB asked for ahead | 1.174 | 1.044 | 9.2 % |
//! | at most 24 shards in flight to a node, 12 | 1.201, 1.362 | 1.07 | 9.5 %, 10.3 % |
//! | 1, 2, 4, 8 uploads, 16 KiB unsent | 1.174, 1.176, 1.176, 1.158 | 1.01–1.04 | 10.8–9.2 % |
//! | shards of 32 KiB, of 64 KiB | 1.193, 1.282 | 1.08, 1.13 | 8.4 %, 8.0 % |
//! | haves after 20 ms, after 200 ms | 1.170, 1.192 | 1.05 | 9.9 %, 9.0 % |
//! | haves after 300 ms, and with each request | 1.193 | 1.052 | 8.7 % |
//! | 1 shard offered ahead, and a sixteenth of a second | 1.186 | 1.006 | 9.1 % |
//! | nothing offered twice in the first round | 1.182 | 1.041 | 9.2 % |
//! | now: the last three, 32 KiB at a known rate, first haves after 31 ms | 1.190 | 1.000 | 8.8 % |
//!
//! The simulator's processors cost nothing. On a real machine the packets that carry haves are most
//! of what a small processor does, which is why the longer delay is kept: there the same fleet went
//! from 1.35 (the origin sent 1.20, some headers counted) to 1.26 (1.08).

use crate::limits::{
    ASK_AHEAD, ASK_AHEAD_FIRST, FLIGHTS_PER_STREAM_MAX, RANGE_SIZE_MAX, REQUESTS_BATCH,
    REQUESTS_MAX,
};
use crate::output::StreamKey;
use crate::rng::Rng;
use crate::swarm::flight::{Flight, State as FlightState};
use crate::swarm::scope::Scope;
use crate::swarm::session::Message;
use crate::swarm::state::Swarm;
use crate::swarm::stream::{Claim, Outstanding, State, Stream};
use crate::wire::stream::Range;

impl Scope<'_> {
    /// Requests as much of the other end of a stream as its rate allows.
    pub fn request(&mut self, key: StreamKey) {
        let open_count = self.open_count();
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let swarm = &*self.swarm;
        if stream.state != State::Open || !swarm.may_request() || swarm.waits_for_disk() {
            return;
        }
        let mut window = window(stream, swarm, open_count);
        if swarm.pause.is_some() {
            // One range at a time finds out whether the disk has room again.
            let elsewhere = |flight: &Flight| flight.source.is_some_and(|source| source != key);
            if swarm.flights.iter().any(elsewhere) {
                return;
            }
            window = 1;
        }
        // A rate limit is smooth only if what it admits is requested at once.
        let is_limited = self.shared.limits.down.is_set() && !stream.is_exempt;
        let room = window.saturating_sub(stream.download.outstanding_size());
        if !is_limited && waits_for_batch(stream, swarm, room) {
            return;
        }
        let is_held_back = self.fill_window(key, window);
        let stream = self.streams.get(key);
        if stream.is_some_and(|of| of.download.is_idle()) && !is_held_back {
            self.reclaim(key);
        }
        self.wake(key);
    }

    /// Requests ranges until `window` bytes are outstanding. Whether the rate limit holds it back.
    fn fill_window(&mut self, key: StreamKey, window: u64) -> bool {
        let (swarm, shared) = (&mut *self.swarm, &mut *self.shared);
        let Some(stream) = self.streams.get_mut(key) else {
            return false;
        };
        let was_idle = stream.download.outstanding.is_empty();
        let mut outstanding_size = stream.download.outstanding_size();
        let mut is_held_back = false;
        while !stream.download.outstanding.is_full() && outstanding_size < window {
            let admitted = match stream.is_exempt {
                true => u64::MAX,
                false => shared.limits.down.admits(self.now, key),
            };
            is_held_back = admitted == 0;
            if is_held_back {
                break;
            }
            let size_max = admitted.min(RANGE_SIZE_MAX.into()) as u32;
            let Some(range) = next_range(swarm, stream, key, size_max, &mut shared.rng) else {
                break;
            };
            if !stream.is_exempt {
                shared.limits.down.spend(range.length.into());
            }
            outstanding_size += u64::from(range.length);
            // The packet that carries the request takes announcements along at no cost.
            if stream.has_unsent_haves(swarm) {
                stream.send_haves(swarm);
            }
            let claim = Claim::Wanted;
            stream
                .download
                .outstanding
                .push(Outstanding { range, claim });
            stream.session.send(&Message::Request(range));
        }
        if was_idle && !stream.download.outstanding.is_empty() {
            stream.download.waiting_since = self.now;
        }
        is_held_back
    }

    /// Requests on every stream: something that each may send has become free.
    pub fn request_all(&mut self) {
        self.for_each_stream(Scope::request);
    }
}

/// How many bytes may be requested ahead.
fn window(stream: &Stream, swarm: &Swarm, open_count: u32) -> u64 {
    let one = range_size(swarm);
    match stream.download.rate.per_second() {
        0 => one.max(ASK_AHEAD_FIRST),
        rate => one.max(stream.round_trip.bytes_ahead(rate, ASK_AHEAD, open_count)),
    }
}

/// Whether so much is outstanding that requests wait until there is `room`, in bytes, for several.
fn waits_for_batch(stream: &Stream, swarm: &Swarm, room: u64) -> bool {
    let count = stream.download.outstanding.len();
    let batch_size = REQUESTS_BATCH as u64 * range_size(swarm);
    count > REQUESTS_BATCH && (REQUESTS_MAX - count < REQUESTS_BATCH || room < batch_size)
}

/// Bytes that one request names: a shard, or the largest range.
fn range_size(swarm: &Swarm) -> u64 {
    let manifest = swarm.content.manifest.as_ref();
    manifest.map_or(0, |of| of.shard_size().min(RANGE_SIZE_MAX).into())
}

fn next_range(
    swarm: &mut Swarm,
    stream: &Stream,
    key: StreamKey,
    size_max: u32,
    rng: &mut Rng,
) -> Option<Range> {
    let mut own_count = 0;
    let is_own = |flight: &&mut Flight| flight.source == Some(key);
    for flight in swarm.flights.iter_mut().filter(is_own) {
        own_count += 1;
        if let Some(range) = flight.request(size_max) {
            return Some(range);
        }
    }
    if own_count >= FLIGHTS_PER_STREAM_MAX {
        return None;
    }
    let is_orphan = |flight: &Flight| {
        flight.source.is_none()
            && flight.state == FlightState::Receiving
            && stream.shards.contains(flight.shard)
    };
    if let Some(flight) = swarm.flights.iter_mut().find(|flight| is_orphan(flight)) {
        flight.resume(key, stream.remote.address);
        return flight.request(size_max);
    }
    if swarm.flights.is_full() {
        return None;
    }
    let shard = rarest(swarm, stream, rng)?;
    let length = swarm.content.shard_length(shard);
    let flight = Flight::start(shard, length, key, stream.remote.address);
    swarm.flights.start(flight)?.request(size_max)
}

/// The shard that the fewest peers have, of those that the stream has and we lack.
fn rarest(swarm: &Swarm, stream: &Stream, rng: &mut Rng) -> Option<u32> {
    let closed = |index| swarm.held.word(index) | swarm.closed_word(index);
    let taken = |index| closed(index) | swarm.flights.word(index);
    let open = |index| stream.shards.word(index) & !taken(index);
    swarm.copies.rarest(open, rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::swarm::session::{Dialler, Session};
    use crate::time::Instant;
    use crate::wire::{Entries, Manifest, Network};
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
    use std::net::SocketAddr;

    fn swarm(shard_count: u32) -> Swarm {
        let size = u64::from(shard_count) * 65_536;
        let hashes = vec![1; shard_count as usize * 20];
        let manifest = Manifest::build("f", false, Entries::single(size), 65_536, &hashes).unwrap();
        let mut swarm = Swarm::fetch(manifest.file_id(), Instant::ZERO);
        swarm.set_manifest(manifest);
        swarm
    }

    fn stream() -> Stream {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let session = Session::accept(Network::named("test"));
        Stream::new(Dialler::Them, address, session, Instant::ZERO)
    }

    proptest! {
        #[test]
        fn the_rarest_shard_is_one_that_a_full_search_would_name(
            seed in any::<u64>(),
            copies in prop::collection::vec(0u16..4, 1..200),
            has in prop::collection::vec(any::<bool>(), 200),
            held in prop::collection::vec(any::<bool>(), 200),
            has_all in any::<bool>(),
        ) {
            let mut swarm = swarm(copies.len() as u32);
            let mut stream = stream();
            stream.shards.all = has_all;
            let shards = 0..copies.len() as u32;
            for shard in shards.clone() {
                if has[shard as usize] {
                    stream.shards.some.insert(shard);
                }
                if held[shard as usize] {
                    swarm.held.insert(shard);
                }
            }
            let open = |shard: &u32| stream.shards.contains(*shard) && !swarm.held.contains(*shard);
            let fewest = shards.filter(open).map(|shard| copies[shard as usize]).min();
            for (shard, &count) in (0..).zip(&copies) {
                (0..count).for_each(|_| swarm.copies.add(shard));
            }
            let found = rarest(&swarm, &stream, &mut Rng::from_number(seed));
            prop_assert_eq!(found.map(|shard| copies[shard as usize]), fewest);
            prop_assert!(found.is_none_or(|shard| open(&shard)));
        }
    }

    #[test]
    fn ties_are_broken_at_random() {
        let swarm = swarm(100);
        let mut stream = stream();
        stream.shards.all = true;
        let mut rng = Rng::from_number(1);
        let mut met = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            met.insert(rarest(&swarm, &stream, &mut rng));
        }
        assert_eq!(met.len(), 100);
    }
}
