//! What the owner of a service asks of it beside sharing and fetching.
//!
//! Thin: each is the node's own command, and what the disk has to do for it. Invariant: nothing here
//! deletes or changes a file.

use super::files::{self, Proof};
use super::{Error, Reactor, refused};
use crate::id::FileId;
use crate::node::{Origin, Prepared, SwarmKey};
use crate::wire::Manifest;
use std::net::SocketAddr;
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
                self.recall(now, swarm, Prepared::Final);
            }
        }
        self.settle();
        Ok(Ok(swarm))
    }

    /// Ends a swarm; what is on the disk stays. `Event::Failed` follows.
    pub fn remove(&mut self, swarm: SwarmKey) {
        self.node.remove(self.clock.now(), swarm);
        self.settle();
    }

    /// Holds a swarm still until [`Reactor::resume`].
    pub fn suspend(&mut self, swarm: SwarmKey) {
        self.node.suspend(self.clock.now(), swarm);
        self.settle();
    }

    /// Lets a swarm go on that was suspended.
    pub fn resume(&mut self, swarm: SwarmKey) {
        self.node.resume(self.clock.now(), swarm);
        // It may have been hashing.
        self.reading = true;
        self.settle();
    }

    /// Asks whether a node is at `address`: `Event::Pinged` follows. False: no node can be there, or
    /// too many requests wait.
    pub fn ping(&mut self, address: SocketAddr) -> bool {
        let is_asked = self.node.ping(self.clock.now(), address);
        self.settle();
        is_asked
    }

    /// Looks for the providers of a file: `Event::Lookup` follows. False: there is nobody to ask, or
    /// too many lookups wait.
    pub fn look_up(&mut self, file: FileId) -> bool {
        let is_asked = self.node.look_up(self.clock.now(), file);
        self.settle();
        is_asked
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
