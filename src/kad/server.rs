//! The server: answers requests.
//!
//! A request is judged when it comes (budget, proof, token) and its reply is written when it is
//! sent, so that what waits to be sent is small. A sender has *proved* its address when the request
//! carries a cookie of ours, a token of ours, or when a reply from that very address has answered
//! us lately. To one that has not, the reply and a ping back together are no longer than the
//! request: contacts are left out.
//!
//! In a network with a key only the request itself can prove anything: one without a cookie or token of
//! ours may have been recorded, and gets no more than a cookie to ask again with.
//!
//! Invariant: answering changes nothing but a record that a token grants (rules 3 and 7), in a network
//! with a key once for each request.

use super::rpc::{Effort, PING_BACK_SIZE};
use super::{Kad, Outgoing};
use crate::address::{Contact, is_of_use};
use crate::dht::table::Contacts;
use crate::id::{FileId, Id};
use crate::limits::{DATAGRAM_SIZE_MAX, PROVIDERS_PER_REPLY_MAX};
use crate::time::Instant;
use crate::wire::address::ADDRESS_SIZE;
use crate::wire::native::datagram::CONTACT_SIZE;
use crate::wire::native::datagram::{
    Body, Cookie, Datagram, ErrorCode, RpcId, Seen, Status, Token,
};
use arrayvec::ArrayVec;
use std::net::SocketAddr;

/// What a request is answered with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Ping,
    Contacts(Id),
    Providers(FileId),
    Stored(Status),
    Replicated(Status),
    Busy,
    Unproved,
}

/// A reply that waits to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    asker: Contact,
    rpc_id: RpcId,
    answer: Answer,
    /// Bytes that it may have at most.
    pub(super) allowance: usize,
    /// The asker may come into the table, if the allowance leaves room for a ping (rule 3).
    is_candidate: bool,
}

impl Kad {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        from: SocketAddr,
        size: usize,
        datagram: &Datagram,
    ) {
        let asker = Contact {
            id: datagram.sender,
            address: from,
        };
        let proves_itself = self.proves_itself(from, &datagram.body);
        let is_open = self.config.network.key().is_none();
        let has_proved = proves_itself || is_open && self.addresses.has_answered(now, from);
        let budget = if has_proved {
            &mut self.proved_sources
        } else {
            &mut self.sources
        };
        let is_welcome = budget.allow(now, from);
        self.counters.requests += 1;
        if !is_welcome {
            self.counters.over_budget += 1;
        }
        // One that has proved its address is told so, ten times a second and no more.
        let is_told = is_welcome || has_proved && self.sources.allow(now, from);
        if !is_told {
            return;
        }
        let may_be_recorded = !is_open && !proves_itself;
        if !may_be_recorded {
            self.table.heard(now, asker);
        }
        let answer = match is_welcome {
            // One that wants a token's leave is refused for want of it.
            true if may_be_recorded && !wants_token(&datagram.body) => Answer::Unproved,
            true => self.carry_out(now, from, datagram),
            false => Answer::Busy,
        };
        let has_cookie = self.has_cookie(from, &datagram.body);
        // A token is good for every port of an IP: what carries a recorded one may come from any.
        let is_candidate = !datagram.read_only && (is_open || has_cookie);
        if has_proved && is_candidate {
            if has_cookie {
                self.addresses.proved(from);
            }
            self.consider(now, asker, Effort::Usual);
        }
        self.send(Outgoing::Reply(Reply {
            asker,
            rpc_id: datagram.rpc_id,
            answer,
            allowance: if has_proved { DATAGRAM_SIZE_MAX } else { size },
            is_candidate: is_candidate && !has_proved,
        }));
    }

    /// Whether the request shows that what is sent to `from` arrives at who sent it.
    fn proves_itself(&self, from: SocketAddr, body: &Body) -> bool {
        match *body {
            Body::Store { file, token, .. } | Body::Replicate { file, token, .. } => {
                self.secrets.grants(token.0, from.ip(), file.0)
            }
            _ => self.has_cookie(from, body),
        }
    }

    /// Whether a request with a good token has been carried out before. In an open network it may be
    /// again: there, whoever can record it can as well make one of their own.
    fn is_spent(&mut self, now: Instant, id: RpcId) -> bool {
        let mut start = [0; 8];
        start.copy_from_slice(&id.0[..8]);
        let start = u64::from_be_bytes(start);
        let Kad {
            config,
            secrets,
            rng,
            counters,
            ..
        } = self;
        let is_spent = config.network.key().is_some() && !secrets.spend(now, start, rng);
        counters.replayed += u64::from(is_spent);
        is_spent
    }

    /// Whether the request has a cookie that we gave to this very address.
    fn has_cookie(&self, from: SocketAddr, body: &Body) -> bool {
        match *body {
            Body::Ping { cookie, .. }
            | Body::FindNode { cookie, .. }
            | Body::FindValue { cookie, .. } => {
                cookie != Cookie::NONE && self.secrets.proves(cookie.0, from)
            }
            _ => false,
        }
    }

    fn carry_out(&mut self, now: Instant, from: SocketAddr, datagram: &Datagram) -> Answer {
        match &datagram.body {
            Body::FindNode { target, .. } => Answer::Contacts(*target),
            Body::FindValue { file, .. } => Answer::Providers(*file),
            Body::Store {
                file,
                token,
                port,
                ttl,
                ..
            } => {
                if !self.secrets.grants(token.0, from.ip(), file.0) {
                    self.counters.bad_tokens += 1;
                    return Answer::Stored(Status::BadToken);
                }
                let location = SocketAddr::new(from.ip(), *port);
                Answer::Stored(match self.is_spent(now, datagram.rpc_id) {
                    // Its sender may not have heard the first answer.
                    true => self.status_of(now, *file, location, *ttl),
                    false => self.keep(now, *file, location, *ttl),
                })
            }
            Body::Replicate {
                file,
                token,
                providers,
                ..
            } => {
                if !self.secrets.grants(token.0, from.ip(), file.0) {
                    self.counters.bad_tokens += 1;
                    return Answer::Replicated(Status::BadToken);
                }
                Answer::Replicated(match self.is_spent(now, datagram.rpc_id) {
                    true => Status::Stored,
                    false => self.take_hearsay(now, *file, providers),
                })
            }
            _ => Answer::Ping,
        }
    }

    /// The body of a reply; `None` when not even an error is allowed. A request that is too short
    /// for a reply of its own kind, because its cookie is not ours, learns the right one from the
    /// error.
    pub(super) fn reply(
        &mut self,
        now: Instant,
        reply: &Reply,
    ) -> Option<(SocketAddr, Body, RpcId)> {
        let to = reply.asker.address;
        let seen = Seen {
            address: to,
            cookie: Cookie(self.secrets.cookie(to)),
        };
        let mut body = match reply.answer {
            Answer::Ping => Body::PingReply { seen },
            Answer::Contacts(target) => Body::FindNodeReply {
                seen,
                token: Token(self.secrets.token(to.ip(), target)),
                contacts: ArrayVec::new(),
            },
            Answer::Providers(file) => Body::FindValueReply {
                seen,
                token: Token(self.secrets.token(to.ip(), file.0)),
                provides: self.provided.contains_key(&file),
                providers: ArrayVec::new(),
                contacts: ArrayVec::new(),
            },
            Answer::Stored(status) => Body::StoreReply { seen, status },
            Answer::Replicated(status) => Body::ReplicateReply { seen, status },
            Answer::Busy => Body::Error {
                seen,
                code: ErrorCode::Busy,
            },
            Answer::Unproved => Body::Error {
                seen,
                code: ErrorCode::Unproved,
            },
        };
        let Some(room) = reply.allowance.checked_sub(body.size()) else {
            self.counters.too_short += 1;
            let code = ErrorCode::Unproved;
            let error = Body::Error { seen, code };
            let fits = error.size() <= reply.allowance;
            return fits.then_some((to, error, reply.rpc_id));
        };
        self.fill(now, reply, &mut body, room);
        Some((to, body, reply.rpc_id))
    }

    /// Puts as many providers and then contacts into a reply as fit into `room` bytes; k contacts,
    /// and the asker is never one (rule 9).
    fn fill(&mut self, now: Instant, reply: &Reply, body: &mut Body, room: usize) {
        let k = self.config.params.k;
        let asker = reply.asker;
        match (reply.answer, body) {
            (Answer::Contacts(target), Body::FindNodeReply { contacts, .. }) => {
                let count = k.min(room / CONTACT_SIZE);
                *contacts = self.worth_naming(target, count, asker);
            }
            (
                Answer::Providers(file),
                Body::FindValueReply {
                    providers,
                    contacts,
                    ..
                },
            ) => {
                let sample: ArrayVec<_, PROVIDERS_PER_REPLY_MAX> =
                    self.records.sample(now, file, &mut self.rng);
                let others = sample.iter().map(|record| record.location);
                let others = others.filter(|&location| is_of_use(location, asker.address));
                providers.extend(others.take(room / ADDRESS_SIZE));
                let room = room - providers.len() * ADDRESS_SIZE;
                let count = k.min(room / CONTACT_SIZE);
                *contacts = self.worth_naming(file.0, count, asker);
            }
            _ => {}
        }
    }

    /// The closest contacts that the asker can make use of; it is never one of them (rule 9).
    fn worth_naming(&self, target: Id, count: usize, asker: Contact) -> Contacts {
        self.table.closest_where(target, count, |member| {
            let is_of_use = is_of_use(member.contact.address, asker.address);
            !member.is_stale() && member.contact.id != asker.id && is_of_use
        })
    }

    /// A reply of `size` bytes was sent: if its allowance leaves room, the asker is pinged, and
    /// what it answers puts it into the table (rule 3).
    pub(super) fn admit_asker(&mut self, now: Instant, reply: &Reply, size: usize) {
        let room = reply.allowance - size;
        if reply.is_candidate && room >= PING_BACK_SIZE {
            let is_for_two = room >= 2 * PING_BACK_SIZE;
            let effort = if is_for_two {
                Effort::Usual
            } else {
                Effort::Once
            };
            self.consider(now, reply.asker, effort);
            self.ping_candidates(now);
        }
    }
}

/// Whether a request is one that a token grants.
fn wants_token(body: &Body) -> bool {
    matches!(body, Body::Store { .. } | Body::Replicate { .. })
}
