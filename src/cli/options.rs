//! The options: the values that they set, and one item for each option with all facts of it.
//!
//! `FLAGS` is the one table. Parsing (`args`), environment variables (`settings`), keys of the file
//! (`config`) and the help come from it; the man page and the completions are made from the help
//! (`cargo bench --profile dev --bench pages`). One more option is one more item here,
//! and a field of [`Options`].

use super::host_port::{HostPort, listen_address};
use super::rate;
use crate::reactor::Caps;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A value as the user gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) text: String,
    /// `option --up`, `variable SPRAT_UP`, or `/etc/sprat.conf, line 3, up`.
    pub(super) source: String,
}

/// The values of the options of one run, each checked by itself.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) bootstrap: Vec<HostPort>,
    pub(super) dir: Option<PathBuf>,
    pub(super) share_dirs: Vec<PathBuf>,
    pub(super) output: Option<PathBuf>,
    pub(super) seed: bool,
    /// Bytes a second; `None` is no cap.
    pub(super) up: Option<u64>,
    /// Bytes a second; `None` is no cap.
    pub(super) down: Option<u64>,
    pub(super) limit_lan: bool,
    pub(super) no_lan: bool,
    pub(super) network: Option<String>,
    /// The path of the key file, with its source for errors.
    pub(super) key: Option<Given>,
    pub(super) json: bool,
    pub(super) nodes: Option<usize>,
    /// How often `-v` is given, less how often `-q` is.
    pub(super) verbosity: i32,
    pub(super) help: bool,
}

impl Options {
    pub(super) fn caps(&self) -> Caps {
        Caps {
            up: self.up,
            down: self.down,
            limit_lan: self.limit_lan,
        }
    }
}

/// Options that the same commands take. A command names its groups; every command takes `Verbosity`
/// and `Help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// How a node is reached, and by which network.
    Network,
    /// How a node that runs in this process works.
    Node,
    /// Options of a service alone.
    Service,
    State,
    Output,
    Seed,
    Json,
    Crowd,
    Config,
    /// `-q` and `-v` are one setting: a source that gives one of them overrides both.
    Verbosity,
    Help,
}

/// Stores a value. The error says what is wrong with it.
type Store = fn(&mut Options, &Given) -> Result<(), String>;

#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// No value. Stores how often the option is given; a variable or a file says yes or no.
    Switch(fn(&mut Options, i32)),
    /// A value of this name, once.
    One(&'static str, Store),
    /// A value of this name; the option can be repeated.
    Many(&'static str, Store),
}

#[derive(Debug)]
pub(super) struct Flag {
    /// The letter behind one dash; empty if there is none.
    pub(super) short: &'static str,
    pub(super) long: &'static str,
    pub(super) takes: Takes,
    /// For the help: one line, or several of at most 75 columns.
    pub(super) help: &'static str,
    pub(super) group: Group,
    /// Whether a running node applies a new value at SIGHUP.
    pub(super) is_live: bool,
}

/// The defaults that most options share.
const FLAG: Flag = Flag {
    short: "",
    long: "",
    takes: Takes::Switch(|_, _| {}),
    help: "",
    group: Group::Node,
    is_live: false,
};

pub(super) const FLAGS: &[Flag] = &[
    Flag {
        short: "l",
        long: "listen",
        takes: Takes::Many("ADDR[:PORT]", |options, given| {
            listen_address(&given.text).map(|address| options.listen.push(address))
        }),
        help: "listen here, UDP and TCP alike; default every address, port 4160;\n\
               :0 takes a free port; IPv6 in brackets; can be repeated",
        group: Group::Network,
        ..FLAG
    },
    Flag {
        short: "b",
        long: "bootstrap",
        takes: Takes::Many("HOST:PORT", |options, given| {
            given.text.parse().map(|host| options.bootstrap.push(host))
        }),
        help: "join the network through this node; can be repeated",
        group: Group::Network,
        is_live: true,
    },
    Flag {
        short: "d",
        long: "dir",
        takes: Takes::One("DIR", |options, given| {
            path(given).map(|path| options.dir = Some(path))
        }),
        help: "the state folder (node id, contacts, manifests); default\n\
               $STATE_DIRECTORY, else $XDG_STATE_HOME/sprat, else\n\
               ~/.local/state/sprat; it also finds the running service",
        group: Group::State,
        ..FLAG
    },
    Flag {
        long: "share-dir",
        takes: Takes::Many("DIR", |options, given| {
            path(given).map(|path| options.share_dirs.push(path))
        }),
        help: "share each file and folder in DIR for as long as it is there;\n\
               can be repeated",
        group: Group::Service,
        ..FLAG
    },
    Flag {
        short: "o",
        long: "output",
        takes: Takes::One("PATH", |options, given| {
            path(given).map(|path| options.output = Some(path))
        }),
        help: "write the file here: a name, or a folder that exists; default its own\n\
               name in the current folder, or in the service's folder `files`",
        group: Group::Output,
        ..FLAG
    },
    Flag {
        long: "seed",
        takes: Takes::Switch(|options, count| options.seed = count > 0),
        help: "keep serving after the file is complete",
        group: Group::Seed,
        ..FLAG
    },
    Flag {
        long: "up",
        takes: Takes::One("RATE", |options, given| {
            rate::parse(&given.text).map(|rate| options.up = Some(rate))
        }),
        help: "send at most this many bytes a second (512K is 512 KiB; also M, G);\n\
               nodes on this machine's own networks do not count",
        is_live: true,
        ..FLAG
    },
    Flag {
        long: "down",
        takes: Takes::One("RATE", |options, given| {
            rate::parse(&given.text).map(|rate| options.down = Some(rate))
        }),
        help: "receive at most this many bytes a second",
        is_live: true,
        ..FLAG
    },
    Flag {
        long: "limit-lan",
        takes: Takes::Switch(|options, count| options.limit_lan = count > 0),
        help: "--up and --down count nodes on this machine's own networks as well",
        is_live: true,
        ..FLAG
    },
    Flag {
        long: "network",
        takes: Takes::One("NAME", |options, given| {
            text(given, "empty name").map(|name| options.network = Some(name.to_owned()))
        }),
        help: "the network to join; nodes of different networks never talk",
        group: Group::Network,
        ..FLAG
    },
    Flag {
        long: "key",
        takes: Takes::One("FILE", |options, given| {
            path(given).map(|_| options.key = Some(given.clone()))
        }),
        help: "the network's key: nodes without it get no answer (sprat help key)",
        group: Group::Network,
        ..FLAG
    },
    Flag {
        long: "no-lan",
        takes: Takes::Switch(|options, count| options.no_lan = count > 0),
        help: "do not look for other nodes on the local network",
        ..FLAG
    },
    Flag {
        long: "json",
        takes: Takes::Switch(|options, count| options.json = count > 0),
        help: "one JSON object a line on standard output, instead of text",
        group: Group::Json,
        ..FLAG
    },
    Flag {
        short: "n",
        long: "nodes",
        takes: Takes::One("N", |options, given| {
            node_count(given).map(|count| options.nodes = Some(count))
        }),
        help: "run a crowd of N nodes (4 to 100) instead, and kill a third of them\n\
               at a time",
        group: Group::Crowd,
        ..FLAG
    },
    Flag {
        long: "config",
        // `args` reads the file.
        takes: Takes::One("FILE", |_, _| Ok(())),
        help: "a file of settings, lines of KEY = VALUE (sprat help node)",
        group: Group::Config,
        ..FLAG
    },
    Flag {
        short: "q",
        long: "quiet",
        takes: Takes::Switch(|options, count| options.verbosity -= count),
        help: "no progress and no messages, only errors",
        group: Group::Verbosity,
        is_live: true,
    },
    Flag {
        short: "v",
        long: "verbose",
        takes: Takes::Switch(|options, count| options.verbosity += count),
        help: "more messages; twice: everything (RUST_LOG, if set, decides instead)",
        group: Group::Verbosity,
        is_live: true,
    },
    Flag {
        short: "h",
        long: "help",
        takes: Takes::Switch(|options, count| options.help = count > 0),
        help: "explain the command",
        group: Group::Help,
        ..FLAG
    },
];

fn text<'a>(given: &'a Given, if_empty: &str) -> Result<&'a str, String> {
    match given.text.as_str() {
        "" => Err(if_empty.to_owned()),
        text => Ok(text),
    }
}

fn path(given: &Given) -> Result<PathBuf, String> {
    text(given, "the path is empty").map(PathBuf::from)
}

fn node_count(given: &Given) -> Result<usize, String> {
    let count = given.text.parse().ok();
    let count = count.filter(|count| (4..=100).contains(count));
    count.ok_or_else(|| format!("not a number from 4 to 100: '{}'", given.text))
}

impl Flag {
    /// The options of a command that names these groups.
    pub(super) fn taken(groups: &'static [Group]) -> impl Iterator<Item = &'static Flag> {
        let always = |group| matches!(group, Group::Verbosity | Group::Help);
        FLAGS
            .iter()
            .filter(move |flag| always(flag.group) || groups.contains(&flag.group))
    }

    /// Whether a file can set it: the options of a service that say how it runs.
    pub(super) fn is_setting(&self) -> bool {
        use Group::{Network, Node, Service, State, Verbosity};
        matches!(self.group, Network | Node | Service | State | Verbosity)
    }

    pub(super) fn settings() -> impl Iterator<Item = &'static Flag> {
        FLAGS.iter().filter(|flag| flag.is_setting())
    }

    /// The variable that sets it: `SPRAT_LIMIT_LAN`.
    pub(super) fn variable(&self) -> String {
        format!("SPRAT_{}", self.long.to_uppercase().replace('-', "_"))
    }

    pub(super) fn is_repeatable(&self) -> bool {
        matches!(self.takes, Takes::Many(..))
    }

    /// Its names and its value's, as the help shows them: `-l, --listen ADDR[:PORT]`.
    pub(super) fn heading(&self) -> String {
        let short = match self.short {
            "" => "    ".to_owned(),
            short => format!("-{short}, "),
        };
        match self.takes {
            Takes::Switch(_) => format!("{short}--{}", self.long),
            Takes::One(value, _) | Takes::Many(value, _) => {
                format!("{short}--{} {value}", self.long)
            }
        }
    }
}
