//! The commands and their options: the one table that parsing and help are made from, and from the
//! help the man page and the completions: `SPRAT_DIST=write cargo test --test program manual` writes them.

/// What the first word of a command line can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Share files or folders.
    Share,
    /// Fetch a file.
    Get,
    /// Run a node.
    Node,
    /// Give the service something to share or to fetch.
    Add,
    /// Take something from the service.
    Rm,
    /// List what the service shares and fetches.
    Ls,
    /// Tell how the service is.
    Status,
    /// Have the service hold something still.
    Pause,
    /// Have it go on.
    Resume,
    /// List the streams of a file.
    Peers,
    /// List the routing table and the records.
    Dht,
    /// Ask whether a node is there.
    Ping,
    /// Look up who provides a file.
    Find,
    /// Show the main job on this machine.
    Demo,
    /// Make the key of a network.
    Key,
    /// Look for what is wrong on this machine.
    Doctor,
    /// Explain a command.
    Help,
}

impl Command {
    /// Every command, in the order of the help.
    pub const ALL: [Command; 17] = [
        Command::Share,
        Command::Get,
        Command::Node,
        Command::Add,
        Command::Rm,
        Command::Ls,
        Command::Status,
        Command::Pause,
        Command::Resume,
        Command::Peers,
        Command::Dht,
        Command::Ping,
        Command::Find,
        Command::Demo,
        Command::Key,
        Command::Doctor,
        Command::Help,
    ];

    /// The word that calls it.
    pub fn name(self) -> &'static str {
        match self {
            Command::Share => "share",
            Command::Get => "get",
            Command::Node => "node",
            Command::Add => "add",
            Command::Rm => "rm",
            Command::Ls => "ls",
            Command::Status => "status",
            Command::Pause => "pause",
            Command::Resume => "resume",
            Command::Peers => "peers",
            Command::Dht => "dht",
            Command::Ping => "ping",
            Command::Find => "find",
            Command::Demo => "demo",
            Command::Key => "key",
            Command::Doctor => "doctor",
            Command::Help => "help",
        }
    }

    /// The command that a word calls.
    pub fn named(name: &str) -> Option<Command> {
        Command::ALL
            .into_iter()
            .find(|command| command.name() == name)
    }
}

/// How often an option may stand, and whether it has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A switch; more of them may say it more strongly.
    Nothing,
    /// Once, with a value.
    OneValue,
    /// Any number of times, each with a value.
    ManyValues,
}

/// One option: its names, and what the help says of it.
#[derive(Debug)]
pub struct OptionSpec {
    /// The letter behind one dash; empty when there is none.
    pub short: &'static str,
    /// The word behind two dashes.
    pub long: &'static str,
    /// Whether it has a value.
    pub takes: Takes,
    value: &'static str,
    /// What it does, for the help; lines after the first are indented there.
    pub meaning: &'static str,
    commands: &'static [Command],
}

const NODES: &[Command] = &[Command::Share, Command::Get, Command::Node];
/// Those that a state folder matters to.
const STATEFUL: &[Command] = &[
    Command::Share,
    Command::Get,
    Command::Node,
    Command::Add,
    Command::Rm,
    Command::Ls,
    Command::Status,
    Command::Pause,
    Command::Resume,
    Command::Peers,
    Command::Dht,
    Command::Ping,
    Command::Find,
    Command::Doctor,
];
/// Those whose results can be JSON.
const LISTING: &[Command] = &[
    Command::Get,
    Command::Add,
    Command::Ls,
    Command::Status,
    Command::Peers,
    Command::Dht,
    Command::Ping,
    Command::Find,
    Command::Doctor,
];
/// Those that say how a node would be reached.
const REACHING: &[Command] = &[Command::Share, Command::Get, Command::Node, Command::Doctor];
const EVERY: &[Command] = &Command::ALL;

/// Every option there is.
pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        short: "l",
        long: "listen",
        takes: Takes::ManyValues,
        value: "ADDR[:PORT]",
        meaning: "where to listen, UDP and TCP alike; default every address, port 4160;\n\
                  :0 takes a free port; IPv6 in brackets; can be repeated",
        commands: REACHING,
    },
    OptionSpec {
        short: "b",
        long: "bootstrap",
        takes: Takes::ManyValues,
        value: "HOST:PORT",
        meaning: "a node to join the network through; can be repeated",
        commands: REACHING,
    },
    OptionSpec {
        short: "d",
        long: "dir",
        takes: Takes::OneValue,
        value: "DIR",
        meaning: "the folder of the state (node id, contacts, manifests);\n\
                  default $STATE_DIRECTORY, else $XDG_STATE_HOME/sprat,\n\
                  else ~/.local/state/sprat; a running service is found by it",
        commands: STATEFUL,
    },
    OptionSpec {
        short: "",
        long: "share-dir",
        takes: Takes::ManyValues,
        value: "DIR",
        meaning: "share each file and folder that is put into DIR, until it is taken out;\n\
                  can be repeated",
        commands: &[Command::Node],
    },
    OptionSpec {
        short: "o",
        long: "output",
        takes: Takes::OneValue,
        value: "PATH",
        meaning: "where the file goes: a name, or a folder that exists; default the\n\
                  file's own name in the current folder, or in files of the service's",
        commands: &[Command::Get, Command::Add],
    },
    OptionSpec {
        short: "",
        long: "seed",
        takes: Takes::Nothing,
        value: "",
        meaning: "keep serving after the file is complete",
        commands: &[Command::Get],
    },
    OptionSpec {
        short: "",
        long: "up",
        takes: Takes::OneValue,
        value: "RATE",
        meaning: "send at most so many bytes a second (512K is 512 KiB; also M, G);\n\
                  nodes on this machine's own networks do not count",
        commands: NODES,
    },
    OptionSpec {
        short: "",
        long: "down",
        takes: Takes::OneValue,
        value: "RATE",
        meaning: "fetch at most so many bytes a second",
        commands: NODES,
    },
    OptionSpec {
        short: "",
        long: "limit-lan",
        takes: Takes::Nothing,
        value: "",
        meaning: "--up and --down count nodes on this machine's own networks as well",
        commands: NODES,
    },
    OptionSpec {
        short: "",
        long: "network",
        takes: Takes::OneValue,
        value: "NAME",
        meaning: "the network to be part of; nodes of different networks never talk",
        commands: REACHING,
    },
    OptionSpec {
        short: "",
        long: "key",
        takes: Takes::OneValue,
        value: "FILE",
        meaning: "the network's key: nodes without it get no answer (sprat help key)",
        commands: REACHING,
    },
    OptionSpec {
        short: "",
        long: "no-lan",
        takes: Takes::Nothing,
        value: "",
        meaning: "do not look for other nodes on the local network",
        commands: NODES,
    },
    OptionSpec {
        short: "",
        long: "json",
        takes: Takes::Nothing,
        value: "",
        meaning: "one JSON object a line on standard output, instead of text",
        commands: LISTING,
    },
    OptionSpec {
        short: "n",
        long: "nodes",
        takes: Takes::OneValue,
        value: "N",
        meaning: "a crowd of N nodes instead (4 to 100), of which a third at a time is killed",
        commands: &[Command::Demo],
    },
    OptionSpec {
        short: "",
        long: "config",
        takes: Takes::OneValue,
        value: "FILE",
        meaning: "a file of settings, lines of KEY = VALUE (sprat help node)",
        commands: REACHING,
    },
    OptionSpec {
        short: "q",
        long: "quiet",
        takes: Takes::Nothing,
        value: "",
        meaning: "no progress and no news, only errors",
        commands: EVERY,
    },
    OptionSpec {
        short: "v",
        long: "verbose",
        takes: Takes::Nothing,
        value: "",
        meaning: "more news; twice: everything (RUST_LOG, where set, decides instead)",
        commands: EVERY,
    },
    OptionSpec {
        short: "h",
        long: "help",
        takes: Takes::Nothing,
        value: "",
        meaning: "explain the command",
        commands: EVERY,
    },
];

impl OptionSpec {
    /// The options that a command takes.
    pub fn of(command: Command) -> impl Iterator<Item = &'static OptionSpec> {
        OPTIONS
            .iter()
            .filter(move |option| option.commands.contains(&command))
    }

    /// Whether a command takes it.
    pub fn is_of(&self, command: Command) -> bool {
        self.commands.contains(&command)
    }

    /// The option of this long name.
    pub fn named(long: &str) -> Option<&'static OptionSpec> {
        OPTIONS.iter().find(|option| option.long == long)
    }

    /// The option that a key of the file of settings stands for.
    pub fn setting(key: &str) -> Option<&'static OptionSpec> {
        OptionSpec::named(key).filter(|option| option.is_setting())
    }

    /// Whether a file can set it: what says how a node runs, not what is to be done now.
    pub fn is_setting(&self) -> bool {
        self.is_of(Command::Node) && !matches!(self.long, "config" | "help")
    }

    /// Whether a variable can set it.
    pub fn has_variable(&self) -> bool {
        self.is_setting() || self.long == "config"
    }

    /// The variable that sets it: `SPRAT_LIMIT_LAN`.
    pub fn variable(&self) -> String {
        format!("SPRAT_{}", self.long.to_uppercase().replace('-', "_"))
    }

    /// Whether a running node heeds another value: `cli::reload` sees to it.
    pub fn is_live(&self) -> bool {
        let live = ["bootstrap", "up", "down", "limit-lan", "quiet", "verbose"];
        live.contains(&self.long)
    }

    /// Its names and its value's, as the help shows them.
    pub fn heading(&self) -> String {
        let short = if self.short.is_empty() {
            "    ".into()
        } else {
            format!("-{}, ", self.short)
        };
        let space = if self.value.is_empty() { "" } else { " " };
        format!("{short}--{}{space}{}", self.long, self.value)
    }
}
