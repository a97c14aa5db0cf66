//! Memory that the tables of a node take when all of them are full, and time that a newcomer costs.

use sprat::address::Contact;
use sprat::dht::{Addresses, Destinations, Params, Permit, Record, Records, Table};
use sprat::id::{FileId, Id, NodeId};
use sprat::kad::{Config, Kad, RECORD_LIMITS};
use sprat::limits::{ADDRESSES_MAX, Allowance, DATAGRAM_SIZE_MAX, KEYS_MAX, RECORDS_MAX};
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::Network;
use sprat::wire::native::datagram::{Body, Cookie, Datagram, RpcId, Seen};
use std::net::SocketAddr;
use std::time::Duration;

/// Nodes that are measured together: their mean.
const MEASURED: usize = 8;

fn address(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 4160))
}

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

/// A node, in a conversation with peers that the test plays.
struct Conversation {
    kad: Kad,
    now: Instant,
    rng: Rng,
}

impl Conversation {
    fn new() -> Conversation {
        let mut rng = Rng::from_number(1);
        let unlimited = Allowance {
            per_second: 1_000_000,
            burst: 1_000_000,
        };
        let config = Config {
            id: NodeId(rng.id()),
            network: network(),
            port: 4160,
            read_only: false,
            params: Params {
                unproved_source: unlimited,
                proved_source: unlimited,
                ..Params::default()
            },
        };
        let kad = Kad::new(config, rng.split(), Instant::ZERO);
        let now = Instant::ZERO;
        Conversation { kad, now, rng }
    }

    /// Says something: how long the node took to take it in, and what it sends to the speaker.
    fn say(&mut self, from: Contact, rpc_id: RpcId, body: Body) -> (Duration, Vec<Datagram>) {
        let mut buffer = [0; DATAGRAM_SIZE_MAX];
        let datagram = Datagram {
            read_only: false,
            rpc_id,
            sender: from.id,
            body,
        };
        let size = datagram.emit(network(), &mut buffer);
        let began = std::time::Instant::now();
        self.kad
            .handle_datagram(self.now, from.address, &buffer[..size]);
        let took = began.elapsed();
        let mut sent = Vec::new();
        while let Some((to, size)) = self.kad.poll_datagram(self.now, &mut buffer) {
            if to == from.address {
                sent.push(Datagram::parse(&buffer[..size], network()).expect("its own"));
            }
        }
        while self.kad.poll_event().is_some() {}
        (took, sent)
    }

    fn ask(&mut self, from: Contact, target: Id) -> Vec<Datagram> {
        let (cookie, padding) = (Cookie::NONE, 0);
        let body = Body::FindNode {
            target,
            cookie,
            padding,
        };
        let rpc_id = RpcId(self.rng.id().0);
        self.say(from, rpc_id, body.padded_to(1_100)).1
    }

    /// Stores a record of a new file, with the node's leave.
    fn store(&mut self, from: Contact) {
        let file = FileId(self.rng.id());
        let reply = self.ask(from, file.0).remove(0);
        let Body::FindNodeReply { token, .. } = reply.body else {
            panic!("{reply:?}")
        };
        let (port, ttl, padding) = (4160, 7_200, 0);
        let body = Body::Store {
            file,
            token,
            port,
            ttl,
            padding,
        };
        let rpc_id = RpcId(self.rng.id().0);
        self.say(from, rpc_id, body);
    }

    /// Somebody comes and answers the ping back: how long the node took to let it in.
    fn meet(&mut self, newcomer: Contact) -> Duration {
        let sent = self.ask(newcomer, newcomer.id.0);
        let is_ping = |datagram: &&Datagram| matches!(datagram.body, Body::Ping { .. });
        let ping = sent.iter().find(is_ping).expect("it is pinged back");
        let seen = Seen {
            address: address(1),
            cookie: Cookie(1),
        };
        self.say(newcomer, ping.rpc_id, Body::PingReply { seen }).0
    }
}

fn network() -> Network {
    Network::named("costs")
}

pub fn a_newcomer_beside_a_full_table_of_keys_is_let_in_within_milliseconds() {
    let mut node = Conversation::new();
    let own = node.kad.id().0;
    let store = Contact {
        id: NodeId(node.rng.id()),
        address: address(2),
    };
    (0..KEYS_MAX).for_each(|_| node.store(store));
    assert_eq!(node.kad.records().len(), KEYS_MAX);
    // A few in each bucket, ever nearer to us: all of them come in.
    let mut times = Vec::new();
    for number in 0..128 {
        let bit = number as usize / 8;
        let random = node.rng.id();
        let id = (0..bit).fold(random, |id, bit| id.with_bit(bit, own.bit(bit)));
        let id = NodeId(id.with_bit(bit, !own.bit(bit)));
        let address = address(100 + number);
        node.now += Duration::from_millis(100);
        times.push(node.meet(Contact { id, address }));
        assert!(node.kad.table().holds(Contact { id, address }));
    }
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!("a newcomer beside {KEYS_MAX} keys: {median:?}, at most {most:?}");
    assert!(median < Duration::from_millis(50), "{median:?}");
}
