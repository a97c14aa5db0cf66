//! Where one swarm's bytes lie: the folder, its entries, and how far a fetch has come.
//!
//! ```text
//!  share ───────────────────────────────► Source
//!  fetch ──► Wanted ──prepare──► Part ──finish──► Final
//!                       └───────────────────────────┘ (the final name holds the right sizes)
//!  Final ──reopen──► Repair ──finish──► Final       (served again after a restart: Final at once)
//! ```
//!
//! Invariant: the final name holds nothing of ours before `finish` has renamed the part to it.

use super::journal::{FilesDigest, Journal};
use super::walk::Walked;
use super::watch::Identity;
use crate::id::{FileId, Id};
use crate::limits::NAME_SIZE_MAX;
use crate::node::{DiskError, SwarmKey};
use crate::reactor::Error;
use crate::wire::Entries;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What an unfinished fetch has after its name.
const PART: &str = ".part";
/// What its journal has.
const JOURNAL: &str = ".part.journal";
/// What a journal has that is not yet whole.
const NEW_JOURNAL: &str = ".part.journal.new";

/// Where a fetched file or folder goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputPath {
    /// The final path. If it ends with `/`, or is an existing folder that is not what is fetched,
    /// the manifest's name goes openat it.
    Named(PathBuf),
    /// The folder; the manifest's name goes openat it.
    In(PathBuf),
}

impl OutputPath {
    /// A path that its owner names: it exists, or can be made.
    ///
    /// # Errors
    /// When something else than a file or a folder is there, or its folder is missing.
    pub fn given(path: &Path) -> Result<OutputPath, Error> {
        let wrong = |why: &str, hint| {
            Err(Error::because(format!("write {}", path.display()), why).with_hint(hint))
        };
        if let Ok(there) = path.metadata() {
            return match there.is_dir() || there.is_file() {
                // Whether a folder that exists is the fetched one or the one to put it into, only
                // the manifest can tell: `OutputPath::resolve` decides.
                true => Ok(OutputPath::Named(path.to_owned())),
                false => wrong("neither a file nor a folder", "name another place with -o"),
            };
        }
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let missing = match parent {
            _ if path.as_os_str().as_encoded_bytes().ends_with(b"/") => Some(path),
            Some(parent) if !parent.is_dir() => Some(parent),
            _ => None,
        };
        match missing {
            Some(folder) => wrong(
                &format!("no such folder: {}", folder.display()),
                "make it first",
            ),
            None => Ok(OutputPath::Named(path.to_owned())),
        }
    }

    /// The final path of a file or folder with this name (one component, checked by `wire`).
    ///
    /// `is_ours` says whether an existing folder that was named is what is fetched: a fetch
    /// repeated with the same `-o` must find its own folder, not make another openat it.
    pub fn resolve(&self, name: &str, is_ours: impl FnOnce(&Path) -> bool) -> PathBuf {
        match self {
            OutputPath::In(folder) => folder.join(name),
            OutputPath::Named(path) => {
                let slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
                let openat = slash || (path.is_dir() && !is_ours(path));
                if openat {
                    path.join(name)
                } else {
                    path.clone()
                }
            }
        }
    }
}

/// A file's identity and version: what it must still be when it is read later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    size: u64,
    device: u64,
    inode: u64,
    /// Nanoseconds since 1970.
    modified: i64,
}

impl Stamp {
    /// The stamp of a file as it is now.
    pub fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.size(),
            device: device(metadata.dev()),
            inode: metadata.ino(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// Takes it into a look at all files.
    fn add_to(&self, look: &mut FilesDigest) {
        look.add_file(self.inode, self.size, self.modified());
    }

    /// Seconds since 1970, and nanoseconds.
    fn modified(&self) -> (i64, i64) {
        let second = 1_000_000_000;
        (
            self.modified.div_euclid(second),
            self.modified.rem_euclid(second),
        )
    }

    /// All but the device, for a proof.
    pub fn bytes(self) -> [u8; 32] {
        let (seconds, nanos) = self.modified();
        let mut bytes = [0; 32];
        let numbers = [self.size, self.inode, seconds as u64, nanos as u64];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// The same where the device of number `from` has become `to`.
    pub fn moved(self, from: u64, to: u64) -> Stamp {
        let device = match self.device == device(from) {
            true => device(to),
            false => self.device,
        };
        Stamp { device, ..self }
    }

    /// Whether it is the same file, whatever it holds by now.
    pub fn is_same_file(&self, metadata: &Metadata) -> bool {
        (device(metadata.dev()), metadata.ino()) == (self.device, self.inode)
    }

    /// Why `metadata` is not what it was, if it is not.
    pub fn check(&self, metadata: &Metadata) -> Result<(), (DiskError, &'static str)> {
        let now = Stamp::of(metadata);
        if (now.device, now.inode) != (self.device, self.inode) {
            return Err((DiskError::Changed, "it has been replaced by another file"));
        }
        if now.size < self.size {
            return Err((
                DiskError::Truncated,
                "it is shorter than when it was shared",
            ));
        }
        match now == *self {
            true => Ok(()),
            false => Err((DiskError::Changed, "it has been edited since it was shared")),
        }
    }
}

/// A device's number as far as Linux has given it out: 32 bits.
fn device(number: u64) -> u64 {
    number & u64::from(u32::MAX)
}

/// The same time in one number; those beyond the year 2262 count as that.
fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// What is known of one file of a swarm, beside its name and size. There may be 32,768 of them, so it
/// is kept short: what a stamp has, but for the size, which is the entry's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    inode: u64,
    modified: i64,
    /// Its low bits: Linux numbers devices with 32.
    device: u32,
    is_stamped: bool,
    /// A part's: it was written since it was last synced.
    pub is_dirty: bool,
}

impl Known {
    /// With this stamp.
    pub fn stamped(stamp: Stamp) -> Known {
        let mut known = Known::default();
        known.set_stamp(stamp);
        known
    }

    /// What it must be, if that is known; its size is the entry's.
    pub fn stamp(&self, size: u64) -> Option<Stamp> {
        let stamp = Stamp {
            size,
            device: self.device.into(),
            inode: self.inode,
            modified: self.modified,
        };
        self.is_stamped.then_some(stamp)
    }

    /// From now on, it must be this.
    pub fn set_stamp(&mut self, stamp: Stamp) {
        (self.device, self.inode) = (stamp.device as u32, stamp.inode);
        (self.modified, self.is_stamped) = (stamp.modified, true);
    }
}

/// One file of a swarm.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Bytes.
    pub size: u64,
    /// What it must still be; of a part, and while it is repaired: which file it must still be.
    pub stamp: Option<Stamp>,
}

impl Entry {
    /// Why it is not what it was, if it is not. Without a stamp it is.
    pub fn check(&self, stage: &Stage, metadata: &Metadata) -> Result<(), &'static str> {
        match (stage, self.stamp) {
            (Stage::Part { .. } | Stage::Repair, _) => self.check_part(metadata),
            (_, Some(stamp)) => stamp.check(metadata).map_err(|(_, why)| why),
            (_, None) => Ok(()),
        }
    }

    /// Why a part's file is not the one that the fetch made and sized, if it is not. Shards that
    /// were verified are in that one, all of its size.
    pub fn check_part(&self, metadata: &Metadata) -> Result<(), &'static str> {
        let replaced = |stamp: Stamp| !stamp.is_same_file(metadata);
        if self.stamp.is_some_and(replaced) {
            return Err("another program has replaced it");
        }
        match metadata.len() == self.size {
            true => Ok(()),
            false => Err("another program has changed its size"),
        }
    }
}

/// How far the place of a swarm's bytes is made.
#[derive(Debug)]
pub enum Stage {
    /// Shared from where it lies.
    Source,
    /// A fetch whose manifest is not known yet.
    Wanted(OutputPath),
    /// An unfinished fetch; the lock keeps other processes off it.
    Part {
        /// The part, open: held until it has its final name.
        lock: OwnedFd,
    },
    /// Under its final name.
    Final,
    /// The same, and shards of it that have gone bad are written again.
    Repair,
    /// The swarm is gone; only the path and the last fault are kept, for its owner.
    Released,
}

/// The place of one swarm's bytes.
#[derive(Debug)]
pub struct SwarmFiles {
    /// Whose.
    pub swarm: SwarmKey,
    /// How far it is.
    pub stage: Stage,
    /// Where the file or folder is, or will be.
    pub path: PathBuf,
    /// The folder that the entries' paths begin at.
    pub folder: PathBuf,
    /// Paths openat that folder and sizes, in the manifest's order; of a single file, its size.
    pub names: Entries,
    /// The name of a single file in that folder: it need not be text, as the manifest's is.
    pub file_name: PathBuf,
    /// What is known of each besides.
    pub known: Vec<Known>,
    /// The manifest says that it is a folder.
    pub is_folder: bool,
    /// The last failure, in words.
    pub fault: Option<String>,
    /// What is fetched.
    pub file: FileId,
    /// Its shards.
    pub shards: u32,
    /// The last journal's generation.
    pub generation: u32,
    /// The journal of a fetch, once there is one.
    pub journal: Option<Journal>,
    /// Bytes written to journals.
    pub journal_written: u64,
    /// Which folder it is served from, once it was looked at.
    pub root: Option<Identity>,
    /// That folder is not there.
    pub is_missing: bool,
}

impl SwarmFiles {
    /// The place of what was walked.
    pub fn walked(swarm: SwarmKey, stage: Stage, walked: Walked) -> SwarmFiles {
        let mut store = SwarmFiles {
            path: walked.path,
            folder: walked.folder,
            names: walked.names,
            file_name: walked.file_name,
            known: walked.known,
            is_folder: walked.is_folder,
            ..SwarmFiles::new(swarm, stage)
        };
        store.note_root();
        store
    }

    /// A place without entries.
    pub fn new(swarm: SwarmKey, stage: Stage) -> SwarmFiles {
        SwarmFiles {
            swarm,
            stage,
            path: PathBuf::new(),
            folder: PathBuf::new(),
            names: Entries::default(),
            file_name: PathBuf::new(),
            known: vec![],
            is_folder: false,
            fault: None,
            file: FileId(Id([0; 20])),
            shards: 0,
            generation: 0,
            journal: None,
            journal_written: 0,
            root: None,
            is_missing: false,
        }
    }

    /// Which files they are and when they were changed last, as far as it is known of all of them.
    pub fn as_known(&self) -> Option<FilesDigest> {
        let mut look = FilesDigest::default();
        for index in 0..self.len() {
            self.entry(index).stamp?.add_to(&mut look);
        }
        Some(look)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Its files, with their paths openat the folder.
    pub fn files(&self) -> impl Iterator<Item = (PathBuf, Entry)> {
        (0..self.len()).map(|index| (self.inner_path(index as u32), self.entry(index)))
    }

    /// One of its files.
    pub fn entry(&self, index: usize) -> Entry {
        let size = self.names.at(index as u32).size;
        let stamp = self.known[index].stamp(size);
        Entry { size, stamp }
    }

    /// Why a file is not what it was, if it is not. Without a stamp it becomes what it is now.
    pub fn check_entry(&mut self, index: usize, metadata: &Metadata) -> Result<(), &'static str> {
        let entry = self.entry(index);
        let is_new = entry.stamp.is_none();
        entry.check(&self.stage, metadata)?;
        if is_new {
            self.known[index].set_stamp(Stamp::of(metadata));
        }
        Ok(())
    }

    /// The path of an entry openat the folder.
    pub fn inner_path(&self, entry: u32) -> PathBuf {
        match self.is_folder {
            true => self.names.path(entry).into(),
            false => self.file_name.clone(),
        }
    }

    /// The whole path of an entry, for messages.
    pub fn entry_path(&self, entry: u32) -> PathBuf {
        self.folder.join(self.inner_path(entry))
    }

    /// The final path with `.part` after its name.
    ///
    /// A name that is too long for that is cut between two characters, and gets the CRC-32 of the
    /// whole name, so that two long names do not share a part: `CUT-xxxxxxxx.part`.
    pub fn part_path(&self) -> PathBuf {
        self.beside(PART)
    }

    /// The path of the part's journal.
    pub fn journal_path(&self) -> PathBuf {
        self.beside(JOURNAL)
    }

    /// The path of a journal that is being written, and takes the old one's name when it is whole.
    pub fn new_journal_path(&self) -> PathBuf {
        self.beside(NEW_JOURNAL)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        if name.len() + suffix.len() <= NAME_SIZE_MAX {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            return path.into();
        }
        let end = format!("-{:08x}{suffix}", crc32fast::hash(name.as_bytes()));
        let mut cut = &name.as_bytes()[..NAME_SIZE_MAX.min(name.len()) - end.len()];
        if let Some(text) = name.to_str() {
            while !text.is_char_boundary(cut.len()) {
                cut = &cut[..cut.len() - 1];
            }
        }
        let mut short = OsStr::from_bytes(cut).to_owned();
        short.push(end);
        self.path.with_file_name(short)
    }

    /// The folder that the final name stands in.
    pub fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The entries' place while it is unfinished (`part`), or afterwards.
    pub fn set_place(&mut self, part: bool) {
        let path = if part {
            self.part_path()
        } else {
            self.path.clone()
        };
        if self.is_folder {
            self.folder = path;
        } else {
            self.folder = self.parent().to_path_buf();
            self.file_name = path.file_name().map(PathBuf::from).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_path_is_a_name_or_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let named = |path: &Path| OutputPath::Named(path.to_path_buf()).resolve("name", |_| false);
        assert_eq!(
            named(&folder.path().join("other")),
            folder.path().join("other")
        );
        assert_eq!(named(folder.path()), folder.path().join("name"));
        assert_eq!(named(Path::new("new/")), Path::new("new/name"));
        let ours = OutputPath::Named(folder.path().to_path_buf()).resolve("name", |_| true);
        assert_eq!(ours, folder.path());
        assert_eq!(
            OutputPath::In("".into()).resolve("name", |_| true),
            Path::new("name")
        );
    }

    #[test]
    fn an_output_is_a_folder_that_exists_or_a_name_in_one() {
        let is_right = |path: &str| OutputPath::given(Path::new(path)).is_ok();
        for right in ["src", "name", "src/name"] {
            assert!(is_right(right), "{right}");
        }
        for wrong in ["no/name", "folder/", "/dev/null"] {
            assert!(!is_right(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_part_has_a_name_that_can_be_stored_and_is_its_own() {
        let part = |name: &str| {
            let swarm = SwarmKey {
                slot: 0,
                generation: 0,
            };
            let mut store = SwarmFiles::new(swarm, Stage::Final);
            store.path = Path::new("folder").join(name);
            let part = store.part_path();
            assert_eq!(part.parent(), Some(Path::new("folder")));
            part.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(part("name"), "name.part");
        let longest = "x".repeat(250);
        assert_eq!(part(&longest), format!("{longest}.part"));
        for size in 251..=255 {
            let short = part(&("ü".repeat(size / 2) + &"x".repeat(size % 2)));
            assert!(short.len() <= 255 && short.ends_with(".part"), "{short}");
            let (one, other) = ("x".repeat(size), "x".repeat(size - 1) + "y");
            assert_ne!(part(&one), part(&other));
        }
    }

    #[test]
    fn an_edit_and_a_replacement_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let metadata = || std::fs::symlink_metadata(&path).unwrap();
        std::fs::write(&path, "one").unwrap();
        let stamp = Stamp::of(&metadata());
        assert_eq!(stamp.check(&metadata()), Ok(()));
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        let error = |result: Result<(), (DiskError, &'static str)>| result.unwrap_err().0;
        assert_eq!(error(stamp.check(&metadata())), DiskError::Changed);
        file.set_len(1).unwrap();
        assert_eq!(error(stamp.check(&metadata())), DiskError::Truncated);
        std::fs::write(folder.path().join("new"), "one").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(
            stamp.check(&metadata()).unwrap_err().1,
            "it has been replaced by another file"
        );
    }
}
