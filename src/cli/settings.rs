//! The sources of settings: the command line, the environment, a file. An earlier source in this
//! order overrides a later one.
//!
//! Values are texts here; `options` knows what they mean. Invariants: an option that can be
//! repeated comes whole from one source, never from two; every value knows its source, for errors.

use super::options::{Flag, Given, Group};
use std::ffi::OsString;

/// The values of one source, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(pub(super) Vec<(&'static Flag, Given)>);

/// The layers of one run, the strongest first.
#[derive(Clone, Debug)]
pub(super) struct Settings(pub(super) Vec<Layer>);

impl Layer {
    pub(super) fn add(&mut self, flag: &'static Flag, text: impl Into<String>, source: &str) {
        let (text, source) = (text.into(), source.to_owned());
        self.0.push((flag, Given { text, source }));
    }

    /// The environment, as `variable` reads it, for a command of these groups.
    ///
    /// An empty variable sets nothing, except for the key: a node that should have one must not
    /// start without it.
    pub(super) fn of_environment(
        groups: &'static [Group],
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Layer, String> {
        let mut layer = Layer::default();
        let has_variable = |flag: &&Flag| flag.is_setting() || flag.group == Group::Config;
        for flag in Flag::taken(groups).filter(has_variable) {
            let source = format!("variable {}", flag.variable());
            let is_set = |value: &OsString| !value.is_empty() || flag.long == "key";
            let Some(value) = variable(&flag.variable()).filter(is_set) else {
                continue;
            };
            let not_utf8 = |value| format!("{source}: not UTF-8: {value:?}");
            let text = value.into_string().map_err(not_utf8)?;
            if flag.is_repeatable() {
                let words = text.split([',', ' ']).filter(|word| !word.is_empty());
                words.for_each(|word| layer.add(flag, word, &source));
            } else {
                layer.add(flag, text, &source);
            }
        }
        Ok(layer)
    }
}

impl Settings {
    /// The values of an option: those of the first source that gives any.
    pub(super) fn all(&self, flag: &Flag) -> Vec<&Given> {
        let is_same = |other: &Flag| match flag.group {
            Group::Verbosity => other.group == Group::Verbosity,
            _ => other.long == flag.long,
        };
        let gives = |layer: &&Layer| layer.0.iter().any(|(other, _)| is_same(other));
        let values = self
            .0
            .iter()
            .find(gives)
            .into_iter()
            .flat_map(|layer| &layer.0);
        let values = values.filter(|(other, _)| other.long == flag.long);
        values.map(|(_, given)| given).collect()
    }

    /// How often a switch is given.
    pub(super) fn count(&self, flag: &Flag) -> Result<i32, String> {
        self.all(flag).into_iter().map(times).sum()
    }

    /// The settings that have other values in `other`.
    pub(super) fn differences(&self, other: &Settings) -> Vec<&'static Flag> {
        let texts = |settings: &Settings, flag: &Flag| -> Vec<String> {
            settings
                .all(flag)
                .into_iter()
                .map(|given| given.text.clone())
                .collect()
        };
        let differs = |flag: &&Flag| texts(self, flag) != texts(other, flag);
        Flag::settings().filter(differs).collect()
    }
}

/// The value of a switch: yes, no, or how often.
fn times(given: &Given) -> Result<i32, String> {
    match given.text.as_str() {
        "no" | "false" | "0" => Ok(0),
        "yes" | "true" | "1" => Ok(1),
        "2" => Ok(2),
        "3" => Ok(3),
        other => Err(format!("{}: neither yes nor no: {other:?}", given.source)),
    }
}
