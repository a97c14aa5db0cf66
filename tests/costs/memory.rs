//! A node that strangers load as far as they can takes no more memory than `limits::memory` says.
//!
//! A whole node, tables filled through datagrams and every stream stuffed with frames that are not
//! whole and answers that nobody takes; the allocator counts what is alive.

use sprat::address::Contact;
use sprat::id::{FileId, Id, NodeId};
use sprat::limits::memory::{LINES, Line, MEMORY_MAX, file_memory};
use sprat::limits::{DATAGRAM_SIZE_MAX, KEYS_MAX, RECORDS_MAX, STREAMS_MAX, STREAMS_SPARE};
use sprat::node::{Arrival, Config, DiskReport, Event, Node, Port, ShareSpec, StreamKey};
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::native::datagram::{Body, Cookie, Datagram, RpcId, Seen, Token};
use sprat::wire::native::frame::{Frame, Hello, Holds, Range};
use sprat::wire::{Entries, Network};
use std::net::SocketAddr;
use std::time::Duration;

/// Streams that a node keeps: it redirects a peer that connects when they are taken.
const STAYING: usize = STREAMS_MAX - STREAMS_SPARE;
/// Nodes that come into view: far more than the table takes.
const NEWCOMERS: u32 = 4_000;
/// Requests that a stream makes and takes back: answers that just do not overflow its outbox.
const CANCELLED: usize = 2_500;
const FILE_SIZE: usize = 16 * 1024;

fn network() -> Network {
    Network::named("memory")
}

/// Everybody has an address of his own, in a local network: the caps on subnets do not apply.
pub fn address(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 4160))
}

/// A node, in a conversation with peers that the test plays.
pub struct World {
    pub node: Node,
    pub now: Instant,
    pub rng: Rng,
    /// Time that the node took for the last datagram.
    pub took: Duration,
}

impl World {
    pub fn new() -> World {
        let mut rng = Rng::from_number(1);
        let config = Config {
            id: NodeId(rng.id()),
            network: network(),
            port: 4160,
            read_only: false,
        };
        let node = Node::new(config, rng.split(), Instant::ZERO);
        World {
            node,
            now: Instant::ZERO,
            rng,
            took: Duration::ZERO,
        }
    }

    /// Says something, a little later; what the node sends to the speaker.
    fn say(&mut self, from: Contact, rpc_id: RpcId, body: Body) -> Vec<Datagram> {
        self.now += Duration::from_millis(20);
        let mut buffer = [0; DATAGRAM_SIZE_MAX];
        let (read_only, sender) = (false, from.id);
        let datagram = Datagram {
            read_only,
            rpc_id,
            sender,
            body,
        };
        let size = datagram.emit(network(), &mut buffer);
        let arrival = Arrival {
            from: from.address,
            port: Port::Node,
            is_on_link: false,
        };
        let began = std::time::Instant::now();
        self.node
            .handle_datagram(self.now, arrival, &buffer[..size]);
        self.took = began.elapsed();
        if self.node.poll_timeout().is_some_and(|at| at <= self.now) {
            self.node.handle_timeout(self.now);
        }
        let mut sent = Vec::new();
        while let Some(transmit) = self.node.poll_datagram(self.now, &mut buffer) {
            if transmit.to == from.address {
                sent.push(Datagram::parse(&buffer[..transmit.size], network()).unwrap());
            }
        }
        while self.node.poll_event().is_some() {}
        sent
    }

    /// Asks for a target, and answers the ping back, if one comes: the token that was given.
    pub fn meet(&mut self, from: Contact, target: Id) -> Option<Token> {
        let (cookie, padding) = (Cookie::NONE, 0);
        let body = Body::FindNode {
            target,
            cookie,
            padding,
        }
        .padded_to(1_100);
        let rpc_id = RpcId(self.rng.id().0);
        let mut token = None;
        for datagram in self.say(from, rpc_id, body) {
            match datagram.body {
                Body::FindNodeReply { token: given, .. } => token = Some(given),
                Body::Ping { .. } => {
                    let (address, cookie) = (from.address, Cookie(1));
                    let seen = Seen { address, cookie };
                    self.say(from, datagram.rpc_id, Body::PingReply { seen });
                }
                _ => {}
            }
        }
        token
    }

    /// Newcomers near and far, as deep as the table goes.
    fn fill_table(&mut self) {
        let own = self.node.kad().id().0;
        for number in 0..NEWCOMERS {
            let depth = (number % 100) as usize;
            let random = self.rng.id();
            let id = (0..depth).fold(random, |id, bit| id.with_bit(bit, own.bit(bit)));
            let id = NodeId(id.with_bit(depth, !own.bit(depth)));
            let address = address(number);
            self.meet(Contact { id, address }, id.0);
        }
    }

    pub fn fill_records(&mut self) {
        let holders: Vec<Contact> = (0..64)
            .map(|number| Contact {
                id: NodeId(self.rng.id()),
                address: address(1 << 20 | number),
            })
            .collect();
        for number in 0..KEYS_MAX {
            let file = FileId(self.rng.id());
            for turn in 0..RECORDS_MAX / KEYS_MAX {
                let from = holders[(number + turn) % holders.len()];
                let Some(token) = self.meet(from, file.0) else {
                    continue;
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
        }
    }

    /// Shares a file of one shard.
    fn share(&mut self) -> FileId {
        let share = ShareSpec {
            name: "a".into(),
            folder: false,
            entries: Entries::single(FILE_SIZE as u64),
        };
        self.node.share(self.now, share).unwrap();
        let bytes = [7; FILE_SIZE];
        loop {
            if let Some(range) = self.node.poll_read(self.now) {
                let read = Ok(&bytes[..range.length as usize]);
                let report = DiskReport::Read(read);
                self.node.handle_disk(self.now, range.swarm, report);
            }
            if let Some(Event::Shared { file, .. }) = self.node.poll_event() {
                return file;
            }
        }
    }

    /// Every stream there can be that stays.
    fn open_streams(&mut self, file: FileId) -> Vec<StreamKey> {
        let streams = 0..STAYING as u32;
        streams
            .map(|number| self.open_stream(file, number, 1))
            .collect()
    }

    /// A stream whose other end says so many times that it opens.
    fn open_stream(&mut self, file: FileId, number: u32, times: usize) -> StreamKey {
        let open = Frame::Open(Hello {
            file,
            node: NodeId(self.rng.id()),
            port: 4160,
            holds: Holds::None,
            manifest_size: 0,
            shard_count: 0,
        });
        let mut bytes = vec![0; open.size()];
        open.emit(network(), &mut bytes);
        let key = self.node.handle_accept(self.now, address(number));
        let key = key.expect("there is room for it");
        self.receive(key, &bytes.repeat(times));
        key
    }

    fn receive(&mut self, stream: StreamKey, bytes: &[u8]) {
        for piece in bytes.chunks(4_096) {
            self.node.handle_received(self.now, stream, piece);
            while self.node.poll_output().is_some() {}
        }
        while self.node.poll_event().is_some() {}
    }

    /// Gives each a frame that is not whole, and answers that wait.
    fn stuff_streams(&mut self, streams: &[StreamKey]) {
        let range = Range {
            shard: 0,
            offset: 0,
            length: FILE_SIZE as u32,
        };
        let (request, cancel) = (Frame::Request(range), Frame::Cancel(range));
        let mut said = Vec::new();
        let mut put = |frame: &Frame<'_>| {
            let start = said.len();
            said.resize(start + frame.size(), 0);
            frame.emit(network(), &mut said[start..]);
        };
        (0..CANCELLED).for_each(|_| [&request, &cancel].map(&mut put).iter().for_each(|()| ()));
        let part = vec![0; 16_000];
        put(&Frame::Map {
            first: 0,
            bits: &part,
        });
        said.truncate(said.len() - 1);
        streams.iter().for_each(|&key| self.receive(key, &said));
        assert_eq!(
            self.node.swarms().stream_count(),
            STAYING,
            "none was closed"
        );
    }
}

fn line(start: &str) -> &'static Line {
    LINES
        .iter()
        .find(|line| line.what.starts_with(start))
        .expect("there is that line")
}

pub fn a_loaded_node_takes_no_more_than_the_sum_says() {
    let before = crate::alive();
    let alive = || crate::alive() - before;
    let mut world = World::new();
    println!("a node that knows nobody: {} KiB", alive() / 1024);
    world.fill_table();
    println!(
        "{} contacts: {} KiB",
        world.node.kad().contact_count(),
        alive() / 1024
    );
    world.fill_records();
    let records = world.node.kad().records().len();
    println!("{records} records: {} KiB", alive() / 1024);
    let file = world.share();
    let unopened = alive();
    let streams = world.open_streams(file);
    println!("{STAYING} open streams: {} KiB", alive() / 1024);
    assert!(world.node.kad().contact_count() > 1_000 && records > RECORDS_MAX / 2);
    let at_work = alive() + line("program").total() + line("receive buffer").total();
    assert!(
        at_work <= 6 << 20,
        "at work with every stream: {at_work} bytes"
    );
    world.stuff_streams(&streams);
    println!("all of them stuffed: {} KiB", alive() / 1024);
    assert!(
        alive() - unopened > STAYING * 64 * 1024,
        "the streams are stuffed"
    );
    world.open_stream(file, STREAMS_MAX as u32, 100_000);
    println!("one that is not to stay insists: {} KiB", alive() / 1024);
    assert!(
        alive() - unopened <= line("streams").total() + 64 * 1024,
        "their line"
    );
    // The core alone, without the program and the buffers of the reactor.
    let outside = ["program", "receive buffer", "readiness", "clients"];
    let is_outside = |what: &str| outside.iter().any(|start| what.starts_with(start));
    let lines = LINES.iter().filter(|line| !is_outside(line.what));
    let sum: usize = lines.map(|line| line.total()).sum();
    let most = sum + file_memory(300, 1, 1);
    println!(
        "by the sum: {} KiB of {} KiB",
        most / 1024,
        MEMORY_MAX / 1024
    );
    assert!(alive() <= most, "{} bytes, by the sum {most}", alive());
}
