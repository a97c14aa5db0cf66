//! The command line: what people type, and what scripts call.
//!
//! ```text
//!   words ──► commands ──► args ──► options ──► share, get, node, … ──► exit code
//!                            ▲
//!           settings: line, environment, file (config)
//! ```
//!
//! `commands` and `options` are the two tables, with one item for each command and each option.
//! Results (links, paths, JSON) go to standard output, progress and messages to standard error.
//!
//! Invariant: every failure has one exit code and one line that says what, where and what to do.

mod args;
mod bootstrap;
mod client;
mod command;
mod commands;
mod config;
mod console;
mod demo;
mod doctor;
mod exit;
mod get;
mod help;
mod host_port;
mod key;
mod log;
mod node;
mod options;
mod progress;
mod rate;
mod reload;
mod settings;
mod share;
mod start;
mod summary;
mod target;

use console::{Console, print};
use exit::Exit;
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command line `words` (without the program's name).
///
/// The exit code is 0 when it is done, 1 when it failed, 2 for a wrong command line, and 130 when a
/// signal ended it before it was done.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    match perform(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            console::print_error(exit.text());
            ExitCode::from(exit.code())
        }
    }
}

fn perform(words: impl IntoIterator<Item = OsString>) -> Result<(), Exit> {
    let words: Vec<OsString> = words.into_iter().collect();
    let is_share = words.first().is_some_and(|first| first == "share");
    let not_utf8 = |word: OsString| match is_share {
        // The command line is right; this name cannot be shared.
        true => Exit::Failed(format!(
            "cannot share {word:?}: its name is not UTF-8, as names in a manifest are (rename it)"
        )),
        false => Exit::Usage(format!(
            "not UTF-8: {word:?} (names in a manifest are UTF-8)"
        )),
    };
    let words: Result<Vec<_>, _> = words.into_iter().map(OsString::into_string).collect();
    let mut words = words.map_err(not_utf8)?.into_iter();
    let no_command = || Exit::Usage("no command (see sprat help)".into());
    let first = words.next().ok_or_else(no_command)?;
    let words: Vec<String> = words.collect();
    let name = match (first.as_str(), words.first()) {
        ("-V" | "--version", None) => {
            return print(format!("sprat {}", env!("CARGO_PKG_VERSION")));
        }
        ("-V" | "--version", Some(word)) => {
            let text = format!("{first} takes no operand: {word} (see sprat help)");
            return Err(Exit::Usage(text));
        }
        ("-h" | "--help", _) => "help",
        (name, _) => name,
    };
    let command = commands::find(name)?;
    let args = command.parse(words, &|name| env::var_os(name))?;
    if args.options.help {
        return print(help::of(&command));
    }
    let console = Console::new(args.options.verbosity);
    log::start(&console, args.options.verbosity);
    (command.run)(args, &console)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    #[test]
    fn a_path_that_is_not_utf8_cannot_be_shared_but_is_no_wrong_usage() {
        let words = [OsString::from("share"), OsString::from_vec(b"\xff".into())];
        assert!(matches!(perform(words), Err(Exit::Failed(text)) if text.contains("not UTF-8")));
    }
}
