//! `sprat help`: the overview and the help of a command, rendered from the tables.

use super::command::Command;
use std::fmt::Write as _;

const START: &str = "\
sprat turns a set of small computers into their own file distribution network.

usage:
";

const END: &str = "  sprat --version

Results go to standard output, progress and messages to standard error.
Exit codes: 0 done; 1 failed; 2 wrong usage; 130 interrupted.";

pub(super) fn overview(commands: &[Command]) -> String {
    let width = commands.iter().map(|command| command.usage().len()).max();
    let width = width.unwrap_or(0);
    let line = |command: &Command| format!("  {:width$}  {}\n", command.usage(), command.summary);
    START.to_owned() + &commands.iter().map(line).collect::<String>() + END
}

pub(super) fn of(command: &Command) -> String {
    let mut text = format!("usage: {}\n\n{}\n", command.usage(), command.details);
    if !command.examples.is_empty() {
        text += "\nexamples:\n";
        command
            .examples
            .iter()
            .for_each(|line| text += &format!("  {line}\n"));
    }
    text += "\noptions:\n";
    let width = command.flags().map(|flag| flag.heading().len()).max();
    let width = width.unwrap_or(0);
    for flag in command.flags() {
        let mut heading = flag.heading();
        for line in flag.help.lines() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {heading:width$}  {line}");
            heading.clear();
        }
    }
    text.trim_end().to_owned()
}
