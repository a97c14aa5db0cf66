//! What a node's Kademlia costs: the closest contacts of a full table, a table insert, a lookup
//! step, and a whole request answered.

use criterion::{Criterion, criterion_group, criterion_main};
use sprat::id::NodeId;
use sprat::kad::addresses::Permit;
use sprat::kad::lookup::{Answer, Lookup};
use sprat::kad::table::Table;
use sprat::kad::{Config, Kad, Params, Purpose};
use sprat::limits::{Allowance, DATAGRAM_SIZE_MAX, K};
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::Network;
use sprat::wire::datagram::{Body, Contact, Cookie, Datagram, RpcId, Token};
use std::hint::black_box;
use std::net::SocketAddr;

fn contact(number: u32, rng: &mut Rng) -> Contact {
    let [_, a, b, c] = number.to_be_bytes();
    Contact {
        id: NodeId(rng.id()),
        address: SocketAddr::from(([10, a, b, c], 4160)),
    }
}

/// A table that has met ten thousand nodes.
fn full_table(rng: &mut Rng) -> Table {
    let mut table = Table::new(NodeId(rng.id()), &Params::default(), Instant::ZERO);
    for number in 0..10_000 {
        table.answered(Instant::ZERO, contact(number, rng));
    }
    table
}

fn table(criterion: &mut Criterion) {
    let mut rng = Rng::from_number(1);
    let full = full_table(&mut rng);
    criterion.bench_function("closest k of a full table", |bencher| {
        bencher.iter(|| full.closest(black_box(rng.id()), K, None));
    });
    let mut full = full_table(&mut rng);
    let mut number = 10_000;
    criterion.bench_function("insert into a full table", |bencher| {
        bencher.iter(|| {
            number += 1;
            full.answered(Instant::ZERO, contact(number, &mut rng))
        });
    });
}

fn lookup(criterion: &mut Criterion) {
    let mut rng = Rng::from_number(2);
    let named: Vec<Contact> = (0..K as u32)
        .map(|number| contact(number, &mut rng))
        .collect();
    let (own, target) = (NodeId(rng.id()), rng.id());
    criterion.bench_function("lookup: ask one, take its answer", |bencher| {
        let new = || {
            let mut lookup =
                Lookup::new(Instant::ZERO, own, (target, Purpose::FindNode), (K, 3, 1));
            lookup.seed(&named);
            lookup
        };
        bencher.iter_batched(
            new,
            |mut lookup| {
                let asked = lookup.ask_next(|_| Permit::Now);
                let answer = Answer {
                    contacts: &named,
                    token: Token(1),
                    has_value: false,
                };
                asked
                    .into_iter()
                    .for_each(|contact| lookup.answered(contact, answer));
                (lookup.is_over(), lookup)
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

fn request(criterion: &mut Criterion) {
    let mut rng = Rng::from_number(3);
    let unlimited = Allowance {
        per_second: 1_000_000,
        burst: 1_000_000,
    };
    let params = Params {
        unproved_source: unlimited,
        proved_source: unlimited,
        ..Params::default()
    };
    let network = Network::named("bench");
    let config = Config {
        id: NodeId(rng.id()),
        network,
        port: 4160,
        read_only: false,
        params,
    };
    let mut kad = Kad::new(config, rng.split(), Instant::ZERO);
    let asker = contact(1, &mut rng);
    let mut buffer = [0; DATAGRAM_SIZE_MAX];
    let body = Body::FindNode {
        target: rng.id(),
        cookie: Cookie::NONE,
        padding: 0,
    };
    let rpc_id = RpcId([1; 20]);
    let request = Datagram {
        read_only: true,
        rpc_id,
        sender: asker.id,
        body: body.padded_to(900),
    };
    let mut bytes = [0; DATAGRAM_SIZE_MAX];
    let size = request.emit(network, &mut bytes);
    let mut now = 0;
    criterion.bench_function("answer one FindNode, empty table", |bencher| {
        bencher.iter(|| {
            now += 10;
            let at = Instant::from_micros(now);
            kad.handle_datagram(at, asker.address, &bytes[..size]);
            kad.poll_datagram(at, &mut buffer)
        });
    });
}

criterion_group!(benches, table, lookup, request);
criterion_main!(benches);
