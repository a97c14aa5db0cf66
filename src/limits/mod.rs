//! Every bound of a node, each with its reason.
//!
//! Invariant: every table, queue and buffer has a bound here, and [`memory`] sums what they take.
//!
//! | file | bounds |
//! |---|---|
//! | `kad` | datagrams, table, lookups, records, budgets and times of Kademlia |
//! | `discovery` | messages of local discovery, interfaces |
//! | `swarm` | streams, requests, uploads, rates, and their times |
//! | `files` | manifests, links, journals, disk |
//! | `reactor` | work of one turn, sockets, descriptors |
//! | `service` | control socket, service file, drop folders |
//! | [`memory`] | the sum of all of them in bytes |

mod discovery;
mod files;
mod kad;
pub mod memory;
mod reactor;
mod service;
mod swarm;

pub use discovery::*;
pub use files::*;
pub use kad::*;
pub use reactor::*;
pub use service::*;
pub use swarm::*;

/// A rate limit: `per_second` events in the long run, `burst` at once; each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Events a second in the long run.
    pub per_second: u32,
    /// Events at once after a pause.
    pub burst: u32,
}
