//! Local discovery: finds the nodes of the local network without a bootstrap address.
//!
//! ```text
//!   node A                                         every other node of the link
//!     │ Query (multicast) ───────────────────────────────►│
//!     │◄──────────────────── Response (to A alone) ───────┤  A's nonce, and a cookie
//!     │ Ping, with the cookie ───────────────────────────►│  A has proved its address:
//!     │◄──────────────────────── PingReply, and a Ping ───┤  it is a candidate as well (rule 3)
//! ```
//!
//! A query makes no candidate, and a response only with the nonce of our own last query: a recorded
//! message, or one in the name of another node, has no effect. Everything else follows Kademlia's
//! ordinary rules, budgets included.
//!
//! A node sends four queries in its first two seconds, one more, and then one every ten minutes,
//! for nodes that multicast did not reach. A fleet that gets its power back at once responds in
//! bounded numbers ([`DISCOVERY_ANSWERS`]): each node learns of a few dozen others, which is
//! enough.
//!
//! The driver knows the interfaces, and `node::datagrams` that a message is from a link of ours.
//! Invariant: before [`Kad::discover`], a node sends neither queries nor responses.

use super::rpc::RetryPolicy;
use super::{Kad, Outgoing};
use crate::address::{self, Contact};
use crate::dht::{Budget, SourceBudgets};
use crate::limits::{DISCOVERY_ANSWERS, DISCOVERY_ANSWERS_EACH, DISCOVERY_CALLERS_MAX};
use crate::limits::{DISCOVERY_PATIENCE, DISCOVERY_PAUSES, DISCOVERY_PERIOD};
use crate::time::{Instant, earliest};
use crate::wire::native::datagram::Cookie;
use crate::wire::native::discovery::{Discovery, Kind};
use std::net::SocketAddr;

/// When this node sends queries, and which it answers.
pub(super) struct LanDiscovery {
    /// When to send the next query; `None` before [`Kad::discover`].
    query_at: Option<Instant>,
    /// A query waits to be polled.
    is_due: bool,
    /// Queries since the start, or since the network changed.
    queries: usize,
    /// The nonce of the last query.
    nonce: u64,
    /// Until then, nodes may respond to the first query; `None` afterwards.
    patient_until: Option<Instant>,
    responses: Budget,
    responses_each: SourceBudgets,
}

impl Default for LanDiscovery {
    fn default() -> LanDiscovery {
        LanDiscovery {
            query_at: None,
            is_due: false,
            queries: 0,
            nonce: 0,
            patient_until: None,
            responses: Budget::default(),
            responses_each: SourceBudgets::new(DISCOVERY_ANSWERS_EACH, DISCOVERY_CALLERS_MAX),
        }
    }
}

impl LanDiscovery {
    /// Whether nodes may still respond for the first time.
    pub fn awaits_responses(&self) -> bool {
        self.patient_until.is_some()
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        earliest(self.query_at, self.patient_until)
    }
}

impl Kad {
    /// Looks for nodes of the local network from now on: a query at once, soon others, and then now
    /// and then. Call it again when this host is attached to another network.
    pub fn discover(&mut self, now: Instant) {
        self.discovery.query_at = Some(now);
        self.discovery.queries = 0;
        self.discovery.patient_until = Some(now + DISCOVERY_PATIENCE);
        self.run_discovery(now);
    }

    /// A discovery message came from `from`, which is on a link of this host.
    pub fn handle_discovery(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.server.secrets.rotate(now, &mut self.rng);
        let Ok(message) = Discovery::parse(bytes, self.config.network) else {
            self.counters.damaged += 1;
            return;
        };
        let (id, address) = (message.sender, SocketAddr::new(from.ip(), message.port));
        let address = address::canonical(address);
        if id == self.config.id || !address::is_usable(address) {
            self.counters.from_self += 1;
            return;
        }
        if self.discovery.query_at.is_none() {
            return;
        }
        let is_ours = self.discovery.queries > 0 && message.nonce == self.discovery.nonce;
        match message.kind {
            Kind::Query => self.answer_query(now, address, message.nonce),
            Kind::Response(cookie) if is_ours => {
                self.client.addresses.received_cookie(now, address, cookie);
                self.add_candidate(now, Contact { id, address }, RetryPolicy::Repeat);
            }
            Kind::Response(_) => self.counters.unexpected += 1,
        }
        self.advance(now);
    }

    /// Writes a query into `buffer`, if one is due, and returns its size. It is to be sent to the
    /// group at every interface.
    pub fn poll_discovery(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if !std::mem::take(&mut self.discovery.is_due) {
            return None;
        }
        let size = self.emit_discovery(Kind::Query, self.discovery.nonce, buffer);
        self.counters.sent += 1;
        self.counters.sent_bytes += size as u64;
        Some(size)
    }

    /// Makes a query due if it is time, and ends the wait for the first responses.
    pub(super) fn run_discovery(&mut self, now: Instant) {
        let discovery = &mut self.discovery;
        if discovery.query_at.is_some_and(|at| at <= now) {
            let pause = DISCOVERY_PAUSES.get(discovery.queries).copied();
            if discovery.queries == 0 || pause.is_none() {
                discovery.nonce = self.rng.number();
            }
            let pause = self.rng.jittered(pause.unwrap_or(DISCOVERY_PERIOD));
            discovery.query_at = Some(now + pause);
            discovery.queries = discovery.queries.saturating_add(1);
            discovery.is_due = true;
        }
        if discovery.patient_until.is_some_and(|until| until <= now) {
            discovery.patient_until = None;
        }
    }

    /// Writes the response to a query, which is as long as the query.
    pub(super) fn emit_response(&self, to: SocketAddr, nonce: u64, buffer: &mut [u8]) -> usize {
        let cookie = Cookie(self.server.secrets.cookie(to));
        self.emit_discovery(Kind::Response(cookie), nonce, buffer)
    }

    fn answer_query(&mut self, now: Instant, to: SocketAddr, nonce: u64) {
        let is_within_budget = self.discovery.responses_each.allow(now, to)
            && self.discovery.responses.allow(now, DISCOVERY_ANSWERS);
        if is_within_budget {
            self.send(Outgoing::Response { to, nonce });
        } else {
            self.counters.over_budget += 1;
        }
    }

    fn emit_discovery(&self, kind: Kind, nonce: u64, buffer: &mut [u8]) -> usize {
        let message = Discovery {
            kind,
            sender: self.config.id,
            port: self.config.port,
            nonce,
        };
        message.emit(self.config.network, buffer)
    }
}
