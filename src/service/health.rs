//! The health of a state folder, seen from outside: its files, and whether they would be loaded.
//!
//! Invariant: nothing in it is changed, and no process is kept from using it: its lock is tried for
//! a moment, shared, and released.

use super::catalog::{self, CATALOG_SIZE_MAX, CatalogError};
use super::state_dir::{METAINFO_SIZE_MAX, NODE_ID_SIZE, manifest_name, parse_node_id};
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

/// The condition of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is as it was written.
    Good,
    /// It is of another network.
    Other,
    /// It differs from what was written.
    Damaged,
    /// A newer version wrote it.
    Newer,
}

impl Kept {
    fn of<T, E: PartialEq>(parsed: Result<T, E>, newer: E) -> Kept {
        match parsed {
            Ok(_) => Kept::Good,
            Err(error) if error == newer => Kept::Newer,
            Err(_) => Kept::Damaged,
        }
    }
}

/// The contents of a state folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The folder's rights, as `chmod` has them.
    pub mode: u32,
    /// Whether this user may write there.
    pub is_writable: bool,
    /// The process id of the sprat that has it, as text; empty when that is not known.
    pub user: Option<String>,
    /// Its files that exist, by name.
    pub files: Vec<(&'static str, Kept)>,
    /// Number of contacts in their list.
    pub contact_count: u64,
    /// Number of manifests of fetches.
    pub manifests: u64,
    /// Number of damaged ones among the first of them.
    pub manifests_damaged: u64,
}

impl Health {
    /// Examines a state folder; `None` when there is no folder.
    ///
    /// # Errors
    /// When something in it cannot be read.
    pub fn of(folder: &Path, network: Network) -> Result<Option<Health>, Error> {
        let Some(metadata) = found(folder, fs::metadata(folder))? else {
            return Ok(None);
        };
        let mut files = Vec::new();
        let mut examine = |name, most, judge: &mut dyn FnMut(&[u8]) -> Kept| {
            let path = folder.join(name);
            let bytes = found(&path, read(&path, most as u64))?;
            files.extend(bytes.map(|bytes| (name, judge(&bytes))));
            Ok::<_, Error>(())
        };
        examine("node-id", NODE_ID_SIZE, &mut |bytes| {
            Kept::of(parse_node_id(bytes), EnvelopeError::Newer)
        })?;
        let mut contact_count = 0;
        examine(contacts::NAME, SAVED_SIZE_MAX, &mut |bytes| {
            let parsed = saved::parse(bytes, network);
            contact_count = parsed.as_ref().map_or(0, Vec::len) as u64;
            match parsed {
                Err(SavedError::Network) => Kept::Other,
                parsed => Kept::of(parsed, SavedError::Envelope(EnvelopeError::Newer)),
            }
        })?;
        examine(verified::NAME, VERIFIED_SIZE_MAX, &mut |bytes| {
            Kept::of(parse_verified(bytes), VerifiedError::Newer)
        })?;
        examine(catalog::NAME, CATALOG_SIZE_MAX, &mut |bytes| {
            let newer = CatalogError::Envelope(EnvelopeError::Newer);
            Kept::of(catalog::parse(bytes), newer)
        })?;
        let (manifests, manifests_damaged) = manifests(&folder.join("manifests"))?;
        Ok(Some(Health {
            mode: metadata.permissions().mode() & 0o777,
            is_writable: rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
            user: user(&folder.join("lock"))?,
            files,
            contact_count,
            manifests,
            manifests_damaged,
        }))
    }
}

/// The result of reading `path`; `None` when there is nothing.
fn found<T>(path: &Path, result: io::Result<T>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(format!("read {}", path.display()), error)),
    }
}

/// The process that holds the lock, if one does.
fn user(path: &Path) -> Result<Option<String>, Error> {
    let Some(mut lock) = found(path, File::open(path))? else {
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

/// How many manifests there are, and how many of those that were read in time are damaged.
fn manifests(folder: &Path) -> Result<(u64, u64), Error> {
    let entries = found(folder, fs::read_dir(folder))?;
    let ends_at = Instant::now() + READ_TIME;
    let (mut count, mut damaged) = (0, 0);
    for entry in entries.into_iter().flatten() {
        let Some(entry) = found(folder, entry)? else {
            continue;
        };
        let path = entry.path();
        if path
            .extension()
            .is_none_or(|extension| extension != "torrent")
        {
            continue;
        }
        count += 1;
        if Instant::now() < ends_at {
            let Some(bytes) = found(&path, read(&path, METAINFO_SIZE_MAX))? else {
                continue;
            };
            let is_right = |of: Manifest| entry.file_name() == *manifest_name(of.file_id());
            damaged += u64::from(!Manifest::take_metainfo(bytes).is_ok_and(is_right));
        }
    }
    Ok((count, damaged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::rng::Rng;
    use crate::service::StateDir;

    #[test]
    fn a_state_folder_is_looked_at_and_stays_as_it_is() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("state");
        let network = Network::named("test");
        let look = || Health::of(&path, network).unwrap();
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
