//! Execution of a plan of [`crate::store::plan`] on files, in tasks.
//!
//! A step of the plan becomes the tasks that it consists of; a task that waits for the disk is
//! given to the sync thread, and the commit rests meanwhile. Invariants: a step begins when the one
//! before it is done wholly; nothing is renamed before it is seen to be what this fetch has made
//! and written, in its size; a rename never replaces anything.

use super::fault::Fault;
use super::fingerprint::{FilesDigest, Fingerprint};
use super::journal::{self, Journal};
use super::openat::{self, Access};
use super::swarm_files::{Stage, SwarmFiles};
use super::sync_thread::Request;
use crate::bitmap::Bitmap;
use crate::limits::{FILES_MADE_PER_TURN, FILES_SYNCED_EACH_MAX};
use crate::node::DiskError;
use crate::store::plan::{Plan, Step};
use crate::store::record::{self, Header};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The state that a commit leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The journal of a part that was found has begun.
    Begun,
    /// New shards are durable. After the last checkpoint nothing is written.
    Checkpointed { last: bool },
    /// The files have their final name.
    Finished,
}

#[derive(Debug)]
pub struct Commit {
    pub goal: Goal,
    /// Tasks still to do, last first.
    tasks: Vec<Task>,
    /// The path that is being synced, for messages.
    syncing: PathBuf,
    /// A new journal, until it has the old one's name.
    journal: Option<Journal>,
    /// Shards that a new journal proves from the start.
    pub held: Option<Bitmap>,
    /// Shards that it proves from its first checkpoint on.
    gained: Bitmap,
}

#[derive(Debug)]
enum Task {
    Step(Step),
    SyncEntry(usize),
    /// Every entry from this one on: there may be 32,768.
    SyncEntriesFrom(usize),
    SyncFolder(PathBuf),
    SyncFileSystem,
    SyncJournal,
}

/// Outcome of a bounded amount of work.
pub enum Turn {
    /// More is to be done.
    More,
    /// It goes on when the disk has this.
    Sync(Request),
    Done,
}

impl Commit {
    fn new(goal: Goal, plans: &[Plan]) -> Commit {
        let steps = plans
            .iter()
            .rev()
            .flat_map(|plan| plan.steps().iter().rev());
        Commit {
            goal,
            tasks: steps.map(|&step| Task::Step(step)).collect(),
            syncing: PathBuf::new(),
            journal: None,
            held: None,
            gained: Bitmap::default(),
        }
    }

    /// Begins the journal of a part that was found, with the shards that the old one proved.
    pub fn begin(held: Option<Bitmap>) -> Commit {
        Commit {
            held,
            ..Commit::new(Goal::Begun, &[Plan::Begin])
        }
    }

    /// Makes new shards durable. The first checkpoint begins the journal (a fetch that is over
    /// sooner never has one), and so does one after a loss of durable shards, with those that are
    /// `kept`.
    pub fn checkpoint(
        files: &mut SwarmFiles,
        last: bool,
        gained: impl Iterator<Item = u32>,
        kept: Option<Bitmap>,
    ) -> Commit {
        let goal = Goal::Checkpointed { last };
        if let (Some(journal), None) = (&mut files.journal, &kept) {
            journal.note(record::runs(gained));
            return Commit::new(goal, &[Plan::Checkpoint]);
        }
        let mut commit = Commit::new(goal, &[Plan::Begin, Plan::Checkpoint]);
        commit.held = kept;
        for shard in gained {
            commit.gained.insert(shard);
        }
        commit
    }

    /// Gives complete files their final name, or makes a repair durable.
    pub fn finish(files: &SwarmFiles) -> Commit {
        match files.stage {
            Stage::Repair => Commit::new(Goal::Finished, &[Plan::Repair]),
            _ => Commit::new(Goal::Finished, &[Plan::Finish]),
        }
    }

    /// The sync failed. For any reason, written bytes may be lost: not even a full disk is worth
    /// waiting for then.
    pub fn sync_failed(&self, error: io::Error) -> Fault {
        Fault {
            error: DiskError::Failed,
            ..Fault::new("sync", &self.syncing, error)
        }
    }

    /// Does a bounded part of the work.
    pub fn advance(&mut self, files: &mut SwarmFiles) -> Result<Turn, Fault> {
        // Two tasks a file at most.
        for _ in 0..2 * FILES_MADE_PER_TURN {
            let Some(task) = self.tasks.pop() else {
                return Ok(Turn::Done);
            };
            if let Some((path, request)) = self.run(task, files)? {
                self.syncing = path;
                return Ok(Turn::Sync(request));
            }
        }
        Ok(Turn::More)
    }

    /// Runs a task; returns a path whose sync is to be waited for.
    fn run(
        &mut self,
        task: Task,
        files: &mut SwarmFiles,
    ) -> Result<Option<(PathBuf, Request)>, Fault> {
        match task {
            Task::SyncJournal => {
                let path = files.layout.journal_path();
                let Some(journal) = self.journal.as_ref().or(files.journal.as_ref()) else {
                    return Ok(None);
                };
                let file = journal.file.try_clone();
                let file = file.map_err(Fault::at("open", &path))?;
                Ok(Some((path, Request::Data(file.into()))))
            }
            Task::Step(step) => self.take(step, files).map(|()| None),
            Task::SyncEntriesFrom(index) => {
                if index < files.len() {
                    self.tasks.push(Task::SyncEntriesFrom(index + 1));
                    self.tasks.push(Task::SyncEntry(index));
                }
                Ok(None)
            }
            Task::SyncEntry(index) => self.sync_entry(index, files),
            Task::SyncFolder(path) => {
                let folder = openat::folder(&path).map_err(Fault::at("open", &path))?;
                Ok(Some((path, Request::All(folder))))
            }
            Task::SyncFileSystem => {
                let path = files.layout.part_path();
                let Stage::Part { lock } = &files.stage else {
                    return Ok(None);
                };
                // The lock was opened before anything was written, so it reports every failure
                // since.
                let lock = lock.try_clone().map_err(Fault::at("open", &path))?;
                files.rows.iter_mut().for_each(|row| row.is_dirty = false);
                Ok(Some((path, Request::FileSystem(lock.into()))))
            }
        }
    }

    /// Takes a step, or lists its tasks.
    fn take(&mut self, step: Step, files: &mut SwarmFiles) -> Result<(), Fault> {
        match step {
            Step::SyncData => self.list_dirty(files),
            Step::SyncFolders if files.layout.is_folder => {
                let folders = folders_of(files).into_iter();
                let paths = folders.map(|folder| files.layout.folder.join(folder));
                self.tasks.extend(paths.map(Task::SyncFolder));
            }
            Step::SyncFolders => {}
            Step::SyncParent => {
                let parent = files.layout.parent().to_path_buf();
                self.tasks.push(Task::SyncFolder(parent));
            }
            Step::WriteJournal => {
                let identity = digest_now(files)?.files();
                files.generation += 1;
                let header = Header {
                    file: files.file,
                    shards: files.shards,
                    generation: files.generation,
                    files: identity,
                };
                let held = self.held.iter().flat_map(Bitmap::iter);
                let mut journal = Journal::write(&files.layout, header, held)?;
                journal.note(record::runs(self.gained.iter()));
                self.journal = Some(journal);
            }
            Step::NameJournal => {
                let new = files.layout.new_journal_path();
                fs::rename(&new, files.layout.journal_path()).map_err(Fault::at("rename", &new))?;
                files.journal = self.journal.take();
            }
            Step::AppendRecords => self.append(files)?,
            Step::SyncJournal => self.tasks.push(Task::SyncJournal),
            Step::NamePart => {
                rename(files)?;
                files.layout.enter(false);
                files.stage = Stage::Final;
            }
            Step::RemoveJournal => {
                files.journal = None;
                journal::remove(&files.layout)?;
            }
        }
        Ok(())
    }

    /// Lists the entries that were written since they were last synced; at the end of a fetch every
    /// one, to be checked.
    fn list_dirty(&mut self, files: &SwarmFiles) {
        let dirty = files.rows.iter().filter(|row| row.is_dirty).count();
        let is_part = matches!(files.stage, Stage::Part { .. });
        // Only a part has a descriptor that reports every failure since it was begun.
        let is_many = is_part && dirty > FILES_SYNCED_EACH_MAX;
        if is_part && self.goal == Goal::Finished {
            self.tasks.push(Task::SyncEntriesFrom(0));
        } else if !is_many {
            let rows = files.rows.iter().enumerate().rev();
            let dirty = rows.filter(|(_, row)| row.is_dirty);
            self.tasks
                .extend(dirty.map(|(index, _)| Task::SyncEntry(index)));
        }
        if is_many {
            self.tasks.push(Task::SyncFileSystem);
        }
    }

    fn sync_entry(
        &self,
        index: usize,
        files: &mut SwarmFiles,
    ) -> Result<Option<(PathBuf, Request)>, Fault> {
        let path = files.layout.entry_path(index as u32);
        let inner = files.layout.inner_path(index as u32);
        let file = openat::open(&files.layout.folder, &inner, Access::Read)
            .map_err(Fault::at("open", &path))?;
        let now = Fingerprint::of(&file.metadata().map_err(Fault::at("look at", &path))?);
        let changed = |(error, why)| Fault::because(error, "finish", &path, why);
        files.check(index, &now).map_err(changed)?;
        let row = &mut files.rows[index];
        if self.goal == Goal::Finished {
            row.set(now);
        }
        let is_dirty = std::mem::take(&mut row.is_dirty);
        Ok(is_dirty.then(|| (path, Request::Data(file.into()))))
    }

    fn append(&self, files: &mut SwarmFiles) -> Result<(), Fault> {
        let closed = match self.goal {
            Goal::Checkpointed { last: true } => Some(digest_now(files)?.times()),
            _ => None,
        };
        let Some(journal) = &mut files.journal else {
            return Ok(());
        };
        if let Some(times) = closed {
            journal.note_closed(&times);
        }
        let count = journal.append();
        let count =
            count.map_err(|error| Fault::new("write", &files.layout.journal_path(), error))?;
        files.journal_written += count as u64;
        Ok(())
    }
}

/// The digest of the part's files as they are now.
fn digest_now(files: &SwarmFiles) -> Result<FilesDigest, Fault> {
    let folder = &files.layout.folder;
    let mut digest = FilesDigest::default();
    for (inner, _) in files.files() {
        let file = openat::open(folder, &inner, Access::Read);
        let metadata = file.and_then(|file| file.metadata());
        let metadata =
            metadata.map_err(|error| Fault::new("look at", &folder.join(&inner), error))?;
        digest.add(&Fingerprint::of(&metadata));
    }
    Ok(digest)
}

/// Gives the part its final name, which nothing must have.
fn rename(files: &SwarmFiles) -> Result<(), Fault> {
    let (part, path) = (files.layout.part_path(), &files.layout.path);
    let failed = |error: io::Error| Fault::new("rename", &part, error);
    check_identity(files, &part)?;
    match rustix::fs::renameat_with(CWD, &part, CWD, path, RenameFlags::NOREPLACE) {
        // A file system without that flag.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(path) {
            Ok(_) => Err(failed(Errno::EXIST.into())),
            Err(_) => fs::rename(&part, path).map_err(failed),
        },
        result => result.map_err(|errno| failed(errno.into())),
    }
}

/// The part must still be what was locked, made and synced: a rename goes by name.
fn check_identity(files: &SwarmFiles, part: &Path) -> Result<(), Fault> {
    let Stage::Part { lock } = &files.stage else {
        return Ok(());
    };
    let ours = lock.metadata().map_err(Fault::at("look at", part))?;
    let there = fs::symlink_metadata(part).map_err(Fault::at("look at", part))?;
    match Fingerprint::of(&ours).is_same_file(&Fingerprint::of(&there)) {
        true => Ok(()),
        false => {
            let why = "another program has replaced it";
            Err(Fault::because(DiskError::Changed, "finish", part, why))
        }
    }
}

/// The folders above the entries, each once; the part's own is the empty path.
fn folders_of(files: &SwarmFiles) -> BTreeSet<PathBuf> {
    // One by one: a set that is collected takes a list of all ancestors first, 2.5 MB of 20,000
    // files.
    let mut folders = BTreeSet::new();
    for (path, _) in files.files() {
        for folder in path.ancestors().skip(1) {
            if folders.contains(folder) {
                break;
            }
            folders.insert(folder.to_path_buf());
        }
    }
    folders
}
