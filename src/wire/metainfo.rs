//! The metainfo file (BEP 3), a `.torrent`: a bencoded dictionary with the manifest under `info`.
//!
//! ```text
//! d 8:announce <tracker> ... 4:info <manifest> ... e
//! ```
//!
//! Invariant: the bytes of the manifest are taken exactly as they stand, because the file id covers
//! them. All keys around it are skipped.

use super::bencode::Decoder;
use super::manifest::{Key, Manifest, ManifestError};
use crate::limits::METAINFO_SIZE_MAX;
use std::ops::Range;

impl Manifest {
    /// Parses the manifest in a metainfo file and skips all other keys.
    ///
    /// # Errors
    /// The first error; offsets within the manifest count from its start.
    pub fn from_metainfo(metainfo: &[u8]) -> Result<Manifest, ManifestError> {
        let info = Manifest::find_info(metainfo)?;
        Manifest::parse(metainfo.get(info).unwrap_or_default())
    }

    /// As [`Manifest::from_metainfo`], and keeps the buffer for the manifest.
    ///
    /// # Errors
    /// As [`Manifest::from_metainfo`].
    pub fn take_metainfo(mut metainfo: Vec<u8>) -> Result<Manifest, ManifestError> {
        let info = Manifest::find_info(&metainfo)?;
        metainfo.truncate(info.end);
        metainfo.drain(..info.start);
        Manifest::take(metainfo)
    }

    /// The range of a metainfo file that is its manifest.
    fn find_info(metainfo: &[u8]) -> Result<Range<usize>, ManifestError> {
        if metainfo.len() > METAINFO_SIZE_MAX {
            return Err(ManifestError::TooLarge);
        }
        let mut decoder = Decoder::new(metainfo);
        let mut info = None;
        let mut keys = decoder.dictionary().map_err(ManifestError::Syntax)?;
        while let Some(key) = decoder.key(&mut keys).map_err(ManifestError::Syntax)? {
            let start = decoder.offset();
            decoder.skip().map_err(ManifestError::Syntax)?;
            if key == b"info" {
                info = Some(start..decoder.offset());
            }
        }
        decoder.end().map_err(ManifestError::Syntax)?;
        info.ok_or(ManifestError::Missing(Key::Info))
    }

    /// Emits the metainfo file with this manifest and no other key: the bytes before the manifest,
    /// the manifest, and the bytes after it.
    pub fn metainfo(&self) -> [&[u8]; 3] {
        [b"d4:info", self.bytes(), b"e"]
    }
}
