//! Lookups in fault-free worlds of growing size: they find the true closest, in about log2 n hops.
//!
//! `cargo test` prints the table up to 1,000 nodes. The whole table, with time and memory:
//! `SPRAT_WORLDS=full cargo test --release --test core kad::scale -- --nocapture`

use super::is_full;
use super::world::*;
use sprat::dht::Params;
use sprat::rng::Rng;
use std::time::Duration;

/// Hops beyond ⌈log2 n⌉ that a lookup may take: the first and the last may bring no closer node.
const HOPS_SLACK: u32 = 2;

#[test]
fn rule_08_lookups_find_the_true_closest_in_at_most_log2_n_hops_and_two() {
    let sizes: &[usize] = match is_full() {
        true => &[10, 30, 100, 300, 1_000, 3_000, 10_000],
        false => &[10, 30, 100, 300, 1_000],
    };
    println!(
        "| nodes | hops, mean | hops, most | bound | asked, mean | asked, most | seconds | MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for &size in sizes {
        measure(size);
    }
}

fn measure(size: usize) {
    let begun = std::time::Instant::now();
    let mut world = World::new(size as u64, Params::default());
    world.join_at(size, Duration::from_millis(20), global_address);
    world.run(secs(20));
    let mut rng = Rng::from_number(size as u64 + 1);
    let bound = size.next_power_of_two().trailing_zeros() + HOPS_SLACK;
    let (mut hops, mut asked) = (Vec::new(), Vec::new());
    for round in 0..100 {
        let (index, target) = (rng.below(size as u64) as usize, rng.id());
        let (found, hop_count, asked_count) = world.look_up(index, target);
        let truth = world.closest(target, index);
        let k = truth.len().min(20);
        assert_eq!(found, truth[..k], "{size} nodes, round {round}");
        assert!(hop_count <= bound, "{size} nodes: {hop_count} hops");
        hops.push(hop_count);
        asked.push(asked_count);
    }
    let mean = |all: &[u32]| f64::from(all.iter().sum::<u32>()) / all.len() as f64;
    println!(
        "| {size} | {:.2} | {} | {bound} | {:.1} | {} | {:.1} | {} |",
        mean(&hops),
        hops.iter().max().unwrap(),
        mean(&asked),
        asked.iter().max().unwrap(),
        begun.elapsed().as_secs_f64(),
        resident_kib() / 1_024,
    );
}

/// KiB of this process, where the system reports them; otherwise 0.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
