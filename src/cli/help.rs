//! `sprat help`: what there is, and only what works. The options come from their one table.

use super::args::Args;
use super::options::{Command, OptionSpec};
use super::{Exit, print};
use std::fmt::Write as _;

const OVERVIEW: &str = "\
sprat turns a set of small computers into their own file distribution network.

usage:
  sprat share [OPTIONS] PATH...   share files or folders; prints one link a path, then serves
  sprat get   [OPTIONS] LINK      fetch what a link names, from everyone who has part of it
  sprat node  [OPTIONS]           run a node that others can join the network through
  sprat add   [OPTIONS] PATH...   have a running node share files or folders; prints their links
  sprat add   [OPTIONS] LINK...   have a running node fetch, and serve, what links name
  sprat rm    [OPTIONS] ID...     have it share or fetch something no more
  sprat ls|status [OPTIONS]       ask it what it shares and fetches, and how it is
  sprat pause|resume [OPTIONS] [ID]...  have it hold something, or everything, still; and go on
  sprat peers [OPTIONS] ID        ask it who fetches a file from it, and whom it fetches from
  sprat dht   [OPTIONS]           ask it whom it knows, and what it keeps for others
  sprat ping  [OPTIONS] HOST:PORT  have it ask whether a node is there
  sprat find  [OPTIONS] ID        have it look up who provides a file
  sprat demo  [OPTIONS] [FILE]    see it work: five nodes on this machine share and fetch a file
  sprat key   [OPTIONS] FILE      make a key: only nodes that have it can be of the network
  sprat doctor [OPTIONS]          see what is wrong on this machine, and what to do about it
  sprat help  [COMMAND]           this text, or more about a command
  sprat --version

Standard output carries results, standard error progress and news.
Exit codes: 0 done; 1 failed; 2 wrong usage; 130 interrupted.";

/// `sprat help [COMMAND]`
pub fn run(args: Args) -> Result<(), Exit> {
    match args.operands.as_slice() {
        [] => print(OVERVIEW),
        [name] => match Command::ALL
            .into_iter()
            .find(|command| command.name() == name)
        {
            Some(command) => print(of(command)),
            None => Err(Exit::Usage(format!(
                "no such command: {name} (see sprat help)"
            ))),
        },
        _ => Err(Exit::Usage(
            "help is about one command (see sprat help)".into(),
        )),
    }
}

/// The text about one command.
pub fn of(command: Command) -> String {
    let about = match command {
        Command::Share => SHARE,
        Command::Get => GET,
        Command::Node => NODE,
        Command::Add => ADD,
        Command::Rm => RM,
        Command::Ls => LS,
        Command::Status => STATUS,
        Command::Pause => PAUSE,
        Command::Resume => RESUME,
        Command::Peers => PEERS,
        Command::Dht => DHT,
        Command::Ping => PING,
        Command::Find => FIND,
        Command::Demo => DEMO,
        Command::Key => KEY,
        Command::Doctor => DOCTOR,
        Command::Help => return OVERVIEW.into(),
    };
    let width = OptionSpec::of(command)
        .map(|option| option.heading().len())
        .max()
        .unwrap_or(0);
    let mut text = format!("{about}\n\noptions:\n");
    for option in OptionSpec::of(command) {
        let mut heading = option.heading();
        for line in option.meaning.lines() {
            // A string takes any line.
            let _ = writeln!(text, "  {heading:width$}  {line}");
            heading.clear();
        }
    }
    text.trim_end().to_owned()
}

const SHARE: &str = "\
usage: sprat share [OPTIONS] PATH...

Hashes each file or folder, prints its link on standard output, and serves it until a signal
ends it (exit code 0: that is how serving ends). The files stay where they are and are not copied;
one that is edited meanwhile is no longer served.

A link carries the addresses to reach this node at: those given with -l, or else the one this
machine would use to reach the bootstrap node. `get` also works without them, through the network.";

const GET: &str = "\
usage: sprat get [OPTIONS] LINK

LINK is a magnet URI, 40 hexadecimal digits, or the path of a .torrent file. Prints the path of
what arrived on standard output. Every shard is verified before it counts; until the last one has,
the file is called NAME.part.

Safe to interrupt (exit code 130) and to repeat: the same command goes on where it stopped, after
verifying what the disk holds. With --seed, a signal after the file is complete ends it with 0.
When no bootstrap node answers and there is nobody else to ask, it keeps trying until interrupted.
Without -l, when port 4160 is in use, a free port is taken.";

const NODE: &str = "\
usage: sprat node [OPTIONS]

Runs a node that shares nothing itself: it keeps records of who has what, and others join the
network through it. Ends with exit code 0 at a signal. Its first line on standard error is
`sprat: listening on ADDR:PORT`.

Each option is also a variable (--limit-lan: SPRAT_LIMIT_LAN=yes) and a key of the file that
--config names (limit-lan = yes); the command line goes before the variable, and that before the
file. At SIGHUP the file is read again: bootstrap, up, down, limit-lan, quiet and verbose change at
once, the others with the next start.";

const KEY: &str = "\
usage: sprat key [OPTIONS] FILE

Makes a new key in FILE, which must not exist and which only its owner can read, and prints its
path. Give each node of the network a copy, by a way that you trust, and have it use that with
--key FILE. These nodes then talk to each other only: what comes from others gets no answer, and
what was recorded and is sent again has no effect.

A key keeps strangers out; it hides nothing: whoever can listen on the network can read the files
that pass. To change it, give every node the new one and start it again.";

const ADD: &str = "\
usage: sprat add [OPTIONS] PATH...
       sprat add [OPTIONS] LINK...

Has the running node share each file or folder from where it lies, and prints its link when it is
hashed; or fetch what a link names (a magnet URI or 40 hexadecimal digits) into the folder `files`
of its state, or to --output, and serve it from then on. The node remembers both when it is started
again. What is shared already is shared as it is now, if it has changed.";

const RM: &str = "\
usage: sprat rm [OPTIONS] ID...

Has the running node share or fetch something no more. No file is deleted; where a fetch was not
complete, what has arrived is kept in NAME.part, and said. ID is what `sprat ls` shows, or at least
six digits of it, a link, or the path of what is shared.";

const LS: &str = "\
usage: sprat ls [OPTIONS]

Lists what the running node shares and fetches, one file or folder a line: the first digits of its
id, what it is doing, how much of it is there, its size, its name, its link. With --json, each line
is an object; see `kind` and `version` in it.";

const STATUS: &str = "\
usage: sprat status [OPTIONS]

Tells how the running node is: since when it runs, its id and addresses, contacts and streams,
bytes up, down and written, memory, how long the turns of its loop take, and what it dropped.";

const PAUSE: &str = "\
usage: sprat pause [OPTIONS] [ID]...

Has the running node hold files still, or all of them: they are not announced, sent, fetched or
read until `sprat resume`, also when the node is started again. ID as for `sprat rm`.";

const RESUME: &str = "\
usage: sprat resume [OPTIONS] [ID]...

Has the running node go on with files that were paused, or with all; what waits for another try is
tried at once. ID as for `sprat rm`.";

const PEERS: &str = "\
usage: sprat peers [OPTIONS] ID

Lists the open streams of a file, one a line: where the other node listens, bytes sent to it and
received from it, bytes a second, how many shards it has, its id. ID as for `sprat rm`.";

const DHT: &str = "\
usage: sprat dht [OPTIONS]

Lists what the running node knows of the network: its own id, its contacts by bucket, and the
records that it keeps for others, each with the time until it is forgotten.";

const PING: &str = "\
usage: sprat ping [OPTIONS] HOST:PORT

Has the running node ask whether a node of its network is there; prints how long the answer took.
Exit code 1 when there is none within five seconds.";

const FIND: &str = "\
usage: sprat find [OPTIONS] ID

Has the running node look up who provides a file, without fetching it; prints an address a line.
ID is 40 hexadecimal digits, a link, or what `sprat ls` shows. Exit code 1 when nobody does.";

const DEMO: &str = "\
usage: sprat demo [OPTIONS] [FILE]

Starts five nodes on 127.0.0.1, each of which knows only one other; shares FILE (or 256 MiB of
generated data) at one, fetches it at a second through the network, then at a third from both,
and verifies what arrived. Works in a folder of its own under $TMPDIR, which it removes; it takes
about three times the file's size there.

With -n, starts that many nodes, each with a file of its own; finds every file through another
node; kills a third of the nodes and finds the files of the others; starts those again and finds
all; and so for each third. Exit code 1 if any was missed.";

const DOCTOR: &str = "\
usage: sprat doctor [OPTIONS]

Checks what a node needs: its ports and the process that uses them, a firewall, multicast on each
interface, how the nodes given with -b see this machine (and so whether a NAT is in between), the
state folder, the room on its disk, and whether this process may open enough files. Takes less than
five seconds, starts no node and writes nothing. Give it the options of the node.

Prints a line for each finding on standard output: its grade, what was found, what to do. ok: as
it should be. note: useful to know. warning: sprat works, but not as well as it could. problem:
something that sprat needs does not work. Exit code 1 if there is a problem, else 0. With -q, only
warnings and problems are printed.

With --json, each finding is an object: kind `finding`, version, topic, grade, text, advice, and
whole numbers that have their unit in the name. The last object sums up: kind `diagnosis`, version,
the worst grade, and how many findings each grade has.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_a_command_lists_its_options_and_no_others() {
        for command in Command::ALL {
            let text = of(command);
            assert!(text.contains("usage:"), "{command:?}");
            assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        }
        assert!(of(Command::Get).contains("  -o, --output PATH      "));
        assert!(of(Command::Get).contains("      --seed             "));
        assert!(!of(Command::Share).contains("--seed"));
        assert!(!of(Command::Demo).contains("--listen"));
    }

    #[test]
    fn the_overview_names_every_command() {
        for command in Command::ALL {
            let name = command.name();
            let is_named = |word: &str| word.split('|').any(|part| part == name);
            assert!(OVERVIEW.split_whitespace().any(is_named), "{command:?}");
        }
    }
}
