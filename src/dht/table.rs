//! The routing table: buckets along the path to our own id (paper, 2.2, 2.4 and 4.1).
//!
//! Bucket *i* holds the contacts that share exactly *i* leading bits with us; the last one holds
//! all that share at least that many, and splits when it is full. This is the paper's tree, of
//! which only the branch towards ourselves is ever split.
//!
//! ```text
//!   bucket 0     bucket 1    bucket 2 (last: holds our own id)
//!   1.........   01........  00........        our own id: 00...
//! ```
//!
//! The paper also wants the smallest subtree around us that holds k nodes complete, "even if this
//! requires splitting buckets in which the node's own id does not reside". Those splits are written
//! here as capacity: a bucket with fewer than k contacts nearer than itself belongs to that subtree
//! and holds more than k, up to [`NEAR_FACTOR`] times as many (an attacker must not grow it without
//! end).
//!
//! What is *not* here: asking anybody anything. [`Table::answered`] and [`Table::failed`] are told
//! how requests ended, and nothing else puts a contact in or takes one out.
//!
//! Invariant: every contact stands in the one bucket that its id belongs to, never our own id, each
//! id and each address once; a contact that answers is never removed (rules 3, 5 and 7).

use super::Params;
use super::bucket::{Bucket, Member};
use super::subnet::subnet;
use crate::address::Contact;
use crate::id::{Distance, Id, NodeId};
use crate::limits::{FAR_DEPTH_MAX, K, NEAR_FACTOR};
use crate::rng::Rng;
use crate::time::Instant;
use arrayvec::ArrayVec;

/// What became of a contact that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It was a member already.
    Known,
    /// It is a member now.
    Added,
    /// There was no room: it waits in the replacement cache.
    Cached,
    /// It is ourselves, its subnet is full, or its id stands at another address that is not known
    /// to be dead.
    Refused,
}

/// The routing table.
pub struct Table {
    own: Id,
    k: usize,
    cache_max: usize,
    id_bits: usize,
    buckets: Vec<Bucket>,
}

impl Table {
    /// An empty table around `own`, whose one bucket is to be refreshed at `refresh_at`.
    pub fn new(own: NodeId, params: &Params, refresh_at: Instant) -> Table {
        Table {
            own: own.0,
            k: params.k,
            cache_max: params.cache,
            id_bits: params.id_bits,
            buckets: vec![Bucket::new(refresh_at)],
        }
    }

    /// A contact answered a request of ours: it becomes, or stays, the most recent of its bucket.
    ///
    /// A member that answers from a new address moves there only when its old address has failed:
    /// else whoever repeats an id that it has seen could take its place (rule 7).
    pub fn answered(&mut self, now: Instant, contact: Contact) -> Admission {
        if contact.id.0 == self.own {
            return Admission::Refused;
        }
        let index = self.index_of(contact.id.0);
        let (ip, is_admitted) = (
            contact.address.ip(),
            self.buckets[index].admits(contact.address),
        );
        if let Some(member) = self.buckets[index].member(contact.id) {
            let moves = member.contact.address != contact.address;
            let leaves_subnet = subnet(member.contact.address.ip()) != subnet(ip);
            if moves && (member.failures == 0 || leaves_subnet && !is_admitted) {
                return Admission::Refused;
            }
            *member = Member::new(contact, now);
            self.buckets[index].touch(now, contact.id);
            self.drop_others_at(contact);
            return Admission::Known;
        }
        self.drop_others_at(contact);
        self.insert(Member::new(contact, now))
    }

    /// A message came from a node that claims this id. Only a member at this very address moves to
    /// the tail of its bucket; anything else is hearsay (rules 3 and 7).
    pub fn heard(&mut self, now: Instant, contact: Contact) {
        if self.holds(contact) {
            let index = self.index_of(contact.id.0);
            self.buckets[index].touch(now, contact.id);
        }
    }

    /// A request to the contact went unanswered (rules 5 and 6).
    pub fn failed(&mut self, now: Instant, contact: Contact) {
        let index = self.index_of(contact.id.0);
        self.buckets[index].fail(now, contact);
    }

    /// Whether this contact is a member, at this address.
    pub fn holds(&self, contact: Contact) -> bool {
        self.member(contact.id)
            .is_some_and(|member| member.contact == contact)
    }

    /// The member with this id.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        let bucket = &self.buckets[self.index_of(id.0)];
        bucket.members.iter().find(|member| member.contact.id == id)
    }

    /// Whether an answer of this node could change the table: it is not a member at this address,
    /// and there is room for it, or in the replacement cache. What is not wanted is not pinged.
    pub fn wants(&self, contact: Contact) -> bool {
        let index = self.index_of(contact.id.0);
        let bucket = &self.buckets[index];
        contact.id.0 != self.own
            && !self.holds(contact)
            && !bucket.cache.iter().any(|member| member.contact == contact)
            && bucket.admits(contact.address)
            && (bucket.cache.len() < self.cache_max || bucket.members.len() < self.capacity(index))
    }

    /// The `count` contacts closest to `target`, or all if there are fewer, closest first, without
    /// `except`. Stale members are not given to anybody (rule 9).
    pub fn closest(&self, target: Id, count: usize, except: Option<NodeId>) -> Contacts {
        self.closest_where(target, count, |member| {
            !member.is_stale() && Some(member.contact.id) != except
        })
    }

    /// As [`Table::closest`], among the members that `wanted` picks; `count` is at most [`K`].
    ///
    /// Seen from a target, whole buckets lie at rising distances: first the one that the target
    /// itself belongs to, then all nearer to us than it together, then the others one by one,
    /// outwards.
    pub fn closest_where(
        &self,
        target: Id,
        count: usize,
        wanted: impl Fn(&Member) -> bool,
    ) -> Contacts {
        let home = self.index_of(target);
        let mut nearest = Nearest {
            target,
            count: count.min(K),
            found: ArrayVec::new(),
        };
        let groups = [home..home + 1, home + 1..self.buckets.len()];
        let outwards = (0..home).rev().map(|index| index..index + 1);
        for group in groups.into_iter().chain(outwards) {
            let members = self.buckets[group]
                .iter()
                .flat_map(|bucket| &bucket.members);
            members
                .filter(|member| wanted(member))
                .for_each(|member| nearest.offer(member.contact));
            if nearest.found.len() == nearest.count {
                break;
            }
        }
        nearest
            .found
            .into_iter()
            .map(|(_, contact)| contact)
            .collect()
    }

    /// How many members are closer to `target` than we are, counting no further than `enough`.
    pub fn closer_than_self(&self, target: Id, enough: usize) -> usize {
        let ours = self.own.distance(&target);
        let nearest = self.closest(target, enough, None);
        nearest
            .iter()
            .filter(|contact| contact.id.0.distance(&target) < ours)
            .count()
    }

    /// A lookup for `target` was started: its bucket's refresh moves to `refresh_at` (rule 11).
    pub fn looked_up(&mut self, target: Id, refresh_at: Instant) {
        let index = self.index_of(target);
        self.buckets[index].refresh_at = refresh_at;
    }

    /// A random id in the range of a bucket that is due to be refreshed (rule 11).
    pub fn due_refresh(&self, now: Instant, rng: &mut Rng) -> Option<Id> {
        let index = self
            .buckets
            .iter()
            .position(|bucket| bucket.refresh_at <= now)?;
        Some(self.random_id_in(index, rng))
    }

    /// Makes every bucket farther than our closest neighbour due at `now` (rule 12). Those that are
    /// not split off yet are, down to [`FAR_DEPTH_MAX`]: else a node that knows only the k nodes
    /// around it would have one bucket, and learn of nobody far away. Buckets from `whole_from` on
    /// are left out: all nodes of their ranges have just answered.
    pub fn refresh_far(&mut self, now: Instant, whole_from: usize) {
        let own = self.own;
        let prefixes = self
            .members()
            .map(|m| m.contact.id.0.distance(&own).shared_prefix());
        let depth = prefixes
            .max()
            .unwrap_or(0)
            .min(FAR_DEPTH_MAX)
            .min(whole_from);
        while self.buckets.len() <= depth {
            self.split();
        }
        for bucket in &mut self.buckets[..depth] {
            bucket.refresh_at = now;
        }
    }

    /// All members, bucket by bucket, farthest first.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.buckets.iter().flat_map(|bucket| &bucket.members)
    }

    /// The buckets, farthest first.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// How many contacts are in the table.
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.members.len()).sum()
    }

    /// Whether there is no contact.
    pub fn is_empty(&self) -> bool {
        self.members().next().is_none()
    }

    /// Whether no member is known to be alive: all are stale, or there is none.
    pub fn is_cut_off(&self) -> bool {
        self.members().all(Member::is_stale)
    }

    /// How many contacts a bucket may hold: k, and more while the subtree nearer to us than it has
    /// fewer than k (rule 4).
    fn capacity(&self, index: usize) -> usize {
        let nearer: usize = self.buckets[index + 1..]
            .iter()
            .map(|b| b.members.len())
            .sum();
        let is_last = index + 1 == self.buckets.len();
        if is_last || nearer >= self.k {
            self.k
        } else {
            self.k * NEAR_FACTOR
        }
    }

    fn insert(&mut self, newcomer: Member) -> Admission {
        loop {
            let index = self.index_of(newcomer.contact.id.0);
            let (is_last, capacity) = (index + 1 == self.buckets.len(), self.capacity(index));
            let bucket = &mut self.buckets[index];
            if !bucket.admits(newcomer.contact.address) {
                return Admission::Refused;
            }
            if bucket.members.len() < capacity {
                bucket
                    .cache
                    .retain(|member| member.contact.id != newcomer.contact.id);
                bucket.members.push(newcomer);
                return Admission::Added;
            }
            if !is_last || self.buckets.len() == self.id_bits {
                return self.replace_or_remember(index, newcomer);
            }
            self.split();
        }
    }

    /// The newcomer takes the place of a stale member, or waits in the cache (rules 5 and 6).
    fn replace_or_remember(&mut self, index: usize, newcomer: Member) -> Admission {
        let cache_max = self.cache_max;
        let bucket = &mut self.buckets[index];
        match bucket.members.iter().position(Member::is_stale) {
            Some(stale) => {
                bucket.members.remove(stale);
                bucket.members.push(newcomer);
                Admission::Added
            }
            None => {
                bucket.remember(newcomer, cache_max);
                Admission::Cached
            }
        }
    }

    /// Splits the last bucket: those that share one bit more with us move on (rule 4).
    fn split(&mut self) {
        let depth = self.buckets.len();
        let own = self.own;
        let last = self
            .buckets
            .last_mut()
            .expect("a table has at least one bucket");
        let nearer = |member: &Member| member.contact.id.0.distance(&own).shared_prefix() >= depth;
        let mut next = Bucket::new(last.refresh_at);
        (next.members, last.members) = last.members.drain(..).partition(nearer);
        (next.cache, last.cache) = last.cache.drain(..).partition(nearer);
        self.buckets.push(next);
    }

    /// An address is one node's: members that stood where another id has just answered are gone.
    fn drop_others_at(&mut self, contact: Contact) {
        let stays = |member: &Member| {
            member.contact.address != contact.address || member.contact.id == contact.id
        };
        for bucket in &mut self.buckets {
            bucket.members.retain(stays);
            bucket.cache.retain(stays);
        }
    }

    fn index_of(&self, id: Id) -> usize {
        id.distance(&self.own)
            .shared_prefix()
            .min(self.buckets.len() - 1)
    }

    fn random_id_in(&self, index: usize, rng: &mut Rng) -> Id {
        let mut id = rng.id();
        for bit in 0..index {
            id = id.with_bit(bit, self.own.bit(bit));
        }
        if index + 1 < self.buckets.len() {
            id = id.with_bit(index, !self.own.bit(index));
        }
        // Small id spaces of tests use the first bits only.
        (self.id_bits..crate::id::ID_BITS).fold(id, |id, bit| id.with_bit(bit, false))
    }
}

/// Up to k contacts.
pub type Contacts = ArrayVec<Contact, K>;

/// The closest contacts of those offered so far, sorted, in fixed room.
struct Nearest {
    target: Id,
    count: usize,
    found: ArrayVec<(Distance, Contact), K>,
}

impl Nearest {
    fn offer(&mut self, contact: Contact) {
        let distance = contact.id.0.distance(&self.target);
        let index = self.found.partition_point(|(other, _)| *other <= distance);
        if index == self.count {
            return;
        }
        if self.found.len() == self.count {
            self.found.pop();
        }
        self.found.insert(index, (distance, contact));
    }
}
