//! The parameters of Kademlia (rule 2).
//!
//! Bounds that protect a node are no parameters: they are in [`limits`].

use crate::id::ID_BITS;
use crate::limits::{self, Allowance};
use std::time::Duration;

/// The parameters of Kademlia. The defaults are the native node's; tests take small id spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Contacts of a bucket, and nodes that hold a record: 1 – 20.
    pub k: usize,
    /// Requests of a lookup in flight, at least 1.
    pub alpha: usize,
    /// Disjoint paths of a lookup, at least 1.
    pub paths: usize,
    /// Contacts in the replacement cache of each bucket.
    pub cache: usize,
    /// Leading bits of ids that are used, 1 – 160; the others are zero.
    pub id_bits: usize,
    /// A bucket without a lookup for this time is refreshed (rule 11).
    pub refresh_period: Duration,
    /// Holders hand their records on once in this time (rule 13).
    pub replicate_period: Duration,
    /// Providers announce their files once in this time (rule 13).
    pub announce_period: Duration,
    /// The longest life of a record (rule 14).
    pub record_ttl: Duration,
    /// Messages of a source that has not proved its address (rule 16).
    pub unproved_source: Allowance,
    /// Messages of a source that has proved it (rule 16).
    pub proved_source: Allowance,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            k: limits::K,
            alpha: limits::ALPHA,
            paths: limits::PATHS,
            cache: limits::CACHE,
            id_bits: ID_BITS,
            refresh_period: limits::REFRESH_PERIOD,
            replicate_period: limits::REPLICATE_PERIOD,
            announce_period: limits::ANNOUNCE_PERIOD,
            record_ttl: limits::RECORD_TTL,
            unproved_source: limits::UNPROVED_SOURCE,
            proved_source: limits::PROVED_SOURCE,
        }
    }
}
