//! Why bytes are not a manifest, in words for the person who shares or fetches it.

use crate::limits::{
    ENTRIES_MAX, FILE_SIZE_MAX, MANIFEST_SIZE_MAX, METAINFO_SIZE_MAX, SHARD_SIZE_MAX,
    SHARD_SIZE_MIN,
};
use crate::wire::bencode::BencodeError;
use crate::wire::name::{Conflict, NameError};
use std::fmt;

/// A key whose value is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the key that Display writes")]
pub enum Key {
    Info,
    Files,
    Length,
    Path,
    Name,
    PieceLength,
    Pieces,
}

/// Why bytes are not a manifest, or why files cannot be put into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// More than [`MANIFEST_SIZE_MAX`] bytes, or a metainfo file of more than
    /// [`METAINFO_SIZE_MAX`].
    TooLarge,
    /// Not bencoded as it must be.
    Syntax(BencodeError),
    /// The value of this key is not what it must be.
    Value(Key, BencodeError),
    /// A key that must be there is not.
    Missing(Key),
    /// Version 2 only (BEP 52), which has no hashes of shards.
    VersionTwo,
    /// Both a single file and a folder.
    LengthAndFiles,
    /// A folder without files.
    NoEntries,
    /// More than [`ENTRIES_MAX`] files.
    TooManyEntries,
    /// The shard size is no power of two, or not within [`SHARD_SIZE_MIN`] – [`SHARD_SIZE_MAX`].
    ShardSize,
    /// The sizes add up to more than [`FILE_SIZE_MAX`].
    TotalSize,
    /// Not one hash of 20 bytes for each shard.
    Hashes,
    /// The name breaks a rule.
    Name(NameError),
    /// The path of the file at this index breaks a rule.
    Path(u32, NameError),
    /// The file at this index has an earlier one's path, or has it where case does not count.
    Repeated(u32),
    /// The file at this index lies beneath another file, or another beneath it.
    FileAsFolder(u32),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Key::Info => "info",
            Key::Files => "files",
            Key::Length => "length",
            Key::Path => "path",
            Key::Name => "name",
            Key::PieceLength => "piece length",
            Key::Pieces => "pieces",
        })
    }
}

impl From<Conflict> for ManifestError {
    fn from(conflict: Conflict) -> ManifestError {
        match conflict {
            Conflict::Repeated(index) => ManifestError::Repeated(index as u32),
            Conflict::FileAsFolder(index) => ManifestError::FileAsFolder(index as u32),
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManifestError::TooLarge => write!(
                f,
                "the manifest is larger than {} MiB, or its .torrent than {} MiB",
                MANIFEST_SIZE_MAX >> 20,
                METAINFO_SIZE_MAX >> 20
            ),
            ManifestError::Syntax(error) => write!(f, "not a manifest: {error}"),
            ManifestError::Value(key, error) => write!(f, "wrong \"{key}\": {error}"),
            ManifestError::Missing(key) => write!(f, "not a manifest: it has no \"{key}\""),
            ManifestError::VersionTwo => f.write_str(
                "a BitTorrent version 2 manifest, which has no hashes that sprat can use; \
                 make it again as version 1 or hybrid",
            ),
            ManifestError::LengthAndFiles => f.write_str("both a single file and a folder"),
            ManifestError::NoEntries => f.write_str("a folder without files"),
            ManifestError::TooManyEntries => write!(f, "more than {ENTRIES_MAX} files"),
            ManifestError::ShardSize => write!(
                f,
                "the shard size is not a power of two of {} KiB to {} MiB",
                SHARD_SIZE_MIN >> 10,
                SHARD_SIZE_MAX >> 20
            ),
            ManifestError::TotalSize => write!(f, "more than {} TiB", FILE_SIZE_MAX >> 40),
            ManifestError::Hashes => f.write_str("not one hash for each shard"),
            ManifestError::Name(error) => write!(f, "wrong name: {error}"),
            ManifestError::Path(index, error) => write!(f, "wrong path of file {index}: {error}"),
            ManifestError::Repeated(index) => write!(
                f,
                "file {index} has the path of another (upper and lower case count as the same)"
            ),
            ManifestError::FileAsFolder(index) => {
                write!(
                    f,
                    "file {index} and another are file and folder of the same name"
                )
            }
        }
    }
}

impl std::error::Error for ManifestError {}
