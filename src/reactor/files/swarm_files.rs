//! The files of one swarm: where they lie, how far a fetch has come, and what each must still be.
//!
//! ```text
//!  share ───────────────────────────────► Source
//!  fetch ──► Wanted ──prepare──► Part ──finish──► Final
//!                       └───────────────────────────┘ (the final name holds the right sizes)
//!  Final ──reopen──► Repair ──finish──► Final       (served again after a restart: Final at once)
//! ```
//!
//! Invariant: the final name holds nothing of ours before `finish` has renamed the part to it.

use super::fingerprint::{Check, FileRow, FilesDigest, Fingerprint, Proof};
use super::journal::Journal;
use super::layout::{Layout, OutputPath};
use crate::id::{FileId, Id};
use crate::node::{DiskError, SwarmKey};
use std::fs::File;
use std::path::PathBuf;

/// How far the files of a swarm are made.
#[derive(Debug)]
pub enum Stage {
    /// Shared from where they lie.
    Source,
    /// A fetch whose manifest is not known yet.
    Wanted(OutputPath),
    /// An unfinished fetch; the lock keeps other processes off it.
    Part {
        /// The part, open until it has its final name.
        lock: File,
    },
    Final,
    /// Under their final name, and shards that have gone bad are written again.
    Repair,
    /// The swarm is gone; only the path and the last fault are kept, for its owner.
    Released,
}

/// A file or folder that a walk has found.
#[derive(Debug)]
pub struct Walked {
    pub layout: Layout,
    pub rows: Vec<FileRow>,
}

/// The files of one swarm.
#[derive(Debug)]
pub struct SwarmFiles {
    pub swarm: SwarmKey,
    pub stage: Stage,
    pub layout: Layout,
    pub rows: Vec<FileRow>,
    /// The last failure, in words.
    pub fault: Option<String>,
    /// The id of a fetch.
    pub file: FileId,
    /// The shards of a fetch.
    pub shards: u32,
    pub generation: u32,
    /// The journal of a fetch, once there is one.
    pub journal: Option<Journal>,
    pub journal_written: u64,
    /// The folder that is served from, once it was checked.
    pub root: Option<Fingerprint>,
    /// That folder is not there.
    pub is_missing: bool,
}

impl Walked {
    /// Proves later that it is as it was when it was walked.
    pub fn proof(&self) -> Option<Proof> {
        Proof::of(expected(&self.layout, &self.rows))
    }
}

impl SwarmFiles {
    /// A swarm without files, so far.
    pub fn new(swarm: SwarmKey, stage: Stage) -> SwarmFiles {
        let nothing = Walked {
            layout: Layout::default(),
            rows: vec![],
        };
        SwarmFiles::walked(swarm, stage, nothing)
    }

    /// A swarm whose files a walk has found.
    pub fn walked(swarm: SwarmKey, stage: Stage, walked: Walked) -> SwarmFiles {
        SwarmFiles {
            swarm,
            stage,
            layout: walked.layout,
            rows: walked.rows,
            fault: None,
            file: FileId(Id([0; 20])),
            shards: 0,
            generation: 0,
            journal: None,
            journal_written: 0,
            root: None,
            is_missing: false,
        }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the files are being written, so that their times change.
    pub fn is_written(&self) -> bool {
        matches!(self.stage, Stage::Part { .. } | Stage::Repair)
    }

    pub fn size(&self, index: usize) -> u64 {
        self.layout.names.at(index as u32).size
    }

    /// The fingerprint that a file must still have, once that is known.
    pub fn expected(&self, index: usize) -> Option<Fingerprint> {
        self.rows[index].fingerprint(self.size(index))
    }

    /// Its files with their paths beneath the folder, and their fingerprints where they are known.
    pub fn files(&self) -> impl Iterator<Item = (PathBuf, Option<Fingerprint>)> {
        expected(&self.layout, &self.rows)
    }

    /// The digests of its files, if the fingerprints of all of them are known.
    pub fn digest(&self) -> Option<FilesDigest> {
        let mut digest = FilesDigest::default();
        for index in 0..self.len() {
            digest.add(&self.expected(index)?);
        }
        Some(digest)
    }

    /// Finds out whether a file is still as expected, now that it is `now`; else the reason.
    /// Without an expectation it is.
    ///
    /// Shards of a file that is being written were verified in that file at its whole size, so
    /// there both must stay.
    pub fn check(&self, index: usize, now: &Fingerprint) -> Check {
        self.check_against(self.expected(index), index, now)
    }

    /// The same. Without an expectation, the file must stay as it is `now`.
    pub fn check_or_set(&mut self, index: usize, now: &Fingerprint) -> Check {
        self.check(index, now)?;
        if self.expected(index).is_none() {
            self.rows[index].set(*now);
        }
        Ok(())
    }

    /// The same as `check` with another expectation.
    pub fn check_against(
        &self,
        expected: Option<Fingerprint>,
        index: usize,
        now: &Fingerprint,
    ) -> Check {
        let changed = |why| Err((DiskError::Changed, why));
        match expected {
            Some(expected) if !self.is_written() => expected.check(now),
            Some(expected) if !expected.is_same_file(now) => {
                changed("another program has replaced it")
            }
            _ if self.is_written() && now.size != self.size(index) => {
                changed("another program has changed its size")
            }
            _ => Ok(()),
        }
    }
}

fn expected(
    layout: &Layout,
    rows: &[FileRow],
) -> impl Iterator<Item = (PathBuf, Option<Fingerprint>)> {
    rows.iter().enumerate().map(|(index, row)| {
        let size = layout.names.at(index as u32).size;
        (layout.inner_path(index as u32), row.fingerprint(size))
    })
}
