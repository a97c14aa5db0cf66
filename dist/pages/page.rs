//! The parts of the man page and of the README that come from the help: synopsis, commands and
//! options.
//!
//! The rest of `dist/sprat.1` is written by hand. A part stands between two comments,
//! `.\" from sprat help: NAME` and `.\" end`.

use super::help::{self, Help, OptionHelp};
use std::fmt::Write as _;

/// The page, with these parts as the help has them now.
pub fn with_parts(page: &str, commands: &[Help]) -> String {
    let page = replaced(page, "synopsis", &synopsis(commands));
    let page = replaced(&page, "commands", &about(commands));
    replaced(&page, "options", &options(commands))
}

fn replaced(page: &str, name: &str, part: &str) -> String {
    let start = format!(".\\\" from sprat help: {name}\n");
    let (before, rest) = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("no part {name}"));
    let (_, after) = rest
        .split_once(".\\\" end\n")
        .unwrap_or_else(|| panic!("{name} has no end"));
    format!("{before}{start}{part}.\\\" end\n{after}")
}

fn synopsis(commands: &[Help]) -> String {
    let mut text = String::new();
    for command in commands {
        writeln!(text, ".Nm\n.Cm {}", command.name).unwrap();
        for word in command.operands.split_whitespace() {
            match word
                .strip_prefix('[')
                .and_then(|word| word.strip_suffix(']'))
            {
                Some(word) => writeln!(text, ".Op Ar {word}").unwrap(),
                None => writeln!(text, ".Ar {word}").unwrap(),
            }
        }
    }
    text + ".Nm\n.Fl -version\n"
}

fn about(commands: &[Help]) -> String {
    let mut text = String::new();
    for command in commands {
        writeln!(text, ".Ss sprat {}", command.name).unwrap();
        let paragraphs: Vec<String> = command.about.iter().map(|about| prose(about)).collect();
        text += &paragraphs.join(".Pp\n");
        if !command.examples.is_empty() {
            let examples = command.examples.join("\n");
            writeln!(text, ".Bd -literal -offset indent\n{examples}\n.Ed").unwrap();
        }
    }
    text
}

fn options(commands: &[Help]) -> String {
    let mut text = ".Bl -tag -width Ds\n".to_owned();
    for (option, takers) in help::options(commands) {
        let long = option.long.trim_start_matches('-');
        let flags = match option.short.strip_prefix('-') {
            Some(short) => format!("Fl {short} , Fl -{long}"),
            None => format!("Fl -{long}"),
        };
        let value = match option.value.as_str() {
            "" => String::new(),
            value => format!(" Ar {value}"),
        };
        let takers = match takers.len() == commands.len() {
            true => "every command".to_owned(),
            false => takers.join(", "),
        };
        writeln!(text, ".It {flags}{value}\n.Pq {takers}").unwrap();
        text += &prose(&option.meaning);
    }
    text + ".El\n"
}

/// Text as mdoc wants it: a sentence a line, and nothing in it that is taken for a macro.
fn prose(text: &str) -> String {
    let mut lines = String::new();
    for sentence in text.replace('\\', "\\e").replace(". ", ".\n").lines() {
        let words = sentence
            .split(' ')
            .map(|word| match word.strip_prefix('-') {
                Some(rest) => format!("\\-{}", rest.replacen('-', "\\-", 1)),
                None => word.to_owned(),
            });
        let line = words.collect::<Vec<_>>().join(" ");
        let guard = if line.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        writeln!(lines, "{guard}{}", in_bold(&line)).unwrap();
    }
    lines
}

/// Sets text between backquotes in bold.
fn in_bold(line: &str) -> String {
    let mut parts = line.split('`');
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut fonts = ["\\fB", "\\fR"].iter().cycle();
    for part in parts {
        text += fonts.next().unwrap_or(&"");
        text += part;
    }
    text
}

/// The README, with its table of options as the help has them now.
pub fn with_options(readme: &str, commands: &[Help]) -> String {
    let start = "| option | commands | meaning |\n|---|---|---|\n";
    let (before, rest) = readme
        .split_once(start)
        .expect("the README has a table of options");
    let (_, after) = rest.split_once("\n\n").expect("the table ends");
    let row = |(option, takers): (&OptionHelp, Vec<&str>)| {
        let short = match option.short.as_str() {
            "" => String::new(),
            short => format!("{short}, "),
        };
        let others = commands.iter().map(|command| command.name.as_str());
        let others: Vec<&str> = others.filter(|name| !takers.contains(name)).collect();
        let takers = match others.len() {
            0 => "all".to_owned(),
            1..=4 => format!("all but {}", others.join(" ")),
            _ => takers.join(" "),
        };
        let heading = format!("{short}{} {}", option.long, option.value);
        format!("| `{}` | {takers} | {} |", heading.trim(), option.meaning)
    };
    let rows = help::options(commands).into_iter().map(row);
    let rows = rows.collect::<Vec<String>>().join("\n");
    format!("{before}{start}{rows}\n\n{after}")
}
