//! Where one swarm's bytes lie: the folder, its entries, and how far a fetch has come.
//!
//! ```text
//!  share ───────────────────────────────► Source
//!  fetch ──► Wanted ──prepare──► Part ──finish──► Final
//!                       └───────────────────────────┘ (the final name holds the right sizes)
//! ```
//!
//! Invariant: the final name holds nothing of ours before `finish` has renamed the part to it.

use crate::node::{DiskError, SwarmKey};
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where a fetched file or folder goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputPath {
    /// The final path. If it is an existing folder, or ends with `/`, the manifest's name goes
    /// beneath it.
    Named(PathBuf),
    /// The folder; the manifest's name goes beneath it.
    In(PathBuf),
}

impl OutputPath {
    /// The final path of a file or folder with this name (one component, checked by `wire`).
    ///
    /// `is_ours` says whether an existing folder that was named is what is fetched: a fetch
    /// repeated with the same `-o` must find its own folder, not make another beneath it.
    pub fn resolve(&self, name: &str, is_ours: impl FnOnce(&Path) -> bool) -> PathBuf {
        match self {
            OutputPath::In(folder) => folder.join(name),
            OutputPath::Named(path) => {
                let slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
                let beneath = slash || (path.is_dir() && !is_ours(path));
                if beneath {
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
    modified: (i64, i64),
}

impl Stamp {
    /// The stamp of a file as it is now.
    pub fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
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

/// One file of a swarm.
#[derive(Debug)]
pub struct Entry {
    /// Beneath the store's folder.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// What a shared file must still be.
    pub stamp: Option<Stamp>,
}

/// How far the place of a swarm's bytes is made.
#[derive(Debug)]
pub enum State {
    /// Shared from where it lies.
    Source,
    /// A fetch whose manifest is not known yet.
    Wanted(OutputPath),
    /// An unfinished fetch; the lock keeps other processes off it.
    Part {
        /// Held until the part has its final name.
        _lock: OwnedFd,
    },
    /// Under its final name.
    Final,
    /// The swarm is gone; only the path and the last fault are kept, for its owner.
    Released,
}

/// The place of one swarm's bytes.
#[derive(Debug)]
pub struct Store {
    /// Whose.
    pub swarm: SwarmKey,
    /// How far it is.
    pub state: State,
    /// Where the file or folder is, or will be.
    pub path: PathBuf,
    /// The folder that the entries' paths begin at.
    pub folder: PathBuf,
    /// In the manifest's order.
    pub entries: Vec<Entry>,
    /// The manifest says that it is a folder.
    pub is_folder: bool,
    /// The last failure, in words.
    pub fault: Option<String>,
}

impl Store {
    /// The whole path of an entry, for messages.
    pub fn entry_path(&self, entry: u32) -> PathBuf {
        self.folder.join(&self.entries[entry as usize].path)
    }

    /// The final path with `.part` after its name.
    pub fn part_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".part");
        name.into()
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
            self.entries[0].path = path.file_name().map(PathBuf::from).unwrap_or_default();
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
