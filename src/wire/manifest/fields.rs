//! Parses the known keys of the info dictionary; the manifest checks that their values fit
//! together.
//!
//! Invariant: an error names the key that it is about.

use super::{Entries, Key, ManifestError};
use crate::limits::{ENTRIES_MAX, FILE_SIZE_MAX};
use crate::wire::bencode::Decoder;
use crate::wire::entries::Listing;
use crate::wire::name::{self, NameError};

/// The values of the known keys, unchecked.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) files: Option<&'a [u8]>,
    pub(super) length: Option<u64>,
    pub(super) name: Option<&'a [u8]>,
    pub(super) piece_length: Option<u64>,
    pub(super) pieces: Option<&'a [u8]>,
    /// The offset of the bytes of `pieces`.
    pub(super) pieces_at: usize,
    pub(super) version_two: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn read(info: &'a [u8]) -> Result<Fields<'a>, ManifestError> {
        let mut decoder = Decoder::new(info);
        let mut fields = Fields::default();
        let mut keys = decoder.dictionary().map_err(ManifestError::Syntax)?;
        while let Some(key) = decoder.key(&mut keys).map_err(ManifestError::Syntax)? {
            let of = |key| move |error| ManifestError::Value(key, error);
            match key {
                b"files" => fields.files = Some(decoder.skip().map_err(of(Key::Files))?),
                b"length" => fields.length = Some(decoder.unsigned().map_err(of(Key::Length))?),
                b"name" => fields.name = Some(decoder.string().map_err(of(Key::Name))?),
                b"piece length" => {
                    fields.piece_length = Some(decoder.unsigned().map_err(of(Key::PieceLength))?);
                }
                b"pieces" => {
                    let pieces = decoder.string().map_err(of(Key::Pieces))?;
                    fields.pieces_at = decoder.offset().saturating_sub(pieces.len());
                    fields.pieces = Some(pieces);
                }
                _ => {
                    fields.version_two |= key == b"file tree";
                    decoder.skip().map_err(ManifestError::Syntax)?;
                }
            }
        }
        decoder.end().map_err(ManifestError::Syntax)?;
        Ok(fields)
    }
}

/// Parses the `files` list. If it was built from `entries`, these are returned. Offsets of errors
/// count from the start of the list.
pub(super) fn read_files(files: &[u8], entries: Option<Entries>) -> Result<Entries, ManifestError> {
    let entries = match entries {
        Some(entries) => {
            each_file(files, |_, _| ())?;
            entries
        }
        None => {
            let mut listing = Listing::default();
            each_file(files, |path, size| listing.push(path, size))?;
            listing.finish().map_err(|(conflict, _)| conflict)?
        }
    };
    match entries.is_empty() {
        true => Err(ManifestError::NoEntries),
        false => Ok(entries),
    }
}

/// Calls `take` with the path and size of each file.
fn each_file(files: &[u8], mut take: impl FnMut(&str, u64)) -> Result<(), ManifestError> {
    let of_files = |error| ManifestError::Value(Key::Files, error);
    let mut decoder = Decoder::new(files);
    let (mut path, mut index, mut total) = (String::new(), 0u32, 0u64);
    decoder.list().map_err(of_files)?;
    while decoder.item().map_err(of_files)? {
        if index as usize >= ENTRIES_MAX {
            return Err(ManifestError::TooManyEntries);
        }
        path.clear();
        let size = read_file(&mut decoder, index, &mut path)?;
        // Checked here too, so that no later offset can saturate.
        total = total.saturating_add(size);
        if total > FILE_SIZE_MAX {
            return Err(ManifestError::TotalSize);
        }
        take(&path, size);
        index = index.saturating_add(1);
    }
    Ok(())
}

/// Parses one dictionary of the `files` list: returns its size and writes its path into `path`,
/// which is empty.
fn read_file(
    decoder: &mut Decoder<'_>,
    index: u32,
    path: &mut String,
) -> Result<u64, ManifestError> {
    let of_files = |error| ManifestError::Value(Key::Files, error);
    let (mut has_path, mut size) = (false, None);
    let mut keys = decoder.dictionary().map_err(of_files)?;
    while let Some(key) = decoder.key(&mut keys).map_err(of_files)? {
        match key {
            b"length" => {
                let value = decoder.unsigned();
                size = Some(value.map_err(|error| ManifestError::Value(Key::Length, error))?);
            }
            b"path" => {
                read_path(decoder, index, path)?;
                has_path = true;
            }
            _ => {
                decoder.skip().map_err(of_files)?;
            }
        }
    }
    match has_path {
        true => size.ok_or(ManifestError::Missing(Key::Length)),
        false => Err(ManifestError::Missing(Key::Path)),
    }
}

fn read_path(
    decoder: &mut Decoder<'_>,
    index: u32,
    path: &mut String,
) -> Result<(), ManifestError> {
    let of_path = |error| ManifestError::Value(Key::Path, error);
    let mut depth = 0usize;
    decoder.list().map_err(of_path)?;
    while decoder.item().map_err(of_path)? {
        let component = decoder.string().map_err(of_path)?;
        name::join(path, depth, component).map_err(|error| ManifestError::Path(index, error))?;
        depth = depth.saturating_add(1);
    }
    if depth == 0 {
        return Err(ManifestError::Path(index, NameError::NoComponent));
    }
    Ok(())
}
