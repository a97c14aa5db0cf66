//! Our own address, as others see it: every reply tells, and the majority of distinct repliers
//! counts.
//!
//! One liar must not make us believe anything, so each source has one vote, its last, and only the
//! last [`VOTES_MAX`] sources have one. Nothing is decided here: it is a figure for the owner, and
//! lets us know our own location among those of other providers.

use super::subnet::{self, Source};
use crate::limits::VOTES_MAX;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// The last votes, oldest first.
#[derive(Default)]
pub struct Votes(VecDeque<(Source, SocketAddr)>);

impl Votes {
    /// `voter` says that it sees us at `address`.
    pub fn count(&mut self, voter: SocketAddr, address: SocketAddr) {
        let voter = subnet::source(voter);
        self.0.retain(|(other, _)| *other != voter);
        if self.0.len() == VOTES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((voter, address));
    }

    /// The address with the most votes, of several the one that was named last.
    pub fn winner(&self) -> Option<SocketAddr> {
        let votes = |address| self.0.iter().filter(|(_, other)| *other == address).count();
        self.0
            .iter()
            .map(|&(_, address)| address)
            .max_by_key(|&address| votes(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(a: u8, last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, a, last], 4160))
    }

    #[test]
    fn a_source_has_one_vote_however_often_it_votes() {
        let mut votes = Votes::default();
        assert_eq!(votes.winner(), None);
        (0..9).for_each(|_| votes.count(address(1, 1), address(9, 9)));
        votes.count(address(1, 2), address(2, 2));
        votes.count(address(1, 3), address(2, 2));
        assert_eq!(votes.winner(), Some(address(2, 2)));
    }

    #[test]
    fn an_address_that_has_changed_wins_when_the_votes_have() {
        let mut votes = Votes::default();
        (0..VOTES_MAX as u8).for_each(|n| votes.count(address(1, n), address(2, 2)));
        (0..VOTES_MAX as u8).for_each(|n| votes.count(address(3, n), address(4, 4)));
        assert_eq!(votes.winner(), Some(address(4, 4)));
    }
}
