//! The commands that ask a running service: one request, and its answer line by line.
//!
//! The service needs neither this process's folder nor a resolver: paths are made absolute and
//! names are resolved here. Invariant: the exit code is that of the answer, and 1 without one.

use super::args::Args;
use super::console::{Console, print};
use super::exit::Exit;
use super::host_port::HostPort;
use super::target::Target;
use crate::id::FileId;
use crate::limits::LINK_PROVIDERS_MAX;
use crate::reactor::{self, Error};
use crate::service::commands::{Command, Operand};
use crate::service::line::Line;
use crate::service::protocol::Request;
use crate::service::socket_path;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{self, Path, PathBuf};

/// Sends a request for each operand, or one if there are none.
pub(super) fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let command = Command::named(args.command).expect("the service performs it");
    let words = args
        .operands
        .iter()
        .map(|operand| match command.operands.kind() {
            Some(Operand::Target) => add_words(operand, &args, console),
            Some(Operand::Host) => Ok(vec![resolved(operand)?]),
            Some(Operand::File) | None => Ok(vec![id_or_path(operand)?]),
        });
    let mut requests = words.collect::<Result<Vec<_>, Exit>>()?;
    if requests.is_empty() {
        requests.push(Vec::new());
    }
    for words in requests {
        let request = Request {
            json: args.options.json,
            command: command.name,
            words,
        };
        converse(connect(args.options.dir.as_deref())?, &request, console)?;
    }
    Ok(())
}

/// `share PATH`, or `fetch ID OUTPUT PROVIDER...`
fn add_words(operand: &str, args: &Args, console: &Console) -> Result<Vec<String>, Exit> {
    let output = args.options.output.as_deref();
    let is_link = operand.starts_with("magnet:") || operand.parse::<FileId>().is_ok();
    if !is_link {
        if output.is_some() {
            return Err(Exit::Usage(format!(
                "--output is for a LINK, and this is a PATH: {operand} (see sprat help add)"
            )));
        }
        return Ok(vec!["share".into(), absolute(Path::new(operand))?]);
    }
    let target = Target::read(operand, console)?;
    let output = match output {
        // A slash at the end says that it is a folder.
        Some(path) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => absolute(path)? + "/",
        Some(path) => absolute(path)?,
        None => String::new(),
    };
    let providers = target.providers.iter().take(LINK_PROVIDERS_MAX);
    let words = ["fetch".into(), target.file.to_string(), output];
    Ok(words
        .into_iter()
        .chain(providers.map(ToString::to_string))
        .collect())
}

fn resolved(operand: &str) -> Result<String, Exit> {
    let host: HostPort = operand.parse().map_err(Exit::Usage)?;
    let failed = |why| Exit::Failed(format!("cannot resolve {host}: {why} (check the name)"));
    Ok(host.resolve().map_err(failed)?[0].to_string())
}

/// An id or a link as it is, a path in full.
fn id_or_path(operand: &str) -> Result<String, Exit> {
    match operand.contains('/') && !operand.starts_with("magnet:") {
        true => absolute(Path::new(operand)),
        false => Ok(operand.to_owned()),
    }
}

fn absolute(path: &Path) -> Result<String, Exit> {
    let failed = |error| Error::new(format!("find {}", path.display()), error);
    let path = path::absolute(path).map_err(failed)?;
    let text = path
        .to_str()
        .map(|text| text.trim_end_matches('/').to_owned());
    text.ok_or_else(|| Exit::Usage(format!("not UTF-8: {path:?}")))
}

/// Connects to the first service that answers.
fn connect(dir: Option<&Path>) -> Result<UnixStream, Exit> {
    let mut failures: Vec<(PathBuf, io::Error)> = Vec::new();
    for path in socket_path::of_clients(dir) {
        match UnixStream::connect(&path) {
            Ok(socket) => return Ok(socket),
            Err(error) => failures.push((path, error)),
        }
    }
    // A socket that exists tells the user more than one that does not.
    let exists = |(_, error): &&(PathBuf, io::Error)| error.kind() != ErrorKind::NotFound;
    let failure = failures.iter().find(exists).or(failures.first());
    let (path, error) = failure.expect("a client tries one path at least");
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => "ask as the user that it runs as",
        _ => "start one with sprat node, or name its folder with -d",
    };
    let (path, why) = (path.display(), reactor::words(error));
    Err(Exit::Failed(format!(
        "no service answers at {path}: {why} ({hint})"
    )))
}

/// Sends the request and prints the answer until its last line.
fn converse(mut socket: UnixStream, request: &Request, console: &Console) -> Result<(), Exit> {
    // A service without a free slot answers and closes before it reads: its answer matters more
    // than this error.
    let _ = writeln!(socket, "{}", request.emit());
    for line in BufReader::new(socket).lines() {
        let line = line.map_err(|error| Error::new("read the service's answer", error))?;
        match Line::parse(&line) {
            Some(Line::Result(text)) => print(text)?,
            Some(Line::News(text)) => console.info(text),
            Some(Line::End(0, _)) => return Ok(()),
            Some(Line::End(2, why)) => return Err(Exit::Usage(why)),
            Some(Line::End(_, why)) => return Err(Exit::Failed(why)),
            None => {
                return Err(Exit::Failed(format!(
                    "unknown answer from the service: {line} (is it of this version?)"
                )));
            }
        }
    }
    let text = "the service ended before its answer did (is it still running?)";
    Err(Exit::Failed(text.into()))
}
