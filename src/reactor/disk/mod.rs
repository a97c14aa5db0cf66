//! The disk: where each swarm's bytes lie, and the work that the node asks for.
//!
//! Read `store` first (what a swarm's place is), then here (reads, writes, what `sendfile` needs),
//! then `job` (how the place of a fetch is made) and `commit` (how it is made durable). Every call is one short piece of work: a
//! bounded range, or a bounded number of files, because the network waits meanwhile.
//!
//! Not here: which bytes are right. Invariants: a shared file is served only while it is the file
//! that was shared, and a part is used only while it is the file that was made; nothing is opened
//! outside the swarm's folder; every failure keeps its words for the owner.

mod beneath;
mod commit;
mod fault;
mod files;
mod job;
mod journal;
mod space;
mod store;
mod walk;
mod watch;

pub use job::{Done, Progress};
pub use store::OutputPath;
pub use walk::{Walked, walk};
pub use watch::Seen;

use crate::limits::WRITE_BACK_SIZE;
use crate::node::{DiskError, FileRange, SwarmKey};
use beneath::Access;
use commit::Commit;
use fault::{Fault, Unplaced};
use files::Files;
use job::Job;
use rustix::fs::{Advice, fadvise};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use store::{State, Store};
use watch::Watch;

/// The places of a node's swarms, and their open files.
pub struct Disk {
    /// By the slot of the swarm's key; as many as the node has swarms.
    stores: Vec<Option<Store>>,
    files: Files,
    jobs: VecDeque<Job>,
    /// The syncer works for the first job: all of them rest.
    is_syncing: bool,
    /// The commit that the syncer works for, unless its swarm is gone.
    syncing: Option<Commit>,
    watch: Watch,
    /// Bytes written to parts and journals.
    written: u64,
}

impl Disk {
    /// Knows no swarm.
    pub fn new() -> Disk {
        Disk {
            stores: vec![],
            files: Files::new(),
            jobs: VecDeque::new(),
            is_syncing: false,
            syncing: None,
            watch: Watch::default(),
            written: 0,
        }
    }

    /// A swarm whose bytes are shared from where they lie.
    pub fn share(&mut self, swarm: SwarmKey, walked: Walked) {
        let mut store = Store {
            path: walked.path,
            folder: walked.folder,
            entries: walked.entries,
            is_folder: walked.is_folder,
            ..Store::new(swarm, State::Source)
        };
        store.note_root();
        self.insert(store);
    }

    /// A swarm to be fetched, whose manifest may come later.
    pub fn fetch(&mut self, swarm: SwarmKey, output: OutputPath) {
        self.insert(Store::new(swarm, State::Wanted(output)));
    }

    fn insert(&mut self, store: Store) {
        let slot = store.swarm.slot as usize;
        if self.stores.len() <= slot {
            self.stores.resize_with(slot + 1, || None);
        }
        if let Some(old) = self.stores[slot].take() {
            self.release_files(old.swarm);
            self.written += old.journal_written;
        }
        self.stores[slot] = Some(store);
    }

    /// The swarm is gone: closes its files and gives up its lock. Path and words stay until its
    /// slot is used again.
    pub fn release(&mut self, swarm: SwarmKey) {
        self.release_files(swarm);
        if let Some(store) = self.find_mut(swarm) {
            store.state = State::Released;
            store.entries = vec![];
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
        let journals = self.stores.iter().flatten();
        self.written + journals.map(|store| store.journal_written).sum::<u64>()
    }

    /// The final path of a fetch (none before its manifest is known), the source path of a share.
    pub fn path(&self, swarm: SwarmKey) -> Option<&Path> {
        let path = self.find(swarm)?.path.as_path();
        (!path.as_os_str().is_empty()).then_some(path)
    }

    /// The last failure of a swarm's disk work in words: operation, path, the system's error.
    pub fn message(&self, swarm: SwarmKey) -> Option<&str> {
        self.find(swarm)?.fault.as_deref()
    }

    fn find(&self, swarm: SwarmKey) -> Option<&Store> {
        let store = self.stores.get(swarm.slot as usize)?.as_ref()?;
        (store.swarm == swarm).then_some(store)
    }

    fn find_mut(&mut self, swarm: SwarmKey) -> Option<&mut Store> {
        let store = self.stores.get_mut(swarm.slot as usize)?.as_mut()?;
        (store.swarm == swarm).then_some(store)
    }

    /// Writes all of `bytes` to the range.
    pub fn write(&mut self, range: FileRange, bytes: &[u8]) -> Result<(), DiskError> {
        assert_eq!(
            bytes.len(),
            range.length as usize,
            "a range is written whole"
        );
        let result = self.open(range, |file| {
            file.write_all_at(bytes, range.offset)
                .map_err(|error| Unplaced::new("write", error))?;
            start_write_back(file, range);
            Ok(())
        });
        let result = self.keep(range.swarm, result);
        self.written += u64::from(range.length);
        if let Some(store) = self.find_mut(range.swarm) {
            // Also after a failure: some of it may have been written.
            if let Some(entry) = store.entries.get_mut(range.entry as usize) {
                entry.is_dirty = true;
            }
        }
        result
    }

    /// Fills `buffer` from the range, whose length it has.
    pub fn read(&mut self, range: FileRange, buffer: &mut [u8]) -> Result<(), DiskError> {
        assert_eq!(buffer.len(), range.length as usize, "a range is read whole");
        let result = self.open(range, |file| {
            if range.offset == 0 {
                // Hashing and verifying read a file from its beginning to its end. Advice only.
                let _ = fadvise(file, 0, None, Advice::Sequential);
            }
            file.read_exact_at(buffer, range.offset)
                .map_err(|error| Unplaced::new("read", error))
        });
        self.keep(range.swarm, result)
    }

    /// Reads the range ahead, so that sending it waits less. Advice only.
    pub fn read_ahead(&mut self, range: FileRange) {
        let _ = self.open(range, |file| {
            let length = NonZeroU64::new(range.length.into());
            let _ = fadvise(file, range.offset, length, Advice::WillNeed);
            Ok(())
        });
    }

    /// Calls `send` with the open file of the range, after a look at whether it is still the one
    /// that was shared. The inner result is the socket's.
    pub fn send(
        &mut self,
        range: FileRange,
        send: impl FnOnce(&File) -> Result<usize, Errno>,
    ) -> Result<Result<usize, Errno>, DiskError> {
        let result = self.open(range, |file| match send(file) {
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

    /// Does `work` with the open file that the range lies in.
    fn open<T>(
        &mut self,
        range: FileRange,
        work: impl FnOnce(&File) -> Result<T, Unplaced>,
    ) -> Result<T, Fault> {
        let FileRange { swarm, entry, .. } = range;
        let slot = self
            .stores
            .get(swarm.slot as usize)
            .and_then(Option::as_ref);
        let store = slot.filter(|store| store.swarm == swarm);
        let store = store.filter(|store| (entry as usize) < store.entries.len());
        let Some(store) = store else {
            let path = Path::new("a file of a swarm that has no place");
            return Err(Fault::because(
                DiskError::NotFound,
                "open",
                path,
                "it is gone",
            ));
        };
        let access = match store.state {
            State::Part { .. } => Access::Write,
            _ => Access::Read,
        };
        let wanted = &store.entries[entry as usize];
        let file = self.files.find(swarm, entry, || {
            beneath::open(&store.folder, &wanted.path, access)
                .map_err(|error| Fault::new("open", &store.entry_path(entry), error))
        })?;
        if let Some(stamp) = &wanted.stamp {
            let path = || store.entry_path(entry);
            let metadata = file
                .metadata()
                .map_err(|error| Fault::new("look at", &path(), error))?;
            match store.state {
                // Writing to a file that was cut would give it its size again, with a hole.
                State::Part { .. } => wanted
                    .check_part(&metadata)
                    .map_err(|why| Fault::because(DiskError::Changed, "use", &path(), why))?,
                _ => stamp
                    .check(&metadata)
                    .map_err(|(error, why)| Fault::because(error, "serve", &path(), why))?,
            }
        }
        work(file).map_err(|failed| failed.at(&store.entry_path(entry)))
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

/// Starts the write-back of a block whose end has been written, so that the closing `fdatasync` is
/// short.
///
/// `sync_file_range` is the call for that, but no safe binding of it exists. On Linux, `DONTNEED`
/// starts the write-back of the range's dirty pages too, without waiting; it drops only pages that
/// are clean already. Over a fetch of 1 GiB onto ext4, the loop's longest pause was 25 ms with it
/// and 470 ms without. Advice only.
fn start_write_back(file: &File, range: FileRange) {
    let end = range.offset + u64::from(range.length);
    let block_end = end / WRITE_BACK_SIZE * WRITE_BACK_SIZE;
    if block_end > range.offset {
        let block = range.offset / WRITE_BACK_SIZE * WRITE_BACK_SIZE;
        let _ = fadvise(
            file,
            block,
            NonZeroU64::new(block_end - block),
            Advice::DontNeed,
        );
    }
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
