//! The layers: imports point one way, and the core is tied to no machine.

use crate::rust::{code, paths, shipped};
use crate::sources::{Source, rust_files};

/// The layers, lowest first. A module may name those below it, and its own. The parts of Kademlia
/// in `dht` and the formats in `wire` do not know each other: a dialect puts them together.
const LAYERS: [&[&str]; 11] = [
    &["address", "id", "limits", "time", "rng"],
    &["bitmap", "rate", "envelope"],
    &["dht", "wire"],
    &["output"],
    &["slab"],
    &["kad", "swarm"],
    &["store"],
    &["node"],
    &["reactor", "sim"],
    &["service"],
    &["cli"],
];

/// Modules that do I/O, read clocks and use the system's randomness.
const DRIVERS: [&str; 4] = ["reactor", "sim", "service", "cli"];

/// Paths that no module of the core may name, and the reason.
const BANNED: [(&str, &str); 26] = [
    ("std::net::TcpStream", "sockets belong to the drivers"),
    ("std::net::TcpListener", "sockets belong to the drivers"),
    ("std::net::UdpSocket", "sockets belong to the drivers"),
    (
        "std::net::ToSocketAddrs",
        "names are resolved by the drivers",
    ),
    ("std::os", "the system belongs to the drivers"),
    ("std::fs", "files belong to the drivers"),
    ("std::env", "the environment belongs to the drivers"),
    ("std::process", "processes belong to the drivers"),
    ("std::time::Instant", "time is an argument"),
    ("std::time::SystemTime", "time is an argument"),
    ("std::thread", "there is one thread"),
    ("std::sync", "there is one owner"),
    ("std::cell", "there is one owner"),
    ("std::rc", "there is one owner"),
    ("std::collections::HashMap", "its order is random"),
    ("std::collections::HashSet", "its order is random"),
    ("std::collections::hash_map", "its order is random"),
    ("f32", "floats decide nothing"),
    ("f64", "floats decide nothing"),
    ("mio", "the loop belongs to the reactor"),
    ("socket2", "sockets belong to the reactor"),
    ("rustix", "the system belongs to the reactor"),
    ("signal_hook", "signals belong to the reactor"),
    ("getrandom", "randomness is an argument"),
    ("indicatif", "the screen belongs to the command line"),
    ("env_logger", "the screen belongs to the command line"),
];

/// The layer of a module.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// Modules of this crate that a text in `module` names, which lies `depth` modules deep.
fn named_modules(depth: usize, text: &str) -> Vec<String> {
    let up = "super::".repeat(depth);
    let whole = paths(&code(text));
    let absolute = whole.iter().filter_map(|path| path.strip_prefix("crate::"));
    let part = paths(&code(shipped(text)));
    let relative = part.iter().filter_map(|path| path.strip_prefix(&up));
    absolute
        .chain(relative)
        .map(|path| path.split("::").next().unwrap_or_default().to_owned())
        .filter(|module| layer(module).is_some())
        .collect()
}

/// Arrows that run backwards, or between two modules of one layer.
fn backward_arrows(module: &str, depth: usize, text: &str) -> Vec<String> {
    let from = layer(module).unwrap_or_else(|| panic!("{module} has no layer: add it to LAYERS"));
    let backwards = |to: &String| {
        let to_layer = layer(to).unwrap_or_default();
        to != module && (to_layer > from || to_layer == from && from > 0)
    };
    let mut arrows: Vec<String> = named_modules(depth, text)
        .into_iter()
        .filter(backwards)
        .collect();
    arrows.sort();
    arrows.dedup();
    arrows
        .iter()
        .map(|to| format!("{module} names {to}"))
        .collect()
}

/// Paths in a text that the core must not name.
fn impurities(text: &str) -> Vec<String> {
    let paths = paths(&code(shipped(text)));
    let mut found = Vec::new();
    for (banned, why) in BANNED {
        let inside = format!("{banned}::");
        let core = banned.replacen("std::", "core::", 1);
        if paths
            .iter()
            .any(|path| path == banned || *path == core || path.starts_with(&inside))
        {
            found.push(format!("{banned}: {why}"));
        }
    }
    found
}

fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// The breaches that a rule finds in each file of `src` that is in a module.
fn breaches(rule: impl Fn(&str, &Source) -> Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for source in rust_files("src") {
        if let Some(module) = source.modules().first() {
            let breaches = rule(module, &source).into_iter();
            found.extend(breaches.map(|breach| format!("{}: {breach}", source.path)));
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    assert_none(&breaches(|module, source| {
        backward_arrows(module, source.modules().len(), &source.text)
    }));
}

#[test]
fn the_core_does_no_io_and_decides_nothing_by_chance() {
    assert_none(&breaches(|module, source| {
        match DRIVERS.contains(&module) {
            false => impurities(&source.text),
            true => Vec::new(),
        }
    }));
}

// -- proof that the rules can fail

#[test]
fn an_arrow_that_runs_backwards_is_found_in_every_form() {
    let arrows = |module, text| backward_arrows(module, 2, text);
    assert_eq!(arrows("wire", "use crate::kad::Table;"), ["wire names kad"]);
    assert_eq!(
        arrows("kad", "use crate::{id::Id, swarm::{self, Swarm}};"),
        ["kad names swarm"]
    );
    assert_eq!(
        arrows("swarm", "fn f() { crate::kad::g(); }"),
        ["swarm names kad"]
    );
    assert_eq!(
        arrows("node", "use super::super::reactor::Reactor;"),
        ["node names reactor"]
    );
    assert_eq!(
        arrows("sim", "use crate::reactor::Reactor;"),
        ["sim names reactor"]
    );
    assert_eq!(
        arrows("wire", "#[cfg(test)]\nmod tests { use crate::node; }"),
        ["wire names node"]
    );
    assert_eq!(
        backward_arrows("id", 1, "use super::wire::Link;"),
        ["id names wire"]
    );
}

#[test]
fn an_arrow_that_runs_forwards_is_none_of_the_rules_business() {
    let text = r##"
        use crate::id::{FileId, Id};
        use super::wire; // A submodule of one's own may be called as it likes.
        // crate::cli is only spoken of, "crate::cli", and:
        const TEXT: (&str, &str, char) = ("crate::cli", r#"crate::"cli"#, '"');
        fn f<'a>(x: &'a crate::limits::K) {}
    "##;
    assert_eq!(backward_arrows("wire", 2, text), [""; 0]);
    assert_eq!(named_modules(2, text), ["id", "id", "limits"]);
}

#[test]
fn a_path_that_ties_the_core_to_a_machine_is_found() {
    let first = |text| impurities(text).into_iter().next().unwrap_or_default();
    assert!(first("use std::net::{IpAddr, UdpSocket};").starts_with("std::net::UdpSocket"));
    assert!(first("use std::time::{Duration, Instant};").starts_with("std::time::Instant"));
    assert!(first("let x = std::fs::read(p);").starts_with("std::fs"));
    assert!(first("use std::collections::HashMap;").starts_with("std::collections::HashMap"));
    assert!(first("let x = y as f64;").starts_with("f64"));
    assert!(first("let x = rustix::fs::open(p);").starts_with("rustix"));
    for (banned, _) in BANNED {
        assert!(
            !impurities(&format!("use {banned};")).is_empty(),
            "{banned}"
        );
    }
    let good = "use std::net::SocketAddr; use std::time::Duration; use crate::time::Instant;";
    assert_eq!(impurities(good), [""; 0]);
    assert_eq!(
        impurities("fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }"),
        [""; 0]
    );
}
