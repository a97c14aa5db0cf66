//! Bounds of the event loop: work of one turn, sockets, descriptors, and sleep.

use super::{RECEIVE_BUFFER_SIZE, STREAMS_MAX};
use std::time::Duration;

/// Datagrams received in one turn: a flood of them must not starve the streams.
pub const DATAGRAMS_PER_TURN: usize = 64;
/// Datagrams dropped unread when the process resumes after a stop: more than its sockets' buffers
/// hold.
pub const LATE_DATAGRAMS_MAX: usize = 4_096;
/// Connections accepted in one turn: a flood of them must not starve the streams.
pub const ACCEPTS_PER_TURN: usize = 8;
/// Receives, and sends, on one stream in one turn: with the bytes below, the longest time for which
/// one stream delays the others.
pub const STREAM_OPERATIONS_PER_TURN: usize = 16;
/// Bytes received, and sent, on one stream in one turn: 4 ms of a gigabit link.
pub const STREAM_BYTES_PER_TURN: usize = 512 * 1024;
/// Background reads in one turn: 1 MiB, 25 ms of a slow SD card.
pub const READS_PER_TURN: usize = 4;
/// Files created, or files synced, in one turn at the beginning or end of a fetch: each can take
/// milliseconds on an SD card, and the network waits meanwhile.
pub const FILES_MADE_PER_TURN: usize = 64;
/// Files that a checkpoint syncs one by one; if more were written, it syncs the file system at
/// once.
pub const FILES_SYNCED_EACH_MAX: usize = 32;
/// Addresses that a node listens on.
pub const LISTEN_ADDRESSES_MAX: usize = 16;
/// Tries to find a port that is free for UDP and TCP alike: one is nearly always enough.
pub const FREE_PORT_TRIES: usize = 64;
/// Connections that the kernel queues: more than 30 turns accept.
pub const ACCEPT_BACKLOG: i32 = 256;
/// Readiness events of one `poll`: every socket of a node, so that one call is enough.
pub const POLL_EVENTS_MAX: usize = 128;
/// Open descriptors of shared and fetched files: one for each stream would be the most of use, but
/// a process is usually limited to 1,024 and small hosts set less.
pub const OPEN_FILES_MAX: usize = 32;
/// Descriptors that a node opens: its streams and files, two sockets for each address, and a few
/// for the loop, signals, locks and folders.
pub const DESCRIPTORS_MAX: usize = STREAMS_MAX + OPEN_FILES_MAX + 2 * LISTEN_ADDRESSES_MAX + 16;
/// From `EMFILE` to the next try to accept: other processes free descriptors without notice.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// The longest sleep. The node's own deadline is nearly always earlier; this one bounds the cost of
/// a lost wake-up, at one wake-up a minute.
pub const SLEEP_MAX: Duration = Duration::from_secs(60);
/// A kind of warning that other nodes can cause is logged once in this time.
pub const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// From one status sent to systemd to the next: a person reads it.
pub const STATUS_PERIOD: Duration = Duration::from_secs(5);
/// Time that systemd has to take a message that must not be lost.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(1);
/// From `stop` to the end of the process, at most.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// A fetch leaves one part in this many of a file system free: 5 %.
pub const RESERVE_DIVISOR: u64 = 20;

// Each turn's budgets fit the buffers and tables that they are spent on.
const _: () = assert!(STREAM_BYTES_PER_TURN >= RECEIVE_BUFFER_SIZE);
const _: () = assert!(STREAMS_MAX <= 256, "a token keeps the slot in eight bits");
const _: () = assert!(
    LISTEN_ADDRESSES_MAX <= 256,
    "a token keeps the socket in eight bits"
);
