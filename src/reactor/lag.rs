//! The duration of the loop's turns: while one lasts, nothing else is answered.
//!
//! Buckets of powers of two, so that a histogram is one small array, and counting is one addition.
//! Not here: the time that the loop sleeps. Invariant: a quantile is never below the true one, and
//! less than twice it.

use crate::time::Instant;
use std::time::Duration;

/// Bucket `n` counts turns of less than 2^n microseconds that no smaller one does; the last one has
/// all turns from 2 s on.
const BUCKETS: usize = 23;

/// The times that turns took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    buckets: [u64; BUCKETS],
    most: Duration,
    /// When the turn began that is under way.
    began_at: Option<Instant>,
}

impl Lag {
    /// Notes that a turn begins.
    pub fn begin(&mut self, now: Instant) {
        self.began_at = Some(now);
    }

    /// The turn ends that has begun last, if one has.
    pub fn end(&mut self, now: Instant) {
        if let Some(began_at) = self.began_at.take() {
            self.count(now.since(began_at));
        }
    }

    /// Adds the duration of one turn to its bucket.
    pub fn count(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
        self.most = self.most.max(took);
    }

    /// The time within which so many of a hundred turns ended (50 is the median): the upper end of
    /// its bucket, but no more than [`Lag::most`]. Zero before the first turn.
    pub fn percentile(&self, percent: u64) -> Duration {
        let all: u64 = self.buckets.iter().sum();
        let wanted = (all * percent).div_ceil(100);
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= wanted && bucket + 1 < BUCKETS {
                return Duration::from_micros(1 << bucket).min(self.most);
            }
        }
        self.most
    }

    /// The duration of the longest turn so far.
    pub fn most(&self) -> Duration {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_percentile_is_at_least_the_true_one_and_less_than_twice_it(
            mut times in prop::collection::vec(0u64..10_000_000, 1..200),
            percent in 1u64..=100,
        ) {
            let mut lag = Lag::default();
            times.iter().for_each(|&micros| lag.count(Duration::from_micros(micros)));
            times.sort();
            let place = (times.len() * percent as usize).div_ceil(100) - 1;
            let (exact, found) = (times[place], lag.percentile(percent).as_micros() as u64);
            prop_assert!(found >= exact, "{found} for {exact}");
            let bounded = found <= (2 * exact).max(1) || exact >= 1 << (BUCKETS - 2);
            prop_assert!(bounded, "{found} for {exact}");
            prop_assert_eq!(lag.most().as_micros() as u64, *times.last().unwrap());
        }
    }

    #[test]
    fn without_turns_there_is_no_lag() {
        assert_eq!(Lag::default().percentile(99), Duration::ZERO);
    }
}
