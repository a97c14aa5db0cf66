//! Counters of what swarms reject and give up without an event for their owner.
//!
//! Not here: what the loop drops (`reactor`), and Kademlia's datagrams (`kad`).

use crate::output::Ended;

/// Counts since the node's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Streams that asked for a file which this node does not have.
    pub unknown: u64,
    /// Streams that broke the protocol.
    pub wrong: u64,
    /// Streams of nodes that are not of our network, or do not have its key.
    pub strange: u64,
    /// Streams that did not answer in time.
    pub silent: u64,
    /// Streams that could not be made, or broke.
    pub lost: u64,
    /// Shards that failed verification when they came.
    pub corrupt: u64,
}

impl Counters {
    /// Counts the end of a stream.
    pub(super) fn count(&mut self, why: Ended) {
        match why {
            Ended::Protocol => self.wrong += 1,
            Ended::Stranger => self.strange += 1,
            Ended::Timeout => self.silent += 1,
            Ended::Lost => self.lost += 1,
            _ => {}
        }
    }
}
