//! A day in the life of a fleet: files are added, fetched and removed, nodes are killed and come
//! back, at random; and at the end of each hour, at rest, nothing in a node has grown.
//!
//! Three hours run with every test, a day with `SPRAT_DAY=1` (minutes).

use super::seeded::Seeded;
use sprat::id::FileId;
use sprat::limits::{LOOKUP_TIMEOUT, PROVIDERS_PER_KEY_MAX};
use sprat::rng::Rng;
use sprat::sim::{Addressing, Checks, Content, Death, Faults, Setup, World};
use std::collections::VecDeque;
use std::time::Duration;

const HOSTS: usize = 20;
/// Those that live from the beginning to the end; the first is the meeting point.
const ELDERS: usize = 5;
/// Files that are there at a time: a new one takes the place of the oldest.
const FILES: usize = 12;
/// Seconds of an hour in which things happen; in the rest the fleet rests.
const BUSY: u64 = 3_000;
/// Seconds of rest before the look, and after it.
const RESTS: u64 = 300;

/// The state of the fleet at the end of an hour.
#[derive(Debug)]
struct Hour {
    /// Steps of the world in the five minutes at rest: timers and their consequences.
    steps: u64,
    datagram_bytes: u64,
    /// Records held by all that lived throughout.
    records: usize,
    fetched: usize,
}

struct Fleet {
    world: World,
    rng: Rng,
    files: VecDeque<(FileId, usize)>,
    down: Vec<(u64, usize)>,
    fetched: usize,
    /// Files that were ever added.
    count: usize,
}

impl Fleet {
    fn new(seed: u64) -> Fleet {
        let mut fleet = Fleet {
            world: World::new(Setup {
                seed,
                faults: Faults::none(),
                addressing: Addressing::Local,
                checks: Checks::OneIn(256),
            }),
            rng: Rng::from_number(!seed),
            files: VecDeque::new(),
            down: Vec::new(),
            fetched: 0,
            count: 0,
        };
        for _ in 0..HOSTS {
            let host = fleet.world.add();
            fleet.join(host);
            fleet.world.run(Duration::from_secs(1));
        }
        fleet
    }

    fn join(&mut self, host: usize) {
        let through = self.world.addressing().address(0);
        if host > 0 {
            self.world
                .command(host, |node, now| node.bootstrap(now, through));
        }
    }

    fn hour(&mut self) -> Hour {
        let fetched = self.fetched;
        for second in 0..BUSY {
            self.act(second);
            self.pass();
        }
        for (_, host) in std::mem::take(&mut self.down) {
            self.come_back(host);
        }
        (0..RESTS).for_each(|_| self.pass());
        let records = self.look();
        let before = (self.world.steps(), self.world.datagram_bytes);
        (0..RESTS).for_each(|_| self.pass());
        Hour {
            steps: self.world.steps() - before.0,
            datagram_bytes: self.world.datagram_bytes - before.1,
            records,
            fetched: self.fetched - fetched,
        }
    }

    fn act(&mut self, second: u64) {
        let running: Vec<usize> = self.world.running().collect();
        let host = running[self.rng.below(running.len() as u64) as usize];
        if second % 240 == 1 || self.files.is_empty() {
            self.add(host);
        } else if second % 20 == 0 {
            let (file, _) = self.files[self.rng.below(self.files.len() as u64) as usize];
            self.world.fetch(host, file, &[]);
        } else if second % 40 == 10 && host >= ELDERS {
            let deaths = [Death::Stopped, Death::Killed, Death::PowerCut];
            let death = deaths[self.rng.below(3) as usize];
            self.world.end(host, death);
            self.down.push((second + 1 + self.rng.below(120), host));
        }
        let is_due = |(at, _): &(u64, usize)| *at <= second;
        let due: Vec<_> = self.down.iter().copied().filter(is_due).collect();
        self.down.retain(|one| !is_due(one));
        for (_, host) in due {
            self.come_back(host);
        }
    }

    /// A host shares a new file, and everybody removes the oldest.
    fn add(&mut self, host: usize) {
        let mut bytes = vec![0; 1 + self.rng.below(60_000) as usize];
        self.rng.fill(&mut bytes);
        self.count += 1;
        let name = format!("file {}", self.count);
        let content = Content::new(&name, vec![(String::new(), bytes)]);
        let file = self.world.publish(content);
        self.files.push_back((file, host));
        self.world.share(host, file);
        if self.files.len() <= FILES {
            return;
        }
        let oldest = self.files.pop_front().map(|(file, _)| file);
        let running: Vec<usize> = self.world.running().collect();
        for host in running {
            let swarms: Vec<_> = self.world.disk(host).swarms().collect();
            let swarm = swarms.iter().find(|(_, file)| Some(*file) == oldest);
            let swarm = swarm.map(|(swarm, _)| *swarm);
            if let Some(swarm) = swarm {
                self.world
                    .command(host, |node, now| node.remove(now, swarm));
            }
        }
    }

    fn come_back(&mut self, host: usize) {
        self.world.start(host);
        self.join(host);
        for (file, _) in self.files.clone().iter().filter(|(_, of)| *of == host) {
            self.world.share(host, *file);
        }
    }

    fn pass(&mut self) {
        self.world.run(Duration::from_secs(1));
        let news = std::mem::take(&mut self.world.events).into_iter();
        let is_whole = |event| matches!(event, sprat::node::Event::Complete { already: false, .. });
        self.fetched += news.filter(|&(_, event)| is_whole(event)).count();
        self.world.found.clear();
    }

    /// Counts the records of the nodes that have lived since the beginning, at rest.
    fn look(&self) -> usize {
        let mut records = 0;
        for host in 0..ELDERS {
            let node = self.world.node(host).expect("an elder lives");
            let kad = node.kad();
            assert_eq!(
                node.kad().contact_count(),
                HOSTS - 1,
                "host {host}: everybody is known"
            );
            assert_eq!(kad.table().len(), HOSTS - 1, "host {host}: and nobody else");
            assert_eq!(
                node.swarms().stream_count(),
                0,
                "host {host}: nothing is left to exchange"
            );
            assert!(
                node.swarms().phases().count() <= FILES,
                "host {host}: one swarm a file"
            );
            let oldest = kad.oldest_lookup_at();
            let age = oldest.map(|at| self.world.now().since(at));
            assert!(
                age.is_none_or(|age| age <= LOOKUP_TIMEOUT),
                "host {host}: {age:?}"
            );
            assert!(kad.provided_files().count() <= FILES);
            assert!(kad.records().len() <= FILES * PROVIDERS_PER_KEY_MAX);
            // The next thing to do lies ahead, and not far: no timer is lost, none is stuck.
            let next = node
                .poll_timeout()
                .expect("a node has always something to do");
            assert!(next >= self.world.now(), "host {host}");
            assert!(
                next.since(self.world.now()) <= Duration::from_secs(68),
                "host {host}"
            );
            records += kad.records().len();
        }
        records
    }
}

#[test]
fn nothing_grows_in_a_fleet_over_hours() {
    let seed = 24;
    let _seeded = Seeded::new(seed);
    let is_day = std::env::var_os("SPRAT_DAY").is_some();
    let count = if is_day { 24 } else { 3 };
    let mut fleet = Fleet::new(seed);
    let hours: Vec<Hour> = (0..count).map(|_| fleet.hour()).collect();
    hours
        .iter()
        .enumerate()
        .for_each(|(index, hour)| println!("hour {}: {hour:?}", index + 1));
    assert!(hours.iter().map(|hour| hour.fetched).sum::<usize>() > HOSTS);
    let wakeups = |hour: &Hour| hour.steps as f64 / (HOSTS as f64 * RESTS as f64);
    assert!(hours.iter().all(|hour| wakeups(hour) <= 0.5), "wake-ups");
    if is_day {
        let mean = |of: &dyn Fn(&Hour) -> u64, hours: &[Hour]| {
            hours.iter().map(of).sum::<u64>() / hours.len() as u64
        };
        for (name, of) in [
            (
                "timers",
                (&|hour: &Hour| hour.steps) as &dyn Fn(&Hour) -> u64,
            ),
            ("datagrams", &|hour| hour.datagram_bytes),
            ("records", &|hour| hour.records as u64),
        ] {
            let (noon, night) = (mean(of, &hours[4..14]), mean(of, &hours[14..]));
            println!("{name}: {noon} at noon, {night} at night");
            assert!(night <= noon + noon / 5, "{name}");
        }
    }
}
