//! Memory that the tables of a node take when all of them are full, and time that a newcomer costs.

use crate::memory::{World, address};
use sprat::address::Contact;
use sprat::dht::{Addresses, Destinations, Params, Permit, Record, Records, Table};
use sprat::id::{FileId, NodeId};
use sprat::kad::RECORD_LIMITS;
use sprat::limits::{ADDRESSES_MAX, KEYS_MAX, RECORDS_MAX};
use sprat::rng::Rng;
use sprat::time::Instant;
use std::time::Duration;

/// Nodes that are measured together: their mean.
const MEASURED: usize = 8;

fn full(seed: u64) -> (Table, Records, Addresses<u64>) {
    let mut rng = Rng::from_number(seed);
    let own = NodeId(rng.id());
    let mut table = Table::new(own, &Params::default(), Instant::ZERO);
    for number in 0..10_000 {
        let id = NodeId(rng.id());
        let address = address(number);
        table.answered(Instant::ZERO, Contact { id, address });
    }
    let mut records = Records::new(RECORD_LIMITS);
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
    let destinations = &mut Destinations::default();
    for number in 0..4 * ADDRESSES_MAX as u32 {
        let now = Instant::from_micros(u64::from(number) * 20_000);
        assert_eq!(
            addresses.permit(now, address(number), destinations),
            Permit::Now
        );
        if number % 2 == 0 {
            addresses.answered(now, address(number), 1);
        }
    }
    (table, records, addresses)
}

pub fn the_tables_of_a_node_take_a_mebibyte_when_they_are_full() {
    let before = crate::alive();
    let nodes: Vec<_> = (0..MEASURED).map(|seed| full(seed as u64)).collect();
    let each = (crate::alive() - before) / MEASURED / 1024;
    println!("full table, records and addresses of a node: {each} KiB");
    assert!(nodes.iter().all(|node| node.1.len() == RECORDS_MAX));
    assert!(each < 1_280, "{each} KiB");
}

pub fn a_newcomer_beside_a_full_table_of_keys_is_let_in_within_milliseconds() {
    let mut world = World::new();
    let own = world.node.kad().id().0;
    world.fill_records();
    // Two for each key.
    assert_eq!(world.node.kad().records().len(), RECORDS_MAX);
    // A few in each bucket, ever nearer to us: all of them come in. The peers with the records
    // take the room of the first buckets.
    let mut times = Vec::new();
    for number in 0..128 {
        let bit = 4 + number as usize / 8;
        let random = world.rng.id();
        let id = (0..bit).fold(random, |id, bit| id.with_bit(bit, own.bit(bit)));
        let id = NodeId(id.with_bit(bit, !own.bit(bit)));
        let address = address(100 + number);
        world.now += Duration::from_millis(100);
        world.meet(Contact { id, address }, id.0);
        // Of the answer to the ping, which lets it in.
        times.push(world.took);
        let is_in = world.node.kad().table().holds(Contact { id, address });
        assert!(is_in, "newcomer {number}");
    }
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!("a newcomer beside {KEYS_MAX} keys: {median:?}, at most {most:?}");
    assert!(
        median > Duration::ZERO && median < Duration::from_millis(50),
        "{median:?}"
    );
}
