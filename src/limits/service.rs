//! The bounds of a service: its control socket, what it is given and remembers, its drop folders.

use std::time::Duration;

/// Bytes of the longest request: a path of 4,096 bytes, each of them escaped, twice.
pub const CONTROL_REQUEST_MAX: usize = 16 * 1024;
/// Bytes of an answer that wait for the client, and one line more: a screenful, and few enough
/// that all clients at once take no more than a quarter of a MiB.
pub const CONTROL_ANSWER_SIZE: usize = 32 * 1024;
/// Clients at once: people and scripts of one machine. More are told to come again.
pub const CONTROL_CLIENTS_MAX: usize = 8;
/// From the connection of a client to the end of its request, which it has at hand.
pub const CONTROL_ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Without taking a byte of its answer, before a client is closed: it may be a pager's.
pub const CONTROL_TAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of the longest path that a service keeps: what the system takes (`PATH_MAX`).
pub const PATH_SIZE_MAX: usize = 4096;
/// From one try of what a service cannot share now, because it is not there, to the next.
pub const MISSING_RETRY: Duration = Duration::from_secs(5);
/// The same after any other failure: each try may read or ask for much.
pub const FAILED_RETRY: Duration = Duration::from_secs(60);
/// From one look through a drop folder to the next: who puts something there waits for it, and four
/// seconds are a quarter of a wake-up a second.
pub const DROP_PERIOD: Duration = Duration::from_secs(4);
/// The same while something in it does not rest.
pub const DROP_PERIOD_BUSY: Duration = Duration::from_millis(500);
/// What has not changed for so long is no longer being copied. A copy that stalls for longer is
/// shared as it then is, and anew when it has gone on.
pub const DROP_STILL: Duration = Duration::from_secs(2);
/// Drop folders of a service.
pub const DROP_FOLDERS_MAX: usize = 16;
/// From a change of what a service remembers to its writing, so that many at once are one: nobody
/// who asked for one waits for it.
pub const REMEMBER_DELAY: Duration = Duration::from_secs(1);
/// Digits that an id may be shortened to: two of a full node's files share six once in 32 nodes.
pub const ID_DIGITS_MIN: usize = 6;
/// Bytes of the longest path of a Unix socket (unix(7)), less the zero at its end.
pub const SOCKET_PATH_MAX: usize = 107;
/// Sources that an owner adds to the loop: the control socket's listener and its clients.
pub const OWNER_SOURCES_MAX: usize = 1 + CONTROL_CLIENTS_MAX;
