//! The shape of the project, read from its own source text.
//!
//! Every rule is a function from a source text to the list of its breaches, so that each is shown
//! to fail on a bad text as well as to pass on the good ones.

mod rust;

use rust::{code, is_module, paths, shipped};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The layers, lowest first. A module may name those below it, and its own. The parts of Kademlia in
/// `dht` and the formats in `wire` do not know each other: a dialect puts them together.
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

/// What no module of the core may name, and why.
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

/// Lines of a file before its tests.
const LINES_MAX: usize = 500;

// -- the rules

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

/// What the core must not name.
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

/// Breaches of the form that every file has.
fn malformations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push("it does not open with //!".to_owned());
    }
    let lines = shipped(text).lines().count();
    if lines > LINES_MAX {
        found.push(format!(
            "{lines} lines before its tests (at most {LINES_MAX})"
        ));
    }
    let mut forks = text.match_indices("#[cfg(test)]\n");
    if forks.any(|(at, _)| !is_module(&text[at..])) {
        found.push("cfg(test) on something else than a module of tests".to_owned());
    }
    found
}

// -- the sources

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module that it belongs to: the first name beneath `src`; `None` for the crate's roots.
    fn module(&self) -> Option<String> {
        let inner = self.path.strip_prefix(root().join("src")).unwrap();
        let first = inner
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (!matches!(name, "lib" | "main")).then(|| name.to_owned())
    }

    /// How many modules deep it lies: 1 for `src/id.rs` and `src/kad/mod.rs`, 2 for
    /// `src/kad/table.rs`.
    fn depth(&self) -> usize {
        let inner = self.path.strip_prefix(root().join("src")).unwrap();
        inner.components().count() - usize::from(inner.ends_with("mod.rs"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(Source {
                    text: fs::read_to_string(&path).unwrap(),
                    path,
                });
            }
        }
    }
    assert!(
        found.len() > 10,
        "the sources are where this test looks for them"
    );
    found
}

fn assert_none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// The breaches that a rule finds in all the sources, each with its file.
fn breaches(rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    let name = |source: &Source, breach| format!("{}: {breach}", source.path.display());
    let sources = sources();
    let found = sources.iter().flat_map(|source| {
        rule(source)
            .into_iter()
            .map(move |breach| name(source, breach))
    });
    found.collect()
}

#[test]
fn dependencies_point_one_way() {
    assert_none(breaches(|source| match source.module() {
        Some(module) => backward_arrows(&module, source.depth(), &source.text),
        None => Vec::new(),
    }));
}

#[test]
fn the_core_does_no_io_and_decides_nothing_by_chance() {
    assert_none(breaches(|source| match source.module() {
        Some(module) if !DRIVERS.contains(&module.as_str()) => impurities(&source.text),
        _ => Vec::new(),
    }));
}

#[test]
fn every_file_has_the_form_of_the_others() {
    assert_none(breaches(|source| malformations(&source.text)));
}

#[test]
fn no_file_can_hold_unsafe_code() {
    for name in ["src/lib.rs", "src/main.rs"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        assert!(text.contains("\n#![forbid(unsafe_code)]\n"), "{name}");
    }
}

#[test]
fn the_top_level_holds_only_what_must_stand_there() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "benches",
        "dist",
        "fixtures",
        "src",
        "target",
        "tests",
    ];
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || allowed.contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn the_readme_speaks_of_commands_and_options_that_exist() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    // Every other part between fences is a block of code.
    let code = readme.split("```").skip(1).step_by(2).flat_map(str::lines);
    let calls: Vec<&str> = code
        .filter_map(|line| {
            let own = line.strip_prefix("sprat ");
            own.or_else(|| line.strip_prefix("cargo run --release -- "))
        })
        .collect();
    assert!(calls.len() >= 4, "the README shows how to use sprat");
    for call in calls {
        let mut words = call.split_whitespace();
        let command = words.next().unwrap();
        let help = Command::new(env!("CARGO_BIN_EXE_sprat"))
            .args(["help", command])
            .output()
            .unwrap();
        assert!(help.status.success(), "sprat {call}");
        let help = String::from_utf8(help.stdout).unwrap();
        for option in words
            .take_while(|word| *word != "#")
            .filter(|word| word.starts_with('-'))
        {
            assert!(
                help.contains(&format!("{option} ")) || help.contains(&format!("{option},")),
                "sprat {call}"
            );
        }
    }
    for command in ["cargo run --release -- demo", "cargo test"] {
        assert!(readme.contains(command), "{command}");
    }
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
fn whatever_ties_the_core_to_a_machine_is_found() {
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

#[test]
fn a_file_of_another_form_is_found() {
    assert_eq!(malformations("//! What it is.\n"), [""; 0]);
    assert_eq!(malformations("fn f() {}\n").len(), 1);
    assert_eq!(
        malformations(&format!("//! Long.\n{}", "\n".repeat(LINES_MAX))).len(),
        1
    );
    assert_eq!(
        malformations("//! Forked.\n#[cfg(test)]\nfn f() {}\n").len(),
        1
    );
    assert_eq!(
        malformations("//! Tidy.\n#[cfg(test)]\n#[allow(x)]\nmod tests {}\n"),
        [""; 0]
    );
    let tested = format!(
        "//! Tested.\n\n#[cfg(test)]\nmod tests {{\n{}}}\n",
        "\n".repeat(LINES_MAX)
    );
    assert_eq!(malformations(&tested), [""; 0]);
}
