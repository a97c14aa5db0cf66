//! How a command ends when it fails: its exit code, and one line for standard error.
//!
//! Invariant: every failure is one line that says what, where and what to do.

use crate::reactor;

#[derive(Debug)]
pub(super) enum Exit {
    /// A failure: the operation, the place, and the remedy.
    Failed(String),
    /// A mistake in the command line or a setting.
    Usage(String),
    /// A signal came before the work was done; what that means.
    Interrupted(String),
}

impl Exit {
    pub(super) fn code(&self) -> u8 {
        match self {
            Exit::Failed(_) => 1,
            Exit::Usage(_) => 2,
            Exit::Interrupted(_) => 130,
        }
    }

    pub(super) fn text(&self) -> &str {
        let (Exit::Failed(text) | Exit::Usage(text) | Exit::Interrupted(text)) = self;
        text
    }
}

impl From<reactor::Error> for Exit {
    fn from(error: reactor::Error) -> Exit {
        Exit::Failed(error.to_string())
    }
}
