//! How long a stream's path is: from a question to its answer, at the shortest.
//!
//! Requests and offers ahead have to cover a round trip, or the pipe runs dry while
//! the next question is on its way. Where many streams share the pipe, each has to cover its part
//! only; and the more they are, the more of the time counts in which questions wait behind payload.
//!
//! Two questions tell without a word more on the wire: the dialler's connection, and an offer,
//! which is answered by the request for it. An offer is timed only while no payload goes out,
//! behind which it would wait; where it waits for something else, a later and shorter one counts.
//!
//! Not here: how fast the stream is ([`crate::rate`]). Invariant: it never gets longer.

use crate::limits::{AHEAD_MAX, AHEAD_ROUND_TRIPS};
use crate::time::Instant;
use std::time::Duration;

/// The round trip of one stream, as far as known.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrip {
    shortest: Option<Duration>,
    /// The offer that is being timed, and when it was made.
    offer: Option<(u32, Instant)>,
}

impl RoundTrip {
    /// A question was answered after `time`.
    pub fn count(&mut self, time: Duration) {
        self.shortest = Some(self.shortest.map_or(time, |shortest| shortest.min(time)));
    }

    /// Times the offer of `shard`, unless an earlier one for which `waits` is timed.
    pub fn time_offer(&mut self, now: Instant, shard: u32, waits: impl Fn(u32) -> bool) {
        if !self.offer.is_some_and(|(shard, _)| waits(shard)) {
            self.offer = Some((shard, now));
        }
    }

    /// The other end asks for `shard`.
    pub fn handle_request(&mut self, now: Instant, shard: u32) {
        if let Some((_, at)) = self.offer.take_if(|(offered, _)| *offered == shard) {
            self.count(now.since(at));
        }
    }

    /// The bytes that a stream of `rate` bytes a second carries in `least`, or in its part of
    /// [`AHEAD_ROUND_TRIPS`] if that is longer, where `streams` fill the pipe.
    pub fn bytes_ahead(&self, rate: u64, least: Duration, streams: u32) -> u64 {
        let trips = self.shortest.unwrap_or_default() * AHEAD_ROUND_TRIPS / streams.max(1);
        let time = trips.min(AHEAD_MAX).max(least);
        rate.saturating_mul(time.as_micros() as u64) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn ahead(trip: &RoundTrip, streams: u32) -> u64 {
        trip.bytes_ahead(1_000, Duration::from_millis(250), streams)
    }

    #[test]
    fn the_shortest_answer_counts_once_it_is_longer_than_the_least() {
        let mut trip = RoundTrip::default();
        assert_eq!(ahead(&trip, 1), 250);
        trip.count(Duration::from_millis(400));
        assert_eq!(
            (ahead(&trip, 1), ahead(&trip, 2), ahead(&trip, 32)),
            (1_600, 800, 250)
        );
        trip.count(Duration::from_millis(100));
        trip.count(Duration::from_millis(300));
        assert_eq!((ahead(&trip, 0), ahead(&trip, 2)), (400, 250));
        trip.count(Duration::from_millis(10));
        assert_eq!(ahead(&trip, 1), 250);
    }

    #[test]
    fn an_absurd_round_trip_does_not_ask_for_everything() {
        let mut trip = RoundTrip::default();
        trip.count(Duration::from_secs(3_600));
        assert_eq!(ahead(&trip, 1), 1_000 * AHEAD_MAX.as_secs());
        assert!(trip.bytes_ahead(u64::MAX, AHEAD_MAX, 1) > 0);
    }

    #[test]
    fn an_offer_is_timed_until_it_is_asked_for_or_gone() {
        let mut trip = RoundTrip::default();
        trip.time_offer(at(0), 7, |_| true);
        trip.time_offer(at(50), 8, |shard| shard == 7);
        trip.handle_request(at(60), 8);
        assert_eq!(trip.shortest, None);
        // Shard 7 has come from somebody else.
        trip.time_offer(at(100), 9, |shard| shard != 7);
        trip.handle_request(at(400), 9);
        trip.handle_request(at(900), 9);
        assert_eq!(trip.shortest, Some(Duration::from_millis(300)));
    }
}
