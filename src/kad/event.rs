//! What a Kademlia node tells its owner, and what it counts.

use crate::dht::Purpose;
use crate::id::{FileId, Id};
use std::net::SocketAddr;
use std::time::Duration;

/// What the owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The lookup of our own id has ended: we are in the network.
    Joined {
        /// Contacts in the table.
        contacts: u32,
    },
    /// A node that we did not know has answered, and is a contact.
    Met,
    /// A node to join through did not answer; it will be asked again.
    BootstrapSilent {
        /// Where it should be.
        address: SocketAddr,
        /// How often it was asked in vain.
        attempts: u32,
    },
    /// A lookup has heard of a provider, once for each location; never of ourselves.
    Provider {
        /// Which file.
        file: FileId,
        /// Where it is said to be served.
        location: SocketAddr,
    },
    /// A lookup has ended.
    LookupDone {
        /// What was looked for.
        target: Id,
        /// Why.
        purpose: Purpose,
        /// Hops to the farthest of the k closest.
        hops: u32,
        /// Requests sent.
        asked: u32,
        /// Nodes that answered.
        answered: u32,
        /// Providers heard of.
        providers: u32,
        /// From its first request to its end.
        took: Duration,
    },
    /// A node that the owner asked for has answered, or has not.
    Pinged {
        /// Where it should be.
        address: SocketAddr,
        /// How long the answer took; none: it was silent.
        took: Option<Duration>,
    },
    /// An announcement has ended.
    Announced {
        /// Which file.
        file: FileId,
        /// How many nodes hold the record.
        stored: u32,
    },
}
const _: () = assert!(size_of::<Event>() <= crate::limits::memory::EVENT_SIZE);

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
