//! What a service was given to do, across restarts: the file `service` in the state folder.
//!
//! ```text
//!  0           8   9       11                   end - 4
//! +-----------+---+-------+-------------------+--------+
//! | sprat-sv  | 1 | count | count × item      | CRC-32 |  of all before
//! +-----------+---+-------+-------------------+--------+
//!  magic      version
//!
//!  item
//!  0      1       2         22      42     44                  then
//! +------+-------+---------+-------+------+------------------+---+---------------+
//! | kind | flags | file id | proof | size | path, size bytes | n | n × (IP, port) |
//! +------+-------+---------+-------+------+------------------+---+---------------+
//!  kind   1 share   2 fetch into a folder   3 fetch to a path   4 fetched, and served since
//!  flags  1 paused   2 the file id is known   4 the proof is known   8 found in a drop folder
//! ```
//!
//! Numbers are big-endian, paths absolute, what is not known is zeros, and only fetches (2, 3) have
//! providers. The file before is kept as `service.old`: when `service` is damaged, what that says is
//! taken, with a warning. Written with `replace`, so a power cut leaves one of them whole. Invariants:
//! what was parsed emits the bytes that it came from; what a newer version wrote stays as it is.

use super::state_dir::StateDir;
use crate::id::{FileId, ID_SIZE, Id};
use crate::limits::{LINK_PROVIDERS_MAX, PATH_SIZE_MAX, SWARMS_MAX};
use crate::reactor::state_file::{NEWER, read, replace};
use crate::reactor::{Error, OutputPath, Proof};
use crate::wire::address;
use crate::wire::reader::{Reader, Writer};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"sprat-sv";
const VERSION: u8 = 1;
const HEAD_SIZE: usize = MAGIC.len() + 1 + 2;
const CRC_SIZE: usize = 4;
const LOCATION_SIZE: usize = 18;
const ITEM_SIZE_MAX: usize =
    2 + 2 * ID_SIZE + 2 + PATH_SIZE_MAX + 1 + LINK_PROVIDERS_MAX * LOCATION_SIZE;
/// Bytes of the longest memory.
pub const MEMORY_SIZE_MAX: usize = HEAD_SIZE + SWARMS_MAX * ITEM_SIZE_MAX + CRC_SIZE;

pub(super) const NAME: &str = "service";
const OLD_NAME: &str = "service.old";

/// Flags of an item.
const PAUSED: u8 = 1;
const HAS_FILE: u8 = 2;
const HAS_PROOF: u8 = 4;
const FROM_FOLDER: u8 = 8;

/// What is done with a file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Shared from where it lies.
    Share(PathBuf),
    /// Fetched.
    Fetch {
        /// Where it goes.
        output: OutputPath,
        /// Providers to try first.
        providers: Vec<SocketAddr>,
    },
    /// Fetched, complete, and served from there.
    Fetched(PathBuf),
}

/// One file or folder that a service was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What is done with it.
    pub work: Work,
    /// Its id, once known.
    pub file: Option<FileId>,
    /// What proves that it is as it was when it was hashed.
    pub proof: Option<Proof>,
    /// Its owner has paused it.
    pub is_paused: bool,
    /// It was found in a drop folder.
    pub is_from_folder: bool,
}

/// Why bytes are no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryError {
    /// Not even a magic, a version, a count and a CRC.
    TooShort,
    /// They are damaged.
    Crc,
    /// They are something else.
    Magic,
    /// They were written by a newer version: they must be left alone.
    Newer,
    /// Version 0 never was.
    Version,
    /// More items than a node has swarms.
    Count,
    /// An item is cut off.
    Item,
    /// A kind that there is not.
    Kind,
    /// A flag that there is not, or that is wrong for the kind.
    Flags,
    /// Something stands where nothing is known, or the other way round.
    Unknown,
    /// A path is not absolute, empty, or too long.
    Path,
    /// A provider that nobody can be, or too many.
    Providers,
    /// Something follows the items.
    Trailing,
}

/// The bytes of a memory, of at most [`SWARMS_MAX`] items.
pub fn emit(items: &[Remembered]) -> Vec<u8> {
    let items = &items[..items.len().min(SWARMS_MAX)];
    let size: usize = items.iter().map(item_size).sum();
    let mut bytes = vec![0; HEAD_SIZE + size];
    let mut writer = Writer::new(&mut bytes);
    writer.put(MAGIC);
    writer.u8(VERSION);
    writer.u16(items.len() as u16);
    for item in items {
        let (kind, path, providers) = parts(&item.work);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        writer.u8(kind);
        writer.u8(flag(item.is_paused, PAUSED)
            | flag(item.file.is_some(), HAS_FILE)
            | flag(item.proof.is_some(), HAS_PROOF)
            | flag(item.is_from_folder, FROM_FOLDER));
        writer.put(&item.file.map_or([0; ID_SIZE], |file| file.0.0));
        writer.put(&item.proof.map_or([0; ID_SIZE], |proof| proof.0));
        writer.u16(path.as_os_str().len() as u16);
        writer.put(path.as_os_str().as_bytes());
        writer.u8(providers.len() as u8);
        for &provider in providers {
            address::write(&mut writer, provider);
        }
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_be_bytes());
    bytes
}

fn item_size(item: &Remembered) -> usize {
    let (_, path, providers) = parts(&item.work);
    2 + 2 * ID_SIZE + 2 + path.as_os_str().len() + 1 + providers.len() * LOCATION_SIZE
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

/// The items of a memory.
///
/// # Errors
/// See [`MemoryError`].
pub fn parse(bytes: &[u8]) -> Result<Vec<Remembered>, MemoryError> {
    use MemoryError as Wrong;
    let (body, crc) = bytes.split_last_chunk().ok_or(Wrong::TooShort)?;
    let mut reader = Reader::new(body);
    let magic = reader.array(Wrong::TooShort)?;
    let version = reader.u8(Wrong::TooShort)?;
    if crc32fast::hash(body) != u32::from_be_bytes(*crc) {
        return Err(Wrong::Crc);
    }
    match version {
        _ if magic != *MAGIC => return Err(Wrong::Magic),
        VERSION => {}
        0 => return Err(Wrong::Version),
        _ => return Err(Wrong::Newer),
    }
    let count = usize::from(reader.u16(Wrong::TooShort)?);
    if count > SWARMS_MAX {
        return Err(Wrong::Count);
    }
    let items = (0..count).map(|_| parse_item(&mut reader));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    reader.end(Wrong::Trailing)?;
    Ok(items)
}

fn parse_item(reader: &mut Reader<'_>) -> Result<Remembered, MemoryError> {
    use MemoryError as Wrong;
    let kind = reader.u8(Wrong::Item)?;
    let flags = reader.u8(Wrong::Item)?;
    let has = |flag: u8| flags & flag != 0;
    let known = |bytes: [u8; ID_SIZE], flag: u8| match (has(flag), bytes == [0; ID_SIZE]) {
        (true, _) => Ok(Some(bytes)),
        (false, true) => Ok(None),
        (false, false) => Err(Wrong::Unknown),
    };
    let file = known(reader.array(Wrong::Item)?, HAS_FILE)?;
    let proof = known(reader.array(Wrong::Item)?, HAS_PROOF)?;
    let size = usize::from(reader.u16(Wrong::Item)?);
    let path = Path::new(OsStr::from_bytes(reader.bytes(size, Wrong::Item)?)).to_owned();
    if !path.is_absolute() || size > PATH_SIZE_MAX {
        return Err(Wrong::Path);
    }
    let count = usize::from(reader.u8(Wrong::Item)?);
    if count > LINK_PROVIDERS_MAX {
        return Err(Wrong::Providers);
    }
    let providers = (0..count).map(|_| address::read(reader, Wrong::Providers));
    let providers = providers.collect::<Result<Vec<_>, _>>()?;
    let work = match kind {
        1 => Work::Share(path),
        2 | 3 => {
            let output = match kind {
                2 => OutputPath::In(path),
                _ => OutputPath::Named(path),
            };
            Work::Fetch { output, providers }
        }
        4 => Work::Fetched(path),
        _ => return Err(Wrong::Kind),
    };
    let is_share = matches!(work, Work::Share(_));
    if !matches!(work, Work::Fetch { .. }) && count > 0 {
        return Err(Wrong::Providers);
    }
    let is_possible = is_share || has(HAS_FILE) && !has(FROM_FOLDER);
    if flags & !(PAUSED | HAS_FILE | HAS_PROOF | FROM_FOLDER) != 0 || !is_possible {
        return Err(Wrong::Flags);
    }
    Ok(Remembered {
        work,
        file: file.map(|bytes| FileId(Id(bytes))),
        proof: proof.map(Proof),
        is_paused: has(PAUSED),
        is_from_folder: has(FROM_FOLDER),
    })
}

impl StateDir {
    /// What the service was given, as [`StateDir::remember`] kept it last.
    ///
    /// # Errors
    /// When it cannot be read, or was written by a newer version.
    pub fn recall(&self) -> Result<Vec<Remembered>, Error> {
        for name in [NAME, OLD_NAME] {
            let path = self.path().join(name);
            let failed = |error| Error::new(format!("read {}", path.display()), error);
            let bytes = match read(&path, MEMORY_SIZE_MAX as u64) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            match parse(&bytes) {
                Ok(items) => return Ok(items),
                Err(MemoryError::Newer) => return Err(failed(io::Error::other(NEWER))),
                Err(_) => log::warn!(
                    "{} is damaged: what was added last may be forgotten (see sprat ls)",
                    path.display()
                ),
            }
        }
        Ok(Vec::new())
    }

    /// Keeps what the service was given. It waits for the disk.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before stands then.
    pub fn remember(&self, items: &[Remembered]) -> Result<(), Error> {
        let path = self.path().join(NAME);
        // A damaged one must not take the place of one that is whole.
        let is_good = read(&path, MEMORY_SIZE_MAX as u64).is_ok_and(|bytes| parse(&bytes).is_ok());
        if is_good {
            let old = self.path().join(OLD_NAME);
            let doing = || format!("keep {} as {OLD_NAME}", path.display());
            let kept = fs::remove_file(&old).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            });
            // Its name stays until the new one takes it.
            kept.and_then(|()| fs::hard_link(&path, &old))
                .or_else(|error| match error.kind() {
                    // Some file systems have no second names; they have no older memory then.
                    ErrorKind::PermissionDenied | ErrorKind::Unsupported => Ok(()),
                    _ => Err(error),
                })
                .map_err(|error| Error::new(doing(), error))?;
        }
        replace(self.path(), NAME, &[&emit(items)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Remembered> {
        let share = Remembered {
            work: Work::Share("/srv/a b".into()),
            file: None,
            proof: None,
            is_paused: false,
            is_from_folder: true,
        };
        let fetch = Remembered {
            work: Work::Fetch {
                output: OutputPath::In("/srv/files".into()),
                providers: vec!["192.0.2.7:4160".parse().unwrap()],
            },
            file: Some(FileId(Id([7; 20]))),
            is_paused: true,
            is_from_folder: false,
            ..share.clone()
        };
        let fetched = Remembered {
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
        assert_eq!(state.recall().unwrap(), []);
        state.remember(&items()[..1]).unwrap();
        state.remember(&items()).unwrap();
        assert_eq!(state.recall().unwrap(), items());
        let path = base.path().join(NAME);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            for bad in [&bad[..], &good[..at]] {
                fs::write(&path, bad).unwrap();
                assert_eq!(state.recall().unwrap(), items()[..1], "byte {at}");
            }
        }
        fs::write(&path, [&good[..], &[0]].concat()).unwrap();
        assert_eq!(state.recall().unwrap(), items()[..1]);
        // What is damaged does not take the place of what is whole.
        state.remember(&items()[..2]).unwrap();
        assert_eq!(state.recall().unwrap(), items()[..2]);
        fs::remove_file(&path).unwrap();
        assert_eq!(state.recall().unwrap(), items()[..1]);
        fs::remove_file(base.path().join(OLD_NAME)).unwrap();
        assert_eq!(state.recall().unwrap(), []);
    }

    #[test]
    fn a_newer_memory_is_refused_and_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path()).unwrap();
        let mut newer = b"sprat-sv\x02whatever they may put there".to_vec();
        newer.extend(crc32fast::hash(&newer).to_be_bytes());
        fs::write(base.path().join(NAME), &newer).unwrap();
        let error = state.recall().unwrap_err().to_string();
        assert!(error.ends_with(NEWER), "{error}");
        assert_eq!(fs::read(base.path().join(NAME)).unwrap(), newer);
    }

    #[test]
    fn as_much_as_a_node_takes_fits() {
        let digits = PATH_SIZE_MAX - 1;
        let item = |index: usize| Remembered {
            work: Work::Share(format!("/{index:0>digits$}").into()),
            ..items().swap_remove(0)
        };
        let all: Vec<_> = (0..SWARMS_MAX).map(item).collect();
        let bytes = emit(&all);
        assert!(bytes.len() <= MEMORY_SIZE_MAX);
        assert_eq!(parse(&bytes).unwrap(), all);
    }
}
