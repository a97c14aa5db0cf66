//! Whole networks of real nodes in simulated worlds.
//!
//! ```text
//! cargo test --test sim                                              the fixed worlds, and as many as fit
//! SPRAT_SEED=123 cargo test --release --test sim one_world           one world, again
//! SPRAT_SIM_SEEDS=0..5000 cargo test --release --test sim worlds -- --nocapture     many more
//! SPRAT_DAY=1 cargo test --release --test sim hours -- --nocapture     a day of a fleet
//! SPRAT_TABLES=1 cargo test --release --test sim tables -- --nocapture --test-threads 1  the tables
//! ```

mod behaviour;
mod day;
mod lan;
mod life;
mod rest;
mod tables;

use life::Life;
use std::process::Command;
use std::time::{Duration, Instant};

/// Worlds that every run of the tests lives through, whatever its time.
const FIXED: std::ops::Range<u64> = 0..24;
/// Worlds that have failed, before they were made good.
const FAILED_ONCE: [u64; 6] = [141, 336, 603, 896, 948, 1_033];
/// Worlds that one run lives through at most.
const WORLDS_MAX: usize = 200;
/// The time that worlds beyond the fixed ones may take, of one core.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Says how to repeat a world when a test in it fails.
struct Seeded(u64);

impl Seeded {
    fn new(seed: u64) -> Seeded {
        println!("seed {seed}");
        Seeded(seed)
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!("repeat: SPRAT_SEED={seed} cargo test --release --test sim one_world");
        }
    }
}

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
        return many(
            start.parse().expect("a number"),
            end.parse().expect("a number"),
        );
    }
    let began = Instant::now();
    let mut seeds: Vec<u64> = FIXED.chain(FAILED_ONCE).collect();
    let fixed = seeds.len();
    let first = commit_seed();
    seeds.extend(
        (0..)
            .map(|index| first.wrapping_add(index))
            .take(WORLDS_MAX - seeds.len()),
    );
    let mut count = 0;
    for seed in seeds {
        if count >= fixed && began.elapsed() >= TIME_MAX {
            break;
        }
        live(seed);
        count += 1;
    }
    println!("{count} worlds in {:?}", began.elapsed());
}

/// Lives through a range of worlds, to the end even if some fail.
fn many(start: u64, end: u64) {
    let began = Instant::now();
    let (mut failed, mut slowest) = (Vec::new(), Duration::ZERO);
    for seed in start..end {
        match std::panic::catch_unwind(|| live(seed)) {
            Ok(report) => slowest = slowest.max(report.slowest),
            Err(_) => failed.push(seed),
        }
    }
    println!(
        "{} worlds in {:?}, the slowest lookup after the faults took {slowest:?}, {} failed",
        end - start,
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
