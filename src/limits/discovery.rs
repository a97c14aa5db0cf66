//! Bounds of local discovery: queries, responses, interfaces.

use super::Allowance;
use std::time::Duration;

// -- messages

/// Pauses after the first queries, jittered: four queries in the first two seconds, and a last one
/// after [`RPC_TIMEOUT`](super::RPC_TIMEOUT), when nodes whose pings were lost may be pinged again.
pub const DISCOVERY_PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_millis(1_200),
    Duration::from_millis(4_500),
];
/// From query to query after that: only for nodes that multicast did not reach at the start.
pub const DISCOVERY_PERIOD: Duration = Duration::from_secs(600);
/// Time after the first query for which a lookup without contacts waits for responses.
pub const DISCOVERY_PATIENCE: Duration = Duration::from_millis(2_500);
/// Responses to all queries: when a fleet of hundreds gets its power back, each node needs to learn
/// of a few dozen others only.
pub const DISCOVERY_ANSWERS: Allowance = Allowance {
    per_second: 10,
    burst: 20,
};
/// Responses to one sender: the first may be lost.
pub const DISCOVERY_ANSWERS_EACH: Allowance = Allowance {
    per_second: 1,
    burst: 2,
};
/// Senders of queries with a budget of their own.
pub const DISCOVERY_CALLERS_MAX: usize = 256;

// -- interfaces and turns

/// Interfaces of each family on which a node sends queries: the kernel lets a socket join 20
/// groups.
pub const LINKS_MAX: usize = 16;
/// Period of the check for new interfaces, where the kernel does not report changes.
pub const LINKS_PERIOD: Duration = Duration::from_secs(30);
/// From the first change that the kernel reports to the check: further changes follow within
/// milliseconds.
pub const LINKS_DELAY: Duration = Duration::from_millis(200);
/// Link-local addresses whose interface is remembered.
pub const SCOPES_MAX: usize = 1_024;
/// Discovery messages received in one turn: a flood of them must not starve the streams.
pub const DISCOVERY_PER_TURN: usize = 16;
