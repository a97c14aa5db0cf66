//! Datagrams of a world: the faults on their way, and their delivery.
//!
//! Here the [`ledger`] judges the wire: a node may accept a reply only when it is due. Invariant: a
//! delivered datagram is what its sender sent, or is marked as not genuine.

use super::ledger::{self, Verdict};
use super::net::Link;
use super::scheduled::{Packet, Scheduled};
use super::script::Input;
use super::setup::{Addressing, Checks};
use super::uplink::DATAGRAM_HEADERS_SIZE;
use super::world::World;
use crate::node::{Arrival, Node, Port};
use crate::wire::Discovery;
use std::net::SocketAddr;
use std::time::Duration;

/// Datagrams in a socket's buffer while its host is paused.
const HELD_MAX: usize = 128;

impl World {
    pub(super) fn deliver(&mut self, packet: Packet) {
        let to = packet.to;
        let sender = self.host_at(packet.from);
        match sender.map_or(Link::Open, |sender| self.net.link(sender, to)) {
            Link::Cut => return,
            Link::Clogged => {
                let held = self.clogged.entry((sender.unwrap_or(to), to));
                return held.or_default().push(Scheduled::Datagram(packet));
            }
            Link::Open => {}
        }
        let of = &mut self.hosts[to];
        if of.is_paused {
            if of.held.len() < HELD_MAX {
                of.held.push(Scheduled::Datagram(packet));
            }
            return;
        }
        let (from, bytes) = (packet.from, &*packet.bytes);
        if of.script.is_some() {
            return self.run_script(to, Input::Datagram { from, bytes });
        }
        if of.node.is_some() {
            self.give_to_node(&packet, sender);
        }
    }

    /// Gives a node a datagram, and checks that it accepts a reply only when it is due.
    fn give_to_node(&mut self, packet: &Packet, sender: Option<usize>) {
        let Packet { from, to, .. } = *packet;
        let (bytes, is_genuine) = (&*packet.bytes, packet.is_genuine);
        let lan = self.hosts[to].lan;
        let is_neighbour = |sender: usize| lan.is_some() && self.hosts[sender].lan == lan;
        let arrival = Arrival {
            from,
            port: Port::Node,
            is_on_link: sender.is_some_and(is_neighbour),
        };
        let accepted = |node: &Node| {
            let counters = node.kad().counters();
            counters.replies + counters.late_replies
        };
        if sender.is_none() && is_genuine {
            self.ledger.spoofed(to, from, bytes.len());
        }
        let now = self.now;
        let node = self.node_mut(to);
        let before = accepted(node);
        node.handle_datagram(now, arrival, bytes);
        let taken = accepted(node) - before;
        if self.checks != Checks::Off {
            let verdict = self.ledger.judge(to, from, bytes);
            let is_due = verdict == Verdict::Due && is_genuine;
            assert!(
                taken <= u64::from(is_due),
                "host {to} accepted a reply from {from}: {verdict:?}, genuine: {is_genuine}"
            );
            if taken > 0 {
                self.ledger.answered(to, bytes);
            }
        }
        let ids = bytes.get(4..12).and_then(|bytes| bytes.first_chunk());
        self.note(2, to, ids.map_or(0, |bytes| u64::from_be_bytes(*bytes)));
        self.attend(to);
    }

    /// Sends what a node has written into the datagram buffer.
    pub(super) fn send_datagram(&mut self, host: usize, to: SocketAddr, size: usize) {
        self.datagram_bytes += size as u64;
        let bytes = &self.datagram[..size];
        if !Discovery::is_one(bytes) {
            if let Some(observer) = &mut self.observer {
                observer(self.now, bytes);
            }
            if self.checks != Checks::Off {
                self.ledger.sent(self.now, host, to, bytes);
                self.check_reply(host, size);
            }
        }
        if let Some(target) = self.host_at(to) {
            self.send_with_faults(host, self.packet(host, target, size));
        }
    }

    /// Sends the queries that a node has to make, to every other host of its local network.
    pub(super) fn send_queries(&mut self, host: usize) {
        loop {
            let of = &mut self.hosts[host];
            let (lan, node) = (of.lan, of.node.as_mut());
            let Some(size) = node.and_then(|node| node.poll_discovery(&mut *self.datagram)) else {
                return;
            };
            for target in (0..self.hosts.len()).filter(|&target| target != host) {
                if self.hosts[target].lan == lan {
                    self.datagram_bytes += size as u64;
                    self.send_with_faults(host, self.packet(host, target, size));
                }
            }
        }
    }

    /// The datagram in the buffer, from a host to another.
    fn packet(&self, host: usize, to: usize, size: usize) -> Packet {
        Packet {
            from: self.hosts[host].address,
            to,
            bytes: self.datagram[..size].into(),
            is_genuine: true,
        }
    }

    /// Sends a datagram of `host`, and what the faults make of it.
    pub(super) fn send_with_faults(&mut self, host: usize, mut packet: Packet) {
        let mut chance = |most: u64| most > 0 && self.rng.below(1_000) < most;
        let faults = self.faults;
        let is_lost = chance(faults.loss);
        let is_late = chance(faults.reorder);
        let is_damaged = chance(faults.damage);
        let is_doubled = chance(faults.duplicate);
        let is_forged = chance(faults.forge);
        let is_request = ledger::kind(&packet.bytes).is_some_and(|kind| !kind.is_reply());
        let is_spoofed = is_request && chance(faults.spoof);
        if is_forged && self.hosts.len() > 1 {
            let other = self.rng.below(self.hosts.len() as u64) as usize;
            let from = self.hosts[other].address;
            let copy = packet.clone();
            self.send_packet(host, Packet { from, ..copy });
        }
        if is_spoofed {
            let from = Addressing::unused(self.rng.below(4));
            let copy = packet.clone();
            self.send_packet(host, Packet { from, ..copy });
        }
        if is_lost {
            return;
        }
        if is_damaged {
            packet.is_genuine = false;
            let at = self.rng.below(packet.bytes.len() as u64) as usize;
            if self.rng.below(2) > 0 {
                packet.bytes = packet.bytes[..at].into();
                return self.send_packet(host, packet);
            }
            packet.bytes[at] ^= 1 << self.rng.below(8);
        }
        let late = is_late.then(|| packet.clone());
        if is_doubled {
            self.send_packet(host, packet.clone());
        }
        self.send_packet(host, packet);
        if let Some(late) = late {
            let at = self.now + Duration::from_micros(self.rng.below(3_000_000));
            self.queue.push(at, Scheduled::Datagram(late));
        }
    }

    fn send_packet(&mut self, host: usize, packet: Packet) {
        let sent = (host, packet.bytes.len() + DATAGRAM_HEADERS_SIZE);
        let (faults, rng) = (&self.faults, &mut self.rng);
        let at = self.net.arrival(self.now, sent, faults, rng);
        self.queue.push(at, Scheduled::Datagram(packet));
    }
}
