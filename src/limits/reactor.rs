//! Bounds of the event loop: work of one turn, sockets, descriptors, and sleep.

use super::{RECEIVE_BUFFER_SIZE, STREAMS_MAX};
use std::time::Duration;

/// Datagrams received in one turn: a flood of them must not starve the streams.
pub const DATAGRAMS_PER_TURN: usize = 64;
/// Datagrams that are dropped unread when the process goes on after a stop: more than its sockets'
/// buffers hold.
pub const LATE_DATAGRAMS_MAX: usize = 4_096;
/// Connections accepted in one turn, for the same reason.
pub const ACCEPTS_PER_TURN: usize = 8;
/// Operations (receives, and sends, each) on one stream in one turn: with the bytes below, what one
/// stream may hold the others up.
pub const STREAM_OPERATIONS_PER_TURN: usize = 16;
/// Bytes received, and sent, on one stream in one turn: 4 ms of a gigabit link.
pub const STREAM_BYTES_PER_TURN: usize = 512 * 1024;
/// Background reads in one turn: 1 MiB, 25 ms of a slow SD card.
pub const READS_PER_TURN: usize = 4;
/// Files made, or files synced, in one turn of a fetch's beginning or end: each can take
/// milliseconds on an SD card, and the network waits meanwhile.
pub const FILES_MADE_PER_TURN: usize = 64;
/// Files that a checkpoint syncs one by one; if more were written, it syncs the file system at once.
pub const FILES_SYNCED_EACH_MAX: usize = 32;
/// Addresses that a node listens on.
pub const LISTEN_ADDRESSES_MAX: usize = 16;
/// Tries to find a port that is free for UDP and TCP alike: one is nearly always enough.
pub const FREE_PORT_TRIES: usize = 64;
/// Connections that the kernel queues for us: more than are accepted in 30 turns.
pub const ACCEPT_BACKLOG: i32 = 256;
/// Readiness events taken from the kernel at once: every socket of a node, so that one `poll`
/// suffices.
pub const POLL_EVENTS_MAX: usize = 128;
/// Descriptors of shared and fetched files that are kept open: one a stream would be the most of
/// use, but the ordinary limit of a process is 1,024 and small hosts set it lower.
pub const OPEN_FILES_MAX: usize = 32;
/// Descriptors that a node opens at most: its streams and files, two sockets for each address, and
/// a few for the loop, signals, locks and folders.
pub const DESCRIPTORS_MAX: usize = STREAMS_MAX + OPEN_FILES_MAX + 2 * LISTEN_ADDRESSES_MAX + 16;
/// After running out of descriptors, when to try to accept again. Other processes free them unseen.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// The longest sleep. A node's own deadline is nearly always earlier; this one bounds what a
/// lost wake-up could cost, at a price of one wake-up a minute.
pub const SLEEP_MAX: Duration = Duration::from_secs(60);
/// A class of warning that others can cause is logged once in this time.
pub const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// From one look whether systemd should hear another status to the next: a person reads it.
pub const STATUS_PERIOD: Duration = Duration::from_secs(5);
/// How long systemd may take to take a message that must not get lost.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(1);
/// From `stop` to the end of the process, at most.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// The share of a file system that a fetch leaves free, as a divisor: 5 %.
pub const RESERVE_DIVISOR: u64 = 20;

// Each turn's budgets fit the buffers and tables that they are spent on.
const _: () = assert!(STREAM_BYTES_PER_TURN >= RECEIVE_BUFFER_SIZE);
const _: () = assert!(STREAMS_MAX <= 256, "a token keeps the slot in eight bits");
const _: () = assert!(
    LISTEN_ADDRESSES_MAX <= 256,
    "a token keeps the socket in eight bits"
);
