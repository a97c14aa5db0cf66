//! A record of the wire, independent of the nodes: requests, replies, and bytes to spoofed
//! addresses.
//!
//! It reads the first bytes of datagrams by their layout (`wire::native::datagram`), and never the
//! state of a node. Invariant: an entry is dropped after [`MEMORY`], so that long worlds stay
//! small.

use crate::id::Id;
use crate::time::Instant;
use crate::wire::native::datagram::Kind;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Time for which a request is kept: far longer than a node waits, and longer than hosts are
/// paused.
pub const MEMORY: Duration = Duration::from_secs(1_200);

/// Offset of a datagram's kind.
const KIND: usize = 2;
/// Offsets of its RPC id.
const RPC_ID: std::ops::Range<usize> = 8..28;

/// The RPC id of a request, and the host that sent it.
type Key = (Id, usize);

struct Asked {
    to: SocketAddr,
    kind: u8,
    is_answered: bool,
}

/// The requests of all nodes, and their balances with spoofed addresses.
#[derive(Default)]
pub struct Ledger {
    asked: BTreeMap<Key, Asked>,
    order: VecDeque<(Instant, Key)>,
    /// Bytes that each host received from an address without a host, less the bytes that it sent
    /// there.
    spoofed: BTreeMap<(usize, SocketAddr), i64>,
}

/// The verdict on a datagram that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not a reply.
    NoReply,
    /// It is the first reply to a request.
    Due,
    /// It is a reply without a request of that kind to that address, or not the first one.
    Undue,
}

/// The kind of a native datagram.
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    Kind::from_byte(*bytes.get(KIND)?)
}

fn key(host: usize, bytes: &[u8]) -> Option<Key> {
    Some((Id(bytes.get(RPC_ID)?.try_into().ok()?), host))
}

impl Ledger {
    /// Notes a datagram that `host` sends.
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
        self.asked.entry(key).or_insert_with(|| {
            self.order.push_back((now, key));
            Asked {
                to,
                kind: kind as u8,
                is_answered: false,
            }
        });
    }

    /// Judges a datagram before it is delivered to `host`.
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

    /// Notes that `host` has accepted a reply.
    pub fn answered(&mut self, host: usize, bytes: &[u8]) {
        if let Some(asked) = key(host, bytes).and_then(|key| self.asked.get_mut(&key)) {
            asked.is_answered = true;
        }
    }

    /// Notes a datagram from `ghost`, an address without a host, to `host`.
    pub fn spoofed(&mut self, host: usize, ghost: SocketAddr, size: usize) {
        *self.spoofed.entry((host, ghost)).or_default() += size as i64;
    }

    /// Forgets the balances of a host with a new node.
    pub fn restarted(&mut self, host: usize) {
        self.spoofed.retain(|&(of, _), _| of != host);
    }
}
