//! What went over the wire, kept apart from the nodes: who asked whom, who was answered, who was
//! spoofed.
//!
//! It reads the first bytes of datagrams by their layout (`wire::native::datagram`), never what a node
//! believes. Invariant: an entry is forgotten after [`MEMORY`], so that long worlds stay small.

use crate::id::Id;
use crate::time::Instant;
use crate::wire::native::datagram::Kind;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a request is remembered: far longer than a node waits, and longer than hosts stand
/// still.
pub const MEMORY: Duration = Duration::from_secs(1_200);

/// Where a datagram's kind stands.
const KIND: usize = 2;
/// Where its RPC id stands.
const RPC_ID: std::ops::Range<usize> = 8..28;

/// The RPC id of a request, and the host that sent it.
type Key = (Id, usize);

struct Asked {
    to: SocketAddr,
    kind: u8,
    is_answered: bool,
}

/// The requests of all nodes, and the bytes of those who were spoofed.
#[derive(Default)]
pub struct Ledger {
    asked: BTreeMap<Key, Asked>,
    order: VecDeque<(Instant, Key)>,
    /// Bytes that each host got from an address where nobody is, less what it sent there.
    spoofed: BTreeMap<(usize, SocketAddr), i64>,
}

/// Whether a reply may be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is no reply.
    NoReply,
    /// It answers a request, for the first time.
    Due,
    /// Nobody asked for it, not there, not for that kind, or it was answered before.
    Undue,
}

/// Whether a datagram is a reply; `None` when it is none of ours.
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    Kind::from_byte(*bytes.get(KIND)?)
}

fn key(host: usize, bytes: &[u8]) -> Option<Key> {
    Some((Id(bytes.get(RPC_ID)?.try_into().ok()?), host))
}

impl Ledger {
    /// `host` has sent a datagram.
    pub fn sent(&mut self, now: Instant, host: usize, to: SocketAddr, bytes: &[u8]) {
        if let Some(balance) = self.spoofed.get_mut(&(host, to)) {
            *balance -= bytes.len() as i64;
            assert!(
                *balance >= 0,
                "host {host} sent more to the unproved {to} than came from it"
            );
        }
        let (Some(kind), Some(key)) = (kind(bytes), key(host, bytes)) else {
            return;
        };
        if kind.is_reply() {
            return;
        }
        while let Some(&(at, old)) = self.order.front() {
            if now.since(at) < MEMORY {
                break;
            }
            self.order.pop_front();
            self.asked.remove(&old);
        }
        let repeated = self.asked.contains_key(&key);
        if !repeated {
            self.order.push_back((now, key));
            let kind = kind as u8;
            let is_answered = false;
            self.asked.insert(
                key,
                Asked {
                    to,
                    kind,
                    is_answered,
                },
            );
        }
    }

    /// A datagram is about to be given to `host`.
    pub fn judge(&self, host: usize, from: SocketAddr, bytes: &[u8]) -> Verdict {
        let (Some(kind), Some(key)) = (kind(bytes), key(host, bytes)) else {
            return Verdict::Undue;
        };
        if !kind.is_reply() {
            return Verdict::NoReply;
        }
        let is_due = |asked: &&Asked| {
            let fits = kind == Kind::Error || kind as u8 == asked.kind | 0x80;
            asked.to == from && fits && !asked.is_answered
        };
        match self.asked.get(&key).filter(is_due) {
            Some(_) => Verdict::Due,
            None => Verdict::Undue,
        }
    }

    /// `host` has accepted a reply.
    pub fn answered(&mut self, host: usize, bytes: &[u8]) {
        if let Some(asked) = key(host, bytes).and_then(|key| self.asked.get_mut(&key)) {
            asked.is_answered = true;
        }
    }

    /// A datagram from `ghost`, where nobody is, was given to `host`.
    pub fn spoofed(&mut self, host: usize, ghost: SocketAddr, size: usize) {
        *self.spoofed.entry((host, ghost)).or_default() += size as i64;
    }

    /// A host has a new node, which owes nobody anything.
    pub fn restarted(&mut self, host: usize) {
        self.spoofed.retain(|&(of, _), _| of != host);
    }
}
