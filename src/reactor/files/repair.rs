//! Finished files that are written again where shards have gone bad.
//!
//! The file is opened for writing only if it is to the last what it was when it was finished: an
//! edit of its user is not overwritten. While it is written its times change, and only its identity
//! can be checked; an edit in those seconds is not seen. `swarm::repair` says why that needs no
//! journal. Invariant: no byte is written to a finished file outside a repair.

use super::Disk;
use super::fault::Fault;
use super::fingerprint::Fingerprint;
use super::swarm_files::{Stage, SwarmFiles};
use crate::node::{DiskError, SwarmKey};
use crate::store::record::Digest;
use crate::store::verified::{FetchState, Verified};
use std::fs;

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

    /// Describes the files of a fetch as a start has to know them again, if they are made and the
    /// fingerprint of each is known; `at` is the time of their last verification.
    pub fn describe(&self, swarm: SwarmKey, at: u64) -> Option<Verified> {
        let files = self.find(swarm)?;
        let state = match files.stage {
            Stage::Part { .. } => FetchState::Part,
            Stage::Final => FetchState::Whole,
            Stage::Repair => FetchState::Repairing,
            _ => return None,
        };
        let digest = files.digest()?;
        Some(Verified {
            file: files.file,
            at,
            files: digest.files(),
            times: match state {
                FetchState::Whole => digest.times(),
                // They change as it is written.
                FetchState::Part | FetchState::Repairing => Digest::default(),
            },
            state,
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
