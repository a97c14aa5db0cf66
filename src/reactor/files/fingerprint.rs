//! The identity of files without reading them: device, inode, size, and time of last modification.
//!
//! A swarm's files, in the manifest's order, give three digests that outlive a process. All are
//! SHA-1, and every number in them takes eight bytes, big-endian:
//!
//! | digest | over, for each file | says | kept in |
//! |---|---|---|---|
//! | [`FilesDigest::files`] | inode, size | which files they are | journal, `verified` |
//! | [`FilesDigest::times`] | seconds, nanoseconds | they are untouched | journal, `verified` |
//! | [`Proof`] | path, zero, size, inode, seconds, nanoseconds | both | `service` |
//!
//! The device is in none of them: its number changes with the order in which disks are found. An
//! edit in place that sets the time back is found by the scrub only. Invariant: equal
//! digests mean equal inodes and sizes (`files`), times (`times`), or all of these and the paths
//! ([`Proof`]).

use crate::node::DiskError;
use crate::store::record::Digest;
use sha1::{Digest as _, Sha1};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

const SECOND: i64 = 1_000_000_000;

/// Why a file is not as expected, if it is not: for the node, and in words.
pub type Check = Result<(), (DiskError, &'static str)>;

/// The facts that the system reports of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    pub size: u64,
    inode: u64,
    /// Nanoseconds since 1970; times beyond the year 2262 count as that.
    modified: i64,
    /// Linux numbers devices with 32 bits.
    device: u32,
}

impl Fingerprint {
    pub fn of(metadata: &Metadata) -> Fingerprint {
        Fingerprint {
            size: metadata.size(),
            inode: metadata.ino(),
            modified: metadata
                .mtime()
                .saturating_mul(SECOND)
                .saturating_add(metadata.mtime_nsec()),
            device: metadata.dev() as u32,
        }
    }

    /// Whether both are of one file, whatever it holds by now.
    pub fn is_same_file(&self, other: &Fingerprint) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Finds out whether the file is still as it was, now that it is `now`; else the reason.
    pub fn check(&self, now: &Fingerprint) -> Check {
        if !self.is_same_file(now) {
            return Err((DiskError::Changed, "it has been replaced by another file"));
        }
        if now.size < self.size {
            let why = "it is shorter than when it was shared";
            return Err((DiskError::Truncated, why));
        }
        match now == self {
            true => Ok(()),
            false => Err((DiskError::Changed, "it has been edited since it was shared")),
        }
    }

    /// The same file after the device of `from` has got the number that `to` has.
    pub fn moved(self, from: &Fingerprint, to: &Fingerprint) -> Fingerprint {
        let device = match self.device == from.device {
            true => to.device,
            false => self.device,
        };
        Fingerprint { device, ..self }
    }

    /// Seconds since 1970, and nanoseconds.
    fn modified(&self) -> [i64; 2] {
        [
            self.modified.div_euclid(SECOND),
            self.modified.rem_euclid(SECOND),
        ]
    }
}

/// A row of the table that a swarm has of its files, which may be 32,768: the fingerprint without
/// the size, which the manifest has too.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileRow {
    inode: u64,
    modified: i64,
    device: u32,
    is_known: bool,
    /// Of a part: written since it was last synced.
    pub is_dirty: bool,
}

impl FileRow {
    pub fn new(fingerprint: Fingerprint) -> FileRow {
        let mut row = FileRow::default();
        row.set(fingerprint);
        row
    }

    /// The fingerprint that the file must have from now on.
    pub fn set(&mut self, fingerprint: Fingerprint) {
        (self.inode, self.device) = (fingerprint.inode, fingerprint.device);
        (self.modified, self.is_known) = (fingerprint.modified, true);
    }

    /// The fingerprint that the file must have, once that is known.
    pub fn fingerprint(&self, size: u64) -> Option<Fingerprint> {
        self.is_known.then_some(Fingerprint {
            size,
            inode: self.inode,
            modified: self.modified,
            device: self.device,
        })
    }
}

/// The digests of a swarm's files, taken in one walk over them.
#[derive(Clone, Debug, Default)]
pub struct FilesDigest {
    files: Sha1,
    times: Sha1,
}

impl FilesDigest {
    pub fn add(&mut self, file: &Fingerprint) {
        self.files.update(file.inode.to_be_bytes());
        self.files.update(file.size.to_be_bytes());
        let time = file.modified();
        time.iter()
            .for_each(|number| self.times.update(number.to_be_bytes()));
    }

    pub fn files(&self) -> Digest {
        self.files.clone().finalize().into()
    }

    pub fn times(&self) -> Digest {
        self.times.clone().finalize().into()
    }
}

/// Proves later, without reading it, that a file or folder is as it was when it was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof(pub Digest);

impl Proof {
    /// The proof of files with their paths; `None` while the fingerprint of one is not known.
    pub fn of(files: impl Iterator<Item = (PathBuf, Option<Fingerprint>)>) -> Option<Proof> {
        let mut hasher = Sha1::new();
        for (path, file) in files {
            let file = file?;
            hasher.update(path.as_os_str().as_bytes());
            hasher.update([0]);
            hasher.update(file.size.to_be_bytes());
            hasher.update(file.inode.to_be_bytes());
            let time = file.modified();
            time.iter()
                .for_each(|number| hasher.update(number.to_be_bytes()));
        }
        Some(Proof(hasher.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::files::walk;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    #[test]
    fn an_edit_and_a_replacement_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let now = || Fingerprint::of(&fs::symlink_metadata(&path).unwrap());
        fs::write(&path, "one").unwrap();
        let before = now();
        assert_eq!(before.check(&now()), Ok(()));
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let error = |check: Check| check.unwrap_err().0;
        assert_eq!(error(before.check(&now())), DiskError::Changed);
        file.set_len(1).unwrap();
        assert_eq!(error(before.check(&now())), DiskError::Truncated);
        fs::write(folder.path().join("new"), "one").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        let why = before.check(&now()).unwrap_err().1;
        assert_eq!(why, "it has been replaced by another file");
    }

    #[test]
    fn a_proof_holds_until_a_file_is_edited_replaced_added_or_renamed() {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("root");
        fs::create_dir(&root).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let write = |name: &str, text: &str| {
            fs::write(root.join(name), text).unwrap();
            let file = File::options().append(true).open(root.join(name)).unwrap();
            file.set_modified(time).unwrap();
        };
        write("a", "one");
        write("b", "two");
        let proof = || walk(&root).unwrap().0.proof().unwrap();
        let before = proof();
        assert_eq!(proof(), before);
        // Another time, though the same bytes.
        fs::write(root.join("a"), "one").unwrap();
        assert_ne!(proof(), before);
        write("a", "one");
        assert_eq!(proof(), before);
        write("a", "one more");
        assert_ne!(proof(), before);
        // The same bytes and time, and another inode.
        write("c", "one");
        assert_ne!(proof(), before);
        fs::rename(root.join("c"), root.join("a")).unwrap();
        assert_ne!(proof(), before);
        let before = proof();
        fs::rename(root.join("b"), root.join("c")).unwrap();
        assert_ne!(proof(), before);
    }

    #[test]
    fn the_digests_are_those_of_earlier_versions() {
        let file = |number: u64| Fingerprint {
            size: 10 + number,
            inode: 20 + number,
            modified: -SECOND - 1 + number as i64,
            device: 7,
        };
        let digest = |numbers: &[i64]| -> Digest {
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            Sha1::digest(bytes).into()
        };
        let mut both = FilesDigest::default();
        for number in [0, 1] {
            both.add(&file(number));
        }
        assert_eq!(both.files(), digest(&[20, 10, 21, 11]));
        assert_eq!(both.times(), digest(&[-2, 999_999_999, -1, 0]));
        let proof = Proof::of([(PathBuf::from("a/b"), Some(file(0)))].into_iter());
        let numbers = [10, 20, -2, 999_999_999].map(i64::to_be_bytes).concat();
        let bytes = [&b"a/b\0"[..], &numbers].concat();
        assert_eq!(proof, Some(Proof(Sha1::digest(bytes).into())));
        assert_eq!(size_of::<FileRow>(), 24, "there may be 32,768 of them");
    }
}
