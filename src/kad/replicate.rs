//! Keeps records where they belong: stores, hand-overs, hourly replication, caching (rules 10, 13,
//! 14).
//!
//! Only a provider's own `Store`, from its own address, makes a record at once. The word of another
//! node is unverified: it waits in a bounded queue until the provider itself, asked at the
//! location, says that it provides the file. So a false location costs its victim at most one
//! datagram a minute and never gets a record, and a provider that is gone is not kept alive by the
//! nodes that pass its record on.
//!
//! Invariant: a record exists only by the word of the provider at that very location.

use super::rpc::{Pending, RetryPolicy, Task};
use super::store::{HeldToken, Store, StoreKind};
use super::{Kad, Lookup};
use crate::address::{Contact, is_of_use};
use crate::dht::{Member, Permit, Record};
use crate::id::FileId;
use crate::limits::{NEWCOMER_KEYS_MAX, PROBE_PERIOD, PROVIDERS_PER_REPLY_MAX, RECORD_TTL_MIN};
use crate::limits::{REPLICATIONS_PER_UPKEEP_MAX, STORES_MAX, UNCONFIRMED_MAX};
use crate::time::Instant;
use crate::wire::native::datagram::{HandedProvider, Status};
use std::net::SocketAddr;
use std::time::Duration;

/// A record that was handed to us, whose provider has not been asked yet.
pub(super) struct Unconfirmed {
    file: FileId,
    location: SocketAddr,
    ttl: Duration,
    received_at: Instant,
}

impl Kad {
    /// A provider says, with a good token, that it provides a file for `ttl` seconds; 0: no longer.
    pub(super) fn store_record(
        &mut self,
        now: Instant,
        file: FileId,
        location: SocketAddr,
        ttl: u32,
    ) -> Status {
        if ttl == 0 {
            self.records.withdraw(file, location);
            return Status::Stored;
        }
        let ttl = Duration::from_secs(ttl.into()).min(self.config.params.record_ttl);
        self.insert_record(now, file, Record::new(location, now + ttl))
    }

    fn insert_record(&mut self, now: Instant, file: FileId, record: Record) -> Status {
        let replicate_at = self.next_replication(now);
        match self.records.store(now, file, record, replicate_at) {
            Ok(()) => Status::Stored,
            Err(_) => {
                self.counters.crowded += 1;
                Status::Full
            }
        }
    }

    /// The status of a `Store` that has been executed before: it still holds, or there was no room.
    pub(super) fn stored_status(
        &self,
        now: Instant,
        file: FileId,
        location: SocketAddr,
        ttl: u32,
    ) -> Status {
        match ttl == 0 || self.records.holds(now, file, location) {
            true => Status::Stored,
            false => Status::Full,
        }
    }

    /// A holder hands records on, with a good token: each provider will be asked (rule 14).
    pub(super) fn take_unverified(
        &mut self,
        now: Instant,
        file: FileId,
        providers: &[HandedProvider],
    ) -> Status {
        let mut status = Status::Stored;
        for provider in providers {
            let location = provider.location;
            let mut queued = self.unconfirmed.iter();
            let is_queued = queued.any(|other| other.file == file && other.location == location);
            if is_queued || self.records.holds(now, file, location) || self.is_own(location) {
                continue;
            }
            if self.unconfirmed.len() >= UNCONFIRMED_MAX {
                status = Status::Full;
                self.counters.crowded += 1;
                break;
            }
            let ttl = Duration::from_secs(provider.ttl.into());
            self.unconfirmed.push_back(Unconfirmed {
                file,
                location,
                ttl: ttl.min(self.config.params.record_ttl),
                received_at: now,
            });
        }
        // The node that hands the record on to us hands it on to the others as well (paper, 2.5).
        let replicate_at = self.next_replication(now);
        self.records.postpone_replication(file, replicate_at);
        status
    }

    /// Asks the providers of records that were handed to us, each at most once a minute.
    pub(super) fn confirm_providers(&mut self, now: Instant) {
        for _ in 0..self.unconfirmed.len() {
            let Some(claim) = self.unconfirmed.pop_front() else {
                return;
            };
            if self.client.permit_confirmation(now, claim.location) == Permit::Now {
                let task = Task::Confirm(claim.file, claim.ttl);
                let to = (claim.location, None);
                self.ask(Pending::new(now, to, task, RetryPolicy::Repeat));
            } else {
                self.unconfirmed.push_back(claim);
            }
        }
    }

    /// A provider has confirmed, from its own location, that it provides the file.
    pub(super) fn provider_confirmed(
        &mut self,
        now: Instant,
        file: FileId,
        location: SocketAddr,
        ttl: Duration,
    ) {
        // A full table refuses the record, and no node waits for the outcome.
        _ = self.insert_record(now, file, Record::new(location, now + ttl));
    }

    /// Forgets claims whose provider could not be asked for ten minutes.
    pub(super) fn forget_unconfirmed(&mut self, now: Instant) {
        let is_recent = |claim: &Unconfirmed| now.since(claim.received_at) < PROBE_PERIOD * 10;
        self.unconfirmed.retain(is_recent);
    }

    /// A node that the table has just admitted gets the records that it should hold (rule 13): of
    /// those that we provide, and of those that we keep and no contact is closer to, so that one
    /// holder hands them on and not all. The latter share the longest prefixes with us, so the keys
    /// around our own id are enough; the hourly replication takes care of any others.
    pub(super) fn hand_over(&mut self, contact: Contact) {
        self.extend_announcements(contact);
        let k = self.config.params.k;
        let own = self.config.id.0;
        let near = self.records.files_around(own, NEWCOMER_KEYS_MAX);
        let files = near.filter(|file| self.is_closest_but(file, contact));
        let is_close = |file: &FileId| self.table.closest(file.0, k, None).contains(&contact);
        let files: Vec<FileId> = files.filter(is_close).take(STORES_MAX).collect();
        for file in files {
            self.enqueue_store(Store::new(file, contact, None, StoreKind::HandOver));
        }
    }

    /// The hourly replication (rule 13), for as many keys as a minute takes: to the closest nodes
    /// that the table knows. A lookup is not needed: around us the table is complete (rule 4;
    /// paper, 2.5).
    pub(super) fn replicate(&mut self, now: Instant) {
        let k = self.config.params.k;
        for file in self
            .records
            .due_replications(now, REPLICATIONS_PER_UPKEEP_MAX)
        {
            if self.stores.len() + k > STORES_MAX / 2 {
                return;
            }
            let replicate_at = self.next_replication(now);
            self.records.postpone_replication(file, replicate_at);
            // A copy that a lookup left on its way (rule 10) is not ours to spread.
            if self.table.closer_than_self(file.0, k) < k {
                for contact in self.table.closest(file.0, k, None) {
                    self.enqueue_store(Store::new(file, contact, None, StoreKind::HandOver));
                }
            }
        }
    }

    /// A lookup has found providers: the closest node that answered and knew none gets their
    /// records, for a time that is halved for each node between it and the k closest (rule 10).
    pub(super) fn cache_providers(&mut self, lookup: &Lookup) {
        let answered = lookup.closest_answered();
        let Some(rank) = answered.iter().position(|candidate| !candidate.has_value) else {
            return;
        };
        let node = answered[rank];
        let between = rank.saturating_sub(self.config.params.k).min(31) as u32;
        let ttl = self.config.params.record_ttl / (1 << between);
        let locations = lookup.providers.iter().copied();
        let useful = locations.filter(|&location| is_of_use(location, node.contact.address));
        let handed = useful.map(|location| HandedProvider {
            location,
            ttl: ttl.as_secs() as u32,
        });
        let handed: Vec<_> = handed.take(PROVIDERS_PER_REPLY_MAX).collect();
        if !handed.is_empty() && ttl >= RECORD_TTL_MIN {
            let token = Some(HeldToken::new(node.token, lookup.started_at));
            let (file, kind) = (FileId(lookup.target), StoreKind::Replicate(handed));
            self.enqueue_store(Store::new(file, node.contact, token, kind));
        }
    }

    /// The records of `file` that are worth handing to `contact`: not its own, and not about to
    /// expire.
    pub(super) fn providers_to_hand_on(
        &self,
        now: Instant,
        file: FileId,
        contact: Contact,
    ) -> Vec<HandedProvider> {
        let records = self.records.of(now, file).filter(|record| {
            let is_lasting = record.expires_at.since(now) >= RECORD_TTL_MIN;
            let is_useful = is_of_use(record.location, contact.address);
            record.location != contact.address && is_useful && is_lasting
        });
        let handed = records.map(|record| HandedProvider {
            location: record.location,
            ttl: record.expires_at.since(now).as_secs() as u32,
        });
        handed.take(PROVIDERS_PER_REPLY_MAX).collect()
    }

    /// Whether no contact but `newcomer` is closer to the file than we are.
    fn is_closest_but(&self, file: &FileId, newcomer: Contact) -> bool {
        let ours = self.config.id.0.distance(&file.0);
        // A contact that has just failed to answer may be dead; better two hand on than none.
        let is_alive = |m: &Member| m.failures == 0 && m.contact.id != newcomer.id;
        let nearest = self.table.closest_where(file.0, 1, is_alive);
        nearest.iter().all(|other| other.distance(file.0) > ours)
    }

    fn next_replication(&mut self, now: Instant) -> Instant {
        now + self.rng.jittered(self.config.params.replicate_period)
    }
}
