//! The invariants of nodes, checked in the world after every step.
//!
//! Each check looks at a node from outside, through its getters, and compares it with facts of the
//! world: addresses, original bytes, running hosts. The checks of the wire are in `ledger`.
//!
//! Invariant: a check changes nothing, so a world without checks has the same events.

use super::ledger;
use super::pipes::Hold;
use super::setup::Checks;
use super::world::World;
use crate::address::is_local;
use crate::dht::subnet;
use crate::id::FileId;
use crate::limits::{
    CACHE, K, LOOKUP_TIMEOUT, NEAR_FACTOR, PER_SUBNET_MAX, RECORD_TTL, STREAMS_MAX,
};
use crate::node::SwarmKey;
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
        self.check_table(host);
        self.check_lookups(host);
        self.check_sockets(host);
    }

    /// Checks that contacts are in their bucket, once, and never the node itself, and the caps of
    /// buckets and subnets.
    fn check_table(&self, host: usize) {
        let of = &self.hosts[host];
        let Some(node) = &of.node else { return };
        let own = of.config.id.0;
        let buckets = node.kad().table().buckets();
        for (index, bucket) in buckets.iter().enumerate() {
            assert!(
                bucket.members.len() <= K * NEAR_FACTOR,
                "host {host}: a bucket is too large"
            );
            assert!(
                bucket.cache.len() <= CACHE,
                "host {host}: a cache is too large"
            );
            let mut subnets: Vec<subnet::Subnet> = Vec::new();
            for member in bucket.members.iter().chain(&bucket.cache) {
                let contact = member.contact;
                assert!(contact.id.0 != own, "host {host} is its own contact");
                assert!(
                    contact.address != of.address,
                    "host {host} has its own address as contact"
                );
                let shared = contact.id.0.distance(&own).shared_prefix();
                let is_last = index + 1 == buckets.len();
                assert!(
                    shared == index || (is_last && shared > index),
                    "host {host}: {contact:?} stands in bucket {index} and shares {shared} bits"
                );
                assert!(
                    self.host_at(contact.address).is_some(),
                    "host {host}: {contact:?} never replied, no host is there"
                );
            }
            for member in &bucket.members {
                let ip = member.contact.address.ip();
                if !is_local(ip) {
                    subnets.push(subnet::subnet(ip));
                }
            }
            subnets.sort_unstable();
            let is_crowded = subnets
                .windows(PER_SUBNET_MAX + 1)
                .any(|w| w[0] == w[PER_SUBNET_MAX]);
            assert!(
                !is_crowded,
                "host {host}: bucket {index} has too many of one subnet"
            );
        }
        let mut ids: Vec<_> = node.kad().table().members().map(|m| m.contact.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert!(ids.len() == count, "host {host} has a contact twice");
    }

    /// Checks that every lookup ends within its bound.
    fn check_lookups(&self, host: usize) {
        let Some(node) = &self.hosts[host].node else {
            return;
        };
        if let Some(started_at) = node.kad().oldest_lookup_at() {
            let age = self.now.since(started_at);
            assert!(
                age <= LOOKUP_TIMEOUT + Duration::from_secs(1),
                "host {host}: a lookup has lasted {age:?}"
            );
        }
    }

    /// Checks that each stream of the node has a socket.
    fn check_sockets(&self, host: usize) {
        let of = &self.hosts[host];
        let Some(node) = &of.node else { return };
        let (streams, sockets) = (node.stream_count(), of.sockets.count());
        assert!(
            streams == sockets,
            "host {host}: {streams} streams and {sockets} sockets"
        );
        assert!(streams <= STREAMS_MAX);
    }

    /// Checks that each open end of a connection has a socket at its host.
    pub fn check_connections(&self) {
        let open = |host: usize| {
            let ends = self
                .connections
                .iter()
                .flat_map(|(_, connection)| &connection.ends);
            ends.filter(|end| end.host == host && end.hold == Hold::Open && end.stream.is_some())
                .count()
        };
        for (host, of) in self.hosts.iter().enumerate() {
            let (ends, sockets) = (open(host), of.sockets.count());
            assert!(
                ends == sockets,
                "host {host}: {ends} open ends and {sockets} sockets"
            );
        }
    }

    /// Checks that a shard that a node holds is right, except where a write went astray.
    pub(super) fn check_shard(&self, host: usize, swarm: SwarmKey, shard: u32) {
        let of = &self.hosts[host];
        let Some(node) = &of.node else { return };
        let Some(content) = of
            .disk
            .file(swarm)
            .and_then(|file| self.contents.get(&file))
        else {
            return;
        };
        if node.holds(swarm, shard) {
            let file = content.file();
            assert!(
                of.disk.holds(content, shard) || of.disk.is_hit(file, shard),
                "host {host} holds shard {shard} of {:?}, and it is wrong",
                content.file()
            );
        }
    }

    /// Checks all shards that a node holds of a swarm; if it is complete, it holds every shard.
    pub fn check_swarm(&self, host: usize, swarm: SwarmKey, is_complete: bool) {
        let of = &self.hosts[host];
        let Some(node) = &of.node else { return };
        let Some(content) = of
            .disk
            .file(swarm)
            .and_then(|file| self.contents.get(&file))
        else {
            return;
        };
        for shard in 0..content.manifest.shard_count() {
            self.check_shard(host, swarm, shard);
            assert!(
                !is_complete || node.holds(swarm, shard),
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
        for location in providers {
            let Some(at) = self.host_at(location) else {
                panic!("host {host} named {location} as provider, where no host is");
            };
            let provides = |node: &crate::node::Node| node.kad().provided_files().next().is_some();
            let of = &self.hosts[at];
            if of.script.is_some() || of.node.as_ref().is_some_and(provides) {
                continue;
            }
            let files = (FileId::default(), location)..;
            let last = self
                .provided
                .range(files)
                .filter(|((_, of), _)| *of == location);
            let last = last.map(|(_, &at)| at).max();
            assert!(
                last.is_some_and(|last| self.now.since(last) <= RECORD_TTL),
                "host {host} named {location} as provider, which was one until {last:?}"
            );
        }
    }
}
