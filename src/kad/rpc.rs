//! Requests that wait for their reply.
//!
//! A reply counts when it echoes the random id of a request that is still waiting, comes from the
//! exact address that it was sent to, and is of the kind that was asked for; and it counts once. A
//! reply that breaks any of it changes nothing, and does not use the request up.
//!
//! ```text
//!            add          RPC_SLOW: slow          RPC_TIMEOUT: given up
//!   (none) ───────► fresh ──────────────► slow ──────────────────────► late ─► (forgotten)
//!                     │ take                │ take                       │ take
//!                     ▼                     ▼                            ▼
//!                  answered              answered                  a sign of life
//! ```
//!
//! To a node that has given us no cookie, a request is *padded* to the length of its reply only when
//! somebody waits for it: 993 bytes for a `FindNode`, and most of those that a lookup hears of in a
//! restless network are gone. Else it goes out *short*, and a stranger answers with an error that
//! brings a cookie; with that it is asked again. That costs 153 bytes and a round trip.
//!
//! A request with a cookie is repeated when it is slow, with the same id: it may be lost. One
//! without is not: lookups have others to ask, and a victim that is named to us as a node or a
//! provider gets one datagram.
//!
//! Invariant: at most [`RPCS_MAX`] wait, and [`LATE_RPCS_MAX`] are remembered as given up.

use super::announce::Errand;
use crate::address::Contact;
use crate::id::{FileId, Id, NodeId};
use crate::limits::{
    DATAGRAM_SIZE_MAX, LATE_RPCS_MAX, PROVIDERS_PER_REPLY_MAX, RPC_SLOW, RPC_TIMEOUT, RPCS_MAX,
};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::native::datagram::ERROR_SIZE;
use crate::wire::native::datagram::{Body, Cookie, HandedProvider, Kind, RpcId, Token};
use arrayvec::ArrayVec;
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes of a padded `Ping`. A request leaves room for two: the ping back that admits its sender to
/// the other's table, and its repetition, must fit under the no-amplification rule as well. It is
/// padded because it may overtake the reply that would have proved our address.
pub const PING_BACK_SIZE: usize = ERROR_SIZE;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Are you there?
    Ping,
    /// Whom do you know near this id?
    FindNode(Id),
    /// Who provides this file?
    FindValue(FileId),
    /// We provide this file for `ttl` seconds; 0: no more.
    Store {
        /// Which file.
        file: FileId,
        /// The receiver's leave.
        token: Token,
        /// Our TCP port.
        port: u16,
        /// Seconds.
        ttl: u32,
    },
    /// These provide this file: ask them.
    Replicate {
        /// Which file.
        file: FileId,
        /// The receiver's leave.
        token: Token,
        /// Not empty.
        providers: Vec<HandedProvider>,
    },
}

impl Request {
    /// The kind that a reply to it has.
    fn reply_kind(&self) -> Kind {
        match self {
            Request::Ping => Kind::PingReply,
            Request::FindNode(_) => Kind::FindNodeReply,
            Request::FindValue(_) => Kind::FindValueReply,
            Request::Store { .. } => Kind::StoreReply,
            Request::Replicate { .. } => Kind::ReplicateReply,
        }
    }

    /// The request as a datagram's body: short, or padded so that the whole reply and a ping back
    /// may be sent to an address that has proved nothing.
    pub fn body(&self, cookie: Cookie, padded: bool) -> Body {
        let padding = 0;
        let body = match *self {
            Request::Ping => Body::Ping { cookie, padding },
            Request::FindNode(target) => Body::FindNode {
                target,
                cookie,
                padding,
            },
            Request::FindValue(file) => Body::FindValue {
                file,
                cookie,
                padding,
            },
            Request::Store {
                file,
                token,
                port,
                ttl,
            } => {
                return Body::Store {
                    file,
                    token,
                    port,
                    ttl,
                    padding,
                };
            }
            Request::Replicate {
                file,
                token,
                ref providers,
            } => {
                let providers: ArrayVec<_, PROVIDERS_PER_REPLY_MAX> = providers
                    .iter()
                    .copied()
                    .take(PROVIDERS_PER_REPLY_MAX)
                    .collect();
                return Body::Replicate {
                    file,
                    token,
                    providers,
                    padding,
                };
            }
        };
        let room = if matches!(self, Request::Ping) {
            0
        } else {
            2 * PING_BACK_SIZE
        };
        match body.kind().reply_size_max() {
            Some(size) if padded => body.padded_to((size + room).min(DATAGRAM_SIZE_MAX)),
            _ => body,
        }
    }
}

/// What the reply to a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// To know that the node is alive.
    Liveness,
    /// Because our owner wants to know whether a node is there.
    Ping,
    /// To join through this address, whose id we do not know.
    Bootstrap,
    /// The lookup with this number.
    Lookup(u64),
    /// To get the token that an errand needs.
    Prepare(Errand),
    /// To deliver an errand.
    Deliver(Errand),
    /// To know that the node, which holds our record of this file, is alive.
    Holder(FileId),
    /// To confirm that the node provides this file, to be kept for so long.
    Confirm(FileId, Duration),
}

/// How much is done for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// The request is sent once more when it is slow, if it had a cookie, or is a ping.
    Usual,
    /// As usual, but it has been asked before, without proof: a node that asks for another proof
    /// has failed.
    Proved,
    /// It is sent once: a ping back, for which the other's request has paid.
    Once,
}

/// A request that waits for its reply.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where it went.
    pub to: SocketAddr,
    /// The node that should be there; `None` when we know the address only.
    pub expected: Option<NodeId>,
    /// What was asked.
    pub request: Request,
    /// What for.
    pub task: Task,
    /// Whether it may be sent again.
    pub effort: Effort,
    /// Whether it went out with a cookie; known once it has.
    pub had_cookie: bool,
    sent_at: Instant,
    is_slow: bool,
}
const _: () = assert!(size_of::<Pending>() <= crate::limits::memory::PENDING_SIZE);

impl Pending {
    /// A request to `to`, about to be sent.
    pub fn new(
        now: Instant,
        (to, expected): (SocketAddr, Option<NodeId>),
        (request, task, effort): (Request, Task, Effort),
    ) -> Pending {
        Pending {
            to,
            expected,
            request,
            task,
            effort,
            had_cookie: false,
            sent_at: now,
            is_slow: false,
        }
    }

    /// When it was sent first.
    pub fn sent_at(&self) -> Instant {
        self.sent_at
    }

    /// The contact that was asked, when its id is known.
    pub fn contact(&self) -> Option<Contact> {
        self.expected.map(|id| Contact {
            id,
            address: self.to,
        })
    }

    /// Whether it may be sent once more when it is slow.
    pub fn is_repeated(&self) -> bool {
        let is_find = matches!(self.request, Request::FindNode(_) | Request::FindValue(_));
        self.effort != Effort::Once && (self.had_cookie || !is_find)
    }

    /// Whether it has been slow.
    pub fn is_slow(&self) -> bool {
        self.is_slow
    }

    fn deadline(&self) -> Instant {
        self.sent_at + if self.is_slow { RPC_TIMEOUT } else { RPC_SLOW }
    }
}

/// What a reply is to us.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one call")]
pub enum Match {
    /// The answer to this request, which is done with.
    Answer(Pending),
    /// The answer to a request that was given up: a sign of life, no more.
    Late,
    /// Nothing that we asked for.
    Unexpected,
}

/// What a deadline has brought.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one call")]
pub enum Overdue {
    /// The request has become slow; it still waits.
    Slow(RpcId),
    /// The request is given up.
    Silent(Pending),
}

/// The table of requests that wait.
#[derive(Default)]
pub struct Rpcs {
    waiting: BTreeMap<RpcId, Pending>,
    late: VecDeque<(RpcId, SocketAddr)>,
}

impl Rpcs {
    /// Whether `reserve` requests fit besides those that wait.
    pub fn has_room(&self, reserve: usize) -> bool {
        self.waiting.len() + reserve <= RPCS_MAX
    }

    /// Takes in a request under a fresh random id. There must be room.
    pub fn add(&mut self, pending: Pending, rng: &mut Rng) -> RpcId {
        assert!(self.has_room(1), "callers ask whether there is room");
        let mut id = RpcId::default();
        rng.fill(&mut id.0);
        self.waiting.insert(id, pending);
        id
    }

    /// The request with this id, if it still waits.
    pub fn pending(&mut self, id: RpcId) -> Option<&mut Pending> {
        self.waiting.get_mut(&id)
    }

    /// How many wait for the same kind of task.
    pub fn count(&self, is_it: impl Fn(&Task) -> bool) -> usize {
        self.waiting
            .values()
            .filter(|pending| is_it(&pending.task))
            .count()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Matches a reply with its request, which is then done with. An `Error` matches every kind.
    pub fn take(&mut self, id: RpcId, from: SocketAddr, kind: Kind) -> Match {
        if let Entry::Occupied(entry) = self.waiting.entry(id) {
            let pending = entry.get();
            let fits = kind == Kind::Error || kind == pending.request.reply_kind();
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
        let (&id, pending) = self.waiting.iter_mut().find(|(_, p)| p.deadline() <= now)?;
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
}
