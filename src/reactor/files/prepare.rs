//! How the place of a fetch is made or found, and the round of all work that takes several turns.
//!
//! A folder may hold 32,768 files, and a sync may take a second on an SD card, so each turn of the
//! loop does one step and then serves the network.
//!
//! ```text
//!  prepare:  resolve ──► final name there? ──► sizes right ──────────────────────► Final
//!               │              └──► DiskError::Exists
//!               └──► lock NAME.part ──► free space ──► files made ─► nothing there ► Fresh
//!                                                          └──► journal read, begun ► Journaled
//!                                                                     └──► no proof ► Partial
//! ```
//!
//! Invariants: an existing `NAME.part` is taken over as it is but for its size; its bytes are
//! proved by its journal, or verified by the node.

use super::Disk;
use super::commit::{Advance, Commit, Goal};
use super::fault::Fault;
use super::journal::{self, FilesDigest};
use super::openat::{self, Access};
use super::space;
use super::swarm_files::{Known, Stage, Stamp, SwarmFiles};
use crate::bitmap::Bitmap;
use crate::limits::FILES_MADE_PER_TURN;
use crate::node::{DiskError, Prepared, SwarmKey};
use crate::reactor::files::sync_thread::Request;
use crate::wire::{Entries, Manifest};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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
        /// How its files looked when they were found.
        look: FilesDigest,
    },
    /// Carries out a plan.
    Commit(Commit),
}

/// What a turn's step has led to.
#[derive(Debug)]
pub enum Progress {
    /// Nothing that others have to know of.
    Nothing,
    /// The syncer is to wait for this; `handle_synced` takes its result.
    Sync(Request),
    /// A job is at its end.
    Done(SwarmKey, Done),
}

/// The end of a job.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// For `Node::handle_prepared`, after `Node::handle_durable` for each shard.
    Prepared(Result<Prepared, DiskError>, Bitmap),
    /// For `Node::handle_checkpointed`.
    Checkpointed(Result<(), DiskError>),
    /// For `Node::handle_finished`.
    Finished(Result<(), DiskError>),
}

impl Job {
    /// Whose work it is.
    pub fn swarm(&self) -> SwarmKey {
        match self {
            Job::Compare { swarm, .. } | Job::Make { swarm, .. } => *swarm,
            Job::Commit(commit) => commit.swarm,
        }
    }
}

/// A step's outcome: the job goes on, or is done.
enum Step {
    On(Job),
    Sync(Commit, Request),
    Done(Done),
}

impl Disk {
    /// Begins to make or find the place of a fetch. Its end comes from `step`.
    pub fn prepare(&mut self, swarm: SwarmKey, manifest: &Manifest) {
        let entries = manifest.entries().clone();
        let store = self.job_store(swarm);
        (store.file, store.shards) = (manifest.file_id(), manifest.shard_count());
        self.begin_prepare(swarm, manifest.name(), manifest.is_folder(), entries);
    }

    pub(super) fn begin_prepare(
        &mut self,
        swarm: SwarmKey,
        name: &str,
        is_folder: bool,
        entries: Entries,
    ) {
        let store = self
            .find_mut(swarm)
            .expect("a fetch is known before it is prepared");
        store.known = vec![Known::default(); entries.len()];
        store.names = entries;
        store.is_folder = is_folder;
        if let Stage::Wanted(output) = &store.stage {
            let is_ours = |folder: &Path| is_folder && have_sizes(folder, store);
            store.path = output.resolve(name, is_ours);
        }
        store.set_place(false);
        self.jobs.push_back(Job::Compare { swarm, next: 0 });
    }

    /// Begins to make what a fetch has gained durable; with `kept`, the journal begins anew and
    /// proves that besides, and nothing else. Its end comes from `step`.
    pub fn checkpoint(
        &mut self,
        swarm: SwarmKey,
        last: bool,
        gained: impl Iterator<Item = u32>,
        kept: Option<Bitmap>,
    ) {
        let commit = Commit::checkpoint(self.job_store(swarm), last, gained, kept);
        self.jobs.push_back(Job::Commit(commit));
    }

    /// Begins to make a fetch durable under its final name, or what was repaired. Its end comes from
    /// `step`.
    pub fn finish(&mut self, swarm: SwarmKey) {
        let commit = match self.job_store(swarm).stage {
            Stage::Repair => Commit::repair(swarm),
            _ => Commit::finish(swarm),
        };
        self.jobs.push_back(Job::Commit(commit));
    }

    /// Whether `step` has something to do.
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty() && !self.is_syncing
    }

    /// Whether a result of the syncer is waited for.
    pub fn is_syncing(&self) -> bool {
        self.is_syncing
    }

    /// The syncer is done with what `step` gave it last.
    pub fn handle_synced(&mut self, result: io::Result<()>) -> Progress {
        self.is_syncing = false;
        let Some(mut commit) = self.syncing.take() else {
            return Progress::Nothing;
        };
        let swarm = commit.swarm;
        let goal = commit.goal;
        let step = commit
            .handle_synced(result)
            .map(|()| Step::On(Job::Commit(commit)));
        self.conclude(swarm, Some(goal), step)
    }

    /// Does one step of the first job.
    pub fn step(&mut self) -> Progress {
        if self.is_syncing {
            return Progress::Nothing;
        }
        let Some(job) = self.jobs.pop_front() else {
            return Progress::Nothing;
        };
        let swarm = job.swarm();
        let mut goal = None;
        let step = match job {
            Job::Compare { next, .. } => self.compare(swarm, next),
            Job::Make {
                next, found, look, ..
            } => self.make(swarm, next, found, look),
            Job::Commit(commit) => {
                goal = Some(commit.goal);
                self.commit(commit)
            }
        };
        self.conclude(swarm, goal, step)
    }

    fn conclude(
        &mut self,
        swarm: SwarmKey,
        goal: Option<Goal>,
        step: Result<Step, Fault>,
    ) -> Progress {
        match self.keep(swarm, step) {
            Ok(Step::On(job)) => {
                // Jobs take turns, as all else does.
                self.jobs.push_back(job);
                Progress::Nothing
            }
            Ok(Step::Sync(commit, request)) => {
                self.is_syncing = true;
                self.syncing = Some(commit);
                Progress::Sync(request)
            }
            Ok(Step::Done(done)) => Progress::Done(swarm, done),
            Err(error) => {
                let done = match goal {
                    Some(Goal::Finished) => {
                        // A repair that failed is over, too: what the owner edits from now on is
                        // seen, and not taken for rot.
                        self.close_repair(swarm);
                        Done::Finished(Err(error))
                    }
                    Some(Goal::Checkpointed { .. }) => Done::Checkpointed(Err(error)),
                    Some(Goal::Prepared(_)) | None => Done::Prepared(Err(error), Bitmap::default()),
                };
                Progress::Done(swarm, done)
            }
        }
    }

    fn commit(&mut self, mut commit: Commit) -> Result<Step, Fault> {
        let store = self.job_store(commit.swarm);
        Ok(match commit.advance(store)? {
            Advance::On => Step::On(Job::Commit(commit)),
            Advance::Sync(request) => Step::Sync(commit, request),
            Advance::Done => Step::Done(match commit.goal {
                Goal::Prepared(found) => Done::Prepared(Ok(found), commit.held),
                Goal::Checkpointed { .. } => Done::Checkpointed(Ok(())),
                Goal::Finished => {
                    // Descriptors opened for writing are not needed any more.
                    self.close_repair(commit.swarm);
                    Done::Finished(Ok(()))
                }
            }),
        })
    }

    fn job_store(&mut self, swarm: SwarmKey) -> &mut SwarmFiles {
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
        let last = store.len().min(next + FILES_MADE_PER_TURN);
        while next < last {
            let entry = store.entry(next);
            let path = store.inner_path(next as u32);
            let file = openat::open(&store.folder, &path, Access::Read);
            match file.and_then(|file| file.metadata()) {
                Ok(there) if there.len() == entry.size => {
                    store.known[next].set_stamp(Stamp::of(&there));
                    next += 1;
                }
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
        if next < store.len() {
            return Ok(Step::On(Job::Compare { swarm, next }));
        }
        store.stage = Stage::Final;
        // The power went after the last rename: the journal is of a part that is there no more.
        if fs::symlink_metadata(store.part_path()).is_err() {
            journal::remove(store)?;
        }
        Ok(Step::Done(Done::Prepared(
            Ok(Prepared::Final),
            Bitmap::default(),
        )))
    }

    /// Locks `NAME.part`, making it if it is not there, and looks whether all of it will fit.
    fn begin_part(&mut self, swarm: SwarmKey) -> Result<Step, Fault> {
        let store = self.job_store(swarm);
        let part = store.part_path();
        let parent = openat::folder(store.parent())
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
        let mut needed = store.names.total();
        if found == Prepared::Partial {
            needed = needed.saturating_sub(allocated(store));
        }
        space::admit(&parent, &part, needed)?;
        if found == Prepared::Fresh && journal::read(store)?.is_some() {
            // It was left behind. A new part can look like the old one, by its inode and size.
            journal::remove(store)?;
        }
        let lock = lock_part(store, &parent, &part)?;
        store.stage = Stage::Part { lock };
        Ok(Step::On(Job::Make {
            swarm,
            next: 0,
            found,
            look: FilesDigest::default(),
        }))
    }

    /// Makes some of the part's files, each with its size.
    fn make(
        &mut self,
        swarm: SwarmKey,
        mut next: usize,
        found: Prepared,
        mut look: FilesDigest,
    ) -> Result<Step, Fault> {
        let store = self.job_store(swarm);
        let last = store.len().min(next + FILES_MADE_PER_TURN);
        while next < last {
            let entry = store.entry(next);
            let path = store.inner_path(next as u32);
            let made = openat::open(&store.folder, &path, Access::Create);
            let stamp = made
                .and_then(|file| {
                    // Before it is changed by us.
                    look.add(&file.metadata()?);
                    // After a failed sync the cache may hold what the disk does not. Advice only.
                    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
                    space::allocate(&file, entry.size)?;
                    Ok(Stamp::of(&file.metadata()?))
                })
                .map_err(|error| Fault::new("make", &store.entry_path(next as u32), error))?;
            store.known[next].set_stamp(stamp);
            next += 1;
        }
        if next < store.len() {
            return Ok(Step::On(Job::Make {
                swarm,
                next,
                found,
                look,
            }));
        }
        self.resume(swarm, found, &look)
    }

    /// The files are there, and an old journal may say what they hold.
    ///
    /// One that is believed gives way to a new one before anything is written, because it would be
    /// wrong afterwards; so does one that was left behind by files that are gone. Where the node has
    /// to verify, a journal begins only after that: a half of what is there would be all that it
    /// proves.
    fn resume(
        &mut self,
        swarm: SwarmKey,
        found: Prepared,
        look: &FilesDigest,
    ) -> Result<Step, Fault> {
        let store = self.job_store(swarm);
        let replayed = journal::read(store)?;
        if let Some(old) = &replayed {
            store.generation = old.header.generation;
        }
        let begin = match (found, replayed) {
            (Prepared::Fresh, Some(_)) => Some((found, Bitmap::default())),
            (Prepared::Fresh, None) => None,
            (_, replayed) => replayed
                .and_then(|replayed| journal::proven(&replayed, look))
                .map(|held| (Prepared::Journaled, held)),
        };
        if let Some((found, held)) = begin {
            return Ok(Step::On(Job::Commit(Commit::begin(swarm, found, held))));
        }
        if found == Prepared::Partial {
            // An earlier process may have written them, and its writes may not be on the disk yet.
            store
                .known
                .iter_mut()
                .for_each(|known| known.is_dirty = true);
        }
        Ok(Step::Done(Done::Prepared(Ok(found), Bitmap::default())))
    }
}

/// Whether all entries stand openat the folder in their sizes.
fn have_sizes(folder: &Path, store: &SwarmFiles) -> bool {
    store.files().all(|(path, entry)| {
        let there = fs::symlink_metadata(folder.join(path));
        there.is_ok_and(|there| there.is_file() && there.len() == entry.size)
    })
}

/// Bytes that the files of a part occupy already, none more than its entry's size.
fn allocated(store: &SwarmFiles) -> u64 {
    let sizes = store.files().map(|(path, entry)| {
        let there = fs::symlink_metadata(store.folder.join(path));
        there.map_or(0, |there| (there.blocks() * 512).min(entry.size))
    });
    sizes.sum()
}

/// Opens the part (a file, or a folder) and locks it: two processes that fetch different files of
/// one name into one folder would otherwise write into each other's.
fn lock_part(store: &SwarmFiles, parent: &OwnedFd, part: &Path) -> Result<OwnedFd, Fault> {
    let made = |error| Fault::new("make", part, error);
    let lock = if store.is_folder {
        openat::make_folder(parent, part.file_name().unwrap_or_default()).map_err(made)?
    } else {
        let file = openat::open(&store.folder, &store.inner_path(0), Access::Create);
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
