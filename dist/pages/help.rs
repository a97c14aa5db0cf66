//! The output of `sprat help`, parsed: the commands and their options.

use std::process::Command;

/// A command, as the help has it.
pub struct Help {
    /// The word that calls it.
    pub name: String,
    /// The words that may follow: `[OPTIONS] PATH...`.
    pub operands: String,
    /// Its summary, one line.
    pub gist: String,
    /// Its description, in paragraphs.
    pub about: Vec<String>,
    /// Command lines.
    pub examples: Vec<String>,
    /// Its options.
    pub options: Vec<OptionHelp>,
}

/// An option, as the help has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionHelp {
    /// `-l`, or empty.
    pub short: String,
    /// `--listen`
    pub long: String,
    /// `ADDR[:PORT]`, or empty.
    pub value: String,
    /// Its meaning.
    pub meaning: String,
}

/// Every command, in the help's order.
pub fn read() -> Vec<Help> {
    let overview = said(&["help"]);
    let calls = overview
        .lines()
        .filter_map(|line| line.strip_prefix("  sprat "));
    let calls = calls.filter(|call| !call.starts_with('-'));
    let found: Vec<Help> = calls.map(command).collect();
    assert!(found.len() > 4, "the overview has commands: {overview}");
    found
}

/// The command of a line of the overview: `get [OPTIONS] LINK  fetch what …`.
fn command(call: &str) -> Help {
    let (usage, gist) = call
        .split_once("  ")
        .expect("a summary follows each command");
    let (name, operands) = usage.split_once(' ').unwrap_or((usage, ""));
    let text = said(&["help", name]);
    let (about, options) = text
        .split_once("\noptions:\n")
        .expect("options are at the end");
    let (about, examples) = about.split_once("\nexamples:\n").unwrap_or((about, ""));
    let paragraphs = about.trim().split("\n\n").skip(1);
    Help {
        name: name.to_owned(),
        operands: operands.to_owned(),
        gist: gist.trim().to_owned(),
        about: paragraphs.map(|text| text.replace('\n', " ")).collect(),
        examples: examples
            .lines()
            .map(|line| line.trim().to_owned())
            .collect(),
        options: read_options(options),
    }
}

/// Lines of `  -l, --listen ADDR[:PORT]  where to listen …`, the meaning in one column.
fn read_options(text: &str) -> Vec<OptionHelp> {
    let mut found: Vec<OptionHelp> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if !line.starts_with('-') || !line.contains("  ") {
            let last = found.last_mut().expect("a meaning goes on");
            last.meaning += " ";
            last.meaning += line;
            continue;
        }
        let (heading, meaning) = line.split_once("  ").expect("a meaning stands behind it");
        let (short, long) = heading.split_once(", ").unwrap_or(("", heading));
        let (long, value) = long.split_once(' ').unwrap_or((long, ""));
        found.push(OptionHelp {
            short: short.to_owned(),
            long: long.to_owned(),
            value: value.to_owned(),
            meaning: meaning.trim().to_owned(),
        });
    }
    found
}

fn said(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sprat"))
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "sprat {}", words.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Every option, once, with the commands that take it.
pub fn options(commands: &[Help]) -> Vec<(&OptionHelp, Vec<&str>)> {
    let mut found: Vec<(&OptionHelp, Vec<&str>)> = Vec::new();
    for command in commands {
        for option in &command.options {
            match found
                .iter_mut()
                .find(|(known, _)| known.long == option.long)
            {
                Some((known, takers)) => {
                    assert_eq!(*known, option, "an option means the same everywhere");
                    takers.push(&command.name);
                }
                None => found.push((option, vec![&command.name])),
            }
        }
    }
    found
}
