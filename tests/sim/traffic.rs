//! The purposes of datagrams: bytes by cause, where a reply counts with its request.
//!
//! It reads the wire and never the state of a node, and it checks nothing. Invariant: every byte is
//! counted once; [`Traffic::clear`] drops the requests without a reply.

use sprat::id::{Id, NodeId};
use sprat::time::Instant;
use sprat::wire::native::datagram::{Body, Datagram, RpcId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The purpose of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The first lookup of a node's own id.
    Join,
    /// The later lookups of a node's own id.
    Settle,
    /// Lookups of other ids that are no file's: refreshes of buckets.
    Refresh,
    /// Lookups of a file's id, to announce it or to get tokens.
    Announce,
    /// Lookups for providers, and checks whether a node is one.
    Find,
    /// Liveness checks: bootstrap nodes, candidates, silent contacts.
    Ping,
    /// Stores of a provider's records.
    Store,
    /// Replications of records by their holders.
    Replicate,
}

/// Bytes of datagrams with one purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Bytes of requests, without padding.
    pub requests: u64,
    /// Bytes of the padding of requests.
    pub padding: u64,
    /// Bytes of replies, errors included.
    pub replies: u64,
}

/// Time after a node's first lookup of its own id for which such requests belong to it.
const JOIN_TIME: Duration = Duration::from_secs(8);

/// The bytes of all nodes, by purpose.
#[derive(Default)]
pub struct Traffic {
    bytes: BTreeMap<Cause, Bytes>,
    asked: BTreeMap<RpcId, Cause>,
    joined: BTreeMap<NodeId, Instant>,
    files: BTreeSet<Id>,
}

impl Traffic {
    /// The bytes of each purpose.
    pub fn bytes(&self) -> impl Iterator<Item = (Cause, Bytes)> {
        self.bytes.iter().map(|(&cause, &bytes)| (cause, bytes))
    }

    /// Resets the counts; joined nodes and announced files stay known.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.asked.clear();
    }

    /// Counts a datagram of `size` bytes.
    pub fn sent(&mut self, now: Instant, datagram: &Datagram, size: usize) {
        if datagram.body.is_reply() {
            // The purpose of requests before the count is unknown.
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
