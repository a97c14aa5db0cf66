//! The file of settings: `key = value` lines, where a key is the long name of an option.
//!
//! ```text
//! # A comment is a line of its own.
//! bootstrap = pi.local:4160
//! bootstrap = 192.0.2.7:4160
//! up = 2M
//! ```
//!
//! It is read, and never written. Not here: what a value means. Invariant: every way in which a file
//! can be wrong is one [`UsageError`] that names file, line and key.

use super::exit::UsageError;
use super::options::{OPTIONS, OptionSpec, Takes};
use super::settings::{Given, Layer};
use crate::limits::CONFIG_SIZE_MAX;
use crate::reactor::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a file of settings.
///
/// # Errors
/// When it cannot be read, is too long to be one, or no text.
pub fn read(path: &Path) -> Result<String, Error> {
    let failed = |error| Error::new(format!("read {}", path.display()), error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let more_than_a_file = CONFIG_SIZE_MAX + 1;
    file.take(more_than_a_file)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 == more_than_a_file {
        let why = format!("it is longer than {CONFIG_SIZE_MAX} bytes");
        return Err(failed(io::Error::other(why)));
    }
    String::from_utf8(bytes).map_err(|_| failed(io::Error::other("it is not UTF-8")))
}

/// Takes the text of the file at `path` apart.
///
/// # Errors
/// When a line is none, its key is unknown, or stands once too often.
pub fn parse(path: &Path, text: &str) -> Result<Layer, UsageError> {
    let mut layer = Layer::default();
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let place = format!("{}, line {number}", path.display());
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.split_once('=').filter(|(key, _)| !key.is_empty());
        let Some((key, value)) = parts else {
            return Err(UsageError(format!("{place}: not KEY = VALUE: {line}")));
        };
        let (key, value) = (key.trim_end(), value.trim_start());
        let Some(option) = OptionSpec::setting(key) else {
            let hint = nearest(key).map_or_else(String::new, |key| format!(" (is it {key}?)"));
            return Err(UsageError(format!("{place}: no such key: {key}{hint}")));
        };
        let place = format!("{place}, {key}");
        let before = seen.iter().find(|(other, _)| *other == key);
        if let Some((_, first)) = before.filter(|_| option.takes != Takes::ManyValues) {
            return Err(UsageError(format!(
                "{place}: it stands in line {first} already"
            )));
        }
        seen.push((key, number));
        let text = value.to_owned();
        layer.add(option, Given { text, place });
    }
    Ok(layer)
}

/// The key that was meant: one that two letters make of what stands there.
fn nearest(key: &str) -> Option<&'static str> {
    let settings = OPTIONS.iter().filter(|option| option.is_setting());
    let near = settings.map(|option| (distance(key, option.long), option.long));
    let (distance, key) = near.min()?;
    (distance <= 2).then_some(key)
}

/// How many letters to add, remove or change to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for place in 0..other.len() {
            let changed = diagonal + usize::from(letter != other[place]);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Args;

    #[test]
    fn every_kind_of_wrong_file_has_its_own_sentence() {
        let cases = [
            ("up", "/c, line 1: not KEY = VALUE: up"),
            (
                "\n# x\nupp = 1M",
                "/c, line 3: no such key: upp (is it up?)",
            ),
            (
                "bootsrap = a:1",
                "/c, line 1: no such key: bootsrap (is it bootstrap?)",
            ),
            ("colour = red", "/c, line 1: no such key: colour"),
            ("config = /d", "/c, line 1: no such key: config"),
            ("-l = :0", "/c, line 1: no such key: -l"),
            ("= 5", "/c, line 1: not KEY = VALUE: = 5"),
            (
                "up = 1M\n\nup = 2M",
                "/c, line 3, up: it stands in line 1 already",
            ),
        ];
        for (text, message) in cases {
            let UsageError(said) = parse(Path::new("/c"), text).unwrap_err();
            if message.ends_with("key: ") || message.ends_with("-l") {
                assert!(said.starts_with(message), "{said}");
            } else {
                assert_eq!(said, message);
            }
        }
    }

    #[test]
    fn blanks_and_line_ends_mean_nothing_and_values_keep_what_is_within_them() {
        let text = "  # a\r\n\tdir=/a = b # c  \r\nlisten\t=  :1\nlisten = :2\nup =\n";
        let layer = parse(Path::new("/c"), text).unwrap();
        let plain = format!("{layer:?}");
        for text in ["\"/a = b # c\"", "\":1\"", "\":2\"", "\"\""] {
            assert!(plain.contains(&format!("text: {text}")), "{plain}");
        }
    }

    #[test]
    fn what_is_no_file_of_settings_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conf");
        let error = || read(&path).unwrap_err().to_string();
        let begin = format!("cannot read {}: ", path.display());
        assert_eq!(error(), format!("{begin}no such file or directory"));
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(error(), format!("{begin}it is not UTF-8"));
        std::fs::write(&path, vec![b'#'; CONFIG_SIZE_MAX as usize]).unwrap();
        assert!(read(&path).is_ok());
        std::fs::write(&path, vec![b'#'; CONFIG_SIZE_MAX as usize + 1]).unwrap();
        assert_eq!(
            error(),
            format!("{begin}it is longer than {CONFIG_SIZE_MAX} bytes")
        );
    }

    #[test]
    fn the_file_that_is_shipped_shows_every_setting_as_it_may_stand_there() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/sprat.conf");
        let text = read(&path).unwrap();
        assert!(parse(&path, &text).is_ok(), "as it is, it sets nothing");
        let example = |line: &str| {
            let line = line.strip_prefix('#')?;
            let (key, _) = line.split_once(" = ")?;
            key.starts_with(|c: char| c.is_ascii_lowercase())
                .then(|| (key.to_owned(), line.to_owned()))
        };
        let (mut keys, lines): (Vec<_>, Vec<_>) = text.lines().filter_map(example).unzip();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("conf");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let words = ["node".into(), "--config".into(), file.into_os_string()];
        Args::parse(words, &|_| None).expect("every example is right");
        let settings = OPTIONS.iter().filter(|option| option.is_setting());
        let mut all: Vec<String> = settings.map(|option| option.long.to_owned()).collect();
        all.sort();
        keys.sort();
        keys.dedup();
        assert_eq!(keys, all);
    }

    #[test]
    fn words_are_as_far_apart_as_their_letters() {
        for (one, other, far) in [
            ("", "", 0),
            ("", "up", 2),
            ("upp", "up", 1),
            ("listne", "listen", 2),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (far, far));
        }
    }
}
