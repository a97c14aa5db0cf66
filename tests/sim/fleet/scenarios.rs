//! One host of a fleet is odd, and the others must not be the slower for it: by less than three
//! tenths.
//!
//! Each scenario is compared with the same fleet without the oddity.

use super::hosts::{Fleet, MBIT, Plan};
use sprat::sim::Death;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);
const UPLINK: u64 = 20 * MBIT;
const HOSTS: usize = 8;
const SIZE: usize = 8 << 20;

fn plan() -> Plan {
    Plan::equal(HOSTS, UPLINK, SIZE)
}

/// The longest that one of `hosts` took, in seconds.
fn slowest(fleet: &Fleet, hosts: impl Iterator<Item = usize>) -> f64 {
    let took = hosts.map(|host| fleet.took[host].expect("it has the file").as_secs_f64());
    took.fold(0.0, f64::max)
}

/// The slowest of a fleet of equals, where nothing is odd.
fn undisturbed(plan: Plan) -> f64 {
    let mut fleet = Fleet::new(plan);
    assert!(fleet.run(LONG, |_| ()));
    slowest(&fleet, 1..fleet.world.len())
}

fn compare(name: &str, with: f64, without: f64) {
    let ratio = with / without;
    println!("{name}: {with:.2} s, without {without:.2} s: {ratio:.2}");
    assert!(
        ratio < 1.3,
        "{name}: the others took {ratio:.2} times as long"
    );
}

#[test]
fn downloaders_that_start_two_seconds_apart() {
    let mut fleet = Fleet::new(Plan {
        apart: Duration::from_secs(2),
        ..plan()
    });
    assert!(fleet.run(LONG, |_| ()));
    compare("apart", slowest(&fleet, 1..HOSTS), undisturbed(plan()));
}

#[test]
fn a_downloader_with_a_tenth_of_the_uplink() {
    for seed in 1..=3 {
        let equals = Plan { seed, ..plan() };
        let mut odd = equals.clone();
        odd.uplinks[3] = UPLINK / 10;
        let mut fleet = Fleet::new(odd);
        assert!(fleet.run(LONG, |_| ()));
        let others = (1..HOSTS).filter(|&host| host != 3);
        compare("a tenth", slowest(&fleet, others), undisturbed(equals));
    }
}

/// A shard of this file takes the slow provider 2.6 seconds, in which the other would be idle.
#[test]
fn a_provider_that_is_four_hundred_times_slower_gives_back_what_it_has_not_begun() {
    let size = 64 << 20;
    let plan = Plan::equal(3, 80 * MBIT, size);
    let mut fleet = Fleet::new(Plan {
        uplinks: vec![80 * MBIT, MBIT / 5, 80 * MBIT],
        ..plan
    });
    let slow = fleet.provide();
    assert!(fleet.run(LONG, |_| ()));
    let without = undisturbed(Plan::equal(2, 80 * MBIT, size));
    let with = slowest(&fleet, 2..3);
    println!("slow: {with:.2} s, without {without:.2} s");
    assert!(with < without + 0.7, "{with:.2} s, without {without:.2} s");
    let (first, second) = (fleet.payload(0).1, fleet.payload(slow).1);
    assert_eq!(
        (first + second, fleet.payload(2).0),
        (size as u64, size as u64)
    );
    assert!(
        second > 0 && second % 65_536 != 0,
        "no shard was shared out"
    );
}

#[test]
fn a_provider_that_serves_corrupt_shards() {
    let mut fleet = Fleet::new(plan());
    let odd = fleet.provide();
    let file = fleet.file;
    fleet.world.corrupt(odd, file);
    assert!(fleet.run(LONG, |_| ()));
    let without = undisturbed(Plan::equal(HOSTS - 1, UPLINK, SIZE));
    compare("corrupt", slowest(&fleet, 2..HOSTS), without);
    assert!(fleet.payload(odd).1 > 0, "nobody asked it for anything");
}

#[test]
fn a_provider_that_accepts_and_never_sends() {
    let without = undisturbed(Plan::equal(HOSTS - 1, UPLINK, SIZE));
    // From the beginning, and after some shards.
    for sent in [0, 500_000] {
        let mut fleet = Fleet::new(plan());
        let odd = fleet.provide();
        let mut is_silent = false;
        let is_done = fleet.run(LONG, |fleet| {
            if !is_silent && fleet.payload(odd).1 >= sent {
                is_silent = true;
                fleet.world.pause(odd);
            }
        });
        assert!(is_done && is_silent);
        compare("silent", slowest(&fleet, 2..HOSTS), without);
    }
}

/// It is to be killed when it has sent a tenth more than the file. It never sends that much among
/// equals, so it is killed earlier: as soon as the others have every shard between them.
#[test]
fn an_origin_that_is_killed_as_soon_as_the_others_have_every_shard_between_them() {
    let mut fleet = Fleet::new(plan());
    let (mut sent, mut looked_at) = (0, fleet.started);
    let is_done = fleet.run(LONG, |fleet| {
        let now = fleet.world.now();
        let is_time = now.since(looked_at) >= Duration::from_millis(10);
        if is_time && fleet.world.node(0).is_some() {
            (sent, looked_at) = (fleet.payload(0).1, now);
            if fleet.is_spread(0) {
                fleet.world.end(0, Death::Killed);
            }
        }
    });
    assert!(is_done && fleet.world.node(0).is_none());
    assert!(sent < SIZE as u64 * 11 / 10);
    compare("killed", slowest(&fleet, 1..HOSTS), undisturbed(plan()));
}

/// One shard a round trip would take sixteen times the bound here.
#[test]
fn a_long_path_is_kept_full() {
    for (mbit, round_trip, mib, most) in [(20, 50, 8, 1.4), (20, 100, 16, 1.5), (100, 100, 64, 1.8)]
    {
        let plan = Plan {
            delay: Duration::from_millis(round_trip / 2),
            ..Plan::equal(2, mbit * MBIT, mib << 20)
        };
        let mut fleet = Fleet::new(plan);
        assert!(fleet.run(LONG, |_| ()));
        let ratio = fleet.figures().ratio;
        println!("{mbit} Mbit/s, {round_trip} ms: {ratio:.2} times the bound");
        assert!(
            ratio < most,
            "{mbit} Mbit/s, {round_trip} ms: {ratio:.2} times the bound"
        );
    }
}

/// As a machine that is suspended for a minute. A fetch waits that long, and goes on by itself.
#[test]
fn an_only_provider_that_stands_still_for_a_minute() {
    const STILL: Duration = Duration::from_secs(60);
    for seed in 1..=6 {
        let mut fleet = Fleet::new(Plan {
            seed,
            ..Plan::equal(2, UPLINK, SIZE)
        });
        let mut stopped_at = None;
        let is_done = fleet.run(3 * STILL, |fleet| {
            let now = fleet.world.now();
            match stopped_at {
                None if fleet.payload(0).1 > SIZE as u64 / 3 => {
                    stopped_at = Some(now);
                    fleet.world.pause(0);
                }
                Some(at) if fleet.world.is_paused(0) && now.since(at) >= STILL => {
                    fleet.world.resume(0);
                }
                _ => {}
            }
        });
        let took = fleet.took[1].map(|took| took.as_secs_f64());
        println!("seed {seed}: {took:?} s");
        assert!(is_done && stopped_at.is_some(), "the fetch was given up");
    }
}
