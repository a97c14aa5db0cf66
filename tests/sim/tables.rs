//! Figures: how often lookups find what is there, under loss and churn, and what it costs.
//!
//! The small forms run with every test; the tables (`SPRAT_TABLES=1`) print what the project
//! promises.

use super::Seeded;
use sprat::id::FileId;
use sprat::rng::Rng;
use sprat::sim::traffic::Traffic;
use sprat::sim::{Addressing, Checks, Death, Faults, Setup, World};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Nodes of each world that never leave: they announce one key each.
const PROVIDERS: usize = 20;
/// Nodes of the largest world whose invariants are checked: that takes half of the time, and of the
/// memory more.
const CHECKED_MAX: usize = 100;
/// A node asks only after so many seconds of life.
const GROWN_UP: u64 = 30;

/// A world with keys, and the count of lookups that found their provider.
struct Trial {
    _seeded: Seeded,
    world: World,
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
    ended: u64,
    succeeded: u64,
    hops: u64,
    hops_most: u32,
    took: Vec<Duration>,
}

impl Trial {
    /// `count` nodes, of which `per_second` join each second through others at random.
    fn new(seed: u64, count: usize, per_second: usize, faults: Faults) -> Trial {
        let setup = Setup {
            seed,
            faults: Faults::none(),
            addressing: Addressing::Global,
            // What must hold in the small worlds holds in the large ones, which are for figures.
            checks: if count > CHECKED_MAX {
                Checks::Off
            } else {
                Checks::OneIn(64)
            },
        };
        let mut trial = Trial {
            _seeded: Seeded::new(seed),
            world: World::new(setup),
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
        // Exponential, so that who is here already is no different from who comes.
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
    fn measure(&mut self, seconds: u64, per_second: usize) {
        for _ in 0..seconds {
            self.ask(per_second);
            self.tick();
        }
        (0..65).for_each(|_| self.tick());
    }

    /// Percent of the lookups that ended with the provider found.
    fn success(&self) -> f64 {
        self.succeeded as f64 * 100.0 / self.ended.max(1) as f64
    }

    /// Bytes of datagrams that a node sends in a second, with nobody looking anything up; prints
    /// what they are for.
    fn maintenance(&mut self, seconds: u64) -> f64 {
        let before = self.world.datagram_bytes;
        self.world.traffic.iter_mut().for_each(Traffic::clear);
        (0..seconds).for_each(|_| self.tick());
        let a_node = |bytes: u64| bytes as f64 / seconds as f64 / self.count as f64;
        for (cause, bytes) in self.world.traffic.iter().flat_map(Traffic::bytes) {
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

    fn median_took(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took
            .get(self.took.len() / 2)
            .copied()
            .unwrap_or_default()
    }
}

fn with_loss(percent: u64) -> Faults {
    Faults {
        loss: percent * 10,
        ..Faults::none()
    }
}

fn loss_row(seed: u64, nodes: usize, percent: u64, lookups: u64) -> f64 {
    let mut trial = Trial::new(seed, nodes, 10, with_loss(percent));
    trial.measure(lookups / 10, 10);
    let (success, median) = (trial.success(), trial.median_took());
    let (asked, ended) = (trial.asked, trial.ended);
    println!("| {nodes} | {percent} % | {ended} of {asked} | {success:.3} % | {median:?} |");
    assert_eq!(asked, ended, "every lookup ends");
    success
}

fn churn_row(seed: u64, nodes: usize, median: Duration, warm_up: u64, lookups: u64) -> (f64, f64) {
    let mut trial = Trial::new(seed, nodes, 10, Faults::none());
    trial.churn(median);
    trial.world.traffic = Some(Traffic::default());
    (0..warm_up).for_each(|_| trial.tick());
    let maintenance = trial.maintenance(120);
    trial.measure(lookups / 10, 10);
    let (success, took) = (trial.success(), trial.median_took());
    let minutes = median.as_secs_f64() / 60.0;
    let ended = trial.ended;
    println!(
        "| {nodes} | {minutes:.1} min | {ended} | {success:.2} % | {took:?} | {maintenance:.0} B/s |"
    );
    (success, maintenance)
}

#[test]
fn lookups_succeed_though_every_tenth_datagram_is_lost() {
    assert!(loss_row(1, 64, 10, 600) >= 99.9);
}

#[test]
fn lookups_succeed_though_every_fourth_datagram_is_lost() {
    assert!(loss_row(2, 64, 25, 600) >= 99.0);
}

#[test]
fn lookups_succeed_though_half_of_all_nodes_leave_in_84_seconds() {
    let (success, _) = churn_row(3, 100, Duration::from_secs(84), 120, 600);
    assert!(success >= 95.0);
}

/// Whether the tables, which take minutes, are asked for; if not, says so.
fn are_tables_wanted(name: &str) -> bool {
    let are_wanted = std::env::var_os("SPRAT_TABLES").is_some();
    if !are_wanted {
        println!("SKIPPED {name}: it takes minutes (SPRAT_TABLES=1 runs it)");
    }
    are_wanted
}

#[test]
fn tables_of_loss() {
    if !are_tables_wanted("tables_of_loss") {
        return;
    }
    println!("| nodes | loss | lookups | success | median time |\n|---|---|---|---|---|");
    assert!(loss_row(10, 1_000, 10, 5_000) >= 99.9);
    assert!(loss_row(11, 1_000, 25, 5_000) >= 99.0);
}

#[test]
fn tables_of_churn() {
    if !are_tables_wanted("tables_of_churn") {
        return;
    }
    println!("| nodes | median session | lookups | success | median time | maintenance |");
    println!("|---|---|---|---|---|---|");
    let minutes = |tenths: u64| Duration::from_secs(tenths * 6);
    let rows = [(14, 95.0), (100, 99.0), (600, 99.9)];
    let rows = rows.map(|(tenths, least)| {
        (
            tenths,
            least,
            churn_row(tenths, 1_000, minutes(tenths), 420, 4_000),
        )
    });
    for (tenths, least, (success, _)) in rows {
        assert!(success >= least, "median {tenths}/10 minutes: {success}");
    }
    assert!(rows[0].2.1 < 900.0, "maintenance");
}

#[test]
fn tables_of_size() {
    if !are_tables_wanted("tables_of_size") {
        return;
    }
    println!(
        "| nodes | lookups | success | hops, mean | hops, most | datagrams' bytes | time | memory |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for nodes in [10, 100, 1_000, 10_000] {
        let began = Instant::now();
        let mut trial = Trial::new(nodes as u64, nodes, 20, Faults::none());
        trial.measure(50, 10);
        let success = trial.success();
        let hops = trial.hops as f64 / trial.ended.max(1) as f64;
        let (ended, most, bytes) = (trial.ended, trial.hops_most, trial.world.datagram_bytes);
        let (time, memory) = (began.elapsed(), memory());
        println!(
            "| {nodes} | {ended} | {success:.1} % | {hops:.2} | {most} | {bytes} | {time:.1?} | {memory} |"
        );
        assert!(success >= 99.9);
    }
}

/// What the process takes now, as the system says it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or("unknown".to_owned(), |line| line.trim().to_owned())
}
