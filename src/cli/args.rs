//! The command line, low level: words become typed values, each checked by itself.
//!
//! It does not know what a command does with them, touches no file and resolves no name.
//!
//! Invariant: every way in which a command line can be wrong is one [`Misuse`] with its own
//! sentence.

use super::options::{Command, OptionSpec, Takes};
use super::place::{HostPort, Listen};
use super::rate::Rate;
use crate::wire::Network;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A command line whose words have been read.
#[derive(Debug)]
pub struct Args {
    /// What to do.
    pub command: Command,
    /// What is neither a command nor an option.
    pub operands: Vec<String>,
    /// `-l`
    pub listen: Vec<Listen>,
    /// `-b`
    pub bootstrap: Vec<HostPort>,
    /// `-d`
    pub dir: Option<PathBuf>,
    /// `-o`
    pub output: Option<PathBuf>,
    /// `--seed`
    pub seed: bool,
    /// `--up`
    pub up: Option<Rate>,
    /// `--down`
    pub down: Option<Rate>,
    /// `--limit-lan`
    pub limit_lan: bool,
    /// `--network`
    pub network: Network,
    /// `--json`
    pub json: bool,
    /// `-n`
    pub nodes: Option<usize>,
    /// How often `-v` stands, less how often `-q` stands.
    pub verbosity: i32,
    /// `-h`
    pub help: bool,
}

/// A wrong command line. Prints as what is wrong and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Misuse(pub String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Args {
    /// Reads the words after the program's name.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, Misuse> {
        let mut words = words.into_iter().map(|word| {
            word.into_string().map_err(|word| {
                Misuse(format!(
                    "not UTF-8: {word:?} (names in a manifest are UTF-8)"
                ))
            })
        });
        let first = words.next().transpose()?;
        let first = first.ok_or_else(|| Misuse("no command (see sprat help)".into()))?;
        let rest = words.collect::<Result<Vec<String>, Misuse>>()?;
        if matches!(first.as_str(), "-h" | "--help") {
            return Args::of(Command::Help, &rest);
        }
        match Command::named(&first) {
            Some(command) => Args::of(command, &rest),
            None => Err(Misuse(format!("no such command: {first} (see sprat help)"))),
        }
    }

    fn of(command: Command, words: &[String]) -> Result<Args, Misuse> {
        let hint = |text: String| Misuse(format!("{text} (see sprat help {})", command.name()));
        let mut options = getopts::Options::new();
        for option in OptionSpec::of(command) {
            let (short, long) = (option.short, option.long);
            match option.takes {
                Takes::Nothing => options.optflagmulti(short, long, ""),
                Takes::OneValue => options.optopt(short, long, "", ""),
                Takes::ManyValues => options.optmulti(short, long, "", ""),
            };
        }
        let matches = options.parse(words).map_err(|fail| hint(sentence(&fail)))?;
        // getopts panics when asked for an option that the command does not take.
        let takes = |name: &str| matches.opt_defined(name);
        let count = |name: &str| {
            if takes(name) {
                matches.opt_count(name) as i32
            } else {
                0
            }
        };
        let value = |name: &str| {
            if takes(name) {
                matches.opt_str(name)
            } else {
                None
            }
        };
        let values = |name: &str| {
            if takes(name) {
                matches.opt_strs(name)
            } else {
                Vec::new()
            }
        };
        let path = |name: &str| match value(name) {
            Some(path) if path.is_empty() => {
                Err(hint(format!("option --{name}: the path is empty")))
            }
            path => Ok(path.map(PathBuf::from)),
        };
        let rate = |name: &str| {
            let rate = value(name).map(|text| text.parse()).transpose();
            rate.map_err(|why: String| hint(format!("option --{name}: {why}")))
        };
        let network = match value("network") {
            Some(name) if name.is_empty() => {
                return Err(hint("option --network: empty name".into()));
            }
            Some(name) => Network::named(&name),
            None => Network::named(Network::DEFAULT_NAME),
        };
        Ok(Args {
            command,
            listen: parsed(&values("listen")).map_err(|e| hint(format!("option --listen: {e}")))?,
            bootstrap: parsed(&values("bootstrap"))
                .map_err(|e| hint(format!("option --bootstrap: {e}")))?,
            dir: path("dir")?,
            output: path("output")?,
            seed: count("seed") > 0,
            up: rate("up")?,
            down: rate("down")?,
            limit_lan: count("limit-lan") > 0,
            network,
            json: count("json") > 0,
            nodes: value("nodes")
                .map(|text| number_of_nodes(&text))
                .transpose()
                .map_err(|e| hint(format!("option --nodes: {e}")))?,
            verbosity: count("verbose") - count("quiet"),
            help: count("help") > 0,
            operands: matches.free,
        })
    }
}

fn number_of_nodes(text: &str) -> Result<usize, Misuse> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (4..=100).contains(number));
    number.ok_or_else(|| Misuse(format!("not a number from 4 to 100: '{text}'")))
}

fn parsed<T: FromStr>(texts: &[String]) -> Result<Vec<T>, T::Err> {
    texts.iter().map(|text| text.parse()).collect()
}

fn sentence(fail: &getopts::Fail) -> String {
    let dashed = |name: &String| match name.chars().count() {
        1 => format!("-{name}"),
        _ => format!("--{name}"),
    };
    match fail {
        getopts::Fail::ArgumentMissing(name) => format!("option {} needs a value", dashed(name)),
        getopts::Fail::UnrecognizedOption(name) => format!("no such option: {}", dashed(name)),
        getopts::Fail::OptionMissing(name) => format!("option {} is missing", dashed(name)),
        getopts::Fail::OptionDuplicated(name) => {
            format!("option {} stands more than once", dashed(name))
        }
        getopts::Fail::UnexpectedArgument(name) => {
            format!("option {} takes no value", dashed(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, Misuse> {
        Args::parse(line.split_whitespace().map(OsString::from))
    }

    fn misuse(line: &str) -> String {
        parse(line).expect_err("this line is wrong").0
    }

    #[test]
    fn options_stand_before_and_after_what_they_are_about() {
        let args = parse("get -b localhost:4160 LINK -o x --seed --json -vv -q -l :0").unwrap();
        assert_eq!(args.command, Command::Get);
        assert_eq!(args.operands, ["LINK"]);
        assert_eq!(
            args.bootstrap,
            [HostPort {
                host: "localhost".into(),
                port: 4160
            }]
        );
        assert_eq!(
            args.listen,
            [Listen {
                ip: None,
                port: Some(0)
            }]
        );
        assert_eq!(args.output, Some("x".into()));
        assert!(args.seed && args.json && !args.help);
        assert_eq!(args.verbosity, 1);
    }

    #[test]
    fn every_kind_of_wrong_line_has_its_own_sentence() {
        let cases = [
            ("", "no command (see sprat help)"),
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
                "option --output stands more than once (see sprat help get)",
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
        ];
        for (line, message) in cases {
            assert_eq!(misuse(line), message, "{line:?}");
        }
    }
}
