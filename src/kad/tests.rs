//! Kademlia's rules one by one, on parts of a node and on a node alone. Whole networks are in
//! `tests/core/kad`, on the public contract.

mod alone;
mod bound_rules;
mod contact_rules;
mod discovery_rules;
mod join_rules;
mod key_rules;
mod record_rules;

use super::*;
use crate::dht::{Params, Purpose};
use crate::id::{FileId, Id};
use crate::limits::Allowance;
use crate::wire::Network;
use std::collections::BTreeMap;
use std::time::Duration;

pub fn address_of(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, (index / 250) as u8, 1 + (index % 250) as u8], 4160))
}

pub fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn config(id: Id, params: Params) -> Config {
    let network = Network::named("test");
    Config {
        id: NodeId(id),
        network,
        port: 4160,
        read_only: false,
        params,
    }
}

/// A small space in which every case can be reached: k = 2.
pub fn small(id_bits: usize) -> Params {
    Params {
        k: 2,
        cache: 2,
        id_bits,
        ..Params::default()
    }
}

/// A budget that no test reaches, for tests of something else.
pub fn unlimited() -> Allowance {
    Allowance {
        per_second: 100_000,
        burst: 100_000,
    }
}
