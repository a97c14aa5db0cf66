//! A world: hosts, each with a node or a script, and everything that will happen to them.
//!
//! The owner gives commands (`add`, `share`, `crash` …: see `commands`) and lets time pass (`run`).
//! [`World::events`] and [`World::found`] collect what the nodes report. Scenarios are not here.
//!
//! Invariant: each step gives one fact to one host, does all the work that its node then wants, and
//! checks the node.

use super::content::Content;
use super::disk::Disk;
use super::faults::Faults;
use super::host::{Found, Host};
use super::ledger::Ledger;
use super::net::Net;
use super::pipes::{Connection, ConnectionKey};
use super::queue::Queue;
use super::scheduled::Scheduled;
use super::setup::{Addressing, Checks, Setup};
use crate::id::{FileId, NodeId};
use crate::limits::{DATAGRAM_SIZE_MAX, RECEIVE_BUFFER_SIZE};
use crate::node::{Event, Node};
use crate::rng::Rng;
use crate::slab::Slots;
use crate::time::Instant;
use crate::wire::Network;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Sees each native datagram that a node sends, with its time.
pub type Observer = Box<dyn FnMut(Instant, &[u8])>;

/// Hosts, and the things that happen to them.
pub struct World {
    pub(super) now: Instant,
    pub(super) rng: Rng,
    pub(super) queue: Queue<Scheduled>,
    pub(super) hosts: Vec<Host>,
    pub(super) faults: Faults,
    pub(super) net: Net,
    pub(super) clogged: BTreeMap<(usize, usize), Vec<Scheduled>>,
    pub(super) connections: Slots<ConnectionKey, Connection>,
    pub(super) ledger: Ledger,
    pub(super) contents: BTreeMap<FileId, Content>,
    /// When each location last provided a file, as far as another node can know.
    pub(super) provided: BTreeMap<(FileId, SocketAddr), Instant>,
    pub(super) checks: Checks,
    pub(super) buffer: Box<[u8]>,
    pub(super) datagram: Box<[u8; DATAGRAM_SIZE_MAX]>,
    pub(super) addressing: Addressing,
    /// The network of hosts that are added from now on; the owner sets it before the first.
    pub network: Network,
    hash: u64,
    steps: u64,
    /// Events of the nodes, except ends of lookups; the owner takes them.
    pub events: Vec<(usize, Event)>,
    /// Results of lookups; the owner takes them.
    pub found: Vec<Found>,
    /// Bytes of datagrams sent by all hosts.
    pub datagram_bytes: u64,
    /// Bytes of streams sent by all hosts.
    pub stream_bytes: u64,
    /// Sees the datagrams of all nodes, if the owner sets it.
    pub observer: Option<Observer>,
}

impl World {
    /// Makes a world without hosts.
    pub fn new(setup: Setup) -> World {
        World {
            now: Instant::ZERO,
            rng: Rng::from_number(setup.seed),
            queue: Queue::default(),
            hosts: Vec::new(),
            faults: setup.faults,
            net: Net::default(),
            clogged: BTreeMap::new(),
            connections: Slots::with_capacity(0),
            ledger: Ledger::default(),
            contents: BTreeMap::new(),
            provided: BTreeMap::new(),
            checks: setup.checks,
            buffer: vec![0; RECEIVE_BUFFER_SIZE].into_boxed_slice(),
            datagram: Box::new([0; DATAGRAM_SIZE_MAX]),
            addressing: setup.addressing,
            network: Network::named("simulated"),
            hash: 0xcbf2_9ce4_8422_2325,
            steps: 0,
            events: Vec::new(),
            found: Vec::new(),
            datagram_bytes: 0,
            stream_bytes: 0,
            observer: None,
        }
    }

    // -- time

    /// Lets this much time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until `is_done`, at most `time`; returns whether `is_done` became true.
    pub fn run_until(&mut self, time: Duration, mut is_done: impl FnMut(&World) -> bool) -> bool {
        let end = self.now + time;
        while !is_done(self) {
            if !self.step(end) {
                self.now = end;
                return false;
            }
        }
        true
    }

    /// Lets the next thing happen, if it is due at `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        let Some((at, what)) = self.queue.pop(end) else {
            return false;
        };
        assert!(at >= self.now, "time runs forwards");
        self.now = at;
        self.handle(what);
        true
    }

    /// Adds a step to the hash of events.
    pub(super) fn note(&mut self, kind: u64, host: usize, detail: u64) {
        self.steps += 1;
        for word in [self.now.as_micros(), kind << 32 | host as u64, detail] {
            self.hash = (self.hash ^ word)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(23);
        }
    }

    // -- getters

    /// The time of the virtual clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The hash of all steps: equal for equal seeds and commands.
    pub fn event_hash(&self) -> u64 {
        self.hash
    }

    /// The number of steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The kind of addresses of its hosts.
    pub fn addressing(&self) -> Addressing {
        self.addressing
    }

    /// The faults of the world at present.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The number of hosts, running or not.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether the world has no host.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The node of a host, if one runs.
    pub fn node(&self, host: usize) -> Option<&Node> {
        self.hosts[host].node.as_ref()
    }

    /// The content that was published with this id.
    pub fn content(&self, file: FileId) -> &Content {
        &self.contents[&file]
    }

    /// The disk of a host.
    pub fn disk(&self, host: usize) -> &Disk {
        &self.hosts[host].disk
    }

    /// The host with an address, if there is one.
    pub(super) fn host_at(&self, address: SocketAddr) -> Option<usize> {
        let index = self.addressing.index(address);
        index.filter(|&index| index < self.hosts.len())
    }

    /// The address of a host, for UDP and TCP.
    pub fn address(&self, host: usize) -> SocketAddr {
        self.hosts[host].address
    }

    /// The bytes that a host's uplink has sent, if it is limited: payload, headers, datagrams and
    /// acknowledgements.
    pub fn sent_bytes(&self, host: usize) -> u64 {
        self.net.sent_bytes(host)
    }

    /// The id of a host's node.
    pub fn id(&self, host: usize) -> NodeId {
        self.hosts[host].config.id
    }

    /// Whether a host is paused.
    pub fn is_paused(&self, host: usize) -> bool {
        self.hosts[host].is_paused
    }

    /// The hosts whose nodes run.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|&host| self.hosts[host].node.is_some())
    }
}
