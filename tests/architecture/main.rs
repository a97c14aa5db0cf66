//! The shape of the project, read from its own source text.
//!
//! Every rule is a function from a source text to the list of its breaches, so that each is shown
//! to fail on a bad text as well as to pass on the good ones.

mod cycles;
mod layers;
mod reading_path;
mod rust;
mod shape;
mod sources;
mod words;

use rust::is_module;
use sources::{Source, file, root, rust_files};
use std::fs;
use std::process::Command;

/// Breaches that a rule leaves alone: its name and their count. The list only ever shrinks, and it
/// is empty: a count that is too high fails, and so does one that is too low.
/// `cargo test --test architecture -- --nocapture` prints the breaches.
const EXCEPTIONS: &[(&str, usize)] = &[];

/// One-line docs of at most four words in `src`, where the name of a public item says nearly all.
const THIN_DOCS_MAX: usize = 60;

/// Asserts that a rule has as many breaches as [`EXCEPTIONS`] lists.
fn hold(rule: &str, breaches: &[String]) {
    assert_eq!(fault(EXCEPTIONS, rule, breaches), None);
}

/// How the breaches of a rule differ from the exceptions, if they do.
fn fault(exceptions: &[(&str, usize)], rule: &str, breaches: &[String]) -> Option<String> {
    let listed = exceptions.iter().find(|(name, _)| *name == rule);
    let listed = listed.map_or(0, |(_, count)| *count);
    let count = breaches.len();
    println!("{rule}: {count} breaches, {listed} are listed");
    breaches.iter().for_each(|breach| println!("{breach}"));
    (count != listed).then(|| format!("{rule}: {count} breaches, {listed} are listed"))
}

/// The breaches that a rule finds in each of the sources, each with its file.
fn breaches(sources: &[Source], rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let breaches = rule(source).into_iter();
        found.extend(breaches.map(|breach| format!("{}: {breach}", source.path)));
    }
    found
}

fn all_rust() -> Vec<Source> {
    ["src", "tests", "benches", "dist/pages"]
        .into_iter()
        .flat_map(rust_files)
        .collect()
}

/// Everything that people read.
fn all_texts() -> Vec<Source> {
    let folders = ["src", "tests", "benches", "dist", ".ci"].into_iter();
    let mut texts: Vec<Source> = folders
        .flat_map(sources::files)
        .chain([file("README.md")])
        .collect();
    let is_data = |path: &str| {
        [".lock", ".svg", ".csv"]
            .iter()
            .any(|end| path.ends_with(end))
    };
    // The file that lists the words has them.
    texts
        .retain(|source| !is_data(&source.path) && !source.path.ends_with("architecture/words.rs"));
    texts
}

/// The one file whose code differs in tests: there it has a second dialect, which proves that a
/// dialect is a codec and nothing else.
const WITH_TEST_DIALECT: &str = "src/swarm/session/codec.rs";

/// Breaches of the form that every file of `src` has.
fn malformations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push("it does not open with //!".to_owned());
    }
    let mut forks = text.match_indices("#[cfg(test)]\n");
    if forks.any(|(at, _)| !is_module(&text[at..])) {
        found.push("cfg(test) on something else than a module of tests".to_owned());
    }
    found
}

#[test]
fn every_file_has_the_form_of_the_others() {
    hold(
        "form",
        &breaches(&rust_files("src"), |source| match &*source.path {
            WITH_TEST_DIALECT => Vec::new(),
            _ => malformations(&source.text),
        }),
    );
}

#[test]
fn files_are_short() {
    hold(
        "long file",
        &breaches(&all_rust(), |source| shape::long_files(&source.text)),
    );
}

/// In `src`: a test may be a table of cases.
#[test]
fn functions_are_short() {
    let sources = rust_files("src");
    let long = breaches(&sources, |source| shape::long_functions(&source.text));
    hold("long function", &long);
}

#[test]
fn lines_are_narrow() {
    hold(
        "wide line",
        &breaches(&all_rust(), |source| shape::wide_lines(&source.text)),
    );
}

#[test]
fn structs_have_few_fields() {
    hold(
        "fat struct",
        &breaches(&all_rust(), |source| shape::fat_structs(&source.text)),
    );
}

#[test]
fn docs_say_more_than_names() {
    let mut sources = rust_files("src");
    sources.retain(|source| !source.is_test());
    let thin = breaches(&sources, |source| shape::thin_docs(&source.text));
    hold("thin doc", thin.get(THIN_DOCS_MAX..).unwrap_or_default());
}

#[test]
fn no_files_import_each_other() {
    hold("cycle", &cycles::Crate::of(&rust_files("src")).cycles());
}

#[test]
fn docs_begin_with_a_verb_or_a_noun() {
    hold(
        "opening clause",
        &breaches(&all_rust(), |source| words::opening_clauses(&source.text)),
    );
}

#[test]
fn sentences_are_plain() {
    hold("words", &breaches(&all_texts(), words::bad_sentences));
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
fn a_breach_more_or_less_than_the_exceptions_is_found() {
    let breaches = [(); 2].map(|()| String::new());
    let faults = |count: usize| fault(&[("rule", count)], "rule", &breaches).is_some();
    assert!(faults(1) && !faults(2) && faults(3));
    assert!(fault(&[], "rule", &breaches).is_some() && fault(&[], "rule", &[]).is_none());
}

#[test]
fn a_file_of_another_form_is_found() {
    assert_eq!(malformations("//! A table.\n"), [""; 0]);
    assert_eq!(malformations("fn f() {}\n").len(), 1);
    let forked = "//! Forked.\n#[cfg(test)]\nfn f() {}\n";
    assert_eq!(malformations(forked).len(), 1);
    let tidy = "//! Tidy.\n#[cfg(test)]\n#[allow(x)]\nmod tests {}\n";
    assert_eq!(malformations(tidy), [""; 0]);
}
