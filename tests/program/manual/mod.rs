//! What is made from the help or must agree with it: the man page, the completions, and the examples
//! of every text.
//!
//! Where a command or an option was added, `SPRAT_DIST=write cargo test --test program manual` writes the
//! parts in `dist/` anew.

mod completions;
mod examples;
mod help;
mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PAGE: &str = "dist/sprat.1";
const BASH: &str = "dist/completions/sprat.bash";
const ZSH: &str = "dist/completions/_sprat";
const FISH: &str = "dist/completions/sprat.fish";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text of a file of this project.
fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Asserts that a file is what the help makes of it, or makes it so.
#[track_caller]
fn assert_made(name: &str, made: &str) {
    if std::env::var_os("SPRAT_DIST").is_some_and(|value| value == "write") {
        fs::write(path(name), made).unwrap();
    }
    let written = fs::read_to_string(path(name)).unwrap_or_default();
    let differs = written
        .lines()
        .zip(made.lines())
        .find(|(one, other)| one != other);
    assert!(
        written == made,
        "{name} is not what the help makes of it: {differs:?}\n\
         SPRAT_DIST=write cargo test --test program manual writes it anew"
    );
}

#[test]
fn the_man_page_and_the_completions_say_what_the_help_says() {
    let commands = help::read();
    assert_made(PAGE, &page::with_parts(&text(PAGE), &commands));
    assert_made(BASH, &completions::bash(&commands));
    assert_made(ZSH, &completions::zsh(&commands));
    assert_made(FISH, &completions::fish(&commands));
}

/// The output of a program; none, and the reason on standard error, where it is not installed.
fn tried(program: &str, words: &[&str]) -> Option<Output> {
    match Command::new(program)
        .args(words)
        .current_dir(path(""))
        .output()
    {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: {program} {}: {error}", words.join(" "));
            None
        }
    }
}

#[test]
fn the_man_page_is_clean() {
    if let Some(output) = tried("mandoc", &["-T", "lint", "-W", "warning", PAGE]) {
        assert!(output.status.success(), "{output:#?}");
    }
    if let Some(output) = tried("man", &["--warnings", "-l", PAGE]) {
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:#?}"
        );
        assert!(String::from_utf8_lossy(&output.stdout).contains("SYNOPSIS"));
    }
}

#[test]
fn each_shell_reads_its_completions() {
    for (shell, file) in [("bash", BASH), ("zsh", ZSH), ("fish", FISH)] {
        if let Some(output) = tried(shell, &["-n", file]) {
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{shell}: {output:#?}"
            );
        }
    }
}

/// What bash offers behind these words, the last of which is being typed.
fn offered(words: &[&str]) -> Option<Vec<String>> {
    let script = format!(
        "compopt() {{ :; }}; . {BASH}; COMP_WORDS=({}); COMP_CWORD={}; _sprat; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words
            .iter()
            .map(|word| format!("'{word}' "))
            .collect::<String>(),
        words.len() - 1,
    );
    let output = tried("bash", &["-c", &script])?;
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:#?}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_options_and_paths() {
    let Some(commands) = offered(&["sprat", ""]) else {
        return;
    };
    for command in help::read() {
        assert!(commands.contains(&command.name), "{commands:?}");
    }
    assert_eq!(offered(&["sprat", "sha"]).unwrap(), ["share"]);
    assert_eq!(offered(&["sprat", "get", "--ou"]).unwrap(), ["--output"]);
    assert_eq!(offered(&["sprat", "share", "--see"]).unwrap(), [""]);
    assert_eq!(
        offered(&["sprat", "share", "dist/sprat.e"]).unwrap(),
        ["dist/sprat.env"]
    );
    assert_eq!(offered(&["sprat", "node", "-d", "dis"]).unwrap(), ["dist"]);
    assert_eq!(offered(&["sprat", "node", "--up", "di"]).unwrap(), [""]);
    assert_eq!(offered(&["sprat", "help", "dem"]).unwrap(), ["demo"]);
}
