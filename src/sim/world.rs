//! A world: hosts with a node each, and everything that will happen to them.
//!
//! The owner commands (`add`, `share`, `crash` …) and lets time pass (`run`); news of the nodes
//! gather in [`World::events`] and [`World::found`]. Not here: what a scenario is.
//!
//! Invariant: each step gives one fact to one host, does all that its node then wants, and checks
//! it.

use super::check::Checks;
use super::content::Content;
use super::disk::Disk;
use super::faults::{Addressing, Faults};
use super::host::{Death, Found, Host, What};
use super::ledger::Ledger;
use super::net::{Net, Way};
use super::pipes::{Connection, ConnectionKey, Hold, Side};
use super::queue::Queue;
use super::sockets::Sockets;
use super::traffic::Traffic;
use crate::id::{FileId, NodeId};
use crate::limits::{DATAGRAM_SIZE_MAX, RECEIVE_BUFFER_SIZE};
use crate::node::{Config, Event, Node, SwarmKey, saved};
use crate::rng::Rng;
use crate::slab::Slots;
use crate::time::Instant;
use crate::wire::Network;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// How a world is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// What determines it.
    pub seed: u64,
    /// What it does to its hosts.
    pub faults: Faults,
    /// Where they stand.
    pub addressing: Addressing,
    /// How often they are checked.
    pub checks: Checks,
}

/// Hosts, and what happens to them.
pub struct World {
    pub(super) now: Instant,
    pub(super) rng: Rng,
    pub(super) queue: Queue<What>,
    pub(super) hosts: Vec<Host>,
    pub(super) faults: Faults,
    pub(super) net: Net,
    pub(super) clogged: BTreeMap<(usize, usize), Vec<What>>,
    pub(super) connections: Slots<ConnectionKey, Connection>,
    pub(super) ledger: Ledger,
    pub(super) contents: BTreeMap<FileId, Content>,
    /// When each location last provided a file, as far as anybody was told of it.
    pub(super) provided: BTreeMap<(FileId, SocketAddr), Instant>,
    pub(super) checks: Checks,
    pub(super) buffer: Box<[u8]>,
    pub(super) datagram: Box<[u8; DATAGRAM_SIZE_MAX]>,
    addressing: Addressing,
    /// What the hosts that come are set up for: to be changed before the first.
    pub network: Network,
    hash: u64,
    steps: u64,
    /// What nodes had to say, lookups aside; the owner takes it.
    pub events: Vec<(usize, Event)>,
    /// What lookups have found; the owner takes it.
    pub found: Vec<Found>,
    /// Bytes of datagrams sent by all nodes.
    pub datagram_bytes: u64,
    /// Bytes of streams sent by all nodes.
    pub stream_bytes: u64,
    /// What datagrams were for, if the owner wants to know.
    pub traffic: Option<Traffic>,
}

impl World {
    /// A world without hosts.
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
            traffic: None,
        }
    }

    // -- commands

    /// A new host with a running node that knows nobody: its index.
    pub fn add(&mut self) -> usize {
        let index = self.hosts.len();
        let address = self.addressing.address(index);
        let config = Config {
            id: NodeId(self.rng.id()),
            network: self.network,
            port: address.port(),
            read_only: false,
        };
        self.hosts.push(Host {
            address,
            config,
            lan: None,
            node: None,
            epoch: 0,
            is_dark: true,
            is_paused: false,
            held: Vec::new(),
            disk: Disk::default(),
            sockets: Sockets::default(),
            timer_at: None,
            is_reading: false,
            spins: (Instant::ZERO, 0),
            steps: 0,
        });
        self.start(index);
        index
    }

    /// Starts a node on a host that has none, with the id and the saved contacts that it had.
    pub fn start(&mut self, host: usize) {
        let rng = self.rng.split();
        let of = &mut self.hosts[host];
        assert!(of.node.is_none(), "host {host} has a node");
        let mut node = Node::new(of.config, rng, self.now);
        if !of.disk.contacts.is_empty() {
            let contacts = saved::parse(&of.disk.contacts, of.config.network);
            node.restore(self.now, &contacts.expect("nothing damages a list"));
        }
        if of.lan.is_some() {
            node.discover(self.now);
        }
        of.node = Some(node);
        of.is_dark = false;
        of.is_reading = false;
        of.timer_at = None;
        self.ledger.restarted(host);
        self.attend(host);
    }

    /// Attaches a host to a local network, by its number, which its node discovers from now on.
    pub fn attach(&mut self, host: usize, lan: usize) {
        self.hosts[host].lan = Some(lan);
        if self.hosts[host].node.is_some() {
            self.command(host, |node, now| node.discover(now));
        }
    }

    /// Gives a host that has no node another id, as when its state folder is lost.
    pub fn change_id(&mut self, host: usize) {
        self.hosts[host].config.id = NodeId(self.rng.id());
        self.hosts[host].disk.contacts.clear();
    }

    /// Ends the node of a host. Its disk stays.
    pub fn end(&mut self, host: usize, death: Death) {
        self.resume(host);
        self.note_provided(host);
        if death == Death::Stopped {
            self.command(host, |node, now| node.stop(now));
            self.save_contacts(host);
        }
        let of = &mut self.hosts[host];
        of.node = None;
        of.epoch += 1;
        of.is_dark = death == Death::PowerCut;
        let sockets = std::mem::take(&mut of.sockets);
        let tears = death == Death::PowerCut && self.faults.tear;
        of.disk.crash(tears.then_some(&mut self.rng));
        for socket in sockets.into_connections() {
            match death {
                Death::PowerCut => self.let_die(socket),
                Death::Stopped | Death::Killed => self.hang_up(socket),
            }
        }
    }

    /// Gives a node a command, and does what comes of it.
    ///
    /// # Panics
    /// When the host has no node.
    pub fn command<T>(&mut self, host: usize, command: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let node = self.hosts[host].node.as_mut().expect("the host has a node");
        let result = command(node, self.now);
        self.attend(host);
        result
    }

    /// Makes content known, so that whoever fetches it can be compared with it.
    pub fn publish(&mut self, content: Content) -> FileId {
        let file = content.file();
        self.contents.insert(file, content);
        file
    }

    /// Puts published content on a host's disk, and has its node share it.
    pub fn share(&mut self, host: usize, file: FileId) -> Option<SwarmKey> {
        let content = &self.contents[&file];
        let spec = content.spec();
        self.hosts[host].disk.put(content);
        let node = self.hosts[host].node.as_mut()?;
        let swarm = node.share(self.now, spec).ok()?;
        self.hosts[host].disk.place(swarm, file);
        self.attend(host);
        Some(swarm)
    }

    /// Has a node fetch published content.
    pub fn fetch(&mut self, host: usize, file: FileId, from: &[SocketAddr]) -> Option<SwarmKey> {
        let node = self.hosts[host].node.as_mut()?;
        let swarm = node.fetch(self.now, file, None, from).ok()?;
        self.hosts[host].disk.place(swarm, file);
        self.attend(host);
        Some(swarm)
    }

    /// A host stands still, as under SIGSTOP: its kernel goes on.
    pub fn pause(&mut self, host: usize) {
        self.hosts[host].is_paused = true;
    }

    /// A host that stands still goes on.
    pub fn resume(&mut self, host: usize) {
        if std::mem::take(&mut self.hosts[host].is_paused) {
            let held = std::mem::take(&mut self.hosts[host].held);
            held.into_iter()
                .for_each(|what| self.queue.push(self.now, what));
        }
    }

    /// Nothing passes any more from the hosts of `one` to those of `other`.
    pub fn cut(&mut self, one: &[usize], other: &[usize]) {
        let set = |hosts: &[usize]| hosts.iter().copied().collect::<BTreeSet<_>>();
        self.net.cut(set(one), set(other));
    }

    /// All cuts end.
    pub fn end_cuts(&mut self) {
        self.net.end_cuts();
    }

    /// What goes from one host to another is held back.
    pub fn clog(&mut self, from: usize, to: usize) {
        self.net.clog(from, to);
    }

    /// What was held back is released, in random order.
    pub fn unclog(&mut self, from: usize, to: usize) {
        self.net.unclog(from, to);
        let mut held = self.clogged.remove(&(from, to)).unwrap_or_default();
        self.rng.shuffle(&mut held);
        held.into_iter()
            .for_each(|what| self.queue.push(self.now, what));
    }

    /// All ways are open, all hosts that stand still go on, and the faults end.
    pub fn heal(&mut self) {
        let clogged: Vec<_> = self.clogged.keys().copied().collect();
        clogged
            .into_iter()
            .for_each(|(from, to)| self.unclog(from, to));
        self.net.heal();
        (0..self.hosts.len()).for_each(|host| self.resume(host));
        self.faults = self.faults.healed();
    }

    /// Exchanges the faults of what happens from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Every byte of a file on a host's disk is wrong from now on: its node serves it unknowingly.
    pub fn corrupt(&mut self, host: usize, file: FileId) {
        self.hosts[host].disk.corrupt(file);
    }

    /// Gives a host's uplink a capacity of its own, in bytes a second; 0: no limit.
    pub fn set_uplink(&mut self, host: usize, capacity: u64) {
        self.net.uplink(host).set_capacity(capacity);
    }

    /// The room that a host's disk has left.
    pub fn set_free_space(&mut self, host: usize, free: u64) {
        self.hosts[host].disk.free = free;
    }

    // -- time

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until `is_done`, at most `time`; whether it came true.
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

    /// Lets the next thing happen, if it happens not after `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        let Some((at, what)) = self.queue.pop(end) else {
            return false;
        };
        assert!(at >= self.now, "time runs forwards");
        self.now = at;
        self.happen(what);
        true
    }

    /// Mixes what has happened into the hash.
    pub(super) fn note(&mut self, kind: u64, host: usize, detail: u64) {
        self.steps += 1;
        for word in [self.now.as_micros(), kind << 32 | host as u64, detail] {
            self.hash = (self.hash ^ word)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(23);
        }
    }

    // -- getters

    /// The virtual clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The hash of everything that has happened: the same for the same seed and commands.
    pub fn event_hash(&self) -> u64 {
        self.hash
    }

    /// How much has happened.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Where its hosts stand.
    pub fn addressing(&self) -> Addressing {
        self.addressing
    }

    /// The world's faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there is no host.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The node of a host, if one runs.
    pub fn node(&self, host: usize) -> Option<&Node> {
        self.hosts[host].node.as_ref()
    }

    /// What was published as `file`.
    pub fn content(&self, file: FileId) -> &Content {
        &self.contents[&file]
    }

    /// A host's disk.
    pub fn disk(&self, host: usize) -> &Disk {
        &self.hosts[host].disk
    }

    /// The host at an address.
    pub(super) fn host_at(&self, address: SocketAddr) -> Option<usize> {
        let index = self.addressing.index(address);
        index.filter(|&index| index < self.hosts.len())
    }

    /// A host's address.
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

    /// Whether a host stands still.
    pub fn is_paused(&self, host: usize) -> bool {
        self.hosts[host].is_paused
    }

    /// The hosts whose nodes run.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|&host| self.hosts[host].node.is_some())
    }

    /// The way from one host to another.
    pub(super) fn way(&self, from: usize, to: usize) -> Way {
        self.net.way(from, to)
    }

    /// A power cut has hit one end of a connection.
    fn let_die(&mut self, (connection, side): (ConnectionKey, Side)) {
        if let Some(of) = self.connections.get_mut(connection) {
            of.ends[side].hold = Hold::Dead;
            if of.is_over() {
                self.connections.remove(connection);
            }
        }
    }
}
