//! Events of a DHT node, for its owner.

use super::lookup::{Outcome, Purpose};
use crate::id::{FileId, Id};
use std::net::SocketAddr;
use std::time::Duration;

/// News of a DHT node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first lookup of our own id has ended: the node is in the network.
    Joined {
        /// Members of the table at that moment.
        contacts: u32,
    },
    /// A node that was not in the table has answered and is a contact now.
    Met,
    /// A bootstrap node did not answer; it will be asked again.
    BootstrapSilent {
        /// Its address, as the owner gave it.
        address: SocketAddr,
        /// Requests in a row that it left unanswered.
        attempts: u32,
    },
    /// A lookup has heard of a provider: once for each location, and never of this node itself.
    Provider {
        /// The file that was looked up.
        file: FileId,
        /// The address at which it is said to be served.
        location: SocketAddr,
    },
    /// A lookup has ended, with a result or without.
    LookupDone {
        /// The id that was looked up.
        target: Id,
        /// The reason for the lookup.
        purpose: Purpose,
        /// Its hops, requests, answers and duration.
        outcome: Outcome,
    },
    /// A ping that the owner asked for has ended.
    Pinged {
        /// The address that was asked.
        address: SocketAddr,
        /// The time until the answer; `None` when there was none.
        took: Option<Duration>,
    },
    /// An announcement has ended: its stores are done.
    Announced {
        /// The file that this node provides.
        file: FileId,
        /// Nodes that hold the record.
        stored: u32,
    },
}
const _: () = assert!(size_of::<Event>() <= crate::limits::memory::EVENT_SIZE);
