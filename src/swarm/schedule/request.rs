//! What to ask of whom: the receiving half of the scheduler.
//!
//! A stream's next range is, in this order: the rest of the shard that it sends already; a shard
//! that another stream had to leave, at the offset where it stopped; a new shard, the rarest that
//! the other end has, ties broken at random (so that nodes that start together take different
//! shards). Whole shards come from one stream each, so that they are whole, and can be passed on,
//! early.
//!
//! How much is asked for in advance follows the stream's rate: a quarter of a second of it, because
//! what is asked for early is decided early, more where the path is longer
//! ([`super::round_trip`]), and at least one shard: a slow stream is one of many, and while it is asked
//! again the others keep the pipe full. A second shard would only wait with a busy node that an idle one
//! has meanwhile. Where that is many shards, they are asked for in batches, so that the other end is
//! woken, and sent a packet, once for several of them.
//!
//! What was tried, and what it came to (32 hosts, uplinks of 20 Mbit/s, 16 MiB, in the simulator,
//! each against the line "before"; time is divided by the bound):
//!
//! | alternative | time | origin sent ÷ file | overhead |
//! |---|---|---|---|
//! | before: 64 KiB asked for and 2 shards offered ahead, news after 93 ms | 1.184 | 1.048 | 9.2 % |
//! | 32 KiB asked for ahead | 1.174 | 1.044 | 9.2 % |
//! | at most 24 shards in flight to a node, 12 | 1.201, 1.362 | 1.07 | 9.5 %, 10.3 % |
//! | 1, 2, 4, 8 uploads at once, 16 KiB of each unsent | 1.174, 1.176, 1.176, 1.158 | 1.01 to 1.04 | 10.8 % to 9.2 % |
//! | shards of 32 KiB, of 64 KiB | 1.193, 1.282 | 1.08, 1.13 | 8.4 %, 8.0 % |
//! | news after 20 ms, after 200 ms | 1.170, 1.192 | 1.05 | 9.9 %, 9.0 % |
//! | news after 300 ms, and with each request | 1.193 | 1.052 | 8.7 % |
//! | 1 shard offered ahead, and a sixteenth of a second | 1.186 | 1.006 | 9.1 % |
//! | nothing offered twice in the first round | 1.182 | 1.041 | 9.2 % |
//! | now: the last three, 32 KiB once the rate is known, first news after 31 ms | 1.190 | 1.000 | 8.8 % |
//!
//! The simulator's processors cost nothing. On a real machine the packets that carry news are most
//! of what a small processor does, which is why the longer delay is kept: there the same fleet went
//! from 1.35 (the origin sent 1.20, some headers counted) to 1.26 (1.08).

use crate::bitmap;
use crate::limits::{
    ASK_AHEAD, ASK_AHEAD_FIRST, FLIGHTS_MAX, FLIGHTS_PER_STREAM_MAX, RANGE_SIZE_MAX,
    REQUESTS_BATCH, REQUESTS_MAX,
};
use crate::output::{StreamKey, SwarmKey};
use crate::rng::Rng;
use crate::swarm::Swarms;
use crate::swarm::flight::{Flight, State as FlightState};
use crate::swarm::send::{has_unsent_haves, push_haves};
use crate::swarm::stream::{Claim, Outstanding, State as StreamState, Stream};
use crate::swarm::swarm::Swarm;
use crate::time::Instant;
use crate::wire::Frame;
use crate::wire::stream::Range;

impl Swarms {
    /// Asks the other end of a stream for as much as its rate allows.
    pub(in crate::swarm) fn ask(&mut self, now: Instant, key: StreamKey) {
        let swarm = self.streams.get(key).and_then(|stream| stream.swarm);
        let open_count = swarm.map_or(0, |swarm| self.open_count(swarm));
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(swarm) = stream.swarm.and_then(|swarm| self.swarms.get_mut(swarm)) else {
            return;
        };
        if stream.state != StreamState::Open || !swarm.may_ask() || swarm.waits_for_disk() {
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
        let mut asked = stream.outstanding_size();
        // A cap is smooth only if what it admits is asked for at once.
        let is_capped = self.limits.down.is_set() && !stream.is_exempt;
        if !is_capped && waits_for_batch(stream, swarm, window.saturating_sub(asked)) {
            return;
        }
        let was_idle = stream.outstanding.is_empty();
        let mut is_held_back = false;
        while stream.outstanding.len() < REQUESTS_MAX && asked < window {
            let admitted = match stream.is_exempt {
                true => u64::MAX,
                false => self.limits.down.admits(now, key),
            };
            is_held_back = admitted == 0;
            if is_held_back {
                break;
            }
            let size_max = admitted.min(RANGE_SIZE_MAX.into()) as u32;
            let Some(range) = next_range(swarm, stream, key, size_max, &mut self.rng) else {
                break;
            };
            if !stream.is_exempt {
                self.limits.down.spend(range.length.into());
            }
            asked += u64::from(range.length);
            // The packet that carries the request takes news along for nothing.
            if has_unsent_haves(stream, swarm) {
                push_haves(stream, swarm, self.config.network);
            }
            stream.outstanding.push(Outstanding {
                range,
                claim: Claim::Wanted,
            });
            stream.push(&Frame::Request(range), self.config.network);
        }
        if was_idle && !stream.outstanding.is_empty() {
            stream.waiting_since = now;
        }
        if stream.outstanding.is_empty() && stream.incoming.is_none() && !is_held_back {
            self.reclaim(now, key);
        }
        self.wake(key);
    }

    /// Asks on every stream of a swarm: something that all may send has become free.
    pub(in crate::swarm) fn ask_all(&mut self, now: Instant, swarm: SwarmKey) {
        let mut place = 0;
        while let Some(key) = self.stream_from(swarm, place) {
            place = key.slot + 1;
            self.ask(now, key);
        }
    }
}

/// How many bytes may be asked for in advance.
fn window(stream: &Stream, swarm: &Swarm, open_count: u32) -> u64 {
    let one = range_size(swarm);
    match stream.rate.per_second() {
        0 => one.max(ASK_AHEAD_FIRST),
        rate => one.max(stream.round_trip.bytes_ahead(rate, ASK_AHEAD, open_count)),
    }
}

/// Whether so much is under way that asking waits until there is `room`, in bytes, for several
/// requests.
fn waits_for_batch(stream: &Stream, swarm: &Swarm, room: u64) -> bool {
    let under_way = stream.outstanding.len();
    let batch_size = REQUESTS_BATCH as u64 * range_size(swarm);
    under_way > REQUESTS_BATCH && (REQUESTS_MAX - under_way < REQUESTS_BATCH || room < batch_size)
}

/// Bytes of what one request asks for: a shard, or the greatest range.
fn range_size(swarm: &Swarm) -> u64 {
    let manifest = swarm.manifest.as_ref();
    manifest.map_or(0, |manifest| {
        manifest.shard_size().min(RANGE_SIZE_MAX).into()
    })
}

fn next_range(
    swarm: &mut Swarm,
    stream: &Stream,
    key: StreamKey,
    size_max: u32,
    rng: &mut Rng,
) -> Option<Range> {
    let mut own = 0;
    for flight in swarm
        .flights
        .iter_mut()
        .filter(|flight| flight.source == Some(key))
    {
        own += 1;
        if let Some(range) = flight.request(size_max) {
            return Some(range);
        }
    }
    if own >= FLIGHTS_PER_STREAM_MAX {
        return None;
    }
    let orphan = swarm.flights.iter_mut().find(|flight| {
        flight.source.is_none()
            && flight.state == FlightState::Receiving
            && stream.has(flight.shard)
    });
    if let Some(flight) = orphan {
        flight.resume(key, stream.address);
        return flight.request(size_max);
    }
    if swarm.flights.len() >= FLIGHTS_MAX {
        return None;
    }
    let shard = rarest(swarm, stream, rng)?;
    let length = swarm.manifest.as_ref()?.shard_length(shard);
    swarm.flying.insert(shard);
    swarm
        .flights
        .push(Flight::start(shard, length, key, stream.address));
    swarm.flights.last_mut()?.request(size_max)
}

/// The shard that the fewest have, of those that the stream has and we lack.
fn rarest(swarm: &Swarm, stream: &Stream, rng: &mut Rng) -> Option<u32> {
    let offered = |index| {
        if stream.has_all {
            u64::MAX
        } else {
            stream.has.word(index)
        }
    };
    let closed = |index| swarm.held.word(index) | swarm.closed_word(index);
    let taken = |index| closed(index) | swarm.flying.word(index);
    let open = |index| offered(index) & !taken(index);
    bitmap::rarest(&swarm.copies, open, rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::stream::Dialler;
    use crate::wire::{Entries, Manifest};
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
    use std::net::SocketAddr;

    fn swarm(shard_count: u32) -> Swarm {
        let size = u64::from(shard_count) * 65_536;
        let hashes = vec![1; shard_count as usize * 20];
        let manifest = Manifest::build("f", false, Entries::single(size), 65_536, &hashes).unwrap();
        let mut swarm = Swarm::to_fetch(manifest.file_id(), Instant::ZERO);
        swarm.copies = vec![0; shard_count as usize];
        swarm.manifest = Some(manifest);
        swarm
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
            let address = SocketAddr::from(([127, 0, 0, 1], 1));
            let mut stream = Stream::new(Dialler::Us, address, Instant::ZERO);
            stream.has_all = has_all;
            let shards = 0..copies.len() as u32;
            for shard in shards.clone() {
                if has[shard as usize] {
                    stream.has.insert(shard);
                }
                if held[shard as usize] {
                    swarm.held.insert(shard);
                }
            }
            let open = |shard: &u32| stream.has(*shard) && !swarm.held.contains(*shard);
            let fewest = shards.filter(open).map(|shard| copies[shard as usize]).min();
            swarm.copies = copies.clone();
            let found = rarest(&swarm, &stream, &mut Rng::from_number(seed));
            prop_assert_eq!(found.map(|shard| copies[shard as usize]), fewest);
            prop_assert!(found.is_none_or(|shard| open(&shard)));
        }
    }

    #[test]
    fn ties_are_broken_at_random() {
        let swarm = swarm(100);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut stream = Stream::new(Dialler::Us, address, Instant::ZERO);
        stream.has_all = true;
        let mut rng = Rng::from_number(1);
        let mut met = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            met.insert(rarest(&swarm, &stream, &mut rng));
        }
        assert_eq!(met.len(), 100);
    }
}
