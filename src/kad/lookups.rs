//! Runs lookups: starts those that wait, asks for each, and draws the consequences of their ends.
//!
//! At most [`LOOKUPS_MAX`] run at once, of them at most [`BACKGROUND_LOOKUPS_MAX`] that no user
//! waits for. A user's lookup that finds no place, or nobody to ask because we are still joining,
//! waits in a bounded queue and starts when the first contact has answered (rule 17).
//!
//! Invariant: every lookup that was accepted ends with one [`Event::LookupDone`]; one that waits
//! for a node to join through waits for as long as that is silent, which [`Event::BootstrapSilent`]
//! tells.

use super::Lookup;
use super::rpc::{Effort, Pending, Request, Task};
use super::{Found, Kad, jittered};
use crate::address::Contact;
use crate::dht::Event;
use crate::dht::Purpose;
use crate::dht::addresses::Permit;
use crate::dht::lookup::{Answer, Outcome};
use crate::dht::table::Contacts;
use crate::id::{FileId, Id};
use crate::limits::REFRESH_VIEW;
use crate::limits::{BACKGROUND_LOOKUPS_MAX, LOOKUP_TIMEOUT, LOOKUPS_MAX, LOOKUPS_WAITING_MAX};
use crate::time::Instant;
use crate::wire::native::datagram::Body;
use std::net::SocketAddr;

impl Kad {
    /// Looks for the providers of `file`: [`Event::Provider`] for each, as soon as it is heard of,
    /// then [`Event::LookupDone`]. One that runs already is shared.
    ///
    /// When [`LOOKUPS_MAX`] run, or we are still joining, it waits for its turn. False when there
    /// is nobody to ask and nobody to join through, or when too many wait already.
    pub fn find_providers(&mut self, now: Instant, file: FileId) -> bool {
        self.look_up(now, file.0, Purpose::FindValue)
    }

    /// Looks for the nodes closest to `target`; else as [`Kad::find_providers`].
    pub fn find_node(&mut self, now: Instant, target: Id) -> bool {
        self.look_up(now, target, Purpose::FindNode)
    }

    fn look_up(&mut self, now: Instant, target: Id, purpose: Purpose) -> bool {
        let is_under_way = self.is_looking(target, purpose);
        let may_wait = self.waiting_lookups.len() < LOOKUPS_WAITING_MAX && self.is_hopeful();
        if !is_under_way && may_wait {
            self.waiting_lookups.push_back((target, purpose));
            self.advance(now);
        }
        is_under_way || may_wait
    }

    /// Whether such a lookup runs or waits.
    pub(super) fn is_looking(&self, target: Id, purpose: Purpose) -> bool {
        self.lookups
            .values()
            .any(|l| l.target == target && l.purpose == purpose)
            || self.waiting_lookups.contains(&(target, purpose))
    }

    /// Whether there is somebody to ask, or there may be soon.
    fn is_hopeful(&self) -> bool {
        !self.table.is_empty()
            || self.awaits_answers()
            || !self.bootstraps.is_empty()
            || !self.candidates.is_empty()
            || !self.rpcs.is_empty()
    }

    /// Starts, steps and ends lookups until none can go on.
    pub(super) fn run_lookups(&mut self, now: Instant) {
        loop {
            self.start_lookups(now);
            let numbers: Vec<u64> = self.lookups.keys().copied().collect();
            numbers
                .iter()
                .for_each(|&number| self.step_lookup(now, number));
            let over = self.lookups.iter().find(|(_, lookup)| {
                lookup.is_over() || now.since(lookup.started_at) >= LOOKUP_TIMEOUT
            });
            let Some(number) = over.map(|(&number, _)| number) else {
                return;
            };
            if let Some(lookup) = self.lookups.remove(&number) {
                self.finish(now, &lookup);
            }
        }
    }

    fn start_lookups(&mut self, now: Instant) {
        if self.table.is_empty() {
            self.give_up_waiting();
            return;
        }
        while self.lookups.len() < LOOKUPS_MAX {
            let Some((target, purpose)) = self.waiting_lookups.pop_front() else {
                break;
            };
            self.begin(now, target, purpose);
        }
        let in_background = |lookup: &&Lookup| !lookup.purpose.is_users();
        while self.lookups.len() < LOOKUPS_MAX
            && self.lookups.values().filter(in_background).count() < BACKGROUND_LOOKUPS_MAX
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

    /// Ends the lookups that wait for a first contact when there will be none: whoever was saved is
    /// silent, nobody answers on the local network, and there is nobody to join through.
    fn give_up_waiting(&mut self) {
        if self.is_hopeful() {
            return;
        }
        while let Some((target, purpose)) = self.waiting_lookups.pop_front() {
            self.tell(Event::LookupDone {
                target,
                purpose,
                outcome: Outcome::default(),
            });
        }
    }

    fn begin(&mut self, now: Instant, target: Id, purpose: Purpose) {
        let params = self.config.params;
        let refresh_at = now + jittered(params.refresh_period, &mut self.rng);
        self.table.looked_up(target, refresh_at);
        // A refresh that a liar spoils costs a bucket some contacts, and the next makes it good.
        let paths = if purpose == Purpose::Refresh {
            1
        } else {
            params.paths
        };
        let numbers = (params.k, params.alpha, paths);
        let mut lookup = Lookup::new(now, self.config.id, (target, purpose), numbers);
        if purpose == Purpose::Refresh {
            lookup.narrow(REFRESH_VIEW);
        }
        let seeds = self.seeds(target);
        match purpose {
            Purpose::Join if self.joins > 1 => self.settle(&mut lookup, &seeds),
            _ => lookup.seed(&seeds),
        }
        if purpose == Purpose::FindValue {
            let known: Vec<_> = self.records.of(now, FileId(target)).collect();
            known
                .iter()
                .for_each(|record| self.hear_provider(&mut lookup, record.location));
        }
        self.lookups.insert(self.next_lookup, lookup);
        self.next_lookup += 1;
    }

    /// Whom to begin with: those alive, or when all are stale, those.
    fn seeds(&self, target: Id) -> Contacts {
        let k = self.config.params.k;
        if self.table.is_cut_off() {
            self.table.closest_where(target, k, |_| true)
        } else {
            self.table.closest(target, k, None)
        }
    }

    /// Asks whomever the lookup wants to ask now.
    fn step_lookup(&mut self, now: Instant, number: u64) {
        let Kad {
            lookups,
            rpcs,
            addresses,
            destinations,
            ..
        } = self;
        let Some(lookup) = lookups.get_mut(&number) else {
            return;
        };
        let request = match lookup.purpose {
            Purpose::FindValue => Request::FindValue(FileId(lookup.target)),
            _ => Request::FindNode(lookup.target),
        };
        let mut asked: Vec<Contact> = Vec::new();
        while let Some(contact) = lookup.ask_next(|contact| match rpcs.has_room(1 + asked.len()) {
            true => addresses.permit(now, contact.address, destinations),
            false => Permit::Later,
        }) {
            asked.push(contact);
        }
        for contact in asked {
            let what = (request.clone(), Task::Lookup(number), Effort::Usual);
            self.ask(Pending::new(now, (contact.address, Some(contact.id)), what));
        }
    }

    /// A node asked by a lookup has answered.
    pub(super) fn lookup_answered(&mut self, number: u64, contact: Contact, body: &Body) {
        let Some(mut lookup) = self.lookups.remove(&number) else {
            return;
        };
        match body {
            Body::FindNodeReply {
                token, contacts, ..
            } => {
                lookup.answered(
                    contact,
                    Answer {
                        contacts,
                        token: *token,
                        has_value: false,
                    },
                );
            }
            Body::FindValueReply {
                token,
                provides,
                providers,
                contacts,
                ..
            } => {
                let has_value = *provides || !providers.is_empty();
                lookup.answered(
                    contact,
                    Answer {
                        contacts,
                        token: *token,
                        has_value,
                    },
                );
                let replier = provides.then_some(contact.address);
                for location in replier.into_iter().chain(providers.iter().copied()) {
                    self.hear_provider(&mut lookup, location);
                }
            }
            _ => {}
        }
        self.lookups.insert(number, lookup);
    }

    /// A provider was named: the owner is told at once, if it is news and not ourselves.
    fn hear_provider(&mut self, lookup: &mut Lookup, location: SocketAddr) {
        if !self.is_own(location) && lookup.provider(location) {
            self.tell(Event::Provider {
                file: FileId(lookup.target),
                location,
            });
        }
    }

    /// Whether it is our own location, as far as we know that.
    pub(super) fn is_own(&self, location: SocketAddr) -> bool {
        self.seen_address().is_some_and(|seen| {
            location == seen || location == SocketAddr::new(seen.ip(), self.config.port)
        })
    }

    fn remember_found(&mut self, lookup: &Lookup) {
        if self.found.len() == LOOKUPS_MAX {
            self.found.pop_front();
        }
        self.found.push_back(Found {
            target: lookup.target,
            closest: lookup.closest(),
            providers: lookup.providers.clone(),
        });
    }

    fn finish(&mut self, now: Instant, lookup: &Lookup) {
        if lookup.purpose.is_awaited() {
            self.remember_found(lookup);
        }
        self.tell(Event::LookupDone {
            target: lookup.target,
            purpose: lookup.purpose,
            outcome: lookup.outcome(now),
        });
        match lookup.purpose {
            Purpose::FindValue => self.cache_providers(lookup),
            Purpose::Announce => self.deliver_announcement(now, lookup),
            Purpose::Join => self.joined(now, lookup),
            Purpose::FindNode | Purpose::Refresh => {}
        }
    }
}
