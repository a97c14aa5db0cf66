//! What nodes' datagrams are for: bytes by cause, replies counted with what they answer.
//!
//! It reads what goes over the wire and never asks a node. What it is not: a check. Invariant:
//! every byte is counted once; the entries of requests that stay unanswered are forgotten with
//! [`Traffic::clear`].

use crate::id::{Id, NodeId};
use crate::time::Instant;
use crate::wire::native::datagram::{Body, Datagram, RpcId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Why a datagram was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A node's first lookup of its own id.
    Join,
    /// Its later ones.
    Settle,
    /// Lookups of other ids that are no file's: refreshes of buckets.
    Refresh,
    /// Lookups for a file's id, to announce it or to get leave to store.
    Announce,
    /// Lookups for providers, and questions to one whether it is.
    Find,
    /// Whether somebody is there: nodes to join through, candidates, silent contacts.
    Ping,
    /// A provider's stores.
    Store,
    /// Records handed on.
    Replicate,
}

/// Bytes of one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Of requests, without padding.
    pub requests: u64,
    /// Of their padding.
    pub padding: u64,
    /// Of replies, errors among them.
    pub replies: u64,
}

/// From a node's first lookup of its own id, requests that still belong to it.
const JOIN_TIME: Duration = Duration::from_secs(8);

/// The bytes of all nodes, by cause.
#[derive(Default)]
pub struct Traffic {
    bytes: BTreeMap<Cause, Bytes>,
    asked: BTreeMap<RpcId, Cause>,
    joined: BTreeMap<NodeId, Instant>,
    files: BTreeSet<Id>,
}

impl Traffic {
    /// Bytes by cause.
    pub fn bytes(&self) -> impl Iterator<Item = (Cause, Bytes)> {
        self.bytes.iter().map(|(&cause, &bytes)| (cause, bytes))
    }

    /// Counts from nothing again; who has joined and what is announced stays known.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.asked.clear();
    }

    /// A node has sent a datagram of `size` bytes.
    pub(super) fn sent(&mut self, now: Instant, datagram: &Datagram, size: usize) {
        if datagram.body.is_reply() {
            // Of those who asked before the count began, nobody knows why.
            let cause = self.asked.remove(&datagram.rpc_id);
            if let Some(cause) = cause {
                self.bytes.entry(cause).or_default().replies += size as u64;
            }
            return;
        }
        let (cause, padding) = self.cause(now, datagram);
        self.asked.insert(datagram.rpc_id, cause);
        let bytes = self.bytes.entry(cause).or_default();
        bytes.requests += size as u64 - u64::from(padding);
        bytes.padding += u64::from(padding);
    }

    fn cause(&mut self, now: Instant, datagram: &Datagram) -> (Cause, u16) {
        match datagram.body {
            Body::FindNode {
                target, padding, ..
            } => {
                let cause = if target == datagram.sender.0 {
                    let joined_at = *self.joined.entry(datagram.sender).or_insert(now);
                    match now.since(joined_at) < JOIN_TIME {
                        true => Cause::Join,
                        false => Cause::Settle,
                    }
                } else if self.files.contains(&target) {
                    Cause::Announce
                } else {
                    Cause::Refresh
                };
                (cause, padding)
            }
            Body::FindValue { padding, .. } => (Cause::Find, padding),
            Body::Store { file, padding, .. } => {
                self.files.insert(file.0);
                (Cause::Store, padding)
            }
            Body::Replicate { file, padding, .. } => {
                self.files.insert(file.0);
                (Cause::Replicate, padding)
            }
            Body::Ping { padding, .. } => (Cause::Ping, padding),
            _ => (Cause::Ping, 0),
        }
    }
}
