//! Where a file or folder lies on the disk: its paths, complete and unfinished.
//!
//! Invariant: the paths of a part and its journal differ from those of every other final path in
//! the same folder.

use crate::limits::NAME_SIZE_MAX;
use crate::reactor::error::Error;
use crate::wire::Entries;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a fetched file or folder goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputPath {
    /// The final path. If it ends with `/`, or is an existing folder that is not the fetched one,
    /// the manifest's name goes beneath it.
    Named(PathBuf),
    /// The folder; the manifest's name goes beneath it.
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
                // Whether an existing folder is the fetched one, only the manifest can tell:
                // `resolve` decides.
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
            Some(folder) => {
                let why = format!("no such folder: {}", folder.display());
                wrong(&why, "make it first")
            }
            None => Ok(OutputPath::Named(path.to_owned())),
        }
    }

    /// The final path of a file or folder with this name (one component, checked by `wire`).
    ///
    /// `is_ours` says whether an existing folder is the fetched one: a fetch repeated with the same
    /// `-o` must find its own folder, not make another beneath it.
    pub fn resolve(&self, name: &str, is_ours: impl FnOnce(&Path) -> bool) -> PathBuf {
        match self {
            OutputPath::In(folder) => folder.join(name),
            OutputPath::Named(path) => {
                let slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
                match slash || (path.is_dir() && !is_ours(path)) {
                    true => path.join(name),
                    false => path.clone(),
                }
            }
        }
    }
}

/// The paths of a file or folder, and the sizes of its files.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Where the file or folder is, or will be.
    pub path: PathBuf,
    /// The manifest says that it is a folder.
    pub is_folder: bool,
    /// The folder that the entries' paths begin at.
    pub folder: PathBuf,
    /// Paths beneath that folder and sizes, in the manifest's order; of a single file, its size.
    pub names: Entries,
    /// The name of a single file in that folder: it need not be text, as the manifest's is.
    pub file_name: PathBuf,
}

impl Layout {
    /// The path of an entry beneath the folder.
    pub fn inner_path(&self, entry: u32) -> PathBuf {
        match self.is_folder {
            true => self.names.path(entry).into(),
            false => self.file_name.clone(),
        }
    }

    /// The whole path of an entry.
    pub fn entry_path(&self, entry: u32) -> PathBuf {
        self.folder.join(self.inner_path(entry))
    }

    /// The folder that the final name stands in.
    pub fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The path of the unfinished file or folder.
    ///
    /// A name that is too long for the suffix is cut between two characters, and gets the CRC-32 of
    /// the whole name, so that two long names do not share a part: `CUT-xxxxxxxx.part`.
    pub fn part_path(&self) -> PathBuf {
        self.beside(".part")
    }

    /// The path of the part's journal.
    pub fn journal_path(&self) -> PathBuf {
        self.beside(".part.journal")
    }

    /// The path of a journal that takes the old one's name when it is whole.
    pub fn new_journal_path(&self) -> PathBuf {
        self.beside(".part.journal.new")
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

    /// The entries are in the part from now on, or under the final name.
    pub fn enter(&mut self, is_part: bool) {
        let path = match is_part {
            true => self.part_path(),
            false => self.path.clone(),
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
        let other = folder.path().join("other");
        assert_eq!(named(&other), other);
        assert_eq!(named(folder.path()), folder.path().join("name"));
        assert_eq!(named(Path::new("new/")), Path::new("new/name"));
        let ours = OutputPath::Named(folder.path().to_path_buf()).resolve("name", |_| true);
        assert_eq!(ours, folder.path());
        let current = OutputPath::In("".into()).resolve("name", |_| true);
        assert_eq!(current, Path::new("name"));
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
            let layout = Layout {
                path: Path::new("folder").join(name),
                ..Layout::default()
            };
            let part = layout.part_path();
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
}
