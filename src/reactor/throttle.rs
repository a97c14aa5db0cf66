//! Keeps lines that others can cause from filling the log: one line a class every ten seconds,
//! which says how many like it were left out before it.

use crate::limits::LOG_INTERVAL;
use crate::time::Instant;
use std::fmt;

/// When a line of one class was last logged, and how many were left out since.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throttle {
    last_at: Option<Instant>,
    left_out: u64,
}

/// How many lines of a class were left out; prints as an addition to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut(pub u64);

impl Throttle {
    /// Whether a line may be written now, and what it has to add.
    pub fn admit(&mut self, now: Instant) -> Option<LeftOut> {
        if self.last_at.is_some_and(|at| now.since(at) < LOG_INTERVAL) {
            self.left_out += 1;
            return None;
        }
        self.last_at = Some(now);
        Some(LeftOut(std::mem::take(&mut self.left_out)))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " (and {count} more like it before)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_speaks_once_in_its_interval_and_does_not_silence_another() {
        let mut throttles = [Throttle::default(); 2];
        let at = Instant::from_micros;
        assert_eq!(throttles[0].admit(at(0)), Some(LeftOut(0)));
        assert_eq!(throttles[0].admit(at(9_999_998)), None);
        assert_eq!(throttles[0].admit(at(9_999_999)), None);
        assert_eq!(throttles[1].admit(at(9_999_999)), Some(LeftOut(0)));
        assert_eq!(throttles[0].admit(at(10_000_000)), Some(LeftOut(2)));
        assert_eq!(throttles[0].admit(at(20_000_000)), Some(LeftOut(0)));
        assert_eq!(LeftOut(2).to_string(), " (and 2 more like it before)");
        assert_eq!(LeftOut(0).to_string(), "");
    }
}
