//! Keeps warnings that others can cause from filling the log: one line a class every ten seconds.

use crate::limits::LOG_INTERVAL;
use crate::time::Instant;

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

/// Remembers when each class was last logged.
#[derive(Default)]
pub struct Throttle([Option<Instant>; 4]);

impl Throttle {
    /// Whether a line of this class may be written now.
    pub fn allows(&mut self, class: Class, now: Instant) -> bool {
        let last = &mut self.0[class as usize];
        if last.is_some_and(|last| now.since(last) < LOG_INTERVAL) {
            return false;
        }
        *last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_speaks_once_in_its_interval_and_does_not_silence_another() {
        let mut throttle = Throttle::default();
        assert!(throttle.allows(Class::Datagram, Instant::ZERO));
        assert!(!throttle.allows(Class::Datagram, Instant::from_micros(9_999_999)));
        assert!(throttle.allows(Class::Disk, Instant::from_micros(9_999_999)));
        assert!(throttle.allows(Class::Datagram, Instant::from_micros(10_000_000)));
    }
}
