//! The state folder, looked at from outside: what is in it and whether it would be believed.
//!
//! Invariant: nothing in it is changed, and nobody is kept from using it: its lock is tried for a
//! moment, shared, and let go.

use super::catalog::{self, MEMORY_SIZE_MAX, MemoryError};
use super::state_dir::{self, METAINFO_SIZE_MAX, NODE_ID_SIZE, StateDir, Unread, parse_node_id};
use crate::envelope::EnvelopeError;
use crate::node::saved::{self, SAVED_SIZE_MAX, SavedError};
use crate::reactor::state_file::read;
use crate::reactor::{Error, contacts, verified};
use crate::store::verified::{VERIFIED_SIZE_MAX, VerifiedError, parse as parse_verified};
use crate::wire::{Manifest, Network};
use rustix::fs::{Access, FlockOperation};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long manifests are read: there may be thousands.
const READ_TIME: Duration = Duration::from_millis(300);

/// What became of a file that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is as it was written.
    Good,
    /// It is of another network.
    Other,
    /// It is not what was written.
    Damaged,
    /// A newer version wrote it.
    Newer,
}

/// What is in a state folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The folder's rights, as `chmod` has them.
    pub mode: u32,
    /// Whether this user may write there.
    pub is_writable: bool,
    /// The process id of the sprat that has it, as text; empty when that is not known.
    pub user: Option<String>,
    /// Its files, by name, those that are not there aside.
    pub files: Vec<(&'static str, Kept)>,
    /// How many contacts are in their list.
    pub contact_count: u64,
    /// Manifests of fetches.
    pub manifests: u64,
    /// Those among the first of them that are damaged.
    pub manifests_damaged: u64,
}

impl StateDir {
    /// Looks at the state folder; none when there is no folder.
    ///
    /// # Errors
    /// When something in it cannot be read.
    pub fn look(path: &Path, network: Network) -> Result<Option<Health>, Error> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path)(error)),
        };
        let (contacts, contact_count) = look_at_contacts(&path.join(contacts::NAME), network)?;
        let files = [
            ("node-id", look_at_node_id(&path.join("node-id"))?),
            (contacts::NAME, contacts),
            (
                verified::NAME,
                look_at_verified(&path.join(verified::NAME))?,
            ),
            (catalog::NAME, look_at_memory(&path.join(catalog::NAME))?),
        ];
        let there = |(name, kept): (_, Option<Kept>)| Some((name, kept?));
        let (manifests, manifests_damaged) = look_at_manifests(&path.join("manifests"))?;
        Ok(Some(Health {
            mode: metadata.permissions().mode() & 0o777,
            is_writable: rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
            user: user(&path.join("lock"))?,
            files: files.into_iter().filter_map(there).collect(),
            contact_count,
            manifests,
            manifests_damaged,
        }))
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error::new(format!("read {}", path.display()), error)
}

/// Who holds the lock, if anyone does.
fn user(path: &Path) -> Result<Option<String>, Error> {
    let Some(mut lock) = absent_is_none(File::open(path)).map_err(failed(path))? else {
        return Ok(None);
    };
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared).is_ok() {
        return Ok(None);
    }
    let mut pid = String::new();
    // It may hold anything, or not be written yet.
    let _ = (&mut lock).take(20).read_to_string(&mut pid);
    Ok(Some(pid.trim().to_owned()))
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn look_at_node_id(path: &Path) -> Result<Option<Kept>, Error> {
    let bytes = absent_is_none(read(path, NODE_ID_SIZE as u64)).map_err(failed(path))?;
    Ok(bytes.map(|bytes| match parse_node_id(&bytes) {
        Ok(_) => Kept::Good,
        Err(Unread::Newer) => Kept::Newer,
        Err(Unread::Damaged) => Kept::Damaged,
    }))
}

fn look_at_contacts(path: &Path, network: Network) -> Result<(Option<Kept>, u64), Error> {
    let bytes = absent_is_none(read(path, SAVED_SIZE_MAX as u64)).map_err(failed(path))?;
    Ok(match bytes.map(|bytes| saved::parse(&bytes, network)) {
        None => (None, 0),
        Some(Ok(contacts)) => (Some(Kept::Good), contacts.len() as u64),
        Some(Err(SavedError::Envelope(EnvelopeError::Newer))) => (Some(Kept::Newer), 0),
        Some(Err(SavedError::Network)) => (Some(Kept::Other), 0),
        Some(Err(_)) => (Some(Kept::Damaged), 0),
    })
}

fn look_at_verified(path: &Path) -> Result<Option<Kept>, Error> {
    let bytes = absent_is_none(read(path, VERIFIED_SIZE_MAX as u64)).map_err(failed(path))?;
    Ok(bytes.map(|bytes| match parse_verified(&bytes) {
        Ok(_) => Kept::Good,
        Err(VerifiedError::Newer) => Kept::Newer,
        Err(VerifiedError::Damaged) => Kept::Damaged,
    }))
}

fn look_at_memory(path: &Path) -> Result<Option<Kept>, Error> {
    let bytes = absent_is_none(read(path, MEMORY_SIZE_MAX as u64)).map_err(failed(path))?;
    Ok(bytes.map(|bytes| match catalog::parse(&bytes) {
        Ok(_) => Kept::Good,
        Err(MemoryError::Newer) => Kept::Newer,
        Err(_) => Kept::Damaged,
    }))
}

/// How many manifests there are, and how many of those that were read in time are damaged.
fn look_at_manifests(folder: &Path) -> Result<(u64, u64), Error> {
    let Some(entries) = absent_is_none(fs::read_dir(folder)).map_err(failed(folder))? else {
        return Ok((0, 0));
    };
    let ends_at = Instant::now() + READ_TIME;
    let (mut count, mut damaged) = (0, 0);
    for entry in entries {
        let path = entry.map_err(failed(folder))?.path();
        if path
            .extension()
            .is_none_or(|extension| extension != "torrent")
        {
            continue;
        }
        count += 1;
        if Instant::now() < ends_at {
            let bytes = read(&path, METAINFO_SIZE_MAX).map_err(failed(&path))?;
            let manifest = Manifest::take_metainfo(bytes);
            let name = path.file_name().unwrap_or_default();
            let is_right =
                |manifest: Manifest| *name == *state_dir::manifest_name(manifest.file_id());
            damaged += u64::from(!manifest.is_ok_and(is_right));
        }
    }
    Ok((count, damaged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::rng::Rng;

    #[test]
    fn a_state_folder_is_looked_at_and_stays_as_it_is() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("state");
        let network = Network::named("test");
        let look = || StateDir::look(&path, network).unwrap();
        assert_eq!(look(), None);
        let state = StateDir::open(&path).unwrap();
        state.node_id(NodeId(Rng::from_number(1).id())).unwrap();
        fs::write(path.join("verified"), "x").unwrap();
        fs::write(path.join("service"), catalog::emit(&[])).unwrap();
        fs::create_dir(path.join("manifests")).unwrap();
        fs::write(path.join("manifests/x.torrent"), "d").unwrap();
        fs::write(
            path.join("contacts"),
            saved::emit(&[], Network::named("other")),
        )
        .unwrap();
        let health = look().unwrap();
        let pid = std::process::id().to_string();
        assert_eq!((health.mode, health.user), (0o700, Some(pid)));
        let files = [
            ("node-id", Kept::Good),
            ("contacts", Kept::Other),
            ("verified", Kept::Damaged),
            ("service", Kept::Good),
        ];
        assert_eq!(health.files, files);
        assert_eq!((health.manifests, health.manifests_damaged), (1, 1));
        drop(state);
        fs::write(path.join("node-id"), "x").unwrap();
        fs::remove_file(path.join("verified")).unwrap();
        fs::remove_file(path.join("service")).unwrap();
        fs::write(path.join("contacts"), saved::emit(&[], network)).unwrap();
        let health = look().unwrap();
        let files = [("node-id", Kept::Damaged), ("contacts", Kept::Good)];
        assert_eq!((health.user, &health.files[..]), (None, &files[..]));
        assert_eq!(fs::read(path.join("node-id")).unwrap(), b"x");
        assert!(StateDir::open(&path).is_ok());
    }
}
