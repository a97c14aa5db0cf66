//! One k-bucket: its contacts, least recently heard first, and its replacement cache (paper, 2.2,
//! 4.1).
//!
//! A bucket knows nothing of ranges or of its own node; the [table](super::table) decides what
//! belongs in it and how many it may hold.
//!
//! Invariant: a contact leaves only when it is stale *and* another is there to take its place.

use super::subnet;
use crate::address::{Contact, is_local};
use crate::id::NodeId;
use crate::limits::{BACK_OFF_MAX, BACK_OFF_MIN, PER_SUBNET_MAX, STALE_AFTER};
use crate::time::Instant;
use std::net::SocketAddr;

/// A contact of the table, which has answered us at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who and where.
    pub contact: Contact,
    /// When its last message came.
    pub heard_at: Instant,
    /// Requests in a row that it has left unanswered.
    pub failures: u32,
    /// Not to be asked before, unless somebody wants something of it.
    pub ask_at: Instant,
}
const _: () = assert!(size_of::<Member>() <= crate::limits::memory::MEMBER_SIZE);

impl Member {
    /// The contact, which has answered us just now.
    pub fn new(contact: Contact, now: Instant) -> Member {
        Member {
            contact,
            heard_at: now,
            failures: 0,
            ask_at: now,
        }
    }

    /// Whether it has left [`STALE_AFTER`] requests in a row unanswered (rule 6).
    pub fn is_stale(&self) -> bool {
        self.failures >= STALE_AFTER
    }

    /// Counts an unanswered request, and doubles the time until it is asked unasked-for (rule 6).
    fn fail(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let doublings = (self.failures - 1).min(16);
        self.ask_at = now + (BACK_OFF_MIN * (1 << doublings)).min(BACK_OFF_MAX);
    }
}

/// A k-bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Least recently heard first.
    pub members: Vec<Member>,
    /// Contacts that answered us when there was no room: most recent last.
    pub cache: Vec<Member>,
    /// When a random id of its range is to be looked up (rule 11).
    pub refresh_at: Instant,
}
const _: () = assert!(size_of::<Bucket>() <= crate::limits::memory::BUCKET_SIZE);

impl Bucket {
    /// An empty bucket.
    pub fn new(refresh_at: Instant) -> Bucket {
        Bucket {
            members: Vec::new(),
            cache: Vec::new(),
            refresh_at,
        }
    }

    /// The member with this id.
    pub fn member(&mut self, id: NodeId) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| member.contact.id == id)
    }

    /// A message of a member came: it goes to the tail (rule 3).
    pub fn touch(&mut self, now: Instant, id: NodeId) {
        if let Some(index) = self
            .members
            .iter()
            .position(|member| member.contact.id == id)
        {
            let mut member = self.members.remove(index);
            member.heard_at = now;
            self.members.push(member);
        }
    }

    /// Puts a newcomer into the replacement cache as the most recent; beyond `cache_max` the oldest
    /// goes (rule 5).
    pub fn remember(&mut self, newcomer: Member, cache_max: usize) {
        self.cache
            .retain(|member| member.contact.id != newcomer.contact.id);
        self.cache.push(newcomer);
        if self.cache.len() > cache_max {
            self.cache.remove(0);
        }
    }

    /// A request to the contact went unanswered. A stale member gives way to the most recent of the
    /// cache; with an empty cache it stays, flagged (rules 5 and 6).
    pub fn fail(&mut self, now: Instant, contact: Contact) {
        // Whoever waits and is silent is of no use, and its place costs nobody anything.
        self.cache.retain(|member| member.contact != contact);
        let is_it = |member: &Member| member.contact == contact;
        let Some(index) = self.members.iter().position(is_it) else {
            return;
        };
        self.members[index].fail(now);
        self.replace_stale(index);
    }

    /// Lets the most recent of the cache that fits take the place of a stale member.
    fn replace_stale(&mut self, index: usize) {
        if !self.members[index].is_stale() {
            return;
        }
        let leaving = self.members.remove(index);
        let fits = |member: &Member| self.admits(member.contact.address);
        match self.cache.iter().rposition(fits) {
            Some(next) => {
                let next = self.cache.remove(next);
                self.members.push(next);
            }
            None => self.members.insert(index, leaving),
        }
    }

    /// Whether `address` leaves its subnet within [`PER_SUBNET_MAX`] members (rule 16). Local
    /// networks are exempt: a fleet stands in one /24.
    pub fn admits(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        let same =
            |member: &&Member| subnet::subnet(member.contact.address.ip()) == subnet::subnet(ip);
        is_local(ip) || self.members.iter().filter(same).count() < PER_SUBNET_MAX
    }
}
