//! The machine's failures: what was being done, to which path or address, and what the system said.
//!
//! Not here: a peer's faults (small `Copy` errors of `wire`, and counters) and our own
//! (assertions). Invariant: an [`Error`] names the operation and its object, so that it can be
//! printed as it is.

use std::fmt;
use std::io;

/// A failure of the machine, as one line: `cannot listen on 0.0.0.0:4160: address in use (…)`.
#[derive(Debug)]
pub struct Error {
    doing: String,
    cause: io::Error,
    hint: &'static str,
}

impl Error {
    /// `doing` completes the sentence "cannot …" and names the path or address.
    pub fn new(doing: impl Into<String>, cause: io::Error) -> Error {
        Error {
            doing: doing.into(),
            cause,
            hint: "",
        }
    }

    /// A failure that the system did not report, in words.
    pub fn because(doing: impl Into<String>, why: &str) -> Error {
        Error::new(doing, io::Error::other(why))
    }

    /// Adds a remedy, in brackets at the end of the line.
    pub fn with_hint(self, hint: &'static str) -> Error {
        Error { hint, ..self }
    }

    /// The class of the failure.
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.doing, words(&self.cause))?;
        match self.hint {
            "" => Ok(()),
            hint => write!(f, " ({hint})"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// The system's own words, without the number and the capital letter.
pub fn words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        return "address in use".to_string();
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        // `I/O error` keeps its capital.
        Some(first) if !letters.as_str().starts_with(|c: char| !c.is_lowercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_one_line() {
        let cause = io::Error::from(rustix::io::Errno::ADDRINUSE);
        let error = Error::new("listen on 0.0.0.0:4160", cause).with_hint("try -l :0");
        assert_eq!(
            error.to_string(),
            "cannot listen on 0.0.0.0:4160: address in use (try -l :0)"
        );
        let cause = io::Error::from(rustix::io::Errno::NOENT);
        assert_eq!(
            Error::new("open a.bin", cause).to_string(),
            "cannot open a.bin: no such file or directory"
        );
        // As the C library has it: glibc, musl.
        let io = words(&rustix::io::Errno::IO.into());
        assert!(
            ["input/output error", "I/O error"].contains(&io.as_str()),
            "{io}"
        );
    }
}
