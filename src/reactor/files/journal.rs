//! The journal of a fetch as a file, beside the part: `NAME.part.journal`.
//!
//! It lies there and not in the state folder, so that part and journal are on one file system: a
//! card that is taken out takes both, and a second sprat on the machine finds both. Its bytes are
//! `crate::store`'s.
//!
//! Invariant: a journal is believed only if the part's files are the very ones it was written for,
//! and, after a clean stop, nobody has touched them since.

use super::fault::Fault;
use super::openat::{self, Access};
use super::swarm_files::SwarmFiles;
use crate::bitmap::Bitmap;
use crate::limits::{JOURNAL_SIZE_BASE, JOURNAL_SIZE_PER_SHARD};
use crate::node::DiskError;
use crate::store::record::{self, Digest, Header, Replayed, Run, Unusable, Writer};
use rustix::fs::FallocateFlags;
use sha1::{Digest as _, Sha1};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// A journal that is being appended to.
#[derive(Debug)]
pub struct Journal {
    /// The file.
    pub file: File,
    writer: Writer,
    size: u64,
    /// What is to be appended; its room is used again.
    records: Vec<u8>,
    /// The writer before that was taken down.
    before: Writer,
}

/// What the part's files are, as far as a journal knows it: one walk over them in the manifest's
/// order.
#[derive(Clone, Debug, Default)]
pub struct FilesDigest {
    place: Sha1,
    stamp: Sha1,
}

impl FilesDigest {
    /// Takes the next file in.
    pub fn add(&mut self, metadata: &Metadata) {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        self.add_file(metadata.ino(), metadata.size(), modified);
    }

    /// The same of what is known of it.
    pub fn add_file(&mut self, inode: u64, size: u64, modified: (i64, i64)) {
        self.place.update(inode.to_be_bytes());
        self.place.update(size.to_be_bytes());
        self.stamp.update(modified.0.to_be_bytes());
        self.stamp.update(modified.1.to_be_bytes());
    }

    /// Which files they are.
    pub fn place(&self) -> Digest {
        self.place.clone().finalize().into()
    }

    /// When they were last changed.
    pub fn stamp(&self) -> Digest {
        self.stamp.clone().finalize().into()
    }
}

impl Journal {
    /// A new journal that proves `held`, written beside the place of the old one.
    pub fn write(store: &SwarmFiles, place: Digest, held: &Bitmap) -> Result<Journal, Fault> {
        let path = store.new_journal_path();
        let failed = |error: io::Error| Fault::new("write", &path, error);
        let name = path.file_name().unwrap_or_default();
        let file = openat::open(store.parent(), Path::new(name), Access::Create).map_err(failed)?;
        let header = Header {
            file: store.file,
            shards: store.shards,
            generation: store.generation,
            place,
        };
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(header, &mut bytes);
        writer.gained(record::runs(held.iter()), &mut bytes);
        file.set_len(0).map_err(failed)?;
        reserve(&file, store.shards);
        file.write_all_at(&bytes, 0).map_err(failed)?;
        let size = bytes.len() as u64;
        bytes.clear();
        Ok(Journal {
            file,
            before: writer.clone(),
            writer,
            size,
            records: bytes,
        })
    }

    /// Takes down what the next [`Journal::append`] writes.
    pub fn note(&mut self, gained: impl Iterator<Item = Run>) {
        self.writer.gained(gained, &mut self.records);
    }

    /// Takes down a clean stop.
    pub fn note_closed(&mut self, stamp: &Digest) {
        self.writer.closed(stamp, &mut self.records);
    }

    /// Appends what was taken down; how many bytes that were. After a failure the journal is what it
    /// was, and what was taken down is forgotten: what it said may not be so any more when it is
    /// tried again.
    pub fn append(&mut self) -> io::Result<usize> {
        if let Err(error) = self.file.write_all_at(&self.records, self.size) {
            self.records.clear();
            self.writer = self.before.clone();
            self.file.set_len(self.size)?;
            self.file.sync_data()?;
            return Err(error);
        }
        self.before = self.writer.clone();
        let count = self.records.len();
        self.size += count as u64;
        self.records.clear();
        Ok(count)
    }
}

/// Takes the room that a journal may need, so that a disk that others fill meanwhile does not keep a
/// fetch from telling what it has. What cannot be taken now is asked for when it is needed.
fn reserve(file: &File, shards: u32) {
    let room = JOURNAL_SIZE_BASE + JOURNAL_SIZE_PER_SHARD * u64::from(shards);
    let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, room);
}

/// Reads the journal of an earlier try, if there is one that can be used.
///
/// # Errors
///
/// A newer version wrote it, or it cannot be read.
pub fn read(store: &SwarmFiles) -> Result<Option<Replayed>, Fault> {
    let path = store.journal_path();
    let failed = |error: io::Error| Fault::new("read", &path, error);
    let name = path.file_name().unwrap_or_default();
    let file = match openat::open(store.parent(), Path::new(name), Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(failed)?,
    };
    let most = JOURNAL_SIZE_BASE + JOURNAL_SIZE_PER_SHARD * u64::from(store.shards);
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    match record::replay(&bytes, store.file, store.shards) {
        Ok(replayed) => {
            let rest = bytes.len() - replayed.good_size;
            if rest > 0 {
                log::info!(
                    "{}: the last {rest} bytes are damaged, and left out",
                    path.display()
                );
            }
            Ok(Some(replayed))
        }
        Err(Unusable::Newer) => {
            let why = "a newer version of sprat wrote it (finish with that one, or remove it)";
            Err(Fault::because(DiskError::Denied, "use", &path, why))
        }
        Err(Unusable::Older) => {
            log::info!(
                "{}: an older version of sprat wrote it; the part is verified instead",
                path.display()
            );
            Ok(None)
        }
        Err(Unusable::Damaged | Unusable::OtherFile) => {
            log::warn!(
                "{} is damaged: the part is verified instead",
                path.display()
            );
            Ok(None)
        }
    }
}

/// The shards that `replayed` proves about files that look like `look`.
pub fn proven(replayed: &Replayed, look: &FilesDigest) -> Option<Bitmap> {
    let is_same = replayed.header.place == look.place();
    let is_untouched = replayed.closed.is_none_or(|stamp| stamp == look.stamp());
    (is_same && is_untouched).then(|| replayed.held.clone())
}

/// Removes the journal, if there is one: the final name says all that it said.
pub fn remove(store: &SwarmFiles) -> Result<(), Fault> {
    for path in [store.journal_path(), store.new_journal_path()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Fault::new("remove", &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}
