//! The commands that talk to a running service: one request, its answer printed as it comes.
//!
//! This is the client: it finds the socket (`place`), makes the words such that the service needs
//! neither this process's folder nor a resolver, sends them (`request`) and passes the answer's
//! lines on. What a command does, `cli::service` says. Invariant: it ends as the service says, and
//! with 1 when the service does not say.

pub mod place;
pub mod request;

use super::args::{Args, Misuse};
use super::options::Command;
use super::screen::Screen;
use super::{Ending, print};
use crate::reactor;
use request::{Line, Request};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Runs one of the commands.
pub fn run(args: Args, screen: &Screen) -> Result<(), Ending> {
    let requests = requests(&args)?;
    for request in requests {
        converse(connect(args.dir.as_deref())?, &request, screen)?;
    }
    Ok(())
}

/// What to ask: `add` and `rm` once for each operand.
fn requests(args: &Args) -> Result<Vec<Request>, Ending> {
    let (command, name) = (args.command, args.command.name());
    let request = |words: Vec<String>| Request {
        json: args.json,
        command,
        words,
    };
    let misuse = |text: String| Ending::from(Misuse(format!("{text} (see sprat help {name})")));
    match (command, args.operands.as_slice()) {
        (Command::Ls | Command::Status, []) => Ok(vec![request(Vec::new())]),
        (Command::Ls | Command::Status, [word, ..]) => {
            Err(misuse(format!("{name} takes no operand: {word}")))
        }
        _ => unreachable!("{name} is no control command"),
    }
}

/// The first service that answers where one may be.
fn connect(dir: Option<&Path>) -> Result<UnixStream, Ending> {
    let mut failures: Vec<(PathBuf, io::Error)> = Vec::new();
    for path in place::of_clients(dir) {
        match UnixStream::connect(&path) {
            Ok(socket) => return Ok(socket),
            Err(error) => failures.push((path, error)),
        }
    }
    // A socket that is there says more than places where none is.
    let telling = failures
        .iter()
        .find(|(_, error)| error.kind() != ErrorKind::NotFound);
    let (path, error) = telling
        .or(failures.first())
        .expect("clients look somewhere");
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => "ask as the user that it runs as",
        _ => "start one with sprat node, or name its folder with -d",
    };
    Err(Ending::Failed(format!(
        "no service answers at {}: {} ({hint})",
        path.display(),
        reactor::words(error)
    )))
}

/// Sends the request, and prints the answer until its last line.
fn converse(mut socket: UnixStream, request: &Request, screen: &Screen) -> Result<(), Ending> {
    // A service that has no place for us answers before it has read this, and closes.
    let _ = writeln!(socket, "{}", request.emit());
    for line in BufReader::new(socket).lines() {
        let line = line.map_err(|error| reactor::Error::new("read the service's answer", error))?;
        match Line::parse(&line) {
            Some(Line::Result(text)) => print(text)?,
            Some(Line::News(text)) => screen.say(text),
            Some(Line::End(0, _)) => return Ok(()),
            Some(Line::End(2, why)) => return Err(Ending::Misused(why)),
            Some(Line::End(_, why)) => return Err(Ending::Failed(why)),
            None => {
                return Err(Ending::Failed(format!(
                    "the service answers in a way of its own: {line} (is it of this version?)"
                )));
            }
        }
    }
    Err(Ending::Failed(
        "the service ended before its answer did (is it still running?)".into(),
    ))
}
