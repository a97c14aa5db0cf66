//! One JSON object a line: written for programs, and read back by the demo.
//!
//! Objects of texts, arrays of them, numbers and truth values only, so a writer and a reader of a few
//! lines do.

use std::fmt::Write as _;
use std::time::Duration;

/// The version of the objects of listings: raised when a member changes or goes, not when one comes.
const LISTING_VERSION: u64 = 1;

/// An object that is being written; its first members say what it is.
pub struct Object(String);

impl Object {
    /// `{"version":1,"kind":"…"`: what a listing consists of.
    pub fn listed(kind: &str) -> Object {
        let object = Object(String::from("{")).number("version", LISTING_VERSION);
        object.text("kind", kind)
    }

    /// `{"event":"…"`
    pub fn event(name: &str) -> Object {
        Object(String::from("{")).text("event", name)
    }

    /// Adds a text.
    pub fn text(mut self, key: &str, value: &str) -> Object {
        self.key(key);
        self.quoted(value);
        self
    }

    /// Adds a text, or `null`.
    pub fn maybe(mut self, key: &str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.text(key, value),
            None => {
                self.key(key);
                self.0.push_str("null");
                self
            }
        }
    }

    /// Adds an array of texts.
    pub fn texts(mut self, key: &str, values: &[String]) -> Object {
        self.key(key);
        self.0.push('[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            self.quoted(value);
        }
        self.0.push(']');
        self
    }

    fn quoted(&mut self, value: &str) {
        self.0.push('"');
        for letter in value.chars() {
            match letter {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                // A string takes any letter.
                control if control < ' ' => {
                    let _ = write!(self.0, "\\u{:04x}", control as u32);
                }
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }

    /// Adds a whole number.
    pub fn number(mut self, key: &str, value: u64) -> Object {
        self.key(key);
        self.0.push_str(&value.to_string());
        self
    }

    /// Adds a whole number, or `null`.
    pub fn maybe_number(self, key: &str, value: Option<u64>) -> Object {
        match value {
            Some(value) => self.number(key, value),
            None => self.maybe(key, None),
        }
    }

    /// Adds a time in seconds with six decimals.
    pub fn micros(mut self, key: &str, value: Duration) -> Object {
        self.key(key);
        let (seconds, micros) = (value.as_secs(), value.subsec_micros());
        self.0.push_str(&format!("{seconds}.{micros:06}"));
        self
    }

    /// Adds a number with three decimals.
    pub fn decimal(mut self, key: &str, value: f64) -> Object {
        self.key(key);
        self.0.push_str(&format!("{value:.3}"));
        self
    }

    /// Adds a truth value.
    pub fn truth(mut self, key: &str, value: bool) -> Object {
        self.key(key);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    /// The line, without its end.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn key(&mut self, key: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }
}

/// Whether a line that an [`Object`] wrote is about this event.
pub fn is_event(line: &str, name: &str) -> bool {
    line.starts_with(&format!("{{\"event\":\"{name}\""))
}

/// The number under `key` in a line that an [`Object`] wrote.
pub fn number(line: &str, key: &str) -> Option<f64> {
    let (_, value) = line.split_once(&format!("\"{key}\":"))?;
    value.split([',', '}']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_numbers_are_found_again() {
        let line = Object::event("complete")
            .text("path", "a\"b\\c\nd é")
            .number("bytes", 12)
            .decimal("seconds", 0.5)
            .truth("already", false)
            .finish();
        let expected = "{\"event\":\"complete\",\"path\":\"a\\\"b\\\\c\\u000ad é\",\
                        \"bytes\":12,\"seconds\":0.500,\"already\":false}";
        assert_eq!(line, expected);
        assert!(is_event(&line, "complete") && !is_event(&line, "comp"));
        assert_eq!(number(&line, "bytes"), Some(12.0));
        assert_eq!(number(&line, "seconds"), Some(0.5));
        assert_eq!(number(&line, "nothing"), None);
    }
}
