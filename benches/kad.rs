//! The costs of a node's Kademlia: the closest contacts of a full table, a table insert, a lookup
//! step, and requests answered by the core alone.

mod measure;

use measure::{measure, measure_prepared};
use sprat::address::Contact;
use sprat::dht::{Answer, Lookup, Params, Permit, Purpose, Table};
use sprat::id::NodeId;
use sprat::kad::{Config, Kad};
use sprat::limits::{Allowance, DATAGRAM_SIZE_MAX, K};
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::Network;
use sprat::wire::native::datagram::{Body, Cookie, Datagram, RpcId, Seen, Token};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

const TIME: Duration = Duration::from_secs(2);

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

fn table() {
    let mut rng = Rng::from_number(1);
    let full = full_table(&mut rng);
    measure("closest k of a full table", TIME, || {
        full.closest(black_box(rng.id()), K, None)
    });
    let mut full = full_table(&mut rng);
    let mut number = 10_000;
    measure("insert into a full table", TIME, || {
        number += 1;
        full.answered(Instant::ZERO, contact(number, &mut rng))
    });
}

fn lookup() {
    let mut rng = Rng::from_number(2);
    let named: Vec<Contact> = (0..K as u32)
        .map(|number| contact(number, &mut rng))
        .collect();
    let (own, target) = (NodeId(rng.id()), rng.id());
    let seeded = || {
        let mut lookup = Lookup::new(Instant::ZERO, own, (target, Purpose::FindNode), (K, 3, 1));
        lookup.seed(&named);
        lookup
    };
    measure_prepared(
        "lookup: ask one, take its answer",
        TIME,
        seeded,
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
    );
}

/// A node that has met as many nodes as its table takes.
fn node_with_full_table(rng: &mut Rng, network: Network) -> (Kad, Instant) {
    let unlimited = Allowance {
        per_second: 1_000_000,
        burst: 1_000_000,
    };
    let params = Params {
        unproved_source: unlimited,
        proved_source: unlimited,
        ..Params::default()
    };
    let config = Config {
        id: NodeId(rng.id()),
        network,
        port: 4160,
        read_only: false,
        params,
    };
    let mut kad = Kad::new(config, rng.split(), Instant::ZERO);
    let mut buffer = [0; DATAGRAM_SIZE_MAX];
    let mut now = Instant::ZERO;
    for number in 0..2_000 {
        now += Duration::from_millis(50);
        let saved = contact(number, rng);
        kad.insert_saved(now, saved);
        while let Some((to, size)) = kad.poll_datagram(now, &mut buffer) {
            let asked = Datagram::parse(&buffer[..size], network).expect("our own");
            let seen = Seen {
                address: saved.address,
                cookie: Cookie(1),
            };
            if let (true, Body::Ping { .. }) = (to == saved.address, &asked.body) {
                let reply = Datagram {
                    read_only: false,
                    rpc_id: asked.rpc_id,
                    sender: saved.id,
                    body: Body::PingReply { seen },
                };
                let size = reply.emit(network, &mut buffer);
                kad.handle_datagram(now, to, &buffer[..size]);
            }
        }
        while kad.poll_event().is_some() {}
    }
    assert!(kad.contact_count() > 100, "{}", kad.contact_count());
    (kad, now)
}

/// Requests that the core alone answers: one divided by the time is how many a second.
fn request() {
    let mut rng = Rng::from_number(3);
    let network = Network::named("bench");
    let (mut kad, now) = node_with_full_table(&mut rng, network);
    let asker = contact(1 << 20, &mut rng);
    let (cookie, padding, target) = (Cookie::NONE, 0, rng.id());
    let ping = Body::Ping { cookie, padding }.padded_to(200);
    let find_node = Body::FindNode {
        target,
        cookie,
        padding,
    };
    let find_node = find_node.padded_to(900);
    let mut buffer = [0; DATAGRAM_SIZE_MAX];
    let mut micros = now.as_micros();
    for (name, body) in [
        ("answer one Ping", ping),
        ("answer one FindNode, full table", find_node),
    ] {
        let request = Datagram {
            read_only: true,
            rpc_id: RpcId([1; 20]),
            sender: asker.id,
            body,
        };
        let mut bytes = [0; DATAGRAM_SIZE_MAX];
        let size = request.emit(network, &mut bytes);
        measure(name, TIME, || {
            micros += 10;
            let at = Instant::from_micros(micros);
            kad.handle_datagram(at, asker.address, &bytes[..size]);
            kad.poll_datagram(at, &mut buffer).expect("it answers")
        });
    }
}

fn main() {
    table();
    lookup();
    request();
}
