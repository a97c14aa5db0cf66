//! A fleet in the simulator: an origin with a file, and hosts with thin uplinks that fetch it.
//!
//! Every host bootstraps through the origin and is told that it has the file, as `sprat get` is by
//! a link. Invariant: whatever a fleet does is determined by its plan.

use sprat::id::FileId;
use sprat::node::{Event, SwarmKey};
use sprat::sim::disk::State;
use sprat::sim::{Addressing, Checks, Content, Faults, Setup, World};
use sprat::time::Instant;
use std::time::Duration;

/// Bytes a second of a megabit a second.
pub const MBIT: u64 = 125_000;

/// The hosts, links and file of a fleet.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of everything that is random in it.
    pub seed: u64,
    /// Bytes of the file.
    pub size: usize,
    /// Bytes a second of each host's uplink; the first is the origin.
    pub uplinks: Vec<u64>,
    /// Bytes a second that each host's streams may send (`--up`), where that is capped.
    pub cap: Option<u64>,
    /// From one host to another.
    pub delay: Duration,
    /// From the start of one downloader to that of the next.
    pub apart: Duration,
    /// How often hosts are checked.
    pub checks: Checks,
}

impl Plan {
    /// Equal hosts, one of them the origin, a millisecond apart, that all start at once.
    pub fn equal(hosts: usize, uplink: u64, size: usize) -> Plan {
        Plan {
            seed: hosts as u64,
            size,
            uplinks: vec![uplink; hosts],
            cap: None,
            delay: Duration::from_millis(1),
            apart: Duration::ZERO,
            checks: Checks::OneIn(256),
        }
    }

    /// The lower bound of the time in which all downloaders have the file (Kumar and Ross, 2006):
    /// the origin must send it once, and all uplinks together must send it to everybody.
    pub fn bound(&self) -> f64 {
        let size = self.size as f64;
        let takers = (self.uplinks.len() - 1) as f64;
        let rate = |uplink: &u64| self.cap.map_or(*uplink, |cap| cap.min(*uplink));
        let all: u64 = self.uplinks.iter().map(rate).sum();
        (size / rate(&self.uplinks[0]) as f64).max(takers * size / all as f64)
    }
}

/// A fleet under way.
pub struct Fleet {
    pub world: World,
    pub plan: Plan,
    pub file: FileId,
    /// When the first downloader started.
    pub started: Instant,
    swarms: Vec<Option<SwarmKey>>,
    /// How long each downloader took from its own start.
    pub took: Vec<Option<Duration>>,
    /// When each downloader started.
    begun: Vec<Instant>,
    origin_before: u64,
}

/// Results of a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// From the first start to the last end, divided by the bound.
    pub ratio: f64,
    /// Payload that the origin sent, in files.
    pub origin_payload: f64,
    /// Of all bytes that the uplinks sent, the hundredths that were no payload.
    #[allow(dead_code, reason = "benches/fleets prints it")]
    pub overhead: f64,
}

impl Fleet {
    /// The origin shares the file; nobody fetches it yet.
    pub fn new(plan: Plan) -> Fleet {
        println!("seed {}", plan.seed);
        let faults = Faults {
            delay: plan.delay,
            jitter: Duration::from_micros(200),
            ..Faults::none()
        };
        let mut world = World::new(Setup {
            seed: plan.seed,
            faults,
            addressing: Addressing::Local,
            checks: plan.checks,
        });
        let origin = world.add();
        world.set_uplink(origin, plan.uplinks[0]);
        world.command(origin, |node, now| node.limit(now, plan.cap, None));
        let mut bytes = vec![0; plan.size];
        sprat::rng::Rng::from_number(plan.seed).fill(&mut bytes);
        let file = world.publish(Content::new("file", vec![(String::new(), bytes)]));
        let swarm = world.share(origin, file);
        world.run(Duration::from_secs(20));
        world.events.clear();
        let hosts = plan.uplinks.len();
        let started = world.now();
        let mut swarms = vec![None; hosts];
        swarms[origin] = swarm;
        let origin_before = world.sent_bytes(origin);
        Fleet {
            world,
            plan,
            file,
            started,
            swarms,
            took: vec![None; hosts],
            begun: vec![started; hosts],
            origin_before,
        }
    }

    /// The next downloader, which has not started yet.
    pub fn start(&mut self) -> usize {
        let host = self.world.add();
        self.world.set_uplink(host, self.plan.uplinks[host]);
        let (origin, cap) = (self.world.address(0), self.plan.cap);
        self.world.command(host, |node, now| {
            node.limit(now, cap, None);
            node.bootstrap(now, origin);
        });
        self.swarms[host] = self.world.fetch(host, self.file, &[origin]);
        self.begun[host] = self.world.now();
        host
    }

    /// Starts all, and runs until each has the file or `time` has passed; whether they have.
    pub fn run(&mut self, time: Duration, mut during: impl FnMut(&mut Fleet)) -> bool {
        let end = self.world.now() + time;
        let hosts = self.plan.uplinks.len();
        let mut next_at = self.world.now();
        loop {
            while self.world.len() < hosts && self.world.now() >= next_at {
                self.start();
                next_at += self.plan.apart;
            }
            let until = if self.world.len() < hosts {
                next_at
            } else {
                end
            };
            if !self.world.step(until.min(end)) {
                if until >= end {
                    return false;
                }
                // Nothing happens before the next start.
                let now = self.world.now();
                self.world.run(until.since(now));
            }
            self.take_news();
            during(self);
            if self.world.len() == hosts && self.is_done() {
                return true;
            }
        }
    }

    fn take_news(&mut self) {
        for (host, event) in std::mem::take(&mut self.world.events) {
            if matches!(event, Event::Complete { .. }) {
                self.took[host] = Some(self.world.now().since(self.begun[host]));
            }
        }
    }

    /// Whether every downloader whose node runs has the file.
    pub fn is_done(&self) -> bool {
        let is_done = |host: usize| self.took[host].is_some() || self.world.node(host).is_none();
        (1..self.world.len()).all(is_done)
    }

    /// A host shares the file from the beginning, as the origin does: a second provider.
    pub fn provide(&mut self) -> usize {
        let host = self.world.add();
        self.world.set_uplink(host, self.plan.uplinks[host]);
        let origin = self.world.address(0);
        self.world
            .command(host, |node, now| node.bootstrap(now, origin));
        self.swarms[host] = self.world.share(host, self.file);
        self.world.run(Duration::from_secs(10));
        self.world.events.clear();
        self.took[host] = Some(Duration::ZERO);
        self.started = self.world.now();
        host
    }

    /// Whether the running nodes, that of `except` aside, have every shard between them.
    pub fn is_spread(&self, except: usize) -> bool {
        let shards = 0..self.world.content(self.file).manifest.shard_count();
        let others: Vec<usize> = self.world.running().filter(|&of| of != except).collect();
        let holds = |host: usize, shard: u32| {
            let node = self.world.node(host).zip(self.swarms[host]);
            node.is_some_and(|(node, swarm)| node.swarms().holds(swarm, shard))
        };
        shards
            .into_iter()
            .all(|shard| others.iter().any(|&host| holds(host, shard)))
    }

    /// Whether a host's disk has the file under its final name, which the world compares with the
    /// original.
    pub fn has_file(&self, host: usize) -> bool {
        self.world.disk(host).state(self.file) == Some(State::Final)
    }

    /// Payload that a running host has received, and sent.
    pub fn payload(&self, host: usize) -> (u64, u64) {
        let swarm = self.swarms[host].expect("the host has a swarm");
        let progress = self
            .world
            .node(host)
            .and_then(|node| node.swarms().progress(swarm));
        progress.map_or((0, 0), |progress| (progress.received, progress.sent))
    }

    /// Asserts that no host received a byte twice, or sent one that nobody needed.
    pub fn check_no_byte_came_twice(&self) {
        for host in 1..self.world.len() {
            assert_eq!(self.payload(host).0, self.plan.size as u64, "host {host}");
        }
        assert_eq!(self.wasted(), 0);
    }

    /// Payload that nobody needed, or that was on its way when its stream ended. All hosts have the
    /// file and still run.
    pub fn wasted(&self) -> u64 {
        let sent: u64 = (0..self.world.len()).map(|host| self.payload(host).1).sum();
        sent - (self.world.len() as u64 - 1) * self.plan.size as u64
    }

    /// The results so far.
    pub fn figures(&self) -> Figures {
        let hosts = self.world.len();
        let ends = (1..hosts).filter_map(|host| Some(self.begun[host] + self.took[host]?));
        let end = ends.max().unwrap_or(self.started);
        let time = end.since(self.started).as_secs_f64();
        let size = self.plan.size as f64;
        let wire: u64 = (0..hosts).map(|host| self.world.sent_bytes(host)).sum();
        let wire = (wire - self.origin_before) as f64;
        let payload: u64 = (0..hosts).map(|host| self.payload(host).1).sum();
        Figures {
            ratio: time / self.plan.bound(),
            origin_payload: self.payload(0).1 as f64 / size,
            overhead: 100.0 * (1.0 - payload as f64 / wire),
        }
    }
}
