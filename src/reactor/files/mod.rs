//! The disk: where each swarm's bytes lie, and the work that the node asks for.
//!
//! Read `store` first (what a swarm's place is), then here (reads, writes, what `sendfile` needs),
//! then `job` (how the place of a fetch is made) and `commit` (how it is made durable). Every call is
//! one short piece of work: a bounded range, or a bounded number of files, because the network waits
//! meanwhile.
//!
//! Not here: which bytes are right. Invariants: no range of a shared file is begun to be served
//! unless it is the file that was shared, and a part gets its final name only if it is the file that
//! was made and never was shorter (see [`Check`]); nothing is opened outside the swarm's folder;
//! every failure keeps its words for the owner.

mod commit;
mod fault;
mod journal;
mod open_files;
mod openat;
mod prepare;
mod proof;
mod repair;
mod space;
mod swarm_files;
pub(super) mod sync_thread;
mod walk;
mod watch;

pub use prepare::{Done, Progress};
pub use proof::Proof;
pub use space::{Space, space};
pub use swarm_files::OutputPath;
pub use walk::{Walked, walk};
pub use watch::Seen;

use crate::id::FileId;
use crate::limits::LOOK_SIZE;
use crate::node::{DiskError, FileRange, SwarmKey};
use crate::wire::Entries;
use commit::Commit;
use fault::{Fault, Unplaced};
use open_files::{Files, Open};
use openat::Access;
use prepare::Job;
use rustix::fs::{Advice, fadvise};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use swarm_files::{Stage, SwarmFiles};
use watch::Watch;

/// When a file is looked at (`fstat`) before it is used: is it still what it was?
///
/// A look costs a system call, so not every operation has one. What an open descriptor refers to
/// never changes, so *which* file it is needs one look after each `open`. That a *part* was never
/// shorter needs one before each write of its last byte, and one at the end: after a cut, only such
/// a write makes it as long as it was, so either the one or the other sees it. A *shared* file may be
/// edited at any time, so each range that is served has its look. The others, once in [`LOOK_SIZE`]
/// bytes, only let a fetch that cannot succeed fail early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Before this use.
    Now,
    /// After an `open`, and once in a while.
    Due,
}

/// The places of a node's swarms, and their open files.
pub struct Disk {
    /// By the slot of the swarm's key; as many as the node has swarms.
    swarms: Vec<Option<SwarmFiles>>,
    files: Files,
    jobs: VecDeque<Job>,
    /// The syncer works for the first job: all of them rest.
    is_syncing: bool,
    /// The commit that the syncer works for, unless its swarm is gone.
    syncing: Option<Commit>,
    watch: Watch,
    /// Bytes written to parts and journals.
    written: u64,
    calls: Calls,
}

/// System calls of a kind that only this module makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Looks at open files: `fstat`.
    pub looks: u64,
    /// Advice on what is used next or no more: `fadvise`.
    pub advice: u64,
}

impl Disk {
    /// Knows no swarm.
    pub fn new() -> Disk {
        Disk {
            swarms: vec![],
            files: Files::new(),
            jobs: VecDeque::new(),
            is_syncing: false,
            syncing: None,
            watch: Watch::default(),
            written: 0,
            calls: Calls::default(),
        }
    }

    /// A swarm whose bytes are shared from where they lie.
    pub fn share(&mut self, swarm: SwarmKey, walked: Walked) {
        self.insert(SwarmFiles::walked(swarm, Stage::Source, walked));
    }

    /// A swarm that was fetched before, and lies finished where it was put.
    pub fn serve(&mut self, swarm: SwarmKey, walked: Walked, file: FileId) {
        self.insert(SwarmFiles {
            file,
            ..SwarmFiles::walked(swarm, Stage::Final, walked)
        });
    }

    /// A swarm to be fetched, whose manifest may come later.
    pub fn fetch(&mut self, swarm: SwarmKey, output: OutputPath) {
        self.insert(SwarmFiles::new(swarm, Stage::Wanted(output)));
    }

    fn insert(&mut self, store: SwarmFiles) {
        let slot = store.swarm.slot as usize;
        if self.swarms.len() <= slot {
            self.swarms.resize_with(slot + 1, || None);
        }
        if let Some(old) = self.swarms[slot].take() {
            self.release_files(old.swarm);
            self.written += old.journal_written;
        }
        self.swarms[slot] = Some(store);
    }

    /// The swarm is gone: closes its files and gives up its lock. Path and words stay until its
    /// slot is used again.
    pub fn release(&mut self, swarm: SwarmKey) {
        self.release_files(swarm);
        if let Some(store) = self.find_mut(swarm) {
            store.stage = Stage::Released;
            (store.names, store.known) = (Entries::default(), vec![]);
            store.journal = None;
        }
    }

    /// The swarm's files are not needed for now.
    pub fn rest(&mut self, swarm: SwarmKey) {
        self.files.close(swarm);
    }

    fn release_files(&mut self, swarm: SwarmKey) {
        self.files.close(swarm);
        self.jobs.retain(|job| job.swarm() != swarm);
        self.syncing.take_if(|commit| commit.swarm == swarm);
    }

    /// Bytes written to parts and journals since the start.
    pub fn written(&self) -> u64 {
        let journals = self.swarms.iter().flatten();
        self.written + journals.map(|store| store.journal_written).sum::<u64>()
    }

    /// The final path of a fetch (none before its manifest is known), the source path of a share.
    pub fn path(&self, swarm: SwarmKey) -> Option<&Path> {
        let path = self.find(swarm)?.path.as_path();
        (!path.as_os_str().is_empty()).then_some(path)
    }

    /// Where the bytes of an unfinished fetch are.
    pub fn part_path(&self, swarm: SwarmKey) -> Option<PathBuf> {
        let store = self.find(swarm)?;
        matches!(store.stage, Stage::Part { .. }).then(|| store.part_path())
    }

    /// The last failure of a swarm's disk work in words: operation, path, the system's error.
    pub fn message(&self, swarm: SwarmKey) -> Option<&str> {
        self.find(swarm)?.fault.as_deref()
    }

    /// The system calls so far.
    pub fn calls(&self) -> Calls {
        self.calls
    }

    fn find(&self, swarm: SwarmKey) -> Option<&SwarmFiles> {
        let store = self.swarms.get(swarm.slot as usize)?.as_ref()?;
        (store.swarm == swarm).then_some(store)
    }

    fn find_mut(&mut self, swarm: SwarmKey) -> Option<&mut SwarmFiles> {
        let store = self.swarms.get_mut(swarm.slot as usize)?.as_mut()?;
        (store.swarm == swarm).then_some(store)
    }

    /// Writes all of `bytes` to the range, into the page cache.
    ///
    /// Nothing here starts the write-back: on a disk held to 10 MB/s, the call that does so held the
    /// loop up for 1.2 s, and without it the longest pause was 21 ms. The syncer's `fdatasync` writes
    /// it all out, and the node asks for no more than the disk takes (`swarm/checkpoint`).
    pub fn write(&mut self, range: FileRange, bytes: &[u8]) -> Result<(), DiskError> {
        assert_eq!(
            bytes.len(),
            range.length as usize,
            "a range is written whole"
        );
        let look = match self.ends_entry(range) {
            true => Check::Now,
            false => Check::Due,
        };
        let result = self.open(range, look, |file| {
            file.write_all_at(bytes, range.offset)
                .map_err(|error| Unplaced::new("write", error))
        });
        self.written += u64::from(range.length);
        let result = self.keep(range.swarm, result);
        if let Some(store) = self.find_mut(range.swarm) {
            // Also after a failure: some of it may have been written.
            if let Some(known) = store.known.get_mut(range.entry as usize) {
                known.is_dirty = true;
            }
        }
        result
    }

    /// Fills `buffer` from the range, whose length it has.
    pub fn read(&mut self, range: FileRange, buffer: &mut [u8]) -> Result<(), DiskError> {
        assert_eq!(buffer.len(), range.length as usize, "a range is read whole");
        self.calls.advice += u64::from(range.offset == 0);
        let result = self.open(range, Check::Due, |file| {
            if range.offset == 0 {
                // Hashing and verifying read a file from its beginning to its end. Advice only.
                let _ = fadvise(file, 0, None, Advice::Sequential);
            }
            file.read_exact_at(buffer, range.offset)
                .map_err(|error| Unplaced::new("read", error))
        });
        self.keep(range.swarm, result)
    }

    /// Before the first byte of a range is sent: looks whether its file is still the one that was
    /// shared.
    pub fn begin_send(&mut self, range: FileRange) -> Result<(), DiskError> {
        let result = self.open(range, Check::Now, |_| Ok(()));
        self.keep(range.swarm, result)
    }

    /// Has the range read ahead, so that sending it waits less. Advice only.
    pub fn read_ahead(&mut self, range: FileRange) {
        self.calls.advice += 1;
        let _ = self.open(range, Check::Due, |file| {
            let length = NonZeroU64::new(range.length.into());
            let _ = fadvise(file, range.offset, length, Advice::WillNeed);
            Ok(())
        });
    }

    /// Calls `send` with the open file of a range, or of the rest of one, that was begun. The inner
    /// result is the socket's.
    pub fn send(
        &mut self,
        range: FileRange,
        send: impl FnOnce(&File) -> Result<usize, Errno>,
    ) -> Result<Result<usize, Errno>, DiskError> {
        let result = self.open(range, Check::Due, |file| match send(file) {
            // `sendfile` says nothing at the end of the file; the range has bytes left, so it was
            // cut.
            Ok(0) => Err(Unplaced::new("serve", io::ErrorKind::UnexpectedEof.into())),
            Err(
                errno @ (Errno::IO | Errno::INVAL | Errno::STALE | Errno::OVERFLOW | Errno::UCLEAN),
            ) => Err(Unplaced::new("serve", errno.into())),
            result => Ok(result),
        });
        self.keep(range.swarm, result)
    }

    /// Whether the range has the last byte of its entry.
    fn ends_entry(&self, range: FileRange) -> bool {
        let store = self.find(range.swarm);
        let entry = store.and_then(|store| store.names.get(range.entry as usize));
        entry.is_some_and(|entry| range.offset + u64::from(range.length) >= entry.size)
    }

    /// Does `work` with the open file that the range lies in.
    fn open<T>(
        &mut self,
        range: FileRange,
        look: Check,
        work: impl FnOnce(&File) -> Result<T, Unplaced>,
    ) -> Result<T, Fault> {
        let FileRange { swarm, entry, .. } = range;
        let slot = self
            .swarms
            .get(swarm.slot as usize)
            .and_then(Option::as_ref);
        let store = slot.filter(|store| store.swarm == swarm);
        let store = store.filter(|store| (entry as usize) < store.len());
        let Some(store) = store else {
            let path = Path::new("a file of a swarm that has no place");
            return Err(Fault::because(
                DiskError::NotFound,
                "open",
                path,
                "it is gone",
            ));
        };
        let access = match store.stage {
            Stage::Part { .. } | Stage::Repair => Access::Write,
            _ => Access::Read,
        };
        let wanted = store.entry(entry as usize);
        let open = self.files.find(swarm, entry, || {
            openat::open(&store.folder, &store.inner_path(entry), access)
                .map_err(|error| Fault::new("open", &store.entry_path(entry), error))
        })?;
        let is_due = look == Check::Now || open.unseen.is_none_or(|unseen| unseen >= LOOK_SIZE);
        if is_due && wanted.stamp.is_some() {
            self.calls.looks += 1;
            open.unseen = None;
            check(store, entry, open)?;
        }
        let unseen = if is_due { 0 } else { open.unseen.unwrap_or(0) };
        open.unseen = Some(unseen + u64::from(range.length));
        work(&open.file).map_err(|failed| failed.at(&store.entry_path(entry)))
    }

    /// Keeps a failure's words for the owner, and gives the node its class.
    fn keep<T>(&mut self, swarm: SwarmKey, result: Result<T, Fault>) -> Result<T, DiskError> {
        result.map_err(|fault| {
            let error = fault.error;
            if let Some(store) = self.find_mut(swarm) {
                store.fault = Some(fault.words.to_string());
            }
            error
        })
    }
}

/// Whether an open file is still what it was when it was shared or made.
fn check(store: &SwarmFiles, entry: u32, open: &Open) -> Result<(), Fault> {
    let wanted = store.entry(entry as usize);
    let Some(stamp) = &wanted.stamp else {
        return Ok(());
    };
    let path = || store.entry_path(entry);
    let metadata = open.file.metadata();
    let metadata = metadata.map_err(|error| Fault::new("look at", &path(), error))?;
    match store.stage {
        // Writing to a file that was cut would give it its size again, with a hole.
        Stage::Part { .. } | Stage::Repair => wanted
            .check_part(&metadata)
            .map_err(|why| Fault::because(DiskError::Changed, "use", &path(), why)),
        _ => stamp
            .check(&metadata)
            .map_err(|(error, why)| Fault::because(error, "serve", &path(), why)),
    }
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
