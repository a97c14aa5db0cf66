//! The commit protocol: what a fetch writes, in which order, so that a power cut never leaves a
//! have-bit whose bytes were not on the disk.
//!
//! ```text
//!  a shard:   written ──► hash right ──► have (volatile) ──► served, told of
//!  then:      data synced ──► record appended to the journal ──► journal synced ──► have (durable)
//! ```
//!
//! Read [`record`] first (the journal's bytes, and what is believed of them after a crash), then
//! [`plan`] (the order of the steps, as data); [`verified`] is a list of what was verified when.
//! All are without I/O: the reactor carries the steps out on files, the simulator on a disk that
//! loses what was not synced, and so the order that is tested is the order that ships.
//!
//! What it costs: at most `CHECKPOINT_SIZE` bytes or `CHECKPOINT_PERIOD` of a fetch come again
//! after a power cut; those shards are not looked for on the disk, because reading a mostly empty
//! file of 20 GiB takes longer than fetching 32 MiB. What the journal proves is served at once,
//! unread.
//!
//! Invariants: a record names only shards whose bytes were synced before it was appended; no byte
//! of a durable shard is written before a journal that no longer proves it has taken the old one's
//! place.

pub mod plan;
pub mod record;
pub mod verified;
