//! The state folder: the files of a node that survive a restart, and the lock that keeps a second
//! node out.
//!
//! ```text
//!  DIR/lock                        flock held while a process uses DIR; its process id as text
//!  DIR/node-id                     magic "sprat-id" 8, version 1, node id 20, CRC-32 of these 4
//!  DIR/contacts                    good contacts: see `node::saved` (written by the reactor)
//!  DIR/verified                    times of verifications: see `store::verified` (likewise)
//!  DIR/service, DIR/service.old    the jobs of a service: see `catalog`
//!  DIR/control                     the control socket of a service: see `control`
//!  DIR/manifests/<40 hex>.torrent  a fetch's manifest, or a share's, as a metainfo file (BEP 3)
//! ```
//!
//! Every file is replaced whole (`reactor::state_file`). A damaged file is replaced; a file of a
//! newer version is refused and left alone. Invariant: no two processes hold one [`StateDir`] at a
//! time.

use crate::envelope::{Envelope, EnvelopeError, OVERHEAD};
use crate::id::{FileId, ID_SIZE, Id, NodeId};
use crate::reactor::Error;
use crate::reactor::state_file::{read, read_sealed, replace, sync_folder};
use crate::wire::Manifest;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const NODE_ID: Envelope = Envelope {
    magic: b"sprat-id",
    version: 1,
};
/// Bytes of the file `node-id`.
pub(super) const NODE_ID_SIZE: usize = ID_SIZE + OVERHEAD;
/// A metainfo file is the manifest and a few bytes around it.
pub(super) const METAINFO_SIZE_MAX: u64 = crate::limits::MANIFEST_SIZE_MAX as u64 + 1024;

/// A state folder that this process has for itself.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl StateDir {
    /// Opens the folder, made with rights for its owner only if it is not there, and locks it.
    ///
    /// # Errors
    /// When another process has it (`kind()` is `WouldBlock`): `another sprat (pid N) uses DIR`.
    pub fn open(path: &Path) -> Result<StateDir, Error> {
        let failed = |error| Error::new(format!("use the state folder {}", path.display()), error);
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(path);
        made.map_err(failed)?;
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).mode(0o600);
        let lock = options.truncate(false).open(path.join("lock"));
        let mut lock = lock.map_err(failed)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(failed(held_by_another(lock, path))),
            Err(errno) => return Err(failed(errno.into())),
        }
        // For people only: the lock itself counts, so nothing is synced.
        lock.set_len(0).map_err(failed)?;
        writeln!(lock, "{}", std::process::id()).map_err(failed)?;
        Ok(StateDir {
            path: path.to_path_buf(),
            _lock: lock,
        })
    }

    /// The folder, as it was given to `open`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id that this node keeps: `fresh` if it has none yet, or it was damaged.
    ///
    /// # Errors
    /// When it cannot be read or written, or was written by a newer version.
    pub fn node_id(&self, fresh: NodeId) -> Result<NodeId, Error> {
        let path = self.path.join("node-id");
        let bytes = read_sealed(&path, NODE_ID_SIZE, &NODE_ID)?;
        match bytes.as_deref().map(parse_node_id) {
            Some(Ok(id)) => return Ok(id),
            Some(Err(_)) => log::warn!("{} is damaged: this node takes a new id", path.display()),
            None => {}
        }
        replace(&self.path, "node-id", &[&emit_node_id(fresh)])?;
        Ok(fresh)
    }

    /// Saves the manifest of a fetch or a share.
    pub fn save_manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        let folder = self.path.join("manifests");
        let failed = |error| Error::new(format!("make {}", folder.display()), error);
        let mut builder = fs::DirBuilder::new();
        match builder.mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
            Ok(()) => sync_folder(&self.path).map_err(failed)?,
        }
        replace(
            &folder,
            &manifest_name(manifest.file_id()),
            &manifest.metainfo(),
        )
    }

    /// Forgets a manifest. If that fails, the next job of this file finds it.
    pub fn forget_manifest(&self, file: FileId) {
        let _ = fs::remove_file(self.path.join("manifests").join(manifest_name(file)));
    }

    /// The manifest of a file that was fetched before; none when it is not there, or damaged.
    pub fn load_manifest(&self, file: FileId) -> Option<Manifest> {
        let path = self.path.join("manifests").join(manifest_name(file));
        let bytes = match read(&path, METAINFO_SIZE_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                log::warn!("{}", Error::new(format!("read {}", path.display()), error));
                return None;
            }
        };
        let manifest = Manifest::take_metainfo(bytes).ok();
        let manifest = manifest.filter(|manifest| manifest.file_id() == file);
        if manifest.is_none() {
            let path = path.display();
            log::warn!("{path} is damaged: the manifest is fetched again");
        }
        manifest
    }
}

/// A variable of the environment, as a path.
pub fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from)
}

/// The usual folder of the state, in the environment that `variable` reads.
pub fn usual_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // The XDG specification wants relative paths to be ignored.
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    absolute("STATE_DIRECTORY")
        .or_else(|| absolute("XDG_STATE_HOME").map(|dir| dir.join("sprat")))
        .or_else(|| absolute("HOME").map(|dir| dir.join(".local/state/sprat")))
}

fn held_by_another(mut lock: File, path: &Path) -> io::Error {
    let mut holder = String::new();
    // Its id may not be written yet, or not be there any more.
    let _ = (&mut lock).take(20).read_to_string(&mut holder);
    let holder = match holder.trim() {
        "" => String::new(),
        pid => format!(" (pid {pid})"),
    };
    let words = format!("another sprat{holder} uses {}", path.display());
    io::Error::new(io::ErrorKind::WouldBlock, words)
}

pub(super) fn manifest_name(file: FileId) -> String {
    format!("{file}.torrent")
}

fn emit_node_id(id: NodeId) -> Vec<u8> {
    NODE_ID.seal(ID_SIZE, |body| body.copy_from_slice(&id.0.0))
}

/// The id in the file `node-id`.
pub(super) fn parse_node_id(bytes: &[u8]) -> Result<NodeId, EnvelopeError> {
    let body = NODE_ID.open(bytes)?;
    let id = body.try_into().map_err(|_| EnvelopeError::TooShort)?;
    Ok(NodeId(Id(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::os::unix::fs::PermissionsExt;

    fn id(seed: u64) -> NodeId {
        NodeId(Rng::from_number(seed).id())
    }

    #[test]
    fn the_node_id_survives_and_any_damage_replaces_it() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("deep/state");
        let state = StateDir::open(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(state.node_id(id(1)).unwrap(), id(1));
        assert_eq!(state.node_id(id(2)).unwrap(), id(1));
        let good = fs::read(path.join("node-id")).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(path.join("node-id"), &bad).unwrap();
            assert_eq!(state.node_id(id(3)).unwrap(), id(3), "byte {at}");
            fs::write(path.join("node-id"), &good[..at]).unwrap();
            assert_eq!(state.node_id(id(4)).unwrap(), id(4), "cut at {at}");
        }
        fs::write(path.join("node-id"), [&good[..], &[0]].concat()).unwrap();
        assert_eq!(state.node_id(id(5)).unwrap(), id(5));
        assert!(!path.join("node-id.new").exists());
    }

    #[test]
    fn a_newer_version_is_refused_and_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path()).unwrap();
        // The magic, version 2, four bytes of something.
        let mut newer = b"sprat-id\x02abcd".to_vec();
        newer.extend(crc32fast::hash(&newer).to_be_bytes());
        fs::write(base.path().join("node-id"), &newer).unwrap();
        let error = state.node_id(id(1)).unwrap_err().to_string();
        assert!(error.contains("newer version"), "{error}");
        assert_eq!(fs::read(base.path().join("node-id")).unwrap(), newer);
    }

    #[test]
    fn a_manifest_is_kept_and_a_damaged_one_is_not_believed() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::open(base.path()).unwrap();
        // One byte named `a` in one shard; the hash is 20 times `x`.
        let info = format!(
            "d6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:{}e",
            "x".repeat(20)
        );
        let manifest = Manifest::from_metainfo(format!("d4:info{info}e").as_bytes()).unwrap();
        let file = manifest.file_id();
        assert!(state.load_manifest(file).is_none());
        state.save_manifest(&manifest).unwrap();
        let loaded = state.load_manifest(file).unwrap();
        assert_eq!(loaded.bytes(), info.as_bytes());
        let path = base.path().join("manifests").join(manifest_name(file));
        let good = fs::read_to_string(&path).unwrap();
        for bad in [
            "",
            "d",
            &good.replace("xxx", "xyx"),
            &good.replace("1:a", "1:b"),
        ] {
            fs::write(&path, bad).unwrap();
            assert!(state.load_manifest(file).is_none(), "{bad}");
        }
        let good = good.as_bytes();
        for at in 0..good.len() {
            let flipped = [&good[..at], &[good[at] ^ 1], &good[at + 1..]].concat();
            for bad in [&flipped, &good[..at]] {
                fs::write(&path, bad).unwrap();
                let loaded = state.load_manifest(file);
                let is_right = loaded.is_none_or(|loaded| loaded.bytes() == manifest.bytes());
                assert!(is_right, "byte {at}");
            }
        }
    }

    #[test]
    fn the_state_folder_is_the_first_that_the_environment_names() {
        let dir = |given: &[(&str, &str)]| {
            usual_dir(|name| {
                given
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| PathBuf::from(value))
            })
        };
        let home = ("HOME", "/home/pi");
        assert_eq!(dir(&[home]), Some("/home/pi/.local/state/sprat".into()));
        assert_eq!(
            dir(&[home, ("XDG_STATE_HOME", "/s")]),
            Some("/s/sprat".into())
        );
        assert_eq!(dir(&[home, ("XDG_STATE_HOME", "s")]), dir(&[home]));
        assert_eq!(
            dir(&[home, ("STATE_DIRECTORY", "/var/lib/sprat")]),
            Some("/var/lib/sprat".into())
        );
        assert_eq!(dir(&[]), None);
    }

    #[test]
    fn a_second_process_learns_the_id_of_the_first() {
        let base = tempfile::tempdir().unwrap();
        let first = StateDir::open(base.path()).unwrap();
        let error = StateDir::open(base.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let pid = std::process::id();
        let words = format!("another sprat (pid {pid}) uses {}", base.path().display());
        assert!(error.to_string().ends_with(&words), "{error}");
        drop(first);
        assert!(StateDir::open(base.path()).is_ok());
    }
}
