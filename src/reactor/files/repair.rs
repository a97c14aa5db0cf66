//! Finished files that are written again where shards have gone bad.
//!
//! The file is opened for writing only if it is to the last what it was when it was finished: what
//! its user has edited is not overwritten. While it is written its times change, and only which file
//! it is can be looked at; an edit in those seconds is not seen. Why that needs no journal,
//! `swarm::repair` says. Invariant: of a file that nobody repairs, no byte is ever written.

use super::Disk;
use super::fault::Fault;
use super::swarm_files::Stage;
use crate::id::FileId;
use crate::node::{DiskError, SwarmKey};
use crate::store::record::Digest;
use std::fs;

/// The place of a fetched file, as far as a start has to know it again.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// What was fetched.
    pub file: FileId,
    /// Which files it is in.
    pub place: Digest,
    /// When they were changed last; only of a finished file.
    pub stamp: Option<Digest>,
    /// They are being repaired.
    pub is_repaired: bool,
}

impl Disk {
    /// Begins to write a finished file again, in some of its entries.
    pub fn reopen(
        &mut self,
        swarm: SwarmKey,
        entries: impl Iterator<Item = u32>,
    ) -> Result<(), DiskError> {
        let result = self.reopen_if_untouched(swarm, entries);
        // What was opened before was opened for reading.
        self.files.close(swarm);
        self.keep(swarm, result)
    }

    fn reopen_if_untouched(
        &mut self,
        swarm: SwarmKey,
        entries: impl Iterator<Item = u32>,
    ) -> Result<(), Fault> {
        let Some(store) = self.find_mut(swarm) else {
            return Ok(());
        };
        for index in entries {
            let path = store.entry_path(index);
            let there = fs::symlink_metadata(&path);
            let there = there.map_err(|error| Fault::new("repair", &path, error))?;
            let changed = |why| Fault::because(DiskError::Changed, "repair", &path, why);
            store.check_entry(index as usize, &there).map_err(changed)?;
        }
        store.stage = Stage::Repair;
        Ok(())
    }

    /// A repair is not to be after all.
    pub fn close_repair(&mut self, swarm: SwarmKey) {
        if let Some(store) = self.find_mut(swarm) {
            if matches!(store.stage, Stage::Repair) {
                store.stage = Stage::Final;
            }
        }
        self.files.close(swarm);
    }

    /// The place of a fetch, if it is made and every file of it was looked at.
    pub fn kept(&self, swarm: SwarmKey) -> Option<Kept> {
        let store = self.find(swarm)?;
        let is_repaired = matches!(store.stage, Stage::Repair);
        let is_final = match store.stage {
            Stage::Part { .. } | Stage::Repair => false,
            Stage::Final => true,
            _ => return None,
        };
        let look = store.as_known()?;
        Some(Kept {
            file: store.file,
            place: look.place(),
            stamp: is_final.then(|| look.stamp()),
            is_repaired,
        })
    }

    /// The swarms whose places are known.
    pub fn swarms(&self) -> impl Iterator<Item = SwarmKey> {
        self.swarms.iter().flatten().map(|store| store.swarm)
    }
}
