//! The file of settings: `key = value` lines, where a key is the long name of an option.
//!
//! ```text
//! # A comment is a line of its own.
//! bootstrap = pi.local:4160
//! bootstrap = 192.0.2.7:4160
//! up = 2M
//! ```
//!
//! sprat reads it and never writes it. Invariant: every error names file, line and key.

use super::options::Flag;
use super::settings::Layer;
use crate::limits::CONFIG_SIZE_MAX;
use crate::reactor::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

pub(super) fn read(path: &Path) -> Result<String, Error> {
    let failed = |error| Error::new(format!("read {}", path.display()), error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let too_many = CONFIG_SIZE_MAX + 1;
    file.take(too_many)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 == too_many {
        let why = format!("it is longer than {CONFIG_SIZE_MAX} bytes");
        return Err(failed(io::Error::other(why)));
    }
    String::from_utf8(bytes).map_err(|_| failed(io::Error::other("it is not UTF-8")))
}

/// Parses the text of the file at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Layer, String> {
    let mut layer = Layer::default();
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        let source = format!("{}, line {number}", path.display());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) = parts.ok_or_else(|| format!("{source}: not KEY = VALUE: {line}"))?;
        let (key, value) = (key.trim_end(), value.trim_start());
        let Some(flag) = Flag::settings().find(|flag| flag.long == key) else {
            let hint = nearest(key).map_or_else(String::new, |key| format!(" (is it {key}?)"));
            return Err(format!("{source}: no such key: {key}{hint}"));
        };
        let source = format!("{source}, {key}");
        let before = seen.iter().find(|(other, _)| *other == key);
        if let Some((_, first)) = before.filter(|_| !flag.is_repeatable()) {
            return Err(format!("{source}: line {first} sets it already"));
        }
        seen.push((key, number));
        layer.add(flag, value, &source);
    }
    Ok(layer)
}

/// The key that was probably meant: one at a distance of two letters at most.
fn nearest(key: &str) -> Option<&'static str> {
    let near = Flag::settings().map(|flag| (distance(key, flag.long), flag.long));
    let (distance, key) = near.min()?;
    (distance <= 2).then_some(key)
}

/// The letters to add, remove or change to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..other.len() {
            let changed = diagonal + usize::from(letter != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_a_file_names_its_line() {
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
                "/c, line 3, up: line 1 sets it already",
            ),
        ];
        for (text, message) in cases {
            let said = parse(Path::new("/c"), text).unwrap_err();
            if message.ends_with("key: ") || message.ends_with("-l") {
                assert!(said.starts_with(message), "{said}");
            } else {
                assert_eq!(said, message);
            }
        }
    }

    #[test]
    fn blanks_around_keys_and_values_are_ignored_and_those_within_are_kept() {
        let text = "  # a\r\n\tdir=/a = b # c  \r\nlisten\t=  :1\nlisten = :2\nup =\n";
        let layer = parse(Path::new("/c"), text).unwrap();
        let plain = format!("{layer:?}");
        for text in ["\"/a = b # c\"", "\":1\"", "\":2\"", "\"\""] {
            assert!(plain.contains(&format!("text: {text}")), "{plain}");
        }
    }

    #[test]
    fn a_file_that_is_missing_too_long_or_not_utf8_is_an_error() {
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
    fn the_distance_of_words_counts_their_letters() {
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
