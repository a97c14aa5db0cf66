//! The content that nodes of a world share: the original bytes, with which copies are compared.
//!
//! Invariant: the manifest is built here from the bytes, which checks the hashing of nodes, too.

use crate::id::FileId;
use crate::swarm::ShareSpec;
use crate::wire::{Entries, Manifest};
use sha1::{Digest, Sha1};
use std::rc::Rc;

/// A file or folder, whose bytes all disks with an unchanged copy share.
#[derive(Clone, Debug)]
pub struct Content {
    /// The manifest of the bytes.
    pub manifest: Manifest,
    /// The bytes of each entry, in the manifest's order.
    pub entries: Vec<Rc<Vec<u8>>>,
}

impl Content {
    /// Makes a folder of `entries` (path and bytes), or a single file from one entry with an empty
    /// path.
    ///
    /// # Panics
    /// When no manifest can hold it.
    pub fn new(name: &str, entries: Vec<(String, Vec<u8>)>) -> Content {
        let files = entries.iter();
        let listed = Entries::of(files.map(|(path, bytes)| (path, bytes.len() as u64)))
            .expect("the content fits a folder");
        let size = listed.total();
        let shard_size = Manifest::shard_size_for(size);
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|entry| entry.1.iter().copied())
            .collect();
        let shards = bytes.chunks(shard_size as usize);
        let hashes: Vec<u8> = shards.flat_map(Sha1::digest).collect();
        let folder = entries.iter().any(|(path, _)| !path.is_empty());
        let manifest = Manifest::build(name, folder, listed, shard_size, &hashes)
            .expect("the content fits a manifest");
        let entries = entries
            .into_iter()
            .map(|(_, bytes)| Rc::new(bytes))
            .collect();
        Content { manifest, entries }
    }

    /// The id of its manifest.
    pub fn file(&self) -> FileId {
        self.manifest.file_id()
    }

    /// The argument of a node's `share`.
    pub fn spec(&self) -> ShareSpec {
        ShareSpec {
            name: self.manifest.name().to_owned(),
            folder: self.manifest.is_folder(),
            entries: self.manifest.entries().clone(),
        }
    }
}
