//! The bounds of a service: its control socket, its catalog and its drop folders.

use std::time::Duration;

/// Bytes of the longest request: a path of 4,096 bytes, each of them escaped, twice.
pub const CONTROL_REQUEST_MAX: usize = 16 * 1024;
/// Bytes of an answer that wait for the client, and one line more: a screenful, and few enough
/// that all clients at once take no more than a quarter of a MiB.
pub const CONTROL_ANSWER_SIZE: usize = 32 * 1024;
/// Clients at once: people and scripts of one machine. Others are rejected in one line.
pub const CONTROL_CLIENTS_MAX: usize = 8;
/// From the connection of a client to the end of its request, which it has at hand.
pub const CONTROL_ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Without taking a byte of its answer, before a client is closed: it may be a pager's.
pub const CONTROL_TAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of the longest path in a catalog: the system's own limit (`PATH_MAX`).
pub const PATH_SIZE_MAX: usize = 4096;
/// From one try to share a path that is missing to the next.
pub const MISSING_RETRY: Duration = Duration::from_secs(5);
/// The same after any other failure: each try may read or ask for much.
pub const FAILED_RETRY: Duration = Duration::from_secs(60);
/// From one scan of a drop folder to the next: its user waits for it, and four seconds are a
/// quarter of a wake-up a second.
pub const DROP_PERIOD: Duration = Duration::from_secs(4);
/// The same while something in it does not rest.
pub const DROP_PERIOD_BUSY: Duration = Duration::from_millis(500);
/// An entry that has not changed for so long is not being copied any more. A copy that stalls for
/// longer is shared as it then is, and again when it has changed.
pub const DROP_STILL: Duration = Duration::from_secs(2);
/// Drop folders of a service.
pub const DROP_FOLDERS_MAX: usize = 16;
/// From a change of the catalog that no client waits for to its writing, so that many changes at
/// once are written together.
pub const CATALOG_SAVE_DELAY: Duration = Duration::from_secs(1);
/// Digits that an id may be shortened to: two of a full node's files share six once in 32 nodes.
pub const ID_DIGITS_MIN: usize = 6;
/// Bytes of the longest path of a Unix socket (unix(7)), less the zero at its end.
pub const SOCKET_PATH_MAX: usize = 107;
/// Sources that an owner adds to the loop: the control socket's listener and its clients.
pub const OWNER_SOURCES_MAX: usize = 1 + CONTROL_CLIENTS_MAX;
