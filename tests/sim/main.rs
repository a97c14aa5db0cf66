//! Whole networks of real nodes in simulated worlds.
//!
//! ```text
//! cargo test --test sim                                           the fixed worlds, and more
//! SPRAT_SEED=123 cargo test --release --test sim one_world        one world, again
//! SPRAT_SIM_SEEDS=0..5000 cargo test --release --test sim worlds -- --nocapture  many more
//! SPRAT_DAY=1 cargo test --release --test sim hours -- --nocapture  a day of a fleet
//! ```

mod behaviour;
mod day;
mod fleet;
mod lan;
mod life;
mod lookups;
mod rest;
mod scripts;
mod seeded;
mod trial;

use life::Life;
use seeded::Seeded;
use std::num::NonZero;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Worlds that every run of the tests lives through, whatever its time.
const FIXED: std::ops::Range<u64> = 0..24;
/// Worlds that have failed, before they were made good.
const FAILED_ONCE: [u64; 6] = [141, 336, 603, 896, 948, 1_033];
/// Worlds that one run lives through at most.
const WORLDS_MAX: usize = 200;
/// The time in which worlds beyond the fixed ones begin: most of [`WORLDS_MAX`] on two cores.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Lives through one world, from its first node to the last check.
fn live(seed: u64) -> life::Report {
    let _seeded = Seeded::new(seed);
    Life::new(seed).live()
}

#[test]
fn one_world() {
    let seed = std::env::var("SPRAT_SEED").map_or(0, |seed| seed.parse().expect("a number"));
    let report = live(seed);
    println!("{report:?}");
}

#[test]
fn the_same_seed_gives_the_same_events() {
    assert_eq!(live(7), live(7));
    assert_ne!(live(7).hash, live(8).hash);
}

#[test]
fn worlds() {
    if let Ok(range) = std::env::var("SPRAT_SIM_SEEDS") {
        let (start, end) = range.split_once("..").expect("START..END");
        let [start, end] = [start, end].map(|seed| seed.parse().expect("a number"));
        return live_all(&(start..end).collect::<Vec<u64>>(), |_| true);
    }
    let mut seeds: Vec<u64> = FIXED.chain(FAILED_ONCE).collect();
    let fixed = seeds.len();
    let first = commit_seed();
    seeds.extend(
        (0..)
            .map(|index| first.wrapping_add(index))
            .take(WORLDS_MAX - seeds.len()),
    );
    let began = Instant::now();
    live_all(&seeds, |index| index < fixed || began.elapsed() < TIME_MAX);
}

/// Lives through worlds, to the end even if some fail: on each core one at a time, and the next as
/// long as its place in the list is wanted.
fn live_all(seeds: &[u64], is_wanted: impl Fn(usize) -> bool + Sync) {
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut lived = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&seed) = seeds.get(index).filter(|_| is_wanted(index)) else {
                return lived;
            };
            lived.push((seed, std::panic::catch_unwind(|| live(seed))));
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let lived: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let lived = workers.into_iter().map(|worker| worker.join());
        lived
            .flat_map(|lived| lived.expect("it catches what panics"))
            .collect()
    });
    let reports = lived.iter().filter_map(|(_, lived)| lived.as_ref().ok());
    let slowest = reports
        .map(|report| report.slowest)
        .max()
        .unwrap_or_default();
    let failed = lived.iter().filter(|(_, lived)| lived.is_err());
    let failed: Vec<u64> = failed.map(|&(seed, _)| seed).collect();
    println!(
        "{} worlds in {:?}, the slowest lookup after the faults took {slowest:?}, {} failed",
        lived.len(),
        began.elapsed(),
        failed.len()
    );
    assert!(failed.is_empty(), "these failed: {failed:?}");
}

/// A seed that changes with each commit, so that each is tested in other worlds.
fn commit_seed() -> u64 {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let hash = output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let number = hash.and_then(|hash| u64::from_str_radix(hash.get(..12)?, 16).ok());
    number.unwrap_or(1_000_000)
}
