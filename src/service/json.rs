//! JSON: one object a line, written for programs, and read back by the demo.
//!
//! Objects of texts, arrays of them, numbers and truth values only, so a writer and a reader of a
//! few lines do. Invariant: a line holds one whole object, whatever texts are in it.

use crate::id::{FileId, NodeId};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

/// The version of the objects of listings: raised when a member changes or goes, not when one
/// comes.
const LISTING_VERSION: u64 = 1;

/// An object that is being written; its first members name its kind.
pub struct Object(String);

impl Object {
    /// Begins an object of a listing: `{"version":1,"kind":"…"`.
    pub fn listed(kind: &str) -> Object {
        let object = Object(String::from("{")).with("version", LISTING_VERSION);
        object.with("kind", kind)
    }

    /// Begins an event of a command: `{"event":"…"`.
    pub fn event(name: &str) -> Object {
        Object(String::from("{")).with("event", name)
    }

    pub fn with(mut self, key: &str, value: impl Value) -> Object {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        key.write(&mut self.0);
        self.0.push(':');
        value.write(&mut self.0);
        self
    }

    /// Ends it: the line, without its end.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The value of a member.
pub trait Value {
    fn write(&self, line: &mut String);
}

impl Value for str {
    fn write(&self, line: &mut String) {
        line.push('"');
        for letter in self.chars() {
            match letter {
                '"' | '\\' => line.extend(['\\', letter]),
                // Writing to a string cannot fail.
                control if control < ' ' => drop(write!(line, "\\u{:04x}", control as u32)),
                other => line.push(other),
            }
        }
        line.push('"');
    }
}

/// A number of seconds with six decimals.
impl Value for Duration {
    fn write(&self, line: &mut String) {
        let _ = write!(line, "{}.{:06}", self.as_secs(), self.subsec_micros());
    }
}

/// A number with three decimals.
impl Value for f64 {
    fn write(&self, line: &mut String) {
        let _ = write!(line, "{self:.3}");
    }
}

impl<T: Value> Value for Vec<T> {
    fn write(&self, line: &mut String) {
        line.push('[');
        for (index, value) in self.iter().enumerate() {
            if index > 0 {
                line.push(',');
            }
            value.write(line);
        }
        line.push(']');
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, line: &mut String) {
        match self {
            Some(value) => value.write(line),
            None => line.push_str("null"),
        }
    }
}

impl<T: Value + ?Sized> Value for &T {
    fn write(&self, line: &mut String) {
        (**self).write(line);
    }
}

/// Values whose JSON is their text, bare or in quotation marks.
macro_rules! plain {
    (bare: $($bare:ty)*; quoted: $($quoted:ty)*) => {
        $(impl Value for $bare {
            fn write(&self, line: &mut String) {
                let _ = write!(line, "{self}");
            }
        })*
        $(impl Value for $quoted {
            fn write(&self, line: &mut String) {
                self.to_string().as_str().write(line);
            }
        })*
    };
}

plain!(bare: u32 u64 usize bool; quoted: String SocketAddr FileId NodeId);

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
            .with("path", "a\"b\\c\nd é")
            .with("bytes", 12u64)
            .with("seconds", 0.5)
            .with("already", false)
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
