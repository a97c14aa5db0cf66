//! mio's token: which source an event is about.
//!
//! ```text
//!  usize::BITS                      9       1           0
//! +--------------------------------+-------+-----------+
//! | stream: generation; else: kind | index | is stream |
//! +--------------------------------+-------+-----------+
//! ```
//!
//! The generation is cut to 23 bits on a 32-bit host. Invariant: a token made for one use of a slot
//! does not match the slot's next 8 million uses, so a late event never reaches another stream.

use crate::node::StreamKey;
use mio::Token;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A UDP socket, by its index.
    Udp(usize),
    /// A TCP listener, by its index.
    Listener(usize),
    /// The pipe that the handlers of signals write to.
    Signals,
    /// The sync thread has a result.
    SyncThread,
    /// A source of the owner's, by its index.
    Owner(usize),
    /// A source of the local network, by its index.
    Discovery(usize),
    /// A stream's slot, and the generation as far as the token keeps it.
    Stream { slot: usize, generation: usize },
}

const FLAG_BITS: u32 = 1;
const INDEX_BITS: u32 = 8;

impl Source {
    /// The source of a stream.
    pub fn stream(key: StreamKey) -> Source {
        Source::Stream {
            slot: key.slot as usize,
            generation: key.generation as usize & (usize::MAX >> (FLAG_BITS + INDEX_BITS)),
        }
    }

    /// The source as mio's token. Indices are below 256 (`limits`).
    pub fn token(self) -> Token {
        let (is_stream, index, high) = match self {
            Source::Udp(index) => (0, index, 0),
            Source::Listener(index) => (0, index, 1),
            Source::Signals => (0, 0, 2),
            Source::SyncThread => (0, 0, 3),
            Source::Owner(index) => (0, index, 4),
            Source::Discovery(index) => (0, index, 5),
            Source::Stream { slot, generation } => (1, slot, generation),
        };
        assert!(index < 1 << INDEX_BITS, "a token's index fits its bits");
        Token((high << INDEX_BITS | index) << FLAG_BITS | is_stream)
    }

    /// The source that a token was made of.
    pub fn of(token: Token) -> Source {
        let index = token.0 >> FLAG_BITS & ((1 << INDEX_BITS) - 1);
        let high = token.0 >> (FLAG_BITS + INDEX_BITS);
        match (token.0 & 1, high) {
            (1, generation) => Source::Stream {
                slot: index,
                generation,
            },
            (_, 0) => Source::Udp(index),
            (_, 1) => Source::Listener(index),
            (_, 2) => Source::Signals,
            (_, 3) => Source::SyncThread,
            (_, 4) => Source::Owner(index),
            _ => Source::Discovery(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_source_and_no_other_use_of_the_slot() {
        let key = StreamKey {
            slot: 63,
            generation: 7,
        };
        for source in [
            Source::Udp(3),
            Source::Listener(255),
            Source::Signals,
            Source::SyncThread,
            Source::Owner(0),
            Source::Owner(255),
            Source::Discovery(2),
            Source::stream(key),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
        let other = |slot, generation| Source::stream(StreamKey { slot, generation });
        assert_eq!(Source::stream(key), other(63, 7));
        for different in [other(63, 8), other(62, 7), Source::Udp(63)] {
            assert_ne!(Source::stream(key), different);
            assert_ne!(Source::stream(key).token(), different.token());
        }
    }
}
