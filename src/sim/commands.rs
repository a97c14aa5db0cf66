//! The commands of a world's owner: hosts, files, and faults.
//!
//! Invariant: after a command to a node, all the work that the node wants is done.

use super::content::Content;
use super::faults::Faults;
use super::host::{Death, Host};
use super::world::World;
use crate::id::{FileId, NodeId};
use crate::node::{Config, Node, SwarmKey, saved};
use crate::time::Instant;
use std::collections::BTreeSet;
use std::net::SocketAddr;

impl World {
    // -- hosts

    /// Adds a host with a running node that knows no other; returns its index.
    pub fn add(&mut self) -> usize {
        let host = self.add_host();
        self.start(host);
        host
    }

    /// Adds a host that runs nothing.
    pub(super) fn add_host(&mut self) -> usize {
        let index = self.hosts.len();
        let address = self.addressing.address(index);
        let config = Config {
            id: NodeId(self.rng.id()),
            network: self.network,
            port: address.port(),
            read_only: false,
        };
        self.hosts.push(Host::new(address, config));
        index
    }

    /// Starts a node on a host that runs none, with the id and the saved contacts of the node
    /// before.
    pub fn start(&mut self, host: usize) {
        let rng = self.rng.split();
        let of = &mut self.hosts[host];
        assert!(!of.is_running(), "host {host} runs a node");
        let mut node = Node::new(of.config, rng, self.now);
        if !of.disk.contacts.is_empty() {
            let contacts = saved::parse(&of.disk.contacts, of.config.network);
            node.restore(self.now, &contacts.expect("no fault damages a list"));
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

    /// Attaches a host to a local network, by its number; its node starts to discover.
    pub fn attach(&mut self, host: usize, lan: usize) {
        self.hosts[host].lan = Some(lan);
        if self.hosts[host].node.is_some() {
            self.command(host, |node, now| node.discover(now));
        }
    }

    /// Gives a host that runs no node another id, as if it lost its state folder.
    pub fn change_id(&mut self, host: usize) {
        self.hosts[host].config.id = NodeId(self.rng.id());
        self.hosts[host].disk.contacts.clear();
    }

    /// Ends the node of a host. Its disk stays.
    pub fn end(&mut self, host: usize, death: Death) {
        self.resume(host);
        self.note_provided(host);
        if death == Death::Stopped && self.hosts[host].node.is_some() {
            self.command(host, |node, now| node.stop(now));
            self.save_contacts(host);
        }
        let of = &mut self.hosts[host];
        (of.node, of.script) = (None, None);
        of.epoch += 1;
        of.is_dark = death == Death::PowerCut;
        let sockets = std::mem::take(&mut of.sockets);
        let tears = death == Death::PowerCut && self.faults.tear;
        of.disk.crash(tears.then_some(&mut self.rng));
        for end in sockets.into_ends() {
            match death {
                Death::PowerCut => self.kill_end(end),
                Death::Stopped | Death::Killed => self.hang_up(end),
            }
        }
    }

    /// Ends the node of a host, if one runs, and starts it again, with another id or the same.
    pub fn restart(&mut self, host: usize, death: Death, with_new_id: bool) {
        if self.hosts[host].node.is_some() {
            self.end(host, death);
        }
        if with_new_id {
            self.change_id(host);
        }
        self.start(host);
    }

    /// Gives a node a command, and does the work that follows.
    ///
    /// # Panics
    /// When the host runs no node.
    pub fn command<T>(&mut self, host: usize, command: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let now = self.now;
        let result = command(self.node_mut(host), now);
        self.attend(host);
        result
    }

    /// Pauses a host, as by SIGSTOP: its kernel goes on.
    pub fn pause(&mut self, host: usize) {
        self.hosts[host].is_paused = true;
    }

    /// Resumes a paused host: everything that was held happens now.
    pub fn resume(&mut self, host: usize) {
        if std::mem::take(&mut self.hosts[host].is_paused) {
            for what in std::mem::take(&mut self.hosts[host].held) {
                self.queue.push(self.now, what);
            }
        }
    }

    // -- files

    /// Makes content known, so that fetched files can be compared with it.
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
        self.hosts[host].disk.assign(swarm, file);
        self.attend(host);
        Some(swarm)
    }

    /// Has a node fetch published content.
    pub fn fetch(&mut self, host: usize, file: FileId, from: &[SocketAddr]) -> Option<SwarmKey> {
        let node = self.hosts[host].node.as_mut()?;
        let swarm = node.fetch(self.now, file, None, from).ok()?;
        self.hosts[host].disk.assign(swarm, file);
        self.attend(host);
        Some(swarm)
    }

    /// Changes every byte of a file on a host's disk, unnoticed by its node.
    pub fn corrupt(&mut self, host: usize, file: FileId) {
        self.hosts[host].disk.corrupt(file);
    }

    /// Sets the free bytes of a host's disk.
    pub fn set_free_space(&mut self, host: usize, free: u64) {
        self.hosts[host].disk.free = free;
    }

    // -- the network

    /// Cuts the links from the hosts of `one` to those of `other`.
    pub fn cut(&mut self, one: &[usize], other: &[usize]) {
        let set = |hosts: &[usize]| hosts.iter().copied().collect::<BTreeSet<_>>();
        self.net.cut(set(one), set(other));
    }

    /// Ends the cuts of all links.
    pub fn end_cuts(&mut self) {
        self.net.end_cuts();
    }

    /// Holds back datagrams from one host to another.
    pub fn clog(&mut self, from: usize, to: usize) {
        self.net.clog(from, to);
    }

    /// Releases the datagrams that were held back, in random order.
    pub fn unclog(&mut self, from: usize, to: usize) {
        self.net.unclog(from, to);
        let mut held = self.clogged.remove(&(from, to)).unwrap_or_default();
        self.rng.shuffle(&mut held);
        for what in held {
            self.queue.push(self.now, what);
        }
    }

    /// Opens all links, resumes all hosts, and ends the faults.
    pub fn heal(&mut self) {
        let clogged: Vec<_> = self.clogged.keys().copied().collect();
        for (from, to) in clogged {
            self.unclog(from, to);
        }
        self.net.heal();
        (0..self.hosts.len()).for_each(|host| self.resume(host));
        self.faults = self.faults.healed();
    }

    /// Sets the faults from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Gives a host's uplink a capacity of its own, in bytes a second; 0: no limit.
    pub fn set_uplink(&mut self, host: usize, capacity: u64) {
        self.net.uplink(host).set_capacity(capacity);
    }
}
