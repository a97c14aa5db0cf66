//! Runs lookups: starts those that wait, sends their requests, and acts on their ends.
//!
//! At most [`LOOKUPS_MAX`] run at once, of them at most [`BACKGROUND_LOOKUPS_MAX`] in the
//! background. A user's lookup that finds no free slot, or no contact to ask because the node is
//! still joining, waits in a bounded queue and starts when the first contact has answered (rule
//! 17).
//!
//! Invariant: every lookup that was accepted ends with one [`Event::LookupDone`]. One that waits
//! for a bootstrap node waits for as long as that is silent, which [`Event::BootstrapSilent`]
//! reports.

use super::rpc::{Pending, RetryPolicy, Task};
use super::{Kad, Lookup};
use crate::address::Contact;
use crate::dht::{Answer, Contacts, Event, Outcome, Purpose};
use crate::id::{FileId, Id};
use crate::limits::{BACKGROUND_LOOKUPS_MAX, LOOKUP_TIMEOUT, LOOKUPS_MAX, LOOKUPS_WAITING_MAX};
use crate::limits::{REFRESH_VIEW, memory};
use crate::time::Instant;
use crate::wire::native::datagram::Body;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// The lookups that run and wait, and the results of the last ones.
#[derive(Default)]
pub(super) struct Lookups {
    pub running: BTreeMap<u64, Lookup>,
    next_number: u64,
    waiting: VecDeque<(Id, Purpose)>,
    found: VecDeque<Found>,
}

/// The result of a lookup that the owner awaited.
struct Found {
    target: Id,
    closest: Contacts,
    providers: Vec<SocketAddr>,
}
const _: () = assert!(size_of::<Found>() <= memory::FOUND_SIZE);

impl Lookups {
    /// Whether such a lookup runs or waits.
    fn contain(&self, target: Id, purpose: Purpose) -> bool {
        let mut running = self.running.values();
        running.any(|lookup| (lookup.target, lookup.purpose) == (target, purpose))
            || self.waiting.contains(&(target, purpose))
    }

    fn last_found(&self, target: Id) -> Option<&Found> {
        self.found.iter().rev().find(|found| found.target == target)
    }

    pub fn oldest_at(&self) -> Option<Instant> {
        self.running.values().map(|lookup| lookup.started_at).min()
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.oldest_at().map(|at| at + LOOKUP_TIMEOUT)
    }

    /// Panics when a bound does not hold.
    pub fn invariants(&self) {
        assert!(self.running.len() <= LOOKUPS_MAX && self.found.len() <= LOOKUPS_MAX);
        // The queue has room for one lookup of our own id besides.
        assert!(self.waiting.len() <= LOOKUPS_WAITING_MAX + 1);
        self.running.values().for_each(Lookup::invariants);
    }
}

impl Kad {
    /// Looks for the providers of `file`: [`Event::Provider`] for each, as soon as it is heard of,
    /// then [`Event::LookupDone`]. A lookup that runs already is shared.
    ///
    /// When [`LOOKUPS_MAX`] run, or the node is still joining, it waits. False when there is no
    /// contact to ask and no node to join through, or when too many wait already.
    pub fn find_providers(&mut self, now: Instant, file: FileId) -> bool {
        self.look_up(now, file.0, Purpose::FindValue)
    }

    /// Looks for the nodes closest to `target`; otherwise as [`Kad::find_providers`].
    pub fn find_node(&mut self, now: Instant, target: Id) -> bool {
        self.look_up(now, target, Purpose::FindNode)
    }

    fn look_up(&mut self, now: Instant, target: Id, purpose: Purpose) -> bool {
        let is_under_way = self.lookups.contain(target, purpose);
        let has_room = self.lookups.waiting.len() < LOOKUPS_WAITING_MAX;
        let may_wait = has_room && self.may_find_contacts();
        if !is_under_way && may_wait {
            self.lookups.waiting.push_back((target, purpose));
            self.advance(now);
        }
        is_under_way || may_wait
    }

    /// Looks up our own id, unless that is under way (rule 12). It goes before all lookups that
    /// wait.
    pub(super) fn look_up_self(&mut self) {
        let own = self.config.id.0;
        if !self.lookups.contain(own, Purpose::Join) {
            self.lookups.waiting.push_front((own, Purpose::Join));
        }
    }

    /// Whether there is a contact to ask, or there may be one soon.
    fn may_find_contacts(&self) -> bool {
        !self.table.is_empty()
            || self.discovery.awaits_responses()
            || self.join.has_bootstraps()
            || self.candidates.are_queued()
            || !self.client.rpcs.is_empty()
    }

    /// Starts, steps and ends lookups until none can continue.
    pub(super) fn run_lookups(&mut self, now: Instant) {
        loop {
            self.start_lookups(now);
            let numbers: Vec<u64> = self.lookups.running.keys().copied().collect();
            numbers
                .iter()
                .for_each(|&number| self.step_lookup(now, number));
            let over = self.lookups.running.iter().find(|(_, lookup)| {
                lookup.is_over() || now.since(lookup.started_at) >= LOOKUP_TIMEOUT
            });
            let Some(number) = over.map(|(&number, _)| number) else {
                return;
            };
            if let Some(lookup) = self.lookups.running.remove(&number) {
                self.finish(now, &lookup);
            }
        }
    }

    fn start_lookups(&mut self, now: Instant) {
        if self.table.is_empty() {
            self.give_up_waiting();
            return;
        }
        while self.lookups.running.len() < LOOKUPS_MAX {
            let Some((target, purpose)) = self.lookups.waiting.pop_front() else {
                break;
            };
            self.begin(now, target, purpose);
        }
        let in_background = |lookup: &&Lookup| !lookup.purpose.is_users();
        while self.lookups.running.len() < LOOKUPS_MAX
            && self.lookups.running.values().filter(in_background).count() < BACKGROUND_LOOKUPS_MAX
        {
            if let Some(file) = self.next_announcement(now) {
                self.begin(now, file.0, Purpose::Announce);
            } else if let Some(target) = self.table.due_refresh(now, &mut self.rng) {
                self.begin(now, target, Purpose::Refresh);
            } else {
                break;
            }
        }
    }

    /// Ends the lookups that wait for a first contact when there will be none: the saved contacts
    /// are silent, no node answers on the local network, and there is no node to join through.
    fn give_up_waiting(&mut self) {
        if self.may_find_contacts() {
            return;
        }
        while let Some((target, purpose)) = self.lookups.waiting.pop_front() {
            self.push_event(Event::LookupDone {
                target,
                purpose,
                outcome: Outcome::default(),
            });
        }
    }

    fn begin(&mut self, now: Instant, target: Id, purpose: Purpose) {
        let params = self.config.params;
        let refresh_at = now + self.rng.jittered(params.refresh_period);
        self.table.looked_up(target, refresh_at);
        let is_refresh = purpose == Purpose::Refresh;
        // A refresh that a liar spoils costs a bucket some contacts, and the next makes up for it.
        let paths = if is_refresh { 1 } else { params.paths };
        let numbers = (params.k, params.alpha, paths);
        let mut lookup = Lookup::new(now, self.config.id, (target, purpose), numbers);
        if is_refresh {
            lookup.narrow(REFRESH_VIEW);
        }
        let seeds = self.seeds(target);
        match purpose {
            Purpose::Join => self.seed_join(&mut lookup, &seeds),
            _ => lookup.seed(&seeds),
        }
        if purpose == Purpose::FindValue {
            let known: Vec<_> = self.records.of(now, FileId(target)).collect();
            let locations = known.iter().map(|record| record.location);
            locations.for_each(|location| self.learn_provider(&mut lookup, location));
        }
        self.lookups
            .running
            .insert(self.lookups.next_number, lookup);
        self.lookups.next_number += 1;
    }

    /// The closest contacts that are alive, or when all are stale, those.
    fn seeds(&self, target: Id) -> Contacts {
        let k = self.config.params.k;
        match self.table.is_cut_off() {
            true => self.table.closest_where(target, k, |_| true),
            false => self.table.closest(target, k, None),
        }
    }

    /// Asks all contacts that the lookup may ask now.
    fn step_lookup(&mut self, now: Instant, number: u64) {
        let Some(mut lookup) = self.lookups.running.remove(&number) else {
            return;
        };
        let task = Task::Lookup(number, lookup.purpose, lookup.target);
        while let Some(asked) = lookup.ask_next(|to| self.client.permit(now, to.address)) {
            let (to, retry) = ((asked.address, Some(asked.id)), RetryPolicy::Repeat);
            self.ask(Pending::new(now, to, task.clone(), retry));
        }
        self.lookups.running.insert(number, lookup);
    }

    /// A node that a lookup asked has answered.
    pub(super) fn lookup_answered(&mut self, number: u64, from: Contact, body: &Body) {
        let Some(mut lookup) = self.lookups.running.remove(&number) else {
            return;
        };
        let (token, contacts, provides, providers) = match body {
            Body::FindNodeReply {
                token, contacts, ..
            } => (*token, contacts, false, &[][..]),
            Body::FindValueReply {
                token,
                provides,
                providers,
                contacts,
                ..
            } => (*token, contacts, *provides, &providers[..]),
            _ => unreachable!("a reply to a lookup is of the kind that it asked for"),
        };
        let answer = Answer {
            contacts,
            token,
            has_value: provides || !providers.is_empty(),
        };
        lookup.answered(from, answer);
        let replier = provides.then_some(from.address);
        for location in replier.into_iter().chain(providers.iter().copied()) {
            self.learn_provider(&mut lookup, location);
        }
        self.lookups.running.insert(number, lookup);
    }

    /// A node named a provider: the owner is told at once, unless it is known or is this node.
    fn learn_provider(&mut self, lookup: &mut Lookup, location: SocketAddr) {
        if !self.is_own(location) && lookup.add_provider(location) {
            let file = FileId(lookup.target);
            self.push_event(Event::Provider { file, location });
        }
    }

    /// Whether it is our own location, as far as we know that.
    pub(super) fn is_own(&self, location: SocketAddr) -> bool {
        self.seen_address().is_some_and(|seen| {
            location == seen || location == SocketAddr::new(seen.ip(), self.config.port)
        })
    }

    fn finish(&mut self, now: Instant, lookup: &Lookup) {
        let (target, purpose) = (lookup.target, lookup.purpose);
        if purpose.is_awaited() {
            if self.lookups.found.len() == LOOKUPS_MAX {
                self.lookups.found.pop_front();
            }
            self.lookups.found.push_back(Found {
                target,
                closest: lookup.closest(),
                providers: lookup.providers.clone(),
            });
        }
        self.push_event(Event::LookupDone {
            target,
            purpose,
            outcome: lookup.outcome(now),
        });
        match purpose {
            Purpose::FindValue => self.cache_providers(lookup),
            Purpose::Announce => self.deliver_announcement(now, lookup),
            Purpose::Join => self.joined(now, lookup),
            Purpose::FindNode | Purpose::Refresh => {}
        }
    }

    /// The result of the last lookup for `target` that the owner awaited, if it is among the last
    /// [`LOOKUPS_MAX`] to end: the k closest nodes that answered, closest first. An owner that
    /// looks after each input misses none, though several end at once.
    pub fn found(&self, target: Id) -> Option<&[Contact]> {
        self.lookups
            .last_found(target)
            .map(|found| &found.closest[..])
    }

    /// The providers that the last lookup for `file` has found, as [`Kad::found`].
    pub fn providers_found(&self, file: FileId) -> Option<&[SocketAddr]> {
        self.lookups
            .last_found(file.0)
            .map(|found| &found.providers[..])
    }

    /// When the oldest lookup under way began.
    pub fn oldest_lookup_at(&self) -> Option<Instant> {
        self.lookups.oldest_at()
    }
}
