//! The errors of a manifest, with messages for the person who shares or fetches the file.

use crate::limits::{
    ENTRIES_MAX, FILE_SIZE_MAX, MANIFEST_SIZE_MAX, METAINFO_SIZE_MAX, SHARD_SIZE_MAX,
    SHARD_SIZE_MIN,
};
use crate::wire::bencode::BencodeError;
use crate::wire::name::{Conflict, NameError};
use std::fmt;

/// A key whose value is parsed.
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

/// The first error of a manifest that is parsed or built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// The manifest has more than [`MANIFEST_SIZE_MAX`] bytes, or its metainfo file more than
    /// [`METAINFO_SIZE_MAX`].
    TooLarge,
    /// The bencoding of the manifest is wrong.
    Syntax(BencodeError),
    /// The value of this key has the wrong type or range.
    Value(Key, BencodeError),
    /// A required key is missing.
    Missing(Key),
    /// The manifest is of version 2 only (BEP 52), which has no hashes of shards.
    VersionTwo,
    /// It describes both a single file and a folder.
    LengthAndFiles,
    /// The folder has no files.
    NoEntries,
    /// The folder has more than [`ENTRIES_MAX`] files.
    TooManyEntries,
    /// The shard size is no power of two from [`SHARD_SIZE_MIN`] to [`SHARD_SIZE_MAX`].
    ShardSize,
    /// The sizes add up to more than [`FILE_SIZE_MAX`].
    TotalSize,
    /// There is not one hash of 20 bytes for each shard.
    Hashes,
    /// The name breaks a rule.
    Name(NameError),
    /// The path of the file at this index breaks a rule.
    Path(u32, NameError),
    /// The path of the file at this index equals an earlier one, ignoring case.
    Repeated(u32),
    /// The file at this index lies below another file, or another below it.
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
