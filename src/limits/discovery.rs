//! The bounds of the local network: calls, answers, interfaces. As everywhere in `limits`, each with its
//! reason.

use super::Allowance;
use std::time::Duration;

// -- discovery messages

/// From the first call to the second and so on, jittered: four in the first two seconds, and a last
/// one after [`RPC_TIMEOUT`](super::RPC_TIMEOUT), when those whose pings got lost may be asked again.
pub const DISCOVERY_PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_millis(1_200),
    Duration::from_millis(4_500),
];
/// From call to call after that: only for those that multicast did not reach at the start.
pub const DISCOVERY_PERIOD: Duration = Duration::from_secs(600);
/// How long after the first call a lookup with nobody to ask waits for the answers.
pub const DISCOVERY_PATIENCE: Duration = Duration::from_millis(2_500);
/// Answers to all callers: when a fleet of hundreds gets its power back, each is told of a few dozen
/// others, which is all that it needs.
pub const DISCOVERY_ANSWERS: Allowance = Allowance {
    per_second: 10,
    burst: 20,
};
/// Answers to one caller: the first may be lost.
pub const DISCOVERY_ANSWERS_EACH: Allowance = Allowance {
    per_second: 1,
    burst: 2,
};
/// Callers with an account of their own.
pub const DISCOVERY_CALLERS_MAX: usize = 256;

// -- reactor

/// Interfaces that discovery messages go out at, of each family: the kernel lets a socket join 20 groups.
pub const LINKS_MAX: usize = 16;
/// From one look at the interfaces to the next, where the kernel does not tell of changes.
pub const LINKS_PERIOD: Duration = Duration::from_secs(30);
/// From the first change that the kernel tells to the look: the others come within milliseconds.
pub const LINKS_DELAY: Duration = Duration::from_millis(200);
/// Link-local addresses whose interface is remembered.
pub const SCOPES_MAX: usize = 1_024;
/// LanDiscovery received in one turn: a flood of them must not starve the streams.
pub const DISCOVERY_PER_TURN: usize = 16;
