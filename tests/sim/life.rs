//! The life of one world: nodes come, publish, look up, share and fetch, while the world does to
//! them what its seed says; then it heals, and everything must be found.

use sprat::id::{FileId, NodeId};
use sprat::kad::subnet;
use sprat::limits::{K, PER_SUBNET_MAX};
use sprat::node::{Event, SwarmKey};
use sprat::rng::Rng;
use sprat::sim::disk::State;
use sprat::sim::{Addressing, Checks, Content, Death, Faults, Setup, World};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Hosts of a world.
const HOSTS: usize = 32;
/// The hosts through which all join. Whoever else is down after the faults may stay down.
const MEETING_POINTS: usize = 3;
/// Seconds of faults, from the start.
const FAULTS: u64 = 420;
/// Seconds without faults before everything must be found.
const QUIET: u64 = 120;
/// Every lookup must be over by then, and so have found its providers, which it tells as soon as it
/// hears of them. (At any time, faults and all, it is over within `LOOKUP_TIMEOUT`: the world checks
/// that.)
const LOOKUP: Duration = Duration::from_secs(10);

/// What became of a world.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub hash: u64,
    pub steps: u64,
    pub lookups: usize,
    /// The longest wait for the end of a lookup after the faults.
    pub slowest: Duration,
    pub fetched: usize,
    pub datagram_bytes: u64,
    pub stream_bytes: u64,
}

/// One world and its script.
pub struct Life {
    world: World,
    rng: Rng,
    /// Content that nodes share and fetch.
    files: Vec<FileId>,
    /// Keys that are announced, with nothing behind them.
    keys: Vec<FileId>,
    /// What each host's owner wants: announced keys, shared files, fetched files.
    keys_of: Vec<BTreeSet<FileId>>,
    shared_by: Vec<BTreeSet<FileId>>,
    wanted_by: Vec<BTreeSet<FileId>>,
    fetching: BTreeMap<(usize, SwarmKey), FileId>,
    /// What ends or begins at a second: restarts, resumptions, healed ways.
    later: BTreeMap<u64, Vec<Later>>,
    /// The ids of nodes that are no more.
    dead: BTreeSet<NodeId>,
    fetched: usize,
    lookups: usize,
    slowest: Duration,
}

#[derive(Clone, Copy)]
enum Later {
    Start(usize),
    Resume(usize),
    Unclog(usize, usize),
    Join,
    Fetch(usize, FileId),
}

impl Life {
    pub fn new(seed: u64) -> Life {
        // The world draws from its own seed; the script from another.
        let mut rng = Rng::from_number(!seed);
        let setup = Setup {
            seed,
            faults: Faults::random(&mut rng),
            addressing: Addressing::random(&mut rng),
            checks: Checks::Every,
        };
        Life {
            world: World::new(setup),
            rng,
            files: Vec::new(),
            keys: Vec::new(),
            keys_of: vec![BTreeSet::new(); HOSTS],
            shared_by: vec![BTreeSet::new(); HOSTS],
            wanted_by: vec![BTreeSet::new(); HOSTS],
            fetching: BTreeMap::new(),
            later: BTreeMap::new(),
            dead: BTreeSet::new(),
            fetched: 0,
            lookups: 0,
            slowest: Duration::ZERO,
        }
    }

    pub fn live(mut self) -> Report {
        let faults = *self.world.faults();
        println!("{faults:?}");
        for second in 0..FAULTS {
            if second < HOSTS as u64 {
                self.world.add();
                self.begin(second as usize);
            }
            self.act(second);
            self.misbehave(second, faults);
            self.pass(second);
        }
        self.heal();
        for second in FAULTS..FAULTS + QUIET {
            self.pass(second);
        }
        self.find_everything();
        self.fetch_everything();
        self.world.check_connections();
        Report {
            hash: self.world.event_hash(),
            steps: self.world.steps(),
            lookups: self.lookups,
            slowest: self.slowest,
            fetched: self.fetched,
            datagram_bytes: self.world.datagram_bytes,
            stream_bytes: self.world.stream_bytes,
        }
    }

    // -- what owners do

    /// The owner of a host that has just been started does what it wants.
    fn begin(&mut self, host: usize) {
        for point in (0..MEETING_POINTS).filter(|&point| point != host) {
            let address = self.world.addressing().address(point);
            self.world
                .command(host, |node, now| node.bootstrap(now, address));
        }
        for key in self.keys_of[host].clone() {
            self.world.command(host, |node, now| node.provide(now, key));
        }
        for file in self.shared_by[host].clone() {
            self.world.share(host, file);
        }
        for file in self.wanted_by[host].clone() {
            self.fetch(host, file);
        }
    }

    /// One second of ordinary life.
    fn act(&mut self, second: u64) {
        let Some(host) = self.any_host() else { return };
        if second % 40 == 10 && self.keys.len() < 4 {
            let key = FileId(self.rng.id());
            self.keys.push(key);
            self.provide(host, key);
        }
        if second % 60 == 30 && self.files.len() < 4 {
            let content = self.content();
            let file = self.world.publish(content);
            self.files.push(file);
            self.shared_by[host].insert(file);
            self.world.share(host, file);
        }
        if second % 25 == 20 && !self.files.is_empty() {
            let file = self.files[self.rng.below(self.files.len() as u64) as usize];
            if !self.wanted_by[host].contains(&file) && !self.shared_by[host].contains(&file) {
                self.wanted_by[host].insert(file);
                self.fetch(host, file);
            }
        }
        let known: Vec<FileId> = self.keys.iter().chain(&self.files).copied().collect();
        if second % 6 == 0 && !known.is_empty() {
            let key = known[self.rng.below(known.len() as u64) as usize];
            self.world.command(host, |node, now| node.look_up(now, key));
            self.lookups += 1;
            if self.rng.below(12) == 0 && self.keys.contains(&key) {
                self.provide(host, key);
            }
        }
    }

    fn provide(&mut self, host: usize, key: FileId) {
        self.keys_of[host].insert(key);
        self.world.command(host, |node, now| node.provide(now, key));
    }

    /// A small file or folder, of some shards, one, or none.
    fn content(&mut self) -> Content {
        let name = format!("file {}", self.files.len());
        let count = 1 + self.rng.below(3);
        let mut entries = Vec::new();
        for index in 0..count {
            let size = [0, 1, 5_000, 65_536, 200_000, 500_000][self.rng.below(6) as usize];
            let mut bytes = vec![0; size];
            self.rng.fill(&mut bytes);
            // A file without bytes beside others is fine; alone it has no shard to be fetched.
            if count == 1 && size == 0 {
                bytes.push(self.rng.below(256) as u8);
            }
            let path = if count == 1 {
                String::new()
            } else {
                format!("part {index}")
            };
            entries.push((path, bytes));
        }
        Content::new(&name, entries)
    }

    fn fetch(&mut self, host: usize, file: FileId) {
        if self.world.node(host).is_none() {
            return;
        }
        let has = self
            .fetching
            .iter()
            .any(|(&(of, _), &what)| of == host && what == file);
        if has {
            return;
        }
        if let Some(swarm) = self.world.fetch(host, file, &[]) {
            self.fetching.insert((host, swarm), file);
        }
    }

    /// A second passes; then owners react to news.
    fn pass(&mut self, second: u64) {
        self.world.run(Duration::from_secs(1));
        for later in self.later.remove(&second).unwrap_or_default() {
            match later {
                Later::Start(host) => self.start(host),
                Later::Resume(host) => self.world.resume(host),
                Later::Unclog(from, to) => self.world.unclog(from, to),
                Later::Join => self.world.join_parts(),
                Later::Fetch(host, file) => self.fetch(host, file),
            }
        }
        for (host, event) in std::mem::take(&mut self.world.news) {
            match event {
                Event::Failed { swarm, .. } => match self.fetching.remove(&(host, swarm)) {
                    Some(file) => self.plan(second + 10, Later::Fetch(host, file)),
                    // A share failed to be hashed: its owner tries again.
                    None => self.reshare(host),
                },
                Event::Complete { already: false, .. } => self.fetched += 1,
                _ => {}
            }
        }
        self.world.found.clear();
    }

    fn reshare(&mut self, host: usize) {
        for file in self.shared_by[host].clone() {
            let is_there = self.world.disk(host).swarms().any(|(_, of)| of == file);
            if !is_there {
                self.world.share(host, file);
            }
        }
    }

    fn plan(&mut self, second: u64, later: Later) {
        self.later.entry(second).or_default().push(later);
    }

    // -- what the world does

    fn misbehave(&mut self, second: u64, faults: Faults) {
        let chance = self.rng.below(40);
        let Some(host) = self.any_host() else { return };
        let time = 1 + self.rng.below(60);
        match chance {
            0 if faults.partitions => {
                let mut hosts: Vec<usize> = (0..self.world.len()).collect();
                self.rng.shuffle(&mut hosts);
                let split = 1 + self.rng.below(hosts.len() as u64) as usize;
                let (one, other) = hosts.split_at(split.min(hosts.len()));
                self.world.cut(one, other);
                if self.rng.below(2) == 0 {
                    self.world.cut(other, one);
                }
                self.plan(second + time, Later::Join);
            }
            1 | 2 if faults.clogs => {
                let other = self.rng.below(self.world.len() as u64) as usize;
                self.world.clog(host, other);
                self.plan(second + time / 4, Later::Unclog(host, other));
            }
            3 if faults.crashes => {
                let death = [Death::Stopped, Death::Killed, Death::PowerCut];
                let death = death[self.rng.below(3) as usize];
                self.end(host, death);
                if self.rng.below(3) == 0 {
                    self.world.change_id(host);
                }
                self.plan(second + time, Later::Start(host));
            }
            4 | 5 if faults.pauses && !self.world.is_paused(host) => {
                self.world.pause(host);
                self.plan(second + time / 2, Later::Resume(host));
            }
            _ => {}
        }
    }

    fn end(&mut self, host: usize, death: Death) {
        self.dead.insert(self.world.id(host));
        self.world.end(host, death);
        self.fetching.retain(|&(of, _), _| of != host);
    }

    fn start(&mut self, host: usize) {
        if self.world.node(host).is_none() {
            self.world.start(host);
            self.dead.remove(&self.world.id(host));
            self.begin(host);
        }
    }

    fn heal(&mut self) {
        self.world.heal();
        for (_, later) in std::mem::take(&mut self.later) {
            for later in later {
                match later {
                    Later::Fetch(host, file) => self.plan(FAULTS + 10, Later::Fetch(host, file)),
                    Later::Start(host) if host < MEETING_POINTS || self.rng.below(2) == 0 => {
                        self.start(host);
                    }
                    _ => {}
                }
            }
        }
    }

    // -- what must be so after it

    /// Every key with a live provider is found by every node in time, and all agree who is closest.
    fn find_everything(&mut self) {
        let keys: Vec<FileId> = self.keys.iter().chain(&self.files).copied().collect();
        let running: Vec<usize> = self.world.running().collect();
        let mut second = FAULTS + QUIET;
        for key in keys {
            // As it is before: lookups find the dead, and their places go to those who wait.
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

    /// A lookup has found those of the k closest that live, and so all lookups for one key agree.
    ///
    /// Nodes that died stand among the k that others name until five requests to them went
    /// unanswered (rule 6), and take the places of the last of those who live. So the k closest are
    /// taken among all that ever lived.
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
        !subnet::is_local(ip_of(host))
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
        !subnet::is_local(ip_of(host))
            && (0..self.world.len()).filter(is_neighbour).count() > PER_SUBNET_MAX
            && self.world.running().filter(is_known).count() < K
    }

    /// Every file that somebody still serves whole is fetched by everyone who wants it.
    fn fetch_everything(&mut self) {
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

    fn any_host(&mut self) -> Option<usize> {
        let running: Vec<usize> = self.world.running().collect();
        let index = self.rng.below(running.len().max(1) as u64) as usize;
        running.get(index).copied()
    }
}
