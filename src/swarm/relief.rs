//! The end of a file: nobody waits for a slow or stalled node while another could send.
//!
//! A shard in flight has one writer, so a stream that finds nothing left to ask for may not ask for
//! what another was asked for. Instead, once every shard is held or in flight, it has one taken
//! back: if the other has not begun to send it, it becomes free, and no byte comes twice. From a
//! stream that has brought nothing for a while, or is many times slower, a shard is taken over at
//! the offset where it stands; at worst a range that was on its way is dropped.
//!
//! What is dropped is the price of not waiting for the slow: nothing among equals; in six fleets whose
//! uplinks differ up to tenfold 0 to 0.6 %, and once 3.8 %, of all bytes sent (`cargo test --test fleet
//! any_mix -- --nocapture`). Nothing of it is hashed or written: no shard has a byte from two.
//!
//! From one that has brought nothing for a while, that is so before the end, too: a provider that
//! offers a few shards at a time would else wait for one of them to come from the silent node.

use super::Swarms;
use super::flight::State as FlightState;
use super::stream::{Asked, Claim, State, Stream};
use crate::limits::{RANGE_SIZE_MAX, RELIEVED_QUEUE_MIN, SLOW_TIMEOUT, SLOWER_THAN};
use crate::output::StreamKey;
use crate::time::Instant;
use crate::wire::Frame;

impl Swarms {
    /// Lets an idle stream take over a shard from the one that is slowest to send it.
    pub(super) fn relieve(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let Some(swarm_key) = stream.swarm else {
            return;
        };
        let Some(swarm) = self.swarms.get(swarm_key) else {
            return;
        };
        let is_end = swarm.held.count() + swarm.flying.count() >= swarm.shard_count();
        let own_rate = stream.rate.per_second();
        let waits = |source: &Stream| {
            // 0: not measured yet.
            let is_slow = (1..own_rate / SLOWER_THAN).contains(&source.rate.per_second());
            let is_silent = now >= source.waiting_since + SLOW_TIMEOUT;
            (is_silent || (is_slow && is_end), source.queue())
        };
        let takeable = swarm.flights.iter().filter_map(|flight| {
            let source_key = flight.source.filter(|source| *source != key)?;
            let (is_quiet, queue) = waits(self.streams.get(source_key)?);
            let is_unstarted = is_end && flight.received() == 0 && queue > RELIEVED_QUEUE_MIN;
            let is_recalled = !is_quiet && !is_wanted(self.streams.get(source_key)?, flight.shard);
            let is_receiving = flight.state == FlightState::Receiving && !flight.whole;
            let may = is_receiving
                && stream.has(flight.shard)
                && !is_recalled
                && (is_quiet || is_unstarted);
            may.then_some((is_quiet, queue, flight.shard, source_key))
        });
        let Some((is_quiet, _, shard, source_key)) = takeable.max() else {
            return;
        };
        if let Some(source) = self.streams.get_mut(source_key) {
            if is_quiet {
                source.cancel(shard, self.config.network);
            } else {
                source.recall(shard, self.config.network);
            }
            self.wake(source_key);
        }
        if !is_quiet {
            return;
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let flight = self
            .swarms
            .get_mut(swarm_key)
            .and_then(|swarm| swarm.flight(shard));
        let Some(flight) = flight else {
            return;
        };
        flight.abandon();
        flight.resume(key, stream.address);
        if let Some(range) = flight.request(RANGE_SIZE_MAX) {
            stream.asked.push(Asked {
                range,
                claim: Claim::Wanted,
            });
            stream.waiting_since = now;
            stream.push(&Frame::Request(range), self.config.network);
        }
    }

    /// Whether a stream has nothing to do while shards of its swarm are in flight elsewhere.
    pub(super) fn could_relieve(&self, stream: &Stream) -> bool {
        let swarm = stream.swarm.and_then(|swarm| self.swarms.get(swarm));
        let is_idle = stream.state == State::Open && stream.asked.is_empty();
        is_idle && swarm.is_some_and(|swarm| swarm.is_fetching() && !swarm.flights.is_empty())
    }
}

/// Whether `shard` was asked for and has not begun to come, nor was taken back.
fn is_wanted(source: &Stream, shard: u32) -> bool {
    let wanted = |asked: &Asked| asked.range.shard == shard && asked.claim == Claim::Wanted;
    source.asked.iter().any(wanted)
}
