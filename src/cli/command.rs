//! A command: all facts of it. `commands` has the table, `help` shows it.

use super::args::{Args, Variable};
use super::console::Console;
use super::exit::Exit;
use super::options::{Flag, Group};

#[derive(Clone, Copy)]
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) operands: Operands,
    /// For the overview: a clause of at most 64 columns.
    pub(super) summary: &'static str,
    /// For its own help: paragraphs of lines of at most 100 columns.
    pub(super) details: &'static str,
    /// Command lines, each of which the tests run.
    pub(super) examples: &'static [&'static str],
    /// The options that it takes.
    pub(super) groups: &'static [Group],
    pub(super) run: fn(Args, &Console) -> Result<(), Exit>,
}

/// The operands that a command takes, by the name of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    None,
    Optional(&'static str),
    One(&'static str),
    Any(&'static str),
    Several(&'static str),
}

impl Command {
    pub(super) fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        Flag::taken(self.groups)
    }

    /// Its name with placeholders: `sprat get [OPTIONS] LINK`.
    pub(super) fn usage(&self) -> String {
        let operands = match self.operands {
            Operands::None => String::new(),
            Operands::Optional(what) => format!(" [{what}]"),
            Operands::One(what) => format!(" {what}"),
            Operands::Any(what) => format!(" [{what}]..."),
            Operands::Several(what) => format!(" {what}..."),
        };
        format!("sprat {} [OPTIONS]{operands}", self.name)
    }

    /// Parses the words that follow its name.
    pub(super) fn parse(&self, words: Vec<String>, variable: Variable) -> Result<Args, Exit> {
        let args = Args::parse(self.name, self.groups, words, variable).map_err(Exit::Usage)?;
        let name = self.name;
        let error = match (self.operands, args.operands.as_slice()) {
            _ if args.options.help => None,
            (Operands::None, [word, ..]) => Some(format!("{name} takes no operand: {word}")),
            (Operands::Optional(what) | Operands::One(what), [_, _, ..]) => {
                Some(format!("{name} takes only one {what}"))
            }
            (Operands::One(what) | Operands::Several(what), []) => Some(format!("no {what} given")),
            _ => None,
        };
        match error {
            Some(error) => Err(Exit::Usage(format!("{error} (see sprat help {name})"))),
            None => Ok(args),
        }
    }
}
