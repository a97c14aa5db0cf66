//! A host's disk: files survive a crash, except unsynced writes.
//!
//! ```text
//!   (nothing) ── prepare ──► Partial ── finish: sync, rename ──► Final ── reopen ──► Repair
//!                             │ write: visible at once, durable after a sync
//!                             └ commit: the steps of `store::plan`, one by one
//! ```
//!
//! Names are durable at once here; `tests/core/crash.rs` has a disk that loses names, too. The disk
//! knows no time: `drive` delays the results, and draws which operations fail. A write may go
//! astray: it changes another part of the disk, without an error.
//!
//! Invariant: a final file never changes unless it is corrupted, repaired or hit by such a write;
//! every unsynced write of a partial file is in the undo list.

use super::content::Content;
use crate::bitmap::Bitmap;
use crate::id::FileId;
use crate::output::{DiskError, FileRange, Prepared, SwarmKey};
use crate::rng::Rng;
use crate::store::plan::{Plan, Step};
use crate::store::record::{self, Header, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;

/// Bytes of a sector, which a disk writes completely or not at all.
pub const SECTOR_SIZE: usize = 512;

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has its partial name.
    Partial,
    /// It has its final name.
    Final,
    /// It has its final name, and bad shards are being replaced.
    Repair,
}

struct Stored {
    entries: Vec<Rc<Vec<u8>>>,
    state: State,
    shard_size: u64,
    /// Shards that a write which went astray has changed, or should have changed.
    hit: BTreeSet<u32>,
    /// The bytes that writes since the last sync have overwritten.
    undo: Vec<Undo>,
    journal: Option<Journal>,
    /// A new journal, until it replaces the old one.
    new_journal: Option<Journal>,
    /// The plans of the checkpoint in progress.
    plans: &'static [Plan],
    /// The shards that its new journal proves.
    kept: Bitmap,
    /// The shards that it makes durable.
    gained: Bitmap,
}

impl Stored {
    fn new(entries: Vec<Rc<Vec<u8>>>, shard_size: u32, state: State) -> Stored {
        Stored {
            entries,
            state,
            shard_size: shard_size.into(),
            hit: BTreeSet::new(),
            undo: Vec::new(),
            journal: None,
            new_journal: None,
            plans: &[],
            kept: Bitmap::default(),
            gained: Bitmap::default(),
        }
    }

    fn write(&mut self, entry: usize, offset: usize, bytes: &[u8]) -> Result<(), DiskError> {
        let to = Rc::make_mut(&mut self.entries[entry]);
        let to = to
            .get_mut(offset..offset + bytes.len())
            .ok_or(DiskError::Truncated)?;
        self.undo.push(Undo {
            entry,
            offset,
            before: to.to_vec().into_boxed_slice(),
        });
        to.copy_from_slice(bytes);
        Ok(())
    }

    /// The shards of these bytes of an entry.
    fn shards(&self, entry: usize, offset: usize, length: usize) -> RangeInclusive<u32> {
        let before: usize = self.entries[..entry].iter().map(|entry| entry.len()).sum();
        let shard = |at: usize| (at as u64 / self.shard_size) as u32;
        shard(before + offset)..=shard(before + offset + length - 1)
    }
}

/// A journal and its bytes on the disk.
struct Journal {
    header: Header,
    writer: Writer,
    bytes: Vec<u8>,
    /// Bytes that survive a power cut.
    synced: usize,
}

impl Journal {
    /// A synced journal that proves `held`.
    fn begin(header: Header, held: &Bitmap) -> Journal {
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(header, &mut bytes);
        writer.gained(record::runs(held.iter()), &mut bytes);
        let synced = bytes.len();
        Journal {
            header,
            writer,
            bytes,
            synced,
        }
    }
}

struct Undo {
    entry: usize,
    offset: usize,
    before: Box<[u8]>,
}

/// The disk of one host.
pub struct Disk {
    stored: BTreeMap<FileId, Stored>,
    /// The file of each swarm of the running node.
    files: BTreeMap<SwarmKey, FileId>,
    /// Free bytes of the disk.
    pub free: u64,
    /// The list of saved contacts, replaced atomically as by a rename; empty if there is none.
    pub contacts: Vec<u8>,
    /// The number of writes of that list.
    pub contacts_written: u64,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk {
            stored: BTreeMap::new(),
            files: BTreeMap::new(),
            free: u64::MAX,
            contacts: Vec::new(),
            contacts_written: 0,
        }
    }
}

impl Disk {
    /// Stores a complete file under its final name.
    pub fn put(&mut self, content: &Content) {
        let shard_size = content.manifest.shard_size();
        let stored = Stored::new(content.entries.clone(), shard_size, State::Final);
        self.stored.insert(content.file(), stored);
    }

    /// Changes every byte of a file, unnoticed by the node.
    pub fn corrupt(&mut self, file: FileId) {
        let Some(stored) = self.stored.get_mut(&file) else {
            return;
        };
        for entry in &mut stored.entries {
            Rc::make_mut(entry).iter_mut().for_each(|byte| *byte ^= 1);
        }
    }

    /// Assigns a file to a swarm of the running node.
    pub fn assign(&mut self, swarm: SwarmKey, file: FileId) {
        self.files.insert(swarm, file);
    }

    /// Forgets a swarm that has ended; returns its file.
    pub fn release(&mut self, swarm: SwarmKey) -> Option<FileId> {
        self.files.remove(&swarm)
    }

    /// The file of a swarm.
    pub fn file(&self, swarm: SwarmKey) -> Option<FileId> {
        self.files.get(&swarm).copied()
    }

    /// The swarms of the running node, with their files.
    pub fn swarms(&self) -> impl Iterator<Item = (SwarmKey, FileId)> {
        self.files.iter().map(|(&swarm, &file)| (swarm, file))
    }

    /// The state of a file; `None` if it does not exist.
    pub fn state(&self, file: FileId) -> Option<State> {
        self.stored.get(&file).map(|stored| stored.state)
    }

    /// Creates or finds a fetched file; returns the shards that its journal proves, too.
    ///
    /// # Errors
    /// When the file does not fit.
    pub fn prepare(&mut self, content: &Content) -> Result<(Prepared, Option<Bitmap>), DiskError> {
        if let Some(stored) = self.stored.get_mut(&content.file()) {
            match stored.state {
                State::Final => return Ok((Prepared::Final, None)),
                State::Repair => return Ok((Prepared::Kept, None)),
                State::Partial => {}
            }
            let Some(old) = &stored.journal else {
                return Ok((Prepared::Partial, None));
            };
            let (file, shards) = (content.file(), content.manifest.shard_count());
            let replayed = record::replay(&old.bytes, file, shards);
            let replayed = replayed.expect("a header that was synced is whole");
            let generation = old.header.generation + 1;
            let header = Header {
                generation,
                ..old.header
            };
            stored.journal = Some(Journal::begin(header, &replayed.held));
            return Ok((Prepared::Partial, Some(replayed.held)));
        }
        let left = self.free.checked_sub(content.manifest.size());
        self.free = left.ok_or(DiskError::NoSpace)?;
        let sizes = content.entries.iter().map(|entry| entry.len());
        let entries = sizes.map(|size| Rc::new(vec![0; size])).collect();
        let stored = Stored::new(entries, content.manifest.shard_size(), State::Partial);
        self.stored.insert(content.file(), stored);
        Ok((Prepared::Fresh, None))
    }

    /// Begins a checkpoint of the gained shards; with `kept`, a new journal proves these, too.
    ///
    /// # Errors
    /// When the file does not exist.
    pub fn begin_commit(
        &mut self,
        swarm: SwarmKey,
        gained: Bitmap,
        kept: Option<Bitmap>,
    ) -> Result<(), DiskError> {
        let stored = self.stored_mut(swarm)?;
        stored.plans = match (&stored.journal, &kept) {
            (Some(_), None) => &[Plan::Checkpoint],
            _ => &[Plan::Begin, Plan::Checkpoint],
        };
        (stored.gained, stored.kept) = (gained, kept.unwrap_or_default());
        Ok(())
    }

    /// Takes a step of the checkpoint in progress; returns `None` after the last.
    ///
    /// # Errors
    /// When the file does not exist.
    pub fn commit(
        &mut self,
        swarm: SwarmKey,
        step: usize,
        shards: u32,
    ) -> Result<Option<Step>, DiskError> {
        let file = *self.files.get(&swarm).ok_or(DiskError::NotFound)?;
        let stored = self.stored_mut(swarm)?;
        let mut steps = stored.plans.iter().flat_map(|plan| plan.steps());
        let Some(&step) = steps.nth(step) else {
            return Ok(None);
        };
        match step {
            Step::SyncData => stored.undo.clear(),
            Step::WriteJournal => {
                let before = stored.journal.as_ref();
                let header = Header {
                    file,
                    shards,
                    generation: 1 + before.map_or(0, |journal| journal.header.generation),
                    files: [0; 20],
                };
                let mut journal = Journal::begin(header, &stored.kept);
                journal.synced = 0;
                stored.new_journal = Some(journal);
            }
            Step::AppendRecords => {
                let journal = stored.journal.as_mut().ok_or(DiskError::NotFound)?;
                let gained = record::runs(stored.gained.iter());
                journal.writer.gained(gained, &mut journal.bytes);
            }
            Step::SyncJournal => {
                let journal = stored.new_journal.as_mut().or(stored.journal.as_mut());
                let journal = journal.ok_or(DiskError::NotFound)?;
                journal.synced = journal.bytes.len();
            }
            Step::NameJournal => stored.journal = stored.new_journal.take(),
            // Names are durable at once.
            Step::SyncFolders | Step::SyncParent => {}
            Step::NamePart | Step::RemoveJournal => unreachable!("no checkpoint has these steps"),
        }
        Ok(Some(step))
    }

    /// Writes into a file that is partial or being repaired.
    ///
    /// # Errors
    /// When it does not exist, or is final.
    pub fn write(&mut self, range: FileRange, bytes: &[u8]) -> Result<(), DiskError> {
        let stored = self.stored_mut(range.swarm)?;
        if stored.state == State::Final {
            return Err(DiskError::Changed);
        }
        stored.write(range.entry as usize, range.offset as usize, bytes)
    }

    /// As `write`, but the bytes go to a random location of this disk that has room for them.
    ///
    /// # Errors
    /// As `write`.
    pub fn write_astray(
        &mut self,
        range: FileRange,
        bytes: &[u8],
        rng: &mut Rng,
    ) -> Result<(), DiskError> {
        let stored = self.stored_mut(range.swarm)?;
        let (entry, offset) = (range.entry as usize, range.offset as usize);
        if stored.state == State::Final {
            return Err(DiskError::Changed);
        }
        let meant = stored.shards(entry, offset, bytes.len());
        stored.hit.extend(meant);
        let fits = |stored: &Stored, entry: usize| stored.entries[entry].len() >= bytes.len();
        let fitting: Vec<(FileId, usize)> = self
            .stored
            .iter()
            .flat_map(|(&file, stored)| (0..stored.entries.len()).map(move |of| (file, of)))
            .filter(|(file, of)| fits(&self.stored[file], *of))
            .collect();
        let (file, entry) = fitting[rng.below(fitting.len() as u64) as usize];
        let victim = self.stored.get_mut(&file).ok_or(DiskError::NotFound)?;
        let sectors = (victim.entries[entry].len() - bytes.len()) / SECTOR_SIZE;
        let offset = rng.below(sectors as u64 + 1) as usize * SECTOR_SIZE;
        let hit = victim.shards(entry, offset, bytes.len());
        victim.hit.extend(hit);
        victim.write(entry, offset, bytes)
    }

    /// Whether a write that went astray has changed a shard, or should have changed it.
    pub fn is_hit(&self, file: FileId, shard: u32) -> bool {
        let stored = self.stored.get(&file);
        stored.is_some_and(|stored| stored.hit.contains(&shard))
    }

    /// Reads the bytes of a range.
    ///
    /// # Errors
    /// When they do not exist.
    pub fn read(&self, range: FileRange) -> Result<&[u8], DiskError> {
        let file = self.files.get(&range.swarm).ok_or(DiskError::NotFound)?;
        let stored = self.stored.get(file).ok_or(DiskError::NotFound)?;
        let entry = &stored.entries[range.entry as usize];
        let start = range.offset as usize;
        entry
            .get(start..start + range.length as usize)
            .ok_or(DiskError::Truncated)
    }

    /// Opens a finished file for repair.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn reopen(&mut self, swarm: SwarmKey) -> Result<(), DiskError> {
        self.stored_mut(swarm)?.state = State::Repair;
        Ok(())
    }

    /// Syncs a file and gives it its final name.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn finish(&mut self, swarm: SwarmKey) -> Result<(), DiskError> {
        let stored = self.stored_mut(swarm)?;
        stored.undo.clear();
        stored.state = State::Final;
        stored.journal = None;
        Ok(())
    }

    /// Ends the node's use of the disk. After a power cut, `torn_by` draws which unsynced sectors
    /// are lost; after the end of the process alone, all writes stay.
    pub fn crash(&mut self, torn_by: Option<&mut Rng>) {
        self.files.clear();
        for stored in self.stored.values_mut() {
            // A start does not look for it under its temporary name.
            stored.new_journal = None;
        }
        let Some(rng) = torn_by else { return };
        for stored in self.stored.values_mut() {
            if let Some(journal) = &mut stored.journal {
                // Some of the unsynced bytes are there, and the last of them may be zeros.
                let unsynced = journal.bytes.len() - journal.synced;
                let kept = rng.below(unsynced as u64 + 1) as usize;
                journal.bytes.truncate(journal.synced + kept);
                let torn = kept.min(rng.below(SECTOR_SIZE as u64) as usize);
                let start = journal.bytes.len() - torn;
                journal.bytes[start..].iter_mut().for_each(|byte| *byte = 0);
            }
            for undo in stored.undo.drain(..).rev() {
                let bytes = Rc::make_mut(&mut stored.entries[undo.entry]);
                for (index, sector) in undo.before.chunks(SECTOR_SIZE).enumerate() {
                    if rng.below(2) == 0 {
                        let start = undo.offset + index * SECTOR_SIZE;
                        bytes[start..start + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
    }

    /// Whether a shard on this disk equals that of `content`.
    pub fn holds(&self, content: &Content, shard: u32) -> bool {
        let Some(stored) = self.stored.get(&content.file()) else {
            return false;
        };
        let manifest = &content.manifest;
        let mut segments = manifest.segments(shard, 0, manifest.shard_length(shard));
        segments.all(|segment| {
            let (entry, start) = (segment.entry as usize, segment.offset as usize);
            let end = start + segment.length as usize;
            let (ours, right) = (&stored.entries[entry], &content.entries[entry]);
            Rc::ptr_eq(ours, right) || ours[start..end] == right[start..end]
        })
    }

    fn stored_mut(&mut self, swarm: SwarmKey) -> Result<&mut Stored, DiskError> {
        let file = self.files.get(&swarm).ok_or(DiskError::NotFound)?;
        self.stored.get_mut(file).ok_or(DiskError::NotFound)
    }
}
