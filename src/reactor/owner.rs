//! Commands of the owner: any command of the node, and those that need the disk as well.
//!
//! Invariant: nothing here deletes or changes a file.

use super::files::{self, Proof};
use super::{Error, Reactor, refused};
use crate::node::{Node, Origin, Prepared, SwarmKey};
use crate::time::Instant;
use crate::wire::Manifest;
use std::path::{Path, PathBuf};

impl Reactor {
    /// Serves `path` again, without reading it, if it is as `proof` and the manifest say; else
    /// gives the manifest back.
    ///
    /// # Errors
    /// As [`Reactor::share`], or there is a swarm of this file.
    pub fn serve_again(
        &mut self,
        path: &Path,
        manifest: Manifest,
        proof: Proof,
        origin: Origin,
    ) -> Result<Result<SwarmKey, Manifest>, Error> {
        let (walked, spec) = files::walk(path)?;
        let is_it = (spec.folder, &spec.entries) == (manifest.is_folder(), manifest.entries());
        if !is_it || walked.proof() != Some(proof) {
            return Ok(Err(manifest));
        }
        let (now, file) = (self.clock.now(), manifest.file_id());
        let swarm = self.node.serve(now, manifest, origin);
        let swarm = swarm.map_err(|why| refused(format!("share {}", path.display()), why))?;
        match origin {
            Origin::Own => self.disk.share(swarm, walked),
            Origin::Fetched => {
                self.disk.serve(swarm, walked, file);
                // The time of its last verification.
                self.note_last_verified(now, swarm, Prepared::Final);
            }
        }
        self.drain();
        Ok(Ok(swarm))
    }

    /// Runs a command of the owner on the node, and then carries out the node's outputs.
    pub fn command<T>(&mut self, command: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let result = command(&mut self.node, self.clock.now());
        // A share that is resumed may have to be hashed.
        self.is_reading = true;
        self.drain();
        result
    }

    /// The proof that a share has not changed since it was hashed.
    pub fn proof(&self, swarm: SwarmKey) -> Option<Proof> {
        self.disk.proof(swarm)
    }

    /// The path of the bytes of an unfinished fetch.
    pub fn part_path(&self, swarm: SwarmKey) -> Option<PathBuf> {
        self.disk.part_path(swarm)
    }
}

/// The proof that a file or folder is as it is now.
///
/// # Errors
/// As [`Reactor::share`].
pub fn prove(path: &Path) -> Result<Option<Proof>, Error> {
    Ok(files::walk(path)?.0.proof())
}
