//! Local discovery: finds the nodes of the local network when nobody has named one.
//!
//! ```text
//!   caller                                         every other node of the link
//!     │ Query (multicast): who is there? ────────────────►│
//!     │◄──────────── Response (to the caller alone): I am ─┤  the call's nonce, and a cookie
//!     │ Ping, with the cookie ──────────────────────────►│  the caller has proved its address:
//!     │◄──────────────────────── PingReply, and a Ping ──┤  it is a candidate as well (rule 3)
//! ```
//!
//! A call makes nobody a candidate, and an answer only with the nonce of our own last call: what was
//! recorded earlier, or is sent in the name of others, has no effect. All the rest goes by
//! Kademlia's ordinary rules, budgets included.
//!
//! A node calls four times in its first two seconds, once more, and then every ten minutes, for those
//! whom multicast did not reach. A fleet that gets its power back at once answers in bounded
//! numbers ([`DISCOVERY_ANSWERS`]): each is told of a few dozen others, which is all that it needs.
//!
//! Not here: the interfaces, and whether a discovery message came from a network of ours; the driver knows that.
//! Invariant: a node that was not told to discover neither calls nor answers.

use super::rpc::Effort;
use super::{Kad, Outgoing, jittered};
use crate::address::{self, Contact};
use crate::dht::budget::{Rate, Sources};
use crate::limits::{
    DISCOVERY_ANSWERS, DISCOVERY_ANSWERS_EACH, DISCOVERY_CALLERS_MAX, DISCOVERY_PATIENCE,
};
use crate::limits::{DISCOVERY_PAUSES, DISCOVERY_PERIOD};
use crate::time::Instant;
use crate::wire::native::datagram::Cookie;
use crate::wire::native::discovery::{Discovery, Kind};
use std::net::SocketAddr;

/// When we call, and whom we answer.
pub(super) struct LanDiscovery {
    /// When to call next; `None`: this node does not discover.
    pub(super) call_at: Option<Instant>,
    /// A call waits to be sent.
    is_due: bool,
    /// Calls since the start, or since the network changed.
    calls: usize,
    /// The nonce of the last call.
    nonce: u64,
    /// Until then, whoever hears the first call may answer; `None` afterwards.
    pub(super) patient_until: Option<Instant>,
    answers: Rate,
    answers_each: Sources,
}

impl Default for LanDiscovery {
    fn default() -> LanDiscovery {
        LanDiscovery {
            call_at: None,
            is_due: false,
            calls: 0,
            nonce: 0,
            patient_until: None,
            answers: Rate::default(),
            answers_each: Sources::new(DISCOVERY_ANSWERS_EACH, DISCOVERY_CALLERS_MAX),
        }
    }
}

impl Kad {
    /// Looks for nodes of the local network from now on: calls at once, soon again, and then now and then. To be
    /// told again when a network has come.
    pub fn discover(&mut self, now: Instant) {
        self.discovery.call_at = Some(now);
        self.discovery.calls = 0;
        self.discovery.patient_until = Some(now + DISCOVERY_PATIENCE);
        self.call_if_due(now);
    }

    /// A discovery message came from `from`, which is of a network that this host is attached to.
    pub fn handle_discovery(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.secrets.rotate(now, &mut self.rng);
        let Ok(message) = Discovery::parse(bytes, self.config.network) else {
            self.counters.damaged += 1;
            return;
        };
        let location = address::canonical(SocketAddr::new(from.ip(), message.port));
        if message.sender == self.config.id || !address::is_usable(location) {
            self.counters.from_self += 1;
            return;
        }
        if self.discovery.call_at.is_none() {
            return;
        }
        match message.kind {
            Kind::Query => self.answer_call(now, location, message.nonce),
            Kind::Response(cookie)
                if self.discovery.calls > 0 && message.nonce == self.discovery.nonce =>
            {
                self.addresses.given(now, location, cookie);
                let contact = Contact {
                    id: message.sender,
                    address: location,
                };
                self.consider(now, contact, Effort::Usual);
            }
            Kind::Response(_) => self.counters.unexpected += 1,
        }
        self.advance(now);
    }

    /// Writes a call into `buffer`, if one is due: to be sent to the group at every interface. Its
    /// size.
    pub fn poll_discovery(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if !std::mem::take(&mut self.discovery.is_due) {
            return None;
        }
        let size = self.emit_discovery(Kind::Query, self.discovery.nonce, buffer);
        self.counters.sent += 1;
        self.counters.sent_bytes += size as u64;
        Some(size)
    }

    /// Has a call sent if it is time, and ends the wait for the first answers.
    pub(super) fn call_if_due(&mut self, now: Instant) {
        if self.discovery.call_at.is_some_and(|at| at <= now) {
            let pause = DISCOVERY_PAUSES.get(self.discovery.calls).copied();
            if self.discovery.calls == 0 || pause.is_none() {
                self.discovery.nonce = self.rng.number();
            }
            let pause = jittered(pause.unwrap_or(DISCOVERY_PERIOD), &mut self.rng);
            self.discovery.call_at = Some(now + pause);
            self.discovery.calls = self.discovery.calls.saturating_add(1);
            self.discovery.is_due = true;
        }
        if self
            .discovery
            .patient_until
            .is_some_and(|until| until <= now)
        {
            self.discovery.patient_until = None;
        }
    }

    /// Whether nodes that we have called may still answer for the first time.
    pub(super) fn awaits_answers(&self) -> bool {
        self.discovery.patient_until.is_some()
    }

    /// Writes the answer to a call, which is as long as that.
    pub(super) fn emit_answer(&self, to: SocketAddr, nonce: u64, buffer: &mut [u8]) -> usize {
        self.emit_discovery(
            Kind::Response(Cookie(self.secrets.cookie(to))),
            nonce,
            buffer,
        )
    }

    fn answer_call(&mut self, now: Instant, to: SocketAddr, nonce: u64) {
        let is_welcome = self.discovery.answers_each.allow(now, to);
        if is_welcome && self.discovery.answers.allow(now, DISCOVERY_ANSWERS) {
            self.send(Outgoing::Answer { to, nonce });
        } else {
            self.counters.over_budget += 1;
        }
    }

    fn emit_discovery(&self, kind: Kind, nonce: u64, buffer: &mut [u8]) -> usize {
        let (sender, port) = (self.config.id, self.config.port);
        Discovery {
            kind,
            sender,
            port,
            nonce,
        }
        .emit(self.config.network, buffer)
    }
}
