//! A world of Kademlia nodes: a virtual clock, datagrams in flight with seeded delay and loss, and
//! liars, which run the same node and change the datagrams that it sends.
//!
//! It drives [`Kad`] by its public contract alone, and checks the rules that hold for every
//! datagram and every timer. It is not the simulator of whole nodes, which has streams, disks and
//! all kinds of faults; here thousands of nodes fit into a second of test. Invariant: the same seed
//! gives the same world.

use sprat::address::Contact;
use sprat::dht::{Event, Params, Purpose};
use sprat::id::{FileId, Id, NodeId};
use sprat::kad::{Config, Kad};
use sprat::limits::DATAGRAM_SIZE_MAX;
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::Network;
use sprat::wire::native::datagram::{Body, Datagram, RpcId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

/// An event of the world.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A datagram arrives.
    Flight {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Box<[u8]>,
    },
    /// The timer of a node fires.
    Timer(usize),
}

/// A datagram that went to an address without a node.
#[derive(Clone, Copy, Debug)]
pub struct Stray {
    pub at: Instant,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub size: usize,
}

/// Changes a reply of a liar: its index, the requester, the target, and the reply.
pub type Lie = Box<dyn FnMut(usize, SocketAddr, Id, &mut Datagram)>;

#[derive(Default)]
struct Liars {
    is_liar: Vec<bool>,
    lie: Option<Lie>,
    targets: BTreeMap<RpcId, Id>,
}

pub struct World {
    pub now: Instant,
    pub nodes: Vec<Kad>,
    pub events: Vec<Vec<Event>>,
    /// Datagrams of 100 that are lost.
    pub loss: u64,
    /// Nodes that run with a dead link.
    pub is_cut: Vec<bool>,
    /// Datagrams to addresses without a node.
    pub strays: Vec<Stray>,
    /// Datagrams delivered.
    pub delivered: u64,
    is_down: Vec<bool>,
    rng: Rng,
    queue: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    due_count: u64,
    timers: Vec<Option<Instant>>,
    addresses: Vec<SocketAddr>,
    indices: BTreeMap<SocketAddr, usize>,
    liars: Liars,
    params: Params,
}

pub fn network() -> Network {
    Network::named("test")
}

/// The default address of a node: in a local network.
pub fn address_of(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, (index / 250) as u8, 1 + (index % 250) as u8], 4160))
}

/// An address in the open internet, each in a /24 of its own.
pub fn global_address(index: usize) -> SocketAddr {
    let [_, a, b, c] = (index as u32).to_be_bytes();
    SocketAddr::from(([20 + a, b, c, 1], 4160))
}

pub fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
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

pub fn config(id: Id, params: Params) -> Config {
    Config {
        id: NodeId(id),
        network: network(),
        port: 4160,
        read_only: false,
        params,
    }
}

impl World {
    pub fn new(seed: u64, params: Params) -> World {
        World {
            now: Instant::ZERO,
            nodes: Vec::new(),
            events: Vec::new(),
            loss: 0,
            is_cut: Vec::new(),
            strays: Vec::new(),
            delivered: 0,
            is_down: Vec::new(),
            rng: Rng::from_number(seed),
            queue: BinaryHeap::new(),
            due_count: 0,
            timers: Vec::new(),
            addresses: Vec::new(),
            indices: BTreeMap::new(),
            liars: Liars::default(),
            params,
        }
    }

    /// Adds a node without contacts in the local network, and returns its index.
    pub fn add(&mut self) -> usize {
        self.add_at(address_of(self.nodes.len()))
    }

    /// Adds a node without contacts.
    pub fn add_at(&mut self, address: SocketAddr) -> usize {
        let random = self.rng.id();
        let id = (self.params.id_bits..160).fold(random, |id, bit| id.with_bit(bit, false));
        self.add_with(config(id, self.params), address)
    }

    pub fn add_with(&mut self, config: Config, address: SocketAddr) -> usize {
        let index = self.nodes.len();
        self.nodes
            .push(Kad::new(config, self.rng.split(), self.now));
        self.events.push(Vec::new());
        self.is_down.push(false);
        self.is_cut.push(false);
        self.timers.push(None);
        self.liars.is_liar.push(false);
        self.addresses.push(address);
        self.indices.insert(address, index);
        self.drain(index);
        index
    }

    /// `count` nodes of the local network that join one by one through another.
    pub fn of(count: usize, seed: u64, params: Params) -> World {
        let mut world = World::new(seed, params);
        world.join_at(count, Duration::from_millis(500), address_of);
        world.run(secs(10));
        world
    }

    /// `count` nodes join through random others, each `pause` after the one before.
    pub fn join_at(&mut self, count: usize, pause: Duration, at: impl Fn(usize) -> SocketAddr) {
        for _ in 0..count {
            let index = self.add_at(at(self.nodes.len()));
            self.join(index);
            self.run(pause);
        }
    }

    /// A node joins through a random other that was there before it.
    pub fn join(&mut self, index: usize) {
        if index > 0 {
            let through = self.addresses[self.rng.below(index as u64) as usize];
            self.with(index, |kad, now| kad.bootstrap(now, through));
        }
    }

    /// Makes a node a liar, which lies as [`World::lie`] says.
    pub fn corrupt(&mut self, index: usize) {
        self.liars.is_liar[index] = true;
    }

    /// Sets the lie of all liars.
    pub fn lie(&mut self, lie: Lie) {
        self.liars.lie = Some(lie);
    }

    /// Stops a node, or lets it run again.
    pub fn set_down(&mut self, index: usize, is_down: bool) {
        self.is_down[index] = is_down;
        self.timers[index] = None;
        self.drain(index);
    }

    /// Gives one node a command, and sends the datagrams that it causes.
    pub fn with<T>(&mut self, index: usize, command: impl FnOnce(&mut Kad, Instant) -> T) -> T {
        let result = command(&mut self.nodes[index], self.now);
        self.drain(index);
        result
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until `is_done`, at most `time`; whether it came true.
    pub fn run_until(&mut self, time: Duration, is_done: impl Fn(&World) -> bool) -> bool {
        let end = self.now + time;
        while !is_done(self) {
            if !self.step(end) {
                return false;
            }
        }
        true
    }

    /// Looks from one node for the nodes closest to `target`: the nodes found, hops, and nodes
    /// asked.
    pub fn look_up(&mut self, index: usize, target: Id) -> (Vec<NodeId>, u32, u32) {
        self.events[index].clear();
        assert!(self.with(index, |kad, now| kad.find_node(now, target)));
        let done = self.finish(index, target, Purpose::FindNode);
        let found = self.nodes[index].found(target).unwrap_or_default();
        (found.iter().map(|c| c.id).collect(), done.0, done.1)
    }

    /// Looks from one node for the providers of `file`: the providers, hops, and nodes asked.
    pub fn find(&mut self, index: usize, file: FileId) -> (Vec<SocketAddr>, u32, u32) {
        self.events[index].clear();
        assert!(self.with(index, |kad, now| kad.find_providers(now, file)));
        let done = self.finish(index, file.0, Purpose::FindValue);
        (self.providers_heard(index, file), done.0, done.1)
    }

    /// Runs until a lookup has ended, and returns its hops and the nodes asked.
    fn finish(&mut self, index: usize, wanted: Id, reason: Purpose) -> (u32, u32) {
        let mut done = None;
        let end = self.now + secs(61);
        while done.is_none() {
            assert!(self.step(end), "every lookup ends");
            done = self.events[index].iter().find_map(|event| match *event {
                Event::LookupDone {
                    target,
                    purpose,
                    outcome,
                } if (target, purpose) == (wanted, reason) => Some((outcome.hops, outcome.asked)),
                _ => None,
            });
        }
        done.unwrap_or_default()
    }

    pub fn id(&self, index: usize) -> Id {
        self.nodes[index].id().0
    }

    pub fn contact(&self, index: usize) -> Contact {
        Contact {
            id: self.nodes[index].id(),
            address: self.addresses[index],
        }
    }

    /// The nodes that are up, by their distance to `target`.
    pub fn closest(&self, target: Id, except: usize) -> Vec<NodeId> {
        let up = (0..self.nodes.len()).filter(|&i| i != except && !self.is_down[i]);
        let mut ids: Vec<NodeId> = up.map(|i| self.nodes[i].id()).collect();
        ids.sort_by_key(|id| id.0.distance(&target));
        ids
    }

    pub fn providers_heard(&self, index: usize, wanted: FileId) -> Vec<SocketAddr> {
        let events = self.events[index].iter();
        let heard = events.filter_map(|event| match *event {
            Event::Provider { file, location } if file == wanted => Some(location),
            _ => None,
        });
        heard.collect()
    }

    /// Sends a datagram from any address.
    pub fn inject(&mut self, from: SocketAddr, to: usize, datagram: &Datagram) {
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        let size = datagram.emit(network(), &mut buffer);
        let at = self.now;
        self.schedule(
            at,
            Due::Flight {
                from,
                to: self.addresses[to],
                bytes: buffer[..size].into(),
            },
        );
    }

    /// The next event up to `end`; whether there was one.
    pub fn step(&mut self, end: Instant) -> bool {
        if self.queue.peek().is_none_or(|next| next.0.0 > end) {
            return false;
        }
        let Some(Reverse((at, _, due))) = self.queue.pop() else {
            return false;
        };
        match due {
            Due::Flight { from, to, bytes } => {
                self.now = self.now.max(at);
                self.deliver(from, to, &bytes);
            }
            Due::Timer(index) => {
                if self.timers[index] == Some(at) && !self.is_down[index] {
                    self.now = self.now.max(at);
                    self.timers[index] = None;
                    self.nodes[index].handle_timeout(self.now);
                    let next = self.nodes[index].poll_timeout();
                    self.drain(index);
                    assert!(
                        next > Some(self.now),
                        "a timer that has fired does not fire again at once"
                    );
                }
            }
        }
        true
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(&index) = self.indices.get(&to) else {
            let (at, size) = (self.now, bytes.len());
            self.strays.push(Stray { at, from, to, size });
            return;
        };
        let is_cut = |address| self.indices.get(address).is_some_and(|&i| self.is_cut[i]);
        let is_lost = is_cut(&from) || is_cut(&to) || self.rng.below(100) < self.loss;
        if self.is_down[index] || is_lost {
            return;
        }
        if self.liars.is_liar[index] {
            self.liars.overhear(bytes);
        }
        self.delivered += 1;
        self.nodes[index].handle_datagram(self.now, from, bytes);
        self.drain(index);
    }

    fn drain(&mut self, index: usize) {
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        let from = self.addresses[index];
        while let Some((to, mut size)) = self.nodes[index].poll_datagram(self.now, &mut buffer) {
            if self.liars.is_liar[index] {
                size = self.liars.twist(index, to, &mut buffer, size);
            }
            let delay = Duration::from_millis(5 + self.rng.below(20));
            if !self.is_down[index] {
                let bytes = buffer[..size].into();
                self.schedule(self.now + delay, Due::Flight { from, to, bytes });
            }
        }
        while let Some(event) = self.nodes[index].poll_event() {
            self.events[index].push(event);
        }
        let node = &self.nodes[index];
        // Liars can cause more stores than a node takes on.
        let may_drop = self.liars.lie.is_some();
        assert!(
            may_drop || node.counters().dropped == 0,
            "no drained datagram is dropped"
        );
        let next = node.poll_timeout().map(|at| at.max(self.now));
        if let Some(at) = next.filter(|_| next != self.timers[index]) {
            self.timers[index] = next;
            self.schedule(at, Due::Timer(index));
        }
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.queue.push(Reverse((at, self.due_count, due)));
        self.due_count += 1;
    }
}

impl Liars {
    /// Remembers the target of a request, because the reply does not name it.
    fn overhear(&mut self, bytes: &[u8]) {
        if let Ok(datagram) = Datagram::parse(bytes, network()) {
            let target = match datagram.body {
                Body::FindNode { target, .. } => target,
                Body::FindValue { file, .. } => file.0,
                _ => return,
            };
            self.targets.insert(datagram.rpc_id, target);
        }
    }

    fn twist(&mut self, index: usize, to: SocketAddr, buffer: &mut [u8], size: usize) -> usize {
        let Ok(mut datagram) = Datagram::parse(&buffer[..size], network()) else {
            return size;
        };
        let Some(target) = self.targets.remove(&datagram.rpc_id) else {
            return size;
        };
        if let Some(lie) = &mut self.lie {
            lie(index, to, target, &mut datagram);
        }
        datagram.emit(network(), buffer)
    }
}
