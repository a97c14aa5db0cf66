//! The client: sends requests, takes replies, and notices silence.
//!
//! The facts about the sender of a reply (it lives, at this address, and gave a cookie) are used
//! here, for all requests alike; the contents of the reply go where the request's [`Task`] says.
//!
//! Invariant: a reply that answers no request of ours changes nothing (rule 3).

use super::rpc::{Match, Overdue, Pending, RetryPolicy, Rpcs, Task};
use super::{Kad, Outgoing};
use crate::address::{self, Contact};
use crate::dht::{AddressVote, Addresses, Admission, Destinations, Event, Permit};
use crate::time::{Instant, earliest};
use crate::wire::native::datagram::{Body, Cookie, Datagram, ErrorCode, RpcId, Status};
use std::net::SocketAddr;

/// The state of the client: requests under way, and the addresses that they may go to.
#[derive(Default)]
pub(super) struct Client {
    pub rpcs: Rpcs,
    pub addresses: Addresses<Cookie>,
    pub destinations: Destinations,
    pub votes: AddressVote,
}

impl Client {
    /// Whether a request may be sent to `address`; [`Permit::Now`] counts as sent.
    pub fn permit(&mut self, now: Instant, address: SocketAddr) -> Permit {
        match self.rpcs.has_room(1) {
            true => self.addresses.permit(now, address, &mut self.destinations),
            false => Permit::Later,
        }
    }

    /// Whether `address` may be asked if it is a provider; [`Permit::Now`] counts as sent.
    pub fn permit_confirmation(&mut self, now: Instant, address: SocketAddr) -> Permit {
        let (addresses, destinations) = (&mut self.addresses, &mut self.destinations);
        match self.rpcs.has_room(1) {
            true => addresses.permit_confirmation(now, address, destinations),
            false => Permit::Later,
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        earliest(self.rpcs.next_deadline(), self.destinations.waiting_until())
    }
}

impl Kad {
    /// Sends a request that is permitted and has room in the table of requests.
    pub(super) fn ask(&mut self, pending: Pending) {
        let id = self.client.rpcs.add(pending, &mut self.rng);
        self.send(Outgoing::Request(id));
    }

    /// Asks a contact, if that is permitted now.
    pub(super) fn try_ask(
        &mut self,
        now: Instant,
        contact: Contact,
        task: Task,
        retry: RetryPolicy,
    ) -> Permit {
        let permit = self.client.permit(now, contact.address);
        if permit == Permit::Now {
            let to = (contact.address, Some(contact.id));
            self.ask(Pending::new(now, to, task, retry));
        }
        permit
    }

    /// The datagram of a request that still waits.
    pub(super) fn request(&mut self, now: Instant, id: RpcId) -> Option<(SocketAddr, Body, RpcId)> {
        let pending = self.client.rpcs.pending(id)?;
        let cookie = self.client.addresses.cookie(now, pending.to);
        Some((pending.to, pending.request(&self.config, cookie), id))
    }

    /// Asks whether a node is at `address`, for the owner: [`Event::Pinged`] follows. The owner
    /// names the address, so it may be asked at any time. False: no node can be there, or too many
    /// requests wait.
    pub fn ping(&mut self, now: Instant, address: SocketAddr) -> bool {
        let address = address::canonical(address);
        let is_possible = address::is_usable(address) && self.client.rpcs.has_room(1);
        if is_possible {
            let to = (address, None);
            self.ask(Pending::new(now, to, Task::Ping, RetryPolicy::Repeat));
        }
        is_possible
    }

    pub(super) fn handle_reply(&mut self, now: Instant, from: Contact, reply: Datagram) {
        let Some(seen) = reply.body.seen() else {
            return;
        };
        let pending = match self
            .client
            .rpcs
            .take(reply.rpc_id, from.address, reply.body.kind())
        {
            Match::Unexpected => {
                self.counters.unexpected += 1;
                return;
            }
            Match::Late => None,
            Match::Answer(pending) => Some(pending),
        };
        self.client
            .addresses
            .answered(now, from.address, seen.cookie);
        self.client.votes.count(from.address, seen.address);
        let expected = pending.as_ref().and_then(Pending::contact);
        let other = expected.filter(|expected| expected.id != from.id);
        if let Some(expected) = other {
            self.table.failed(now, expected);
        }
        if !reply.read_only {
            self.admit(now, from);
        }
        let Some(pending) = pending else {
            self.counters.late_replies += 1;
            return;
        };
        self.counters.replies += 1;
        let code = match reply.body {
            Body::Error { code, .. } => Some(code),
            _ => None,
        };
        let wants_proof = code == Some(ErrorCode::Unproved) && other.is_none();
        let is_first = pending.retry == RetryPolicy::Repeat;
        if wants_proof && is_first && self.client.rpcs.has_room(1) {
            // It gave us a cookie to ask with. Only once: it must not keep us busy.
            let (to, proved) = ((pending.to, pending.expected), RetryPolicy::Proved);
            self.ask(Pending::new(now, to, pending.task, proved));
        } else if code.is_some() || other.is_some() {
            self.fail(now, pending);
        } else {
            self.complete(now, pending, from, reply.body);
        }
    }

    /// Handles requests that are slow, and gives up those that are overdue.
    pub(super) fn handle_overdue(&mut self, now: Instant) {
        while let Some(overdue) = self.client.rpcs.overdue(now) {
            match overdue {
                Overdue::Slow(id) => self.slow(id),
                Overdue::Silent(pending) => {
                    self.counters.timeouts += 1;
                    self.client.addresses.silent(now, pending.to);
                    if let Some(contact) = pending.contact() {
                        self.table.failed(now, contact);
                    }
                    self.fail(now, pending);
                }
            }
        }
    }

    fn slow(&mut self, id: RpcId) {
        let Some(pending) = self.client.rpcs.pending(id) else {
            return;
        };
        if let (Task::Lookup(number, ..), Some(contact)) = (&pending.task, pending.contact()) {
            if let Some(lookup) = self.lookups.running.get_mut(number) {
                lookup.slow(contact);
            }
        }
        if pending.is_repeated() {
            self.send(Outgoing::Request(id));
        }
    }

    /// A node has answered us: the table may admit it (rule 3), and then it gets the records that
    /// it should hold.
    fn admit(&mut self, now: Instant, contact: Contact) {
        let was_cut_off = self.table.is_cut_off();
        let member = self.table.member(contact.id);
        let was_silent = member.is_some_and(|member| member.failures > 0);
        match self.table.answered(now, contact) {
            Admission::Added => {
                self.hand_over(contact);
                self.push_event(Event::Met);
            }
            Admission::Refused => self.verify_member(now, contact),
            // It may have been cut off from us when we announced.
            Admission::Known if was_silent => self.extend_announcements(contact),
            Admission::Known | Admission::Cached => {}
        }
        if was_cut_off && !self.table.is_cut_off() {
            self.join_anew();
        }
    }

    /// The request was answered by a reply of its own kind.
    fn complete(&mut self, now: Instant, pending: Pending, from: Contact, body: Body) {
        let address = from.address;
        match (pending.task, body) {
            (Task::Bootstrap, _) => self.bootstrapped(from),
            (Task::Ping, _) => {
                let took = Some(now.since(pending.sent_at));
                self.push_event(Event::Pinged { address, took });
            }
            (Task::Lookup(number, ..), body) => self.lookup_answered(number, from, &body),
            (Task::FindToken(store), Body::FindNodeReply { token, .. }) => {
                self.token_received(now, store, token);
            }
            (Task::Store(store), Body::StoreReply { status, .. })
            | (Task::Store(store), Body::ReplicateReply { status, .. }) => {
                self.store_done(now, store, status == Status::Stored);
            }
            (Task::Confirm(file, ttl), Body::FindValueReply { provides: true, .. }) => {
                self.provider_confirmed(now, file, address, ttl);
            }
            _ => {}
        }
    }

    /// The request will not be answered, or not by a reply of its own kind from the expected node.
    fn fail(&mut self, now: Instant, pending: Pending) {
        let (address, contact) = (pending.to, pending.contact());
        match pending.task {
            Task::Lookup(number, ..) => {
                let lookup = self.lookups.running.get_mut(&number);
                if let (Some(lookup), Some(contact)) = (lookup, contact) {
                    lookup.failed(contact);
                }
            }
            Task::Bootstrap => self.bootstrap_silent(now, address),
            Task::Ping => self.push_event(Event::Pinged {
                address,
                took: None,
            }),
            Task::FindToken(store) | Task::Store(store) => self.store_done(now, store, false),
            Task::Holder(file) => {
                if let Some(contact) = contact {
                    self.holder_lost(now, file, contact);
                }
            }
            Task::Liveness | Task::Confirm(..) => {}
        }
    }
}
