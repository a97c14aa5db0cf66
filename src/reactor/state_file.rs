//! Small files of the state folder: read whole, replaced whole.
//!
//! Invariants: a power cut leaves the file before or the new one, because the new one is written
//! beside it, synced, renamed, and the folder synced; a file of a newer version is never replaced.

use super::error::Error;
use crate::envelope::{Envelope, EnvelopeError};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The reason for which a file is left alone.
pub(crate) const NEWER: &str = "it was written by a newer version of sprat";

/// Reads a file in the envelope of its format; `None` where there is none. Damage is left to the
/// caller's parser.
///
/// # Errors
/// When it cannot be read, or a newer version wrote it.
pub(crate) fn read_sealed(
    path: &Path,
    size_max: usize,
    format: &Envelope,
) -> Result<Option<Vec<u8>>, Error> {
    let failed = |error| Error::new(format!("read {}", path.display()), error);
    match read(path, size_max as u64) {
        Ok(bytes) if format.open(&bytes) == Err(EnvelopeError::Newer) => {
            Err(failed(io::Error::other(NEWER)))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The first `size_max` bytes of a file, and one more where it is longer.
pub(crate) fn read(path: &Path, size_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    File::open(path)?
        .take(size_max + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces the file `name` in `folder` with these parts, one after another.
///
/// # Errors
/// When it cannot be written; the file before stands then.
pub(crate) fn replace(folder: &Path, name: &str, parts: &[&[u8]]) -> Result<(), Error> {
    let new = folder.join(format!("{name}.new"));
    let write = || -> io::Result<()> {
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        fs::rename(&new, folder.join(name))?;
        sync_folder(folder)
    };
    write().map_err(|error| Error::new(format!("write {}", folder.join(name).display()), error))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
