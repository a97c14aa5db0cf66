//! The counters of a Kademlia node.

/// What has happened, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that were none: damaged, foreign, or of another network.
    pub damaged: u64,
    /// Datagrams that claim our own id.
    pub from_self: u64,
    /// Requests that were well-formed.
    pub requests: u64,
    /// Requests that were dropped because their source is over its budget.
    pub over_budget: u64,
    /// Requests too short to be answered in their own kind before their source has proved its
    /// address.
    pub too_short: u64,
    /// Stores and replications without a good token.
    pub bad_tokens: u64,
    /// Stores and replications that came again, in a network with a key.
    pub replayed: u64,
    /// Replies that answered a request.
    pub replies: u64,
    /// Replies that came after their request was given up.
    pub late_replies: u64,
    /// Replies that nobody asked for.
    pub unexpected: u64,
    /// Requests that were given up.
    pub timeouts: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes of datagrams sent.
    pub sent_bytes: u64,
    /// Datagrams, events, errands and candidates that there was no room for.
    pub dropped: u64,
    /// Records that there was no room for, or none for more of their source or subnet.
    pub crowded: u64,
}
