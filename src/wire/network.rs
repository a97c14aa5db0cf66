//! One network: its name, and the key that it may have.
//!
//! The name keeps networks apart that mean well: it is the seed of every CRC. A key keeps strangers
//! out: every datagram and discovery message ends with a *tag* made with it, and a stream opens with a
//! [`handshake`](super::handshake). A tag is the 128-bit SipHash-2-4 of the message, which nobody can
//! make without the key (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012). It says
//! that a member made the message, not which one and not when: what was recorded is told from what is
//! new by cookies, write tokens, echoed ids and nonces.
//!
//! ```text
//!  0                                         n        n + 16
//! +---------------------------------------- -+-------- -+
//! | datagram or discovery message, n bytes                | tag      |    the tag only in a network with a key
//! +---------------------------------------- -+-------- -+
//! ```
//!
//! Not here: secrecy. Whoever can read the network's packets can read what is in them.

use super::reader::Writer;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::fmt;
use std::hash::Hasher as _;

/// Bytes of a key.
pub const KEY_SIZE: usize = 16;
/// Bytes of a tag.
pub const TAG_SIZE: usize = 16;

// The first bytes of what is hashed that is no message; those begin with one ≥ 0x80.
const OF_NAME: u8 = 0;
const OF_CRCS: u8 = 1;

/// What only the members of a network know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; KEY_SIZE]);

/// What its members, and nobody else, can make of a message.
pub type Tag = [u8; TAG_SIZE];

/// A network, as everything that is sent and heard there needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Goes into every CRC.
    seed: u32,
    key: Option<Key>,
}

impl Key {
    /// The key of these bytes, which are random.
    pub fn new(bytes: [u8; KEY_SIZE]) -> Key {
        Key(bytes)
    }

    /// The tag of the parts, one after the other.
    pub fn tag(self, parts: &[&[u8]]) -> Tag {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish128().as_bytes()
    }

    /// Whether `tag` is that of the parts.
    pub fn made(self, tag: &[u8], parts: &[&[u8]]) -> bool {
        // As one number, so that how long it takes does not tell where the two differ.
        let of = |tag: Tag| u128::from_be_bytes(tag);
        Tag::try_from(tag).is_ok_and(|tag| of(tag) == of(self.tag(parts)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

impl Network {
    /// The name of the network that nodes join unless told otherwise.
    pub const DEFAULT_NAME: &str = "sprat";

    /// The open network called `name`. Any text is a name, and names that differ make networks that
    /// do not talk (but for one chance in 2^32: a name is no secret).
    pub fn named(name: &str) -> Network {
        Network {
            seed: crc32fast::hash(name.as_bytes()),
            key: None,
        }
    }

    /// The network called `name` of those who have `key`. Its tags are made with a key that follows
    /// from both, so that those of another network with the same key are worth nothing in it. Its CRCs
    /// differ from those of any other, so that nearly all strangers are dropped before a tag is made.
    pub fn with_key(name: &str, key: Key) -> Network {
        let key = Key(key.tag(&[&[OF_NAME], name.as_bytes()]));
        let [a, b, c, d, ..] = key.tag(&[&[OF_CRCS]]);
        Network {
            seed: u32::from_be_bytes([a, b, c, d]),
            key: Some(key),
        }
    }

    /// The key that its tags are made with, if it has one.
    pub fn key(self) -> Option<Key> {
        self.key
    }

    /// Bytes that [`Network::seal`] adds.
    pub fn tag_size(self) -> usize {
        self.key.map_or(0, |_| TAG_SIZE)
    }

    /// The CRC-32 of the parts, one after the other, in this network.
    pub fn crc(self, parts: &[&[u8]]) -> u32 {
        // The seed goes in as data: `Hasher::new_with_initial(seed)` would give CRC 0 to an empty
        // message in a network whose name hashes to 0.
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.seed.to_be_bytes());
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize()
    }

    /// Puts its tag behind a message, where the network has a key.
    pub fn seal(self, message: &mut Writer<'_>) {
        if let Some(key) = self.key {
            let tag = key.tag(&[message.written()]);
            message.put(&tag);
        }
    }

    /// What came, as a message and its tag, which is empty where the network has no key; `None` when it
    /// is too short for a tag.
    pub fn split(self, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        bytes.split_at_checked(bytes.len().checked_sub(self.tag_size())?)
    }

    /// Whether a member has made this message.
    pub fn has_made(self, message: &[u8], tag: &[u8]) -> bool {
        self.key.is_none_or(|key| key.made(tag, &[message]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    const ONE: Key = Key([1; KEY_SIZE]);
    const OTHER: Key = Key([2; KEY_SIZE]);

    #[test]
    fn only_who_has_the_key_can_seal() {
        let network = Network::with_key("test", ONE);
        let mut buffer = [7; 40];
        let mut writer = Writer::new(&mut buffer);
        writer.put(&[7; 10]);
        network.seal(&mut writer);
        assert_eq!(writer.written().len(), 10 + TAG_SIZE);
        let (message, tag) = network.split(&buffer[..10 + TAG_SIZE]).unwrap();
        assert_eq!((message, tag.len()), (&[7; 10][..], TAG_SIZE));
        assert!(network.has_made(message, tag));
        assert!(!Network::with_key("test", OTHER).has_made(message, tag));
        for bit in 0..8 * buffer.len() {
            let mut bytes = buffer;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (message, tag) = network.split(&bytes[..10 + TAG_SIZE]).unwrap();
            assert_eq!(network.has_made(message, tag), bit >= 8 * (10 + TAG_SIZE));
        }
        assert!(!network.has_made(message, &tag[1..]) && !network.has_made(message, &[]));
        assert_eq!(network.split(&[7; TAG_SIZE - 1]), None);
    }

    #[test]
    fn an_open_network_adds_nothing() {
        let network = Network::named("test");
        let mut buffer = [7; 10];
        let mut writer = Writer::new(&mut buffer);
        writer.put(&[7; 10]);
        network.seal(&mut writer);
        assert_eq!(writer.written().len(), 10);
        assert_eq!(network.split(&buffer), Some((&[7; 10][..], &[][..])));
        assert!(network.has_made(&buffer, &[]));
    }

    #[test]
    fn names_and_keys_make_networks_of_their_own() {
        let networks = [
            Network::named("test"),
            Network::named("tesu"),
            Network::with_key("test", ONE),
            Network::with_key("tesu", ONE),
            Network::with_key("test", OTHER),
        ];
        let mut crcs = networks.map(|network| network.crc(&[b"message"])).to_vec();
        crcs.sort_unstable();
        crcs.dedup();
        assert_eq!(crcs.len(), networks.len());
        for one in networks {
            let Some(key) = one.key() else { continue };
            let tag = key.tag(&[b"message"]);
            let knows = |other: &Network| other.key().is_some() && other.has_made(b"message", &tag);
            assert!(networks.iter().filter(|other| knows(other)).eq([&one]));
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let text = format!("{:?}", Network::with_key("test", Key([0xab; KEY_SIZE])));
        assert!(
            text.ends_with("key: Some(Key(secret)) }") && !text.contains("171"),
            "{text}"
        );
    }
}
