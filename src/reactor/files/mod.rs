//! The disk: the files of each swarm, and the work on them that the node asks for.
//!
//! Read `swarm_files` first (how far the files of a swarm are made), then `data` (reads, writes,
//! and `sendfile`), then `prepare` (how the files of a fetch are made) and `commit` (how they are
//! made durable). Every call is one short piece of work: a bounded range, or a bounded number of
//! files, because the network waits meanwhile.
//!
//! Not here: which bytes are right. Invariants: no range of a shared file is begun to be served
//! unless it is the file that was shared, and a part gets its final name only if it is the file
//! that was made and never was shorter (see `data`); nothing is opened outside the swarm's folder;
//! every failure keeps its words for the owner.

mod commit;
mod data;
mod fault;
mod fingerprint;
mod jobs;
mod journal;
mod layout;
mod open_files;
mod openat;
mod prepare;
mod repair;
mod space;
mod swarm_files;
mod sync_thread;
mod walk;
mod watch;

pub use fingerprint::Proof;
pub use jobs::Done;
pub use layout::OutputPath;
pub use space::{Space, space};
pub use swarm_files::Walked;
pub use walk::walk;

use crate::bitmap::Bitmap;
use crate::id::FileId;
use crate::node::{DiskError, DiskReport, SwarmKey};
use crate::time::Instant;
use crate::wire::{Entries, Manifest};
use commit::{Commit, Turn};
use fault::Fault;
use fingerprint::FileRow;
use jobs::Job;
use layout::Layout;
use mio::Waker;
use open_files::OpenFiles;
use prepare::have_sizes;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use swarm_files::{Stage, SwarmFiles};
use sync_thread::SyncThread;
use watch::Watch;

/// The files of a node's swarms, and the open ones among them.
pub struct Disk {
    /// By the slot of the swarm's key; as many as the node has swarms.
    swarms: Vec<Option<SwarmFiles>>,
    open: OpenFiles,
    jobs: VecDeque<Job>,
    sync_thread: SyncThread,
    /// The sync thread works for one job: all of them rest.
    is_syncing: bool,
    /// That job, unless its swarm is gone.
    syncing: Option<Job>,
    watch: Watch,
    /// Bytes written to parts, and to journals of swarms that are gone.
    written: u64,
    /// Checks of open files: calls of `fstat`.
    pub looks: u64,
    /// Advice on the use of open files: calls of `fadvise`.
    pub advice: u64,
}

impl Disk {
    /// A disk without swarms. The thread that waits for it wakes the loop by `waker`.
    pub fn new(waker: Waker) -> Disk {
        Disk {
            swarms: vec![],
            open: OpenFiles::new(),
            jobs: VecDeque::new(),
            sync_thread: SyncThread::new(waker),
            is_syncing: false,
            syncing: None,
            watch: Watch::default(),
            written: 0,
            looks: 0,
            advice: 0,
        }
    }

    /// Adds a swarm whose bytes are shared from where they lie.
    pub fn share(&mut self, swarm: SwarmKey, walked: Walked) {
        let mut files = SwarmFiles::walked(swarm, Stage::Source, walked);
        watch::note_root(&mut files);
        self.insert(files);
    }

    /// Adds a swarm that was fetched before, under its final name.
    pub fn serve(&mut self, swarm: SwarmKey, walked: Walked, file: FileId) {
        let mut files = SwarmFiles::walked(swarm, Stage::Final, walked);
        files.file = file;
        watch::note_root(&mut files);
        self.insert(files);
    }

    /// Adds a swarm to be fetched, whose manifest may come later.
    pub fn fetch(&mut self, swarm: SwarmKey, output: OutputPath) {
        self.insert(SwarmFiles::new(swarm, Stage::Wanted(output)));
    }

    fn insert(&mut self, files: SwarmFiles) {
        let slot = files.swarm.slot as usize;
        if self.swarms.len() <= slot {
            self.swarms.resize_with(slot + 1, || None);
        }
        if let Some(old) = self.swarms[slot].take() {
            self.drop_work(old.swarm);
            self.written += old.journal_written;
        }
        self.swarms[slot] = Some(files);
    }

    /// The swarm is gone: closes its files and gives up its lock. Its path and last failure stay
    /// until its slot is used again.
    pub fn release(&mut self, swarm: SwarmKey) {
        self.drop_work(swarm);
        if let Some(files) = self.find_mut(swarm) {
            files.stage = Stage::Released;
            (files.layout.names, files.rows) = (Entries::default(), vec![]);
            files.journal = None;
        }
    }

    fn drop_work(&mut self, swarm: SwarmKey) {
        self.open.close(swarm);
        self.jobs.retain(|job| job.swarm != swarm);
        self.syncing.take_if(|job| job.swarm == swarm);
    }

    /// The swarm's files are not needed for now.
    pub fn rest(&mut self, swarm: SwarmKey) {
        self.open.close(swarm);
    }

    // -- getters

    /// Bytes written to parts and journals since the start.
    pub fn written(&self) -> u64 {
        let journals = self.swarms.iter().flatten();
        self.written + journals.map(|files| files.journal_written).sum::<u64>()
    }

    /// The final path of a fetch (none before its manifest is known), the source path of a share.
    pub fn path(&self, swarm: SwarmKey) -> Option<&Path> {
        let path = self.find(swarm)?.layout.path.as_path();
        (!path.as_os_str().is_empty()).then_some(path)
    }

    /// The path of an unfinished fetch's bytes.
    pub fn part_path(&self, swarm: SwarmKey) -> Option<PathBuf> {
        let files = self.find(swarm)?;
        matches!(files.stage, Stage::Part { .. }).then(|| files.layout.part_path())
    }

    /// The last failure of a swarm's disk work in words: operation, path, the system's error.
    pub fn message(&self, swarm: SwarmKey) -> Option<&str> {
        self.find(swarm)?.fault.as_deref()
    }

    /// Proves later that a swarm's files are as they were when it was made; none while that is not
    /// known of each.
    pub fn proof(&self, swarm: SwarmKey) -> Option<Proof> {
        Proof::of(self.find(swarm)?.files())
    }

    fn find(&self, swarm: SwarmKey) -> Option<&SwarmFiles> {
        let files = self.swarms.get(swarm.slot as usize)?.as_ref()?;
        (files.swarm == swarm).then_some(files)
    }

    fn find_mut(&mut self, swarm: SwarmKey) -> Option<&mut SwarmFiles> {
        let files = self.swarms.get_mut(swarm.slot as usize)?.as_mut()?;
        (files.swarm == swarm).then_some(files)
    }

    fn job_files(&mut self, swarm: SwarmKey) -> &mut SwarmFiles {
        self.find_mut(swarm).expect("a job ends with its swarm")
    }

    // -- jobs

    /// Begins to make or find the files of a fetch. Its end comes from `step`.
    pub fn prepare(&mut self, swarm: SwarmKey, manifest: &Manifest) {
        let files = self.job_files(swarm);
        (files.file, files.shards) = (manifest.file_id(), manifest.shard_count());
        let entries = manifest.entries().clone();
        self.prepare_entries(swarm, manifest.name(), manifest.is_folder(), entries);
    }

    fn prepare_entries(&mut self, swarm: SwarmKey, name: &str, is_folder: bool, names: Entries) {
        let files = self.job_files(swarm);
        files.rows = vec![FileRow::default(); names.len()];
        files.layout = Layout {
            is_folder,
            names,
            ..std::mem::take(&mut files.layout)
        };
        if let Stage::Wanted(output) = &files.stage {
            let is_ours = |folder: &Path| is_folder && have_sizes(folder, files);
            files.layout.path = output.resolve(name, is_ours);
        }
        files.layout.enter(false);
        self.jobs.push_back(Job::prepare(swarm));
    }

    /// Begins to make new shards of a fetch durable; with `kept`, the journal begins anew and
    /// proves those besides, and nothing else. Its end comes from `step`.
    pub fn checkpoint(
        &mut self,
        swarm: SwarmKey,
        last: bool,
        gained: impl Iterator<Item = u32>,
        kept: Option<Bitmap>,
    ) {
        let commit = Commit::checkpoint(self.job_files(swarm), last, gained, kept);
        self.jobs.push_back(Job::commit(swarm, commit));
    }

    /// Begins to make a fetch durable under its final name, or a repair. Its end comes from `step`.
    pub fn finish(&mut self, swarm: SwarmKey) {
        let commit = Commit::finish(self.job_files(swarm));
        self.jobs.push_back(Job::commit(swarm, commit));
    }

    /// Whether `step` has something to do before the sync thread wakes the loop.
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty() && !self.is_syncing
    }

    /// Does one step of one job; its swarm and end when it is done.
    pub fn step(&mut self) -> Option<(SwarmKey, Done)> {
        if self.is_syncing {
            let result = self.sync_thread.poll()?;
            return self.handle_synced(result);
        }
        let mut job = self.jobs.pop_front()?;
        let files = self.job_files(job.swarm);
        match job.advance(files) {
            Ok(Turn::More) => {
                // Jobs take turns, as all else does.
                self.jobs.push_back(job);
                None
            }
            Ok(Turn::Sync(request)) => {
                (self.is_syncing, self.syncing) = (true, Some(job));
                match self.sync_thread.request(request) {
                    Ok(()) => None,
                    Err(error) => self.handle_synced(Err(error)),
                }
            }
            Ok(Turn::Done) => Some(self.end(job, Ok(()))),
            Err(fault) => Some(self.end(job, Err(fault))),
        }
    }

    fn handle_synced(&mut self, result: io::Result<()>) -> Option<(SwarmKey, Done)> {
        self.is_syncing = false;
        let job = self.syncing.take()?;
        match result {
            Ok(()) => {
                self.jobs.push_back(job);
                None
            }
            Err(error) => {
                let fault = job.sync_failed(error);
                Some(self.end(job, Err(fault)))
            }
        }
    }

    fn end(&mut self, job: Job, result: Result<(), Fault>) -> (SwarmKey, Done) {
        let swarm = job.swarm;
        let done = job.end(self.keep(swarm, result));
        if let Done::Finished(_) = done {
            // Descriptors opened for writing are not needed any more. After a repair that failed,
            // edits of the owner are seen again, and not taken for damage.
            self.close_repair(swarm);
        }
        (swarm, done)
    }

    /// Keeps a failure's words for the owner, and gives the node its class.
    fn keep<T>(&mut self, swarm: SwarmKey, result: Result<T, Fault>) -> Result<T, DiskError> {
        result.map_err(|fault| {
            if let Some(files) = self.find_mut(swarm) {
                files.fault = Some(fault.words.to_string());
            }
            fault.error
        })
    }

    // -- checks of files that are served

    /// Whether a pass over the files that are served is under way.
    pub fn is_watching(&self) -> bool {
        self.watch.is_under_way()
    }

    /// When the next pass begins, if anything is served from where it lies.
    pub fn watch_at(&self) -> Option<Instant> {
        self.watch.next_at(&self.swarms)
    }

    /// Begins a pass when it is time, and checks a few files.
    pub fn watch(&mut self, now: Instant) -> Option<(SwarmKey, DiskReport<'static>)> {
        if !self.is_watching() && self.watch_at().is_some_and(|at| at <= now) {
            self.watch.begin(now);
            // A disk whose files are open cannot be unmounted.
            self.open.close_unused();
        }
        let (swarm, report) = self.watch.advance(&mut self.swarms)?;
        if report == DiskReport::Missing {
            self.open.close(swarm);
        }
        Some((swarm, report))
    }

    /// A file of a swarm could not be served: whether its whole folder is missing, not the file.
    pub fn is_missing(&mut self, swarm: SwarmKey) -> bool {
        let is_missing = self.find_mut(swarm).is_some_and(watch::is_missing);
        if is_missing {
            self.open.close(swarm);
        }
        is_missing
    }
}

#[cfg(test)]
mod tests;
