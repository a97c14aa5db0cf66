//! Kademlia's rules one by one, on the parts of a node.

mod lookup_rules;
mod table_rules;

use super::{Params, Purpose};
use crate::address::Contact;
use crate::id::{Id, NodeId};
use crate::rng::Rng;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

fn address_of(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, (index / 250) as u8, 1 + (index % 250) as u8], 4160))
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A small space in which every case can be reached: k = 2.
fn small(id_bits: usize) -> Params {
    Params {
        k: 2,
        cache: 2,
        id_bits,
        ..Params::default()
    }
}
