//! Keeps records where they belong: stores, hand-overs, hourly replication, caching (rules 10, 13,
//! 14).
//!
//! Only a provider's own `Store`, from its own address, makes a record at once. Whatever another
//! node says of it is hearsay: it waits in a bounded queue until the provider itself, asked at the
//! location, says that it provides the file. So a false location costs its victim at most one
//! datagram a minute and never gets a record, and a provider that is gone is not kept alive by
//! those who pass its record on.
//!
//! Invariant: a record exists only by the word of the provider at that very location.

use super::Lookup;
use super::announce::{Deed, Errand, Grant};
use super::rpc::{Effort, Pending, Request, Task};
use super::{Kad, jittered};
use crate::address::{Contact, is_of_use};
use crate::dht::addresses::Permit;
use crate::dht::bucket::Member;
use crate::dht::records::Record;
use crate::id::FileId;
use crate::limits::{
    ERRANDS_MAX, NEWCOMER_KEYS_MAX, PROBE_PERIOD, PROVIDERS_PER_REPLY_MAX, RECORD_TTL_MIN,
};
use crate::limits::{REPLICATIONS_PER_UPKEEP_MAX, UNCONFIRMED_MAX};
use crate::time::Instant;
use crate::wire::native::datagram::{HandedProvider, Status};
use std::net::SocketAddr;
use std::time::Duration;

/// A record handed to us, whose provider has not been asked yet.
pub(super) struct Unconfirmed {
    file: FileId,
    location: SocketAddr,
    ttl: Duration,
    received_at: Instant,
}

impl Kad {
    /// A provider says, with a good token, that it provides a file for `ttl` seconds; 0: no more.
    pub(super) fn keep(
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
        let record = Record {
            location,
            expires_at: now + ttl,
        };
        let replicate_at = self.next_replication(now);
        match self.records.store(now, file, record, replicate_at) {
            Ok(()) => Status::Stored,
            Err(_) => {
                self.counters.crowded += 1;
                Status::Full
            }
        }
    }

    /// What a `Store` was answered that has been carried out before: what it asked for holds, or there
    /// was no room.
    pub(super) fn status_of(
        &self,
        now: Instant,
        file: FileId,
        location: SocketAddr,
        ttl: u32,
    ) -> Status {
        let mut records = self.records.of(now, file);
        match ttl == 0 || records.any(|record| record.location == location) {
            true => Status::Stored,
            false => Status::Full,
        }
    }

    /// A holder hands records on, with a good token: each provider will be asked (rule 14).
    pub(super) fn take_hearsay(
        &mut self,
        now: Instant,
        file: FileId,
        providers: &[HandedProvider],
    ) -> Status {
        let mut status = Status::Stored;
        for provider in providers {
            let ttl = Duration::from_secs(provider.ttl.into()).min(self.config.params.record_ttl);
            let location = provider.location;
            let is_held = self
                .records
                .of(now, file)
                .any(|record| record.location == location);
            let is_queued = self
                .unconfirmed
                .iter()
                .any(|other| other.file == file && other.location == location);
            if is_held || is_queued || self.is_own(location) {
                continue;
            }
            if self.unconfirmed.len() >= UNCONFIRMED_MAX {
                status = Status::Full;
                self.counters.crowded += 1;
                break;
            }
            self.unconfirmed.push_back(Unconfirmed {
                file,
                location,
                ttl,
                received_at: now,
            });
        }
        // Whoever hands the record on to us hands it on to the others as well (paper, 2.5).
        let replicate_at = self.next_replication(now);
        self.records.postpone_replication(file, replicate_at);
        status
    }

    /// Asks the providers of records that were handed to us, each at most once a minute.
    pub(super) fn confirm_providers(&mut self, now: Instant) {
        for _ in 0..self.unconfirmed.len() {
            if !self.rpcs.has_room(1) {
                return;
            }
            let Some(claim) = self.unconfirmed.pop_front() else {
                return;
            };
            match self
                .addresses
                .permit_confirmation(now, claim.location, &mut self.destinations)
            {
                Permit::Now => {
                    let task = Task::Confirm(claim.file, claim.ttl);
                    let what = (Request::FindValue(claim.file), task, Effort::Usual);
                    self.ask(Pending::new(now, (claim.location, None), what));
                }
                Permit::Later | Permit::Never => self.unconfirmed.push_back(claim),
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
        let record = Record {
            location,
            expires_at: now + ttl,
        };
        let replicate_at = self.next_replication(now);
        // A full table refuses; nobody waits for the outcome.
        let stored = self.records.store(now, file, record, replicate_at);
        self.counters.crowded += u64::from(stored.is_err());
    }

    /// Forgets claims whose provider could not be asked in ten minutes' turns.
    pub(super) fn forget_unconfirmed(&mut self, now: Instant) {
        self.unconfirmed
            .retain(|claim| now.since(claim.received_at) < PROBE_PERIOD * 10);
    }

    /// A node that the table has just taken in gets what it should hold (rule 13): of what we
    /// provide, and of the records that no contact is closer to than we are, so that one holder
    /// hands on, not all. Those share the longest prefixes with us, so it is enough to look at the
    /// keys around our own id; the hourly replication sees to any others.
    pub(super) fn hand_over(&mut self, contact: Contact) {
        self.extend_announcements(contact);
        let k = self.config.params.k;
        let files: Vec<FileId> = self
            .records
            .files_around(self.config.id.0, NEWCOMER_KEYS_MAX)
            .filter(|file| self.is_closest_but(file, contact))
            .filter(|file| self.table.closest(file.0, k, None).contains(&contact))
            .take(ERRANDS_MAX)
            .collect();
        for file in files {
            self.add_errand(Errand {
                file,
                contact,
                grant: None,
                deed: Deed::HandOver,
            });
        }
    }

    /// The hourly replication (rule 13), for as many keys as a minute takes: to the closest that
    /// the table knows. A lookup is not needed: around us the table is complete (rule 4; paper,
    /// 2.5).
    pub(super) fn replicate(&mut self, now: Instant) {
        let k = self.config.params.k;
        for file in self
            .records
            .due_replications(now, REPLICATIONS_PER_UPKEEP_MAX)
        {
            if self.errands.len() + k > ERRANDS_MAX / 2 {
                return;
            }
            let replicate_at = self.next_replication(now);
            self.records.postpone_replication(file, replicate_at);
            // A copy made on the way (rule 10) is not ours to spread.
            if self.table.closer_than_self(file.0, k) < k {
                for contact in self.table.closest(file.0, k, None) {
                    self.add_errand(Errand {
                        file,
                        contact,
                        grant: None,
                        deed: Deed::HandOver,
                    });
                }
            }
        }
    }

    /// A lookup has found providers: the closest node that answered and knew none is told, and is
    /// to keep them half as long for each node between it and the k closest (rule 10).
    pub(super) fn cache_providers(&mut self, lookup: &Lookup) {
        let answered = lookup.closest_answered();
        let Some(rank) = answered.iter().position(|candidate| !candidate.has_value) else {
            return;
        };
        let between = rank.saturating_sub(self.config.params.k).min(31) as u32;
        let ttl = self.config.params.record_ttl / (1 << between);
        let secs = ttl.as_secs() as u32;
        let contact = answered[rank].contact;
        let handed: Vec<_> = lookup
            .providers
            .iter()
            .filter(|&&location| is_of_use(location, contact.address))
            .map(|&location| HandedProvider {
                location,
                ttl: secs,
            })
            .take(PROVIDERS_PER_REPLY_MAX)
            .collect();
        if handed.is_empty() || ttl < RECORD_TTL_MIN {
            return;
        }
        let grant = Some(Grant::new(answered[rank].token, lookup.started_at));
        let file = FileId(lookup.target);
        self.add_errand(Errand {
            file,
            contact,
            grant,
            deed: Deed::Cache(handed),
        });
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
            let is_of_use = is_of_use(record.location, contact.address);
            let is_lasting = record.expires_at.since(now) >= RECORD_TTL_MIN;
            record.location != contact.address && is_of_use && is_lasting
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
        // One that has just failed to answer may be dead; better two hand on than nobody.
        let is_alive = |m: &Member| m.failures == 0 && m.contact.id != newcomer.id;
        let nearest = self.table.closest_where(file.0, 1, is_alive);
        nearest
            .iter()
            .all(|contact| contact.id.0.distance(&file.0) > ours)
    }

    fn next_replication(&mut self, now: Instant) -> Instant {
        now + jittered(self.config.params.replicate_period, &mut self.rng)
    }
}
