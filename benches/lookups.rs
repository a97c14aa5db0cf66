//! Prints how often lookups find what is there, under loss and churn, and what it costs. Takes
//! minutes.
//!
//! `cargo bench --bench lookups -- [loss] [churn] [size]`

#[path = "../tests/sim/seeded.rs"]
mod seeded;
#[path = "../tests/sim/trial.rs"]
mod trial;

use sprat::sim::Faults;
use std::time::{Duration, Instant};
use trial::{Trial, churn_row, loss_row};

fn main() {
    let arguments = std::env::args().skip(1);
    let names: Vec<String> = arguments.filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|of| of == name);
    let tables: [(&str, fn()); 3] = [
        ("loss", table_of_loss),
        ("churn", table_of_churn),
        ("size", table_of_size),
    ];
    for (_, table) in tables.into_iter().filter(|(name, _)| is_wanted(name)) {
        table();
    }
}

fn table_of_loss() {
    println!("| nodes | loss | lookups | success | median time |\n|---|---|---|---|---|");
    assert!(loss_row(10, 1_000, 10, 5_000) >= 99.9);
    assert!(loss_row(11, 1_000, 25, 5_000) >= 99.0);
}

fn table_of_churn() {
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

fn table_of_size() {
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
            "| {nodes} | {ended} | {success:.1} % | {hops:.2} | {most} | {bytes} | {time:.1?} \
             | {memory} |"
        );
        assert!(success >= 99.9);
    }
}

/// Memory of the process, as the system reports it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or("unknown".to_owned(), |line| line.trim().to_owned())
}
