//! Finished files that are written again where shards have gone bad.
//!
//! The file is opened for writing only if it is to the last what it was when it was finished: an edit
//! of its user is not overwritten. While it is written its times change, and only its identity can be
//! checked; an edit in those seconds is not seen. `swarm::repair` says why that needs no journal.
//! Invariant: of a file that nobody repairs, no byte is ever written.

use super::Disk;
use super::fault::Fault;
use super::fingerprint::Fingerprint;
use super::swarm_files::{Stage, SwarmFiles};
use crate::id::FileId;
use crate::node::{DiskError, SwarmKey};
use crate::store::record::Digest;
use std::fs;

/// The files of a fetch, as far as a start has to know them again.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub file: FileId,
    /// Which files they are.
    pub place: Digest,
    /// When they were changed last; only of a finished fetch.
    pub stamp: Option<Digest>,
    pub is_repaired: bool,
}

impl Disk {
    /// Begins to write a finished file again, in some of its entries.
    pub fn reopen(
        &mut self,
        swarm: SwarmKey,
        entries: impl Iterator<Item = u32>,
    ) -> Result<(), DiskError> {
        let result = match self.find_mut(swarm) {
            Some(files) => reopen_if_untouched(files, entries),
            None => Ok(()),
        };
        // The descriptors until now are for reading.
        self.open.close(swarm);
        self.keep(swarm, result)
    }

    /// Ends a repair, if there is one: the files are as any finished ones.
    pub fn close_repair(&mut self, swarm: SwarmKey) {
        if let Some(files) = self.find_mut(swarm) {
            if matches!(files.stage, Stage::Repair) {
                files.stage = Stage::Final;
            }
        }
        self.open.close(swarm);
    }

    /// The files of a fetch, if they are made and the fingerprint of each is known.
    pub fn kept(&self, swarm: SwarmKey) -> Option<Kept> {
        let files = self.find(swarm)?;
        let is_final = matches!(files.stage, Stage::Final);
        if !is_final && !files.is_written() {
            return None;
        }
        let digest = files.digest()?;
        Some(Kept {
            file: files.file,
            place: digest.files(),
            stamp: is_final.then(|| digest.times()),
            is_repaired: matches!(files.stage, Stage::Repair),
        })
    }

    /// The swarms that have files.
    pub fn swarms(&self) -> impl Iterator<Item = SwarmKey> {
        self.swarms.iter().flatten().map(|files| files.swarm)
    }
}

fn reopen_if_untouched(
    files: &mut SwarmFiles,
    entries: impl Iterator<Item = u32>,
) -> Result<(), Fault> {
    for entry in entries {
        let path = files.layout.entry_path(entry);
        let now = fs::symlink_metadata(&path).map_err(Fault::at("repair", &path))?;
        files
            .check_or_set(entry as usize, &Fingerprint::of(&now))
            .map_err(|(_, why)| Fault::because(DiskError::Changed, "repair", &path, why))?;
    }
    files.stage = Stage::Repair;
    Ok(())
}
