//! The tests' world: some nodes, a virtual clock, and datagrams in flight, with seeded delay and
//! loss.
//!
//! It drives [`Kad`] by its public contract alone, and checks in passing what must hold of every
//! datagram.

mod alone;
mod bound_rules;
mod contact_rules;
mod lookup_rules;
mod network;
mod record_rules;
mod table_rules;

use super::*;
use crate::limits::Allowance;
use crate::wire::Network;

/// A datagram on its way.
struct Flight {
    from: usize,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub struct World {
    pub now: Instant,
    pub nodes: Vec<Kad>,
    pub events: Vec<Vec<Event>>,
    /// Of every 100 datagrams, so many are lost.
    pub loss: u64,
    /// Nodes that do not run.
    pub is_down: Vec<bool>,
    /// Nodes that run, and whose link carries nothing.
    pub is_cut: Vec<bool>,
    rng: Rng,
    flights: BTreeMap<(Instant, u64), Flight>,
    flight_count: u64,
    addresses: BTreeMap<SocketAddr, usize>,
    params: Params,
}

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

impl World {
    pub fn new(seed: u64, params: Params) -> World {
        World {
            now: Instant::ZERO,
            nodes: Vec::new(),
            events: Vec::new(),
            loss: 0,
            is_down: Vec::new(),
            is_cut: Vec::new(),
            rng: Rng::from_number(seed),
            flights: BTreeMap::new(),
            flight_count: 0,
            addresses: BTreeMap::new(),
            params,
        }
    }

    /// A new node that knows nobody: its index.
    pub fn add(&mut self) -> usize {
        let mut id = self.rng.id();
        for bit in self.params.id_bits..160 {
            id = id.with_bit(bit, false);
        }
        self.add_with(config(id, self.params))
    }

    pub fn add_with(&mut self, config: Config) -> usize {
        let index = self.nodes.len();
        self.nodes
            .push(Kad::new(config, self.rng.split(), self.now));
        self.events.push(Vec::new());
        self.is_down.push(false);
        self.is_cut.push(false);
        self.addresses.insert(address_of(index), index);
        index
    }

    /// `count` nodes that join one by one through the first.
    pub fn of(count: usize, seed: u64, params: Params) -> World {
        let mut world = World::new(seed, params);
        for index in 0..count {
            world.add();
            if index > 0 {
                let through = world.rng.below(index as u64) as usize;
                world.with(index, |kad, now| kad.bootstrap(now, address_of(through)));
            }
            world.run(Duration::from_millis(500));
        }
        world.run(secs(10));
        world
    }

    /// Gives one node a command, and sends what comes of it.
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

    pub fn id(&self, index: usize) -> Id {
        self.nodes[index].id().0
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

    fn step(&mut self, end: Instant) -> bool {
        let flight_at = self.flights.keys().next().map(|key| key.0);
        let up = (0..self.nodes.len()).filter(|&index| !self.is_down[index]);
        let timer = up
            .filter_map(|i| Some((self.nodes[i].poll_timeout()?, i)))
            .min();
        let timer_at = timer.map(|timer| timer.0.max(self.now));
        let Some(at) = earliest(flight_at, timer_at).filter(|&at| at <= end) else {
            return false;
        };
        self.now = at;
        match timer.filter(|_| timer_at == Some(at)) {
            Some((_, index)) => {
                self.nodes[index].handle_timeout(at);
                let next = self.nodes[index].poll_timeout();
                self.drain(index);
                assert!(
                    next > Some(at),
                    "a timer that has fired does not fire again at once"
                );
            }
            None => {
                let (_, flight) = self.flights.pop_first().expect("there is one");
                self.deliver(flight);
            }
        }
        true
    }

    fn deliver(&mut self, flight: Flight) {
        let Some(&index) = self.addresses.get(&flight.to) else {
            return;
        };
        let is_cut = self.is_cut[index] || self.is_cut[flight.from];
        if !self.is_down[index] && !is_cut && self.rng.below(100) >= self.loss {
            let from = address_of(flight.from);
            self.nodes[index].handle_datagram(self.now, from, &flight.bytes);
            self.drain(index);
        }
    }

    fn drain(&mut self, index: usize) {
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        while let Some((to, size)) = self.nodes[index].poll_datagram(self.now, &mut buffer) {
            let delay = Duration::from_millis(5 + self.rng.below(20));
            let key = (self.now + delay, self.flight_count);
            self.flight_count += 1;
            if !self.is_down[index] {
                let bytes = buffer[..size].to_vec();
                self.flights.insert(
                    key,
                    Flight {
                        from: index,
                        to,
                        bytes,
                    },
                );
            }
        }
        while let Some(event) = self.nodes[index].poll_event() {
            self.events[index].push(event);
        }
        assert!(
            self.nodes[index].counters().dropped == 0,
            "what is drained is never dropped"
        );
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
