//! The command line: what a person or a script has to do with sprat.
//!
//! Read `args` for the words, then a command (`share`, `get`, `node` with `service`, `control`,
//! `demo`, `key`, `doctor`). Standard output carries results (links, paths, JSON), standard error carries
//! progress and news. A command is not a node: it starts a [`Reactor`](crate::reactor::Reactor) and
//! tells the news of it.
//!
//! Invariant: every ending has one exit code (`Ending`), and every failure one line that says what,
//! where and what to do.

mod args;
mod config;
mod control;
mod demo;
mod doctor;
mod effort;
mod failure;
mod figures;
mod get;
mod help;
mod json;
mod key;
mod log;
mod meter;
mod news;
mod node;
mod options;
mod place;
mod rate;
mod reload;
mod screen;
mod service;
mod settings;
mod share;
mod start;
mod teller;
mod wanted;

use crate::reactor;
use args::{Args, Misuse};
use options::Command;
use screen::Screen;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// How a command ends when it does not end well.
#[derive(Debug)]
enum Ending {
    /// Exit code 1: what failed, where, and what to do.
    Failed(String),
    /// Exit code 2: what is wrong with the command line.
    Misused(String),
    /// Exit code 130: a signal came before the work was done; what that means.
    Interrupted(String),
}

impl From<Misuse> for Ending {
    fn from(misuse: Misuse) -> Ending {
        Ending::Misused(misuse.0)
    }
}

impl From<reactor::Error> for Ending {
    fn from(error: reactor::Error) -> Ending {
        Ending::Failed(error.to_string())
    }
}

/// Runs the command that `words` (without the program's name) stand for, to its end.
///
/// The exit code is 0 when it is done, 1 when it failed, 2 for a wrong command line, and 130 when a
/// signal ended it before it was done.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let ending = match perform(words) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(ending) => ending,
    };
    let (code, text) = match ending {
        Ending::Failed(text) => (1, text),
        Ending::Misused(text) => (2, text),
        Ending::Interrupted(text) => (130, text),
    };
    screen::complain(&text);
    ExitCode::from(code)
}

fn perform(words: impl IntoIterator<Item = OsString>) -> Result<(), Ending> {
    let words: Vec<OsString> = words.into_iter().collect();
    match words.as_slice() {
        [first, rest @ ..] if first == "--version" || first == "-V" => {
            return match rest.first() {
                None => print(format!("sprat {}", env!("CARGO_PKG_VERSION"))),
                Some(word) => Err(Ending::Misused(format!(
                    "{} takes no operand: {} (see sprat help)",
                    first.to_string_lossy(),
                    word.to_string_lossy()
                ))),
            };
        }
        // The command line is right; it is the name that cannot be shared.
        [first, rest @ ..] if first == "share" => {
            if let Some(word) = rest.iter().find(|word| word.to_str().is_none()) {
                return Err(Ending::Failed(format!(
                    "cannot share {word:?}: its name is not UTF-8, as names in a manifest are \
                     (rename it)"
                )));
            }
        }
        _ => {}
    }
    let args = Args::parse(words, &|name| env::var_os(name))?;
    if args.help {
        return print(help::of(args.command));
    }
    let screen = Screen::new(args.verbosity);
    log::start(&screen, args.verbosity);
    match args.command {
        Command::Share => share::run(args, &screen),
        Command::Get => get::run(args, &screen),
        Command::Node => node::run(args, &screen),
        Command::Add
        | Command::Rm
        | Command::Ls
        | Command::Status
        | Command::Pause
        | Command::Resume
        | Command::Peers
        | Command::Dht
        | Command::Ping
        | Command::Find => control::run(args, &screen),
        Command::Demo => demo::run(args, &screen),
        Command::Key => key::run(args, &screen),
        Command::Doctor => doctor::run(args, &screen),
        Command::Help => help::run(args),
    }
}

/// Writes one result to standard output, at once, also when that is a pipe or a file.
fn print(line: impl AsRef<str>) -> Result<(), Ending> {
    let mut output = io::stdout().lock();
    let written = writeln!(output, "{}", line.as_ref()).and_then(|()| output.flush());
    match written {
        // Whoever reads it has read enough (`sprat ls | head -1`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => {
            other.map_err(|error| reactor::Error::new("write to standard output", error).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    #[test]
    fn a_path_that_is_not_utf8_cannot_be_shared_but_is_no_wrong_usage() {
        let words = [OsString::from("share"), OsString::from_vec(b"\xff".into())];
        assert!(matches!(perform(words), Err(Ending::Failed(text)) if text.contains("not UTF-8")));
    }
}
