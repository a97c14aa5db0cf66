//! Datagrams of a world: what becomes of each on its way, and its delivery to a node.
//!
//! Here the wire is judged (see [`ledger`]): a reply is accepted only when it is due. Invariant:
//! what a node is given is what was sent, or is known not to be genuine.

use super::Checks;
use super::faults::Addressing;
use super::host::What;
use super::ledger::{self, Verdict};
use super::net::Way;
use super::uplink::DATAGRAM_HEADERS_SIZE;
use super::world::World;
use crate::node::{Arrival, Port};
use crate::wire::Discovery;
use crate::wire::native::datagram::Datagram;
use std::net::SocketAddr;
use std::time::Duration;

/// Datagrams that a socket's buffer holds while its host stands still.
const HELD_MAX: usize = 128;

impl World {
    pub(super) fn deliver(
        &mut self,
        from: SocketAddr,
        to: usize,
        bytes: Box<[u8]>,
        is_genuine: bool,
    ) {
        let sender = self.host_at(from);
        match sender.map_or(Way::Open, |sender| self.way(sender, to)) {
            Way::Cut => return,
            Way::Clogged => {
                let key = (sender.unwrap_or(to), to);
                let what = What::Datagram {
                    from,
                    to,
                    bytes,
                    is_genuine,
                };
                self.clogged.entry(key).or_default().push(what);
                return;
            }
            Way::Open => {}
        }
        let of = &mut self.hosts[to];
        if of.is_paused {
            if of.held.len() < HELD_MAX {
                of.held.push(What::Datagram {
                    from,
                    to,
                    bytes,
                    is_genuine,
                });
            }
            return;
        }
        let lan = of.lan;
        let is_neighbour = |sender: usize| lan.is_some() && self.hosts[sender].lan == lan;
        let arrival = Arrival {
            from,
            port: Port::Node,
            is_on_link: sender.is_some_and(is_neighbour),
        };
        let Some(node) = &mut self.hosts[to].node else {
            return;
        };
        let accepted = |node: &crate::node::Node| {
            let counters = node.kad().counters();
            counters.replies + counters.late_replies
        };
        let before = accepted(node);
        if sender.is_none() && is_genuine {
            self.ledger.spoofed(to, from, bytes.len());
        }
        node.handle_datagram(self.now, arrival, &bytes);
        let taken = accepted(node) - before;
        if self.checks != Checks::Off {
            let verdict = self.ledger.judge(to, from, &bytes);
            let is_due = verdict == Verdict::Due && is_genuine;
            assert!(
                taken <= u64::from(is_due),
                "host {to} accepted a reply from {from} that was {verdict:?} (genuine: {is_genuine})"
            );
            if taken > 0 {
                self.ledger.answered(to, &bytes);
            }
        }
        let crc = bytes.get(4..12).map_or(0, |crc| {
            u64::from_be_bytes(crc.try_into().unwrap_or([0; 8]))
        });
        self.note(2, to, crc);
        self.attend(to);
    }

    /// Sends what a node has written into the datagram buffer.
    pub(super) fn send_datagram(&mut self, host: usize, to: SocketAddr, size: usize) {
        self.datagram_bytes += size as u64;
        if Discovery::is_one(&self.datagram[..size]) {
            if let Some(target) = self.host_at(to) {
                self.send_with_faults(host, target, size);
            }
            return;
        }
        if let Some(traffic) = &mut self.traffic {
            let datagram = Datagram::parse(&self.datagram[..size], self.network);
            traffic.sent(self.now, &datagram.expect("nodes send datagrams"), size);
        }
        if self.checks != Checks::Off {
            let bytes = &self.datagram[..size];
            self.ledger.sent(self.now, host, to, bytes);
            self.check_reply(host, size);
        }
        let Some(target) = self.host_at(to) else {
            return;
        };
        self.send_with_faults(host, target, size);
    }

    /// Sends what stands in the datagram buffer, if nothing happens to it.
    fn send_with_faults(&mut self, host: usize, target: usize, size: usize) {
        let from = self.hosts[host].address;
        let mut chance = |most: u64| most > 0 && self.rng.below(1_000) < most;
        let faults = self.faults;
        let is_lost = chance(faults.loss);
        let is_late = chance(faults.reorder);
        let is_damaged = chance(faults.damage);
        let copies = 1 + usize::from(chance(faults.duplicate));
        let is_forged = chance(faults.forge);
        let is_request = ledger::kind(&self.datagram[..size]).is_some_and(|kind| !kind.is_reply());
        let is_spoofed = is_request && chance(faults.spoof);
        if is_forged && self.hosts.len() > 1 {
            let other = self.rng.below(self.hosts.len() as u64) as usize;
            let from = self.hosts[other].address;
            self.send_copy((host, from, target), size, true);
        }
        if is_spoofed {
            let from = Addressing::nobody(self.rng.below(4));
            self.send_copy((host, from, target), size, true);
        }
        if is_lost {
            return;
        }
        if is_damaged {
            let at = self.rng.below(size as u64) as usize;
            match self.rng.below(2) {
                0 => self.datagram[at] ^= 1 << self.rng.below(8),
                _ => return self.send_copy((host, from, target), at, false),
            }
        }
        for _ in 0..copies {
            self.send_copy((host, from, target), size, !is_damaged);
        }
        if is_late {
            let at = self.now + Duration::from_micros(self.rng.below(3_000_000));
            let bytes = self.datagram[..size].into();
            let is_genuine = !is_damaged;
            self.queue.push(
                at,
                What::Datagram {
                    from,
                    to: target,
                    bytes,
                    is_genuine,
                },
            );
        }
    }

    /// Sends the call that a node has to make, to every other host of its local network.
    pub(super) fn call(&mut self, host: usize) {
        loop {
            let of = &mut self.hosts[host];
            let lan = of.lan;
            let node = of.node.as_mut();
            let Some(size) = node.and_then(|node| node.poll_discovery(&mut *self.datagram)) else {
                return;
            };
            let call = self.datagram[..size].to_vec();
            for target in (0..self.hosts.len()).filter(|&target| target != host) {
                if self.hosts[target].lan == lan {
                    self.datagram_bytes += size as u64;
                    self.datagram[..size].copy_from_slice(&call);
                    self.send_with_faults(host, target, size);
                }
            }
        }
    }

    fn send_copy(
        &mut self,
        (host, from, to): (usize, SocketAddr, usize),
        size: usize,
        is_genuine: bool,
    ) {
        let what = (host, size + DATAGRAM_HEADERS_SIZE);
        let at = self
            .net
            .arrival(self.now, what, &self.faults, &mut self.rng);
        let bytes = self.datagram[..size].into();
        self.queue.push(
            at,
            What::Datagram {
                from,
                to,
                bytes,
                is_genuine,
            },
        );
    }
}
