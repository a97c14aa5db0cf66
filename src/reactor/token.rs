//! mio's token: which source an event is about.
//!
//! ```text
//!  usize::BITS                10       2    0
//! +--------------------------+--------+----+
//! | generation (streams)     | index  |kind|
//! +--------------------------+--------+----+
//! ```
//!
//! The generation is cut to 22 bits on a 32-bit host. Invariant: a token made for one use of a slot
//! does not match the slot's next 4 million uses, so a late event never reaches another stream.

use crate::limits::OWNER_SOURCES_MAX;
use crate::node::StreamKey;
use mio::Token;

/// What a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A UDP socket, by its index.
    Udp(usize),
    /// A TCP listener, by its index.
    Listener(usize),
    /// The pipe of a signal, by its index.
    Signal(usize),
    /// The syncer, which has a result.
    SyncThread,
    /// A source of the owner's, by its index.
    Owner(usize),
    /// A source of the local network, by its index.
    Discovery(usize),
    /// A stream's slot, and the generation as far as the token keeps it.
    Stream {
        /// The slot.
        slot: usize,
        /// The generation's low bits.
        generation: usize,
    },
}

const KIND_BITS: u32 = 2;
const INDEX_BITS: u32 = 8;
/// Among the signals, which are few.
const SYNCER_INDEX: usize = (1 << INDEX_BITS) - 1;
/// The owner's sources begin here, behind the signals.
const OWNER_INDEX: usize = 128;
const _: () = assert!(OWNER_INDEX + OWNER_SOURCES_MAX <= DISCOVERY_INDEX);
/// The first of the local network's, which are three.
const DISCOVERY_INDEX: usize = SYNCER_INDEX - 3;

impl Source {
    /// The source of a stream.
    pub fn stream(key: StreamKey) -> Source {
        Source::Stream {
            slot: key.slot as usize,
            generation: generation(key),
        }
    }

    /// Whether this is the source of `key`.
    pub fn is(self, key: StreamKey) -> bool {
        self == Source::stream(key)
    }

    /// The source as mio's token. Indices are below 256 (`limits`).
    pub fn token(self) -> Token {
        let (kind, index, generation) = match self {
            Source::Udp(index) => (0, index, 0),
            Source::Listener(index) => (1, index, 0),
            Source::Signal(index) => (2, index, 0),
            Source::SyncThread => (2, SYNCER_INDEX, 0),
            Source::Owner(index) => (2, OWNER_INDEX + index, 0),
            Source::Discovery(index) => (2, DISCOVERY_INDEX + index, 0),
            Source::Stream { slot, generation } => (3, slot, generation),
        };
        assert!(index < 1 << INDEX_BITS, "a token's index fits its bits");
        Token((generation << INDEX_BITS | index) << KIND_BITS | kind)
    }

    /// The source that a token was made of.
    pub fn of(token: Token) -> Source {
        let index = token.0 >> KIND_BITS & ((1 << INDEX_BITS) - 1);
        match token.0 & ((1 << KIND_BITS) - 1) {
            0 => Source::Udp(index),
            1 => Source::Listener(index),
            2 if index == SYNCER_INDEX => Source::SyncThread,
            2 if index >= DISCOVERY_INDEX => Source::Discovery(index - DISCOVERY_INDEX),
            2 if index >= OWNER_INDEX => Source::Owner(index - OWNER_INDEX),
            2 => Source::Signal(index),
            _ => Source::Stream {
                slot: index,
                generation: token.0 >> (KIND_BITS + INDEX_BITS),
            },
        }
    }
}

/// As much of a generation as a token keeps.
fn generation(key: StreamKey) -> usize {
    key.generation as usize & (usize::MAX >> (KIND_BITS + INDEX_BITS))
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
            Source::Signal(1),
            Source::SyncThread,
            Source::Owner(0),
            Source::Owner(OWNER_SOURCES_MAX - 1),
            Source::Discovery(2),
            Source::stream(key),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
        assert!(Source::stream(key).is(key));
        assert!(!Source::stream(key).is(StreamKey {
            generation: 8,
            ..key
        }));
        assert!(!Source::stream(key).is(StreamKey { slot: 62, ..key }));
        assert!(!Source::Udp(63).is(StreamKey {
            slot: 63,
            generation: 0
        }));
    }
}
