//! The manifest of a file or folder: its names, sizes and shard hashes.
//!
//! It is the bencoded `info` dictionary of a [metainfo](super::metainfo) file (BEP 3, version 1),
//! so any program's `.torrent` contains one, and its file id, the SHA-1 of its exact bytes, is the
//! infohash:
//!
//! ```text
//! d
//!   5:files  l d 6:length i<bytes>e 4:path l <name> ... e e ... e    a folder: its files, in order
//!   6:length i<bytes>e                                              a single file: its size
//!   4:name   <name>
//!   12:piece length i<shard size>e
//!   6:pieces <SHA-1 of each shard, 20 bytes each>
//! e
//! ```
//!
//! The bytes of all files in order are cut into shards; only the last may be shorter. Unknown keys
//! are kept, because the id covers them, and ignored: padding files (BEP 47) are ordinary files,
//! and version 2 (BEP 52) is accepted only together with version 1.
//!
//! Invariant: a `Manifest` keeps every bound of `limits` and every rule of [`name`], and its sizes
//! and hashes fit together. It holds the bytes once, the hashes are slices of them, and the list of
//! files stands beside them.

mod error;
mod fields;

pub use error::{Key, ManifestError};

use super::Entries;
use super::bencode::Encoder;
use super::entries;
use super::name;
use crate::id::{FileId, Id};
use crate::limits::{
    FILE_SIZE_MAX, MANIFEST_SIZE_MAX, SHARD_COUNT_CHOSEN_MAX, SHARD_SIZE_CHOSEN_MIN,
    SHARD_SIZE_MAX, SHARD_SIZE_MIN,
};
use fields::Fields;
use sha1::{Digest, Sha1};
use std::fmt;

/// Bytes of a shard's hash, a SHA-1.
pub const HASH_SIZE: usize = 20;

/// The names, sizes and shard hashes of a file or folder.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    bytes: Box<[u8]>,
    file: FileId,
    name: String,
    folder: bool,
    entries: Entries,
    shard_size: u32,
    shard_count: u32,
    /// The offset of the hashes in `bytes`.
    hashes_at: usize,
}

/// Consecutive bytes of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index of the file in [`Manifest::entries`].
    pub entry: u32,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Bytes of the range, at least 1.
    pub length: u32,
}

impl Manifest {
    /// Parses a manifest, which takes up all of `info`.
    ///
    /// # Errors
    /// The first error.
    pub fn parse(info: &[u8]) -> Result<Manifest, ManifestError> {
        if info.len() > MANIFEST_SIZE_MAX {
            return Err(ManifestError::TooLarge);
        }
        Manifest::take(info.to_vec())
    }

    /// As [`Manifest::parse`], and keeps the buffer for the manifest.
    ///
    /// # Errors
    /// The first error.
    pub fn take(info: Vec<u8>) -> Result<Manifest, ManifestError> {
        Manifest::read(info, None)
    }

    /// Parses a manifest; `entries` are its files if it was built from them.
    fn read(info: Vec<u8>, entries: Option<Entries>) -> Result<Manifest, ManifestError> {
        if info.len() > MANIFEST_SIZE_MAX {
            return Err(ManifestError::TooLarge);
        }
        let fields = Fields::read(&info)?;
        let Some(pieces) = fields.pieces else {
            let missing = ManifestError::Missing(Key::Pieces);
            return Err(if fields.version_two {
                ManifestError::VersionTwo
            } else {
                missing
            });
        };
        let name = fields.name.ok_or(ManifestError::Missing(Key::Name))?;
        let name = name::parse(name).map_err(ManifestError::Name)?.to_owned();
        let shard_size = fields
            .piece_length
            .ok_or(ManifestError::Missing(Key::PieceLength))?;
        let shard_size = u32::try_from(shard_size).map_err(|_| ManifestError::ShardSize)?;
        if !shard_size.is_power_of_two() || !(SHARD_SIZE_MIN..=SHARD_SIZE_MAX).contains(&shard_size)
        {
            return Err(ManifestError::ShardSize);
        }
        let (folder, entries) = match (fields.length, fields.files) {
            (Some(size), None) => (false, Entries::single(size)),
            (None, Some(files)) => (true, fields::read_files(files, entries)?),
            (Some(_), Some(_)) => return Err(ManifestError::LengthAndFiles),
            (None, None) => return Err(ManifestError::Missing(Key::Length)),
        };
        let size = entries.total();
        if size > FILE_SIZE_MAX {
            return Err(ManifestError::TotalSize);
        }
        let shard_count = size.div_ceil(u64::from(shard_size));
        let hashes_size = shard_count.checked_mul(HASH_SIZE as u64);
        if hashes_size != Some(pieces.len() as u64) {
            return Err(ManifestError::Hashes);
        }
        Ok(Manifest {
            file: FileId(Id(Sha1::digest(&info).into())),
            name,
            folder,
            entries,
            shard_size,
            // Its hashes fit the limit of the bytes.
            shard_count: shard_count as u32,
            hashes_at: fields.pieces_at,
            bytes: info.into(),
        })
    }

    /// Builds the manifest of files whose shards are hashed.
    ///
    /// `entries` are in the order in which their bytes were hashed. Without `folder` there is
    /// exactly one. `shard_hashes` has 20 bytes for each shard of `shard_size` bytes.
    ///
    /// # Errors
    /// The first error that [`Manifest::parse`] would find.
    pub fn build(
        name: &str,
        folder: bool,
        entries: Entries,
        shard_size: u32,
        shard_hashes: &[u8],
    ) -> Result<Manifest, ManifestError> {
        let info = Manifest::encode(name, folder, &entries, shard_size, shard_hashes);
        Manifest::read(info, Some(entries))
    }

    /// The bytes of the manifest that [`Manifest::build`] checks.
    fn encode(
        name: &str,
        folder: bool,
        entries: &Entries,
        shard_size: u32,
        shard_hashes: &[u8],
    ) -> Vec<u8> {
        // Enough for most. Pages that are never written to cost nothing, and the rest is freed.
        let size = entries.len().saturating_mul(128).saturating_add(512);
        let mut encoder = Encoder::with_capacity(size.saturating_add(shard_hashes.len()));
        encoder.dictionary();
        if folder {
            encoder.string(b"files");
            encoder.list();
            for entry in entries.iter() {
                encoder.dictionary();
                encoder.string(b"length");
                encoder.unsigned(entry.size);
                encoder.string(b"path");
                encoder.list();
                let path = entries.path(entry.index);
                path.split('/')
                    .for_each(|name| encoder.string(name.as_bytes()));
                encoder.end();
                encoder.end();
            }
            encoder.end();
        } else {
            assert!(entries.len() == 1, "a single file is one entry");
            encoder.string(b"length");
            encoder.unsigned(entries.total());
        }
        encoder.string(b"name");
        encoder.string(name.as_bytes());
        encoder.string(b"piece length");
        encoder.unsigned(u64::from(shard_size));
        encoder.string(b"pieces");
        encoder.string(shard_hashes);
        encoder.end();
        encoder.finish()
    }

    /// The shard size in bytes for a new manifest of `total` bytes: the smallest that makes at most
    /// [`SHARD_COUNT_CHOSEN_MAX`] shards. Receivers pass smaller shards on sooner; larger shards
    /// take fewer hashes and requests.
    pub fn shard_size_for(total: u64) -> u32 {
        let mut size = SHARD_SIZE_CHOSEN_MIN;
        while size < SHARD_SIZE_MAX && total.div_ceil(u64::from(size)) > SHARD_COUNT_CHOSEN_MAX {
            size = size.saturating_mul(2);
        }
        size
    }

    /// The SHA-1 of the manifest's bytes.
    pub fn file_id(&self) -> FileId {
        self.file
    }

    /// The manifest's bytes, exactly as parsed or built.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The name of the file or folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it describes a folder, not a single file.
    pub fn is_folder(&self) -> bool {
        self.folder
    }

    /// Bytes of all files together.
    pub fn size(&self) -> u64 {
        self.entries.total()
    }

    /// Bytes of every shard but the last.
    pub fn shard_size(&self) -> u32 {
        self.shard_size
    }

    /// The number of shards; 0 for an empty file.
    pub fn shard_count(&self) -> u32 {
        self.shard_count
    }

    /// The files in the order of their bytes: at least one.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Bytes of one shard; 0 for one that does not exist.
    pub fn shard_length(&self, shard: u32) -> u32 {
        let left = self.size().saturating_sub(self.shard_offset(shard));
        // At most the shard size, which fits.
        left.min(u64::from(self.shard_size)) as u32
    }

    /// Bytes of the shards before this one.
    fn shard_offset(&self, shard: u32) -> u64 {
        u64::from(shard).saturating_mul(u64::from(self.shard_size))
    }

    /// The SHA-1 of the shard with this index.
    ///
    /// # Panics
    /// When the shard does not exist.
    #[allow(clippy::expect_used, reason = "a wrong index is a bug of the caller")]
    pub fn shard_hash(&self, shard: u32) -> &[u8; HASH_SIZE] {
        assert!(shard < self.shard_count, "no shard {shard}");
        let offset = (shard as usize).saturating_mul(HASH_SIZE);
        let hashes = self.bytes.get(self.hashes_at.saturating_add(offset)..);
        hashes
            .and_then(|hashes| hashes.first_chunk())
            .expect("a hash for each shard")
    }

    /// Maps `length` bytes at `offset` of a shard to byte ranges of files, in order. It leaves out
    /// the bytes beyond the end of the shard, and empty files.
    pub fn segments(&self, shard: u32, offset: u32, length: u32) -> Segments<'_> {
        let last = offset.saturating_add(length).min(self.shard_length(shard));
        let start = self.shard_offset(shard).saturating_add(u64::from(offset));
        let end = self.shard_offset(shard).saturating_add(u64::from(last));
        Segments {
            entries: self.entries.iter_from(start),
            start,
            end,
        }
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("file", &self.file)
            .field("name", &self.name)
            .field("folder", &self.folder)
            .field("size", &self.size())
            .field("shard_size", &self.shard_size)
            .field("entries", &self.entries())
            .finish_non_exhaustive()
    }
}

/// An iterator over the segments of a range: see [`Manifest::segments`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    entries: entries::Iter<'a>,
    start: u64,
    end: u64,
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        while self.start < self.end {
            let entry = self.entries.next()?;
            let offset = self.start.saturating_sub(entry.offset);
            let length = entry.end().min(self.end).saturating_sub(self.start);
            self.start = self.start.saturating_add(length);
            if length > 0 {
                return Some(Segment {
                    entry: entry.index,
                    offset,
                    // Within a shard: it fits.
                    length: length as u32,
                });
            }
        }
        None
    }
}
