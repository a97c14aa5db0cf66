//! One swarm: what this node knows and has of one file.
//!
//! ```text
//!  share:  Hashing ──────────────────────────────────────────────────────────► Complete
//!  fetch:  Finding ──► (prepare) ──► Verifying ──► Fetching ──► Finishing ──► Complete
//!                                └───────────────────▲
//!          no one has the rest: Ending ──► gone
//!
//!  fetched, and gone bad:  Complete ──► Repairing ──► Finishing ──► Complete
//! ```
//!
//! It holds no stream; [`super::Swarms`] joins the two. Invariant: a shard is in exactly one of
//! *missing*, *in flight* and *held*, and only what is held is offered to others.

use super::checkpoint::Durability;
use super::flight::Flight;
use super::pause::Pause;
use super::providers::Providers;
use super::repair::Repair;
use super::scan::Scan;
use super::schedule::super_seed::Round;
use super::stream::Stream;
use crate::bitmap::Bitmap;
use crate::id::FileId;
use crate::limits::SCRUB_INTERVAL;
use crate::time::Instant;
use crate::wire::{Entries, Manifest};

/// A file or folder to be shared, as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareSpec {
    /// The name of the file or folder.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Its files, in the manifest's order; for a single file one with an empty path.
    pub entries: Entries,
}

/// What a swarm is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Reads the files to be shared and hashes them.
    #[default]
    Hashing,
    /// Looks for providers and their manifest.
    Finding,
    /// Reads what the disk holds and verifies it.
    Verifying,
    /// Fetches shards.
    Fetching,
    /// Waits for the disk to finish.
    Finishing,
    /// Has every shard.
    Complete,
    /// Serves what it has, and fetches what has gone bad.
    Repairing,
    /// Has failed, and has what it gained made durable.
    Ending,
}

/// How far a swarm is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Bytes of the file; 0 while unknown.
    pub size: u64,
    /// Bytes hashed or verified on disk in this phase, or bytes of the shards held.
    pub done: u64,
    /// Shards that would outlive a power cut, while fetching.
    pub durable: u32,
    /// Bytes of payload received since the start.
    pub received: u64,
    /// Bytes of payload sent since the start.
    pub sent: u64,
    /// Open streams.
    pub streams: u32,
    /// Open streams whose other end has a shard that we lack.
    pub providers: u32,
}

/// What is found on disk and being verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An unfinished fetch.
    Partial,
    /// A file under the final name.
    Final,
    /// A file under the final name that we have put there, and that nobody else has touched: until it
    /// is complete.
    Kept,
}

/// One swarm.
pub struct Swarm {
    /// The file's id; while a share is being hashed, nothing.
    pub file: Option<FileId>,
    /// The manifest, once known.
    pub manifest: Option<Manifest>,
    /// Others have it, too: it is not what this node shares from where it lies.
    pub is_fetched: bool,
    /// What is to be shared, while it is being hashed.
    pub share: Option<Box<ShareSpec>>,
    /// What it is doing.
    pub phase: Phase,
    /// The walk over the disk, while hashing or verifying.
    pub scan: Option<Scan>,
    /// The hashes of a share so far, 20 bytes each.
    pub hashes: Vec<u8>,
    /// What is being verified.
    pub found: Found,

    /// The parts of the manifest that have come.
    pub manifest_parts: Vec<u8>,
    /// Who sends the manifest.
    pub manifest_from: Option<crate::output::StreamKey>,

    /// Shards that verified and are on disk.
    pub held: Bitmap,
    /// What of that would outlive a power cut.
    pub durability: Durability,
    /// Shards in flight.
    pub flying: Bitmap,
    /// The flights themselves; room for them only while fetching.
    pub flights: Vec<Flight>,
    /// Shards gained since the start, in order: what others must be told.
    pub gained: Vec<u32>,
    /// When others are told of gained shards next.
    pub haves_at: Option<Instant>,
    /// How many open streams have each shard, those that have all of them aside.
    pub copies: Vec<u16>,

    /// Who else has some of it.
    pub providers: Providers,
    /// This node has been announced as a provider.
    pub announced: bool,
    /// Lookups that have ended since the last provider was connected.
    pub lookups: u32,
    /// A lookup is under way.
    pub looking: bool,
    /// When the next lookup may start.
    pub lookup_at: Instant,
    /// Nodes that answered the last lookup.
    pub asked_nodes: u32,
    /// Since when no stream has brought anything.
    pub idle_since: Instant,
    /// When idle streams look next for shards to have reclaimed.
    pub reclaim_at: Instant,
    /// How far its offers are.
    pub round: Round,
    /// The disk is full: what a fetch waits for.
    pub pause: Option<Pause>,
    /// Its owner holds it still.
    pub is_suspended: bool,
    /// The place of what was served is not there: shards that are held again when it is.
    pub absent: Option<Bitmap>,
    /// When all that is held is to be verified again.
    pub scrub_due_at: Instant,
    /// What of it has gone bad.
    pub repair: Repair,

    /// Bytes of payload received.
    pub received: u64,
    /// Bytes of payload sent.
    pub sent: u64,
}
const _: () = assert!(size_of::<Swarm>() <= crate::limits::memory::SWARM_SIZE);

impl Swarm {
    fn new(now: Instant) -> Swarm {
        Swarm {
            file: None,
            manifest: None,
            is_fetched: false,
            share: None,
            phase: Phase::Hashing,
            scan: None,
            hashes: Vec::new(),
            found: Found::Partial,
            manifest_parts: Vec::new(),
            manifest_from: None,
            held: Bitmap::default(),
            durability: Durability::default(),
            flying: Bitmap::default(),
            flights: Vec::new(),
            gained: Vec::new(),
            haves_at: None,
            copies: Vec::new(),
            providers: Providers::default(),
            announced: false,
            lookups: 0,
            looking: false,
            lookup_at: now,
            asked_nodes: 0,
            idle_since: now,
            reclaim_at: now,
            round: Round::default(),
            pause: None,
            is_suspended: false,
            absent: None,
            scrub_due_at: now + SCRUB_INTERVAL,
            repair: Repair::default(),
            received: 0,
            sent: 0,
        }
    }

    /// A share that begins with hashing.
    pub fn to_share(share: ShareSpec, now: Instant) -> Swarm {
        let size = share.entries.total();
        let scan = Scan::new(size, Manifest::shard_size_for(size));
        Swarm {
            scan: Some(scan),
            share: Some(Box::new(share)),
            ..Swarm::new(now)
        }
    }

    /// A fetch that begins with the manifest.
    pub fn to_fetch(file: FileId, now: Instant) -> Swarm {
        Swarm {
            file: Some(file),
            is_fetched: true,
            phase: Phase::Finding,
            ..Swarm::new(now)
        }
    }

    /// It has every shard of the manifest, on disk and verified.
    pub fn become_whole(&mut self, manifest: Manifest, now: Instant) {
        for shard in 0..manifest.shard_count() {
            self.held.insert(shard);
        }
        self.copies = vec![0; manifest.shard_count() as usize];
        (self.file, self.manifest) = (Some(manifest.file_id()), Some(manifest));
        self.phase = Phase::Complete;
        self.scrub_due_at = now + SCRUB_INTERVAL;
    }

    /// Whether it wants shards from others now.
    pub fn is_fetching(&self) -> bool {
        let has_place = matches!(self.phase, Phase::Fetching | Phase::Repairing);
        has_place && self.pause.is_none() && !self.is_suspended
    }

    /// Whether it may ask for a shard: also to find out whether there is room again.
    pub fn may_ask(&self) -> bool {
        let has_place = matches!(self.phase, Phase::Fetching | Phase::Repairing);
        let may_write = self.pause.is_none_or(|pause| pause.is_probing);
        has_place && may_write && !self.is_suspended
    }

    /// Whether a fetch is still short of something that others have.
    pub fn wants_providers(&self) -> bool {
        let lacks_some = matches!(
            self.phase,
            Phase::Finding | Phase::Verifying | Phase::Fetching | Phase::Repairing
        );
        lacks_some && !self.is_suspended
    }

    /// Whether it could fail for want of providers: not while the disk may hold what they would
    /// send, nor before each was tried.
    pub fn may_give_up(&self) -> bool {
        let asks_disk = match self.phase {
            Phase::Finding => self.manifest.is_some(),
            phase => phase == Phase::Verifying,
        };
        let waits = self.pause.is_some_and(|pause| !pause.is_probing);
        self.wants_providers() && !asks_disk && !waits && self.providers.are_tried()
    }

    /// Shards of the file; 0 while the manifest is unknown.
    pub fn shard_count(&self) -> u32 {
        self.manifest.as_ref().map_or(0, Manifest::shard_count)
    }

    /// Whether every shard is held.
    pub fn is_whole(&self) -> bool {
        self.manifest
            .as_ref()
            .is_some_and(|manifest| self.held.count() == manifest.shard_count())
    }

    /// Bytes of the shards held.
    pub fn held_size(&self) -> u64 {
        let Some(manifest) = &self.manifest else {
            return 0;
        };
        let Some(last) = manifest.shard_count().checked_sub(1) else {
            return 0;
        };
        let short = manifest.shard_size() - manifest.shard_length(last);
        let full = u64::from(self.held.count()) * u64::from(manifest.shard_size());
        full - if self.held.contains(last) {
            u64::from(short)
        } else {
            0
        }
    }

    /// The size of an entry of what is on disk, which has a manifest or is to get one.
    pub fn entry_size(&self, entry: u32) -> u64 {
        let entries = match (&self.manifest, &self.share) {
            (Some(manifest), _) => manifest.entries(),
            (None, Some(share)) => &share.entries,
            (None, None) => return 0,
        };
        entries.at(entry).size
    }

    /// The flight of `shard`.
    pub fn flight(&mut self, shard: u32) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|flight| flight.shard == shard)
    }

    /// Ends the flight of `shard`.
    pub fn land(&mut self, shard: u32) {
        self.flights.retain(|flight| flight.shard != shard);
        self.flying.remove(shard);
    }

    /// Returns flights that nobody sends and of which nothing has come to the missing shards, so that
    /// the rarest is chosen anew.
    pub fn drop_unstarted(&mut self) {
        let Swarm {
            flights, flying, ..
        } = self;
        flights.retain(|flight| {
            let unstarted = flight.source.is_none() && flight.received() == 0 && !flight.whole;
            if unstarted {
                flying.remove(flight.shard);
            }
            !unstarted
        });
    }

    /// `shard` is held from now on, and others are to be told.
    pub fn gain(&mut self, shard: u32) {
        if self.held.insert(shard) {
            self.gained.push(shard);
        }
    }

    /// Whether `stream` has a shard that we lack.
    pub fn can_use(&self, stream: &Stream) -> bool {
        if stream.has_all {
            return !self.is_whole();
        }
        let words = self.shard_count().div_ceil(64) as usize;
        (0..words).any(|index| stream.has.word(index) & !self.held.word(index) != 0)
    }

    /// Holds no more shard of the entry that has the byte at `offset` of `shard`; how many those
    /// were.
    pub fn drop_entry_at(&mut self, shard: u32, offset: u32) -> u32 {
        let Some(manifest) = &self.manifest else {
            return 0;
        };
        let Some(segment) = manifest.segments(shard, offset, 1).next() else {
            return 0;
        };
        self.drop_entry(segment.entry)
    }

    /// Holds no more shard of an entry, here or where it is absent; how many those were.
    pub fn drop_entry(&mut self, entry: u32) -> u32 {
        let Some(manifest) = &self.manifest else {
            return 0;
        };
        let Some(entry) = manifest.entries().get(entry as usize) else {
            return 0;
        };
        if entry.size == 0 {
            return 0;
        }
        let shard_size = u64::from(manifest.shard_size());
        let first = entry.offset / shard_size;
        let last = (entry.end() - 1) / shard_size;
        let shards = first as u32..=last as u32;
        // What somebody has edited is not ours to repair.
        for shard in shards
            .clone()
            .filter(|&shard| self.repair.bad.remove(shard))
        {
            self.flights.retain(|flight| flight.shard != shard);
            self.flying.remove(shard);
        }
        let set = self.absent.as_mut().unwrap_or(&mut self.held);
        shards.filter(|&shard| set.remove(shard)).count() as u32
    }

    /// How far it is, streams aside.
    pub fn progress(&self) -> Progress {
        // A scrub changes nothing of what is held, unless it says so.
        let scan = self.scan.as_ref().filter(|_| !self.is_scrubbed());
        let scanned = scan.map(Scan::position);
        let share_size = self.share.as_ref().map(|share| share.entries.total());
        Progress {
            phase: self.phase,
            size: self
                .manifest
                .as_ref()
                .map(Manifest::size)
                .or(share_size)
                .unwrap_or(0),
            done: scanned.unwrap_or_else(|| self.held_size()),
            durable: self.durability.durable.count(),
            received: self.received,
            sent: self.sent,
            streams: 0,
            providers: 0,
        }
    }
}

/// How a swarm is named and found.
impl Swarm {
    /// Whether this is the swarm of `file` (a share that is being hashed is none yet).
    pub fn is_of(&self, file: FileId) -> bool {
        self.file == Some(file)
    }
}

/// What a swarm wants of the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Look for providers of the file.
    FindProviders(FileId),
    /// Announce this node as provider of the file, until withdrawn.
    Provide(FileId),
    /// Stop announcing.
    Withdraw(FileId),
}
