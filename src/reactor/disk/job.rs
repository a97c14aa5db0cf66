//! How a fetch's place is made, and how a finished fetch becomes durable: both in steps.
//!
//! A folder may hold 32,768 files, and a `fsync` may take a second on an SD card, so each turn of
//! the loop does one step and then serves the network.
//!
//! ```text
//!  prepare:  resolve ──► final name there? ──► sizes right ─────────────► Final
//!               │              └──► DiskError::Exists
//!               └──► lock NAME.part ──► free space ──► files made ──────► Fresh | Partial
//!  finish:   fdatasync each file ──► fsync each folder ──► rename ──► fsync parent
//! ```
//!
//! Invariants: nothing is renamed before everything in it is synced, and seen to be what this fetch
//! has made and written, in its size; a rename never replaces anything; an existing `NAME.part` is
//! taken over as it is (its bytes are verified by the node) but for its size.

use super::Disk;
use super::beneath::{self, Access};
use super::fault::Fault;
use super::space;
use super::store::{Entry, Stamp, State, Store};
use crate::limits::{FILES_MADE_PER_TURN, FILES_SYNCED_PER_TURN};
use crate::node::{DiskError, Prepared, SwarmKey};
use crate::wire::Manifest;
use rustix::fs::{CWD, FlockOperation, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Work that takes several turns.
#[derive(Debug)]
pub enum Job {
    /// Compares the sizes of what stands under the final name, from entry `next`.
    Compare {
        /// Whose.
        swarm: SwarmKey,
        /// The next entry.
        next: usize,
    },
    /// Makes the part's files, from entry `next`.
    Make {
        /// Whose.
        swarm: SwarmKey,
        /// The next entry.
        next: usize,
        /// Whether a part was there.
        found: Prepared,
    },
    /// Syncs the part's files from entry `next`, then its folders, then gives it its final name.
    Finish {
        /// Whose.
        swarm: SwarmKey,
        /// The next entry.
        next: usize,
        /// Folders of the part that are not synced yet.
        folders: Vec<PathBuf>,
    },
}

/// The end of a job.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// For `Node::handle_prepared`.
    Prepared(Result<Prepared, DiskError>),
    /// For `Node::handle_finished`.
    Finished(Result<(), DiskError>),
}

impl Job {
    /// Whose work it is.
    pub fn swarm(&self) -> SwarmKey {
        match *self {
            Job::Compare { swarm, .. } | Job::Make { swarm, .. } | Job::Finish { swarm, .. } => {
                swarm
            }
        }
    }
}

/// A step's outcome: the job goes on, or is done.
enum Step {
    On(Job),
    Done(Done),
}

impl Disk {
    /// Begins to make or find the place of a fetch. Its end comes from `step`.
    pub fn prepare(&mut self, swarm: SwarmKey, manifest: &Manifest) {
        let entries = manifest
            .entries()
            .iter()
            .map(|entry| (entry.path.as_str(), entry.size));
        self.begin_prepare(swarm, manifest.name(), manifest.is_folder(), entries);
    }

    pub(super) fn begin_prepare<'a>(
        &mut self,
        swarm: SwarmKey,
        name: &str,
        is_folder: bool,
        entries: impl Iterator<Item = (&'a str, u64)>,
    ) {
        let store = self
            .find_mut(swarm)
            .expect("a fetch is known before it is prepared");
        let entry = |(path, size)| Entry {
            path: PathBuf::from(path),
            size,
            stamp: None,
        };
        store.entries = entries.map(entry).collect();
        store.is_folder = is_folder;
        if let State::Wanted(output) = &store.state {
            let is_ours = |folder: &Path| is_folder && have_sizes(folder, &store.entries);
            store.path = output.resolve(name, is_ours);
        }
        store.set_place(false);
        self.jobs.push_back(Job::Compare { swarm, next: 0 });
    }

    /// Begins to make a fetch durable under its final name. Its end comes from `step`.
    pub fn finish(&mut self, swarm: SwarmKey) {
        let store = self
            .find(swarm)
            .expect("a fetch is known before it is finished");
        let folders = if store.is_folder {
            folders_of(&store.entries)
        } else {
            vec![]
        };
        self.jobs.push_back(Job::Finish {
            swarm,
            next: 0,
            folders,
        });
    }

    /// Whether `step` has something to do.
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Does one step of the first job; the swarm and the result when that was its last.
    pub fn step(&mut self) -> Option<(SwarmKey, Done)> {
        let job = self.jobs.pop_front()?;
        let swarm = job.swarm();
        let finishing = matches!(job, Job::Finish { .. });
        let step = match job {
            Job::Compare { next, .. } => self.compare(swarm, next),
            Job::Make { next, found, .. } => self.make(swarm, next, found),
            Job::Finish { next, folders, .. } => self.sync(swarm, next, folders),
        };
        match self.keep(swarm, step) {
            Ok(Step::On(job)) => {
                // Jobs take turns, as all else does.
                self.jobs.push_back(job);
                None
            }
            Ok(Step::Done(done)) => Some((swarm, done)),
            Err(error) if finishing => Some((swarm, Done::Finished(Err(error)))),
            Err(error) => Some((swarm, Done::Prepared(Err(error)))),
        }
    }

    fn job_store(&mut self, swarm: SwarmKey) -> &mut Store {
        self.find_mut(swarm).expect("a job ends with its swarm")
    }

    /// What stands under the final name, if anything, must have the manifest's sizes.
    fn compare(&mut self, swarm: SwarmKey, mut next: usize) -> Result<Step, Fault> {
        let store = self.job_store(swarm);
        let path = store.path.clone();
        let exists = |why| Fault::because(DiskError::Exists, "write", &path, why);
        if next == 0 {
            match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return self.begin_part(swarm);
                }
                Err(error) => return Err(Fault::new("look at", &path, error)),
                Ok(there) if there.is_dir() && !store.is_folder => {
                    return Err(exists("a folder has that name"));
                }
                Ok(there) if there.is_dir() != store.is_folder || there.is_symlink() => {
                    return Err(exists("another file has that name"));
                }
                Ok(_) => {}
            }
        }
        let last = store.entries.len().min(next + FILES_MADE_PER_TURN);
        while next < last {
            let entry = &store.entries[next];
            let file = beneath::open(&store.folder, &entry.path, Access::Read);
            let size = file.and_then(|file| Ok(file.metadata()?.len()));
            match size {
                Ok(size) if size == entry.size => next += 1,
                Ok(_) if store.is_folder => return Err(exists("another folder has that name")),
                Ok(_) => return Err(exists("another file has that name")),
                Err(error) => {
                    return Err(match error.kind() {
                        io::ErrorKind::NotFound => exists("another folder has that name"),
                        _ => Fault::new("open", &store.entry_path(next as u32), error),
                    });
                }
            }
        }
        if next < store.entries.len() {
            return Ok(Step::On(Job::Compare { swarm, next }));
        }
        store.state = State::Final;
        Ok(Step::Done(Done::Prepared(Ok(Prepared::Final))))
    }

    /// Locks `NAME.part`, making it if it is not there, and looks whether all of it will fit.
    fn begin_part(&mut self, swarm: SwarmKey) -> Result<Step, Fault> {
        let store = self.job_store(swarm);
        let part = store.part_path();
        let parent = beneath::folder(store.parent())
            .map_err(|error| Fault::new("open", store.parent(), error))?;
        store.set_place(true);
        let found = match fs::symlink_metadata(&part) {
            Ok(there) if there.is_symlink() || there.is_dir() != store.is_folder => {
                let why = "something else has that name (move it away)";
                return Err(Fault::because(DiskError::Denied, "write", &part, why));
            }
            Ok(_) => Prepared::Partial,
            Err(_) => Prepared::Fresh,
        };
        let mut needed: u64 = store.entries.iter().map(|entry| entry.size).sum();
        if found == Prepared::Partial {
            needed = needed.saturating_sub(allocated(store));
        }
        space::admit(&parent, &part, needed)?;
        let lock = lock_part(store, &parent, &part)?;
        store.state = State::Part { lock };
        Ok(Step::On(Job::Make {
            swarm,
            next: 0,
            found,
        }))
    }

    /// Makes some of the part's files, each with its size.
    fn make(&mut self, swarm: SwarmKey, mut next: usize, found: Prepared) -> Result<Step, Fault> {
        let store = self.job_store(swarm);
        let last = store.entries.len().min(next + FILES_MADE_PER_TURN);
        while next < last {
            let entry = &store.entries[next];
            let made = beneath::open(&store.folder, &entry.path, Access::Create);
            let stamp = made
                .and_then(|file| {
                    space::allocate(&file, entry.size)?;
                    Ok(Stamp::of(&file.metadata()?))
                })
                .map_err(|error| Fault::new("make", &store.entry_path(next as u32), error))?;
            store.entries[next].stamp = Some(stamp);
            next += 1;
        }
        Ok(match next < store.entries.len() {
            true => Step::On(Job::Make { swarm, next, found }),
            false => Step::Done(Done::Prepared(Ok(found))),
        })
    }

    /// Syncs a few files or folders; after the last, renames.
    ///
    /// Every file is synced, not only those written since the start: an earlier process may have
    /// written the rest, and its writes may not have reached the disk yet.
    fn sync(
        &mut self,
        swarm: SwarmKey,
        mut next: usize,
        mut folders: Vec<PathBuf>,
    ) -> Result<Step, Fault> {
        for _ in 0..FILES_SYNCED_PER_TURN {
            let store = self.job_store(swarm);
            if next < store.entries.len() {
                let path = store.entry_path(next as u32);
                let entry = &mut store.entries[next];
                let file = beneath::open(&store.folder, &entry.path, Access::Read)
                    .map_err(|error| Fault::new("open", &path, error))?;
                let metadata = file
                    .metadata()
                    .map_err(|error| Fault::new("look at", &path, error))?;
                entry
                    .check_part(&metadata)
                    .map_err(|why| Fault::because(DiskError::Changed, "finish", &path, why))?;
                file.sync_data()
                    .map_err(|error| Fault::new("sync", &path, error))?;
                next += 1;
            } else if let Some(folder) = folders.pop() {
                sync_folder(&store.folder.join(folder))?;
            } else {
                rename(store)?;
                store.set_place(false);
                store.state = State::Final;
                // They said which files the part's were.
                store
                    .entries
                    .iter_mut()
                    .for_each(|entry| entry.stamp = None);
                // Descriptors opened for writing are not needed any more.
                self.files.close(swarm);
                return Ok(Step::Done(Done::Finished(Ok(()))));
            }
        }
        Ok(Step::On(Job::Finish {
            swarm,
            next,
            folders,
        }))
    }
}

/// Whether all entries stand beneath the folder in their sizes.
fn have_sizes(folder: &Path, entries: &[Entry]) -> bool {
    entries.iter().all(|entry| {
        let there = fs::symlink_metadata(folder.join(&entry.path));
        there.is_ok_and(|there| there.is_file() && there.len() == entry.size)
    })
}

/// Bytes that the files of a part occupy already, none more than its entry's size.
fn allocated(store: &Store) -> u64 {
    let sizes = store.entries.iter().map(|entry| {
        let there = fs::symlink_metadata(store.folder.join(&entry.path));
        there.map_or(0, |there| (there.blocks() * 512).min(entry.size))
    });
    sizes.sum()
}

/// Opens the part (a file, or a folder) and locks it: two processes that fetch different files of
/// one name into one folder would otherwise write into each other's.
fn lock_part(store: &Store, parent: &OwnedFd, part: &Path) -> Result<OwnedFd, Fault> {
    let made = |error| Fault::new("make", part, error);
    let lock = if store.is_folder {
        beneath::make_folder(parent, part.file_name().unwrap_or_default()).map_err(made)?
    } else {
        let file = beneath::open(&store.folder, &store.entries[0].path, Access::Create);
        file.map_err(made)?.into()
    };
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => {
            let why = "another sprat writes it at this moment";
            Err(Fault::because(DiskError::Denied, "write", part, why))
        }
        Err(error) => Err(Fault::new("lock", part, error)),
    }
}

/// Gives the part its final name, which nothing must have, and makes the name durable.
fn rename(store: &Store) -> Result<(), Fault> {
    let part = store.part_path();
    let failed = |error: io::Error| Fault::new("rename", &part, error);
    check_identity(store, &part)?;
    match rustix::fs::renameat_with(CWD, &part, CWD, &store.path, RenameFlags::NOREPLACE) {
        // A file system without that flag.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(&store.path) {
            Ok(_) => return Err(failed(Errno::EXIST.into())),
            Err(_) => fs::rename(&part, &store.path).map_err(failed)?,
        },
        result => result.map_err(|errno| failed(errno.into()))?,
    }
    sync_folder(store.parent())
}

/// The part must still be what was locked, made and synced: a rename goes by name.
fn check_identity(store: &Store, part: &Path) -> Result<(), Fault> {
    let State::Part { lock } = &store.state else {
        return Ok(());
    };
    let looked = |error| Fault::new("look at", part, error);
    let ours = rustix::fs::fstat(lock).map_err(|errno| looked(errno.into()))?;
    let there = fs::symlink_metadata(part).map_err(looked)?;
    match (there.dev(), there.ino()) == (ours.st_dev, ours.st_ino) {
        true => Ok(()),
        false => {
            let why = "another program has replaced it";
            Err(Fault::because(DiskError::Changed, "finish", part, why))
        }
    }
}

fn sync_folder(path: &Path) -> Result<(), Fault> {
    let folder = beneath::folder(path).map_err(|error| Fault::new("open", path, error))?;
    rustix::fs::fsync(&folder).map_err(|errno| Fault::new("sync", path, errno))
}

/// The folders above the entries, each once; the part's own is the empty path.
fn folders_of(entries: &[Entry]) -> Vec<PathBuf> {
    let above = entries
        .iter()
        .flat_map(|entry| entry.path.ancestors().skip(1));
    above
        .map(Path::to_path_buf)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}
