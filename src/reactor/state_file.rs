//! Small files of the state folder: read with a bound, replaced as a whole.
//!
//! A file is written beside its final name, synced, renamed, and the folder synced. Invariant: a power
//! cut leaves the old or the new file.

use super::error::Error;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Why a file is left alone.
pub(crate) const NEWER: &str = "it was written by a newer version of sprat";

/// Puts a file in place: write its parts, sync, rename, sync the folder.
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

/// Reads the first bytes of a file: one more than `most` shows that it is too long.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Syncs the names in a folder.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
