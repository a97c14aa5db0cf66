//! How much may wait in the kernel for the uplink.
//!
//! Bytes that a stream has given to its socket cannot be taken back, and what it says next comes
//! after it. A kernel takes a hundred kilobytes and more from each stream. On a thin uplink that is
//! seconds, in which requests wait behind payload, so that a slow node was slow to fetch, too; and
//! what it had promised to send late could be had from nobody else. So little is given to a socket
//! in advance: what the uplink carries in a moment, as far as its rate is known. The driver sees to
//! it (`TCP_NOTSENT_LOWAT` in tcp(7)).
//!
//! Time divided by the bound, in the simulator (16 MiB, uplinks of 20 Mbit/s, or every second
//! host's 5 Mbit/s, means of three fleets each); unsent is what of a second may wait on each
//! stream:
//!
//! | unsent | 8 equal | 16 equal | 32 equal | 8 mixed | 16 mixed | 32 mixed |
//! |---|---|---|---|---|---|---|
//! | as the kernel likes | 1.08 | 1.11 | 1.18 | 1.34 | 1.35 | 1.46 |
//! | a 32nd | 1.08 | 1.11 | 1.18 | 1.18 | 1.16 | 1.16 |
//! | a 64th, as it is now | 1.08 | 1.11 | 1.18 | 1.14 | 1.14 | 1.16 |
//! | a 128th | 1.08 | 1.11 | 1.22 | 1.14 | 1.15 | 1.17 |
//! | a 64th of what the stream itself sends | 1.08 | 1.11 | 1.21 | 1.23 | 1.16 | 1.20 |

use crate::limits::{NOTSENT_FIRST, NOTSENT_MAX, NOTSENT_MIN, NOTSENT_PER_SECOND};
use crate::rate::Rate;

/// Bytes of each stream that may wait in its socket before they leave: a power of two, so that it
/// changes seldom.
pub fn notsent_max(sending: &Rate) -> u32 {
    let bytes = match sending.per_second() {
        0 => NOTSENT_FIRST.into(),
        rate => (rate / NOTSENT_PER_SECOND).max(NOTSENT_MIN.into()),
    };
    1 << bytes.min(NOTSENT_MAX.into()).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;
    use std::time::Duration;

    #[test]
    fn the_bound_follows_the_rate_in_powers_of_two() {
        let after = |bytes| {
            let mut sending = Rate::new(Instant::ZERO);
            sending.count(Instant::ZERO + Duration::from_secs(1), bytes);
            notsent_max(&sending)
        };
        assert_eq!(notsent_max(&Rate::new(Instant::ZERO)), NOTSENT_FIRST);
        assert_eq!((after(1), after(600_000)), (NOTSENT_MIN, NOTSENT_MIN));
        assert_eq!((after(2_500_000), after(12_500_000)), (32 << 10, 128 << 10));
        assert_eq!(after(u64::MAX / 1_000_000), NOTSENT_MAX);
    }
}
