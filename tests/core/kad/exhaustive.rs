//! Small worlds, exhaustively: ids of four bits, k = 2, up to five nodes, and every order in which
//! they can join, leave, answer and be silent, down to a bounded depth.
//!
//! The search replays each sequence of choices from the beginning, because a node cannot be copied.
//! At each point the choices are: the datagrams in flight, each of which may arrive next or be
//! lost; the timer that is due next; and the moves left (a node joins, leaves, or looks for an id).
//! States that were seen are not searched again: worlds that look alike from outside count as one.

use super::world::{config, network, small};
use sprat::dht::{Event, Purpose};
use sprat::id::{Id, NodeId};
use sprat::kad::Kad;
use sprat::limits::{DATAGRAM_SIZE_MAX, LOOKUP_TIMEOUT};
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::native::datagram::Datagram;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

/// The ids of the nodes: near and far ones, so that buckets split, fill and overflow.
const IDS: [u8; 5] = [0b0000, 0b0001, 0b0011, 0b1000, 0b1111];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// The datagram with this index among those in flight arrives, or is lost.
    Deliver(usize),
    Lose(usize),
    /// The next timer fires.
    Timer,
    Join(usize),
    Leave(usize),
    Look(usize),
}

struct Flight {
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

struct Small {
    now: Instant,
    nodes: Vec<Kad>,
    is_up: Vec<bool>,
    has_joined: Vec<bool>,
    flights: Vec<Flight>,
    losses_left: usize,
    leaves_left: usize,
    looks_left: usize,
    started: usize,
    ended: usize,
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1 + index as u8], 4160))
}

fn id(number: u8) -> Id {
    let mut bytes = [0; 20];
    bytes[0] = number << 4;
    Id(bytes)
}

impl Small {
    fn new(count: usize) -> Small {
        let node = |index: usize| {
            let config = config(id(IDS[index]), small(4));
            Kad::new(config, Rng::from_number(index as u64), Instant::ZERO)
        };
        Small {
            now: Instant::ZERO,
            nodes: (0..count).map(node).collect(),
            is_up: vec![true; count],
            has_joined: (0..count).map(|index| index == 0).collect(),
            flights: Vec::new(),
            losses_left: 2,
            leaves_left: 1,
            looks_left: 1,
            started: 0,
            ended: 0,
        }
    }

    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        // The oldest three: a datagram is overtaken by few.
        for index_in_flight in 0..self.flights.len().min(3) {
            choices.push(Choice::Deliver(index_in_flight));
        }
        if self.losses_left > 0 && !self.flights.is_empty() {
            choices.push(Choice::Lose(0));
        }
        if self.flights.is_empty() {
            choices.push(Choice::Timer);
        }
        let next = self.has_joined.iter().position(|has| !has);
        choices.extend(next.map(Choice::Join));
        let last = self.nodes.len() - 1;
        if self.leaves_left > 0 && self.has_joined[last] {
            // Not the one that looks.
            choices.push(Choice::Leave(last - 1));
        }
        // A node without contacts waits for as long as its bootstrap node is silent.
        if self.looks_left > 0 && !self.nodes[last].table().is_empty() {
            choices.push(Choice::Look(last));
        }
        choices
    }

    fn apply(&mut self, choice: Choice) {
        match choice {
            Choice::Deliver(index_in_flight) => {
                let flight = self.flights.remove(index_in_flight);
                if self.is_up[flight.to] {
                    let from = address(flight.from);
                    self.nodes[flight.to].handle_datagram(self.now, from, &flight.bytes);
                    self.drain(flight.to);
                    self.check_reply(flight.to, from, &flight.bytes);
                }
            }
            Choice::Lose(index_in_flight) => {
                self.losses_left -= 1;
                self.flights.remove(index_in_flight);
            }
            Choice::Timer => self.fire(),
            Choice::Join(index) => {
                self.has_joined[index] = true;
                self.nodes[index].bootstrap(self.now, address(index - 1));
                self.drain(index);
            }
            Choice::Leave(index) => {
                self.leaves_left -= 1;
                self.is_up[index] = false;
            }
            Choice::Look(index) => {
                self.looks_left -= 1;
                let is_begun = self.nodes[index].find_node(self.now, id(0b1001));
                self.started += usize::from(is_begun);
                self.drain(index);
            }
        }
        self.check_tables();
    }

    /// The earliest timer of a node that is up.
    fn fire(&mut self) {
        let up = (0..self.nodes.len()).filter(|&index| self.is_up[index]);
        let timers = up.filter_map(|index| Some((self.nodes[index].poll_timeout()?, index)));
        let (at, index) = timers.min().expect("upkeep never ends");
        self.now = self.now.max(at);
        self.nodes[index].handle_timeout(self.now);
        self.drain(index);
    }

    fn drain(&mut self, index: usize) {
        let mut buffer = [0; DATAGRAM_SIZE_MAX];
        while let Some((to, size)) = self.nodes[index].poll_datagram(self.now, &mut buffer) {
            let to = (0..self.nodes.len()).find(|&other| address(other) == to);
            self.flights.push(Flight {
                from: index,
                to: to.expect("no other node exists"),
                bytes: buffer[..size].to_vec(),
            });
        }
        while let Some(event) = self.nodes[index].poll_event() {
            let (target, purpose) = match event {
                Event::LookupDone {
                    target, purpose, ..
                } => (target, purpose),
                _ => continue,
            };
            self.ended += usize::from(purpose == Purpose::FindNode && target == id(0b1001));
        }
    }

    /// A reply counts once: the same bytes again are unexpected and have no effect.
    fn check_reply(&mut self, index: usize, from: SocketAddr, bytes: &[u8]) {
        let datagram = Datagram::parse(bytes, network()).expect("no datagram is damaged");
        if datagram.body.is_reply() {
            let (kad, in_flight) = (&mut self.nodes[index], self.flights.len());
            let before = *kad.counters();
            kad.handle_datagram(self.now, from, bytes);
            let after = *kad.counters();
            assert_eq!(after.replies, before.replies, "{datagram:?}");
            assert_eq!(after.unexpected, before.unexpected + 1, "{datagram:?}");
            self.drain(index);
            assert_eq!(self.flights.len(), in_flight, "{datagram:?}");
        }
    }

    /// Every contact is in its bucket, once, and is never the node itself.
    fn check_tables(&self) {
        for kad in &self.nodes {
            let buckets = kad.table().buckets();
            let mut seen = BTreeSet::new();
            for (index, bucket) in buckets.iter().enumerate() {
                for contact in bucket.members.iter().map(|member| member.contact) {
                    let prefix = contact.id.0.distance(&kad.id().0).shared_prefix();
                    assert_eq!(prefix.min(buckets.len() - 1), index, "in its bucket");
                    assert_ne!(contact.id, kad.id(), "never self");
                    assert!(seen.insert(contact.id), "no duplicates");
                    let home = IDS.iter().position(|&n| NodeId(id(n)) == contact.id);
                    assert_eq!(home.map(address), Some(contact.address), "where it is");
                }
                assert!(bucket.cache.len() <= 2);
            }
        }
    }

    /// With datagrams delivered in order from now on, every lookup ends, whatever happened before.
    fn check_end(&mut self) {
        let end = self.now + LOOKUP_TIMEOUT;
        while self.ended < self.started && self.now <= end {
            match self.flights.is_empty() {
                true => self.apply(Choice::Timer),
                false => self.apply(Choice::Deliver(0)),
            }
        }
        assert_eq!(self.ended, self.started, "every lookup ends, and once");
    }

    /// A hash of the state that an observer sees and that decides the next events: without the time
    /// and the random ids.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.is_up, &self.has_joined).hash(&mut hasher);
        (self.losses_left, self.leaves_left, self.looks_left).hash(&mut hasher);
        (self.started, self.ended).hash(&mut hasher);
        for flight in &self.flights {
            let body = Datagram::parse(&flight.bytes, network()).map(|d| d.body.kind() as u8);
            (flight.from, flight.to, flight.bytes.len(), body.ok()).hash(&mut hasher);
        }
        for kad in &self.nodes {
            for bucket in kad.table().buckets() {
                bucket.members.len().hash(&mut hasher);
                for member in bucket.members.iter().chain(&bucket.cache) {
                    (member.contact.id, member.failures).hash(&mut hasher);
                }
            }
            let until = kad.poll_timeout().map(|at| at.since(self.now).as_millis());
            (until, kad.counters().timeouts, kad.counters().replies).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Searches all sequences of choices up to `depth` long, the short ones first.
fn search(count: usize, depth: usize, states_max: usize) -> usize {
    let mut seen = BTreeSet::new();
    let mut paths = VecDeque::from([Vec::new()]);
    while let Some(path) = paths.pop_front() {
        let mut world = Small::new(count);
        path.iter().for_each(|&choice| world.apply(choice));
        if !seen.insert(world.digest()) {
            continue;
        }
        assert!(seen.len() <= states_max, "the search has a known size");
        if path.len() < depth {
            for choice in world.choices() {
                paths.push_back(path.iter().copied().chain([choice]).collect());
            }
        }
        world.check_end();
    }
    seen.len()
}

#[test]
fn every_order_of_joins_leaves_losses_and_replies_keeps_the_rules() {
    for (count, depth) in [(2, 14), (3, 11), (4, 9), (5, 8)] {
        let begun = std::time::Instant::now();
        let states = search(count, depth, 200_000);
        let took = begun.elapsed().as_secs_f64();
        println!("{count} nodes, {depth} steps: {states} states in {took:.1} s");
        assert!(states > 100, "the search found {states} states only");
    }
}
