//! Requests that wait for their reply.
//!
//! A reply counts when it echoes the random id of a request that still waits, comes from the exact
//! address that the request went to, and is of the expected kind; and it counts once. A reply that
//! breaks any of these changes nothing, and the request still waits.
//!
//! ```text
//!            add          RPC_SLOW: slow          RPC_TIMEOUT: given up
//!   (none) ───────► fresh ──────────────► slow ──────────────────────► late ─► (forgotten)
//!                     │ take                │ take                       │ take
//!                     ▼                     ▼                            ▼
//!                  answered              answered                  a sign of life
//! ```
//!
//! A `FindNode` or `FindValue` to a node that has given us no cookie is *padded*, to the length of
//! its reply and two pings back, only when the owner waits for it and the network has no key: a
//! `FindNode` is 993 bytes then, and most nodes that a lookup hears of in a restless network are
//! gone. Otherwise it is *short*, and the node answers with an error that brings a cookie; the
//! request is sent again with it. That costs 153 bytes and a round trip.
//!
//! A slow request is sent once more, with the same id: it may be lost. A `FindNode` or `FindValue`
//! without a cookie is not: lookups have other nodes to ask, and a victim that is named to us as a
//! node or a provider gets one datagram.
//!
//! Invariant: at most [`RPCS_MAX`] requests wait, and [`LATE_RPCS_MAX`] are remembered as given up.

use super::Config;
use super::store::{Store, StoreKind};
use crate::address::Contact;
use crate::dht::Purpose;
use crate::id::{FileId, Id, NodeId};
use crate::limits::{DATAGRAM_SIZE_MAX, LATE_RPCS_MAX, RPC_SLOW, RPC_TIMEOUT, RPCS_MAX};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::native::datagram::{Body, Cookie, ERROR_SIZE, Kind, RpcId};
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes of a padded `Ping`. A request leaves room for two: the ping back that admits its sender to
/// the other's table, and its repetition, must fit under the no-amplification rule as well. It is
/// padded because it may overtake the reply that would have proved our address.
pub const PING_BACK_SIZE: usize = ERROR_SIZE;

/// A request, by the use of its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// `Ping`: does the candidate or stale contact answer?
    Liveness,
    /// `Ping`: does a node answer at this address? The owner asks.
    Ping,
    /// `Ping` to a bootstrap address, whose node id we do not know.
    Bootstrap,
    /// `Ping`: does the node that holds our record of this file answer?
    Holder(FileId),
    /// `FindNode` or `FindValue`: a step of the lookup with this number for this id.
    Lookup(u64, Purpose, Id),
    /// `FindNode`, for the token that a store needs.
    FindToken(Store),
    /// `Store` or `Replicate`, by the kind of the store.
    Store(Store),
    /// `FindValue`: does the node provide this file? Its record is to live for this time.
    Confirm(FileId, Duration),
}

impl Task {
    fn is_ping(&self) -> bool {
        self.reply_kind() == Kind::PingReply
    }

    fn is_find(&self) -> bool {
        matches!(
            self.reply_kind(),
            Kind::FindNodeReply | Kind::FindValueReply
        )
    }

    fn reply_kind(&self) -> Kind {
        match self {
            Task::Liveness | Task::Ping | Task::Bootstrap | Task::Holder(_) => Kind::PingReply,
            Task::Lookup(_, Purpose::FindValue, _) | Task::Confirm(..) => Kind::FindValueReply,
            Task::Lookup(..) | Task::FindToken(_) => Kind::FindNodeReply,
            Task::Store(store) if matches!(store.kind, StoreKind::Replicate(_)) => {
                Kind::ReplicateReply
            }
            Task::Store(_) => Kind::StoreReply,
        }
    }

    /// The request: short, or padded so that the whole reply and two pings back may be sent to an
    /// address that has proved nothing.
    fn body(&self, config: &Config, cookie: Cookie) -> Body {
        let padding = 0;
        let find_node = |target| Body::FindNode {
            target,
            cookie,
            padding,
        };
        let find_value = |file| Body::FindValue {
            file,
            cookie,
            padding,
        };
        let (body, room) = match *self {
            // The token is the proof.
            Task::Store(ref store) => return store.body(config),
            Task::FindToken(ref store) => return find_node(store.file.0),
            Task::Confirm(file, _) => return find_value(file),
            Task::Lookup(_, Purpose::FindValue, id) => (find_value(FileId(id)), 2 * PING_BACK_SIZE),
            Task::Lookup(_, _, id) => (find_node(id), 2 * PING_BACK_SIZE),
            _ => (Body::Ping { cookie, padding }, 0),
        };
        let is_padded = match *self {
            // Where the network has a key, only a cookie proves anything.
            Task::Lookup(_, purpose, _) => purpose.is_awaited() && config.network.key().is_none(),
            _ => true,
        };
        match body.kind().reply_size_max() {
            Some(size) if is_padded && cookie == Cookie::NONE => {
                body.padded_to((size + room).min(DATAGRAM_SIZE_MAX))
            }
            _ => body,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryPolicy {
    /// When it is slow, it is sent once more, unless it is a `FindNode` or `FindValue` without a
    /// cookie. When the node wants proof of our address, it is sent again with the cookie that the
    /// node gave.
    Repeat,
    /// As above, but it has been sent again with a cookie: a node that wants proof once more has
    /// failed.
    Proved,
    /// It is sent once: a ping back, for which the other's request has paid.
    Once,
}

/// A request that waits for its reply.
#[derive(Clone, Debug)]
pub struct Pending {
    pub to: SocketAddr,
    /// The node that should be there; `None` when we know the address only.
    pub expected: Option<NodeId>,
    pub task: Task,
    pub retry: RetryPolicy,
    /// When it was sent first.
    pub sent_at: Instant,
    /// Whether it went out with a cookie; known once it has.
    had_cookie: bool,
    is_slow: bool,
}
const _: () = assert!(size_of::<Pending>() <= crate::limits::memory::PENDING_SIZE);

impl Pending {
    /// A request to `to` that is about to be sent.
    pub fn new(
        now: Instant,
        (to, expected): (SocketAddr, Option<NodeId>),
        task: Task,
        retry: RetryPolicy,
    ) -> Pending {
        Pending {
            to,
            expected,
            task,
            retry,
            sent_at: now,
            had_cookie: false,
            is_slow: false,
        }
    }

    /// The contact that was asked, when its id is known.
    pub fn contact(&self) -> Option<Contact> {
        let address = self.to;
        self.expected.map(|id| Contact { id, address })
    }

    /// The request, with the cookie of its receiver.
    pub fn request(&mut self, config: &Config, cookie: Cookie) -> Body {
        // An error is longer than a short ping: a node that has forgotten its cookie could not send
        // one.
        let is_forgotten = self.is_slow && self.task.is_ping();
        let cookie = if is_forgotten { Cookie::NONE } else { cookie };
        self.had_cookie = cookie != Cookie::NONE;
        self.task.body(config, cookie)
    }

    /// Whether it is to be sent once more when it is slow.
    pub fn is_repeated(&self) -> bool {
        self.retry != RetryPolicy::Once && (self.had_cookie || !self.task.is_find())
    }

    fn deadline(&self) -> Instant {
        self.sent_at + if self.is_slow { RPC_TIMEOUT } else { RPC_SLOW }
    }
}

/// The request that a reply belongs to.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one call")]
pub enum Match {
    /// This one, which no longer waits.
    Answer(Pending),
    /// One that was given up: the reply is a sign of life, no more.
    Late,
    /// None that waits or was given up.
    Unexpected,
}

/// A deadline that has passed.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one call")]
pub enum Overdue {
    /// The request is slow; it still waits.
    Slow(RpcId),
    /// The request is given up.
    Silent(Pending),
}

#[derive(Default)]
pub struct Rpcs {
    waiting: BTreeMap<RpcId, Pending>,
    late: VecDeque<(RpcId, SocketAddr)>,
}

impl Rpcs {
    /// Whether `count` more requests fit.
    pub fn has_room(&self, count: usize) -> bool {
        self.waiting.len() + count <= RPCS_MAX
    }

    /// Adds a request under a fresh random id. There must be room.
    pub fn add(&mut self, pending: Pending, rng: &mut Rng) -> RpcId {
        assert!(self.has_room(1), "callers check that there is room");
        let mut id = RpcId::default();
        rng.fill(&mut id.0);
        self.waiting.insert(id, pending);
        id
    }

    /// The request with this id, if it still waits.
    pub fn pending(&mut self, id: RpcId) -> Option<&mut Pending> {
        self.waiting.get_mut(&id)
    }

    /// How many requests wait whose task is of this kind.
    pub fn count(&self, is_it: impl Fn(&Task) -> bool) -> usize {
        self.waiting
            .values()
            .filter(|pending| is_it(&pending.task))
            .count()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Matches a reply with its request, which then no longer waits. An `Error` answers every kind.
    pub fn take(&mut self, id: RpcId, from: SocketAddr, kind: Kind) -> Match {
        if let Entry::Occupied(entry) = self.waiting.entry(id) {
            let pending = entry.get();
            let fits = kind == Kind::Error || kind == pending.task.reply_kind();
            if pending.to != from || !fits {
                return Match::Unexpected;
            }
            return Match::Answer(entry.remove());
        }
        match self.late.iter().position(|&late| late == (id, from)) {
            Some(index) => {
                self.late.remove(index);
                Match::Late
            }
            None => Match::Unexpected,
        }
    }

    /// The next request whose deadline has passed.
    pub fn overdue(&mut self, now: Instant) -> Option<Overdue> {
        let mut waiting = self.waiting.iter_mut();
        let (&id, pending) = waiting.find(|(_, pending)| pending.deadline() <= now)?;
        if !pending.is_slow && now < pending.sent_at + RPC_TIMEOUT {
            pending.is_slow = true;
            return Some(Overdue::Slow(id));
        }
        let pending = self.waiting.remove(&id)?;
        if self.late.len() == LATE_RPCS_MAX {
            self.late.pop_front();
        }
        self.late.push_back((id, pending.to));
        Some(Overdue::Silent(pending))
    }

    /// When [`Rpcs::overdue`] will next find one.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.waiting.values().map(Pending::deadline).min()
    }

    /// Panics when the invariant of the module does not hold.
    pub fn invariants(&self) {
        assert!(self.waiting.len() <= RPCS_MAX && self.late.len() <= LATE_RPCS_MAX);
    }
}
