//! The end of a file: nobody waits for a slow or stalled node while another could send.
//!
//! A shard in flight has one writer, so a stream that finds nothing left to ask for may not ask for
//! what another was asked for. Instead, once every shard is held or in flight, it has one reclaimed:
//! from a stream that is many times slower, or that has many others to send first. What that has
//! begun comes; the rest it gives back, and another goes on at the offset where it ends. So no byte
//! comes twice, and none is fetched in vain.
//!
//! A range can be long and its stream slow; therefore a sender cuts ranges into parts of an eighth of
//! a second, and between them listens ([`super::send`]). What a kernel has in its buffer comes all
//! the same, and is waited for.
//!
//! From a stream that has brought nothing for a while shards are reclaimed before the end, too: a
//! provider that offers a few at a time would else wait for one of them to come from the silent
//! node. One that then neither sends nor answers for another while stands still. Its stream is closed,
//! and dialled anew later: what it may send one day would come twice. So is one that sends a
//! byte now and then, when thirty seconds after a reclaim what it had begun has still not come.

use crate::limits::{
    FLIGHTS_MAX, RECLAIM_QUEUE_MIN, RECLAIM_TIMEOUT, SLOW_TIMEOUT, SLOWER_THAN, STILL_TIMEOUT,
};
use crate::output::{Ended, StreamKey, SwarmKey};
use crate::swarm::Swarms;
use crate::swarm::flight::{Reclaim, State as FlightState};
use crate::swarm::stream::{Claim, Outstanding, State, Stream};
use crate::time::Instant;
use crate::wire::stream::CloseReason;

impl Swarms {
    /// Lets an idle stream have a shard reclaimed from the one that is slowest to send it.
    pub(in crate::swarm) fn reclaim(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let Some(swarm_key) = stream.swarm else {
            return;
        };
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return;
        };
        // Nothing is left to begin, or there is no place to begin it in.
        let is_end = swarm.held.count() + swarm.flying.count() >= swarm.shard_count()
            || swarm.flights.len() >= FLIGHTS_MAX;
        let own_rate = stream.rate.per_second();
        let mut still = None;
        let takeable = swarm.flights.iter_mut().filter_map(|flight| {
            let source_key = flight.source.filter(|source| *source != key)?;
            let source = self.streams.get(source_key)?;
            let is_receiving = flight.state == FlightState::Receiving && !flight.whole;
            if !is_receiving || !stream.has(flight.shard) {
                return None;
            }
            if let Some(Reclaim { at, .. }) = flight.reclaim {
                let stands_still = now >= at + STILL_TIMEOUT && is_silent(source, now)
                    || now >= at + RECLAIM_TIMEOUT;
                still = still.or(stands_still.then_some(source_key));
                return None;
            }
            let (rate, queue) = (source.rate.per_second(), source.queue());
            let is_late = is_end && flight.lasts(rate, RECLAIM_TIMEOUT);
            let is_slow = match own_rate {
                // Not measured yet.
                0 => is_late,
                _ => is_end && (1..own_rate / SLOWER_THAN).contains(&rate),
            };
            let is_quiet = is_silent(source, now) || is_slow;
            let is_unstarted = is_end && flight.received() == 0 && queue > RECLAIM_QUEUE_MIN;
            let may = match flight.unrequested() > 0 || has_asked(source, flight.shard) {
                true => is_quiet || is_unstarted,
                // There is nothing to take back: the reclaim is a deadline.
                false => is_silent(source, now) || is_late,
            };
            may.then_some((is_quiet, queue, flight.shard, source_key))
        });
        let reclaimed = takeable.max();
        if let Some(source_key) = still {
            return self.close(now, source_key, Ended::Timeout, Some(CloseReason::Timeout));
        }
        let Some((_, _, shard, source_key)) = reclaimed else {
            return;
        };
        if let Some(flight) = swarm.flight(shard) {
            flight.reclaim = Some(Reclaim {
                at: now,
                successor: key,
            });
        }
        if let Some(source) = self.streams.get_mut(source_key) {
            source.reclaim(shard, self.config.network);
            self.wake(source_key);
        }
        self.release_if_left(now, source_key, swarm_key, shard);
    }

    /// Once a source has sent what it had begun of a reclaimed shard, another goes on with it.
    pub(in crate::swarm) fn release_if_left(
        &mut self,
        now: Instant,
        source: StreamKey,
        swarm_key: SwarmKey,
        shard: u32,
    ) {
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return;
        };
        let flight = swarm.flight(shard);
        let Some(flight) = flight.filter(|of| of.source == Some(source) && of.is_left()) else {
            return;
        };
        let successor = flight.reclaim.map_or(source, |reclaim| reclaim.successor);
        flight.abandon();
        swarm.drop_unstarted();
        if successor != source {
            self.ask(now, successor);
        }
        self.ask_all(now, swarm_key);
    }

    /// Whether a stream has nothing to do while shards of its swarm are in flight elsewhere.
    pub(in crate::swarm) fn could_reclaim(&self, stream: &Stream) -> bool {
        let swarm = stream.swarm.and_then(|swarm| self.swarms.get(swarm));
        let is_idle = stream.state == State::Open && stream.outstanding.is_empty();
        is_idle && swarm.is_some_and(|swarm| swarm.is_fetching() && !swarm.flights.is_empty())
    }
}

/// Whether a stream has brought nothing of what it was asked for for a while.
fn is_silent(source: &Stream, now: Instant) -> bool {
    now >= source.waiting_since + SLOW_TIMEOUT
}

/// Whether something of `shard` was asked for and has not begun to come.
fn has_asked(source: &Stream, shard: u32) -> bool {
    let wanted = |asked: &Outstanding| asked.range.shard == shard && asked.claim == Claim::Wanted;
    source.outstanding.iter().any(wanted)
}
