//! The command line, low level: words, and what stands in for them (`settings`), become typed values,
//! each checked by itself.
//!
//! It does not know what a command does with them, touches no file but that of settings, and
//! resolves no name.
//!
//! Invariant: every way in which a command line, a variable or a file can be wrong is one [`UsageError`]
//! with its own sentence, which says where that stands.

use super::exit::UsageError;
use super::host_port::{HostPort, Listen};
use super::options::{Command, OptionSpec, Takes};
use super::rate::Rate;
use super::settings::{Given, Layer, Settings};
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
    /// `--share-dir`
    pub share_dirs: Vec<PathBuf>,
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
    /// `--no-lan`
    pub no_lan: bool,
    /// `--network`
    pub network: String,
    /// `--key`, with where that stands.
    pub key: Option<Given>,
    /// `--json`
    pub json: bool,
    /// `-n`
    pub nodes: Option<usize>,
    /// How often `-v` stands, less how often `-q` stands.
    pub verbosity: i32,
    /// `-h`
    pub help: bool,
    /// What the options above were made of.
    pub settings: Settings,
    words: Vec<OsString>,
}

impl Args {
    /// Reads the words after the program's name, and the settings that the environment, as
    /// `variable` reads it, and a file add.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Args, UsageError> {
        let words: Vec<OsString> = words.into_iter().collect();
        let mut texts = words.iter().map(|word| {
            word.clone().into_string().map_err(|word| {
                UsageError(format!(
                    "not UTF-8: {word:?} (names in a manifest are UTF-8)"
                ))
            })
        });
        let first = texts.next().transpose()?;
        let first = first.ok_or_else(|| UsageError("no command (see sprat help)".into()))?;
        let rest = texts.collect::<Result<Vec<String>, UsageError>>()?;
        let command = match first.as_str() {
            "-h" | "--help" => Command::Help,
            name => Command::named(name)
                .ok_or_else(|| UsageError(format!("no such command: {name} (see sprat help)")))?,
        };
        let mut args = Args::of(command, &rest, variable)?;
        args.words = words;
        Ok(args)
    }

    /// Reads the same words again: the file of settings may say something else now.
    pub fn again(&self, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Args, UsageError> {
        Args::parse(self.words.iter().cloned(), variable)
    }

    fn of(
        command: Command,
        words: &[String],
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Args, UsageError> {
        let hint = |text: String| UsageError(format!("{text} (see sprat help {})", command.name()));
        let (line, operands) = line(command, words).map_err(hint)?;
        // Who asks for help may be about to learn how to mend a setting.
        let help = line.names("help");
        let settings = match help {
            true => Ok(Settings::of(line)),
            false => Settings::gather(line, command, variable),
        };
        let settings = settings.map_err(|UsageError(text)| hint(text))?;
        let count = |name: &str| settings.count(name).map_err(|UsageError(text)| hint(text));
        let value = |name: &str| settings.one(name);
        let wrong = |given: &Given, why: &dyn fmt::Display| hint(format!("{}: {why}", given.place));
        let path = |name: &str| match value(name) {
            Some(given) if given.text.is_empty() => Err(wrong(given, &"the path is empty")),
            given => Ok(given.map(|given| PathBuf::from(&given.text))),
        };
        let share_dirs = settings.all("share-dir").into_iter();
        let share_dirs = share_dirs.map(|given| match given.text.as_str() {
            "" => Err(wrong(given, &"the path is empty")),
            text => Ok(PathBuf::from(text)),
        });
        let rate = |name: &str| {
            let rate =
                value(name).map(|given| given.text.parse().map_err(|e: String| wrong(given, &e)));
            rate.transpose()
        };
        let network = match value("network") {
            Some(given) if given.text.is_empty() => return Err(wrong(given, &"empty name")),
            Some(given) => given.text.clone(),
            None => Network::DEFAULT_NAME.to_owned(),
        };
        let nodes = value("nodes")
            .map(|given| number_of_nodes(&given.text).map_err(|why| wrong(given, &why)));
        Ok(Args {
            command,
            listen: parsed(&settings, "listen").map_err(|UsageError(text)| hint(text))?,
            bootstrap: parsed(&settings, "bootstrap").map_err(|UsageError(text)| hint(text))?,
            dir: path("dir")?,
            share_dirs: share_dirs.collect::<Result<_, UsageError>>()?,
            output: path("output")?,
            seed: count("seed")? > 0,
            up: rate("up")?,
            down: rate("down")?,
            limit_lan: count("limit-lan")? > 0,
            no_lan: count("no-lan")? > 0,
            network,
            key: path("key")?.and_then(|_| value("key").cloned()),
            json: count("json")? > 0,
            nodes: nodes.transpose()?,
            verbosity: settings
                .verbosity()
                .map_err(|UsageError(text)| hint(text))?,
            help,
            operands,
            settings,
            words: Vec::new(),
        })
    }
}

/// The options of a command line, and what else stands in it.
fn line(command: Command, words: &[String]) -> Result<(Layer, Vec<String>), String> {
    let mut options = getopts::Options::new();
    for option in OptionSpec::of(command) {
        let (short, long) = (option.short, option.long);
        match option.takes {
            Takes::Nothing => options.optflagmulti(short, long, ""),
            Takes::OneValue => options.optopt(short, long, "", ""),
            Takes::ManyValues => options.optmulti(short, long, "", ""),
        };
    }
    let matches = options.parse(words).map_err(|fail| sentence(&fail))?;
    let mut layer = Layer::default();
    for option in OptionSpec::of(command) {
        let texts = match option.takes {
            Takes::Nothing => vec!["yes".to_owned(); matches.opt_count(option.long)],
            Takes::OneValue | Takes::ManyValues => matches.opt_strs(option.long),
        };
        for text in texts {
            let place = format!("option --{}", option.long);
            layer.add(option, Given { text, place });
        }
    }
    Ok((layer, matches.free))
}

fn number_of_nodes(text: &str) -> Result<usize, UsageError> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (4..=100).contains(number));
    number.ok_or_else(|| UsageError(format!("not a number from 4 to 100: '{text}'")))
}

fn parsed<T: FromStr<Err = UsageError>>(
    settings: &Settings,
    long: &str,
) -> Result<Vec<T>, UsageError> {
    let parse = |given: &Given| {
        let parsed = given.text.parse();
        parsed.map_err(|UsageError(why)| UsageError(format!("{}: {why}", given.place)))
    };
    settings.all(long).into_iter().map(parse).collect()
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

    fn parse(line: &str) -> Result<Args, UsageError> {
        Args::parse(line.split_whitespace().map(OsString::from), &|_| None)
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
