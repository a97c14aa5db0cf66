//! Preparation of a fetch: its files are made, or found.
//!
//! A folder may hold 32,768 files, so each turn of the loop does a bounded number of them and then
//! serves the network.
//!
//! ```text
//!  compare: final name there? ──► sizes right ─────────────────────────────► Final
//!             │       └──► DiskError::Exists
//!             └──► begin_part: lock NAME.part, free space ──► make: files with their sizes
//!  make ──► resume: nothing there ────────────────────────────────────────► Fresh
//!              └──► journal read and believed ──► a new one begins ────────► Journaled
//!                       └──► no proof ─────────────────────────────────────► Partial
//! ```
//!
//! Invariants: an existing `NAME.part` is taken over as it is but for its size; its bytes are
//! proved by its journal, or verified by the node.

use super::fault::Fault;
use super::fingerprint::{FilesDigest, Fingerprint};
use super::journal;
use super::openat::{self, Access};
use super::space;
use super::swarm_files::{Stage, SwarmFiles};
use crate::bitmap::Bitmap;
use crate::limits::FILES_MADE_PER_TURN;
use crate::node::{DiskError, Prepared};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Debug)]
pub struct Preparation {
    /// The files that were found, as far as it is known.
    pub found: Prepared,
    phase: Phase,
    next: usize,
    /// The digest of a part's files as they were found.
    digest: FilesDigest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Compares the sizes of the files under the final name.
    Compare,
    Make,
}

/// Outcome of a bounded amount of work.
pub enum Outcome {
    /// More is to be done.
    More,
    /// Prepared as soon as a new journal has begun, which proves these shards.
    Begin(Option<Bitmap>),
    Done,
}

impl Preparation {
    pub fn new() -> Preparation {
        Preparation {
            found: Prepared::Fresh,
            phase: Phase::Compare,
            next: 0,
            digest: FilesDigest::default(),
        }
    }

    /// Does a bounded part of the work.
    pub fn advance(&mut self, files: &mut SwarmFiles) -> Result<Outcome, Fault> {
        match self.phase {
            Phase::Compare => self.compare(files),
            Phase::Make => self.make(files),
        }
    }

    /// A file or folder under the final name must have the sizes of the manifest.
    fn compare(&mut self, files: &mut SwarmFiles) -> Result<Outcome, Fault> {
        let (path, is_folder) = (files.layout.path.clone(), files.layout.is_folder);
        let exists = |why| Fault::because(DiskError::Exists, "write", &path, why);
        if self.next == 0 {
            match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return self.begin_part(files);
                }
                Err(error) => return Err(Fault::new("look at", &path, error)),
                Ok(there) if there.is_dir() && !is_folder => {
                    return Err(exists("a folder has that name"));
                }
                Ok(there) if there.is_dir() != is_folder || there.is_symlink() => {
                    return Err(exists("another file has that name"));
                }
                Ok(_) => {}
            }
        }
        let last = files.len().min(self.next + FILES_MADE_PER_TURN);
        while self.next < last {
            let inner = files.layout.inner_path(self.next as u32);
            let file = openat::open(&files.layout.folder, &inner, Access::Read);
            match file.and_then(|file| file.metadata()) {
                Ok(there) if there.len() == files.size(self.next) => {
                    files.rows[self.next].set(Fingerprint::of(&there));
                    self.next += 1;
                }
                Ok(_) if is_folder => return Err(exists("another folder has that name")),
                Ok(_) => return Err(exists("another file has that name")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(exists("another folder has that name"));
                }
                Err(error) => {
                    let path = files.layout.entry_path(self.next as u32);
                    return Err(Fault::new("open", &path, error));
                }
            }
        }
        if self.next < files.len() {
            return Ok(Outcome::More);
        }
        files.stage = Stage::Final;
        // The power went after the last rename: the journal is of a part that is there no more.
        if fs::symlink_metadata(files.layout.part_path()).is_err() {
            journal::remove(&files.layout)?;
        }
        self.found = Prepared::Final;
        Ok(Outcome::Done)
    }

    /// Locks `NAME.part`, making it if it is not there, and checks that all of it will fit.
    fn begin_part(&mut self, files: &mut SwarmFiles) -> Result<Outcome, Fault> {
        let part = files.layout.part_path();
        let parent = files.layout.parent();
        let parent = openat::folder(parent).map_err(Fault::at("open", parent))?;
        files.layout.enter(true);
        self.found = match fs::symlink_metadata(&part) {
            Ok(there) if there.is_symlink() || there.is_dir() != files.layout.is_folder => {
                let why = "something else has that name (move it away)";
                return Err(Fault::because(DiskError::Denied, "write", &part, why));
            }
            Ok(_) => Prepared::Partial,
            Err(_) => Prepared::Fresh,
        };
        let mut needed = files.layout.names.total();
        if self.found == Prepared::Partial {
            needed = needed.saturating_sub(allocated(files));
        }
        space::admit(&parent, &part, needed)?;
        if self.found == Prepared::Fresh
            && journal::read(&files.layout, files.file, files.shards)?.is_some()
        {
            // It was left behind. A new part can have the old one's inode and size.
            journal::remove(&files.layout)?;
        }
        let lock = lock_part(files, &parent, &part)?;
        files.stage = Stage::Part { lock };
        self.phase = Phase::Make;
        Ok(Outcome::More)
    }

    /// Makes some of the part's files, each with its size.
    fn make(&mut self, files: &mut SwarmFiles) -> Result<Outcome, Fault> {
        let last = files.len().min(self.next + FILES_MADE_PER_TURN);
        while self.next < last {
            let size = files.size(self.next);
            let inner = files.layout.inner_path(self.next as u32);
            let made = openat::open(&files.layout.folder, &inner, Access::Create);
            let made = made.and_then(|file| {
                // Before we change it.
                self.digest.add(&Fingerprint::of(&file.metadata()?));
                // After a failed sync the cache may hold bytes that the disk does not. Advice only.
                let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
                space::allocate(&file, size)?;
                Ok(Fingerprint::of(&file.metadata()?))
            });
            let path = || files.layout.entry_path(self.next as u32);
            let made = made.map_err(|error| Fault::new("make", &path(), error))?;
            files.rows[self.next].set(made);
            self.next += 1;
        }
        match self.next < files.len() {
            true => Ok(Outcome::More),
            false => self.resume(files),
        }
    }

    /// The files are there, and an old journal may prove shards of them.
    ///
    /// One that is believed gives way to a new one before anything is written, because it would be
    /// wrong afterwards; so does one that was left behind by files that are gone. Where the node
    /// has to verify, a journal begins only after that: a half of what is there would be all that
    /// it proves.
    fn resume(&mut self, files: &mut SwarmFiles) -> Result<Outcome, Fault> {
        let replayed = journal::read(&files.layout, files.file, files.shards)?;
        if let Some(old) = &replayed {
            files.generation = old.header.generation;
        }
        match (self.found, replayed) {
            (Prepared::Fresh, Some(_)) => return Ok(Outcome::Begin(None)),
            (Prepared::Fresh, None) => return Ok(Outcome::Done),
            (_, Some(replayed)) => {
                if let Some(held) = journal::proven(replayed, &self.digest) {
                    return Ok(Outcome::Begin(Some(held)));
                }
            }
            (_, None) => {}
        }
        // An earlier process may have written them, and its writes may not be on the disk yet.
        files.rows.iter_mut().for_each(|row| row.is_dirty = true);
        Ok(Outcome::Done)
    }
}

/// Whether all entries stand beneath the folder in their sizes.
pub fn have_sizes(folder: &Path, files: &SwarmFiles) -> bool {
    (0..files.len()).all(|index| {
        let there = fs::symlink_metadata(folder.join(files.layout.inner_path(index as u32)));
        there.is_ok_and(|there| there.is_file() && there.len() == files.size(index))
    })
}

/// Bytes that the files of a part occupy already, none more than its entry's size.
fn allocated(files: &SwarmFiles) -> u64 {
    let sizes = (0..files.len()).map(|index| {
        let there = fs::symlink_metadata(files.layout.entry_path(index as u32));
        there.map_or(0, |there| (there.blocks() * 512).min(files.size(index)))
    });
    sizes.sum()
}

/// Opens the part (a file, or a folder) and locks it: two processes that fetch different files of
/// one name into one folder would otherwise write into each other's.
fn lock_part(files: &SwarmFiles, parent: &OwnedFd, part: &Path) -> Result<File, Fault> {
    let made = Fault::at("make", part);
    let lock = match files.layout.is_folder {
        true => openat::make_folder(parent, part.file_name().unwrap_or_default())
            .map_err(made)?
            .into(),
        false => {
            let inner = files.layout.inner_path(0);
            openat::open(&files.layout.folder, &inner, Access::Create).map_err(made)?
        }
    };
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => {
            let why = "another sprat writes it at this moment";
            Err(Fault::because(DiskError::Denied, "write", part, why))
        }
        Err(error) => Err(Fault::new("lock", part, error)),
    }
}
