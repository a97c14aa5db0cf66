//! The client: sends requests, takes replies, and notices silence.
//!
//! What a reply teaches about its sender (it lives, at this address, and gave a cookie) is taken in
//! here, for all requests alike; what it brings is passed on by the request's [`Task`].
//!
//! Invariant: nothing is learnt from a reply that does not answer a request of ours (rule 3).

use super::rpc::{Effort, Match, Overdue, Pending, Request, Task};
use super::{Kad, Outgoing};
use crate::address::{self, Contact};
use crate::dht::Event;
use crate::dht::addresses::Permit;
use crate::dht::table::Admission;
use crate::time::Instant;
use crate::wire::native::datagram::{Body, Cookie, Datagram, ErrorCode, RpcId, Status};
use std::net::SocketAddr;
use std::time::Duration;

impl Kad {
    /// Sends a request; whoever calls has the permit of `addresses` and room in `rpcs`.
    pub(super) fn ask(&mut self, pending: Pending) {
        let id = self.rpcs.add(pending, &mut self.rng);
        self.send(Outgoing::Request(id));
    }

    /// Asks a contact, if that may be now.
    pub(super) fn try_ask(
        &mut self,
        now: Instant,
        contact: Contact,
        what: (Request, Task, Effort),
    ) -> Permit {
        if !self.rpcs.has_room(1) {
            return Permit::Later;
        }
        let permit = self
            .addresses
            .permit(now, contact.address, &mut self.destinations);
        if permit == Permit::Now {
            self.ask(Pending::new(now, (contact.address, Some(contact.id)), what));
        }
        permit
    }

    /// The datagram of a request that still waits.
    pub(super) fn request(&mut self, now: Instant, id: RpcId) -> Option<(SocketAddr, Body, RpcId)> {
        let pending = self.rpcs.pending(id)?;
        let mut cookie = self.addresses.cookie(now, pending.to);
        let is_padded = match pending.request {
            // An error is longer than a short ping: whoever has forgotten its cookie would be silent.
            Request::Ping => {
                cookie = if pending.is_slow() {
                    Cookie::NONE
                } else {
                    cookie
                };
                true
            }
            Request::FindNode(_) | Request::FindValue(_) => {
                // Where the network has a key, nothing but a cookie comes of it.
                let Kad {
                    lookups, config, ..
                } = self;
                config.network.key().is_none()
                    && matches!(&pending.task, Task::Lookup(number)
                    if lookups.get(number).is_some_and(|lookup| lookup.purpose.is_awaited()))
            }
            // Their token is the proof.
            Request::Store { .. } | Request::Replicate { .. } => false,
        };
        pending.had_cookie = cookie != Cookie::NONE;
        let is_padded = is_padded && !pending.had_cookie;
        Some((pending.to, pending.request.body(cookie, is_padded), id))
    }

    /// Asks whether a node is at `address`, because our owner wants to know:
    /// [`Event::Pinged`] follows. It is the owner who names it, so it may be asked at any time. False:
    /// no node can be there, or too many requests wait.
    pub fn ping(&mut self, now: Instant, address: SocketAddr) -> bool {
        let address = address::canonical(address);
        let is_possible = address::is_usable(address) && self.rpcs.has_room(1);
        if is_possible {
            let what = (Request::Ping, Task::Ping, Effort::Usual);
            self.ask(Pending::new(now, (address, None), what));
        }
        is_possible
    }

    fn pinged(&mut self, address: SocketAddr, took: Option<Duration>) {
        self.tell(Event::Pinged { address, took });
    }

    pub(super) fn handle_reply(&mut self, now: Instant, from: SocketAddr, datagram: Datagram) {
        let Some(seen) = datagram.body.seen() else {
            return;
        };
        let contact = Contact {
            id: datagram.sender,
            address: from,
        };
        let pending = match self.rpcs.take(datagram.rpc_id, from, datagram.body.kind()) {
            Match::Unexpected => {
                self.counters.unexpected += 1;
                return;
            }
            Match::Late => None,
            Match::Answer(pending) => Some(pending),
        };
        self.addresses.answered(now, from, seen.cookie);
        self.votes.count(from, seen.address);
        let expected = pending.as_ref().and_then(Pending::contact);
        let is_another = expected.is_some_and(|expected| expected.id != contact.id);
        if let Some(expected) = expected.filter(|_| is_another) {
            self.table.failed(now, expected);
        }
        if !datagram.read_only {
            self.admit(now, contact);
        }
        let Some(pending) = pending else {
            self.counters.late_replies += 1;
            return;
        };
        self.counters.replies += 1;
        let is_unproved = matches!(
            datagram.body,
            Body::Error {
                code: ErrorCode::Unproved,
                ..
            }
        );
        if is_unproved && !is_another && pending.effort == Effort::Usual && self.rpcs.has_room(1) {
            // It gave us a cookie to ask with. Only once: it must not keep us busy.
            let what = (pending.request, pending.task, Effort::Proved);
            return self.ask(Pending::new(now, (pending.to, pending.expected), what));
        }
        if is_another || matches!(datagram.body, Body::Error { .. }) {
            self.fail(now, pending);
        } else {
            self.complete(now, pending, contact, datagram.body);
        }
    }

    /// Requests that have become slow, or are given up.
    pub(super) fn handle_overdue(&mut self, now: Instant) {
        while let Some(overdue) = self.rpcs.overdue(now) {
            match overdue {
                Overdue::Slow(id) => self.slow(id),
                Overdue::Silent(pending) => {
                    self.counters.timeouts += 1;
                    self.addresses.silent(now, pending.to);
                    if let Some(contact) = pending.contact() {
                        self.table.failed(now, contact);
                    }
                    self.fail(now, pending);
                }
            }
        }
    }

    fn slow(&mut self, id: RpcId) {
        let Some(pending) = self.rpcs.pending(id) else {
            return;
        };
        if let (Task::Lookup(lookup), Some(contact)) = (&pending.task, pending.contact()) {
            if let Some(lookup) = self.lookups.get_mut(lookup) {
                lookup.slow(contact);
            }
        }
        if pending.is_repeated() {
            self.send(Outgoing::Request(id));
        }
    }

    /// A node has answered us: the table may take it in (rule 3), and with it come duties.
    fn admit(&mut self, now: Instant, contact: Contact) {
        let was_cut_off = self.table.is_cut_off();
        let member = self.table.member(contact.id);
        let was_silent = member.is_some_and(|member| member.failures > 0);
        match self.table.answered(now, contact) {
            Admission::Added => {
                self.hand_over(contact);
                self.tell(Event::Met);
            }
            Admission::Refused => self.consider_moved(now, contact),
            // It may have been cut off from us when we announced.
            Admission::Known if was_silent => self.extend_announcements(contact),
            Admission::Known | Admission::Cached => {}
        }
        if was_cut_off && !self.table.is_cut_off() {
            self.join_anew();
        }
    }

    /// The request was answered in its own kind.
    fn complete(&mut self, now: Instant, pending: Pending, contact: Contact, body: Body) {
        let took = now.since(pending.sent_at());
        match (pending.task, body) {
            (Task::Bootstrap, _) => self.bootstrapped(contact),
            (Task::Ping, _) => self.pinged(contact.address, Some(took)),
            (Task::Lookup(lookup), body) => self.lookup_answered(lookup, contact, &body),
            (Task::Prepare(errand), Body::FindNodeReply { token, .. }) => {
                self.errand_prepared(now, errand, token);
            }
            (Task::Deliver(errand), Body::StoreReply { status, .. })
            | (Task::Deliver(errand), Body::ReplicateReply { status, .. }) => {
                self.errand_done(now, errand, status == Status::Stored);
            }
            (Task::Confirm(file, ttl), Body::FindValueReply { provides: true, .. }) => {
                self.provider_confirmed(now, file, contact.address, ttl);
            }
            _ => {}
        }
    }

    /// The request will not be answered, not in its own kind, or not by whom it was meant for.
    fn fail(&mut self, now: Instant, pending: Pending) {
        let contact = pending.contact();
        match pending.task {
            Task::Lookup(lookup) => {
                if let (Some(lookup), Some(contact)) = (self.lookups.get_mut(&lookup), contact) {
                    lookup.failed(contact);
                }
            }
            Task::Bootstrap => self.bootstrap_silent(now, pending.to),
            Task::Ping => self.pinged(pending.to, None),
            Task::Prepare(errand) | Task::Deliver(errand) => self.errand_done(now, errand, false),
            Task::Holder(file) => {
                if let Some(contact) = contact {
                    self.holder_lost(now, file, contact);
                }
            }
            Task::Liveness | Task::Confirm(..) => {}
        }
    }
}
