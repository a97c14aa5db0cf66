//! Our own address, by the majority of the nodes that replied to us.
//!
//! Every reply says at which address its sender sees us. One liar must not convince us, so each
//! source has one vote, its last, and only the last [`VOTES_MAX`] sources have one. The winner is
//! information for the owner, and tells our own location from those of other providers; nothing
//! else depends on it.

use super::subnet::{self, Source};
use crate::limits::VOTES_MAX;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// The last votes, one of each source.
#[derive(Default)]
pub struct AddressVote {
    /// At most [`VOTES_MAX`], oldest first.
    votes: VecDeque<(Source, SocketAddr)>,
    /// Kept, because it is read for every provider that a lookup hears of and rarely changes.
    winner: Option<SocketAddr>,
}

impl AddressVote {
    /// `voter` says that it sees us at `address`.
    pub fn count(&mut self, voter: SocketAddr, address: SocketAddr) {
        let voter = subnet::source(voter);
        self.votes.retain(|(other, _)| *other != voter);
        if self.votes.len() == VOTES_MAX {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, address));
        // One vote more for the winner, the last that was given, changes nothing.
        if self.winner != Some(address) {
            self.winner = self.elect();
        }
    }

    /// The address with the most votes; of several, the one whose last vote is the most recent.
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
        let mut votes = AddressVote::default();
        assert_eq!(votes.winner(), None);
        (0..9).for_each(|_| votes.count(address(1, 1), address(9, 9)));
        votes.count(address(1, 2), address(2, 2));
        votes.count(address(1, 3), address(2, 2));
        assert_eq!(votes.winner(), Some(address(2, 2)));
    }

    #[test]
    fn the_winner_is_the_one_that_a_new_election_names() {
        let mut votes = AddressVote::default();
        let mut rng = Rng::from_number(1);
        for _ in 0..10_000 {
            let voter = address(1, rng.below(VOTES_MAX as u64 + 8) as u8);
            votes.count(voter, address(2, rng.below(4) as u8));
            assert_eq!(votes.winner(), votes.elect());
        }
    }

    #[test]
    fn an_address_that_has_changed_wins_when_the_votes_have() {
        let mut votes = AddressVote::default();
        (0..VOTES_MAX as u8).for_each(|n| votes.count(address(1, n), address(2, 2)));
        (0..VOTES_MAX as u8).for_each(|n| votes.count(address(3, n), address(4, 4)));
        assert_eq!(votes.winner(), Some(address(4, 4)));
    }
}
