//! Carrying out a plan of `journal::plan` on files, a step at a time.
//!
//! What waits for the disk is handed to the syncer; the plan rests meanwhile, and the loop goes on.
//! Invariants: a step begins when the one before it is done wholly; nothing is renamed before it is
//! seen to be what this fetch has made and written, in its size; a rename never replaces anything.

use super::fault::Fault;
use super::journal::{self, FilesDigest, Journal};
use super::openat::{self, Access};
use super::swarm_files::{Stage, Stamp, SwarmFiles};
use crate::bitmap::Bitmap;
use crate::limits::{FILES_MADE_PER_TURN, FILES_SYNCED_EACH_MAX};
use crate::node::{DiskError, Prepared, SwarmKey};
use crate::reactor::files::sync_thread::Request;
use crate::store::plan::{Plan, Step};
use crate::store::record;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a commit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The place of a fetch is ready, with what was found there.
    Prepared(Prepared),
    /// What was gained is durable.
    Checkpointed {
        /// Nothing is written after it.
        last: bool,
    },
    /// The file has its final name.
    Finished,
}

/// A plan, or two of them, under way.
#[derive(Debug)]
pub struct Commit {
    /// Whose.
    pub swarm: SwarmKey,
    /// What for.
    pub goal: Goal,
    plans: &'static [Plan],
    plan: usize,
    step: usize,
    /// What the step has still to sync, last first.
    targets: Vec<Target>,
    /// What is being synced, for messages.
    syncing: PathBuf,
    /// A new journal, until it has the old one's name.
    journal: Option<Journal>,
    /// What it proves from the start.
    pub held: Bitmap,
    /// What it proves besides, from its first checkpoint on.
    gained: Bitmap,
}

/// Something to be synced.
#[derive(Debug)]
enum Target {
    Entry(usize),
    /// From this one to the last: there may be 32,768.
    EntriesFrom(usize),
    Folder(PathBuf),
    /// Everything: there are too many entries.
    FileSystem,
    Journal,
}

/// What one turn has done of a commit.
pub enum Advance {
    /// There is more to do.
    On,
    /// It goes on when the disk has this.
    Sync(Request),
    /// It is done.
    Done,
}

impl Commit {
    /// Begins the journal of a part that was found, with what the old one proved.
    pub fn begin(swarm: SwarmKey, found: Prepared, held: Bitmap) -> Commit {
        Commit {
            held,
            ..Commit::new(swarm, Goal::Prepared(found), &[Plan::Begin])
        }
    }

    /// Makes what was gained durable. The first time it begins the journal, too (a fetch that is over
    /// sooner never has one), and so it does when something durable is lost, with what is `kept`.
    pub fn checkpoint(
        store: &mut SwarmFiles,
        last: bool,
        gained: impl Iterator<Item = u32>,
        kept: Option<Bitmap>,
    ) -> Commit {
        let goal = Goal::Checkpointed { last };
        match (&mut store.journal, kept) {
            (Some(journal), None) => {
                journal.note(record::runs(gained));
                Commit::new(store.swarm, goal, &[Plan::Checkpoint])
            }
            (_, kept) => {
                let plans = &[Plan::Begin, Plan::Checkpoint];
                let mut commit = Commit::new(store.swarm, goal, plans);
                commit.held = kept.unwrap_or_default();
                for shard in gained {
                    commit.gained.insert(shard);
                }
                commit
            }
        }
    }

    /// Gives a whole file its final name.
    pub fn finish(swarm: SwarmKey) -> Commit {
        Commit::new(swarm, Goal::Finished, &[Plan::Finish])
    }

    /// Makes durable what was written into a finished file.
    pub fn repair(swarm: SwarmKey) -> Commit {
        Commit::new(swarm, Goal::Finished, &[Plan::Repair])
    }

    fn new(swarm: SwarmKey, goal: Goal, plans: &'static [Plan]) -> Commit {
        Commit {
            swarm,
            goal,
            plans,
            plan: 0,
            step: 0,
            targets: Vec::new(),
            syncing: PathBuf::new(),
            journal: None,
            held: Bitmap::default(),
            gained: Bitmap::default(),
        }
    }

    /// The disk's answer to the last [`Advance::Sync`]. Whatever the reason, what was written may be
    /// lost: not even a full disk is a thing to wait for then.
    pub fn handle_synced(&mut self, result: io::Result<()>) -> Result<(), Fault> {
        result.map_err(|error| Fault {
            error: DiskError::Failed,
            ..Fault::new("sync", &self.syncing, error)
        })
    }

    /// Does a bounded part of what is left.
    pub fn advance(&mut self, store: &mut SwarmFiles) -> Result<Advance, Fault> {
        // Two steps a file at most.
        for _ in 0..2 * FILES_MADE_PER_TURN {
            if let Some(target) = self.targets.pop() {
                match self.sync(store, target)? {
                    Some(request) => return Ok(Advance::Sync(request)),
                    None => continue,
                }
            }
            let Some(plan) = self.plans.get(self.plan) else {
                return Ok(Advance::Done);
            };
            match plan.steps().get(self.step) {
                Some(&step) => {
                    self.step += 1;
                    self.take(step, store)?;
                }
                None => (self.plan, self.step) = (self.plan + 1, 0),
            }
        }
        Ok(Advance::On)
    }

    /// Takes a step, or lists what it has to sync.
    fn take(&mut self, step: Step, store: &mut SwarmFiles) -> Result<(), Fault> {
        match step {
            Step::SyncData => {
                let is_part = matches!(store.stage, Stage::Part { .. });
                self.targets = dirty(store, is_part && self.goal == Goal::Finished);
            }
            Step::SyncFolders if store.is_folder => {
                let folders = folders_of(store).into_iter();
                let paths = folders.map(|folder| store.folder.join(folder));
                self.targets = paths.map(Target::Folder).collect();
            }
            Step::SyncFolders => {}
            Step::SyncParent => self
                .targets
                .push(Target::Folder(store.parent().to_path_buf())),
            Step::SyncJournal => self.targets.push(Target::Journal),
            Step::WriteJournal => {
                let place = look(store)?.place();
                store.generation += 1;
                let mut journal = Journal::write(store, place, &self.held)?;
                journal.note(record::runs(self.gained.iter()));
                self.journal = Some(journal);
            }
            Step::NameJournal => {
                let (new, path) = (store.new_journal_path(), store.journal_path());
                fs::rename(&new, &path).map_err(|error| Fault::new("rename", &new, error))?;
                store.journal = self.journal.take();
            }
            Step::AppendRecords => self.append(store)?,
            Step::NamePart => {
                rename(store)?;
                store.set_place(false);
                store.stage = Stage::Final;
            }
            Step::RemoveJournal => {
                store.journal = None;
                journal::remove(store)?;
            }
        }
        Ok(())
    }

    fn append(&self, store: &mut SwarmFiles) -> Result<(), Fault> {
        let stamp = match self.goal {
            Goal::Checkpointed { last: true } => Some(look(store)?.stamp()),
            _ => None,
        };
        let path = store.journal_path();
        let Some(journal) = &mut store.journal else {
            return Ok(());
        };
        if let Some(stamp) = stamp {
            journal.note_closed(&stamp);
        }
        let count = journal
            .append()
            .map_err(|error| Fault::new("write", &path, error))?;
        store.journal_written += count as u64;
        Ok(())
    }

    /// What the syncer has to wait for; nothing when the target needs no sync.
    fn sync(&mut self, store: &mut SwarmFiles, target: Target) -> Result<Option<Request>, Fault> {
        let (path, request) = match target {
            Target::EntriesFrom(index) => {
                if index < store.len() {
                    self.targets.push(Target::EntriesFrom(index + 1));
                    self.targets.push(Target::Entry(index));
                }
                return Ok(None);
            }
            Target::Entry(index) => {
                let path = store.entry_path(index as u32);
                let entry = store.entry(index);
                let inner = store.inner_path(index as u32);
                let file = openat::open(&store.folder, &inner, Access::Read)
                    .map_err(|error| Fault::new("open", &path, error))?;
                let metadata = file
                    .metadata()
                    .map_err(|error| Fault::new("look at", &path, error))?;
                let why = |why| Fault::because(DiskError::Changed, "finish", &path, why);
                entry.check_part(&metadata).map_err(why)?;
                let known = &mut store.known[index];
                if self.goal == Goal::Finished {
                    // What it must still be from now on.
                    known.set_stamp(Stamp::of(&metadata));
                }
                if !std::mem::take(&mut known.is_dirty) {
                    return Ok(None);
                }
                (path, Request::Data(file.into()))
            }
            Target::FileSystem => {
                let path = store.part_path();
                let Stage::Part { lock } = &store.stage else {
                    return Ok(None);
                };
                // The lock was opened before anything was written: it hears of every failure since.
                let lock = lock
                    .try_clone()
                    .map_err(|error| Fault::new("open", &path, error))?;
                store
                    .known
                    .iter_mut()
                    .for_each(|known| known.is_dirty = false);
                (path, Request::FileSystem(lock))
            }
            Target::Folder(path) => {
                let folder =
                    openat::folder(&path).map_err(|error| Fault::new("open", &path, error))?;
                (path, Request::All(folder))
            }
            Target::Journal => {
                let path = store.journal_path();
                let Some(journal) = self.journal.as_ref().or(store.journal.as_ref()) else {
                    return Ok(None);
                };
                let file = journal.file.try_clone();
                let file = file.map_err(|error| Fault::new("open", &path, error))?;
                (path, Request::Data(file.into()))
            }
        };
        self.syncing = path;
        Ok(Some(request))
    }
}

/// The entries that were written since they were synced; `all` for a look at every one of them.
fn dirty(store: &SwarmFiles, all: bool) -> Vec<Target> {
    let dirty = store.known.iter().filter(|known| known.is_dirty).count();
    // Only a part has a descriptor that hears of every failure since it was begun.
    let is_many = dirty > FILES_SYNCED_EACH_MAX && matches!(store.stage, Stage::Part { .. });
    let mut targets: Vec<Target> = match all {
        true => vec![Target::EntriesFrom(0)],
        false if is_many => Vec::new(),
        false => {
            let indexed = store.known.iter().enumerate().rev();
            let dirty = indexed.filter(|(_, known)| known.is_dirty);
            dirty.map(|(index, _)| Target::Entry(index)).collect()
        }
    };
    if is_many {
        targets.push(Target::FileSystem);
    }
    targets
}

/// How the part's files look now.
fn look(store: &SwarmFiles) -> Result<FilesDigest, Fault> {
    let mut look = FilesDigest::default();
    for (inner, _) in store.files() {
        let file = openat::open(&store.folder, &inner, Access::Read);
        let metadata = file.and_then(|file| file.metadata());
        let path = || store.folder.join(&inner);
        look.add(&metadata.map_err(|error| Fault::new("look at", &path(), error))?);
    }
    Ok(look)
}

/// Gives the part its final name, which nothing must have.
fn rename(store: &SwarmFiles) -> Result<(), Fault> {
    let part = store.part_path();
    let failed = |error: io::Error| Fault::new("rename", &part, error);
    check_identity(store, &part)?;
    match rustix::fs::renameat_with(CWD, &part, CWD, &store.path, RenameFlags::NOREPLACE) {
        // A file system without that flag.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(&store.path) {
            Ok(_) => Err(failed(Errno::EXIST.into())),
            Err(_) => fs::rename(&part, &store.path).map_err(failed),
        },
        result => result.map_err(|errno| failed(errno.into())),
    }
}

/// The part must still be what was locked, made and synced: a rename goes by name.
fn check_identity(store: &SwarmFiles, part: &Path) -> Result<(), Fault> {
    let Stage::Part { lock } = &store.stage else {
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

/// The folders above the entries, each once; the part's own is the empty path.
fn folders_of(store: &SwarmFiles) -> BTreeSet<PathBuf> {
    // One by one: a set that is collected takes a list of all ancestors first, 2.5 MB of 20,000 files.
    let mut folders = BTreeSet::new();
    for (path, _) in store.files() {
        for folder in path.ancestors().skip(1) {
            if folders.contains(folder) {
                break;
            }
            folders.insert(folder.to_path_buf());
        }
    }
    folders
}
