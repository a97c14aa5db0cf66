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

/// The last votes.
#[derive(Default)]
pub struct Votes {
    /// Oldest first.
    votes: VecDeque<(Source, SocketAddr)>,
    /// Whom they elect: asked for with every provider that is heard of, and rarely another.
    winner: Option<SocketAddr>,
}

impl Votes {
    /// `voter` says that it sees us at `address`.
    pub fn count(&mut self, voter: SocketAddr, address: SocketAddr) {
        let voter = subnet::source(voter);
        self.votes.retain(|(other, _)| *other != voter);
        if self.votes.len() == VOTES_MAX {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, address));
        // One vote more for the winner, named last, changes nothing.
        if self.winner != Some(address) {
            self.winner = self.elect();
        }
    }

    /// The address with the most votes, of several the one that was named last.
    pub fn winner(&self) -> Option<SocketAddr> {
        self.winner
    }

    fn elect(&self) -> Option<SocketAddr> {
        let named = || self.votes.iter().map(|&(_, address)| address);
        let votes = |address| named().filter(|&other| other == address).count();
        named().max_by_key(|&address| votes(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

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
    fn the_winner_is_at_any_time_whom_the_votes_elect() {
        let mut votes = Votes::default();
        let mut rng = Rng::from_number(1);
        for _ in 0..10_000 {
            let voter = address(1, rng.below(VOTES_MAX as u64 + 8) as u8);
            votes.count(voter, address(2, rng.below(4) as u8));
            assert_eq!(votes.winner(), votes.elect());
        }
    }

    #[test]
    fn an_address_that_has_changed_wins_when_the_votes_have() {
        let mut votes = Votes::default();
        (0..VOTES_MAX as u8).for_each(|n| votes.count(address(1, n), address(2, 2)));
        (0..VOTES_MAX as u8).for_each(|n| votes.count(address(3, n), address(4, 4)));
        assert_eq!(votes.winner(), Some(address(4, 4)));
    }
}
