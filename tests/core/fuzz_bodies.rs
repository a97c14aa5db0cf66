//! The fuzz targets' bodies on the stable toolchain: over their corpora, and over seeded mutations
//! of them.
//!
//! `SPRAT_FUZZ_SEED` and `SPRAT_FUZZ_MUTATIONS` change the seed and how many mutations each target
//! gets. A failure prints the input; put it into the target's corpus, and it is a regression test.

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;

use bodies::{Body, TARGETS};
use sprat::output::Event;
use sprat::rng::Rng;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

/// Mutations of each target that a test run tries.
const MUTATIONS: u64 = 10_000;
/// Bytes of the largest mutation.
const SIZE_MAX: usize = 4_096;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

/// The inputs of a target's corpus, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(corpora().join(target)).expect("each target has a corpus");
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no corpus");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Runs a body, and prints the input when it fails.
fn try_input(target: &str, body: Body, input: &[u8]) {
    let result = catch_unwind(AssertUnwindSafe(|| body(input)));
    if let Err(panic) = result {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{target} fails for {hex}");
        resume_unwind(panic);
    }
}

/// One input changed a little, perhaps with a part of another.
fn mutate(rng: &mut Rng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let any = |rng: &mut Rng, bound: usize| rng.below(bound.max(1) as u64) as usize;
    let mut input = inputs[any(rng, inputs.len())].clone();
    for _ in 0..=any(rng, 6) {
        let at = any(rng, input.len() + 1);
        let end = (at + any(rng, 24)).min(input.len());
        match any(rng, 7) {
            0 if at < input.len() => input[at] ^= 1 << any(rng, 8),
            1 if at < input.len() => input[at] = rng.number() as u8,
            2 => input.truncate(at),
            3 => drop(input.drain(at..end)),
            4 => input.insert(at, rng.number() as u8),
            5 => {
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            _ => {
                let other = &inputs[any(rng, inputs.len())];
                let from = any(rng, other.len() + 1);
                let to = (from + any(rng, 64)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    input.truncate(SIZE_MAX);
    input
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

fn check(target: &str) {
    let (_, body) = TARGETS
        .into_iter()
        .find(|(name, _)| *name == target)
        .expect("a target");
    let inputs = corpus(target);
    inputs
        .iter()
        .for_each(|input| try_input(target, body, input));
    let seed = number("SPRAT_FUZZ_SEED", 1);
    println!("seed {seed}");
    let mut rng = Rng::from_number(seed);
    for _ in 0..number("SPRAT_FUZZ_MUTATIONS", MUTATIONS) {
        let input = mutate(&mut rng, &inputs);
        try_input(target, body, &input);
    }
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let entries = fs::read_dir(corpora()).unwrap();
    let mut folders: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, TARGETS.map(|(name, _)| name));
    let manifest = include_str!("../fuzz/Cargo.toml");
    for name in &folders {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is no target"
        );
    }
}

/// Fuzzing that never gets past the door proves nothing.
#[test]
fn the_corpus_of_nodes_leads_through_a_nodes_life() {
    let met: BTreeSet<String> = corpus("nodes")
        .iter()
        .flat_map(|input| bodies::nodes::play(input).events)
        .map(|event| match event {
            Event::Dht(event) => crate::every::variant(event),
            event => crate::every::variant(event),
        })
        .collect();
    for event in [
        "Announced",
        "BootstrapSilent",
        "Complete",
        "Connected",
        "Corrupt",
        "Disconnected",
        "Failed",
        "Joined",
        "LookupDone",
        "Manifest",
        "Resumed",
        "Shared",
    ] {
        assert!(
            met.contains(event),
            "no input leads to {event}, only to {met:?}"
        );
    }
}

#[test]
fn bencode_survives_mutations() {
    check("bencode");
}

#[test]
fn datagrams_survive_mutations() {
    check("datagrams");
}

#[test]
fn links_survive_mutations() {
    check("links");
}

#[test]
fn manifests_survive_mutations() {
    check("manifests");
}

#[test]
fn nodes_survive_mutations() {
    check("nodes");
}

#[test]
fn streams_survive_mutations() {
    check("streams");
}
