//! Properties of a world after its faults: every file that a node provides is found and fetched.
//!
//! Properties that hold at any time are not here: the world checks them itself, after every step.

use super::{FAULTS, Life, QUIET};
use sprat::address::is_local;
use sprat::dht::subnet;
use sprat::id::{FileId, NodeId};
use sprat::limits::{K, PER_SUBNET_MAX};
use sprat::sim::disk::State;
use std::collections::BTreeSet;
use std::time::Duration;

/// Every lookup must be over by then, and have found its providers, which it reports as soon as it
/// learns of them. (At any time, in spite of faults, it is over within `LOOKUP_TIMEOUT`: the world
/// checks that.)
const LOOKUP: Duration = Duration::from_secs(10);

impl Life {
    /// Every key with a live provider is found by every node in time, and all agree on the closest.
    pub(super) fn find_everything(&mut self) {
        let keys: Vec<FileId> = self.keys.iter().chain(&self.files).copied().collect();
        let running: Vec<usize> = self.world.running().collect();
        let mut second = FAULTS + QUIET;
        for key in keys {
            // Before the lookups: these find the dead, and their slots go to candidates.
            let ids = running.iter().map(|&host| self.world.id(host));
            let crowded: BTreeSet<_> = ids.filter(|&id| self.is_crowded_out(id)).collect();
            let asked_at = self.world.now();
            for &host in &running {
                self.world.command(host, |node, now| node.look_up(now, key));
                self.lookups += 1;
            }
            self.world.run(LOOKUP);
            let found = std::mem::take(&mut self.world.found);
            second += LOOKUP.as_secs();
            for &host in &running {
                let mut mine = found.iter().filter(|of| of.host == host && of.file == key);
                let Some(lookup) = mine.next_back() else {
                    panic!("host {host} has not ended its lookup for {key:?} in {LOOKUP:?}");
                };
                self.slowest = self.slowest.max(lookup.at.since(asked_at));
                let provides = |other: usize| {
                    let node = self.world.node(other).expect("it runs");
                    other != host && node.kad().provided_files().any(|file| file == key)
                };
                let mut live = running.iter().filter(|&&other| provides(other)).peekable();
                if live.peek().is_some() {
                    let is_found =
                        live.any(|&other| lookup.providers.contains(&self.world.address(other)));
                    assert!(is_found, "host {host} has not found {key:?}: {lookup:?}");
                }
                self.compare(host, key, &lookup.closest, &crowded);
            }
            // Fetches go on meanwhile.
            self.pass(second);
        }
    }

    /// A lookup has found the living of the k closest, and so all lookups for one key agree.
    ///
    /// Dead nodes are among the k that others name until five requests to them have failed
    /// (rule 6), in place of the last of the living. So the k closest are taken among all that ever
    /// lived.
    fn compare(&self, host: usize, key: FileId, found: &[NodeId], crowded: &BTreeSet<NodeId>) {
        let others = self.world.running().filter(|&other| other != host);
        let others: BTreeSet<NodeId> = others.map(|other| self.world.id(other)).collect();
        let mut closest: Vec<NodeId> = others.iter().chain(&self.dead).copied().collect();
        closest.sort_by_key(|id| id.0.distance(&key.0));
        closest.truncate(K);
        for id in closest.iter().filter(|id| others.contains(id)) {
            assert!(
                found.contains(id) || crowded.contains(id) || self.is_shut_out(*id, found),
                "host {host} missed {id:?}, one of the closest to {key:?}"
            );
        }
        let is_alive = |id| others.contains(id);
        assert!(
            found.iter().all(is_alive),
            "host {host} found one that does not live"
        );
    }

    /// A lookup keeps no more of a subnet in view than it has found, or has taken the dead for.
    fn is_shut_out(&self, id: NodeId, found: &[NodeId]) -> bool {
        let ip_of = |host| self.world.address(host).ip();
        let mut hosts = 0..self.world.len();
        let Some(host) = hosts.find(|&host| self.world.id(host) == id) else {
            return false;
        };
        let takes_place = |&of: &usize| {
            let other = self.world.id(of);
            let is_met = found.contains(&other) || self.dead.contains(&other);
            of != host && is_met && subnet::subnet(ip_of(of)) == subnet::subnet(ip_of(host))
        };
        !is_local(ip_of(host))
            && (0..self.world.len()).filter(takes_place).count() >= PER_SUBNET_MAX
    }

    /// Not everybody has a place for this node, because others of its subnet have taken it (rule
    /// 16).
    fn is_crowded_out(&self, id: NodeId) -> bool {
        let ip_of = |host| self.world.address(host).ip();
        let Some(host) = self.world.running().find(|&host| self.world.id(host) == id) else {
            return false;
        };
        let is_neighbour = |&of: &usize| subnet::subnet(ip_of(of)) == subnet::subnet(ip_of(host));
        let is_known = |&of: &usize| {
            let node = self.world.node(of).expect("it runs");
            node.kad().table().member(id).is_some()
        };
        !is_local(ip_of(host))
            && (0..self.world.len()).filter(is_neighbour).count() > PER_SUBNET_MAX
            && self.world.running().filter(is_known).count() < K
    }

    /// Every file that somebody still serves whole is fetched by everyone who wants it.
    pub(super) fn fetch_everything(&mut self) {
        for second in 1_000..1_240 {
            if self.unfetched().is_none() {
                return;
            }
            for host in self.world.running().collect::<Vec<_>>() {
                for file in self.wanted_by[host].clone() {
                    self.fetch(host, file);
                }
            }
            self.pass(second);
        }
        if let Some((host, file)) = self.unfetched() {
            panic!("host {host} has not fetched {file:?}, which is served");
        }
    }

    /// Somebody who still lacks a file that somebody else serves whole.
    fn unfetched(&self) -> Option<(usize, FileId)> {
        let is_served = |file: FileId| {
            let mut running = self.world.running();
            running.any(|host| {
                let is_whole = self.world.disk(host).state(file) == Some(State::Final);
                is_whole && self.world.disk(host).swarms().any(|(_, of)| of == file)
            })
        };
        self.world.running().find_map(|host| {
            let mut wanted = self.wanted_by[host].iter().copied();
            let lacks = |&file: &FileId| self.world.disk(host).state(file) != Some(State::Final);
            let file = wanted.find(|file| lacks(file) && is_served(*file))?;
            Some((host, file))
        })
    }
}
