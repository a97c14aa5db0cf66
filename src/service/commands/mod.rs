//! The commands of the service: one row each. The command line has its list of them, and their
//! help, from this table.
//!
//! One more command is one more row here, and its handler in `files` or `network`. A handler
//! changes the service, and returns the answer or its source. Invariant: a change of the catalog is
//! on the disk before it is answered, so that a power cut cannot undo a change that was confirmed.

mod files;
mod network;

use super::Service;
use super::answer::{Answer, Refusal};
use crate::reactor::Reactor;

/// A command of the service.
pub struct Command {
    /// The word that calls it.
    pub name: &'static str,
    /// The operands behind the word.
    pub operands: Operands,
    /// Whether its results can be JSON.
    pub has_results: bool,
    /// For the overview: a clause of at most 64 columns.
    pub summary: &'static str,
    /// For its own help: paragraphs of lines of at most 100 columns.
    pub details: &'static str,
    run: fn(&mut Service, &mut Reactor, &[&str]) -> Performed,
}

type Performed = Result<Answer, Refusal>;

/// The operands of a command. Several operands are as many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    None,
    One(Operand),
    Several(Operand),
    Any(Operand),
}

/// The kind of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A path to share, or a link to fetch.
    Target,
    /// A file of the service.
    File,
    Host,
}

impl Operands {
    pub fn kind(self) -> Option<Operand> {
        match self {
            Operands::None => None,
            Operands::One(kind) | Operands::Several(kind) | Operands::Any(kind) => Some(kind),
        }
    }
}

impl Operand {
    /// How the help names it.
    pub fn name(self) -> &'static str {
        match self {
            Operand::Target => "PATH|LINK",
            Operand::File => "ID",
            Operand::Host => "HOST:PORT",
        }
    }
}

/// Every command of the service, in the order of the help.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "add",
        operands: Operands::Several(Operand::Target),
        has_results: true,
        summary: "let the running node share a path, or fetch a link and serve it",
        details: "\
The running node shares each file or folder where it is; its link is printed when it is hashed. Or
it fetches what a link names (a magnet URI or 40 hexadecimal digits) to --output, or else to the
folder `files` in its state folder, and serves it from then on. The node resumes both after a
restart. A path that is shared already is hashed again if it has changed.",
        run: files::add,
    },
    Command {
        name: "rm",
        operands: Operands::Several(Operand::File),
        has_results: false,
        summary: "stop sharing or fetching a file",
        details: "\
The running node no longer shares or fetches the file. No file is deleted; of an incomplete fetch,
NAME.part is kept, and its path is printed. ID is what `sprat ls` shows, or at least six digits of
it, a link, or the path of a shared file.",
        run: files::rm,
    },
    Command {
        name: "ls",
        operands: Operands::None,
        has_results: true,
        summary: "list what the running node shares and fetches",
        details: "\
Lists what the running node shares and fetches, one file or folder a line: the first digits of its
id, its state, how much of it is there, its size, name and link. With --json, each line is an
object with the members `kind` and `version`.",
        run: files::ls,
    },
    Command {
        name: "status",
        operands: Operands::None,
        has_results: true,
        summary: "show how the running node is",
        details: "\
Shows how the running node is: its uptime, id and addresses, contacts and streams, bytes sent,
received and written, memory, how long the turns of its loop take, and what it dropped.",
        run: network::status,
    },
    Command {
        name: "pause",
        operands: Operands::Any(Operand::File),
        has_results: false,
        summary: "pause files, or all of them",
        details: "\
Pauses files, or all of them: the running node does not announce, send, fetch or read them until
`sprat resume`, also after a restart. ID as for `sprat rm`.",
        run: files::pause,
    },
    Command {
        name: "resume",
        operands: Operands::Any(Operand::File),
        has_results: false,
        summary: "resume files, or all of them",
        details: "\
Resumes paused files, or all of them, and retries at once what waits for a retry. ID as for
`sprat rm`.",
        run: files::resume,
    },
    Command {
        name: "peers",
        operands: Operands::One(Operand::File),
        has_results: true,
        summary: "list the open streams of a file",
        details: "\
Lists the open streams of a file, one a line: the address of the peer, bytes sent and received,
bytes a second, how many shards it has, its node id. ID as for `sprat rm`.",
        run: files::peers,
    },
    Command {
        name: "dht",
        operands: Operands::None,
        has_results: true,
        summary: "list the contacts and the records of the running node",
        details: "\
Lists what the running node knows of the network: its own id, its contacts by bucket, and the
records that it keeps for others, each with the time until it expires.",
        run: network::dht,
    },
    Command {
        name: "ping",
        operands: Operands::One(Operand::Host),
        has_results: true,
        summary: "check whether a node of the network answers",
        details: "\
The running node pings the node at HOST:PORT, and prints how long the answer took. Exit code 1 if
no node of its network answers within five seconds.",
        run: network::ping,
    },
    Command {
        name: "find",
        operands: Operands::One(Operand::File),
        has_results: true,
        summary: "look up the providers of a file",
        details: "\
The running node looks up the providers of a file without fetching it, and prints an address a
line. ID is 40 hexadecimal digits, a link, or what `sprat ls` shows. Exit code 1 if there are
none.",
        run: network::find,
    },
];

impl Command {
    /// The command that a word calls.
    pub fn named(name: &str) -> Option<&'static Command> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    /// Whether a request of this command has so many words. A target is several words.
    fn takes(&self, word_count: usize) -> bool {
        match self.operands {
            Operands::None => word_count == 0,
            Operands::Any(_) => word_count <= 1,
            _ if self.operands.kind() == Some(Operand::Target) => word_count > 1,
            Operands::One(_) | Operands::Several(_) => word_count == 1,
        }
    }
}

/// Performs a command with the words of a request.
///
/// # Errors
/// When it is none of this service's, or cannot be done.
pub(super) fn perform(
    service: &mut Service,
    reactor: &mut Reactor,
    command: &str,
    words: &[String],
) -> Performed {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match Command::named(command).filter(|command| command.takes(words.len())) {
        Some(command) => (command.run)(service, reactor, &words),
        None => Err(unknown(command, &words)),
    }
}

fn unknown(command: &str, words: &[&str]) -> Refusal {
    Refusal::usage(format!(
        "the service knows no {command} {}",
        words.join(" ")
    ))
}
