//! What the tables of a node take when all of them are full. Run with `-- --nocapture` for figures.
//!
//! A process of its own: what other tests allocate meanwhile would be measured as well.

use sprat::id::{FileId, NodeId};
use sprat::kad::Params;
use sprat::kad::addresses::{Addresses, Permit};
use sprat::kad::records::{Record, Records};
use sprat::kad::table::Table;
use sprat::limits::{ADDRESSES_MAX, KEYS_MAX, RECORDS_MAX};
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::datagram::{Contact, Cookie};
use std::net::SocketAddr;
use std::time::Duration;

/// Nodes that are measured together, so that what the process takes by itself weighs little.
const MEASURED: usize = 8;

fn address(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 4160))
}

fn full(seed: u64) -> (Table, Records, Addresses) {
    let mut rng = Rng::from_number(seed);
    let own = NodeId(rng.id());
    let mut table = Table::new(own, &Params::default(), Instant::ZERO);
    for number in 0..10_000 {
        let id = NodeId(rng.id());
        let address = address(number);
        table.answered(Instant::ZERO, Contact { id, address });
    }
    let mut records = Records::default();
    let expires_at = Instant::ZERO + Duration::from_secs(7_200);
    for _ in 0..KEYS_MAX {
        let file = FileId(rng.id());
        for number in 0..RECORDS_MAX / KEYS_MAX {
            let location = address(number as u32);
            let record = Record {
                location,
                expires_at,
            };
            let stored = records.store(Instant::ZERO, file, record, expires_at);
            assert!(stored.is_ok());
        }
    }
    let mut addresses = Addresses::default();
    for number in 0..4 * ADDRESSES_MAX as u32 {
        let now = Instant::from_micros(u64::from(number) * 20_000);
        assert_eq!(addresses.permit(now, address(number)), Permit::Now);
        if number % 2 == 0 {
            addresses.answered(now, address(number), Cookie(1));
        }
    }
    (table, records, addresses)
}

#[test]
fn the_tables_of_a_node_take_a_mebibyte_when_they_are_full() {
    let before = resident_kib();
    let nodes: Vec<_> = (0..MEASURED).map(|seed| full(seed as u64)).collect();
    let each = resident_kib().saturating_sub(before) / MEASURED as u64;
    println!("full table, records and addresses of a node: {each} KiB");
    assert!(nodes.iter().all(|node| node.1.len() == RECORDS_MAX));
    assert!(each < 1_280, "{each} KiB");
}

/// KiB of this process, where the system tells; else 0.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
