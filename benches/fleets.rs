//! Prints how near the bound simulated fleets of 2 to 500 hosts finish. Takes minutes.
//!
//! `cargo bench --bench fleets`

#[path = "../tests/sim/fleet/hosts.rs"]
#[allow(dead_code, reason = "the tests of fleets use the rest")]
mod hosts;

use hosts::{Fleet, MBIT, Plan};
use sprat::sim::Checks;
use std::time::{Duration, Instant};

const UPLINK: u64 = 20 * MBIT;

/// The uplink of each host, the origin's first.
fn mixes(hosts: usize) -> [(&'static str, Vec<u64>); 4] {
    let with = |origin: u64, of: fn(usize) -> u64| {
        let others = (1..hosts).map(of);
        std::iter::once(origin).chain(others).collect()
    };
    [
        ("equal", with(UPLINK, |_| UPLINK)),
        ("origin tenfold", with(10 * UPLINK, |_| UPLINK)),
        (
            "every second a quarter",
            with(
                UPLINK,
                |host| if host % 2 == 0 { UPLINK / 4 } else { UPLINK },
            ),
        ),
        (
            "every fourth tenfold",
            with(
                UPLINK,
                |host| if host % 4 == 0 { 10 * UPLINK } else { UPLINK },
            ),
        ),
    ]
}

fn rows(hosts: usize, size: usize, mix_count: usize) {
    for (mix, uplinks) in mixes(hosts).into_iter().take(mix_count) {
        let began = Instant::now();
        let plan = Plan {
            uplinks,
            checks: Checks::Off,
            ..Plan::equal(hosts, UPLINK, size)
        };
        let bound = plan.bound();
        let mut fleet = Fleet::new(plan);
        assert!(fleet.run(Duration::from_secs(3_600), |_| ()));
        let of = fleet.figures();
        println!(
            "| {hosts} | {} MiB | {mix} | {bound:.2} s | {:.2} | {:.2} | {:.1} % | {} | {:.0?} |",
            size >> 20,
            of.ratio,
            of.origin_payload,
            of.overhead,
            fleet.wasted(),
            began.elapsed(),
        );
    }
}

fn main() {
    println!(
        "| hosts | file | uplinks | bound | time ÷ bound | origin sent ÷ file | overhead \
         | bytes wasted | took |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for hosts in [2, 4, 8, 16, 32, 64, 125] {
        rows(hosts, 16 << 20, 4);
    }
    // Their disks share this machine's memory, and a mix of 500 takes two minutes.
    rows(250, 8 << 20, 4);
    rows(500, 8 << 20, 2);
}
