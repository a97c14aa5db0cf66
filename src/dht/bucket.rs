//! One k-bucket: its members, least recently seen first, and its replacement cache (paper, 2.2,
//! 4.1).
//!
//! A bucket knows neither its range nor its node; the [table](super::table) decides which contacts
//! belong in it and how many it may hold.
//!
//! Invariant: a member leaves only when it is stale *and* another takes its slot, or when a node
//! with another id answers at its address (`Table::answered`).

use super::subnet::subnet;
use crate::address::{Contact, is_local};
use crate::id::NodeId;
use crate::limits::{BACK_OFF_MAX, BACK_OFF_MIN, PER_SUBNET_MAX, STALE_AFTER};
use crate::time::Instant;
use std::net::SocketAddr;

/// A contact of the table: it has answered us at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id, and the address at which it answered.
    pub contact: Contact,
    /// When its last message came.
    pub seen_at: Instant,
    /// Requests in a row that it left unanswered.
    pub failures: u32,
    /// While it is stale: not to be pinged before this instant.
    pub ask_at: Instant,
}
const _: () = assert!(size_of::<Member>() <= crate::limits::memory::MEMBER_SIZE);

impl Member {
    /// The contact, which has just answered us.
    pub fn new(contact: Contact, now: Instant) -> Member {
        Member {
            contact,
            seen_at: now,
            failures: 0,
            ask_at: now,
        }
    }

    /// Whether it left [`STALE_AFTER`] requests in a row unanswered (rule 6).
    pub fn is_stale(&self) -> bool {
        self.failures >= STALE_AFTER
    }

    /// Counts an unanswered request, and doubles the pause before the next ping (rule 6).
    fn fail(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let doublings = (self.failures - 1).min(16);
        self.ask_at = now + (BACK_OFF_MIN * (1 << doublings)).min(BACK_OFF_MAX);
    }
}

/// A k-bucket: members and their replacement cache.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Least recently seen first; the tail is the most recent.
    pub members: Vec<Member>,
    /// Contacts that answered us when the bucket was full; most recent last.
    pub cache: Vec<Member>,
    /// When a random id of its range is to be looked up (rule 11).
    pub refresh_at: Instant,
}
const _: () = assert!(size_of::<Bucket>() <= crate::limits::memory::BUCKET_SIZE);

impl Bucket {
    pub(super) fn new(refresh_at: Instant) -> Bucket {
        Bucket {
            members: Vec::new(),
            cache: Vec::new(),
            refresh_at,
        }
    }

    fn position(&self, id: NodeId) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.contact.id == id)
    }

    /// The member with this id.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.position(id).map(|index| &self.members[index])
    }

    /// Moves the member with this id to the tail (rule 3), where it becomes `member`.
    pub(super) fn renew(&mut self, member: Member) {
        if let Some(index) = self.position(member.contact.id) {
            self.members.remove(index);
            self.members.push(member);
        }
    }

    /// Puts a newcomer into the replacement cache as the most recent; beyond `cache_max` the oldest
    /// leaves (rule 5).
    pub(super) fn cache(&mut self, newcomer: Member, cache_max: usize) {
        self.cache
            .retain(|member| member.contact.id != newcomer.contact.id);
        self.cache.push(newcomer);
        if self.cache.len() > cache_max {
            self.cache.remove(0);
        }
    }

    /// A request to the contact was not answered. A stale member is replaced by the most recent of
    /// the cache that fits; with none it stays, flagged (rules 5 and 6).
    pub(super) fn fail(&mut self, now: Instant, contact: Contact) {
        // A silent contact of the cache is of no use, and its slot is free at once.
        self.cache.retain(|member| member.contact != contact);
        let is_it = |member: &Member| member.contact == contact;
        let Some(index) = self.members.iter().position(is_it) else {
            return;
        };
        self.members[index].fail(now);
        if !self.members[index].is_stale() {
            return;
        }
        let leaving = self.members.remove(index);
        let fits = |member: &Member| self.admits(member.contact.address);
        match self.cache.iter().rposition(fits) {
            Some(next) => self.members.push(self.cache.remove(next)),
            None => self.members.insert(index, leaving),
        }
    }

    /// Whether `address` leaves its subnet within [`PER_SUBNET_MAX`] members (rule 16). Local
    /// networks are exempt: a fleet is in one /24.
    pub(super) fn admits(&self, address: SocketAddr) -> bool {
        let group = subnet(address.ip());
        let is_beside = |member: &&Member| subnet(member.contact.address.ip()) == group;
        is_local(address.ip()) || self.members.iter().filter(is_beside).count() < PER_SUBNET_MAX
    }
}
