//! Budgets: how often something may happen, and how often each source may cause it (rule 16).
//!
//! A [`Budget`] is a token bucket in the form of one instant (the generic cell rate algorithm): no
//! timer refills it, and no number is fractional. [`SourceBudgets`] keeps one for each source of
//! messages in a table of fixed size: when the table is full, a new source waits until the budget
//! of another is whole again.
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

/// The time that the events of a burst take up beyond the first.
fn depth(allowance: Allowance) -> Duration {
    interval(allowance) * (allowance.burst - 1)
}

/// The events that were counted under one [`Allowance`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// The end of all events so far, spread out evenly.
    spread_until: Instant,
}

impl Budget {
    /// Counts one event, if it is allowed now.
    pub fn allow(&mut self, now: Instant, allowance: Allowance) -> bool {
        let start = self.spread_until.max(now);
        let is_allowed = start.since(now) <= depth(allowance);
        if is_allowed {
            self.spread_until = start + interval(allowance);
        }
        is_allowed
    }

    /// When the next event will be allowed, as seen from `now`.
    pub fn ready_at(&self, now: Instant, allowance: Allowance) -> Instant {
        let used = self.spread_until.since(now);
        now + used.saturating_sub(depth(allowance))
    }
}

/// The budget of destinations that were not in use before. Home routers die of about a hundred new
/// UDP destinations a second, whichever node of this host contacts them, so all nodes share one.
#[derive(Default)]
pub struct Destinations {
    budget: Budget,
    waiting_until: Option<Instant>,
}

impl Destinations {
    /// Counts one new destination, if it is allowed now.
    pub fn allow(&mut self, now: Instant) -> bool {
        let is_allowed = self.budget.allow(now, DESTINATIONS);
        if !is_allowed {
            self.waiting_until = Some(self.budget.ready_at(now, DESTINATIONS));
        }
        is_allowed
    }

    /// When a caller that was refused since [`Destinations::forget_waiting`] should ask again.
    pub fn waiting_until(&self) -> Option<Instant> {
        self.waiting_until
    }

    /// All callers that wait are about to ask again.
    pub fn forget_waiting(&mut self) {
        self.waiting_until = None;
    }
}

/// A budget for each source, in a table of fixed size.
pub struct SourceBudgets {
    budgets: BTreeMap<Source, Budget>,
    allowance: Allowance,
    count_max: usize,
}

impl SourceBudgets {
    /// A table of at most `count_max` sources, with `allowance` for each.
    pub fn new(allowance: Allowance, count_max: usize) -> SourceBudgets {
        SourceBudgets {
            budgets: BTreeMap::new(),
            allowance,
            count_max,
        }
    }

    /// Counts one message of `from`, if its budget allows it now.
    pub fn allow(&mut self, now: Instant, from: SocketAddr) -> bool {
        let source = subnet::source(from);
        if self.budgets.len() >= self.count_max && !self.budgets.contains_key(&source) {
            self.sweep(now);
            if self.budgets.len() >= self.count_max {
                return false;
            }
        }
        let budget = self.budgets.entry(source).or_default();
        budget.allow(now, self.allowance)
    }

    /// Forgets the sources whose budget is whole again.
    pub fn sweep(&mut self, now: Instant) {
        self.budgets.retain(|_, budget| budget.spread_until > now);
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
    fn rule_16_a_budget_allows_its_burst_and_then_its_rate() {
        let mut budget = Budget::default();
        let allowed = (0..100).filter(|_| budget.allow(at(0), TEN)).count();
        assert_eq!(allowed, 10);
        assert_eq!(budget.ready_at(at(0), TEN), at(100));
        assert!(!budget.allow(at(99), TEN));
        assert!(budget.allow(at(100), TEN));
        let later = (200..10_200)
            .filter(|&ms| budget.allow(at(ms), TEN))
            .count();
        assert!((100..=110).contains(&later), "{later}");
    }

    #[test]
    fn rule_16_the_table_of_sources_is_bounded_and_frees_silent_sources() {
        let mut sources = SourceBudgets::new(TEN, 4);
        let from = |last: u8| SocketAddr::from(([192, 0, 2, last], 4160));
        assert!((1..=4).all(|last| sources.allow(at(0), from(last))));
        assert!(!sources.allow(at(0), from(5)));
        assert!(
            sources.allow(at(0), from(4)),
            "a known source is served as before"
        );
        assert!(sources.allow(at(1_000), from(5)));
        assert_eq!(sources.budgets.len(), 1);
    }

    #[test]
    fn rule_16_one_source_cannot_use_up_the_budget_of_another() {
        let mut sources = SourceBudgets::new(TEN, 4);
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
