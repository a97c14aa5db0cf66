//! How a command ends when it does not end well: its exit code and one line for standard error.
//!
//! Invariant: every failure has one exit code and one line that says what, where and what to do.

use crate::reactor;
use std::fmt;

/// How a command ends when it does not end well.
#[derive(Debug)]
pub enum Exit {
    /// Exit code 1: what failed, where, and what to do.
    Failed(String),
    /// Exit code 2: what is wrong with the command line.
    Usage(String),
    /// Exit code 130: a signal came before the work was done; what that means.
    Interrupted(String),
}

impl From<UsageError> for Exit {
    fn from(misuse: UsageError) -> Exit {
        Exit::Usage(misuse.0)
    }
}

impl From<reactor::Error> for Exit {
    fn from(error: reactor::Error) -> Exit {
        Exit::Failed(error.to_string())
    }
}

/// A wrong command line. Prints as what is wrong and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
