//! Local discovery: the interfaces of this host, and the sockets that receive queries at them.
//!
//! The node decides on the messages (`kad::discovery`). Queries go out from the sockets that the
//! node listens on, so that their source is the node's address; they are received by two more
//! sockets, on a port that all nodes of a host share, in the groups of every interface.
//!
//! ```text
//!   an interface changes ─► handle_readable ─► update ─► join its groups ─► node.discover: queries
//!   a datagram at a group ─► receive ─► node.handle_datagram, with the port and is_on_link
//! ```
//!
//! Invariants: a node that listens on loopback addresses only has none of this; a failure at one
//! interface does not affect another.

mod groups;

use super::interfaces::Networks;
use super::interfaces::changes::Changes;
use super::udp::DatagramBuffer;
use crate::limits::{LINKS_DELAY, LINKS_MAX, LINKS_PERIOD};
use crate::time::Instant;
use groups::{Family, Group, Link};
use mio::Registry;
use std::io;
use std::net::SocketAddr;

/// The sockets and interfaces of local discovery.
pub struct LocalDiscovery {
    /// One a family; a host without IPv6 has only the other.
    groups: Vec<Group>,
    /// Absent where the kernel does not notify.
    changes: Option<Changes>,
    pub networks: Networks,
    /// The links whose groups are joined.
    pub links: Vec<Link>,
    /// When the interfaces are read again.
    pub update_at: Instant,
}

impl LocalDiscovery {
    /// Opens the sockets.
    ///
    /// # Errors
    /// When neither family is available.
    pub fn open(registry: &Registry) -> io::Result<LocalDiscovery> {
        let mut groups = Vec::new();
        for family in [Family::V4, Family::V6] {
            match Group::open(registry, family, groups.len()) {
                Ok(group) => groups.push(group),
                Err(error) if family == Family::V6 && groups.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
        let changes = Changes::open(registry);
        if let Err(error) = &changes {
            log::info!("no notice of new interfaces: {error}; looking for them now and then");
        }
        Ok(LocalDiscovery {
            groups,
            changes: changes.ok(),
            networks: Networks::default(),
            links: Vec::new(),
            update_at: Instant::ZERO,
        })
    }

    /// The poll says that one of the sockets can be read.
    pub fn handle_readable(&mut self, index: usize, now: Instant) {
        match &mut self.changes {
            Some(changes) if index == Changes::INDEX => {
                changes.drain();
                self.update_at = self.update_at.min(now + LINKS_DELAY);
            }
            _ => self.groups[index].socket.is_readable = true,
        }
    }

    /// Whether a discovery message may wait.
    pub fn is_readable(&self) -> bool {
        self.groups.iter().any(|group| group.socket.is_readable)
    }

    /// Receives one datagram, of IPv4 first: a node that is found by both is then known by that,
    /// which means the same to others.
    pub fn receive(
        &mut self,
        buffer: &mut DatagramBuffer,
    ) -> Option<io::Result<(SocketAddr, usize)>> {
        let mut groups = self.groups.iter_mut();
        groups.find_map(|group| group.socket.receive(buffer))
    }

    /// Reads the interfaces anew; whether one has come.
    pub fn update(&mut self, now: Instant) -> bool {
        self.update_at = now + LINKS_PERIOD;
        match Networks::read() {
            Ok(networks) => self.networks = networks,
            Err(error) => log::info!("{error}; staying with the interfaces known so far"),
        }
        let before = std::mem::take(&mut self.links);
        let mut has_come = false;
        for group in &self.groups {
            let mut links: Vec<Link> = Vec::new();
            for link in self.networks.0.iter().filter_map(|at| group.link(at)) {
                if links.len() < LINKS_MAX && !links.contains(&link) {
                    links.push(link);
                }
            }
            let of_family = before.iter().filter(|link| link.family == group.family);
            let gone = of_family.filter(|link| !links.contains(link));
            gone.for_each(|link| group.leave(link));
            for link in links.iter().filter(|link| !before.contains(link)) {
                has_come |= group.join(link);
            }
            self.links.append(&mut links);
        }
        has_come
    }
}
