//! Budgets: how often something may happen, and who it is that asks (rule 16).
//!
//! A [`Rate`] is one token bucket in the form of one instant (the generic cell rate algorithm): no
//! timer refills it, and no number is ever fractional. [`Sources`] keeps one for each sender that
//! has not proved its address, in a table that cannot grow: when it is full, strangers that it does
//! not know wait until one of those inside has been silent.
//!
//! Invariant: over any span, at most `burst + span × rate` events are allowed.

use super::subnet::{self, Source};
use crate::limits::{Allowance, DESTINATIONS};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The time that one event takes up.
fn interval(allowance: Allowance) -> Duration {
    Duration::from_secs(1) / allowance.per_second
}

/// How far the account may be drawn before an event is refused.
fn depth(allowance: Allowance) -> Duration {
    interval(allowance) * (allowance.burst - 1)
}

/// The account of one [`Allowance`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// When everything allowed so far would have been spread out evenly.
    spread_until: Instant,
}

impl Rate {
    /// Counts one event, if it is allowed now.
    pub fn allow(&mut self, now: Instant, allowance: Allowance) -> bool {
        let start = self.spread_until.max(now);
        if start.since(now) > depth(allowance) {
            return false;
        }
        self.spread_until = start + interval(allowance);
        true
    }

    /// When the next event will be allowed, as seen from `now`.
    pub fn ready_at(&self, now: Instant, allowance: Allowance) -> Instant {
        let wait = self
            .spread_until
            .since(now)
            .saturating_sub(depth(allowance));
        now + wait
    }
}

/// The budget of destinations that were not in use before (rule 16). Home routers die of about a
/// hundred new UDP destinations a second, whichever node of this host contacts them.
#[derive(Default)]
pub struct Destinations {
    rate: Rate,
    waiting_until: Option<Instant>,
}

impl Destinations {
    /// Counts one new destination, if the budget allows it now.
    pub fn allow(&mut self, now: Instant) -> bool {
        let is_allowed = self.rate.allow(now, DESTINATIONS);
        if !is_allowed {
            self.waiting_until = Some(self.rate.ready_at(now, DESTINATIONS));
        }
        is_allowed
    }

    /// When a caller that was refused since the last [`Destinations::forget_waiting`] should ask again.
    pub fn waiting_until(&self) -> Option<Instant> {
        self.waiting_until
    }

    /// The callers that wait are about to ask again.
    pub fn forget_waiting(&mut self) {
        self.waiting_until = None;
    }
}

/// One account for each source, in a bounded table.
pub struct Sources {
    rates: BTreeMap<Source, Rate>,
    allowance: Allowance,
    count_max: usize,
}

impl Sources {
    /// An empty table of at most `count_max` sources.
    pub fn new(allowance: Allowance, count_max: usize) -> Sources {
        Sources {
            rates: BTreeMap::new(),
            allowance,
            count_max,
        }
    }

    /// Counts one message of `from`, if it is within its budget.
    pub fn allow(&mut self, now: Instant, from: SocketAddr) -> bool {
        let source = subnet::source(from);
        if let Some(rate) = self.rates.get_mut(&source) {
            return rate.allow(now, self.allowance);
        }
        if self.rates.len() >= self.count_max {
            self.sweep(now);
        }
        if self.rates.len() >= self.count_max {
            return false;
        }
        self.rates
            .entry(source)
            .or_default()
            .allow(now, self.allowance)
    }

    /// Forgets the sources whose account is whole again.
    pub fn sweep(&mut self, now: Instant) {
        self.rates.retain(|_, rate| rate.spread_until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Allowance = Allowance {
        per_second: 10,
        burst: 10,
    };

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn rule_16_a_rate_allows_its_burst_and_then_its_pace() {
        let mut rate = Rate::default();
        let allowed = (0..100).filter(|_| rate.allow(at(0), TEN)).count();
        assert_eq!(allowed, 10);
        assert_eq!(rate.ready_at(at(0), TEN), at(100));
        assert!(!rate.allow(at(99), TEN));
        assert!(rate.allow(at(100), TEN));
        let later = (200..10_200).filter(|&ms| rate.allow(at(ms), TEN)).count();
        assert!((100..=110).contains(&later), "{later}");
    }

    #[test]
    fn rule_16_the_table_of_sources_is_bounded_and_frees_the_silent() {
        let mut sources = Sources::new(TEN, 4);
        let from = |last: u8| SocketAddr::from(([192, 0, 2, last], 4160));
        assert!((1..=4).all(|last| sources.allow(at(0), from(last))));
        assert!(!sources.allow(at(0), from(5)));
        assert!(sources.allow(at(0), from(4)), "one that is known goes on");
        assert!(sources.allow(at(1_000), from(5)));
        assert_eq!(sources.rates.len(), 1);
    }

    #[test]
    fn rule_16_one_source_cannot_use_up_the_budget_of_another() {
        let mut sources = Sources::new(TEN, 4);
        let loud = SocketAddr::from(([192, 0, 2, 1], 4160));
        let loud_too = SocketAddr::from(([192, 0, 2, 1], 9999));
        (0..50).for_each(|_| _ = sources.allow(at(0), loud));
        assert!(
            !sources.allow(at(0), loud_too),
            "a global IP is one source whatever its port"
        );
        assert!(sources.allow(at(0), SocketAddr::from(([198, 51, 100, 1], 4160))));
    }
}
