//! What was set, and where: on the command line, in the environment, in a file. What comes first in
//! this order is what counts.
//!
//! Not here: what a value means, and which one is right (`args`). Invariants: an option that can be
//! repeated is taken whole from one place, never put together from two; every value knows its place
//! in words, for errors.

use super::config;
use super::exit::UsageError;
use super::options::{Command, OPTIONS, OptionSpec, Takes};
use std::ffi::OsString;
use std::path::Path;

/// A value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The value.
    pub text: String,
    /// Where it stands: `option --up`, `variable SPRAT_UP`, `/etc/sprat.conf, line 3, up`.
    pub place: String,
}

/// What one place has set, in its order.
#[derive(Clone, Debug, Default)]
pub struct Layer(Vec<(&'static OptionSpec, Given)>);

/// What all places have set, for one command.
#[derive(Clone, Debug)]
pub struct Settings(Vec<Layer>);

impl Layer {
    /// Adds a value.
    pub fn add(&mut self, option: &'static OptionSpec, given: Given) {
        self.0.push((option, given));
    }

    /// Whether it sets an option, by its long name.
    pub fn names(&self, long: &str) -> bool {
        self.0.iter().any(|(option, _)| option.long == long)
    }

    /// What the environment, as `variable` reads it, sets for a command. An empty variable sets nothing,
    /// but for that of the key: a node that was to have one must not start without.
    fn of_environment(
        command: Command,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Layer, UsageError> {
        let mut layer = Layer::default();
        for option in OptionSpec::of(command).filter(|option| option.has_variable()) {
            let name = option.variable();
            let counts = |value: &OsString| !value.is_empty() || option.long == "key";
            let Some(value) = variable(&name).filter(counts) else {
                continue;
            };
            let place = format!("variable {name}");
            let text = value
                .into_string()
                .map_err(|value| UsageError(format!("{place}: not UTF-8: {value:?}")))?;
            let words = match option.takes {
                Takes::ManyValues => text.split([',', ' ']).collect(),
                _ => vec![text.as_str()],
            };
            let is_list = option.takes == Takes::ManyValues;
            for word in words
                .into_iter()
                .filter(|word| !is_list || !word.is_empty())
            {
                let (text, place) = (word.to_owned(), place.clone());
                layer.add(option, Given { text, place });
            }
        }
        Ok(layer)
    }
}

impl Settings {
    /// What the command line alone sets.
    pub fn of(line: Layer) -> Settings {
        Settings(vec![line])
    }

    /// What `line`, the command line, the environment, and the file that one of the two names set
    /// for a command.
    ///
    /// # Errors
    /// When the file cannot be read, or either cannot be understood.
    pub fn gather(
        line: Layer,
        command: Command,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Settings, UsageError> {
        let environment = Layer::of_environment(command, variable)?;
        let mut settings = Settings(vec![line, environment]);
        if let Some(Given { text, place }) = settings.one("config") {
            let path = Path::new(text);
            let text =
                config::read(path).map_err(|error| UsageError(format!("{place}: {error}")))?;
            let mut file = config::parse(path, &text)?;
            file.0.retain(|(option, _)| option.is_of(command));
            settings.0.push(file);
        }
        Ok(settings)
    }

    /// The values of an option, by its long name.
    pub fn all(&self, long: &str) -> Vec<&Given> {
        self.first_of(&[long])
            .map_or_else(Vec::new, |layer| given(layer, long))
    }

    /// The value of an option that has at most one.
    pub fn one(&self, long: &str) -> Option<&Given> {
        self.all(long).pop()
    }

    /// How often a switch stands.
    ///
    /// # Errors
    /// When its value is no switch's.
    pub fn count(&self, long: &str) -> Result<i32, UsageError> {
        self.all(long).into_iter().map(times).sum()
    }

    /// How often `-v` stands, less how often `-q` stands: the two are one setting, so that a place
    /// that names either overrules both of the next.
    ///
    /// # Errors
    /// When the value of either is no switch's.
    pub fn verbosity(&self) -> Result<i32, UsageError> {
        let Some(layer) = self.first_of(&["verbose", "quiet"]) else {
            return Ok(0);
        };
        let count =
            |long| -> Result<i32, UsageError> { given(layer, long).into_iter().map(times).sum() };
        Ok(count("verbose")? - count("quiet")?)
    }

    /// The settings whose values are others here and there.
    pub fn differences(&self, other: &Settings) -> Vec<&'static OptionSpec> {
        let texts = |settings: &Settings, long| -> Vec<String> {
            let all = settings.all(long).into_iter();
            all.map(|given| given.text.clone()).collect()
        };
        let differs = |option: &&OptionSpec| texts(self, option.long) != texts(other, option.long);
        let settings = OPTIONS.iter().filter(|option| option.is_setting());
        settings.filter(differs).collect()
    }

    fn first_of(&self, longs: &[&str]) -> Option<&Layer> {
        let mut layers = self.0.iter();
        layers.find(|layer| longs.iter().any(|long| layer.names(long)))
    }
}

fn given<'a>(layer: &'a Layer, long: &str) -> Vec<&'a Given> {
    let named = layer.0.iter().filter(|(option, _)| option.long == long);
    named.map(|(_, given)| given).collect()
}

/// What the value of a switch says: yes, no, or how often.
fn times(given: &Given) -> Result<i32, UsageError> {
    match given.text.as_str() {
        "no" | "false" | "0" => Ok(0),
        "yes" | "true" | "1" => Ok(1),
        "2" => Ok(2),
        "3" => Ok(3),
        other => Err(UsageError(format!(
            "{}: neither yes nor no: {other:?}",
            given.place
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The settings of a node by a line that gives `flags`, variables, and a file.
    fn node(
        flags: &[(&str, &str)],
        variables: &[(&str, &str)],
        file: &str,
    ) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conf");
        fs::write(&path, file).unwrap();
        let mut line = Layer::default();
        for (long, text) in flags {
            let option = OptionSpec::named(long).unwrap();
            let (text, place) = ((*text).to_owned(), format!("option --{long}"));
            line.add(option, Given { text, place });
        }
        let settings = Settings::gather(line, Command::Node, &|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            let config = (name == "SPRAT_CONFIG").then(|| path.clone().into());
            found.map(|(_, value)| value.into()).or(config)
        });
        settings.map_err(|misuse| misuse.0)
    }

    fn texts<'a>(settings: &'a Settings, long: &str) -> Vec<&'a str> {
        let all = settings.all(long).into_iter();
        all.map(|given| given.text.as_str()).collect()
    }

    #[test]
    fn the_line_goes_before_the_environment_and_that_before_the_file() {
        let file = "up = 1M\ndown = 1M\nlisten = :1\nlisten = :2\nbootstrap = a:1\n";
        let variables = [
            ("SPRAT_UP", "2M"),
            ("SPRAT_LISTEN", ":3, :4 :5"),
            ("SPRAT_DIR", ""),
        ];
        let settings = node(&[("up", "3M")], &variables, file).unwrap();
        assert_eq!(texts(&settings, "up"), ["3M"]);
        assert_eq!(settings.one("up").unwrap().place, "option --up");
        assert_eq!(texts(&settings, "listen"), [":3", ":4", ":5"]);
        assert_eq!(
            settings.one("listen").unwrap().place,
            "variable SPRAT_LISTEN"
        );
        assert_eq!(texts(&settings, "down"), ["1M"]);
        assert!(
            settings
                .one("down")
                .unwrap()
                .place
                .ends_with("/conf, line 2, down")
        );
        assert_eq!(texts(&settings, "bootstrap"), ["a:1"]);
        assert_eq!(texts(&settings, "dir"), [""; 0]);
    }

    #[test]
    fn an_empty_variable_sets_nothing_but_that_of_the_key_is_a_mistake() {
        let settings = node(&[], &[("SPRAT_UP", ""), ("SPRAT_KEY", "")], "up = 1M").unwrap();
        assert_eq!(texts(&settings, "up"), ["1M"]);
        assert_eq!(texts(&settings, "key"), [""]);
    }

    #[test]
    fn how_much_is_told_is_one_setting_of_two_switches() {
        let verbosity = |flags: &[(&str, &str)], variables: &[(&str, &str)], file: &str| {
            node(flags, variables, file).unwrap().verbosity().unwrap()
        };
        assert_eq!(verbosity(&[], &[], ""), 0);
        assert_eq!(verbosity(&[], &[], "verbose = 2"), 2);
        assert_eq!(
            verbosity(&[], &[("SPRAT_VERBOSE", "yes")], "verbose = 2"),
            1
        );
        assert_eq!(
            verbosity(&[("quiet", "yes")], &[("SPRAT_VERBOSE", "3")], ""),
            -1
        );
        assert_eq!(
            verbosity(
                &[("verbose", "yes"), ("verbose", "yes")],
                &[],
                "quiet = yes"
            ),
            2
        );
    }

    #[test]
    fn a_switch_is_on_or_off_and_nothing_else() {
        let count = |file: &str| {
            let settings = node(&[], &[], file).unwrap();
            settings.count("limit-lan").map_err(|misuse| misuse.0)
        };
        assert_eq!(count("limit-lan = no"), Ok(0));
        assert_eq!(count("limit-lan = true"), Ok(1));
        let error = count("limit-lan = maybe").unwrap_err();
        assert!(error.ends_with("/conf, line 1, limit-lan: neither yes nor no: \"maybe\""));
    }

    #[test]
    fn what_differs_is_named_once_and_by_option() {
        let one = node(&[], &[], "listen = :1\nlisten = :2\nup = 1M").unwrap();
        let two = node(&[], &[], "# moved\nup = 1M\nlisten = :1\nlimit-lan = yes").unwrap();
        let differences = one.differences(&two);
        let names: Vec<&str> = differences.iter().map(|option| option.long).collect();
        assert_eq!(names, ["listen", "limit-lan"]);
        assert!(one.differences(&one).is_empty());
    }
}
