//! The commit protocol: the order of a fetch's writes, so that a power cut never leaves a have-bit
//! without its bytes on the disk.
//!
//! ```text
//!  a shard:   written ──► hash right ──► have (volatile) ──► served, announced
//!  then:      data synced ──► record appended to the journal ──► journal synced ──► have (durable)
//! ```
//!
//! Read [`record`] first (the journal's bytes, and what they prove after a crash), then [`plan`]
//! (the order of the steps, as data); [`verified`] is a list of files and their last verifications.
//! All are without I/O: the reactor carries the steps out on files, the simulator on a disk that
//! loses unsynced bytes, so the order that is tested is the order that ships.
//!
//! The cost: after a power cut at most `CHECKPOINT_SIZE` bytes or `CHECKPOINT_PERIOD` of a fetch
//! are fetched again; those shards are not searched on the disk, because reading a mostly empty
//! file of 20 GiB takes longer than fetching 32 MiB. Shards that the journal proves are served at
//! once, unread.
//!
//! Invariants: a record names only shards whose bytes were synced before it was appended; no byte
//! of a durable shard is written before a journal that no longer proves it has taken the old one's
//! place.

pub mod plan;
pub mod record;
pub mod verified;
