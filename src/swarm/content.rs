//! The file of a swarm: its id, its manifest, and where it comes from.

use crate::id::FileId;
use crate::output::{Origin, StreamKey};
use crate::wire::{Entries, Manifest};

/// A file or folder to be shared, as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareSpec {
    /// The name of the file or folder.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Its files, in the manifest's order; for a single file one with an empty path.
    pub entries: Entries,
}

/// Files on disk that are being verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An unfinished fetch.
    Partial,
    /// A file under the final name.
    Final,
    /// A file under the final name that this node has put there and nobody else has touched since;
    /// until it is complete.
    Kept,
}

/// A manifest that is being fetched.
#[derive(Default)]
pub struct ManifestFetch {
    /// The parts that have come.
    pub parts: Vec<u8>,
    /// The stream that sends them.
    pub source: Option<StreamKey>,
}

pub struct Content {
    /// Unknown while a share is hashed.
    pub file: Option<FileId>,
    pub manifest: Option<Manifest>,
    pub origin: Origin,
    /// The share that is being hashed, and its hashes so far, 20 bytes each.
    pub share: Option<Box<ShareSpec>>,
    pub hashes: Vec<u8>,
    pub found: Found,
}

impl Content {
    pub fn shared(share: ShareSpec) -> Content {
        Content {
            file: None,
            manifest: None,
            origin: Origin::Own,
            share: Some(Box::new(share)),
            hashes: Vec::new(),
            found: Found::Partial,
        }
    }

    pub fn fetched(file: FileId) -> Content {
        Content {
            file: Some(file),
            manifest: None,
            origin: Origin::Fetched,
            share: None,
            hashes: Vec::new(),
            found: Found::Partial,
        }
    }

    /// Shards of the file; 0 while the manifest is unknown.
    pub fn shard_count(&self) -> u32 {
        self.manifest.as_ref().map_or(0, Manifest::shard_count)
    }

    /// Bytes of a shard; 0 while the manifest is unknown.
    pub fn shard_length(&self, shard: u32) -> u32 {
        let manifest = self.manifest.as_ref();
        manifest.map_or(0, |manifest| manifest.shard_length(shard))
    }

    /// Bytes of the file; 0 while unknown.
    pub fn size(&self) -> u64 {
        match (&self.manifest, &self.share) {
            (Some(manifest), _) => manifest.size(),
            (None, Some(share)) => share.entries.total(),
            (None, None) => 0,
        }
    }

    /// Bytes of an entry, of a manifest or of a share that is to get one.
    pub fn entry_size(&self, entry: u32) -> u64 {
        let entries = match (&self.manifest, &self.share) {
            (Some(manifest), _) => manifest.entries(),
            (None, Some(share)) => &share.entries,
            (None, None) => return 0,
        };
        entries.at(entry).size
    }
}
