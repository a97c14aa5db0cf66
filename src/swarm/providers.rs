//! The providers of one file that a swarm knows, and when each may be tried again.
//!
//! Unverified locations from links, lookups and other nodes: none is trusted beyond one connection
//! attempt. Invariant: at most [`PROVIDERS_MAX`] are kept, each location once; a banned one stays,
//! so that learning of it again does not free it.
//!
//! A fetch dials until it has [`crate::limits::SWARM_STREAMS_ENOUGH`] streams, and on if they bring
//! nothing. In a larger swarm its streams are a random subset: with a full mesh, every node
//! announces each shard to every other, and a node that comes when all slots are taken finds few
//! that have one left. Time divided by the bound, and what the origin sent in files (equal uplinks
//! of 20 Mbit/s, 16 MiB, `cargo bench --bench fleets`; others with the constant changed, before a
//! full node redirected newcomers):
//!
//! | streams | 16 hosts | 32 hosts | 64 hosts | 125 hosts |
//! |---|---|---|---|---|
//! | 16 | 1.12, 1.00 | 1.17, 1.00 | 1.54, 1.31 | 2.66, 1.83 |
//! | 24 | 1.12, 1.00 | 1.18, 1.00 | 1.34, 1.14 | 1.67, 1.31 |
//! | 32 | 1.12, 1.00 | 1.18, 1.00 | 1.31, 1.11 | 1.75, 1.27 |
//! | as many as there are | 1.12, 1.00 | 1.19, 1.00 | 1.34, 1.07 | 2.42, 1.06 |
//!
//! Now 24 are better than 32 where there are more than 64: the first sixty know only one another,
//! and with 32 streams each they leave few slots to later nodes, which then exchange little but
//! what they all have. Means of three fleets, 8 MiB for 250 hosts; what is asked for at least is in
//! `swarm::schedule::request`, and a node that is alone looks again after
//! [`crate::limits::LOOKUP_DELAY_ALONE`]:
//!
//! | streams, least asked for, alone | 32 hosts | 64 hosts | 125 hosts | 250 hosts |
//! |---|---|---|---|---|
//! | 32, 2 shards, 3 s | 1.19, 1.00 | 1.32, 1.09 | 1.52, 1.17 | 1.97, 1.34 |
//! | 24, 1 shard, 0.5 s: as it is now | 1.18, 1.00 | 1.27, 1.07 | 1.36, 1.11 | 1.73, 1.37 |

use crate::limits::{PROVIDERS_MAX, REDIAL_DELAY_MAX, REDIAL_DELAY_MIN};
use crate::output::StreamKey;
use crate::rng::Rng;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// The state of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// May be dialled from this instant on.
    Idle(Instant),
    /// Has a stream, open or not.
    Busy(StreamKey),
    /// Sent wrong bytes, or is this node itself.
    Banned,
}

#[derive(Clone, Copy, Debug)]
struct Provider {
    location: SocketAddr,
    state: State,
    failures: u32,
}
const _: () = assert!(size_of::<Provider>() <= crate::limits::memory::PROVIDER_SIZE);

/// The providers of one file.
#[derive(Default)]
pub struct Providers {
    list: Vec<Provider>,
}

impl Providers {
    /// Learns of a provider: true when it is new and kept.
    pub fn learn(&mut self, location: SocketAddr, now: Instant) -> bool {
        if self.find(location).is_some() {
            return false;
        }
        let provider = Provider {
            location,
            state: State::Idle(now),
            failures: 0,
        };
        if self.list.len() < PROVIDERS_MAX {
            self.list.push(provider);
            return true;
        }
        // Full: one that keeps failing makes room, so that old locations cannot shut new ones out.
        let worst = self
            .list
            .iter_mut()
            .filter(|old| matches!(old.state, State::Idle(_)) && old.failures > 0)
            .max_by_key(|old| old.failures);
        let Some(worst) = worst else { return false };
        *worst = provider;
        true
    }

    /// Whether none was heard of.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The next provider to dial, if one may be dialled now: any of those that failed least, so
    /// that the streams of a large swarm are a random subset of all that there could be.
    pub fn due(&self, now: Instant, rng: &mut Rng) -> Option<SocketAddr> {
        let is_due = |provider: &&Provider| matches!(provider.state, State::Idle(at) if at <= now);
        let failures = self
            .list
            .iter()
            .filter(is_due)
            .map(|due| due.failures)
            .min()?;
        let is_least = |provider: &&Provider| is_due(provider) && provider.failures == failures;
        let count = self.list.iter().filter(is_least).count();
        let nth = rng.below(count as u64) as usize;
        let least = self.list.iter().filter(is_least).nth(nth)?;
        Some(least.location)
    }

    /// When the next provider may be dialled.
    pub fn next_at(&self) -> Option<Instant> {
        let waiting = self
            .list
            .iter()
            .filter_map(|provider| match provider.state {
                State::Idle(at) => Some(at),
                _ => None,
            });
        waiting.min()
    }

    /// `location` has a stream now, unless it has one already.
    pub fn connect(&mut self, location: SocketAddr, stream: StreamKey) {
        if let Some(provider) = self.find(location) {
            if matches!(provider.state, State::Idle(_)) {
                provider.state = State::Busy(stream);
            }
        }
    }

    /// Of two streams to one node, `kept` stays.
    pub fn keep(&mut self, kept: StreamKey, dropped: StreamKey) {
        self.with_stream(dropped, |provider| provider.state = State::Busy(kept));
    }

    /// A shard from the stream has verified: failures are forgotten.
    pub fn proved(&mut self, stream: StreamKey) {
        self.with_stream(stream, |provider| provider.failures = 0);
    }

    /// The stream is gone; the provider is dialled again after a while that doubles with each
    /// failure, less up to half of it.
    pub fn lost(&mut self, stream: StreamKey, now: Instant, rng: &mut Rng) {
        self.with_stream(stream, |provider| {
            let delay = REDIAL_DELAY_MIN * (1 << provider.failures.min(16));
            let half = delay.min(REDIAL_DELAY_MAX) / 2;
            // Nodes that were turned away together do not come again together.
            let more = Duration::from_micros(rng.below(half.as_micros() as u64 + 1));
            provider.failures += 1;
            provider.state = State::Idle(now + half + more);
        });
    }

    /// The provider of this stream is never dialled again.
    pub fn ban(&mut self, stream: StreamKey) {
        self.with_stream(stream, |provider| provider.state = State::Banned);
    }

    pub fn is_banned(&self, location: SocketAddr) -> bool {
        self.list
            .iter()
            .any(|known| known.location == location && known.state == State::Banned)
    }

    /// Whether each provider was tried: it has a stream, has failed, or is banned.
    pub fn are_tried(&self) -> bool {
        self.list
            .iter()
            .all(|known| !matches!(known.state, State::Idle(_)) || known.failures > 0)
    }

    fn find(&mut self, location: SocketAddr) -> Option<&mut Provider> {
        self.list
            .iter_mut()
            .find(|provider| provider.location == location)
    }

    /// Changes the providers of a stream: more than one, when a node has several locations.
    fn with_stream(&mut self, stream: StreamKey, change: impl FnMut(&mut Provider)) {
        let busy = State::Busy(stream);
        self.list
            .iter_mut()
            .filter(|provider| provider.state == busy)
            .for_each(change);
    }
}

/// How a swarm finds providers.
pub struct Discovery {
    pub providers: Providers,
    /// This node is announced as a provider.
    pub is_announced: bool,
    /// Lookups that have ended since the last provider was connected.
    pub lookups: u32,
    pub is_looking: bool,
    /// When the next lookup may start.
    pub lookup_at: Instant,
    /// Nodes that answered the last lookup.
    pub answered: u32,
    /// Since when no stream has brought anything.
    pub idle_since: Instant,
}

impl Discovery {
    pub fn new(now: Instant) -> Discovery {
        Discovery {
            providers: Providers::default(),
            is_announced: false,
            lookups: 0,
            is_looking: false,
            lookup_at: now,
            answered: 0,
            idle_since: now,
        }
    }

    /// The wait for providers begins anew.
    pub fn restart(&mut self, now: Instant) {
        (self.idle_since, self.lookup_at, self.lookups) = (now, now, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamKey = StreamKey {
        slot: 0,
        generation: 0,
    };

    fn location(number: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, (number / 250) as u8, (number % 250) as u8], 4160))
    }

    #[test]
    fn a_lost_provider_waits_twice_as_long_each_time() {
        let mut rng = Rng::from_number(1);
        let mut providers = Providers::default();
        let mut now = Instant::ZERO;
        assert!(providers.learn(location(1), now));
        assert!(!providers.learn(location(1), now));
        let mut waits = Vec::new();
        for _ in 0..3 {
            assert_eq!(providers.due(now, &mut rng), Some(location(1)));
            providers.connect(location(1), STREAM);
            assert_eq!(
                (providers.due(now, &mut rng), providers.next_at()),
                (None, None)
            );
            providers.lost(STREAM, now, &mut rng);
            let next = providers.next_at().unwrap();
            waits.push(next - now);
            now = next;
        }
        for (wait, most) in waits.into_iter().zip([1, 2, 4]) {
            let most = REDIAL_DELAY_MIN * most;
            assert!((most / 2..=most).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn the_list_is_bounded_and_only_failing_providers_make_room() {
        let (mut providers, mut rng) = (Providers::default(), Rng::from_number(1));
        for number in 0..PROVIDERS_MAX {
            assert!(providers.learn(location(number), Instant::ZERO));
        }
        assert!(!providers.learn(location(PROVIDERS_MAX), Instant::ZERO));
        providers.connect(location(7), STREAM);
        providers.lost(STREAM, Instant::ZERO, &mut rng);
        assert!(providers.learn(location(PROVIDERS_MAX), Instant::ZERO));
        assert!(!providers.learn(location(7), Instant::ZERO));
    }

    #[test]
    fn two_locations_of_one_node_are_both_free_when_its_stream_is_lost() {
        let other = StreamKey {
            slot: 1,
            generation: 1,
        };
        let mut rng = Rng::from_number(1);
        let mut providers = Providers::default();
        for (number, stream) in [(1, STREAM), (2, other)] {
            providers.learn(location(number), Instant::ZERO);
            providers.connect(location(number), stream);
        }
        providers.keep(STREAM, other);
        providers.lost(STREAM, Instant::ZERO, &mut rng);
        let later = Instant::ZERO + REDIAL_DELAY_MIN;
        let first = providers.due(later, &mut rng).unwrap();
        providers.connect(first, STREAM);
        let second = providers.due(later, &mut rng).unwrap();
        assert!(first != second && [location(1), location(2)].contains(&second));
    }

    #[test]
    fn any_of_those_that_failed_least_is_the_next() {
        let (mut providers, mut rng) = (Providers::default(), Rng::from_number(1));
        for number in 0..20 {
            providers.learn(location(number), Instant::ZERO);
        }
        providers.connect(location(3), STREAM);
        providers.lost(STREAM, Instant::ZERO, &mut rng);
        let later = Instant::ZERO + REDIAL_DELAY_MIN;
        let draws = (0..1_000).map(|_| providers.due(later, &mut rng).unwrap());
        let met: std::collections::BTreeSet<SocketAddr> = draws.collect();
        assert!(met.len() == 19 && !met.contains(&location(3)));
    }

    #[test]
    fn a_banned_provider_is_not_dialled_again() {
        let mut rng = Rng::from_number(1);
        let mut providers = Providers::default();
        providers.learn(location(1), Instant::ZERO);
        providers.connect(location(1), STREAM);
        providers.ban(STREAM);
        assert!(!providers.learn(location(1), Instant::ZERO));
        assert_eq!(providers.due(Instant::ZERO, &mut rng), None);
        assert!(providers.is_banned(location(1)) && providers.are_tried());
    }
}
