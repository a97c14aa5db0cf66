//! The routing table: buckets along the path to our own id (paper, 2.2, 2.4 and 4.1).
//!
//! Bucket *i* holds the contacts that share exactly *i* leading bits with us. The last bucket holds
//! all that share at least that many, and splits when it is full. This is the paper's tree, of
//! which only the branch towards our own id is ever split.
//!
//! ```text
//!   bucket 0     bucket 1    bucket 2 (last: its range holds our own id)
//!   1.........   01........  00........        our own id: 00...
//! ```
//!
//! The paper also keeps the smallest subtree around us that holds k nodes complete, "even if this
//! requires splitting buckets in which the node's own id does not reside". Here capacity stands in
//! for those splits: a bucket with fewer than k contacts nearer than itself belongs to that subtree
//! and holds more than k, up to [`NEAR_FACTOR`] times as many, so that an attacker cannot grow it
//! without end.
//!
//! The table sends no requests. [`Table::answered`] and [`Table::failed`] report how requests
//! ended, and nothing else adds or removes a contact.
//!
//! Invariant: every contact is in the one bucket that its id belongs to, never our own id, each id
//! and each address once; a contact that answers is never removed (rules 3, 5 and 7).

use super::Params;
use super::bucket::{Bucket, Member};
use super::subnet::subnet;
use crate::address::Contact;
use crate::id::{Distance, Id, NodeId};
use crate::limits::{FAR_DEPTH_MAX, K, NEAR_FACTOR};
use crate::rng::Rng;
use crate::time::Instant;
use arrayvec::ArrayVec;

/// The effect of an answer on the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The contact was a member before.
    Known,
    /// It is a member now.
    Added,
    /// Its bucket is full: it waits in the replacement cache.
    Cached,
    /// Its id is our own, its subnet is full, or its id is a member at another address, where no
    /// request has failed.
    Refused,
}

/// The routing table around the own id of a node.
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
    /// A member that answers from a new address moves there only after its old address has failed:
    /// otherwise any node could take its place by repeating its id (rule 7).
    pub fn answered(&mut self, now: Instant, contact: Contact) -> Admission {
        if contact.id.0 == self.own {
            return Admission::Refused;
        }
        let index = self.index_of(contact.id.0);
        let bucket = &mut self.buckets[index];
        let Some(member) = bucket.member(contact.id) else {
            self.drop_others_at(contact);
            let admission = self.insert(Member::new(contact, now));
            debug_assert!(self.is_unique(contact));
            return admission;
        };
        let (old, new) = (member.contact.address, contact.address);
        let leaves_subnet = subnet(old.ip()) != subnet(new.ip());
        if old != new && (member.failures == 0 || leaves_subnet && !bucket.admits(new)) {
            return Admission::Refused;
        }
        bucket.renew(Member::new(contact, now));
        self.drop_others_at(contact);
        debug_assert!(self.is_unique(contact));
        Admission::Known
    }

    /// A message came from a node that claims this id. Only a member at this very address moves to
    /// the tail of its bucket; any other claim is unverified (rules 3 and 7).
    pub fn touch(&mut self, now: Instant, contact: Contact) {
        let index = self.index_of(contact.id.0);
        let bucket = &mut self.buckets[index];
        if let Some(&member) = bucket.member(contact.id).filter(|m| m.contact == contact) {
            let seen_at = now;
            bucket.renew(Member { seen_at, ..member });
        }
    }

    /// The contact left a request unanswered (rules 5 and 6).
    pub fn failed(&mut self, now: Instant, contact: Contact) {
        let index = self.index_of(contact.id.0);
        self.buckets[index].fail(now, contact);
    }

    /// Whether this contact is a member, at this address.
    pub fn holds(&self, contact: Contact) -> bool {
        let member = self.member(contact.id);
        member.is_some_and(|member| member.contact == contact)
    }

    /// The member with this id.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.buckets[self.index_of(id.0)].member(id)
    }

    /// Whether an answer of this contact could change the table: it is not a member at this
    /// address, and its bucket or replacement cache has room. Others need not be pinged.
    pub fn wants(&self, contact: Contact) -> bool {
        let index = self.index_of(contact.id.0);
        let bucket = &self.buckets[index];
        contact.id.0 != self.own
            && !self.holds(contact)
            && !bucket.cache.iter().any(|member| member.contact == contact)
            && bucket.admits(contact.address)
            && (bucket.cache.len() < self.cache_max || bucket.members.len() < self.capacity(index))
    }

    /// The `count` contacts closest to `target`, closest first, or all if there are fewer. Stale
    /// members are left out (rule 9), and so is `except`.
    pub fn closest(&self, target: Id, count: usize, except: Option<NodeId>) -> Contacts {
        let is_wanted = |m: &Member| !m.is_stale() && Some(m.contact.id) != except;
        self.closest_where(target, count, is_wanted)
    }

    /// As [`Table::closest`], among the members that `is_wanted` accepts; `count` is at most [`K`].
    ///
    /// Seen from a target, whole buckets are at rising distances: first the one of the target
    /// itself, then all nearer to us than it together, then the others one by one, outwards.
    pub fn closest_where(
        &self,
        target: Id,
        count: usize,
        is_wanted: impl Fn(&Member) -> bool,
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
            let buckets = self.buckets[group].iter();
            let members = buckets.flat_map(|bucket| &bucket.members);
            let wanted = members.filter(|member| is_wanted(member));
            wanted.for_each(|member| nearest.offer(member.contact));
            if nearest.found.len() == nearest.count {
                break;
            }
        }
        let found = nearest.found.into_iter();
        found.map(|(_, contact)| contact).collect()
    }

    /// How many members are closer to `target` than we are, counting no further than `enough`.
    pub fn closer_than_self(&self, target: Id, enough: usize) -> usize {
        let ours = self.own.distance(&target);
        let nearest = self.closest(target, enough, None);
        let is_closer = |contact: &&Contact| contact.distance(target) < ours;
        nearest.iter().filter(is_closer).count()
    }

    /// A lookup for `target` has begun: the refresh of its bucket moves to `refresh_at` (rule 11).
    pub fn looked_up(&mut self, target: Id, refresh_at: Instant) {
        let index = self.index_of(target);
        self.buckets[index].refresh_at = refresh_at;
    }

    /// A random id in the range of a bucket that is due to be refreshed (rule 11).
    pub fn due_refresh(&self, now: Instant, rng: &mut Rng) -> Option<Id> {
        let is_due = |bucket: &Bucket| bucket.refresh_at <= now;
        let index = self.buckets.iter().position(is_due)?;
        Some(self.random_id_in(index, rng))
    }

    /// Makes every bucket farther than our closest neighbour due at `now` (rule 12), and splits off
    /// those that are not yet, down to [`FAR_DEPTH_MAX`]: otherwise a node that knows only the k
    /// nodes around it would have one bucket and learn of no far nodes. Buckets from `whole_from`
    /// on are left out: all nodes of their ranges have just answered.
    pub fn refresh_far(&mut self, now: Instant, whole_from: usize) {
        let distances = self.members().map(|m| m.contact.distance(self.own));
        let nearest = distances.min().map_or(0, |nearest| nearest.shared_prefix());
        let depth = nearest.min(FAR_DEPTH_MAX).min(whole_from);
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

    /// The buckets in the order of their index, farthest first.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// How many members there are, stale ones included.
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.members.len()).sum()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members().next().is_none()
    }

    /// Whether no member is known to be alive: all are stale, or there is none.
    pub fn is_cut_off(&self) -> bool {
        self.members().all(Member::is_stale)
    }

    /// Panics when the invariant of the module does not hold. That an id or address is there once
    /// is checked in [`Table::answered`], for the contact that answers: to compare all pairs after
    /// every step would double the time of the tests.
    pub fn invariants(&self) {
        for (index, bucket) in self.buckets.iter().enumerate() {
            assert!(bucket.members.len() <= self.k * NEAR_FACTOR);
            assert!(bucket.cache.len() <= self.cache_max);
            for member in bucket.members.iter().chain(&bucket.cache) {
                assert!(member.contact.id.0 != self.own, "our own id is no contact");
                assert!(
                    self.index_of(member.contact.id.0) == index,
                    "{member:?} is elsewhere"
                );
            }
        }
    }

    /// Whether no other member has the id or the address of this contact.
    fn is_unique(&self, contact: Contact) -> bool {
        let is_same =
            |m: &&Member| m.contact.id == contact.id || m.contact.address == contact.address;
        self.members().filter(is_same).count() <= 1
    }

    /// How many contacts a bucket may hold: k, and more while fewer than k are nearer to us than
    /// its range (rule 4).
    fn capacity(&self, index: usize) -> usize {
        let nearer = self.buckets[index + 1..].iter();
        let is_last = index + 1 == self.buckets.len();
        if is_last || nearer.map(|bucket| bucket.members.len()).sum::<usize>() >= self.k {
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
                let id = newcomer.contact.id;
                bucket.cache.retain(|member| member.contact.id != id);
                bucket.members.push(newcomer);
                return Admission::Added;
            }
            if !is_last || self.buckets.len() == self.id_bits {
                return self.replace_or_cache(index, newcomer);
            }
            self.split();
        }
    }

    /// The newcomer replaces a stale member, or waits in the cache (rules 5 and 6).
    fn replace_or_cache(&mut self, index: usize, newcomer: Member) -> Admission {
        let bucket = &mut self.buckets[index];
        let Some(stale) = bucket.members.iter().position(Member::is_stale) else {
            bucket.cache(newcomer, self.cache_max);
            return Admission::Cached;
        };
        bucket.members.remove(stale);
        bucket.members.push(newcomer);
        Admission::Added
    }

    /// Splits the last bucket: the contacts that share one bit more with us move on (rule 4).
    fn split(&mut self) {
        let (depth, own) = (self.buckets.len(), self.own);
        let last = self.buckets.last_mut().expect("a table has a bucket");
        let is_nearer = |m: &Member| m.contact.distance(own).shared_prefix() >= depth;
        let mut next = Bucket::new(last.refresh_at);
        (next.members, last.members) = last.members.drain(..).partition(is_nearer);
        (next.cache, last.cache) = last.cache.drain(..).partition(is_nearer);
        self.buckets.push(next);
    }

    /// An address belongs to one node: other ids where `contact` has just answered are gone.
    fn drop_others_at(&mut self, contact: Contact) {
        let (address, id) = (contact.address, contact.id);
        let stays = |m: &Member| m.contact.address != address || m.contact.id == id;
        for bucket in &mut self.buckets {
            bucket.members.retain(stays);
            bucket.cache.retain(stays);
        }
    }

    fn index_of(&self, id: Id) -> usize {
        let shared = id.distance(&self.own).shared_prefix();
        shared.min(self.buckets.len() - 1)
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

/// Up to [`K`] contacts, without an allocation.
pub type Contacts = ArrayVec<Contact, K>;

/// The closest of the contacts offered so far, sorted, in fixed room.
struct Nearest {
    target: Id,
    count: usize,
    found: ArrayVec<(Distance, Contact), K>,
}

impl Nearest {
    fn offer(&mut self, contact: Contact) {
        let distance = contact.distance(self.target);
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
