//! One swarm: the state of one file on this node.
//!
//! ```text
//!  share:  Hashing ──────────────────────────────────────────────────────────► Complete
//!  fetch:  Finding ──► (prepare) ──► Verifying ──► Fetching ──► Finishing ──► Complete
//!                                └───────────────────▲
//!          files under the final name:  Verifying ──► Complete, or Repairing for bad shards
//!          no peer has the rest:        Fetching ──► Ending ──► (removed)
//!
//!  fetched, and gone bad:  Complete ──► Repairing ──► Finishing ──► Complete
//! ```
//!
//! It holds no stream: [`super::scope::Scope`] joins the two. Invariant: a shard is in exactly one
//! of *missing*, *in flight* and *held*, and only held shards are offered to others.

use super::availability::{Copies, PeerShards};
use super::content::{Content, ManifestFetch, ShareSpec};
use super::durability::Durability;
use super::flight::Flights;
use super::providers::Discovery;
use super::scan::Scan;
use super::schedule::round::Round;
use crate::bitmap::Bitmap;
use crate::id::FileId;
use crate::limits::{REPAIRS_MAX, SCRUB_INTERVAL};
use crate::output::{Failure, Origin, Remedy};
use crate::time::Instant;
use crate::wire::Manifest;

/// The stage that a swarm is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Reads the files to be shared and hashes them.
    #[default]
    Hashing,
    /// Looks for providers and their manifest.
    Finding,
    /// Reads what the disk holds and verifies it.
    Verifying,
    /// Requests and receives the shards that it lacks.
    Fetching,
    /// Waits for the disk to finish.
    Finishing,
    /// Has every shard, and serves them.
    Complete,
    /// Serves what it has, and fetches what has gone bad.
    Repairing,
    /// Has failed, and makes the shards that it gained durable.
    Ending,
}

/// The progress of a swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The stage that it is in.
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
    /// Streams that are open.
    pub streams: u32,
    /// Open streams whose other end has a shard that we lack.
    pub providers: u32,
}

/// Announcements of gained shards.
#[derive(Default)]
pub struct Haves {
    /// Shards gained since the start, in order.
    pub gained: Vec<u32>,
    /// When streams are told of them next.
    pub due_at: Option<Instant>,
}

/// The wait of a fetch on a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    pub retry_at: Instant,
    /// A retry is under way: one range at a time is requested.
    pub is_probing: bool,
    /// A checkpoint found no room: only another can show that there is some.
    pub is_of_checkpoint: bool,
}

/// Shards that have gone bad in a finished file, and their repair.
#[derive(Debug, Default)]
pub struct Damage {
    /// Shards that went bad and are to be fetched again.
    pub bad: Bitmap,
    /// Shards that were written again, and are not known to be synced.
    pub rewritten: Bitmap,
    /// Shards that went bad since the start.
    pub count: u32,
    /// The driver opens the file, or a repair is under way.
    pub is_under_repair: bool,
    pub retry_at: Option<Instant>,
}

pub struct Swarm {
    pub content: Content,
    pub phase: Phase,
    /// Its owner has suspended it.
    pub is_suspended: bool,
    /// Why the swarm, or its repair, ends once its disk work is done.
    pub ending: Option<Failure>,
    /// It is removed at the end of this step.
    pub is_over: bool,

    /// Shards that verified and are on disk.
    pub held: Bitmap,
    /// The files are not there: shards that are held again when they are.
    pub absent: Option<Bitmap>,
    pub flights: Flights,
    pub durability: Durability,
    pub pause: Option<Pause>,
    pub damage: Damage,
    /// The walk over the disk, while hashing, verifying or scrubbing.
    pub scan: Option<Scan>,
    /// When all that is held is to be verified again.
    pub scrub_due_at: Instant,

    /// The known providers, and the lookups for more.
    pub discovery: Discovery,
    pub manifest_fetch: ManifestFetch,
    /// How many open streams have each shard, those with every shard aside.
    pub copies: Copies,
    pub haves: Haves,
    /// The present round of super-seeding.
    pub round: Round,
    /// When idle streams look next for shards to reclaim.
    pub reclaim_at: Instant,

    /// Bytes of payload, in both directions.
    pub received: u64,
    pub sent: u64,
}
const _: () = assert!(size_of::<Swarm>() <= crate::limits::memory::SWARM_SIZE);

impl Swarm {
    fn new(content: Content, phase: Phase, now: Instant) -> Swarm {
        Swarm {
            content,
            phase,
            is_suspended: false,
            ending: None,
            is_over: false,
            held: Bitmap::default(),
            absent: None,
            flights: Flights::default(),
            durability: Durability::default(),
            pause: None,
            damage: Damage::default(),
            scan: None,
            scrub_due_at: now + SCRUB_INTERVAL,
            discovery: Discovery::new(now),
            manifest_fetch: ManifestFetch::default(),
            copies: Copies::default(),
            haves: Haves::default(),
            round: Round::default(),
            reclaim_at: now,
            received: 0,
            sent: 0,
        }
    }

    /// A share, which begins with hashing.
    pub fn share(share: ShareSpec, now: Instant) -> Swarm {
        let size = share.entries.total();
        let mut swarm = Swarm::new(Content::shared(share), Phase::Hashing, now);
        swarm.scan = Some(Scan::new(size, Manifest::shard_size_for(size)));
        swarm
    }

    /// A fetch, which begins with the manifest.
    pub fn fetch(file: FileId, now: Instant) -> Swarm {
        Swarm::new(Content::fetched(file), Phase::Finding, now)
    }

    /// A file that is on disk, all of it verified.
    pub fn serve(manifest: Manifest, origin: Origin, now: Instant) -> Swarm {
        let mut swarm = Swarm::fetch(manifest.file_id(), now);
        swarm.content.origin = origin;
        swarm.become_whole(manifest, now);
        swarm
    }

    /// It has every shard of the manifest, on disk and verified.
    pub fn become_whole(&mut self, manifest: Manifest, now: Instant) {
        self.held = (0..manifest.shard_count()).collect();
        self.copies = Copies::of_shards(manifest.shard_count());
        self.content.file = Some(manifest.file_id());
        self.content.manifest = Some(manifest);
        self.phase = Phase::Complete;
        self.scrub_due_at = now + SCRUB_INTERVAL;
    }

    /// Takes room for all that is kept for each shard, so that nothing is allocated while it
    /// fetches.
    pub fn set_manifest(&mut self, manifest: Manifest) {
        let shard_count = manifest.shard_count();
        self.copies = Copies::of_shards(shard_count);
        self.held = Bitmap::with_capacity(shard_count);
        self.durability = Durability::with_capacity(shard_count);
        self.flights = Flights::with_capacity(shard_count);
        self.haves.gained.reserve_exact(shard_count as usize);
        self.content.manifest = Some(manifest);
    }

    /// Whether it writes shards to the disk.
    fn may_write(&self) -> bool {
        matches!(self.phase, Phase::Fetching | Phase::Repairing) && !self.is_suspended
    }

    /// Whether it wants shards from others now.
    pub fn is_fetching(&self) -> bool {
        self.may_write() && self.pause.is_none()
    }

    /// Whether it may request a shard: also to find out whether there is room again.
    pub fn may_request(&self) -> bool {
        self.may_write() && self.pause.is_none_or(|pause| pause.is_probing)
    }

    /// Whether a fetch lacks something that others have.
    pub fn wants_providers(&self) -> bool {
        let lacks_some = matches!(
            self.phase,
            Phase::Finding | Phase::Verifying | Phase::Fetching | Phase::Repairing
        );
        lacks_some && !self.is_suspended
    }

    /// Whether it could fail because it finds no providers: not while the disk may hold what they
    /// would send, nor before each was tried.
    pub fn may_give_up(&self) -> bool {
        let asks_disk = match self.phase {
            Phase::Finding => self.content.manifest.is_some(),
            phase => phase == Phase::Verifying,
        };
        let waits = self.pause.is_some_and(|pause| !pause.is_probing);
        self.wants_providers() && !asks_disk && !waits && self.discovery.providers.are_tried()
    }

    /// Whether a whole checkpoint's bytes have come while the one before is still under way: the
    /// disk is slower than the network, and more requests would fill the memory and then hold the
    /// loop up in a write.
    pub fn waits_for_disk(&self) -> bool {
        self.durability.is_behind()
    }

    /// Whether it is being scrubbed.
    pub fn is_scrubbed(&self) -> bool {
        self.scan.is_some() && !matches!(self.phase, Phase::Hashing | Phase::Verifying)
    }

    /// Whether nothing is left to be fetched.
    pub fn wants_nothing(&self) -> bool {
        match self.phase {
            Phase::Repairing => self.damage.bad.count() == 0,
            _ => self.is_whole(),
        }
    }

    pub fn shard_count(&self) -> u32 {
        self.content.shard_count()
    }

    /// Whether every shard is held.
    pub fn is_whole(&self) -> bool {
        self.content.manifest.is_some() && self.held.count() == self.shard_count()
    }

    /// Bytes of the shards held.
    pub fn held_size(&self) -> u64 {
        let count = self.shard_count();
        if count == 0 {
            return 0;
        }
        let full = u64::from(self.held.count()) * u64::from(self.content.shard_length(0));
        match self.held.contains(count - 1) {
            true => {
                full - u64::from(
                    self.content.shard_length(0) - self.content.shard_length(count - 1),
                )
            }
            false => full,
        }
    }

    /// `shard` is held from now on, and is to be announced.
    pub fn gain(&mut self, shard: u32) {
        if self.held.insert(shard) {
            self.haves.gained.push(shard);
        }
    }

    /// Whether a peer has a shard that we lack.
    pub fn can_use(&self, shards: &PeerShards) -> bool {
        if shards.all {
            return !self.is_whole();
        }
        let words = self.shard_count().div_ceil(64) as usize;
        (0..words).any(|index| shards.word(index) & !self.held.word(index) != 0)
    }

    /// The other end of a stream lacks `shard`, whatever it said.
    pub fn note_lack(&mut self, shards: &mut PeerShards, shard: u32) {
        if std::mem::take(&mut shards.all) {
            for shard in 0..self.shard_count() {
                shards.some.insert(shard);
                self.copies.add(shard);
            }
        }
        if shards.some.remove(shard) {
            self.copies.remove(shard);
        }
    }

    /// The remedy for a shard that has gone bad.
    pub fn remedy(&self) -> Remedy {
        match self.content.origin {
            Origin::Own => Remedy::Restore,
            Origin::Fetched if self.damage.count > REPAIRS_MAX => Remedy::Replace,
            Origin::Fetched => Remedy::Fetch,
        }
    }

    /// Shards that must not be requested, from `64 * index`.
    pub fn closed_word(&self, index: usize) -> u64 {
        match self.phase {
            // Only bad shards are fetched: edited entries are not ours to write.
            Phase::Repairing => !self.damage.bad.word(index),
            // One that is durable and not held is being written off.
            _ => self.durability.durable.word(index),
        }
    }

    /// Holds no more shard of an entry, here or where it is absent; how many those were.
    pub fn drop_entry(&mut self, entry: u32) -> u32 {
        let Some(manifest) = &self.content.manifest else {
            return 0;
        };
        let entry = manifest.entries().get(entry as usize);
        let Some(entry) = entry.filter(|entry| entry.size > 0) else {
            return 0;
        };
        let shard_size = u64::from(manifest.shard_size());
        let first = entry.offset / shard_size;
        let last = (entry.end() - 1) / shard_size;
        let shards = first as u32..=last as u32;
        for shard in shards.clone() {
            // Edited entries are not ours to repair.
            if self.damage.bad.remove(shard) {
                self.flights.end(shard);
            }
        }
        let set = self.absent.as_mut().unwrap_or(&mut self.held);
        shards.filter(|&shard| set.remove(shard)).count() as u32
    }

    pub fn progress(&self) -> Progress {
        // A scrub changes nothing of what is held, unless it says so.
        let scan = self.scan.as_ref().filter(|_| !self.is_scrubbed());
        Progress {
            phase: self.phase,
            size: self.content.size(),
            done: scan.map_or_else(|| self.held_size(), Scan::position),
            durable: self.durability.durable.count(),
            received: self.received,
            sent: self.sent,
            streams: 0,
            providers: 0,
        }
    }
}
