//! The counters of a Kademlia node.

/// Events of a node, counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams of no dialect, damaged, or of another network.
    pub damaged: u64,
    /// Datagrams that claim our own id, or whose source no node can have.
    pub from_self: u64,
    /// Well-formed requests, served or not.
    pub requests: u64,
    /// Requests and discovery queries whose source was over its budget.
    pub over_budget: u64,
    /// Requests that were too short for a reply of their own kind, from a source without proof.
    pub too_short: u64,
    /// Stores and replications without a good token.
    pub bad_tokens: u64,
    /// Stores and replications that came again, in a network with a key.
    pub replayed: u64,
    /// Replies that answered a request of ours.
    pub replies: u64,
    /// Replies that came after their request was given up.
    pub late_replies: u64,
    /// Replies that answer no request of ours.
    pub unexpected: u64,
    /// Requests that were given up.
    pub timeouts: u64,
    /// Datagrams sent, discovery queries included.
    pub sent: u64,
    /// Bytes of these datagrams, without UDP headers.
    pub sent_bytes: u64,
    /// Datagrams, events, stores and candidates dropped because their queue was full.
    pub dropped: u64,
    /// Records refused because the table, or the share of their source or subnet, was full.
    pub crowded: u64,
}
