//! What the owner of a service asks of it beside sharing and fetching.
//!
//! Thin: each is the node's own command, and what the disk has to do for it. Invariant: nothing here
//! deletes or changes a file.

use super::files::{self, Proof};
use super::{Error, Reactor, refused};
use crate::node::{Node, Origin, Prepared, SwarmKey};
use crate::time::Instant;
use crate::wire::Manifest;
use std::path::{Path, PathBuf};

impl Reactor {
    /// Serves again what lies at `path`, without reading it, if it is what `proof` was made of and what the
    /// manifest lists; else gives the manifest back.
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
                // When it was read through last.
                self.note_last_verified(now, swarm, Prepared::Final);
            }
        }
        self.drain();
        Ok(Ok(swarm))
    }

    /// Runs a command of the owner's on the node, and does what the node asks for then.
    pub fn command<T>(&mut self, command: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let result = command(&mut self.node, self.clock.now());
        // A share may go on that was being hashed.
        self.is_reading = true;
        self.drain();
        result
    }

    /// What proves later that a share is as it was when it was hashed.
    pub fn proof(&self, swarm: SwarmKey) -> Option<Proof> {
        self.disk.proof(swarm)
    }

    /// Where the bytes of an unfinished fetch are.
    pub fn part_path(&self, swarm: SwarmKey) -> Option<PathBuf> {
        self.disk.part_path(swarm)
    }
}

/// What proves later that a file or folder is as it is now.
///
/// # Errors
/// As [`Reactor::share`].
pub fn prove(path: &Path) -> Result<Option<Proof>, Error> {
    Ok(files::walk(path)?.0.proof())
}
