//! Candidates: nodes that may become contacts, or be known to be alive again (rules 3, 6, 7 and
//! 15).
//!
//! A candidate is pinged, and only its answer lets it into the table (rule 3). It has sent us a
//! request, was saved before a restart, or is a stale contact. Saved contacts are asked again after
//! 1, 2, 4 … 60 minutes, because a fleet that had no power starts in any order; and each minute
//! while no contact is alive.
//!
//! Invariant: a candidate is queued once, and at most [`CANDIDATE_CONTACTS_MAX`] are.

use super::Kad;
use super::rpc::{RetryPolicy, Task};
use crate::address::{self, Contact};
use crate::dht::Permit;
use crate::limits::{BACK_OFF_MAX, CANDIDATE_CONTACTS_MAX, PINGS_ACTIVE_MAX};
use crate::limits::{PROBE_PERIOD, SAVED_CONTACTS_MAX};
use crate::time::Instant;
use std::collections::VecDeque;

/// The queue of candidates, and the contacts that were saved before a restart.
#[derive(Default)]
pub(super) struct Candidates {
    queue: VecDeque<(Contact, RetryPolicy)>,
    saved: Vec<Contact>,
    saved_rounds: u32,
    ask_saved_at: Instant,
}

impl Candidates {
    pub fn are_queued(&self) -> bool {
        !self.queue.is_empty()
    }
}

impl Kad {
    /// Adds a contact that was saved before a restart as a candidate, which is asked again later
    /// for as long as it is silent. At most [`SAVED_CONTACTS_MAX`] are kept for that.
    pub fn insert_saved(&mut self, now: Instant, contact: Contact) {
        let address = address::canonical(contact.address);
        let contact = Contact { address, ..contact };
        if address::is_usable(address) {
            if self.candidates.saved.len() < SAVED_CONTACTS_MAX {
                self.candidates.saved.push(contact);
                self.candidates.ask_saved_at = now + PROBE_PERIOD;
            }
            self.add_candidate(now, contact, RetryPolicy::Repeat);
        }
        self.advance(now);
    }

    /// Adds a candidate, if the table can use it.
    pub(super) fn add_candidate(&mut self, now: Instant, contact: Contact, retry: RetryPolicy) {
        let member = self.table.member(contact.id);
        let moved = member.filter(|member| member.contact.address != contact.address);
        if moved.is_some_and(|member| member.failures == 0) {
            self.verify_member(now, contact);
        } else if self.table.wants(contact) {
            self.enqueue_candidate(contact, retry);
        }
    }

    /// A node at another address claims the id of a member: the member itself is asked first, and
    /// stays where it is if it answers (rule 7).
    pub(super) fn verify_member(&mut self, now: Instant, claimed: Contact) {
        let Some(member) = self.table.member(claimed.id) else {
            return;
        };
        if member.contact != claimed && now.since(member.seen_at) >= PROBE_PERIOD {
            self.enqueue_candidate(member.contact, RetryPolicy::Repeat);
        }
    }

    /// Pings the stale contacts whose back-off is over. When no contact is alive, asks the
    /// bootstrap nodes again (rule 6).
    pub(super) fn check_stale(&mut self, now: Instant) {
        let members = self.table.members();
        let due = members.filter(|member| member.is_stale() && member.ask_at <= now);
        let due: Vec<Contact> = due
            .map(|member| member.contact)
            .take(PINGS_ACTIVE_MAX)
            .collect();
        for contact in due {
            self.enqueue_candidate(contact, RetryPolicy::Repeat);
        }
        if self.table.is_cut_off() {
            self.join.wake_bootstraps(now);
        }
    }

    /// Asks the saved contacts again that are not known yet (rule 15).
    pub(super) fn ask_saved(&mut self, now: Instant) {
        let candidates = &mut self.candidates;
        if now < candidates.ask_saved_at && !self.table.is_cut_off() {
            return;
        }
        let pause = PROBE_PERIOD * (1 << candidates.saved_rounds.min(16));
        candidates.saved_rounds = candidates.saved_rounds.saturating_add(1);
        candidates.ask_saved_at = now + pause.min(BACK_OFF_MAX);
        for index in 0..candidates.saved.len() {
            self.add_candidate(now, self.candidates.saved[index], RetryPolicy::Repeat);
        }
    }

    pub(super) fn ping_candidates(&mut self, now: Instant) {
        let mut active = self.client.rpcs.count(|task| *task == Task::Liveness);
        for _ in 0..self.candidates.queue.len() {
            if active >= PINGS_ACTIVE_MAX {
                return;
            }
            let Some((contact, retry)) = self.candidates.queue.pop_front() else {
                return;
            };
            match self.try_ask(now, contact, Task::Liveness, retry) {
                Permit::Now => active += 1,
                Permit::Later => self.candidates.queue.push_back((contact, retry)),
                Permit::Never => {}
            }
        }
    }

    pub(super) fn enqueue_candidate(&mut self, contact: Contact, retry: RetryPolicy) {
        let queue = &mut self.candidates.queue;
        if queue.iter().any(|(other, _)| *other == contact) {
            return;
        }
        if queue.len() < CANDIDATE_CONTACTS_MAX {
            queue.push_back((contact, retry));
        } else {
            self.counters.dropped += 1;
        }
    }
}
