//! Room on the disk: asked for before a fetch begins, and taken at once.

use super::fault::Fault;
use crate::limits::{RESERVE_DIVISOR, RESERVE_SIZE_MIN};
use crate::node::DiskError;
use rustix::fs::{FallocateFlags, StatVfs};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The space on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that a user without special rights may take.
    pub free: u64,
    /// Bytes of these that a fetch leaves free.
    pub reserve: u64,
}

impl Space {
    fn of(system: &StatVfs) -> Space {
        let total = system.f_blocks.saturating_mul(system.f_frsize);
        Space {
            free: system.f_bavail.saturating_mul(system.f_frsize),
            reserve: RESERVE_SIZE_MIN.max(total / RESERVE_DIVISOR),
        }
    }
}

/// The space on the file system that `path` is on.
///
/// # Errors
/// When the system cannot say.
pub fn space(path: &Path) -> io::Result<Space> {
    Ok(Space::of(&rustix::fs::statvfs(path)?))
}

/// Whether `needed` bytes more fit the file system of `folder`, the reserve left free.
pub fn admit(folder: &OwnedFd, path: &Path, needed: u64) -> Result<(), Fault> {
    let system =
        rustix::fs::fstatvfs(folder).map_err(|error| Fault::new("measure", path, error))?;
    let Space { free, reserve } = Space::of(&system);
    // Nothing to be written needs no room.
    if needed == 0 || needed.saturating_add(reserve) <= free {
        return Ok(());
    }
    let why = format!(
        "not enough free space: {} needed, {} free, of which {} stay free",
        mebibytes(needed),
        mebibytes(free),
        mebibytes(reserve)
    );
    Err(Fault::because(DiskError::NoSpace, "make", path, &why))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

/// Gives a file its size and, where the file system can, its blocks: a full disk is then seen now,
/// and not in the middle. The content of the file stays.
pub fn allocate(file: &File, size: u64) -> io::Result<()> {
    if file.metadata()?.len() > size {
        file.set_len(size)?;
    }
    if size == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(size),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::files::openat;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_file_that_does_not_fit_is_refused_in_words() {
        let folder = openat::folder(&std::env::temp_dir()).unwrap();
        let fault = admit(&folder, Path::new("x.part"), u64::MAX / 2).unwrap_err();
        assert_eq!(fault.error, DiskError::NoSpace);
        let words = fault.words.to_string();
        assert!(
            words.starts_with("cannot make x.part: not enough free space: "),
            "{words}"
        );
        assert!(admit(&folder, Path::new("x.part"), 0).is_ok());
    }

    #[test]
    fn a_file_gets_its_size_and_keeps_its_bytes() {
        let file = tempfile::tempfile().unwrap();
        for size in [10, 100_000, 5, 0] {
            file.write_all_at(b"hello", 0).unwrap();
            allocate(&file, size).unwrap();
            assert_eq!(file.metadata().unwrap().len(), size);
            let mut bytes = vec![0; size.min(5) as usize];
            file.read_exact_at(&mut bytes, 0).unwrap();
            assert!(b"hello".starts_with(&bytes));
        }
    }
}
