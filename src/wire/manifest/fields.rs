//! The info dictionary's known keys, read as they stand; what they mean together is the manifest's
//! business.

use super::{Entry, Key, ManifestError};
use crate::limits::{ENTRIES_MAX, FILE_SIZE_MAX};
use crate::wire::bencode::Decoder;
use crate::wire::name::{self, Conflict, NameError};

/// The known values of an info dictionary, as they stand there.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) files: Option<&'a [u8]>,
    pub(super) length: Option<u64>,
    pub(super) name: Option<&'a [u8]>,
    pub(super) piece_length: Option<u64>,
    pub(super) pieces: Option<&'a [u8]>,
    /// Where the bytes of `pieces` begin.
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

/// Reads the `files` list. Offsets of its errors count from its start.
pub(super) fn read_files(files: &[u8]) -> Result<Vec<Entry>, ManifestError> {
    let of_files = |error| ManifestError::Value(Key::Files, error);
    let mut decoder = Decoder::new(files);
    let mut entries = Vec::<Entry>::new();
    decoder.list().map_err(of_files)?;
    while decoder.item().map_err(of_files)? {
        if entries.len() >= ENTRIES_MAX {
            return Err(ManifestError::TooManyEntries);
        }
        let offset = entries.last().map_or(0, Entry::end);
        let entry = read_file(&mut decoder, entries.len() as u32, offset)?;
        // Here too, so that no later offset can saturate.
        if entry.end() > FILE_SIZE_MAX {
            return Err(ManifestError::TotalSize);
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(ManifestError::NoEntries);
    }
    match name::check_paths(entries.iter().map(|entry| entry.path.as_str())) {
        Ok(()) => Ok(entries),
        Err(Conflict::Repeated(index)) => Err(ManifestError::Repeated(index as u32)),
        Err(Conflict::FileAsFolder(index)) => Err(ManifestError::FileAsFolder(index as u32)),
    }
}

/// Reads one dictionary of the `files` list.
fn read_file(decoder: &mut Decoder<'_>, index: u32, offset: u64) -> Result<Entry, ManifestError> {
    let of_files = |error| ManifestError::Value(Key::Files, error);
    let (mut path, mut size) = (None, None);
    let mut keys = decoder.dictionary().map_err(of_files)?;
    while let Some(key) = decoder.key(&mut keys).map_err(of_files)? {
        match key {
            b"length" => {
                let value = decoder.unsigned();
                size = Some(value.map_err(|error| ManifestError::Value(Key::Length, error))?);
            }
            b"path" => path = Some(read_path(decoder, index)?),
            _ => {
                decoder.skip().map_err(of_files)?;
            }
        }
    }
    let path = path.ok_or(ManifestError::Missing(Key::Path))?;
    let size = size.ok_or(ManifestError::Missing(Key::Length))?;
    Ok(Entry { path, size, offset })
}

fn read_path(decoder: &mut Decoder<'_>, index: u32) -> Result<String, ManifestError> {
    let of_path = |error| ManifestError::Value(Key::Path, error);
    let mut path = String::new();
    let mut depth = 0usize;
    decoder.list().map_err(of_path)?;
    while decoder.item().map_err(of_path)? {
        let component = decoder.string().map_err(of_path)?;
        name::join(&mut path, depth, component)
            .map_err(|error| ManifestError::Path(index, error))?;
        depth = depth.saturating_add(1);
    }
    if depth == 0 {
        return Err(ManifestError::Path(index, NameError::NoComponent));
    }
    Ok(path)
}
