//! The reactor's clock and the length of its sleeps.
//!
//! The only place that reads a clock, and it is the monotonic one: the wall clock of a small device
//! jumps. Invariant: a sleep is never shorter than the time to the deadline (rounded up to a
//! millisecond, else the loop would spin through the last one) and never longer than `SLEEP_MAX`.

use crate::limits::SLEEP_MAX;
use crate::time::Instant;
use std::time::Duration;

/// Counts microseconds since it was made.
pub struct Clock(std::time::Instant);

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        Clock(std::time::Instant::now())
    }

    pub fn now(&self) -> Instant {
        let micros = u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(micros)
    }
}

/// How long to sleep for a deadline: zero when it has passed.
///
/// The longest sleep is a minute, not a second: an idle node may wake at most every other second,
/// the clock is monotonic, and every deadline is known before the sleep, so nothing is gained from
/// looking more often.
pub fn sleep(now: Instant, deadline: Option<Instant>) -> Duration {
    let Some(deadline) = deadline else {
        return SLEEP_MAX;
    };
    let micros = u64::try_from(deadline.since(now).as_micros()).unwrap_or(u64::MAX);
    Duration::from_millis(micros.div_ceil(1_000)).min(SLEEP_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_rounded_up_and_bounded() {
        let now = Instant::from_micros(5_000_000);
        let until = |micros| sleep(now, Some(Instant::from_micros(micros)));
        assert_eq!(until(4_000_000), Duration::ZERO);
        assert_eq!(until(5_000_000), Duration::ZERO);
        assert_eq!(until(5_000_001), Duration::from_millis(1));
        assert_eq!(until(5_001_000), Duration::from_millis(1));
        assert_eq!(until(5_001_001), Duration::from_millis(2));
        assert_eq!(until(u64::MAX), SLEEP_MAX);
        assert_eq!(sleep(now, None), SLEEP_MAX);
    }
}
