//! The commands that talk to a running service: one request, its answer printed as it comes.
//!
//! This is the client: it finds the socket (`place`), makes the words such that the service needs
//! neither this process's folder nor a resolver, sends them (`request`) and passes the answer's
//! lines on. What a command does, `cli::service` says. Invariant: it ends as the service says, and
//! with 1 when the service does not say.

use super::args::Args;
use super::console::Console;
use super::exit::UsageError;
use super::host_port::HostPort;
use super::options::Command;
use super::start;
use super::target::Target;
use super::{Exit, print};
use crate::id::FileId;
use crate::limits::LINK_PROVIDERS_MAX;
use crate::reactor;
use crate::service::protocol::{Line, Request};
use crate::service::socket_path;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{self, Path, PathBuf};

/// Runs one of the commands.
pub fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let requests = requests(&args, console)?;
    for request in requests {
        converse(connect(args.dir.as_deref())?, &request, console)?;
    }
    Ok(())
}

/// What to ask: `add` and `rm` once for each operand.
fn requests(args: &Args, console: &Console) -> Result<Vec<Request>, Exit> {
    let (command, name) = (args.command, args.command.name());
    let request = |words: Vec<String>| Request {
        json: args.json,
        command: name,
        words,
    };
    let misuse = |text: String| Exit::from(UsageError(format!("{text} (see sprat help {name})")));
    let operands = args.operands.as_slice();
    match command {
        Command::Ls | Command::Status | Command::Dht => match operands {
            [] => Ok(vec![request(Vec::new())]),
            [word, ..] => Err(misuse(format!("{name} takes no operand: {word}"))),
        },
        Command::Add if operands.is_empty() => {
            Err(misuse("nothing to add: no PATH and no LINK".into()))
        }
        Command::Add => {
            let each = operands.iter().map(|word| added(word, args, console));
            each.map(|words| words.map(request)).collect()
        }
        Command::Rm if operands.is_empty() => Err(misuse("nothing to remove: no ID".into())),
        Command::Pause | Command::Resume if operands.is_empty() => Ok(vec![request(Vec::new())]),
        Command::Rm | Command::Pause | Command::Resume => {
            let each = operands.iter().map(|word| named(word));
            each.map(|word| Ok(request(vec![word?]))).collect()
        }
        Command::Peers | Command::Find => match operands {
            [word] => Ok(vec![request(vec![named(word)?])]),
            [] => Err(misuse("no ID".into())),
            _ => Err(misuse(format!("{name} is about one file"))),
        },
        Command::Ping => match operands {
            [word] => Ok(vec![request(vec![resolved(word)?])]),
            [] => Err(misuse("no HOST:PORT".into())),
            _ => Err(misuse("ping is about one node".into())),
        },
        _ => unreachable!("{name} is no control command"),
    }
}

/// What `add` says of a path or a link: names are resolved here, where that may wait.
fn added(word: &str, args: &Args, console: &Console) -> Result<Vec<String>, Exit> {
    let is_link = word.starts_with("magnet:") || word.parse::<FileId>().is_ok();
    if !is_link {
        if args.output.is_some() {
            let what = format!("--output is for what is fetched, and this is shared: {word}");
            return Err(UsageError(format!("{what} (see sprat help add)")).into());
        }
        return Ok(vec!["share".into(), absolute(Path::new(word))?]);
    }
    let target = Target::read(word, console)?;
    let output = match &args.output {
        // Whether it ends with a slash says what it is.
        Some(path) => {
            absolute(path)?
                + if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                    "/"
                } else {
                    ""
                }
        }
        None => String::new(),
    };
    let providers = target.providers.iter().take(LINK_PROVIDERS_MAX);
    let providers = providers.map(ToString::to_string);
    let words = ["fetch".into(), target.file.to_string(), output];
    Ok(words.into_iter().chain(providers).collect())
}

/// The address of a host, whose name the system resolves here.
fn resolved(word: &str) -> Result<String, Exit> {
    let place: HostPort = word.parse()?;
    let addresses = start::resolve(&place);
    let addresses = addresses
        .map_err(|why| Exit::Failed(format!("cannot resolve {place}: {why} (check the name)")))?;
    Ok(addresses[0].to_string())
}

/// An id or a link as it is, a path in full.
fn named(word: &str) -> Result<String, Exit> {
    let is_path = word.contains('/') && !word.starts_with("magnet:");
    match is_path {
        true => absolute(Path::new(word)),
        false => Ok(word.to_owned()),
    }
}

/// A path that means the same to the service.
fn absolute(path: &Path) -> Result<String, Exit> {
    let failed = |error| reactor::Error::new(format!("find {}", path.display()), error);
    let path = path::absolute(path).map_err(failed)?;
    let text = path
        .to_str()
        .map(|text| text.trim_end_matches('/').to_owned());
    text.ok_or_else(|| UsageError(format!("not UTF-8: {path:?}")).into())
}

/// The first service that answers where one may be.
fn connect(dir: Option<&Path>) -> Result<UnixStream, Exit> {
    let mut failures: Vec<(PathBuf, io::Error)> = Vec::new();
    for path in socket_path::of_clients(dir) {
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
    Err(Exit::Failed(format!(
        "no service answers at {}: {} ({hint})",
        path.display(),
        reactor::words(error)
    )))
}

/// Sends the request, and prints the answer until its last line.
fn converse(mut socket: UnixStream, request: &Request, console: &Console) -> Result<(), Exit> {
    // A service that has no place for us answers before it has read this, and closes.
    let _ = writeln!(socket, "{}", request.emit());
    for line in BufReader::new(socket).lines() {
        let line = line.map_err(|error| reactor::Error::new("read the service's answer", error))?;
        match Line::parse(&line) {
            Some(Line::Result(text)) => print(text)?,
            Some(Line::News(text)) => console.info(text),
            Some(Line::End(0, _)) => return Ok(()),
            Some(Line::End(2, why)) => return Err(Exit::Usage(why)),
            Some(Line::End(_, why)) => return Err(Exit::Failed(why)),
            None => {
                return Err(Exit::Failed(format!(
                    "the service answers in a way of its own: {line} (is it of this version?)"
                )));
            }
        }
    }
    Err(Exit::Failed(
        "the service ended before its answer did (is it still running?)".into(),
    ))
}
