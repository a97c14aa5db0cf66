//! Finds the network, and keeps contact with it (rules 6, 11 and 12, and 15's candidates).
//!
//! ```text
//!   bootstrap ─► ping ─► answered ─► Join: look up our own id ─► refresh the far buckets
//!                 │ silent               │ nobody answered      └► our own id again after
//!                 └► again after 1, 2,   └► again, likewise        15 s, 1, 4 and 16 min, so
//!                    4 … 60 s                                      that all neighbours meet
//! ```
//!
//! A *candidate* is somebody who may be a node: it was saved before a restart, or has sent us a
//! request. It is pinged, and only its answer lets it into the table (rule 3). Those who were saved
//! are asked again after 1, 2, 4 … 60 minutes, because a fleet that had no power starts in any order;
//! and each minute while nobody is alive.
//!
//! # What it costs, and where the paper's way is left
//!
//! Where half of all nodes leave within 84 seconds, a node lives 121 on average, and to join is
//! most of what it does. A join cannot cost less than k neighbours asked once: 20 times 78 and 843
//! bytes, with the proof of an address 153 more each, and 149 for the ping back that makes us known:
//! 24 KB, or 202 B/s over such a life. In a world of 100 nodes the paper's way took 2,070 B/s:
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
//! `cargo test --release --test sim leave_in_84 -- --nocapture` prints it. What was done:
//!
//! - **Short questions** (`rpc`): nobody waits for these lookups, so strangers are not asked at full
//!   length. That was 767 of the 2,070.
//! - **No refresh where the join has just been** (rule 12): when the lookup of our own id has found
//!   k nodes, those that are nearer than the last of them have all answered. The buckets farther than
//!   the k closest are refreshed, not those farther than the closest.
//! - **Narrow refreshes** (rule 11): a refresh of a bucket wants a few contacts that live, not the
//!   whole neighbourhood of a random id, and ends when the closest [`REFRESH_VIEW`] have answered.
//!   The paper's would ask twenty.
//! - **Greetings** (rule 12): from the third on, a lookup of our own id asks the closest α, the
//!   farthest α of the k, and whom they name that we do not know; the others, who have answered
//!   before, get a ping (132 bytes instead of 921). The second asks everybody again: nodes that join
//!   within the same seconds would else miss one another.
//!
//! [`REFRESH_VIEW`]: crate::limits::REFRESH_VIEW
//!
//! Invariant: a node to join through is forgotten at the owner's word alone; while the table knows anybody alive, it
//! rests.

use super::Lookup;
use super::rpc::{Effort, Pending, Request, Task};
use super::{Kad, jittered};
use crate::address::{self, Contact};
use crate::dht::Event;
use crate::dht::Purpose;
use crate::dht::addresses::Permit;
use crate::id::ID_BITS;
use crate::limits::SETTLE_PERIOD;
use crate::limits::{BACK_OFF_MAX, BOOTSTRAP_RETRY_MAX, BOOTSTRAP_RETRY_MIN, BOOTSTRAPS_MAX};
use crate::limits::{CANDIDATE_CONTACTS_MAX, PINGS_ACTIVE_MAX, PROBE_PERIOD, SAVED_CONTACTS_MAX};
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// A node to join through.
pub(super) struct Bootstrap {
    address: SocketAddr,
    /// Attempts in a row without an answer.
    attempts: u32,
    /// When to ask it; `None` while an answer is awaited, or none is needed.
    pub(super) ask_at: Option<Instant>,
}

/// Somebody to be pinged.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    contact: Contact,
    effort: Effort,
}

/// Those who were saved before a restart, and when they are asked again.
#[derive(Default)]
pub(super) struct Saved {
    contacts: Vec<Contact>,
    rounds: u32,
    ask_at: Instant,
}

impl Kad {
    /// Joins through the node at `address`: asks it, again and again with growing pauses until it
    /// answers, and once more when all contacts are lost. At most [`BOOTSTRAPS_MAX`] are kept.
    pub fn bootstrap(&mut self, now: Instant, address: SocketAddr) {
        let address = address::canonical(address);
        let is_known = self.bootstraps.iter().any(|b| b.address == address);
        if !is_known && self.bootstraps.len() < BOOTSTRAPS_MAX && address::is_usable(address) {
            self.bootstraps.push(Bootstrap {
                address,
                attempts: 0,
                ask_at: Some(now),
            });
        }
        self.advance(now);
    }

    /// No longer joins through the node at `address`.
    pub fn forget_bootstrap(&mut self, address: SocketAddr) {
        let address = address::canonical(address);
        self.bootstraps
            .retain(|bootstrap| bootstrap.address != address);
    }

    /// Takes in a contact that was saved before a restart: a candidate, to be pinged, and again
    /// later for as long as it is silent. At most [`SAVED_CONTACTS_MAX`] are kept for that.
    pub fn insert_saved(&mut self, now: Instant, contact: Contact) {
        let contact = Contact {
            address: address::canonical(contact.address),
            ..contact
        };
        if address::is_usable(contact.address) {
            if self.saved.contacts.len() < SAVED_CONTACTS_MAX {
                self.saved.contacts.push(contact);
                self.saved.ask_at = now + PROBE_PERIOD;
            }
            self.consider(now, contact, Effort::Usual);
        }
        self.advance(now);
    }

    pub(super) fn ask_bootstraps(&mut self, now: Instant) {
        if self.join_at.is_some_and(|at| at <= now) {
            self.join_at = None;
            self.join();
        }
        for index in 0..self.bootstraps.len() {
            let bootstrap = &mut self.bootstraps[index];
            let is_due = bootstrap.ask_at.is_some_and(|at| at <= now);
            if is_due && self.rpcs.has_room(1) {
                bootstrap.ask_at = None;
                let what = (Request::Ping, Task::Bootstrap, Effort::Usual);
                let pending = Pending::new(now, (bootstrap.address, None), what);
                self.ask(pending);
            }
        }
    }

    /// A node to join through has answered: look up our own id, from it too.
    pub(super) fn bootstrapped(&mut self, contact: Contact) {
        for bootstrap in &mut self.bootstraps {
            if bootstrap.address == contact.address {
                bootstrap.attempts = 0;
            }
        }
        let mut joins = self.lookups.values_mut();
        match joins.find(|lookup| lookup.purpose == Purpose::Join) {
            Some(lookup) => lookup.seed(&[contact]),
            None => self.join_anew(),
        }
    }

    pub(super) fn bootstrap_silent(&mut self, now: Instant, address: SocketAddr) {
        let Some(bootstrap) = self.bootstraps.iter_mut().find(|b| b.address == address) else {
            return;
        };
        let pause = pause_after(bootstrap.attempts);
        bootstrap.attempts = bootstrap.attempts.saturating_add(1);
        bootstrap.ask_at = Some(now + jittered(pause, &mut self.rng));
        let attempts = bootstrap.attempts;
        self.tell(Event::BootstrapSilent { address, attempts });
    }

    /// We know nobody alive, or did until now: looks up our own id as if for the first time.
    pub(super) fn join_anew(&mut self) {
        self.joins = 0;
        self.join();
    }

    /// Looks up our own id, unless that is under way (rule 12). It goes before all that wait.
    pub(super) fn join(&mut self) {
        let own = self.config.id.0;
        if !self.is_looking(own, Purpose::Join) {
            self.waiting_lookups.push_front((own, Purpose::Join));
        }
    }

    /// Our own id is looked up again. The closest α are asked for news, the farthest α, whose own
    /// neighbourhoods are others, and whoever they name that we do not know; the rest, who answered us last time, are only pinged.
    pub(super) fn settle(&mut self, lookup: &mut Lookup, seeds: &[Contact]) {
        let alpha = self.config.params.alpha;
        for (index, &contact) in seeds.iter().enumerate() {
            let member = self.table.member(contact.id);
            let is_middle = (alpha..seeds.len().saturating_sub(alpha)).contains(&index);
            if !is_middle || member.is_none_or(|m| m.failures > 0) {
                lookup.seed(&[contact]);
                continue;
            }
            lookup.presume(contact);
            self.enqueue(Candidate {
                contact,
                effort: Effort::Usual,
            });
        }
    }

    /// Our own id was looked up: the far buckets are next (rule 12).
    /// When nobody answered, which may be bad luck, the lookup is made again after a pause.
    pub(super) fn joined(&mut self, now: Instant, lookup: &Lookup) {
        if lookup.answered == 0 {
            let pause = pause_after(self.joins_failed);
            self.joins_failed = self.joins_failed.saturating_add(1);
            self.join_at = Some(now + jittered(pause, &mut self.rng));
            return;
        }
        self.joins_failed = 0;
        if self.joins == 0 {
            self.table.refresh_far(now, self.whole_from(lookup));
            let contacts = self.table.len() as u32;
            self.tell(Event::Joined { contacts });
        }
        // Nodes that join together see little of one another at first, and datagrams get lost.
        let pause = SETTLE_PERIOD * (1 << (2 * self.joins.min(8)));
        self.joins += 1;
        let is_settled = pause >= self.config.params.refresh_period;
        self.join_at = (!is_settled).then(|| now + jittered(pause, &mut self.rng));
    }

    /// The bucket from which on nearer ones need no refresh, after a lookup of our own id: when it
    /// found k nodes, all that are nearer to us than the last of them have just answered.
    fn whole_from(&self, lookup: &Lookup) -> usize {
        let found = lookup.closest();
        match found.last() {
            Some(last) if found.len() == self.config.params.k => {
                last.id.0.distance(&self.config.id.0).shared_prefix() + 1
            }
            _ => ID_BITS,
        }
    }

    /// Puts somebody on the list of those to be pinged, if the table has use for it.
    pub(super) fn consider(&mut self, now: Instant, contact: Contact, effort: Effort) {
        let moved = self
            .table
            .member(contact.id)
            .filter(|m| m.contact.address != contact.address);
        if moved.is_some_and(|member| member.failures == 0) {
            self.consider_moved(now, contact);
        } else if self.table.wants(contact) {
            self.enqueue(Candidate { contact, effort });
        }
    }

    /// Somebody claims the id of a member from another address: the member itself is asked first,
    /// and keeps its place if it answers (rule 7).
    pub(super) fn consider_moved(&mut self, now: Instant, claimed: Contact) {
        let Some(member) = self.table.member(claimed.id) else {
            return;
        };
        if member.contact != claimed && now.since(member.heard_at) >= PROBE_PERIOD {
            let contact = member.contact;
            self.enqueue(Candidate {
                contact,
                effort: Effort::Usual,
            });
        }
    }

    /// The minute's look at who is silent: stale contacts whose back-off is over are pinged, and
    /// when nobody is alive we join anew (rule 6).
    pub(super) fn consider_silent(&mut self, now: Instant) {
        let due = self
            .table
            .members()
            .filter(|m| m.is_stale() && m.ask_at <= now);
        let due: Vec<Contact> = due.map(|m| m.contact).take(PINGS_ACTIVE_MAX).collect();
        for contact in due {
            self.enqueue(Candidate {
                contact,
                effort: Effort::Usual,
            });
        }
        if self.table.is_cut_off() {
            let resting = self.bootstraps.iter_mut().filter(|b| b.attempts == 0);
            resting.for_each(|bootstrap| bootstrap.ask_at = Some(now));
        }
    }

    /// Asks those again who were saved and are not known yet (rule 15).
    pub(super) fn consider_saved(&mut self, now: Instant) {
        if now < self.saved.ask_at && !self.table.is_cut_off() {
            return;
        }
        let pause = PROBE_PERIOD * (1 << self.saved.rounds.min(16));
        self.saved.rounds = self.saved.rounds.saturating_add(1);
        self.saved.ask_at = now + pause.min(BACK_OFF_MAX);
        for index in 0..self.saved.contacts.len() {
            self.consider(now, self.saved.contacts[index], Effort::Usual);
        }
    }

    pub(super) fn ping_candidates(&mut self, now: Instant) {
        let mut active = self.rpcs.count(|task| *task == Task::Liveness);
        for _ in 0..self.candidates.len() {
            if active >= PINGS_ACTIVE_MAX {
                return;
            }
            let Some(candidate) = self.candidates.pop_front() else {
                return;
            };
            let what = (Request::Ping, Task::Liveness, candidate.effort);
            match self.try_ask(now, candidate.contact, what) {
                Permit::Now => active += 1,
                Permit::Later => self.candidates.push_back(candidate),
                Permit::Never => {}
            }
        }
    }

    fn enqueue(&mut self, candidate: Candidate) {
        let is_queued = self
            .candidates
            .iter()
            .any(|other| other.contact == candidate.contact);
        if is_queued {
            return;
        }
        if self.candidates.len() < CANDIDATE_CONTACTS_MAX {
            self.candidates.push_back(candidate);
        } else {
            self.counters.dropped += 1;
        }
    }
}

/// The pause after so many attempts in vain, and one more: 1, 2, 4 … 60 s.
fn pause_after(attempts: u32) -> Duration {
    (BOOTSTRAP_RETRY_MIN * (1 << attempts.min(16))).min(BOOTSTRAP_RETRY_MAX)
}
