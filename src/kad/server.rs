//! The server: answers requests.
//!
//! A request is judged when it comes (budget, proof, token), and its reply is written when it is
//! sent, so that the entries of the outbox are small. A sender has *proved* its address when its
//! request carries a cookie or a token of ours, or when a reply to a request of ours came from that
//! very address lately. To any other sender, the reply and a ping back together are no longer than
//! the request: contacts are left out.
//!
//! In a network with a key only the request itself proves anything: one without a cookie or token
//! of ours may have been recorded, and gets no more than a cookie to ask again with.
//!
//! Invariant: a request changes records only with a token for them, in a network with a key once
//! for each request. Besides, it may move a member to the tail of its bucket, or make its sender a
//! candidate; it never puts a contact into the table (rules 3 and 7).

use super::rpc::{PING_BACK_SIZE, RetryPolicy};
use super::{Kad, Outgoing};
use crate::address::{Contact, is_of_use};
use crate::dht::{Contacts, Params, Secrets, SourceBudgets};
use crate::id::{FileId, Id};
use crate::limits::{DATAGRAM_SIZE_MAX, K, PROVIDERS_PER_REPLY_MAX, SECRET_PERIOD, SOURCES_MAX};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::address::ADDRESS_SIZE;
use crate::wire::native::datagram::{Body, CONTACT_SIZE, Cookie, Datagram, ErrorCode, RpcId};
use crate::wire::native::datagram::{
    FIND_NODE_REPLY_SIZE_MAX, FIND_VALUE_REPLY_SIZE_MAX, Seen, Status, Token,
};
use arrayvec::ArrayVec;
use std::net::SocketAddr;

/// The state of the server: its secrets, and the budgets of the senders.
pub(super) struct Server {
    pub secrets: Secrets,
    unproved: SourceBudgets,
    proved: SourceBudgets,
}

/// How a request itself shows that its sender receives datagrams at its source address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    None,
    /// It carries a cookie that we gave to this very address.
    Cookie,
    /// It carries a token that we gave to this IP.
    Token,
}

impl Server {
    pub fn new(params: &Params, now: Instant, rng: &mut Rng) -> Server {
        Server {
            secrets: Secrets::new(now, SECRET_PERIOD, rng),
            unproved: SourceBudgets::new(params.unproved_source, SOURCES_MAX),
            proved: SourceBudgets::new(params.proved_source, SOURCES_MAX),
        }
    }

    pub fn sweep(&mut self, now: Instant) {
        self.unproved.sweep(now);
        self.proved.sweep(now);
    }

    fn proof(&self, from: SocketAddr, body: &Body) -> Proof {
        match *body {
            Body::Ping { cookie, .. }
            | Body::FindNode { cookie, .. }
            | Body::FindValue { cookie, .. }
                if cookie != Cookie::NONE && self.secrets.proves(cookie.0, from) =>
            {
                Proof::Cookie
            }
            Body::Store { file, token, .. } | Body::Replicate { file, token, .. }
                if self.secrets.accepts(token.0, from.ip(), file.0) =>
            {
                Proof::Token
            }
            _ => Proof::None,
        }
    }

    fn token(&self, to: SocketAddr, target: Id) -> Token {
        Token(self.secrets.token(to.ip(), target))
    }
}

/// Bytes of replies that name no provider and no contact.
const FIND_NODE_REPLY_SIZE: usize = FIND_NODE_REPLY_SIZE_MAX - K * CONTACT_SIZE;
const FIND_VALUE_REPLY_SIZE: usize =
    FIND_VALUE_REPLY_SIZE_MAX - PROVIDERS_PER_REPLY_MAX * ADDRESS_SIZE - K * CONTACT_SIZE;

/// The answer to a request.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Ping,
    Contacts(Id),
    Providers(FileId),
    Stored(Status),
    Replicated(Status),
    Error(ErrorCode),
}

/// A reply that waits to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    requester: Contact,
    rpc_id: RpcId,
    answer: Answer,
    /// Bytes that it may have at most.
    pub allowance: usize,
    /// The requester is pinged back if the allowance leaves room for it (rule 3).
    is_candidate: bool,
}

impl Kad {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        requester: Contact,
        size: usize,
        request: &Datagram,
    ) {
        let from = requester.address;
        let proof = self.server.proof(from, &request.body);
        let is_open = self.config.network.key().is_none();
        let has_answered = is_open && self.client.addresses.has_answered(now, from);
        let has_proved = proof != Proof::None || has_answered;
        let budget = match has_proved {
            true => &mut self.server.proved,
            false => &mut self.server.unproved,
        };
        let is_within_budget = budget.allow(now, from);
        self.counters.requests += 1;
        self.counters.over_budget += u64::from(!is_within_budget);
        // A sender that has proved its address learns that it is over its budget, at most as often
        // as it would be served without proof.
        let is_answered = is_within_budget || has_proved && self.server.unproved.allow(now, from);
        if !is_answered {
            return;
        }
        let may_be_recorded = !is_open && proof == Proof::None;
        if !may_be_recorded {
            self.table.touch(now, requester);
        }
        let is_store = matches!(request.body, Body::Store { .. } | Body::Replicate { .. });
        let answer = match is_within_budget {
            false => Answer::Error(ErrorCode::Busy),
            // A store without a token is refused for that reason.
            true if may_be_recorded && !is_store => Answer::Error(ErrorCode::Unproved),
            true => self.execute(now, from, proof, request),
        };
        // A token is good for every port of an IP: a recorded one may come from any.
        let is_candidate = !request.read_only && (is_open || proof == Proof::Cookie);
        if has_proved && is_candidate {
            if proof == Proof::Cookie {
                self.client.addresses.proved(from);
            }
            self.add_candidate(now, requester, RetryPolicy::Repeat);
        }
        self.send(Outgoing::Reply(Reply {
            requester,
            rpc_id: request.rpc_id,
            answer,
            allowance: if has_proved { DATAGRAM_SIZE_MAX } else { size },
            is_candidate: is_candidate && !has_proved,
        }));
    }

    fn execute(
        &mut self,
        now: Instant,
        from: SocketAddr,
        proof: Proof,
        request: &Datagram,
    ) -> Answer {
        match request.body {
            Body::FindNode { target, .. } => Answer::Contacts(target),
            Body::FindValue { file, .. } => Answer::Providers(file),
            Body::Store {
                file, port, ttl, ..
            } => {
                let location = SocketAddr::new(from.ip(), port);
                Answer::Stored(match self.is_replayed(now, proof, request.rpc_id) {
                    Ok(false) => self.store_record(now, file, location, ttl),
                    // The reply to the first may have been lost.
                    Ok(true) => self.stored_status(now, file, location, ttl),
                    Err(status) => status,
                })
            }
            Body::Replicate {
                file,
                ref providers,
                ..
            } => Answer::Replicated(match self.is_replayed(now, proof, request.rpc_id) {
                Ok(false) => self.take_unverified(now, file, providers),
                Ok(true) => Status::Stored,
                Err(status) => status,
            }),
            _ => Answer::Ping,
        }
    }

    /// Whether a request that needs a token has been executed before. In an open network it may be
    /// executed again: a node that can record it there can as well make one of its own.
    ///
    /// # Errors
    /// The token is not good.
    fn is_replayed(&mut self, now: Instant, proof: Proof, id: RpcId) -> Result<bool, Status> {
        if proof != Proof::Token {
            self.counters.bad_tokens += 1;
            return Err(Status::BadToken);
        }
        let mut start = [0; 8];
        start.copy_from_slice(&id.0[..8]);
        let (secrets, request) = (&mut self.server.secrets, u64::from_be_bytes(start));
        let is_keyed = self.config.network.key().is_some();
        let is_replayed = is_keyed && !secrets.spend(now, request, &mut self.rng);
        self.counters.replayed += u64::from(is_replayed);
        Ok(is_replayed)
    }

    /// The body of a reply; `None` when not even an error fits its allowance. A requester whose
    /// request is too short for a reply of its own kind, because its cookie is not ours, gets a
    /// good one with an error.
    pub(super) fn reply(
        &mut self,
        now: Instant,
        reply: &Reply,
    ) -> Option<(SocketAddr, Body, RpcId)> {
        let to = reply.requester.address;
        let seen = Seen {
            address: to,
            cookie: Cookie(self.server.secrets.cookie(to)),
        };
        let requester = reply.requester;
        let body = match reply.answer {
            Answer::Ping => Body::PingReply { seen },
            Answer::Contacts(target) => {
                let room = reply.allowance.saturating_sub(FIND_NODE_REPLY_SIZE);
                Body::FindNodeReply {
                    seen,
                    token: self.server.token(to, target),
                    contacts: self.contacts_for(requester, target, room),
                }
            }
            Answer::Providers(file) => {
                let room = reply.allowance.saturating_sub(FIND_VALUE_REPLY_SIZE);
                let providers = self.providers_for(now, requester, file, room);
                let room = room - providers.len() * ADDRESS_SIZE;
                Body::FindValueReply {
                    seen,
                    token: self.server.token(to, file.0),
                    provides: self.announcements.files.contains_key(&file),
                    providers,
                    contacts: self.contacts_for(requester, file.0, room),
                }
            }
            Answer::Stored(status) => Body::StoreReply { seen, status },
            Answer::Replicated(status) => Body::ReplicateReply { seen, status },
            Answer::Error(code) => Body::Error { seen, code },
        };
        if body.size() <= reply.allowance {
            return Some((to, body, reply.rpc_id));
        }
        self.counters.too_short += 1;
        let code = ErrorCode::Unproved;
        let error = Body::Error { seen, code };
        let fits = error.size() <= reply.allowance;
        fits.then_some((to, error, reply.rpc_id))
    }

    /// Some providers that the requester can use, as many as fit into `room` bytes.
    fn providers_for(
        &mut self,
        now: Instant,
        to: Contact,
        file: FileId,
        room: usize,
    ) -> ArrayVec<SocketAddr, PROVIDERS_PER_REPLY_MAX> {
        let sample = self
            .records
            .sample::<PROVIDERS_PER_REPLY_MAX>(now, file, &mut self.rng);
        let locations = sample.iter().map(|record| record.location);
        let useful = locations.filter(|&location| is_of_use(location, to.address));
        useful.take(room / ADDRESS_SIZE).collect()
    }

    /// The closest contacts that the requester can use, as many as fit into `room` bytes; at most
    /// k, and never the requester (rule 9).
    fn contacts_for(&self, to: Contact, target: Id, room: usize) -> Contacts {
        let count = self.config.params.k.min(room / CONTACT_SIZE);
        self.table.closest_where(target, count, |member| {
            let is_useful = is_of_use(member.contact.address, to.address);
            !member.is_stale() && member.contact.id != to.id && is_useful
        })
    }

    /// A reply of `size` bytes was sent. If its allowance leaves room, the requester is pinged, and
    /// its answer puts it into the table (rule 3).
    pub(super) fn ping_back(&mut self, now: Instant, reply: &Reply, size: usize) {
        let room = reply.allowance - size;
        if reply.is_candidate && room >= PING_BACK_SIZE {
            let retry = match room >= 2 * PING_BACK_SIZE {
                true => RetryPolicy::Repeat,
                false => RetryPolicy::Once,
            };
            self.add_candidate(now, reply.requester, retry);
            self.ping_candidates(now);
        }
    }
}
