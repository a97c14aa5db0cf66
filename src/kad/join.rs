//! Finds the network, and stays in it (rules 11 and 12).
//!
//! ```text
//!   bootstrap ─► ping ─► bootstrapped ─► look_up_self ─► joined ─► refresh the far buckets
//!                 │                        │                └► our own id again after 15 s, 1, 4
//!                 ▼                        ▼                   and 16 min, so that all
//!           bootstrap_silent:         no node answered:        neighbours meet
//!           again after 1, 2, …       again, likewise
//!           60 s
//! ```
//!
//! # Costs, and differences from the paper
//!
//! Where half of all nodes leave within 84 seconds, a node lives 121 on average, and joining is
//! most of its work. A join cannot cost less than k neighbours asked once: 20 times 78 and 843
//! bytes, with the proof of an address 153 more each, and 149 for the ping back that makes us
//! known: 24 KB, or 202 B/s over such a life. In a world of 100 nodes the paper's way took 2,070
//! B/s:
//!
//! | B/s a node, 100 nodes | the paper's way | now |
//! |---|---|---|
//! | join: our own id, first | 437 | 166 |
//! | settle: our own id, again | 243 | 135 |
//! | refresh of the far buckets | 1,326 | 97 |
//! | pings | 36 | 41 |
//! | records | 26 | 38 |
//! | all | 2,070 | 477 |
//!
//! `cargo test --release --test sim leave_in_84 -- --nocapture` prints it. The differences:
//!
//! - **Short questions** (`rpc`): no user waits for these lookups, so unknown nodes are not asked
//!   at full length. That was 767 of the 2,070.
//! - **No refresh where the join has just been** (rule 12): when the lookup of our own id has found
//!   k nodes, all that are nearer than the last of them have answered. The buckets farther than the
//!   k closest are refreshed, not those farther than the closest.
//! - **Narrow refreshes** (rule 11): a refresh of a bucket wants a few contacts that live, not the
//!   whole neighbourhood of a random id, and ends when the closest [`REFRESH_VIEW`] have answered.
//!   The paper's would ask twenty.
//! - **Greetings** (rule 12): from the third on, a lookup of our own id asks the closest α, the
//!   farthest α of the k, and the nodes that these name and we do not know; the others, which have
//!   answered before, get a ping (132 bytes instead of 921). The second asks every node again:
//!   otherwise nodes that join within the same seconds would miss one another.
//!
//! [`REFRESH_VIEW`]: crate::limits::REFRESH_VIEW
//!
//! Invariant: only the owner removes a bootstrap node; while the table has a live contact,
//! bootstrap nodes that have answered are not asked.

use super::rpc::{Pending, RetryPolicy, Task};
use super::{Kad, Lookup};
use crate::address::{self, Contact};
use crate::dht::{Event, Purpose};
use crate::id::ID_BITS;
use crate::limits::{BOOTSTRAP_RETRY_MAX, BOOTSTRAP_RETRY_MIN, BOOTSTRAPS_MAX, SETTLE_PERIOD};
use crate::time::{Instant, earliest};
use std::net::SocketAddr;
use std::time::Duration;

/// A node to join through.
struct Bootstrap {
    address: SocketAddr,
    /// Requests in a row that it left unanswered.
    attempts: u32,
    /// When to ask it; `None` while an answer is awaited, or none is needed.
    ask_at: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Join {
    bootstraps: Vec<Bootstrap>,
    /// Lookups of our own id that were answered, since the node was last cut off.
    rounds: u32,
    /// Lookups of our own id in a row that no node answered.
    failures: u32,
    /// When our own id is to be looked up again.
    at: Option<Instant>,
}

impl Join {
    pub fn has_bootstraps(&self) -> bool {
        !self.bootstraps.is_empty()
    }

    /// `has_room`: a request can be sent. Otherwise the end of another one has to come first.
    pub fn next_timeout(&self, has_room: bool) -> Option<Instant> {
        let bootstraps = self.bootstraps.iter().filter(|_| has_room);
        earliest(self.at, bootstraps.filter_map(|node| node.ask_at).min())
    }

    fn bootstrap_at(&mut self, address: SocketAddr) -> Option<&mut Bootstrap> {
        self.bootstraps
            .iter_mut()
            .find(|node| node.address == address)
    }

    /// The table has no live contact: asks the bootstrap nodes that have answered before.
    pub fn wake_bootstraps(&mut self, now: Instant) {
        let resting = self.bootstraps.iter_mut().filter(|node| node.attempts == 0);
        resting.for_each(|node| node.ask_at = Some(now));
    }
}

impl Kad {
    /// Joins through the node at `address`: asks it, again and again with growing pauses until it
    /// answers, and once more when all contacts are lost. At most [`BOOTSTRAPS_MAX`] are kept.
    pub fn bootstrap(&mut self, now: Instant, address: SocketAddr) {
        let address = address::canonical(address);
        let has_room = self.join.bootstraps.len() < BOOTSTRAPS_MAX;
        let is_new = self.join.bootstrap_at(address).is_none();
        if is_new && has_room && address::is_usable(address) {
            self.join.bootstraps.push(Bootstrap {
                address,
                attempts: 0,
                ask_at: Some(now),
            });
        }
        self.advance(now);
    }

    /// No longer joins through the node at `address`; if it is a contact, it stays one.
    pub fn forget_bootstrap(&mut self, address: SocketAddr) {
        let address = address::canonical(address);
        self.join.bootstraps.retain(|node| node.address != address);
    }

    pub(super) fn run_join(&mut self, now: Instant) {
        if self.join.at.is_some_and(|at| at <= now) {
            self.join.at = None;
            self.look_up_self();
        }
        let is_due = |node: &&mut Bootstrap| node.ask_at.is_some_and(|at| at <= now);
        while self.client.rpcs.has_room(1) {
            let Some(node) = self.join.bootstraps.iter_mut().find(is_due) else {
                return;
            };
            node.ask_at = None;
            let to = (node.address, None);
            self.ask(Pending::new(now, to, Task::Bootstrap, RetryPolicy::Repeat));
        }
    }

    /// A bootstrap node has answered: looks up our own id, and asks it too.
    pub(super) fn bootstrapped(&mut self, contact: Contact) {
        if let Some(node) = self.join.bootstrap_at(contact.address) {
            node.attempts = 0;
        }
        let mut lookups = self.lookups.running.values_mut();
        match lookups.find(|lookup| lookup.purpose == Purpose::Join) {
            Some(lookup) => lookup.seed(&[contact]),
            None => self.join_anew(),
        }
    }

    pub(super) fn bootstrap_silent(&mut self, now: Instant, address: SocketAddr) {
        let Some(node) = self.join.bootstrap_at(address) else {
            return;
        };
        let pause = pause_after(node.attempts);
        node.attempts = node.attempts.saturating_add(1);
        node.ask_at = Some(now + self.rng.jittered(pause));
        let attempts = node.attempts;
        self.push_event(Event::BootstrapSilent { address, attempts });
    }

    /// The table has no live contact, or had none until now: looks up our own id as if for the
    /// first time.
    pub(super) fn join_anew(&mut self) {
        self.join.rounds = 0;
        self.look_up_self();
    }

    /// Begins a lookup of our own id. From the third on, it asks the closest α, and the farthest α,
    /// whose neighbourhoods are others; the rest have answered before and are only pinged.
    pub(super) fn seed_join(&mut self, lookup: &mut Lookup, seeds: &[Contact]) {
        if self.join.rounds <= 1 {
            return lookup.seed(seeds);
        }
        let alpha = self.config.params.alpha;
        for (index, &contact) in seeds.iter().enumerate() {
            let member = self.table.member(contact.id);
            let is_middle = (alpha..seeds.len().saturating_sub(alpha)).contains(&index);
            if !is_middle || member.is_none_or(|member| member.failures > 0) {
                lookup.seed(&[contact]);
                continue;
            }
            lookup.presume(contact);
            self.enqueue_candidate(contact, RetryPolicy::Repeat);
        }
    }

    /// A lookup of our own id has ended: the far buckets are next (rule 12). When no node answered,
    /// which may be bad luck, the lookup is repeated after a pause.
    pub(super) fn joined(&mut self, now: Instant, lookup: &Lookup) {
        if lookup.answered == 0 {
            let pause = pause_after(self.join.failures);
            self.join.failures = self.join.failures.saturating_add(1);
            self.join.at = Some(now + self.rng.jittered(pause));
            return;
        }
        self.join.failures = 0;
        if self.join.rounds == 0 {
            self.table.refresh_far(now, self.whole_from(lookup));
            let contacts = self.table.len() as u32;
            self.push_event(Event::Joined { contacts });
        }
        // Nodes that join together see little of one another at first, and datagrams get lost.
        let pause = SETTLE_PERIOD * (1 << (2 * self.join.rounds.min(8)));
        self.join.rounds += 1;
        let is_last = pause >= self.config.params.refresh_period;
        self.join.at = (!is_last).then(|| now + self.rng.jittered(pause));
    }

    /// The first bucket that needs no refresh after a lookup of our own id. When it found k nodes,
    /// all that are nearer to us than the last of them have just answered.
    fn whole_from(&self, lookup: &Lookup) -> usize {
        let found = lookup.closest();
        match found.last() {
            Some(last) if found.len() == self.config.params.k => {
                last.distance(self.config.id.0).shared_prefix() + 1
            }
            _ => ID_BITS,
        }
    }
}

/// The pause after one more unanswered attempt than `attempts`: 1, 2, 4 … 60 s.
fn pause_after(attempts: u32) -> Duration {
    (BOOTSTRAP_RETRY_MIN * (1 << attempts.min(16))).min(BOOTSTRAP_RETRY_MAX)
}
