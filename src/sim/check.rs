//! What must always hold, checked in the world after every step.
//!
//! Each check looks at a node from outside, through its getters, and compares it with what the
//! world knows itself: addresses, original bytes, who is alive. What is judged on the wire is in
//! `ledger`.

use super::pipes::Hold;
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

/// How often a host is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Never: for measurements.
    Off,
    /// After each of its steps.
    Every,
    /// After one of so many.
    OneIn(u64),
}

impl World {
    /// Checks a host, if it is its turn.
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

    /// Contacts only in their bucket, never self, each once; the caps of buckets and subnets.
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
                    "host {host}: {contact:?} never answered, nobody is there"
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

    /// Every lookup ends within its bound.
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

    /// The node's streams are the driver's sockets, and each has its connection.
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

    /// Connections balance: each open end has a host whose node has a socket for it.
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

    /// A shard that a node holds is right, but where a write went astray: that is found later.
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

    /// All shards that a node holds of a swarm are right; all of them, when it is complete.
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

    /// The host's node is about to end: what it provides, it provides until now.
    pub(super) fn note_provided(&mut self, host: usize) {
        let of = &self.hosts[host];
        let Some(node) = &of.node else { return };
        for file in node.kad().provided_files() {
            self.provided.insert((file, of.address), self.now);
        }
    }

    /// A reply names no location that has not provided the file for longer than a record lives.
    pub(super) fn check_reply(&mut self, host: usize, size: usize) {
        let bytes = &self.datagram[..size];
        if super::ledger::kind(bytes) != Some(Kind::FindValueReply) {
            return;
        }
        let Ok(reply) = Datagram::parse(bytes, self.network) else {
            panic!("host {host} sent a datagram that is none");
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
        // The request's file is not in the reply: a location must have provided something lately.
        for location in providers {
            let Some(at) = self.host_at(location) else {
                panic!("host {host} named {location} as provider, where nobody is");
            };
            let provides = |node: &crate::node::Node| node.kad().provided_files().next().is_some();
            if self.hosts[at].node.as_ref().is_some_and(provides) {
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
