//! What `sprat help` says, read back: the commands and their options, which all stem from one table.

use std::process::Command;

/// A command, as the help has it.
pub struct Help {
    /// The word that calls it.
    pub name: String,
    /// What may follow that word: `[OPTIONS] PATH...`, and other ways to call it.
    pub operands: Vec<String>,
    /// What it does, in one line.
    pub gist: String,
    /// What it does, in paragraphs.
    pub about: Vec<String>,
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
    /// What it does.
    pub meaning: String,
}

/// Every command, in the help's order.
pub fn read() -> Vec<Help> {
    let overview = said(&["help"]);
    let calls = overview
        .lines()
        .filter_map(|line| line.strip_prefix("  sprat "));
    let mut found: Vec<Help> = Vec::new();
    for call in calls.filter(|call| !call.starts_with('-')) {
        let (names, rest) = call.split_once(' ').unwrap_or((call, ""));
        let (operands, gist) = rest
            .trim_start()
            .split_once("  ")
            .expect("a gist stands behind each command");
        // Commands of one kind share a line (`ls|status`), and some have a line for each use.
        for name in names.split('|') {
            match found.iter_mut().find(|command| command.name == name) {
                Some(command) => command.operands.push(operands.to_owned()),
                None => found.push(command(name, operands, gist.trim())),
            }
        }
    }
    assert!(found.len() > 4, "the overview has commands: {overview}");
    found
}

fn command(name: &str, operands: &str, gist: &str) -> Help {
    let help = |about, options| Help {
        name: name.to_owned(),
        operands: vec![operands.to_owned()],
        gist: gist.to_owned(),
        about,
        options,
    };
    if name == "help" {
        let about = "Prints what there is, or more about a command.".to_owned();
        return help(vec![about], Vec::new());
    }
    let text = said(&["help", name]);
    let (about, options) = text
        .split_once("\noptions:\n")
        .expect("options stand at the end");
    let paragraphs = about.trim().split("\n\n").skip(1);
    let about = paragraphs.map(|text| text.replace('\n', " ")).collect();
    help(about, read_options(options))
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
