//! A failure of disk work: the class that the node acts on, and the words for its owner.

use crate::node::DiskError;
use crate::reactor::error::Error;
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// What went wrong.
#[derive(Debug)]
pub struct Fault {
    /// For the node.
    pub error: DiskError,
    /// For people: operation, path, the system's words.
    pub words: Error,
}

impl Fault {
    /// The system refused `operation` on `path`.
    pub fn new(operation: &str, path: &Path, cause: impl Into<io::Error>) -> Fault {
        let cause = cause.into();
        let words = format!("{operation} {}", path.display());
        Fault {
            error: class(&cause),
            words: Error::new(words, cause),
        }
    }

    /// We refuse `operation` on `path`.
    pub fn because(error: DiskError, operation: &str, path: &Path, why: &str) -> Fault {
        let words = Error::because(format!("{operation} {}", path.display()), why);
        Fault { error, words }
    }
}

/// A failure whose path is not looked up yet: on the data path only failures pay for it.
#[derive(Debug)]
pub struct Unplaced {
    operation: &'static str,
    cause: io::Error,
}

impl Unplaced {
    /// The system refused `operation`.
    pub fn new(operation: &'static str, cause: io::Error) -> Unplaced {
        Unplaced { operation, cause }
    }

    /// It was about this path.
    pub fn at(self, path: &Path) -> Fault {
        Fault::new(self.operation, path, self.cause)
    }
}

fn class(error: &io::Error) -> DiskError {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => DiskError::NoSpace,
        Some(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR) => DiskError::Exists,
        Some(Errno::NOENT | Errno::NOTDIR) => DiskError::NotFound,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => DiskError::Denied,
        // A symbolic link where a file or folder was: not followed.
        Some(Errno::LOOP | Errno::XDEV) => DiskError::Changed,
        _ if error.kind() == io::ErrorKind::UnexpectedEof => DiskError::Truncated,
        _ => DiskError::Failed,
    }
}
