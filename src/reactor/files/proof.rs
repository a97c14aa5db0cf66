//! That a file or folder is as it was, without reading it: one digest of what the system says of its
//! files.
//!
//! SHA-1 over, for each entry in the manifest's order, its path and a zero, its size, inode, and
//! time of modification (seconds, nanoseconds), each number in eight bytes, big-endian. The device is
//! left out: it changes with the order in which disks are found. It is what `watch` looks at as well,
//! and as good: who edits a file in place and sets its time back is found by the scrub.
//!
//! Invariant: the same proof means the same paths, sizes, inodes and times.

use super::swarm_files::{Known, Stamp};
use super::{Disk, Walked};
use crate::node::SwarmKey;
use crate::wire::Entry;
use sha1::{Digest as _, Sha1};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// The digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof(pub [u8; 20]);

impl Walked {
    /// What proves later that it is as it was when it was walked.
    pub fn proof(&self) -> Option<Proof> {
        let entry = |(known, name): (&Known, Entry)| {
            let path = match self.is_folder {
                true => self.names.path(name.index).into(),
                false => self.file_name.clone(),
            };
            (path, known.stamp(name.size))
        };
        of(self.known.iter().zip(self.names.iter()).map(entry))
    }
}

impl Disk {
    /// What proves later that a swarm's files are as they were when it was made; none while that is
    /// not known of each.
    pub fn proof(&self, swarm: SwarmKey) -> Option<Proof> {
        let files = self.find(swarm)?.files();
        of(files.map(|(path, entry)| (path, entry.stamp)))
    }
}

fn of(files: impl Iterator<Item = (PathBuf, Option<Stamp>)>) -> Option<Proof> {
    let mut hasher = Sha1::new();
    for (path, stamp) in files {
        hasher.update(path.as_os_str().as_bytes());
        hasher.update([0]);
        hasher.update(stamp?.bytes());
    }
    Some(Proof(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use crate::reactor::files::walk;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

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
}
