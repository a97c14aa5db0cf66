//! The life of one world: nodes come, publish, look up, share and fetch, while the world does to
//! them what its seed says; then it heals, and everything must be found (`after`).

mod after;

use sprat::id::{FileId, NodeId};
use sprat::node::{Event, SwarmKey};
use sprat::rng::Rng;
use sprat::sim::{Addressing, Checks, Content, Death, Faults, Setup, World};
use sprat::wire::{Key, Network};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Hosts of a world.
const HOSTS: usize = 32;
/// The hosts through which all join. Any other that is down after the faults may stay down.
const MEETING_POINTS: usize = 3;
/// Seconds of faults, from the start.
const FAULTS: u64 = 420;
/// Seconds without faults before everything must be found.
const QUIET: u64 = 120;
/// Of so many worlds, one is of a network with a key.
const KEYED: u64 = 4;

/// The outcome of a world.
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
    /// The wishes of each host's owner: announced keys, shared files, fetched files.
    keys_of: Vec<BTreeSet<FileId>>,
    shared_by: Vec<BTreeSet<FileId>>,
    wanted_by: Vec<BTreeSet<FileId>>,
    fetching: BTreeMap<(usize, SwarmKey), FileId>,
    /// Events by second: restarts, resumptions, healed paths.
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
        let mut world = World::new(setup);
        if seed % KEYED == 0 {
            let (name, key) = (format!("of seed {seed}"), Key::new([seed as u8; 16]));
            world.network = Network::with_key(&name, key);
        }
        Life {
            world,
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

    // -- commands of the owners

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
                Later::Join => self.world.end_cuts(),
                Later::Fetch(host, file) => self.fetch(host, file),
            }
        }
        for (host, event) in std::mem::take(&mut self.world.events) {
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

    // -- faults

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

    fn any_host(&mut self) -> Option<usize> {
        let running: Vec<usize> = self.world.running().collect();
        let index = self.rng.below(running.len().max(1) as u64) as usize;
        running.get(index).copied()
    }
}
