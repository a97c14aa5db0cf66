//! Every command that a text shows is run: here, at the size of a demo and on loopback, or by a
//! script that is named here, or that it is itself.
//!
//! The texts: the `sh` blocks of the README, the examples of the man page, and the list of commands
//! in the help. Placeholders there (`192.0.2.1`, `magnet:?…`, `holiday.iso`) are replaced by what
//! there is here. Invariant: a command that is neither run nor named fails the test.

use super::help;
use crate::support::{Scratch, Sprat, assert_same};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Commands that are run elsewhere: how they begin, a file that runs them, and what stands in it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "cargo run --release -- demo --nodes 31",
        ".ci/run",
        "demo --nodes 31",
    ),
    ("cargo run --release -- demo", ".ci/run", "-- demo"),
    ("sprat demo", ".ci/run", "-- demo"),
    ("cargo test", ".ci/run", "cargo test"),
    ("SPRAT_SIM_SEEDS=", "tests/sim/main.rs", "SPRAT_SIM_SEEDS="),
    ("SPRAT_DAY=", "tests/sim/main.rs", "SPRAT_DAY="),
    (
        "cargo install --path .",
        "tests/dist/install",
        "cargo install --locked --path .",
    ),
    (
        "cargo install cargo-deb",
        "tests/dist/deb",
        "cargo install cargo-deb",
    ),
    (
        "cargo build --release",
        ".ci/run",
        "cargo build --locked --release",
    ),
    ("cargo deb", "tests/dist/deb", "cargo deb --locked"),
    (
        "rustup target add",
        "tests/dist/static",
        "rustup target add",
    ),
    (
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld cargo build",
        "tests/dist/static",
        "cargo build --locked --profile",
    ),
    (
        "sudo install",
        "tests/dist/install",
        "install -m 644 dist/sprat.",
    ),
    ("sudo systemctl", "tests/dist/install", "systemctl --root"),
    ("sudo apt install", "tests/dist/deb", "dpkg-deb -x"),
];

fn elsewhere(command: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    ELSEWHERE
        .iter()
        .find(|(start, _, _)| command.starts_with(start))
}

/// Whether a command is a script of this project, which says itself what it is.
fn is_script(command: &str) -> bool {
    let command = command.strip_prefix("sudo ").unwrap_or(command);
    let file = command.split(' ').next().unwrap_or_default();
    let is_ours = ["tests/", "benches/"]
        .iter()
        .any(|folder| file.starts_with(folder));
    let mode = fs::metadata(super::path(file)).map(|metadata| metadata.permissions().mode());
    is_ours && mode.is_ok_and(|mode| mode & 0o100 != 0)
}

/// The commands of a text: the lines of its blocks of code.
fn commands(text: &str, start: &str, end: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        match is_inside {
            false => is_inside = line == start,
            true if line == end => is_inside = false,
            true if line.is_empty() || line.starts_with('#') => {}
            true => found.push(line.trim().to_owned()),
        }
    }
    assert!(!is_inside, "a block has no end");
    found
}

/// Words of a command line, quotes resolved.
fn words(command: &str) -> Vec<String> {
    let command = command.split(" # ").next().unwrap_or_default();
    let parts = command
        .split('\'')
        .enumerate()
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
    parts.collect()
}

/// A small network that plays the machines which the texts speak of.
struct Stage {
    scratch: Scratch,
    meeting_point: Sprat,
    address: String,
    state: PathBuf,
    sharers: Vec<Sprat>,
    link: String,
    /// Where the last of the sharers is.
    sharer: String,
    getters: usize,
}

impl Stage {
    fn new() -> Stage {
        let scratch = Scratch::new();
        scratch.file("share/holiday.iso", 300_000);
        scratch.file("share/maps/north.map", 40_000);
        scratch.file("share/maps/far/south.map", 20_000);
        // The same files are given to the node.
        scratch.place("node/maps/far");
        for name in ["holiday.iso", "maps/north.map", "maps/far/south.map"] {
            let [from, to] = ["share", "node"].map(|place| scratch.place(place).join(name));
            fs::copy(from, to).unwrap();
        }
        let state = scratch.place("node/.local/state/sprat");
        let mut meeting_point = Sprat::node(&scratch.place("node"), "127.0.0.1:0", None);
        let address = meeting_point.address();
        Stage {
            scratch,
            meeting_point,
            address,
            state,
            sharers: Vec::new(),
            link: String::new(),
            sharer: String::new(),
            getters: 0,
        }
    }

    /// Runs a `sprat …` as far as it goes.
    fn run(&mut self, words: &[String]) {
        let command = words[0].as_str();
        let mut own: Vec<String> = words.iter().map(|word| self.replaced(word)).collect();
        if matches!(command, "node" | "share" | "get" | "doctor")
            && !own.iter().any(|word| word == "-l")
        {
            own.extend(["-l", "127.0.0.1:0"].map(str::to_owned));
        }
        let is_seeding = own.iter().any(|word| word == "--seed");
        let through = own.iter().any(|word| word == "-b");
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        match command {
            "node" => {
                let mut node = Sprat::start(&self.scratch.place("another"), &own);
                node.address();
                assert_eq!(node.stop().code, Some(0), "{own:?}");
            }
            "key" => {
                let place = self.scratch.place("another");
                Sprat::start(&place, &own).end().assert(0, "");
            }
            "share" => {
                // Only `-v` prints announcements.
                let own = [&own[..], &["-v"]].concat();
                let mut share = Sprat::start(&self.scratch.place("share"), &own);
                self.link = share.link(1);
                assert!(self.link.contains("&dn=holiday.iso"), "{}", self.link);
                if own.iter().any(|word| word.starts_with("maps")) {
                    assert!(share.link(2).contains("&dn=maps"));
                }
                if through {
                    share.announced();
                }
                self.sharer = share.address();
                self.sharers.push(share);
            }
            "get" => {
                self.getters += 1;
                let place = self.scratch.place(&format!("get-{}", self.getters));
                let mut get = Sprat::start(&place, &own);
                get.result("holiday.iso");
                let share = self.scratch.place("share");
                assert_same(&share.join("holiday.iso"), &place.join("holiday.iso"));
                // One that seeds stays: the others would wait for its answers once it is gone.
                if is_seeding {
                    self.sharers.push(get);
                } else {
                    let ended = get.end();
                    assert_eq!(ended.code, Some(0), "{ended:#?}");
                }
            }
            _ => {
                let place = self.scratch.place("node");
                let ended = Sprat::start(&place, &own).end();
                assert_eq!(ended.code, Some(0), "{own:?}: {ended:#?}");
                assert!(!ended.out.is_empty() || ended.err.is_empty(), "{ended:#?}");
            }
        }
    }

    /// The word that a word of a text stands for here.
    fn replaced(&self, word: &str) -> String {
        match word {
            "192.0.2.1" => "127.0.0.1:0".to_owned(),
            "192.0.2.1:4160" => self.address.clone(),
            "192.0.2.7:4160" => self.sharer.clone(),
            "0123456789ab" => {
                let (_, id) = self.link.split_once("btih:").unwrap();
                id[..word.len()].to_owned()
            }
            // Its providers stay in the link, or not, as in the text.
            word if word.starts_with("magnet:") && word.contains("x.pe=") => self.link.clone(),
            word if word.starts_with("magnet:") => self
                .link
                .split("&x.pe=")
                .next()
                .unwrap_or_default()
                .to_owned(),
            word => word.to_owned(),
        }
    }
}

#[test]
fn every_command_that_a_text_shows_is_run() {
    let readme = super::text("README.md");
    let mut shown = commands(&readme, "```sh", "```");
    shown.extend(commands(
        &super::text(super::PAGE),
        ".Bd -literal -offset indent",
        ".Ed",
    ));
    assert!(shown.len() > 15, "the texts show commands: {shown:#?}");
    let mut stage = Stage::new();
    let mut run = BTreeSet::new();
    for command in &shown {
        if let Some((_, file, mention)) = elsewhere(command) {
            let mentions = super::text(file).contains(mention);
            assert!(mentions, "`{command}` is no longer run by {file}");
            continue;
        }
        if is_script(command) {
            continue;
        }
        let words = words(command);
        let is_ours = words[0] == "sprat";
        assert!(
            is_ours,
            "`{command}` is neither run here nor named in ELSEWHERE"
        );
        run.insert(words[1].clone());
        stage.run(&words[1..]);
    }
    for command in help::read() {
        if !run.contains(&command.name) {
            let call = format!("sprat {}", command.name);
            stage.other(&command.name).unwrap_or_else(|| {
                assert!(
                    elsewhere(&call).is_some(),
                    "`{call}` is shown in no text, nor run"
                );
            });
        }
    }
    assert!(fs::exists(stage.state.join("node-id")).unwrap());
    stage
        .sharers
        .into_iter()
        .for_each(|sharer| assert_eq!(sharer.stop().code, Some(0)));
    assert_eq!(stage.meeting_point.stop().code, Some(0));
}

impl Stage {
    /// Runs a command that only the help names.
    fn other(&mut self, name: &str) -> Option<()> {
        match name {
            "help" => self.run(&["help".to_owned(), "get".to_owned()]),
            "ls" | "status" => self.run(&[name.to_owned()]),
            _ => return None,
        }
        Some(())
    }
}

#[test]
fn a_line_of_a_text_is_taken_apart_as_a_shell_would() {
    assert_eq!(
        words("sprat get 'a b&c' --seed # why"),
        ["sprat", "get", "a b&c", "--seed"]
    );
    let block = "x\n```sh\n# note\nsprat help\n\n  cargo test\n```\ny";
    assert_eq!(
        commands(block, "```sh", "```"),
        ["sprat help", "cargo test"]
    );
    assert!(elsewhere("sprat fly").is_none() && !is_script("tests/fly") && !is_script("fly"));
    assert!(is_script("sudo tests/power/run --cuts 2"));
}
