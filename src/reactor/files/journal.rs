//! The journal of a fetch as a file, beside the part: `NAME.part.journal`.
//!
//! It lies there and not in the state folder, so that part and journal are on one file system: a
//! card that is taken out takes both, and a second sprat on the machine finds both.
//! [`crate::store`] has its bytes.
//!
//! Invariant: a journal is believed only if the part's files are the very ones it was written for,
//! and, after a clean stop, they are untouched since.

use super::fault::Fault;
use super::fingerprint::FilesDigest;
use super::layout::Layout;
use super::openat::{self, Access};
use crate::bitmap::Bitmap;
use crate::id::FileId;
use crate::limits::{JOURNAL_SIZE_BASE, JOURNAL_SIZE_PER_SHARD};
use crate::node::DiskError;
use crate::store::record::{self, Digest, Header, Replayed, Run, Unusable, Writer};
use rustix::fs::FallocateFlags;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A journal that is being appended to.
#[derive(Debug)]
pub struct Journal {
    pub file: File,
    writer: Writer,
    size: u64,
    /// Records to be appended; their room is used again.
    records: Vec<u8>,
    /// The writer before these records.
    before: Writer,
}

impl Journal {
    /// A new journal that proves `held`, written beside the old one.
    pub fn write(
        layout: &Layout,
        header: Header,
        held: impl Iterator<Item = u32>,
    ) -> Result<Journal, Fault> {
        let path = layout.new_journal_path();
        let failed = |error| Fault::new("write", &path, error);
        let name = path.file_name().unwrap_or_default();
        let file = openat::open(layout.parent(), Path::new(name), Access::Create);
        let file = file.map_err(failed)?;
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(header, &mut bytes);
        writer.gained(record::runs(held), &mut bytes);
        file.set_len(0).map_err(failed)?;
        // Room that the journal may need, so that a disk that others fill meanwhile does not keep a
        // checkpoint from being recorded. A refusal now is repeated when the room is needed.
        let flags = FallocateFlags::KEEP_SIZE;
        let _ = rustix::fs::fallocate(&file, flags, 0, size_max(header.shards));
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

    /// Notes shards for the next [`Journal::append`].
    pub fn note(&mut self, gained: impl Iterator<Item = Run>) {
        self.writer.gained(gained, &mut self.records);
    }

    /// Notes a clean stop for the next [`Journal::append`].
    pub fn note_closed(&mut self, times: &Digest) {
        self.writer.closed(times, &mut self.records);
    }

    /// Appends the notes; returns their bytes. After a failure the journal is as before, and the
    /// notes are dropped: at the next try they may no longer hold.
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

fn size_max(shards: u32) -> u64 {
    JOURNAL_SIZE_BASE + JOURNAL_SIZE_PER_SHARD * u64::from(shards)
}

/// Reads the journal of an earlier try, if there is one that can be used.
///
/// # Errors
/// A newer version wrote it, or it cannot be read.
pub fn read(layout: &Layout, file: FileId, shards: u32) -> Result<Option<Replayed>, Fault> {
    let path = layout.journal_path();
    let failed = |error| Fault::new("read", &path, error);
    let name = path.file_name().unwrap_or_default();
    let opened = match openat::open(layout.parent(), Path::new(name), Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    let mut start = opened.take(size_max(shards));
    start.read_to_end(&mut bytes).map_err(failed)?;
    let shown = path.display();
    match record::replay(&bytes, file, shards) {
        Ok(replayed) => {
            let rest = bytes.len() - replayed.good_size;
            if rest > 0 {
                log::info!("{shown}: the last {rest} bytes are damaged, and left out");
            }
            return Ok(Some(replayed));
        }
        Err(Unusable::Newer) => {
            let why = "a newer version of sprat wrote it (finish with that one, or remove it)";
            return Err(Fault::because(DiskError::Denied, "use", &path, why));
        }
        Err(Unusable::Older) => {
            log::info!("{shown}: an older version of sprat wrote it; the part is verified instead");
        }
        Err(Unusable::Damaged | Unusable::OtherFile) => {
            log::warn!("{shown} is damaged: the part is verified instead");
        }
    }
    Ok(None)
}

/// The shards that `replayed` proves about files of this digest.
pub fn proven(replayed: Replayed, now: &FilesDigest) -> Option<Bitmap> {
    let is_same = replayed.header.files == now.files();
    let is_untouched = replayed.closed.is_none_or(|times| times == now.times());
    (is_same && is_untouched).then_some(replayed.held)
}

/// Removes the journal, if there is one: the final name says all that it said.
pub fn remove(layout: &Layout) -> Result<(), Fault> {
    for path in [layout.journal_path(), layout.new_journal_path()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Fault::new("remove", &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}
