//! A limit on payload, as a token bucket: so many bytes a second, a little of it at once.
//!
//! One [`RateLimiter`] holds back what all streams send together, another what they request
//! together: a stream that requests less is sent less, so nothing piles up in the network, as it
//! would if we only read more slowly. Every byte of a stream counts, but only payload waits:
//! control frames are few, and late ones would cost more than they take. Datagrams have budgets of
//! their own, and do not count.
//!
//! ```text
//!   credit ≥ a portion, empty queue ──► admits(key): up to the whole credit
//!   else ──► the queue ──► tick: wakes its first ──► admits(first) ──► (to the end, for more)
//!                            └── one that was woken and did not come leaves the queue
//! ```
//!
//! Over any time longer than a burst, the rate is kept; how smoothly, the tests of this file and
//! `tests/program/cli_rates.rs` say.
//!
//! Invariants: in any time t, no more payload is admitted than the rate times t and one burst; a
//! stream that waits is in the queue once.

use crate::limits::{
    RATE_BURST_DIVISOR, RATE_MAX, RATE_MIN, RATE_PORTION_DIVISOR, RATE_PORTION_MAX,
    RATE_PORTION_MIN, STREAMS_MAX,
};
use crate::time::{Instant, earliest};
use std::collections::VecDeque;
use std::time::Duration;

/// The cost of one byte, so that a microsecond of a rate is a whole number: its bytes a second.
const BYTE: i64 = 1_000_000;

/// A limit of bytes a second, or none, and the queue of streams that it holds back.
#[derive(Debug)]
pub struct RateLimiter<K> {
    /// Bytes a second; none when nothing is held back.
    rate: Option<i64>,
    /// Credit that may be spent, in millionths of a byte; below 0 after control frames.
    credit: i64,
    /// When the credit was last added to.
    counted_at: Instant,
    queue: VecDeque<K>,
    tick_at: Option<Instant>,
    /// The first in the queue was woken by the last tick.
    woken: bool,
}

impl<K> Default for RateLimiter<K> {
    fn default() -> RateLimiter<K> {
        RateLimiter {
            rate: None,
            credit: 0,
            counted_at: Instant::ZERO,
            queue: VecDeque::new(),
            tick_at: None,
            woken: false,
        }
    }
}

impl<K: Copy + PartialEq> RateLimiter<K> {
    /// Caps at `rate` bytes a second, brought into [`RATE_MIN`] and [`RATE_MAX`]; `None` lifts the
    /// limit.
    pub fn set(&mut self, now: Instant, rate: Option<u64>) {
        self.rate = rate.map(|rate| rate.clamp(RATE_MIN, RATE_MAX) as i64);
        (self.credit, self.counted_at, self.woken) = (0, now, false);
        self.queue.reserve(STREAMS_MAX);
        self.tick_at = (!self.queue.is_empty()).then_some(now);
    }

    /// Whether there is a limit.
    pub fn is_set(&self) -> bool {
        self.rate.is_some()
    }

    /// How many bytes `key` may send (or ask for) now. 0: it waits in the queue until it is woken.
    pub fn admits(&mut self, now: Instant, key: K) -> u64 {
        let Some(rate) = self.rate else {
            return u64::MAX;
        };
        self.count(now);
        let is_next = self.queue.front().is_none_or(|&first| first == key);
        if is_next && self.credit >= portion(rate) * BYTE {
            self.leave(key);
            // It may take less than that, and the rest is the next one's.
            let wait = self.wait(rate);
            self.tick_at = (!self.queue.is_empty()).then(|| now + wait);
            return (self.credit / BYTE) as u64;
        }
        if !self.queue.contains(&key) {
            self.queue.push_back(key);
        }
        if self.tick_at.is_none() {
            self.tick_at = Some(now + self.wait(rate));
        }
        0
    }

    /// `bytes` were sent (or asked for).
    pub fn spend(&mut self, bytes: u64) {
        if self.rate.is_some() {
            self.credit = self.credit.saturating_sub(cost(bytes));
        }
    }

    /// `bytes` that were asked for will not come.
    pub fn refund(&mut self, bytes: u64) {
        if self.rate.is_some() {
            self.credit = self.credit.saturating_add(cost(bytes));
        }
    }

    /// `key` has nothing to send (or ask for) any more.
    pub fn leave(&mut self, key: K) {
        self.woken &= self.queue.front() != Some(&key);
        self.queue.retain(|&waiting| waiting != key);
    }

    /// Whether `key` is held back.
    pub fn holds(&self, key: K) -> bool {
        self.queue.contains(&key)
    }

    /// When [`RateLimiter::tick`] is due; none while no stream waits.
    pub fn tick_at(&self) -> Option<Instant> {
        self.tick_at
    }

    /// The stream whose turn it is, once the credit is enough for it.
    pub fn tick(&mut self, now: Instant) -> Option<K> {
        if self.tick_at.is_none_or(|at| now < at) {
            return None;
        }
        let Some(rate) = self.rate else {
            // The limit was lifted: all that waited continue, one after the other.
            let first = self.queue.pop_front();
            self.tick_at = (!self.queue.is_empty()).then_some(now);
            return first;
        };
        self.count(now);
        let is_enough = self.credit >= portion(rate) * BYTE;
        if is_enough && self.woken {
            self.queue.pop_front();
        }
        let first = self.queue.front().copied().filter(|_| is_enough);
        self.woken = first.is_some();
        let wait = self.wait(rate);
        self.tick_at = (!self.queue.is_empty()).then(|| now + wait);
        first
    }

    /// Adds what has been earned since it was last counted.
    fn count(&mut self, now: Instant) {
        let Some(rate) = self.rate else { return };
        let micros = i64::try_from(now.since(self.counted_at).as_micros()).unwrap_or(i64::MAX);
        let earned = rate.saturating_mul(micros);
        let most = (rate / RATE_BURST_DIVISOR).max(portion(rate)) * BYTE;
        self.credit = self.credit.saturating_add(earned).min(most);
        self.counted_at = now;
    }

    /// Until a portion is there, if nothing is taken meanwhile; at least the time that one takes.
    fn wait(&self, rate: i64) -> Duration {
        let lacking = (portion(rate) * BYTE).saturating_sub(self.credit.max(0));
        let micros = if self.woken {
            portion(rate) * BYTE
        } else {
            lacking
        } / rate;
        Duration::from_micros(micros.max(1_000) as u64)
    }
}

/// The least that is admitted at once: small, to be smooth, but no crumbs.
fn portion(rate: i64) -> i64 {
    (rate / RATE_PORTION_DIVISOR).clamp(RATE_PORTION_MIN, RATE_PORTION_MAX)
}

fn cost(bytes: u64) -> i64 {
    i64::try_from(bytes)
        .unwrap_or(i64::MAX)
        .saturating_mul(BYTE)
}

/// The rate limits of a node.
#[derive(Debug)]
pub struct RateLimits<K> {
    /// Limits the payload that is sent.
    pub up: RateLimiter<K>,
    /// Limits the payload that is requested.
    pub down: RateLimiter<K>,
}

impl<K> Default for RateLimits<K> {
    fn default() -> RateLimits<K> {
        RateLimits {
            up: RateLimiter::default(),
            down: RateLimiter::default(),
        }
    }
}

impl<K: Copy + PartialEq> RateLimits<K> {
    /// When either has something due.
    pub fn tick_at(&self) -> Option<Instant> {
        earliest(self.up.tick_at(), self.down.tick_at())
    }

    /// Forgets a stream that is gone.
    pub fn forget(&mut self, key: K) {
        self.up.leave(key);
        self.down.leave(key);
    }
}

/// Bytes a second, over the last second or so.
pub struct Rate {
    since: Instant,
    bytes: u64,
    per_second: u64,
}

/// The time over which a rate is measured, in microseconds.
const RATE_PERIOD: u64 = 250_000;

impl Rate {
    /// A rate of 0, measured from `now` on.
    pub fn new(now: Instant) -> Rate {
        Rate {
            since: now,
            bytes: 0,
            per_second: 0,
        }
    }

    /// Counts `bytes` that came at `now`.
    pub fn count(&mut self, now: Instant, bytes: u64) {
        self.bytes += bytes;
        let micros = now.since(self.since).as_micros() as u64;
        if micros >= RATE_PERIOD {
            let current = self.bytes.saturating_mul(1_000_000) / micros;
            self.per_second = if self.per_second == 0 {
                current
            } else {
                (self.per_second + current) / 2
            };
            (self.since, self.bytes) = (now, 0);
        }
    }

    /// Bytes a second; 0 until a first period has passed.
    pub fn per_second(&self) -> u64 {
        self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lets streams take all they are admitted for `seconds`, looked at every `step` microseconds;
    /// what each took, and the most that any 100 ms brought.
    fn run(rate: u64, streams: u32, step: u64, seconds: u64) -> (Vec<u64>, u64) {
        let mut limiter = RateLimiter::default();
        limiter.set(Instant::ZERO, Some(rate));
        let mut taken = vec![0; streams as usize];
        let mut windows = vec![0; seconds as usize * 10 + 1];
        let mut asking: Vec<u32> = (0..streams).collect();
        for micros in (0..seconds * 1_000_000).step_by(step as usize) {
            let now = Instant::from_micros(micros);
            asking.extend(limiter.tick(now));
            for key in std::mem::take(&mut asking) {
                loop {
                    let bytes = limiter.admits(now, key);
                    if bytes == 0 {
                        break;
                    }
                    limiter.spend(bytes);
                    taken[key as usize] += bytes;
                    windows[micros as usize / 100_000] += bytes;
                }
            }
        }
        (taken, windows.into_iter().max().unwrap())
    }

    proptest! {
        #[test]
        fn a_rate_is_kept_smoothly_and_shared_equally(
            rate in 20_000u64..1_000_000_000,
            streams in 1u32..8,
            step in 200u64..20_000,
        ) {
            let (taken, most) = run(rate, streams, step, 4);
            let sum: u64 = taken.iter().sum();
            let portion = portion(rate as i64) as u64;
            prop_assert!(sum <= 4 * rate + portion, "{sum} of {rate}");
            prop_assert!(sum + 2 * portion >= 4 * rate * 98 / 100, "{sum} of {rate}");
            prop_assert!(most <= rate / 10 + rate / RATE_BURST_DIVISOR as u64 + portion, "{most}");
            let burst = (rate / RATE_BURST_DIVISOR as u64).max(portion);
            let (least, greatest) = (taken.iter().min().unwrap(), taken.iter().max().unwrap());
            prop_assert!(greatest - least <= 2 * burst + sum / 20, "{taken:?}");
        }
    }

    #[test]
    fn a_stream_that_is_woken_and_does_not_come_holds_no_other_up() {
        let mut limiter = RateLimiter::default();
        limiter.set(Instant::ZERO, Some(1_000_000));
        assert_eq!(limiter.admits(Instant::ZERO, 0), 0);
        assert_eq!(limiter.admits(Instant::ZERO, 1), 0);
        let mut now = limiter.tick_at().unwrap();
        assert_eq!(limiter.tick(now), Some(0));
        now = limiter.tick_at().unwrap();
        assert!(now > Instant::ZERO);
        assert_eq!(limiter.tick(now), Some(1));
        assert!(limiter.admits(now, 1) > 0);
        assert!(!limiter.holds(0) && !limiter.holds(1));
        // It comes when it can, and waits again.
        limiter.spend(1_000_000);
        assert_eq!(limiter.admits(now, 0), 0);
        assert!(limiter.holds(0));
    }

    #[test]
    fn waiting_streams_continue_when_the_limit_is_lifted() {
        let (mut limiter, now) = (RateLimiter::default(), Instant::ZERO);
        limiter.set(now, Some(1_000_000));
        assert_eq!((limiter.admits(now, 0), limiter.admits(now, 1)), (0, 0));
        limiter.set(now, None);
        let woken = [limiter.tick(now), limiter.tick(now), limiter.tick(now)];
        assert_eq!(woken, [Some(0), Some(1), None]);
        assert_eq!(limiter.tick_at(), None);
    }

    #[test]
    fn without_a_limit_no_stream_waits() {
        let mut limiter = RateLimiter::default();
        assert_eq!(limiter.admits(Instant::ZERO, 0), u64::MAX);
        limiter.spend(u64::MAX);
        assert_eq!(limiter.admits(Instant::ZERO, 1), u64::MAX);
        assert_eq!(limiter.tick_at(), None);
    }
}
