//! The arguments of a command: the words of the command line, completed by the environment and a
//! file (`settings`), become typed values (`options`).
//!
//! Resolves no name and opens no file except that of settings. Invariant: every error is one
//! sentence that names its source and the help to read.

use super::config;
use super::options::{Flag, Given, Group, Options, Takes};
use super::settings::{Layer, Settings};
use getopts::Fail;
use std::ffi::OsString;
use std::path::Path;

/// Reads a variable of the environment.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

#[derive(Debug)]
pub(super) struct Args {
    pub(super) command: &'static str,
    pub(super) operands: Vec<String>,
    pub(super) options: Options,
    /// The sources of the options.
    pub(super) settings: Settings,
    groups: &'static [Group],
    words: Vec<String>,
}

impl Args {
    /// Parses `words`, which follow the name of a command that takes the options of `groups`.
    pub(super) fn parse(
        command: &'static str,
        groups: &'static [Group],
        words: Vec<String>,
        variable: Variable,
    ) -> Result<Args, String> {
        let parse = || {
            let (line, operands) = parse_line(groups, &words)?;
            let settings = gather(line, groups, variable)?;
            let options = options(&settings, groups)?;
            Ok((operands, settings, options))
        };
        let (operands, settings, options) =
            parse().map_err(|error: String| format!("{error} (see sprat help {command})"))?;
        Ok(Args {
            command,
            operands,
            options,
            settings,
            groups,
            words,
        })
    }

    /// Parses the same words again: the file of settings may have changed.
    pub(super) fn reread(&self, variable: Variable) -> Result<Args, String> {
        Args::parse(self.command, self.groups, self.words.clone(), variable)
    }
}

/// The options and the operands of a command line.
fn parse_line(groups: &'static [Group], words: &[String]) -> Result<(Layer, Vec<String>), String> {
    let mut parser = getopts::Options::new();
    for flag in Flag::taken(groups) {
        match flag.takes {
            Takes::Switch(_) => parser.optflagmulti(flag.short, flag.long, ""),
            Takes::One(..) => parser.optopt(flag.short, flag.long, "", ""),
            Takes::Many(..) => parser.optmulti(flag.short, flag.long, "", ""),
        };
    }
    let matches = parser.parse(words).map_err(|fail| sentence(&fail))?;
    let mut layer = Layer::default();
    for flag in Flag::taken(groups) {
        let texts = match flag.takes {
            Takes::Switch(_) => vec!["yes".to_owned(); matches.opt_count(flag.long)],
            Takes::One(..) | Takes::Many(..) => matches.opt_strs(flag.long),
        };
        let source = format!("option --{}", flag.long);
        texts
            .into_iter()
            .for_each(|text| layer.add(flag, text, &source));
    }
    Ok((layer, matches.free))
}

/// Adds the environment and the file to the command line, unless it asks for help: the user may
/// want to learn how to correct a setting.
fn gather(line: Layer, groups: &'static [Group], variable: Variable) -> Result<Settings, String> {
    let is_help = line.0.iter().any(|(flag, _)| flag.group == Group::Help);
    let mut settings = Settings(vec![line]);
    if is_help {
        return Ok(settings);
    }
    settings.0.push(Layer::of_environment(groups, variable)?);
    let config = Flag::taken(groups).find(|flag| flag.group == Group::Config);
    if let Some(Given { text, source }) = config.and_then(|flag| settings.all(flag).pop()) {
        let path = Path::new(text);
        let text = config::read(path).map_err(|error| format!("{source}: {error}"))?;
        let mut file = config::parse(path, &text)?;
        file.0
            .retain(|(flag, _)| Flag::taken(groups).any(|taken| taken.long == flag.long));
        settings.0.push(file);
    }
    Ok(settings)
}

fn options(settings: &Settings, groups: &'static [Group]) -> Result<Options, String> {
    let mut options = Options::default();
    for flag in Flag::taken(groups) {
        match flag.takes {
            Takes::Switch(store) => store(&mut options, settings.count(flag)?),
            Takes::One(_, store) | Takes::Many(_, store) => {
                for given in settings.all(flag) {
                    let wrong = |why| format!("{}: {why}", given.source);
                    store(&mut options, given).map_err(wrong)?;
                }
            }
        }
    }
    Ok(options)
}

fn sentence(fail: &Fail) -> String {
    let dashed = |name: &str| match name.chars().count() {
        1 => format!("-{name}"),
        _ => format!("--{name}"),
    };
    let (name, what) = match fail {
        Fail::UnrecognizedOption(name) => return format!("no such option: {}", dashed(name)),
        Fail::ArgumentMissing(name) => (name, "needs a value"),
        Fail::OptionDuplicated(name) => (name, "is given more than once"),
        Fail::UnexpectedArgument(name) => (name, "takes no value"),
        Fail::OptionMissing(name) => (name, "is missing"),
    };
    format!("option {} {what}", dashed(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    const NODE: &[Group] = &[
        Group::Network,
        Group::Node,
        Group::State,
        Group::Config,
        Group::Service,
    ];

    /// The arguments of a node from a line, variables, and a file.
    fn node(line: &str, variables: &[(&str, &str)], file: &str) -> Result<Args, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conf");
        fs::write(&path, file).unwrap();
        let words = line.split_whitespace().map(str::to_owned).collect();
        Args::parse("node", NODE, words, &|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            let config = (name == "SPRAT_CONFIG").then(|| path.clone().into());
            found.map(|(_, value)| value.into()).or(config)
        })
    }

    fn given<'a>(args: &'a Args, long: &str) -> Vec<&'a Given> {
        let flag = Flag::taken(NODE).find(|flag| flag.long == long);
        args.settings.all(flag.unwrap())
    }

    fn texts<'a>(args: &'a Args, long: &str) -> Vec<&'a str> {
        let given = given(args, long).into_iter();
        given.map(|given| given.text.as_str()).collect()
    }

    #[test]
    fn the_line_overrides_the_environment_which_overrides_the_file() {
        let file = "up = 1M\ndown = 1M\nlisten = :1\nlisten = :2\nbootstrap = a:1\n";
        let variables = [
            ("SPRAT_UP", "2M"),
            ("SPRAT_LISTEN", ":3, :4 :5"),
            ("SPRAT_DIR", ""),
        ];
        let args = node("--up 3M", &variables, file).unwrap();
        assert_eq!(texts(&args, "up"), ["3M"]);
        assert_eq!(given(&args, "up")[0].source, "option --up");
        assert_eq!(texts(&args, "listen"), [":3", ":4", ":5"]);
        assert_eq!(given(&args, "listen")[0].source, "variable SPRAT_LISTEN");
        assert_eq!(texts(&args, "down"), ["1M"]);
        assert!(
            given(&args, "down")[0]
                .source
                .ends_with("/conf, line 2, down")
        );
        assert_eq!(texts(&args, "bootstrap"), ["a:1"]);
        assert_eq!(texts(&args, "dir"), [""; 0]);
        let (up, down) = (args.options.up, args.options.down);
        assert_eq!((up, down), (Some(3 << 20), Some(1 << 20)));
    }

    #[test]
    fn an_empty_variable_sets_nothing_except_for_the_key() {
        let args = node("", &[("SPRAT_UP", "")], "up = 1M").unwrap();
        assert_eq!(texts(&args, "up"), ["1M"]);
        let error = node("", &[("SPRAT_KEY", "")], "").unwrap_err();
        assert_eq!(
            error,
            "variable SPRAT_KEY: the path is empty (see sprat help node)"
        );
    }

    #[test]
    fn quiet_and_verbose_are_one_setting() {
        let verbosity = |line: &str, variables: &[(&str, &str)], file: &str| {
            node(line, variables, file).unwrap().options.verbosity
        };
        assert_eq!(verbosity("", &[], ""), 0);
        assert_eq!(verbosity("", &[], "verbose = 2"), 2);
        assert_eq!(verbosity("", &[("SPRAT_VERBOSE", "yes")], "verbose = 2"), 1);
        assert_eq!(verbosity("-q", &[("SPRAT_VERBOSE", "3")], ""), -1);
        assert_eq!(verbosity("-vv", &[], "quiet = yes"), 2);
        assert_eq!(verbosity("-vv -q", &[], ""), 1);
    }

    #[test]
    fn a_switch_in_a_file_is_yes_or_no() {
        let limit_lan = |file: &str| Ok(node("", &[], file)?.options.limit_lan);
        assert_eq!(limit_lan("limit-lan = no"), Ok(false));
        assert_eq!(limit_lan("limit-lan = true"), Ok(true));
        let error: String = limit_lan("limit-lan = maybe").unwrap_err();
        assert!(error.contains("/conf, line 1, limit-lan: neither yes nor no: \"maybe\""));
    }

    #[test]
    fn each_setting_that_differs_is_named_once() {
        let settings = |file| node("", &[], file).unwrap().settings;
        let one = settings("listen = :1\nlisten = :2\nup = 1M");
        let two = settings("# moved\nup = 1M\nlisten = :1\nlimit-lan = yes");
        let names: Vec<&str> = one.differences(&two).iter().map(|flag| flag.long).collect();
        assert_eq!(names, ["listen", "limit-lan"]);
        assert!(one.differences(&one).is_empty());
    }

    #[test]
    fn help_needs_no_correct_settings() {
        let args = node("--help", &[("SPRAT_UP", "fast")], "not a setting").unwrap();
        assert!(args.options.help);
    }

    #[test]
    fn the_shipped_file_shows_every_setting_with_a_correct_example() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/sprat.conf");
        let text = config::read(&path).unwrap();
        assert!(
            config::parse(&path, &text).unwrap().0.is_empty(),
            "it sets nothing"
        );
        let example = |line: &str| {
            let line = line.strip_prefix('#')?;
            let (key, _) = line.split_once(" = ")?;
            let is_key = key.starts_with(|c: char| c.is_ascii_lowercase());
            is_key.then(|| (key.to_owned(), line.to_owned()))
        };
        let (mut keys, lines): (Vec<_>, Vec<_>) = text.lines().filter_map(example).unzip();
        let args = node("", &[], &lines.join("\n")).expect("every example is right");
        assert_eq!(args.options.dir, Some(PathBuf::from("/var/lib/sprat")));
        let mut all: Vec<String> = Flag::settings().map(|flag| flag.long.to_owned()).collect();
        all.sort();
        keys.sort();
        keys.dedup();
        assert_eq!(keys, all);
    }
}
