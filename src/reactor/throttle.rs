//! Keeps lines that others can cause from filling the log: one line a class every ten seconds, which
//! says how many like it were left out before it.

use crate::limits::LOG_INTERVAL;
use crate::time::Instant;
use std::fmt;

/// The classes of warnings that a peer, or a failing disk, could cause at line rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Datagrams that could not be received or sent.
    Datagram,
    /// Connections that could not be accepted.
    Accept,
    /// Connections that could not be made or broke.
    Stream,
    /// Disk work that failed.
    Disk,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 4;
}

/// Remembers when each of some classes was last logged, and what was left out since.
pub struct Throttle<const CLASSES: usize>([Lines; CLASSES]);

#[derive(Clone, Copy, Default)]
struct Lines {
    last_at: Option<Instant>,
    left_out: u64,
}

/// How many lines of a class were left out; prints as what to add to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut(pub u64);

impl<const CLASSES: usize> Default for Throttle<CLASSES> {
    fn default() -> Self {
        Throttle([Lines::default(); CLASSES])
    }
}

impl<const CLASSES: usize> Throttle<CLASSES> {
    /// Whether a line of this class, by its number, may be written now, and what it has to add.
    pub fn admit(&mut self, class: usize, now: Instant) -> Option<LeftOut> {
        let lines = &mut self.0[class];
        if lines.last_at.is_some_and(|at| now.since(at) < LOG_INTERVAL) {
            lines.left_out += 1;
            return None;
        }
        lines.last_at = Some(now);
        Some(LeftOut(std::mem::take(&mut lines.left_out)))
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
        let mut throttle = Throttle::<2>::default();
        let at = Instant::from_micros;
        assert_eq!(throttle.admit(0, at(0)), Some(LeftOut(0)));
        assert_eq!(throttle.admit(0, at(9_999_998)), None);
        assert_eq!(throttle.admit(0, at(9_999_999)), None);
        assert_eq!(throttle.admit(1, at(9_999_999)), Some(LeftOut(0)));
        assert_eq!(throttle.admit(0, at(10_000_000)), Some(LeftOut(2)));
        assert_eq!(throttle.admit(0, at(20_000_000)), Some(LeftOut(0)));
        assert_eq!(LeftOut(2).to_string(), " (and 2 more like it before)");
        assert_eq!(LeftOut(0).to_string(), "");
    }
}
