//! The local network: which interfaces there are, and the sockets that hear calls.
//!
//! What is said, and when, the node decides (`kad::discovery`); calls go out from the sockets that the
//! node listens on, so that their source is where it is found. Here are the two sockets that hear
//! them, on a port that all nodes of a host share, in the groups of every interface.
//!
//! ```text
//!   an interface changes ─► changes ─► look ─► join its groups ─► node.discover: calls anew
//!   a datagram at a group ─► node.handle_datagram, with the port and whether its source is on a link
//! ```
//!
//! Invariants: a node that listens on loopback addresses only has none of this; a failure at one
//! interface does not affect another.

mod groups;

use super::Reactor;
use super::interfaces::Networks;
use super::interfaces::changes::Changes;
use super::throttle::Class;
use super::udp::Received;
use crate::limits::{DISCOVERY_PER_TURN, LINKS_DELAY, LINKS_PERIOD};
use crate::node::Port;
use crate::time::Instant;
use groups::Groups;
pub(super) use groups::{Family, Link};
use mio::Registry;
use std::net::IpAddr;

/// Local discovery, as far as sockets and interfaces go.
pub(super) struct LocalDiscovery {
    groups: Groups,
    /// Absent where the kernel does not tell.
    changes: Option<Changes>,
    networks: Networks,
    links: Vec<Link>,
    look_at: Instant,
}

impl LocalDiscovery {
    fn open(registry: &Registry) -> std::io::Result<LocalDiscovery> {
        let changes = Changes::open(registry);
        if let Err(error) = &changes {
            log::info!("not told of new interfaces: {error}; looking for them now and then");
        }
        Ok(LocalDiscovery {
            groups: Groups::open(registry)?,
            changes: changes.ok(),
            networks: Networks::default(),
            links: Vec::new(),
            look_at: Instant::ZERO,
        })
    }

    /// The poll says that one of the sockets can be read.
    pub fn handle_readable(&mut self, index: usize, now: Instant) {
        match &mut self.changes {
            Some(changes) if index == Changes::INDEX => {
                changes.drain();
                self.look_at = self.look_at.min(now + LINKS_DELAY);
            }
            _ => self.groups.handle_readable(index),
        }
    }

    /// Whether some discovery message may wait.
    pub fn is_readable(&self) -> bool {
        self.groups.is_readable()
    }

    /// Whether `ip` is in a network that an interface of this host is attached to.
    pub fn is_on_link(&self, ip: IpAddr) -> bool {
        self.networks.is_on_link(ip)
    }

    /// When to look at the interfaces again.
    pub fn look_at(&self) -> Instant {
        self.look_at
    }

    /// Looks at the interfaces; whether one has come.
    fn look(&mut self, now: Instant) -> bool {
        self.look_at = now + LINKS_PERIOD;
        match Networks::read() {
            Ok(networks) => self.networks = networks,
            Err(error) => log::info!("{error}; staying with the interfaces known so far"),
        }
        let links = self.groups.links(&self.networks);
        let came: Vec<_> = links
            .iter()
            .filter(|link| !self.links.contains(link))
            .collect();
        let gone = self.links.iter().filter(|link| !links.contains(link));
        gone.for_each(|link| self.groups.leave(link));
        let has_news = came
            .into_iter()
            .filter(|link| self.groups.join(link))
            .count()
            > 0;
        self.links = links;
        has_news
    }
}

impl Reactor {
    /// Looks for nodes of the local network from now on: finds other nodes there, and is found by them. Does
    /// nothing when the node listens on loopback addresses only, and where multicast is not to be
    /// had, which is said.
    pub fn discover(&mut self) {
        if self
            .listening
            .iter()
            .all(|address| address.ip().is_loopback())
        {
            return;
        }
        match LocalDiscovery::open(self.poll.registry()) {
            Ok(lan) => self.discovery = Some(lan),
            Err(error) => log::warn!("cannot hear of other nodes on the local network: {error}"),
        }
        self.look_at_links();
    }

    /// Looks at the interfaces if it is time, and calls when one has come.
    pub(super) fn look_at_links(&mut self) {
        let now = self.clock.now();
        let Some(lan) = self.discovery.as_mut().filter(|lan| lan.look_at <= now) else {
            return;
        };
        if lan.look(now) {
            self.node.discover(now);
            self.settle();
        }
    }

    /// Receives discovery messages until there are none or the budget ends.
    pub(super) fn receive_discovery(&mut self) {
        for _ in 0..DISCOVERY_PER_TURN {
            let Some(lan) = self.discovery.as_mut().filter(|lan| lan.is_readable()) else {
                return;
            };
            match lan.groups.receive(&mut self.datagram) {
                Received::Datagram { from, size } => {
                    self.handle_datagram(from, Port::Discovery, size);
                }
                Received::Oversize => self.counters.datagrams_dropped += 1,
                Received::Failed(error) => {
                    self.counters.datagrams_dropped += 1;
                    self.warn(Class::Datagram, || {
                        format!("receiving a discovery message: {error}")
                    });
                }
                Received::Nothing => return,
            }
        }
    }

    /// Sends the call that the node has written into the datagram's buffer to every interface.
    pub(super) fn call(&mut self, size: usize) {
        let Some(lan) = &self.discovery else { return };
        let bytes = &self.datagram[..size];
        for link in &lan.links {
            let is_there = |ip| lan.networks.is_at(&link.name, ip);
            match self.udp.call(link, is_there, bytes) {
                Ok(()) => self.counters.datagrams_sent += 1,
                // One that is down, or cannot do multicast.
                Err(error) => log::debug!("calling at {}: {error}", link.name),
            }
        }
    }
}
