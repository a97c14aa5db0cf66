//! The invariants of nodes, checked in the world after every step.
//!
//! Each check looks at a node from outside, through its getters, and compares it with facts of the
//! world: addresses, original bytes, running hosts. The checks of the wire are in `ledger`.
//!
//! Invariant: a check changes nothing, so a world without checks has the same events.

use super::content::Content;
use super::host::Host;
use super::ledger;
use super::pipes::{End, Hold};
use super::setup::Checks;
use super::world::World;
use crate::address::{Contact, is_local};
use crate::dht::subnet::subnet;
use crate::kad::Kad;
use crate::limits::{LOOKUP_TIMEOUT, PER_SUBNET_MAX, RECORD_TTL, STREAMS_MAX};
use crate::node::{Node, SwarmKey};
use crate::wire::native::datagram::{Body, Datagram, Kind};
use std::collections::BTreeSet;
use std::time::Duration;

impl World {
    /// Checks a host, if the settings of the world ask for it.
    pub(super) fn check(&mut self, host: usize) {
        match self.checks {
            Checks::Off => return,
            Checks::OneIn(count) if self.hosts[host].steps % count != 0 => return,
            _ => {}
        }
        let of = &self.hosts[host];
        let Some(node) = &of.node else { return };
        self.check_table(host, node.kad());
        if let Some(started_at) = node.kad().oldest_lookup_at() {
            let age = self.now.since(started_at);
            assert!(
                age <= LOOKUP_TIMEOUT + Duration::from_secs(1),
                "host {host}: a lookup has lasted {age:?}"
            );
        }
        node.swarms().invariants();
        let (streams, sockets) = (node.swarms().stream_count(), of.sockets.count());
        assert!(
            streams == sockets && streams <= STREAMS_MAX,
            "host {host}: {streams} streams and {sockets} sockets"
        );
    }

    /// Checks the table against its own invariants and the world: buckets, live hosts, subnets.
    fn check_table(&self, host: usize, kad: &Kad) {
        let of = &self.hosts[host];
        let table = kad.table();
        table.invariants();
        for (index, bucket) in table.buckets().iter().enumerate() {
            for member in bucket.members.iter().chain(&bucket.cache) {
                let Contact { id, address } = member.contact;
                let shared = id.0.distance(&of.config.id.0).shared_prefix();
                let is_last = index + 1 == table.buckets().len();
                assert!(
                    shared == index || (is_last && shared > index),
                    "host {host}: {id:?} is in bucket {index} and shares {shared} bits"
                );
                assert!(address != of.address, "host {host} is its own contact");
                let target = self.host_at(address);
                assert!(target.is_some(), "host {host}: no host is at {address}");
            }
            let ips = bucket.members.iter().map(|of| of.contact.address.ip());
            let mut subnets: Vec<_> = ips.filter(|ip| !is_local(*ip)).map(subnet).collect();
            subnets.sort_unstable();
            let mut runs = subnets.windows(PER_SUBNET_MAX + 1);
            assert!(
                !runs.any(|run| run[0] == run[PER_SUBNET_MAX]),
                "host {host}: bucket {index} has too many of one subnet"
            );
        }
    }

    /// Checks that each open end of a connection has a socket at its host.
    pub fn check_connections(&self) {
        let ends = || self.connections.iter().flat_map(|(_, of)| &of.ends);
        let is_open = |end: &&End| end.hold == Hold::Open && end.stream.is_some();
        for (host, of) in self.hosts.iter().enumerate() {
            let ends = ends()
                .filter(is_open)
                .filter(|end| end.host == host)
                .count();
            let sockets = of.sockets.count();
            assert!(
                ends == sockets,
                "host {host}: {ends} open ends and {sockets} sockets"
            );
        }
    }

    /// The content of a swarm of a host's node.
    fn content_of(&self, host: usize, swarm: SwarmKey) -> Option<&Content> {
        let file = self.hosts[host].disk.file(swarm)?;
        self.contents.get(&file)
    }

    /// Checks that a shard that a node holds is right, except where a write went astray.
    pub(super) fn check_shard(&self, host: usize, swarm: SwarmKey, shard: u32) {
        let Host { node, disk, .. } = &self.hosts[host];
        let (Some(node), Some(content)) = (node, self.content_of(host, swarm)) else {
            return;
        };
        if node.swarms().holds(swarm, shard) {
            let file = content.file();
            assert!(
                disk.holds(content, shard) || disk.is_hit(file, shard),
                "host {host} holds shard {shard} of {file:?}, and it is wrong"
            );
        }
    }

    /// Checks all shards that a node holds of a swarm; if it is complete, it holds every shard.
    pub fn check_swarm(&self, host: usize, swarm: SwarmKey, is_complete: bool) {
        let node = self.hosts[host].node.as_ref();
        let (Some(node), Some(content)) = (node, self.content_of(host, swarm)) else {
            return;
        };
        for shard in 0..content.manifest.shard_count() {
            self.check_shard(host, swarm, shard);
            assert!(
                !is_complete || node.swarms().holds(swarm, shard),
                "host {host} is complete without shard {shard}"
            );
        }
    }

    /// Notes the files that a node provides before it ends.
    pub(super) fn note_provided(&mut self, host: usize) {
        let of = &self.hosts[host];
        let Some(node) = &of.node else { return };
        for file in node.kad().provided_files() {
            self.provided.insert((file, of.address), self.now);
        }
    }

    /// Checks that a reply names only locations that provided a file within the lifetime of a
    /// record.
    pub(super) fn check_reply(&mut self, host: usize, size: usize) {
        let bytes = &self.datagram[..size];
        if ledger::kind(bytes) != Some(Kind::FindValueReply) {
            return;
        }
        let Ok(reply) = Datagram::parse(bytes, self.network) else {
            panic!("host {host} sent a wrong datagram");
        };
        let Body::FindValueReply {
            providers,
            contacts,
            ..
        } = reply.body
        else {
            return;
        };
        let ids: BTreeSet<_> = contacts.iter().map(|contact| contact.id).collect();
        assert!(
            ids.len() == contacts.len(),
            "host {host} named a contact twice"
        );
        // The reply does not name the file: a location must have provided any file lately.
        let provides = |node: &Node| node.kad().provided_files().next().is_some();
        for location in providers {
            let Some(at) = self.host_at(location) else {
                panic!("host {host} named {location} as provider, where no host is");
            };
            let of = &self.hosts[at];
            if of.script.is_some() || of.node.as_ref().is_some_and(provides) {
                continue;
            }
            let provided = self.provided.iter();
            let last = provided.filter(|((_, of), _)| *of == location);
            let last = last.map(|(_, &at)| at).max();
            assert!(
                last.is_some_and(|last| self.now.since(last) <= RECORD_TTL),
                "host {host} named {location} as provider, which was one until {last:?}"
            );
        }
    }
}
