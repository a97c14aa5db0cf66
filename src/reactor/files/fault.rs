//! A failure of disk work: the class that the node acts on, and the words for its owner.

use crate::node::DiskError;
use crate::reactor::error::Error;
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// A failure as the node and as people take it.
#[derive(Debug)]
pub struct Fault {
    pub error: DiskError,
    /// Operation, path, the system's words.
    pub words: Error,
}

impl Fault {
    /// The system refused `operation` on `path`.
    pub fn new(operation: &str, path: &Path, cause: impl Into<io::Error>) -> Fault {
        let cause = cause.into();
        Fault {
            error: class(&cause),
            words: Error::new(format!("{operation} {}", path.display()), cause),
        }
    }

    pub fn at<E: Into<io::Error>>(operation: &str, path: &Path) -> impl Fn(E) -> Fault + Copy {
        move |cause| Fault::new(operation, path, cause)
    }

    /// We refuse `operation` on `path`.
    pub fn because(error: DiskError, operation: &str, path: &Path, why: &str) -> Fault {
        let words = Error::because(format!("{operation} {}", path.display()), why);
        Fault { error, words }
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
