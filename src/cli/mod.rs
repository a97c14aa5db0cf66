//! The command line: what a person or a script has to do with sprat.
//!
//! Read `args` for the words, then a command (`share`, `get`, `node` with `service`, `control`,
//! `demo`, `key`, `doctor`). Standard output carries results (links, paths, JSON), standard error carries
//! progress and news. A command is not a node: it starts a [`Reactor`](crate::reactor::Reactor) and
//! tells the news of it.
//!
//! Invariant: every ending has one exit code (`Exit`), and every failure one line that says what,
//! where and what to do.

mod args;
mod client;
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

use crate::reactor;
use args::Args;
use console::Console;
use exit::Exit;
use options::Command;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

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
        Exit::Failed(text) => (1, text),
        Exit::Usage(text) => (2, text),
        Exit::Interrupted(text) => (130, text),
    };
    console::complain(&text);
    ExitCode::from(code)
}

fn perform(words: impl IntoIterator<Item = OsString>) -> Result<(), Exit> {
    let words: Vec<OsString> = words.into_iter().collect();
    match words.as_slice() {
        [first, rest @ ..] if first == "--version" || first == "-V" => {
            return match rest.first() {
                None => print(format!("sprat {}", env!("CARGO_PKG_VERSION"))),
                Some(word) => Err(Exit::Usage(format!(
                    "{} takes no operand: {} (see sprat help)",
                    first.to_string_lossy(),
                    word.to_string_lossy()
                ))),
            };
        }
        // The command line is right; it is the name that cannot be shared.
        [first, rest @ ..] if first == "share" => {
            if let Some(word) = rest.iter().find(|word| word.to_str().is_none()) {
                return Err(Exit::Failed(format!(
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
    let console = Console::new(args.verbosity);
    log::start(&console, args.verbosity);
    match args.command {
        Command::Share => share::run(args, &console),
        Command::Get => get::run(args, &console),
        Command::Node => node::run(args, &console),
        Command::Add
        | Command::Rm
        | Command::Ls
        | Command::Status
        | Command::Pause
        | Command::Resume
        | Command::Peers
        | Command::Dht
        | Command::Ping
        | Command::Find => client::run(args, &console),
        Command::Demo => demo::run(args, &console),
        Command::Key => key::run(args, &console),
        Command::Doctor => doctor::run(args, &console),
        Command::Help => help::run(args),
    }
}

/// Writes one result to standard output, at once, also when that is a pipe or a file.
fn print(line: impl AsRef<str>) -> Result<(), Exit> {
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
        assert!(matches!(perform(words), Err(Exit::Failed(text)) if text.contains("not UTF-8")));
    }
}
