//! Lookups in networks with loss and churn: how many find their provider, and what that costs.

#[path = "traffic.rs"]
mod traffic;

use super::seeded::Seeded;
use sprat::id::FileId;
use sprat::rng::Rng;
use sprat::sim::{Addressing, Checks, Death, Faults, Setup, World};
use sprat::wire::Datagram;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use traffic::Traffic;

/// Nodes of each world that never leave: they announce one key each.
const PROVIDERS: usize = 20;
/// Nodes of the largest world whose invariants are checked: that takes half of the time, and of the
/// memory more.
const CHECKED_MAX: usize = 100;
/// A node asks only after so many seconds of life.
const GROWN_UP: u64 = 30;

/// A world with keys, and the count of lookups that found their provider.
pub struct Trial {
    _seeded: Seeded,
    pub world: World,
    traffic: Rc<RefCell<Traffic>>,
    rng: Rng,
    keys: Vec<FileId>,
    born: Vec<u64>,
    /// How many nodes run.
    count: usize,
    /// Hosts that have left, longest ago first.
    gone: VecDeque<usize>,
    /// By second: hosts that leave; others come in their place.
    departures: BTreeMap<u64, Vec<usize>>,
    second: u64,
    median: Option<Duration>,
    asking: Vec<(usize, usize)>,
    asked: u64,
    pub ended: u64,
    succeeded: u64,
    #[allow(dead_code, reason = "benches/lookups prints it")]
    pub hops: u64,
    #[allow(dead_code, reason = "benches/lookups prints it")]
    pub hops_most: u32,
    took: Vec<Duration>,
}

impl Trial {
    /// `count` nodes, of which `per_second` join each second through others at random.
    pub fn new(seed: u64, count: usize, per_second: usize, faults: Faults) -> Trial {
        let setup = Setup {
            seed,
            faults: Faults::none(),
            addressing: Addressing::Global,
            // The small worlds check the invariants; the large ones are for figures.
            checks: if count > CHECKED_MAX {
                Checks::Off
            } else {
                Checks::OneIn(64)
            },
        };
        let mut trial = Trial {
            _seeded: Seeded::new(seed),
            world: World::new(setup),
            traffic: Rc::default(),
            rng: Rng::from_number(!seed),
            keys: Vec::new(),
            born: Vec::new(),
            count,
            gone: VecDeque::new(),
            departures: BTreeMap::new(),
            second: 0,
            median: None,
            asking: Vec::new(),
            asked: 0,
            ended: 0,
            succeeded: 0,
            hops: 0,
            hops_most: 0,
            took: Vec::new(),
        };
        while trial.world.len() < count {
            for _ in 0..per_second.min(count - trial.world.len()) {
                let host = trial.world.add();
                trial.born.push(trial.second);
                trial.join(host);
            }
            trial.tick();
        }
        (0..60).for_each(|_| trial.tick());
        for host in 0..PROVIDERS.min(count) {
            let key = FileId(trial.rng.id());
            trial.keys.push(key);
            trial
                .world
                .command(host, |node, now| node.provide(now, key));
        }
        trial.world.set_faults(faults);
        (0..30).for_each(|_| trial.tick());
        trial
    }

    /// From now on nodes leave after a time with this median, without a word, and others come.
    fn churn(&mut self, median: Duration) {
        self.median = Some(median);
        (PROVIDERS..self.world.len()).for_each(|host| self.plan_departure(host));
    }

    fn plan_departure(&mut self, host: usize) {
        let Some(median) = self.median else { return };
        // Exponential: the remaining life of a node does not depend on its age.
        let uniform = (self.rng.below(1 << 32) as f64 + 1.0) / (1u64 << 32) as f64;
        let life = -uniform.log2() * median.as_secs_f64();
        let second = self.second + 1 + life as u64;
        self.departures.entry(second).or_default().push(host);
    }

    /// A node of another id at an address where nobody has been for long.
    fn newcomer(&mut self) -> usize {
        if self.gone.len() <= self.count {
            self.born.push(self.second);
            return self.world.add();
        }
        let host = self.gone.pop_front().expect("it is not empty");
        self.world.restart(host, Death::PowerCut, true);
        self.born[host] = self.second;
        host
    }

    fn join(&mut self, host: usize) {
        for _ in 0..2 {
            // Through those that stay: the meeting points of a real network do.
            let most = PROVIDERS.min(self.world.len());
            let address = self.world.address(self.rng.below(most as u64) as usize);
            if address != self.world.address(host) {
                self.world
                    .command(host, |node, now| node.bootstrap(now, address));
            }
        }
    }

    /// A second: those whose time is up leave, and others come in their place.
    fn tick(&mut self) {
        for host in self.departures.remove(&self.second).unwrap_or_default() {
            self.world.end(host, Death::PowerCut);
            self.gone.push_back(host);
            let newcomer = self.newcomer();
            self.join(newcomer);
            self.plan_departure(newcomer);
        }
        self.world.run(Duration::from_secs(1));
        self.second += 1;
        self.world.events.clear();
        for found in std::mem::take(&mut self.world.found) {
            let index = self.keys.iter().position(|&key| key == found.file);
            let index = index.expect("only keys are looked up");
            self.asking.retain(|&asking| asking != (found.host, index));
            let location = self.world.address(index);
            self.ended += 1;
            self.succeeded += u64::from(found.providers.contains(&location));
            self.hops += u64::from(found.hops);
            self.hops_most = self.hops_most.max(found.hops);
            self.took.push(found.took);
        }
    }

    /// `count` nodes that have been here for a while look up a key each.
    fn ask(&mut self, count: usize) {
        for _ in 0..count {
            let host = self.rng.below(self.world.len() as u64) as usize;
            let index = self.rng.below(self.keys.len() as u64) as usize;
            let is_grown_up = self.second - self.born[host] >= GROWN_UP;
            let leaves_soon = self.departures.range(..self.second + 15);
            let leaves_soon = leaves_soon
                .flat_map(|(_, hosts)| hosts)
                .any(|&of| of == host);
            // A second lookup for the same would be the same.
            let is_asking = self.asking.contains(&(host, index));
            let is_gone = self.world.node(host).is_none();
            if is_gone || index == host || !is_grown_up || leaves_soon || is_asking {
                continue;
            }
            let key = self.keys[index];
            self.asking.push((host, index));
            self.asked += u64::from(self.world.command(host, |node, now| node.look_up(now, key)));
        }
    }

    /// Lookups for `seconds`, `per_second` each, and the rest of the last.
    pub fn measure(&mut self, seconds: u64, per_second: usize) {
        for _ in 0..seconds {
            self.ask(per_second);
            self.tick();
        }
        (0..65).for_each(|_| self.tick());
    }

    /// Percent of the lookups that ended with the provider found.
    pub fn success(&self) -> f64 {
        self.succeeded as f64 * 100.0 / self.ended.max(1) as f64
    }

    /// Bytes of datagrams that a node sends in a second, with nobody looking anything up; prints
    /// what they are for.
    fn maintenance(&mut self, seconds: u64) -> f64 {
        let before = self.world.datagram_bytes;
        self.traffic.borrow_mut().clear();
        (0..seconds).for_each(|_| self.tick());
        let a_node = |bytes: u64| bytes as f64 / seconds as f64 / self.count as f64;
        for (cause, bytes) in self.traffic.borrow().bytes() {
            println!(
                "{cause:?}: {:.1} B/s: requests {:.1}, their padding {:.1}, replies {:.1}",
                a_node(bytes.requests + bytes.padding + bytes.replies),
                a_node(bytes.requests),
                a_node(bytes.padding),
                a_node(bytes.replies),
            );
        }
        a_node(self.world.datagram_bytes - before)
    }

    /// Counts the datagrams of all nodes from now on.
    fn count_traffic(&mut self) {
        let (traffic, network) = (self.traffic.clone(), self.world.network);
        self.world.observer = Some(Box::new(move |now, bytes| {
            let datagram = Datagram::parse(bytes, network).expect("nodes send datagrams");
            traffic.borrow_mut().sent(now, &datagram, bytes.len());
        }));
    }

    fn median_took(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took
            .get(self.took.len() / 2)
            .copied()
            .unwrap_or_default()
    }
}

pub fn with_loss(percent: u64) -> Faults {
    Faults {
        loss: percent * 10,
        ..Faults::none()
    }
}

pub fn loss_row(seed: u64, nodes: usize, percent: u64, lookups: u64) -> f64 {
    let mut trial = Trial::new(seed, nodes, 10, with_loss(percent));
    trial.measure(lookups / 10, 10);
    let (success, median) = (trial.success(), trial.median_took());
    let (asked, ended) = (trial.asked, trial.ended);
    println!("| {nodes} | {percent} % | {ended} of {asked} | {success:.3} % | {median:?} |");
    assert_eq!(asked, ended, "every lookup ends");
    success
}

pub fn churn_row(
    seed: u64,
    nodes: usize,
    median: Duration,
    warm_up: u64,
    lookups: u64,
) -> (f64, f64) {
    let mut trial = Trial::new(seed, nodes, 10, Faults::none());
    trial.churn(median);
    trial.count_traffic();
    (0..warm_up).for_each(|_| trial.tick());
    let maintenance = trial.maintenance(120);
    trial.measure(lookups / 10, 10);
    let (success, took) = (trial.success(), trial.median_took());
    let minutes = median.as_secs_f64() / 60.0;
    let ended = trial.ended;
    println!(
        "| {nodes} | {minutes:.1} min | {ended} | {success:.2} % | {took:?} \
         | {maintenance:.0} B/s |"
    );
    (success, maintenance)
}
