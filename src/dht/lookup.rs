//! One iterative lookup: which node to ask next, and when it is over (paper, 2.3; rules 8, 9 and
//! 17).
//!
//! ```text
//!   every candidate:
//!                  ask_next            answered
//!      Unasked ───────────────► Asked ──────────► Answered
//!         │                     │   │ slow              ▲
//!         │ ask_next     failed │   ▼        answered   │
//!         │ (Permit::Never)     │  Slow ────────────────┘ (late, but in time)
//!         ▼                     │   │ failed
//!       Failed ◄────────────────┴───┘
//!
//!   the lookup:  seed ─► ask_next … answered / slow / failed … ─► is_over
//! ```
//!
//! *In view* are the k closest candidates that have not failed and are not slow. At most α of them
//! are asked at once. After α answers in a row that named no closer node, all in view that were not
//! asked yet are asked at once. A slow node steps aside, and another comes into view for it until
//! it answers. The lookup is over when all in view have answered; while fewer than k have, it also
//! waits for the slow ones, so it never ends before every node that exists has answered (rule 17).
//!
//! When a user waits ([`Purpose::is_awaited`]), a slow node counts like an answer that named no
//! closer node. Otherwise, among k nodes of which most have just died, each α of them would take a
//! second and the last another five: more than the ten seconds in which a lookup should find a live
//! provider. Background lookups take that time and ask fewer nodes.
//!
//! At most [`PER_SUBNET_MAX`] of the nodes in view, and of those found, are in one global subnet:
//! ids cost nothing, and the owner of one /24 must not be all of the k closest to a key. Further
//! nodes of a subnet come into view when those before them have failed or are slow.
//!
//! A lookup may run over several *disjoint paths* (S/Kademlia, 4.4): seeds are dealt out, the paths
//! share α and have a view each, the contacts that a node names stay on its path, and no node is
//! asked on two, so a liar spoils one path only. The figures in the docs of `kad` say what paths
//! are worth: they do *not* help against liars that were there from the beginning and have spoilt
//! the tables, nor against ids forged right beside a key from many subnets: ids are bound to
//! nothing here.
//!
//! A refresh has a narrower view ([`Lookup::narrow`]), and a lookup of our own id after the first
//! does not ask every node anew ([`Lookup::presume`]); `kad::join` says what both are worth.
//!
//! `T` is the dialect's write token. A [`Permit`] (of [`addresses`](super::addresses)) says whether
//! a request may go to an address now. Datagrams, timeouts and the table are not here. Invariant:
//! each candidate is asked at most once, and at most [`LOOKUP_ASKED_MAX`] are: every lookup ends.

use super::addresses::Permit;
use super::subnet::{self, Subnet};
use super::table::Contacts;
use crate::address::Contact;
use crate::id::{Distance, Id, NodeId};
use crate::limits::{CANDIDATES_MAX, LOOKUP_ASKED_MAX, LOOKUP_PROVIDERS_MAX, PER_SUBNET_MAX};
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// The reason for a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The owner wants the nodes closest to an id.
    FindNode,
    /// The owner wants the providers of a file.
    FindValue,
    /// A provider announces a file to the nodes closest to its id.
    Announce,
    /// A bucket wants fresh contacts (rule 11).
    Refresh,
    /// The node looks for its own neighbours (rule 12).
    Join,
}

impl Purpose {
    /// Whether it goes before background lookups: the owner waits for it, or for the node to join.
    pub fn is_users(self) -> bool {
        self.is_awaited() || self == Purpose::Join
    }

    /// Whether the owner waits for it: then unknown nodes are asked at full length, which saves a
    /// round trip and costs 760 bytes each (see `kad::rpc`).
    pub fn is_awaited(self) -> bool {
        matches!(self, Purpose::FindNode | Purpose::FindValue)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unasked,
    Asked,
    Slow,
    Answered,
    Failed,
}

/// A node that a lookup has heard of.
#[derive(Clone, Debug)]
pub struct Candidate<T> {
    /// Its id and address, as another node named them.
    pub contact: Contact,
    /// Hops: 1 for a contact of our own table, one more than that of the node that named it for
    /// others.
    pub hops: u32,
    /// Its write token, once it has answered.
    pub token: T,
    /// Whether it named a provider, or is one.
    pub has_value: bool,
    distance: Distance,
    /// Its subnet; `None` in a local network.
    group: Option<Subnet>,
    state: State,
}
const _: () = assert!(size_of::<Candidate<u64>>() <= crate::limits::memory::CANDIDATE_SIZE);

/// The subnets of the candidates that were let into view, one entry for each.
#[derive(Default)]
struct Groups(Vec<Subnet>);

/// Candidates of one path, closest first.
struct Path<T> {
    candidates: Vec<Candidate<T>>,
    /// Answers in a row that named no closer node; in an awaited lookup, slow nodes count as well.
    idle: usize,
}

/// The answer of a node.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a, T> {
    /// The contacts that it named.
    pub contacts: &'a [Contact],
    /// Its write token, for a store at it.
    pub token: T,
    /// Whether it named a provider, or is one.
    pub has_value: bool,
}

/// The figures of a lookup at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Length of the longest chain of contacts to one of the k closest: 1 means that a contact of
    /// our own table was enough.
    pub hops: u32,
    /// Requests sent, one to each node.
    pub asked: u32,
    /// Nodes that answered before its end.
    pub answered: u32,
    /// Different providers that the answers named.
    pub providers: u32,
    /// From its start to its end.
    pub took: Duration,
}

/// One lookup, from its seeds to its end.
pub struct Lookup<T> {
    pub(crate) target: Id,
    pub(crate) purpose: Purpose,
    pub(crate) started_at: Instant,
    pub(crate) asked: u32,
    pub(crate) answered: u32,
    /// Providers heard of, each once.
    pub(crate) providers: Vec<SocketAddr>,
    own: NodeId,
    k: usize,
    /// How many candidates are in view: k, or fewer.
    view: usize,
    alpha: usize,
    paths: Vec<Path<T>>,
}
const _: () = assert!(size_of::<Lookup<u64>>() <= crate::limits::memory::LOOKUP_SIZE);

impl<T: Clone + Default> Lookup<T> {
    /// A lookup of `own` for `target` with the parameters `k` and α over `paths` disjoint paths.
    pub fn new(
        now: Instant,
        own: NodeId,
        (target, purpose): (Id, Purpose),
        (k, alpha, paths): (usize, usize, usize),
    ) -> Lookup<T> {
        let path = || Path {
            candidates: Vec::new(),
            idle: 0,
        };
        Lookup {
            target,
            purpose,
            started_at: now,
            asked: 0,
            answered: 0,
            providers: Vec::new(),
            own,
            k,
            view: k,
            alpha: alpha.div_ceil(paths),
            paths: std::iter::repeat_with(path).take(paths).collect(),
        }
    }

    /// Narrows the view to the `view` closest: for a refresh, which wants some fresh contacts of a
    /// bucket and not the whole neighbourhood of a random id.
    pub fn narrow(&mut self, view: usize) {
        self.view = view.min(self.k);
    }

    /// Adds a contact that need not be asked: it has answered before, and counts as if it had now.
    pub fn presume(&mut self, contact: Contact) {
        self.learn(0, contact, 1);
        if let Some(candidate) = self.find(contact) {
            candidate.state = State::Answered;
        }
    }

    /// Adds the contacts to begin with, dealt out to the paths.
    pub fn seed(&mut self, contacts: &[Contact]) {
        let count = self.paths.len();
        for (index, &contact) in contacts.iter().enumerate() {
            self.learn(index % count, contact, 1);
        }
    }

    /// The next contact to be asked, if one can be asked now. `permit` says whether a contact may
    /// be asked; one that may *never* has failed.
    pub fn ask_next(&mut self, mut permit: impl FnMut(Contact) -> Permit) -> Option<Contact> {
        if self.asked >= LOOKUP_ASKED_MAX {
            return None;
        }
        let (view, alpha) = (self.view, self.alpha);
        let mut paths = self.paths.iter_mut();
        let asked = paths.find_map(|path| path.ask_next(view, alpha, &mut permit));
        self.asked += u32::from(asked.is_some());
        asked
    }

    /// A node that was asked has answered.
    pub fn answered(&mut self, contact: Contact, answer: Answer<'_, T>) {
        let Some((path, index)) = self.position(contact) else {
            return;
        };
        let nearest = self.paths[path].nearest();
        let candidate = &mut self.paths[path].candidates[index];
        if !matches!(candidate.state, State::Asked | State::Slow) {
            return;
        }
        candidate.state = State::Answered;
        candidate.token = answer.token;
        candidate.has_value = answer.has_value;
        let hops = candidate.hops + 1;
        self.answered += 1;
        for &contact in answer.contacts.iter().take(self.k) {
            self.learn(path, contact, hops);
        }
        let path = &mut self.paths[path];
        let is_closer = path.nearest() < nearest;
        path.idle = if is_closer { 0 } else { path.idle + 1 };
    }

    /// A node that was asked is slow: it steps aside (rule 8).
    pub fn slow(&mut self, contact: Contact) {
        let is_awaited = self.purpose.is_awaited();
        if let Some((path, index)) = self.position(contact) {
            let path = &mut self.paths[path];
            let state = &mut path.candidates[index].state;
            if *state == State::Asked {
                *state = State::Slow;
                path.idle += usize::from(is_awaited);
            }
        }
    }

    /// A node that was asked will not answer, or has another id than the one named.
    pub fn failed(&mut self, contact: Contact) {
        if let Some(candidate) = self.find(contact) {
            candidate.state = State::Failed;
        }
    }

    /// Adds a provider; false when it is known, or there are too many.
    pub fn add_provider(&mut self, location: SocketAddr) -> bool {
        let is_new =
            self.providers.len() < LOOKUP_PROVIDERS_MAX && !self.providers.contains(&location);
        if is_new {
            self.providers.push(location);
        }
        is_new
    }

    /// Whether all candidates that can be asked have been asked and have answered (rules 8 and 17).
    pub fn is_over(&self) -> bool {
        let is_spent = self.asked >= LOOKUP_ASKED_MAX;
        self.paths
            .iter()
            .all(|path| path.is_over(self.view, is_spent))
    }

    /// The candidates that answered, closest first, each id once and no subnet too often.
    pub fn closest_answered(&self) -> Vec<&Candidate<T>> {
        let mut answered: Vec<_> = self.candidates().collect();
        answered.retain(|candidate| candidate.state == State::Answered);
        answered.sort_by_key(|candidate| candidate.distance);
        answered.dedup_by_key(|candidate| candidate.distance);
        let mut groups = Groups::default();
        answered.retain(|candidate| groups.admit(candidate));
        answered
    }

    /// The result: the k closest that answered.
    pub fn closest(&self) -> Contacts {
        let answered = self.closest_answered();
        let closest = answered.iter().take(self.k);
        closest.map(|candidate| candidate.contact).collect()
    }

    /// The lookup in numbers, as it ends at `now`.
    pub fn outcome(&self, now: Instant) -> Outcome {
        let answered = self.closest_answered();
        let hops = answered.iter().take(self.k).map(|candidate| candidate.hops);
        Outcome {
            hops: hops.max().unwrap_or(0),
            asked: self.asked,
            answered: self.answered,
            providers: self.providers.len() as u32,
            took: now.since(self.started_at),
        }
    }

    /// Panics when the invariant of the module does not hold.
    pub fn invariants(&self) {
        assert!(self.asked <= LOOKUP_ASKED_MAX && self.answered <= self.asked);
        assert!(self.providers.len() <= LOOKUP_PROVIDERS_MAX && self.view <= self.k);
        for path in &self.paths {
            assert!(path.candidates.len() <= CANDIDATES_MAX);
            assert!(
                path.candidates
                    .is_sorted_by_key(|candidate| candidate.distance)
            );
        }
    }

    fn candidates(&self) -> impl Iterator<Item = &Candidate<T>> {
        self.paths.iter().flat_map(|path| &path.candidates)
    }

    /// Adds a contact that was named on a path. An id is taken at two addresses at most: one liar
    /// must neither hide a node behind a wrong address nor fill the view with many.
    fn learn(&mut self, path: usize, contact: Contact, hops: u32) {
        if contact.id == self.own {
            return;
        }
        let is_namesake = |c: &&Candidate<T>| c.contact.id == contact.id;
        let is_certain = |c: &Candidate<T>| c.contact == contact || c.state == State::Answered;
        let mut namesakes = 0;
        for namesake in self.candidates().filter(is_namesake) {
            namesakes += 1;
            if is_certain(namesake) || namesakes == 2 {
                return;
            }
        }
        let candidate = Candidate {
            contact,
            hops,
            token: T::default(),
            has_value: false,
            distance: contact.distance(self.target),
            group: subnet::global_subnet(contact.address.ip()),
            state: State::Unasked,
        };
        self.paths[path].insert(candidate);
    }

    fn position(&self, contact: Contact) -> Option<(usize, usize)> {
        let mut paths = self.paths.iter().enumerate();
        paths.find_map(|(path_index, path)| {
            let mut candidates = path.candidates.iter();
            let index = candidates.position(|candidate| candidate.contact == contact)?;
            Some((path_index, index))
        })
    }

    fn find(&mut self, contact: Contact) -> Option<&mut Candidate<T>> {
        let mut candidates = self.paths.iter_mut().flat_map(|path| &mut path.candidates);
        candidates.find(|candidate| candidate.contact == contact)
    }
}

impl Groups {
    /// Whether one more candidate of this subnet may be in view; it is counted.
    fn admit<T>(&mut self, candidate: &Candidate<T>) -> bool {
        let Some(group) = candidate.group else {
            return true;
        };
        let count = self.0.iter().filter(|&&other| other == group).count();
        if count < PER_SUBNET_MAX {
            self.0.push(group);
        }
        count < PER_SUBNET_MAX
    }

    /// A candidate that was let into view has failed.
    fn release<T>(&mut self, candidate: &Candidate<T>) {
        let is_its = |&group: &Subnet| Some(group) == candidate.group;
        if let Some(index) = self.0.iter().position(is_its) {
            self.0.swap_remove(index);
        }
    }
}

impl<T> Path<T> {
    fn insert(&mut self, candidate: Candidate<T>) {
        let distance = candidate.distance;
        let index = self.candidates.partition_point(|c| c.distance <= distance);
        if index < CANDIDATES_MAX {
            self.candidates.insert(index, candidate);
            self.candidates.truncate(CANDIDATES_MAX);
        }
    }

    fn nearest(&self) -> Option<Distance> {
        self.candidates.first().map(|candidate| candidate.distance)
    }

    fn count(&self, state: State) -> usize {
        self.candidates
            .iter()
            .filter(|candidate| candidate.state == state)
            .count()
    }

    fn ask_next(
        &mut self,
        view: usize,
        alpha: usize,
        permit: &mut impl FnMut(Contact) -> Permit,
    ) -> Option<Contact> {
        let in_flight_max = if self.idle >= alpha { view } else { alpha };
        if self.count(State::Asked) >= in_flight_max {
            return None;
        }
        let (mut in_view, mut groups) = (0, Groups::default());
        for candidate in &mut self.candidates {
            let is_aside = matches!(candidate.state, State::Failed | State::Slow);
            if is_aside || !groups.admit(candidate) {
                continue;
            }
            if candidate.state == State::Unasked {
                match permit(candidate.contact) {
                    Permit::Now => {
                        candidate.state = State::Asked;
                        return Some(candidate.contact);
                    }
                    Permit::Later => {}
                    // The next of its subnet comes into view now: no later event may make us
                    // look again.
                    Permit::Never => {
                        candidate.state = State::Failed;
                        groups.release(candidate);
                        continue;
                    }
                }
            }
            in_view += 1;
            if in_view == view {
                return None;
            }
        }
        None
    }

    fn is_over(&self, view: usize, is_spent: bool) -> bool {
        let mut groups = Groups::default();
        let is_aside = |c: &Candidate<T>| matches!(c.state, State::Failed | State::Slow);
        let in_view = |c: &&Candidate<T>| !is_aside(c) && groups.admit(c);
        let mut answered = 0;
        for candidate in self.candidates.iter().filter(in_view).take(view) {
            match candidate.state {
                State::Answered => answered += 1,
                State::Unasked if is_spent => {}
                _ => return false,
            }
        }
        answered >= view || self.count(State::Slow) == 0
    }
}
