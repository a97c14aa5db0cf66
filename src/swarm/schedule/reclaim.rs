//! The end of a file: no stream waits for a slow or stalled peer while another could send.
//!
//! A shard in flight has one writer, so a stream that finds nothing left to request may not request
//! what was requested of another. Instead, once every shard is held or in flight, it reclaims one:
//! from a stream that is many times slower, or that has many others to send first. A range that has
//! begun comes; the rest is given back, and the idle stream resumes at the offset where it ends. So
//! no byte comes twice.
//!
//! A range can be long and its stream slow; therefore a sender cuts ranges into parts of an eighth
//! of a second, and between them listens (`swarm::send`). Bytes in the buffer of a kernel come all
//! the same, and is waited for.
//!
//! Shards are reclaimed before the end, too, from a stream that has brought nothing for a while: a
//! provider that offers a few at a time would else wait for one of them to come from the silent
//! peer. A stream that then neither sends nor answers is closed, and dialled anew later: what it
//! may send one day would come twice. So is one that sends a byte now and then, when thirty seconds
//! after a shard was reclaimed what had begun has still not come.

use crate::limits::{RECLAIM_QUEUE_MIN, RECLAIM_TIMEOUT, SLOW_TIMEOUT, SLOWER_THAN, STILL_TIMEOUT};
use crate::output::{Ended, StreamKey};
use crate::swarm::flight::{Flight, Reclaim, State as FlightState};
use crate::swarm::scope::Scope;
use crate::swarm::stream::{Stream, Streams};
use crate::time::Instant;

/// A stream that has nothing to request, and what it may take over.
struct Idle<'a> {
    now: Instant,
    key: StreamKey,
    stream: &'a Stream,
    /// No shard is left to begin, or there is no room to begin one.
    is_end: bool,
}

/// A flight that may be reclaimed; the greatest is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    is_quiet: bool,
    queue_size: usize,
    shard: u32,
    source: StreamKey,
}

impl Idle<'_> {
    /// The flight, if it may be reclaimed from its source.
    fn candidate(&self, flight: &Flight, streams: &Streams) -> Option<Candidate> {
        let source = self
            .other_source(flight)
            .filter(|_| flight.reclaim.is_none())?;
        let download = &streams.get(source)?.download;
        let (rate, own_rate) = (
            download.rate.per_second(),
            self.stream.download.rate.per_second(),
        );
        let is_silent = self.now >= download.waiting_since + SLOW_TIMEOUT;
        let is_late = self.is_end && flight.lasts(rate, RECLAIM_TIMEOUT);
        let is_slow = match own_rate {
            // Not measured yet.
            0 => is_late,
            _ => self.is_end && (1..own_rate / SLOWER_THAN).contains(&rate),
        };
        let queue_size = download.wanted_count();
        let is_quiet = is_silent || is_slow;
        let is_waiting = flight.received() == 0 && queue_size > RECLAIM_QUEUE_MIN;
        let may = match flight.unrequested() > 0 || download.wants(flight.shard) {
            true => is_quiet || self.is_end && is_waiting,
            // There is nothing to cancel: the reclaim is a deadline.
            false => is_silent || is_late,
        };
        may.then_some(Candidate {
            is_quiet,
            queue_size,
            shard: flight.shard,
            source,
        })
    }

    /// The source of a flight that was reclaimed, if it stands still.
    fn still_source(&self, flight: &Flight, streams: &Streams) -> Option<StreamKey> {
        let source = self.other_source(flight)?;
        let Reclaim { at, .. } = flight.reclaim?;
        let waiting_since = streams.get(source)?.download.waiting_since;
        let is_silent = self.now >= waiting_since + SLOW_TIMEOUT;
        let is_still =
            self.now >= at + STILL_TIMEOUT && is_silent || self.now >= at + RECLAIM_TIMEOUT;
        is_still.then_some(source)
    }

    /// The stream that sends a flight which this one could resume.
    fn other_source(&self, flight: &Flight) -> Option<StreamKey> {
        let could_resume = flight.state == FlightState::Receiving
            && !flight.whole
            && self.stream.shards.contains(flight.shard);
        flight
            .source
            .filter(|&source| source != self.key && could_resume)
    }
}

impl Scope<'_> {
    /// Lets an idle stream reclaim a shard from the stream that is slowest to send it.
    pub fn reclaim(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let (streams, flights) = (&*self.streams, &self.swarm.flights);
        let begun = self.swarm.held.count() + flights.count();
        let idle = Idle {
            now: self.now,
            key,
            stream,
            is_end: begun >= self.swarm.shard_count() || flights.is_full(),
        };
        let still = flights
            .iter()
            .find_map(|flight| idle.still_source(flight, streams));
        let candidates = flights
            .iter()
            .filter_map(|flight| idle.candidate(flight, streams));
        let best = candidates.max();
        if let Some(source) = still {
            return self.close(source, Ended::Timeout);
        }
        let Some(Candidate { shard, source, .. }) = best else {
            return;
        };
        if let Some(flight) = self.swarm.flights.get_mut(shard) {
            let (at, successor) = (self.now, key);
            flight.reclaim = Some(Reclaim { at, successor });
        }
        if let Some(stream) = self.streams.get_mut(source) {
            stream.reclaim(shard);
            self.shared.wake(source, stream);
        }
        self.release_if_left(source, shard);
    }

    /// Once a source has sent what it had begun of a reclaimed shard, another stream resumes it.
    pub fn release_if_left(&mut self, source: StreamKey, shard: u32) {
        let flight = self.swarm.flights.of_source(shard, source);
        let Some(flight) = flight.filter(|flight| flight.is_left()) else {
            return;
        };
        let successor = flight.reclaim.map_or(source, |reclaim| reclaim.successor);
        flight.abandon();
        self.swarm.flights.end_unstarted();
        if successor != source {
            self.request(successor);
        }
        self.request_all();
    }
}
