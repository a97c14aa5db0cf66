//! The catalog: the jobs of a service across restarts, in the file `service` of the state folder.
//!
//! ```text
//!  0           8   9       11                   end - 4
//! +-----------+---+-------+-------------------+--------+
//! | sprat-sv  | 1 | count | count × entry     | CRC-32 |  of all before
//! +-----------+---+-------+-------------------+--------+
//!  magic      version
//!
//!  entry
//!  0      1       2         22      42     44                  then
//! +------+-------+---------+-------+------+------------------+---+---------------+
//! | kind | flags | file id | proof | size | path, size bytes | n | n × (IP, port) |
//! +------+-------+---------+-------+------+------------------+---+---------------+
//!  kind   1 share   2 fetch into a folder   3 fetch to a path   4 fetched, and served since
//!  flags  1 paused   2 the file id is known   4 the proof is known   8 found in a drop folder
//! ```
//!
//! Numbers are big-endian, paths absolute, unknown values zeros, and only fetches (2, 3) have
//! providers. The catalog before is kept as `service.old`, and loaded, with a warning, when
//! `service` is damaged. It is written with `replace`, so a power cut leaves one of them whole.
//! Invariants: a parsed catalog emits the bytes that it came from; a catalog of a newer version
//! stays as it is.

use super::state_dir::StateDir;
use crate::envelope::{Envelope, EnvelopeError, OVERHEAD};
use crate::id::{FileId, ID_SIZE, Id};
use crate::limits::{LINK_PROVIDERS_MAX, PATH_SIZE_MAX, SWARMS_MAX};
use crate::reactor::state_file::{read, read_sealed, replace};
use crate::reactor::{Error, OutputPath, Proof};
use crate::wire::address;
use crate::wire::reader::{Reader, Writer};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The envelope of a catalog.
pub const FORMAT: Envelope = Envelope {
    magic: b"sprat-sv",
    version: 1,
};
const COUNT_SIZE: usize = 2;
const PROVIDER_SIZE: usize = 18;
/// Bytes of an entry without its path and its providers.
const ENTRY_SIZE: usize = 2 + 2 * ID_SIZE + 2 + 1;
const ENTRY_SIZE_MAX: usize = ENTRY_SIZE + PATH_SIZE_MAX + LINK_PROVIDERS_MAX * PROVIDER_SIZE;
/// Bytes of the longest catalog.
pub const CATALOG_SIZE_MAX: usize = OVERHEAD + COUNT_SIZE + SWARMS_MAX * ENTRY_SIZE_MAX;

pub(super) const NAME: &str = "service";
const OLD_NAME: &str = "service.old";

const PAUSED: u8 = 1;
const HAS_FILE: u8 = 2;
const HAS_PROOF: u8 = 4;
const FROM_FOLDER: u8 = 8;

/// The work of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Shared from where it lies.
    Share(PathBuf),
    /// A fetch that is not complete yet.
    Fetch {
        /// The file or folder to write.
        output: OutputPath,
        /// Providers to try first.
        providers: Vec<SocketAddr>,
    },
    /// Fetched, complete, and served from there.
    Fetched(PathBuf),
}

/// One file or folder that a service was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Shares, fetches, or serves.
    pub work: Work,
    /// Its id, once known.
    pub file: Option<FileId>,
    /// Proves that it is as it was when it was hashed.
    pub proof: Option<Proof>,
    /// Its owner has paused it.
    pub is_paused: bool,
    /// It was found in a drop folder.
    pub is_from_folder: bool,
}

impl CatalogEntry {
    /// An entry of which nothing else is known.
    pub fn new(work: Work) -> CatalogEntry {
        CatalogEntry {
            work,
            file: None,
            proof: None,
            is_paused: false,
            is_from_folder: false,
        }
    }
}

/// Why bytes are no catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogError {
    /// They are damaged, of another format, or of a newer version.
    Envelope(EnvelopeError),
    /// More entries than a node has swarms.
    Count,
    /// An entry is cut off.
    Entry,
    /// An entry has an unknown kind.
    Kind,
    /// An entry has an unknown flag, or one that its kind does not have.
    Flags,
    /// A field that its flag declares unknown is not zero.
    Unknown,
    /// A path is not absolute, empty, or too long.
    Path,
    /// A provider that no node can be, or too many.
    Providers,
    /// Bytes follow the entries.
    Trailing,
}

/// The bytes of a catalog of at most [`SWARMS_MAX`] entries.
pub fn emit(entries: &[CatalogEntry]) -> Vec<u8> {
    let entries = &entries[..entries.len().min(SWARMS_MAX)];
    let size: usize = entries.iter().map(entry_size).sum();
    FORMAT.seal(COUNT_SIZE + size, |body| {
        let mut writer = Writer::new(body);
        writer.u16(entries.len() as u16);
        entries
            .iter()
            .for_each(|entry| write_entry(&mut writer, entry));
    })
}

fn write_entry(writer: &mut Writer<'_>, entry: &CatalogEntry) {
    let (kind, path, providers) = parts(&entry.work);
    let flags = [
        (entry.is_paused, PAUSED),
        (entry.file.is_some(), HAS_FILE),
        (entry.proof.is_some(), HAS_PROOF),
        (entry.is_from_folder, FROM_FOLDER),
    ];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set);
    writer.u8(kind);
    writer.u8(flags.fold(0, |flags, (_, flag)| flags | flag));
    writer.put(&entry.file.unwrap_or_default().0.0);
    writer.put(&entry.proof.map_or([0; ID_SIZE], |proof| proof.0));
    writer.u16(path.as_os_str().len() as u16);
    writer.put(path.as_os_str().as_bytes());
    writer.u8(providers.len() as u8);
    providers
        .iter()
        .for_each(|&provider| address::write(writer, provider));
}

fn entry_size(entry: &CatalogEntry) -> usize {
    let (_, path, providers) = parts(&entry.work);
    ENTRY_SIZE + path.as_os_str().len() + providers.len() * PROVIDER_SIZE
}

fn parts(work: &Work) -> (u8, &Path, &[SocketAddr]) {
    match work {
        Work::Share(path) => (1, path, &[]),
        Work::Fetch { output, providers } => {
            let providers = &providers[..providers.len().min(LINK_PROVIDERS_MAX)];
            match output {
                OutputPath::In(folder) => (2, folder, providers),
                OutputPath::Named(path) => (3, path, providers),
            }
        }
        Work::Fetched(path) => (4, path, &[]),
    }
}

/// The entries of a catalog.
///
/// # Errors
/// See [`CatalogError`].
pub fn parse(bytes: &[u8]) -> Result<Vec<CatalogEntry>, CatalogError> {
    let body = FORMAT.open(bytes).map_err(CatalogError::Envelope)?;
    let mut reader = Reader::new(body);
    let count = usize::from(reader.u16(CatalogError::Entry)?);
    if count > SWARMS_MAX {
        return Err(CatalogError::Count);
    }
    let entries = (0..count).map(|_| parse_entry(&mut reader));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    reader.end(CatalogError::Trailing)?;
    Ok(entries)
}

fn parse_entry(reader: &mut Reader<'_>) -> Result<CatalogEntry, CatalogError> {
    use CatalogError as Wrong;
    let kind = reader.u8(Wrong::Entry)?;
    let flags = reader.u8(Wrong::Entry)?;
    let has = |flag: u8| flags & flag != 0;
    let known = |bytes: [u8; ID_SIZE], flag: u8| match (has(flag), bytes == [0; ID_SIZE]) {
        (true, _) => Ok(Some(bytes)),
        (false, true) => Ok(None),
        (false, false) => Err(Wrong::Unknown),
    };
    let file = known(reader.array(Wrong::Entry)?, HAS_FILE)?;
    let proof = known(reader.array(Wrong::Entry)?, HAS_PROOF)?;
    let size = usize::from(reader.u16(Wrong::Entry)?);
    let path = Path::new(OsStr::from_bytes(reader.bytes(size, Wrong::Entry)?)).to_owned();
    if !path.is_absolute() || size > PATH_SIZE_MAX {
        return Err(Wrong::Path);
    }
    let count = usize::from(reader.u8(Wrong::Entry)?);
    let providers = (0..count).map(|_| address::read(reader, Wrong::Providers));
    let providers = providers.collect::<Result<Vec<_>, _>>()?;
    let has_too_many = match kind {
        2 | 3 => count > LINK_PROVIDERS_MAX,
        _ => count > 0,
    };
    let work = match kind {
        1 => Work::Share(path),
        2 => Work::Fetch {
            output: OutputPath::In(path),
            providers,
        },
        3 => Work::Fetch {
            output: OutputPath::Named(path),
            providers,
        },
        4 => Work::Fetched(path),
        _ => return Err(Wrong::Kind),
    };
    if has_too_many {
        return Err(Wrong::Providers);
    }
    let is_possible = kind == 1 || has(HAS_FILE) && !has(FROM_FOLDER);
    if flags & !(PAUSED | HAS_FILE | HAS_PROOF | FROM_FOLDER) != 0 || !is_possible {
        return Err(Wrong::Flags);
    }
    Ok(CatalogEntry {
        work,
        file: file.map(|bytes| FileId(Id(bytes))),
        proof: proof.map(Proof),
        is_paused: has(PAUSED),
        is_from_folder: has(FROM_FOLDER),
    })
}

impl StateDir {
    /// Loads the catalog that was saved last.
    ///
    /// # Errors
    /// When it cannot be read, or was written by a newer version.
    pub fn load_catalog(&self) -> Result<Vec<CatalogEntry>, Error> {
        for name in [NAME, OLD_NAME] {
            let path = self.path().join(name);
            let bytes = read_sealed(&path, CATALOG_SIZE_MAX, &FORMAT)?;
            match bytes.as_deref().map(parse) {
                Some(Ok(entries)) => return Ok(entries),
                Some(Err(_)) => log::warn!(
                    "{} is damaged: what was added last may be forgotten (see sprat ls)",
                    path.display()
                ),
                None => {}
            }
        }
        Ok(Vec::new())
    }

    /// Saves the catalog. It waits for the disk.
    ///
    /// # Errors
    /// When it cannot be written; the one before stands then.
    pub fn save_catalog(&self, entries: &[CatalogEntry]) -> Result<(), Error> {
        let path = self.path().join(NAME);
        // A damaged catalog must not replace a whole one.
        let is_good = read(&path, CATALOG_SIZE_MAX as u64).is_ok_and(|bytes| parse(&bytes).is_ok());
        if is_good {
            let old = self.path().join(OLD_NAME);
            let unless = |error: io::Error, expected: &[ErrorKind]| match error.kind() {
                kind if expected.contains(&kind) => Ok(()),
                _ => Err(error),
            };
            // Some file systems have no second names; they have no older catalog then.
            let linkless = [ErrorKind::PermissionDenied, ErrorKind::Unsupported];
            fs::remove_file(&old)
                .or_else(|error| unless(error, &[ErrorKind::NotFound]))
                // Its name stays until the new one takes it.
                .and_then(|()| fs::hard_link(&path, &old).or_else(|error| unless(error, &linkless)))
                .map_err(|error| {
                    Error::new(format!("keep {} as {OLD_NAME}", path.display()), error)
                })?;
        }
        replace(self.path(), NAME, &[&emit(entries)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::state_file::NEWER;

    fn entries() -> Vec<CatalogEntry> {
        let share = CatalogEntry {
            work: Work::Share("/srv/a b".into()),
            file: None,
            proof: None,
            is_paused: false,
            is_from_folder: true,
        };
        let fetch = CatalogEntry {
            work: Work::Fetch {
                output: OutputPath::In("/srv/files".into()),
                providers: vec!["192.0.2.7:4160".parse().unwrap()],
            },
            file: Some(FileId(Id([7; 20]))),
            is_paused: true,
            is_from_folder: false,
            ..share.clone()
        };
        let fetched = CatalogEntry {
            work: Work::Fetched("/srv/files/x".into()),
            proof: Some(Proof([9; 20])),
            is_paused: false,
            ..fetch.clone()
        };
        vec![share, fetch, fetched]
    }

    #[test]
    fn any_damage_leaves_what_was_kept_before() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path()).unwrap();
        assert_eq!(state.load_catalog().unwrap(), []);
        state.save_catalog(&entries()[..1]).unwrap();
        state.save_catalog(&entries()).unwrap();
        assert_eq!(state.load_catalog().unwrap(), entries());
        let path = base.path().join(NAME);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            for bad in [&bad[..], &good[..at]] {
                fs::write(&path, bad).unwrap();
                assert_eq!(state.load_catalog().unwrap(), entries()[..1], "byte {at}");
            }
        }
        fs::write(&path, [&good[..], &[0]].concat()).unwrap();
        assert_eq!(state.load_catalog().unwrap(), entries()[..1]);
        // A damaged catalog does not replace `service.old`.
        state.save_catalog(&entries()[..2]).unwrap();
        assert_eq!(state.load_catalog().unwrap(), entries()[..2]);
        fs::remove_file(&path).unwrap();
        assert_eq!(state.load_catalog().unwrap(), entries()[..1]);
        fs::remove_file(base.path().join(OLD_NAME)).unwrap();
        assert_eq!(state.load_catalog().unwrap(), []);
    }

    #[test]
    fn a_newer_catalog_is_refused_and_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path()).unwrap();
        let mut newer = b"sprat-sv\x02whatever they may put there".to_vec();
        newer.extend(crc32fast::hash(&newer).to_be_bytes());
        fs::write(base.path().join(NAME), &newer).unwrap();
        let error = state.load_catalog().unwrap_err().to_string();
        assert!(error.ends_with(NEWER), "{error}");
        assert_eq!(fs::read(base.path().join(NAME)).unwrap(), newer);
    }

    #[test]
    fn as_much_as_a_node_takes_fits() {
        let digits = PATH_SIZE_MAX - 1;
        let item = |index: usize| CatalogEntry {
            work: Work::Share(format!("/{index:0>digits$}").into()),
            ..entries().swap_remove(0)
        };
        let all: Vec<_> = (0..SWARMS_MAX).map(item).collect();
        let bytes = emit(&all);
        assert!(bytes.len() <= CATALOG_SIZE_MAX);
        assert_eq!(parse(&bytes).unwrap(), all);
    }
}
