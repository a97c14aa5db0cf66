//! The man page, the completions and the README agree with the help, and every example of every
//! text runs.
//!
//! `cargo bench --profile dev --bench pages` writes the parts that are made from the help.

#[path = "../../../dist/pages/completions.rs"]
mod completions;
mod examples;
#[path = "../../../dist/pages/help.rs"]
mod help;
#[path = "../../../dist/pages/made.rs"]
mod made;
#[path = "../../../dist/pages/page.rs"]
mod page;

use made::{BASH, FISH, PAGE, ZSH, path, text};
use std::process::{Command, Output};

#[test]
fn the_man_page_the_completions_and_the_readme_agree_with_the_help() {
    for (name, made) in made::files() {
        let written = text(name);
        let lines = written.lines().zip(made.lines());
        let differs = lines.into_iter().find(|(one, other)| one != other);
        assert!(
            written == made,
            "{name} does not agree with the help: {differs:?}\n\
             cargo bench --profile dev --bench pages writes it again"
        );
    }
}

/// The output of a program; `None`, and a SKIPPED line, if it is not installed.
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

/// The completions of bash after these words, the last of which is incomplete.
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
