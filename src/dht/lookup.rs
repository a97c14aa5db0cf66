//! One iterative lookup: whom to ask next, and when it is over (paper, 2.3; rules 8, 9 and 17).
//!
//! ```text
//!   every candidate:
//!                  ask_next            answered
//!      Unasked ───────────────► Asked ──────────► Answered
//!         │                       │ slow              ▲
//!         │ ask_next              ▼        answered   │
//!         │ (may not be asked)   Slow ────────────────┤
//!         ▼                       │ failed            │ answered (late, but in time)
//!       Failed ◄──────────────────┘───────────────────┘
//!
//!   the lookup:  hear seeds ─► ask_next … answered / slow / failed … ─► is_over
//! ```
//!
//! *In view* are the k closest candidates that have not failed and are not slow. At most α of them
//! are asked at once. When α answers in a row named nobody closer, all of those in view that were
//! not asked yet are asked at once. A node that is slow steps aside: another comes into view for
//! it, until it answers. The lookup is over when all in view have answered; while fewer than k
//! have, it also waits for the slow ones, so that it never ends before everyone who exists has
//! answered (rule 17).
//!
//! When somebody waits ([`Purpose::is_awaited`]), a slow node counts like an answer that named
//! nobody closer. Else, among k nodes of which most have just died, each three of them would take a
//! second and the last another five: more than the ten seconds in which whatever a live node
//! provides is to be found. Lookups that nobody waits for take that time and ask fewer.
//!
//! At most [`PER_SUBNET_MAX`] of the nodes in view, and of those found, stand in one global subnet:
//! ids cost nothing, and whoever owns one /24 must not be all of the k closest to a key. The rest
//! of a subnet comes into view when those before it have failed or are slow.
//!
//! A lookup may run over several *disjoint paths* (S/Kademlia, 4.4): seeds are dealt out, what a
//! node names stays on its path, and no node is asked on two, so that a liar spoils one path only.
//!
//! What paths are worth is told by the figures in the docs of `kad`: they do *not* help when
//! the liars were there from the beginning and have spoilt the tables, nor against ids forged right
//! beside a key from many subnets: ids here are bound to nothing.
//!
//! What is not here: datagrams, time-outs, the table. Invariant: each candidate is asked at most
//! once, and at most [`LOOKUP_ASKED_MAX`] are: every lookup ends.
//!
//! A refresh is content with a narrower view ([`Lookup::narrow`]), and a lookup of our own id after
//! the first does not ask everybody anew ([`Lookup::presume`]): what both are worth is told in
//! `join`.

use super::addresses::Permit;
use super::subnet::{self, Subnet};
use super::table::Contacts;
use crate::address::Contact;
use crate::id::{Distance, Id, NodeId};
use crate::limits::{CANDIDATES_MAX, LOOKUP_ASKED_MAX, LOOKUP_PROVIDERS_MAX, PER_SUBNET_MAX};
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The nodes closest to an id.
    FindNode,
    /// The providers of a file.
    FindValue,
    /// The nodes that a provider announces a file to.
    Announce,
    /// Fresh contacts for a bucket (rule 11).
    Refresh,
    /// Our own neighbours (rule 12).
    Join,
}

impl Purpose {
    /// Whether somebody waits for it.
    pub fn is_users(self) -> bool {
        self.is_awaited() || self == Purpose::Join
    }

    /// Whether somebody waits for it now: then strangers are asked at full length, which saves a
    /// round trip and costs 760 bytes each (see `rpc`).
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
    /// Who and where, as named.
    pub contact: Contact,
    /// Hops: 1 for those from our own table, one more than who named it for others.
    pub hops: u32,
    /// Its write token, once it has answered.
    pub token: T,
    /// Whether it named a provider, or is one.
    pub has_value: bool,
    distance: Distance,
    /// Its subnet, in the open internet.
    group: Option<Subnet>,
    state: State,
}
const _: () = assert!(size_of::<Candidate<u64>>() <= crate::limits::memory::CANDIDATE_SIZE);

/// How many of each subnet were let through.
#[derive(Default)]
struct Groups(Vec<Subnet>);

/// Candidates of one path, closest first.
struct Path<T> {
    candidates: Vec<Candidate<T>>,
    /// Answers in a row that named nobody closer than was known, and silences between them.
    idle: usize,
}

/// What the answer of a node brought.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a, T> {
    /// The contacts that it named.
    pub contacts: &'a [Contact],
    /// Its write token.
    pub token: T,
    /// Whether it named a provider, or is one.
    pub has_value: bool,
}

/// A lookup in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Length of the longest chain of contacts to one of the k closest: 1 means that a contact of our
    /// own table was enough.
    pub hops: u32,
    /// Nodes asked.
    pub asked: u32,
    /// Nodes that answered.
    pub answered: u32,
    /// Different providers heard of.
    pub providers: u32,
    /// From its start to its end.
    pub took: Duration,
}

/// One lookup.
pub struct Lookup<T> {
    /// What is looked for.
    pub target: Id,
    /// Why.
    pub purpose: Purpose,
    /// When it was begun.
    pub started_at: Instant,
    /// Requests sent.
    pub asked: u32,
    /// Replies that came while it ran.
    pub answered: u32,
    /// Providers heard of, each once.
    pub providers: Vec<SocketAddr>,
    own: NodeId,
    k: usize,
    /// How many are in view: k, or fewer.
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
            paths: (0..paths).map(|_| Path::new()).collect(),
        }
    }

    /// Is content with the `view` closest instead of the k closest: of a refresh, which wants some
    /// fresh contacts of a bucket and not the whole neighbourhood of a random id.
    pub fn narrow(&mut self, view: usize) {
        self.view = view.min(self.k);
    }

    /// Takes in a contact that need not be asked: it has answered before, and counts as if it had
    /// now.
    pub fn presume(&mut self, contact: Contact) {
        self.hear(0, contact, 1);
        if let Some((path, index)) = self.position(contact) {
            self.paths[path].candidates[index].state = State::Answered;
        }
    }

    /// Takes in the contacts to begin with, dealt out to the paths.
    pub fn seed(&mut self, contacts: &[Contact]) {
        let count = self.paths.len();
        for (index, &contact) in contacts.iter().enumerate() {
            self.hear(index % count, contact, 1);
        }
    }

    /// The next contact to be asked, if one can be asked now. `permit` says whether a contact may
    /// be; one that may *never* has failed.
    pub fn ask_next(&mut self, mut permit: impl FnMut(Contact) -> Permit) -> Option<Contact> {
        let (view, alpha) = (self.view, self.alpha);
        if self.asked >= LOOKUP_ASKED_MAX {
            return None;
        }
        for path in &mut self.paths {
            let limit = if path.idle >= alpha { view } else { alpha };
            if path.count(State::Asked) >= limit {
                continue;
            }
            let (mut in_view, mut groups) = (0, Groups::default());
            for candidate in &mut path.candidates {
                if matches!(candidate.state, State::Failed | State::Slow)
                    || !groups.admit(candidate)
                {
                    continue;
                }
                if candidate.state == State::Unasked {
                    match permit(candidate.contact) {
                        Permit::Now => {
                            candidate.state = State::Asked;
                            self.asked += 1;
                            return Some(candidate.contact);
                        }
                        Permit::Later => {}
                        // The next of its subnet comes into view now: nothing may come later that
                        // would let us look again.
                        Permit::Never => {
                            candidate.state = State::Failed;
                            groups.release(candidate);
                        }
                    }
                }
                in_view += usize::from(candidate.state != State::Failed);
                if in_view == view {
                    break;
                }
            }
        }
        None
    }

    /// A node that was asked has answered.
    pub fn answered(&mut self, contact: Contact, answer: Answer<'_, T>) {
        let Some((path, index)) = self.position(contact) else {
            return;
        };
        let nearest = self.paths[path]
            .candidates
            .first()
            .map(|candidate| candidate.distance);
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
            self.hear(path, contact, hops);
        }
        let path = &mut self.paths[path];
        let is_news = path.candidates.first().map(|candidate| candidate.distance) < nearest;
        path.idle = if is_news { 0 } else { path.idle + 1 };
    }

    /// A node that was asked takes its time: it steps aside (rule 8).
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

    /// A node that was asked will not answer, or is another than was named.
    pub fn failed(&mut self, contact: Contact) {
        if let Some((path, index)) = self.position(contact) {
            self.paths[path].candidates[index].state = State::Failed;
        }
    }

    /// Takes note of a provider; whether it is news.
    pub fn provider(&mut self, location: SocketAddr) -> bool {
        let is_news =
            self.providers.len() < LOOKUP_PROVIDERS_MAX && !self.providers.contains(&location);
        if is_news {
            self.providers.push(location);
        }
        is_news
    }

    /// Whether all that can be asked has been asked, and answered (rules 8 and 17).
    pub fn is_over(&self) -> bool {
        let spent = self.asked >= LOOKUP_ASKED_MAX;
        self.paths.iter().all(|path| path.is_over(self.view, spent))
    }

    /// Those who answered, closest first, each id once and no subnet too often.
    pub fn closest_answered(&self) -> Vec<&Candidate<T>> {
        let all = self.paths.iter().flat_map(|path| &path.candidates);
        let mut answered: Vec<_> = all
            .filter(|candidate| candidate.state == State::Answered)
            .collect();
        answered.sort_by_key(|candidate| candidate.distance);
        answered.dedup_by_key(|candidate| candidate.distance);
        let mut groups = Groups::default();
        answered.retain(|candidate| groups.admit(candidate));
        answered
    }

    /// The result: the k closest that answered.
    pub fn closest(&self) -> Contacts {
        self.closest_answered()
            .iter()
            .take(self.k)
            .map(|candidate| candidate.contact)
            .collect()
    }

    /// The lookup in numbers, when it ends at `now`.
    pub fn outcome(&self, now: Instant) -> Outcome {
        Outcome {
            hops: self.hops(),
            asked: self.asked,
            answered: self.answered,
            providers: self.providers.len() as u32,
            took: now.since(self.started_at),
        }
    }

    /// Hops to the farthest of the k closest that answered: how deep the lookup went.
    pub fn hops(&self) -> u32 {
        self.closest_answered()
            .iter()
            .take(self.k)
            .map(|c| c.hops)
            .max()
            .unwrap_or(0)
    }

    /// Takes in a contact that was named on a path. An id is taken at two addresses at most: one
    /// liar must not hide a node behind a wrong one, nor fill the view with many.
    fn hear(&mut self, path: usize, contact: Contact, hops: u32) {
        if contact.id == self.own {
            return;
        }
        let all = self.paths.iter().flat_map(|path| &path.candidates);
        let mut namesakes = all
            .filter(|candidate| candidate.contact.id == contact.id)
            .peekable();
        let is_settled = |c: &Candidate<T>| c.contact == contact || c.state == State::Answered;
        if namesakes.peek().is_some() {
            let (count, settled) =
                namesakes.fold((0, false), |(n, s), c| (n + 1, s || is_settled(c)));
            if settled || count >= 2 {
                return;
            }
        }
        let candidate = Candidate {
            contact,
            hops,
            token: T::default(),
            has_value: false,
            distance: contact.id.0.distance(&self.target),
            group: subnet::global_subnet(contact.address.ip()),
            state: State::Unasked,
        };
        self.paths[path].insert(candidate);
    }

    fn position(&self, contact: Contact) -> Option<(usize, usize)> {
        self.paths
            .iter()
            .enumerate()
            .find_map(|(path_index, path)| {
                let mut candidates = path.candidates.iter();
                let index = candidates.position(|candidate| candidate.contact == contact)?;
                Some((path_index, index))
            })
    }
}

impl Groups {
    /// Whether one more of the candidate's subnet may be in view; it is counted.
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

    /// A candidate that was let through is not in view after all.
    fn release<T>(&mut self, candidate: &Candidate<T>) {
        if let Some(index) = self
            .0
            .iter()
            .position(|&group| Some(group) == candidate.group)
        {
            self.0.swap_remove(index);
        }
    }
}

impl<T> Path<T> {
    fn new() -> Path<T> {
        Path {
            candidates: Vec::new(),
            idle: 0,
        }
    }

    fn insert(&mut self, candidate: Candidate<T>) {
        let index = self
            .candidates
            .partition_point(|c| c.distance <= candidate.distance);
        if index < CANDIDATES_MAX {
            self.candidates.insert(index, candidate);
            self.candidates.truncate(CANDIDATES_MAX);
        }
    }

    fn count(&self, state: State) -> usize {
        self.candidates
            .iter()
            .filter(|candidate| candidate.state == state)
            .count()
    }

    fn is_over(&self, view: usize, spent: bool) -> bool {
        let mut groups = Groups::default();
        let in_view =
            |c: &&Candidate<T>| !matches!(c.state, State::Failed | State::Slow) && groups.admit(c);
        let mut answered = 0;
        for candidate in self.candidates.iter().filter(in_view).take(view) {
            match candidate.state {
                State::Answered => answered += 1,
                State::Unasked if spent => {}
                _ => return false,
            }
        }
        answered >= view || self.count(State::Slow) == 0
    }
}
