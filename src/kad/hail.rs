//! Hails: finds the nodes of the local network when nobody has named one.
//!
//! ```text
//!   caller                                         every other node of the link
//!     │ Call (multicast): who is there? ────────────────►│
//!     │◄──────────── Answer (to the caller alone): I am ─┤  the call's nonce, and a cookie
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
//! numbers ([`HAIL_ANSWERS`]): each is told of a few dozen others, which is all that it needs.
//!
//! Not here: the interfaces, and whether a hail came from a network of ours; the driver knows that.
//! Invariant: a node that was not told to hail neither calls nor answers.

use super::budget::{Rate, Sources};
use super::rpc::Effort;
use super::{Kad, Outgoing, jittered};
use crate::limits::{HAIL_ANSWERS, HAIL_ANSWERS_EACH, HAIL_CALLERS_MAX, HAIL_PATIENCE};
use crate::limits::{HAIL_PAUSES, HAIL_PERIOD};
use crate::time::Instant;
use crate::wire::address;
use crate::wire::datagram::Contact;
use crate::wire::hail::{Hail, Kind};
use std::net::SocketAddr;

/// When we call, and whom we answer.
pub(super) struct Hails {
    /// When to call next; `None`: this node does not hail.
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

impl Default for Hails {
    fn default() -> Hails {
        Hails {
            call_at: None,
            is_due: false,
            calls: 0,
            nonce: 0,
            patient_until: None,
            answers: Rate::default(),
            answers_each: Sources::new(HAIL_ANSWERS_EACH, HAIL_CALLERS_MAX),
        }
    }
}

impl Kad {
    /// Hails the local network from now on: calls at once, soon again, and then now and then. To be
    /// told again when a network has come.
    pub fn hail(&mut self, now: Instant) {
        self.hails.call_at = Some(now);
        self.hails.calls = 0;
        self.hails.patient_until = Some(now + HAIL_PATIENCE);
        self.call_if_due(now);
    }

    /// A hail came from `from`, which is of a network that this host is attached to.
    pub fn handle_hail(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.secrets.rotate(now, &mut self.rng);
        let Ok(hail) = Hail::parse(bytes, self.config.network) else {
            self.counters.damaged += 1;
            return;
        };
        let location = address::canonical(SocketAddr::new(from.ip(), hail.port));
        if hail.sender == self.config.id || !address::is_usable(location) {
            self.counters.from_self += 1;
            return;
        }
        if self.hails.call_at.is_none() {
            return;
        }
        match hail.kind {
            Kind::Call => self.answer_call(now, location, hail.nonce),
            Kind::Answer(cookie) if self.hails.calls > 0 && hail.nonce == self.hails.nonce => {
                self.addresses.given(now, location, cookie);
                let contact = Contact {
                    id: hail.sender,
                    address: location,
                };
                self.consider(now, contact, Effort::Usual);
            }
            Kind::Answer(_) => self.counters.unexpected += 1,
        }
        self.advance(now);
    }

    /// Writes a call into `buffer`, if one is due: to be sent to the group at every interface. Its
    /// size.
    pub fn poll_call(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if !std::mem::take(&mut self.hails.is_due) {
            return None;
        }
        let size = self.emit_hail(Kind::Call, self.hails.nonce, buffer);
        self.counters.sent += 1;
        self.counters.sent_bytes += size as u64;
        Some(size)
    }

    /// Has a call sent if it is time, and ends the wait for the first answers.
    pub(super) fn call_if_due(&mut self, now: Instant) {
        if self.hails.call_at.is_some_and(|at| at <= now) {
            let pause = HAIL_PAUSES.get(self.hails.calls).copied();
            if self.hails.calls == 0 || pause.is_none() {
                self.hails.nonce = self.rng.number();
            }
            let pause = jittered(pause.unwrap_or(HAIL_PERIOD), &mut self.rng);
            self.hails.call_at = Some(now + pause);
            self.hails.calls = self.hails.calls.saturating_add(1);
            self.hails.is_due = true;
        }
        if self.hails.patient_until.is_some_and(|until| until <= now) {
            self.hails.patient_until = None;
        }
    }

    /// Whether nodes that we have called may still answer for the first time.
    pub(super) fn awaits_answers(&self) -> bool {
        self.hails.patient_until.is_some()
    }

    /// Writes the answer to a call, which is as long as that.
    pub(super) fn emit_answer(&self, to: SocketAddr, nonce: u64, buffer: &mut [u8]) -> usize {
        self.emit_hail(Kind::Answer(self.secrets.cookie(to)), nonce, buffer)
    }

    fn answer_call(&mut self, now: Instant, to: SocketAddr, nonce: u64) {
        let is_welcome = self.hails.answers_each.allow(now, to);
        if is_welcome && self.hails.answers.allow(now, HAIL_ANSWERS) {
            self.send(Outgoing::Answer { to, nonce });
        } else {
            self.counters.over_budget += 1;
        }
    }

    fn emit_hail(&self, kind: Kind, nonce: u64, buffer: &mut [u8]) -> usize {
        let (sender, port) = (self.config.id, self.config.port);
        Hail {
            kind,
            sender,
            port,
            nonce,
        }
        .emit(self.config.network, buffer)
    }
}
