//! The commands: one item for each, with all facts of it. Those that a running service performs are
//! rows of the service's own table.
//!
//! Dispatch (`cli`), the help, and through it the man page and the completions come from this
//! table.

use super::args::Args;
use super::command::{Command, Operands};
use super::console::{Console, print};
use super::exit::Exit;
use super::options::Group;
use super::{client, demo, doctor, get, help, key, node, share};
use crate::service::commands::{self, Operand};

/// The commands before those of the service.
const NODES: &[Command] = &[
    Command {
        name: "share",
        operands: Operands::Several("PATH"),
        summary: "share files or folders: print a link for each, then serve",
        details: "\
Hashes each file or folder, prints its link on standard output, and serves it until a signal ends
it; that is exit code 0. The files are not copied. A file that is edited meanwhile is no longer
served.

A link carries the addresses of this node: those given with -l, or else the one that this machine
uses to reach the bootstrap node. `get` also works without them, through the network.",
        examples: &["sprat share holiday.iso"],
        groups: &[Group::Network, Group::Node, Group::State, Group::Config],
        run: share::run,
    },
    Command {
        name: "get",
        operands: Operands::One("LINK"),
        summary: "fetch what a link names, from every node that has part of it",
        details: "\
LINK is a magnet URI, 40 hexadecimal digits, or the path of a .torrent file. Prints the path of the
file or folder on standard output. Every shard is verified before it counts; until the last one is,
the file is called NAME.part.

You can interrupt it (exit code 130) and repeat it: the same command resumes where it stopped, after
it has verified what is on the disk. With --seed, a signal after the file is complete ends it with
0. When no bootstrap node answers and there is no other node to ask, it keeps trying until it is
interrupted. Without -l, it takes a free port if port 4160 is in use.",
        examples: &["sprat get 'magnet:?xt=urn:btih:...&dn=holiday.iso&x.pe=192.0.2.7:4160'"],
        groups: &[
            Group::Network,
            Group::Node,
            Group::State,
            Group::Config,
            Group::Output,
            Group::Seed,
            Group::Json,
        ],
        run: get::run,
    },
    Command {
        name: "node",
        operands: Operands::None,
        summary: "run a node as a service, which others can join through",
        details: "\
Runs a node that others join the network through. It keeps records of the providers of files, and
shares and fetches what `sprat add` and --share-dir give it. A signal ends it with exit code 0. Its
first line on standard error is `sprat: listening on ADDR:PORT`.

Each option is also a variable (--limit-lan: SPRAT_LIMIT_LAN=yes) and a key of the file that
--config names (limit-lan = yes). The command line overrides the variable, and the variable
overrides the file. At SIGHUP the file is read again: bootstrap, up, down, limit-lan, quiet and
verbose change at once, the others at the next start.",
        examples: &["sprat node -l 192.0.2.1 --share-dir outgoing"],
        groups: &[
            Group::Network,
            Group::Node,
            Group::State,
            Group::Config,
            Group::Service,
        ],
        run: node::run,
    },
];

/// The commands behind those of the service.
const OTHERS: &[Command] = &[
    Command {
        name: "demo",
        operands: Operands::Optional("FILE"),
        summary: "see it work: five nodes on this machine share and fetch a file",
        details: "\
Starts five nodes on 127.0.0.1, each of which knows only one other. Shares FILE (or 256 MiB of
generated data) at one of them, fetches it at a second through the network, then at a third from
both, and verifies the result. Works in a folder of its own under $TMPDIR, which it removes; this
takes about three times the size of the file.

With -n, starts that many nodes, each with a file of its own, and fetches every file through another
node. Then kills a third of the nodes and fetches the files of the others; starts these nodes again
and fetches all files; and so for each third. Exit code 1 if it missed a file.",
        examples: &["sprat demo"],
        groups: &[Group::Crowd],
        run: demo::run,
    },
    Command {
        name: "key",
        operands: Operands::One("FILE"),
        summary: "make a key: only nodes that have it are part of the network",
        details: "\
Makes a new key in FILE, which must not exist and which only its owner can read, and prints its
path. Copy it to each node of the network in a way that you trust, and name it there with --key
FILE. These nodes then talk only to each other: nodes without the key get no answer, and recorded
messages that are sent again have no effect.

A key keeps other nodes out; it hides nothing: anyone who can listen on the network can read the
files that pass. To change it, give every node the new one and restart it.",
        examples: &["sprat key club.key"],
        groups: &[],
        run: key::run,
    },
    Command {
        name: "doctor",
        operands: Operands::None,
        summary: "check this machine for problems, and say what to do about them",
        details: "\
Checks what a node needs: its ports and the process that uses them, a firewall, multicast on each
interface, how the nodes given with -b see this machine (and so whether a NAT is in between), the
state folder, the room on its disk, and whether this process may open enough files. Takes less than
five seconds, starts no node and writes nothing. Give it the options of the node.

Prints a line for each finding on standard output: its grade, what was found, what to do. ok: as it
should be. note: useful to know. warning: sprat works, but not as well as it could. problem:
something that sprat needs does not work. Exit code 1 if there is a problem, else 0. With -q, only
warnings and problems are printed.

With --json, each finding is an object: kind `finding`, version, topic, grade, text, advice, and
whole numbers that have their unit in the name. The last object sums up: kind `diagnosis`, version,
the worst grade, and how many findings each grade has.",
        examples: &["sprat doctor -b 192.0.2.1:4160"],
        groups: &[Group::Network, Group::State, Group::Config, Group::Json],
        run: doctor::run,
    },
    Command {
        name: "help",
        operands: Operands::Optional("COMMAND"),
        summary: "show this text, or the help of a command",
        details: "Shows an overview, or the help of a command.",
        examples: &["sprat help get"],
        groups: &[],
        run: run_help,
    },
];

/// Every command, in the order of the help.
fn all() -> impl Iterator<Item = Command> {
    let asking = commands::COMMANDS.iter().map(asking);
    let nodes = NODES.iter().copied().chain(asking);
    nodes.chain(OTHERS.iter().copied())
}

/// A command that the running service performs.
fn asking(command: &commands::Command) -> Command {
    Command {
        name: command.name,
        operands: match command.operands {
            commands::Operands::None => Operands::None,
            commands::Operands::One(operand) => Operands::One(operand.name()),
            commands::Operands::Several(operand) => Operands::Several(operand.name()),
            commands::Operands::Any(operand) => Operands::Any(operand.name()),
        },
        summary: command.summary,
        details: command.details,
        examples: &[],
        groups: match command.operands.kind() {
            Some(Operand::Target) => &[Group::State, Group::Json, Group::Output],
            _ if command.has_results => &[Group::State, Group::Json],
            _ => &[Group::State],
        },
        run: client::run,
    }
}

pub(super) fn find(name: &str) -> Result<Command, Exit> {
    let found = all().find(|command| command.name == name);
    found.ok_or_else(|| Exit::Usage(format!("no such command: {name} (see sprat help)")))
}

fn run_help(args: Args, _: &Console) -> Result<(), Exit> {
    match args.operands.first() {
        None => print(help::overview(&all().collect::<Vec<_>>())),
        Some(name) => print(help::of(&find(name)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::Flag;

    #[test]
    fn every_command_is_in_the_overview_and_every_line_fits_a_terminal() {
        let all: Vec<Command> = all().collect();
        let overview = help::overview(&all);
        for command in &all {
            let line = format!("\n  {} ", command.usage());
            assert!(overview.contains(&line), "{line}");
            let text = overview.clone() + &help::of(command);
            assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        }
    }

    #[test]
    fn the_help_of_a_command_lists_its_options_and_no_others() {
        let text = |name| help::of(&find(name).unwrap());
        assert!(text("get").contains("  -o, --output PATH      "));
        assert!(text("get").contains("      --seed             "));
        assert!(!text("share").contains("--seed"));
        assert!(!text("demo").contains("--listen"));
    }

    #[test]
    fn the_help_of_node_names_the_settings_that_change_at_once() {
        let details = find("node").unwrap().details.replace('\n', " ");
        let (_, rest) = details.split_once("read again: ").unwrap();
        let (names, _) = rest.split_once(" change at once").unwrap();
        let live = Flag::settings()
            .filter(|flag| flag.is_live)
            .map(|flag| flag.long);
        let live = crate::service::format::list(live);
        assert_eq!(names, live);
    }

    fn parse(line: &str) -> Result<Args, Exit> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let name = words.next().unwrap();
        find(&name)?.parse(words.collect(), &|_| None)
    }

    #[test]
    fn options_stand_before_and_after_operands() {
        let args = parse("get -b localhost:4160 LINK -o x --seed --json -vv -q -l :0").unwrap();
        assert_eq!(
            (args.command, args.operands.as_slice()),
            ("get", &["LINK".to_owned()][..])
        );
        let options = args.options;
        assert_eq!(options.bootstrap, ["localhost:4160".parse().unwrap()]);
        assert_eq!(options.listen, ["[::]:0".parse().unwrap()]);
        assert_eq!(options.output, Some("x".into()));
        assert!(options.seed && options.json && !options.help);
        assert_eq!(options.verbosity, 1);
    }

    #[test]
    fn each_wrong_command_line_has_its_error() {
        let cases = [
            ("fly", "no such command: fly (see sprat help)"),
            (
                "get --fast X",
                "no such option: --fast (see sprat help get)",
            ),
            (
                "share --seed X",
                "no such option: --seed (see sprat help share)",
            ),
            ("get X -o", "option -o needs a value (see sprat help get)"),
            (
                "get X -o a -o b",
                "option --output is given more than once (see sprat help get)",
            ),
            (
                "get X --seed=1",
                "option --seed takes no value (see sprat help get)",
            ),
            (
                "get X --output=",
                "option --output: the path is empty (see sprat help get)",
            ),
            (
                "demo -n 3",
                "option --nodes: not a number from 4 to 100: '3' (see sprat help demo)",
            ),
            (
                "get X --up 0",
                "option --up: 0 is less than 4.0 KiB a second, the lowest cap (see sprat help get)",
            ),
            (
                "node --down fast",
                "option --down: not a rate: \"fast\" (a whole number of bytes a second, or with K, \
                 M or G: 512K) (see sprat help node)",
            ),
            (
                "get X --network=",
                "option --network: empty name (see sprat help get)",
            ),
            ("node x", "node takes no operand: x (see sprat help node)"),
            ("get", "no LINK given (see sprat help get)"),
            ("get a b", "get takes only one LINK (see sprat help get)"),
            ("demo a b", "demo takes only one FILE (see sprat help demo)"),
            ("rm", "no ID given (see sprat help rm)"),
        ];
        for (line, message) in cases {
            match parse(line) {
                Err(Exit::Usage(text)) => assert_eq!(text, message, "{line:?}"),
                other => panic!("{line:?}: {other:?}"),
            }
        }
    }
}
