//! A network: its name and, if it is closed, its key.
//!
//! The name keeps honest networks apart: it is the seed of every CRC. The key keeps strangers out:
//! every datagram and discovery message ends with a *tag* made with it, and a stream opens with a
//! [`handshake`](super::native::handshake). A tag is the 128-bit SipHash-2-4 of the message, which
//! cannot be computed without the key (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
//! 2012). It proves that a member made the message, but neither which member nor when: cookies,
//! write tokens, echoed ids and nonces tell new messages from recorded ones.
//!
//! ```text
//!  0                                        n          n + 16
//! +-----------------------------------------+----------+
//! | datagram or discovery message, n bytes  | tag      |    the tag only in a network with a key
//! +-----------------------------------------+----------+
//! ```
//!
//! Not here: secrecy. Packets are readable on their way.
//!
//! Invariant: two networks with different names or keys have different seeds (with one chance in
//! 2^32 of a collision) and, if both have keys, different tag keys.

use super::reader::Writer;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::fmt;
use std::hash::Hasher as _;

/// Bytes of a network's key.
pub const KEY_SIZE: usize = 16;
/// Bytes of the tag of a message.
pub const TAG_SIZE: usize = 16;

// First bytes of hashed texts that are no messages; messages begin with a byte ≥ 0x80.
const OF_NAME: u8 = 0;
const OF_CRCS: u8 = 1;

/// The secret that the members of a network share.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; KEY_SIZE]);

/// Proof that a member made a message.
pub type Tag = [u8; TAG_SIZE];

/// A network's secrets for checksums and tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The prefix of everything that a CRC covers.
    seed: u32,
    key: Option<Key>,
}

impl Key {
    /// Makes a key of random bytes.
    pub fn new(bytes: [u8; KEY_SIZE]) -> Key {
        Key(bytes)
    }

    /// Computes the tag of the concatenated parts.
    pub fn tag(self, parts: &[&[u8]]) -> Tag {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish128().as_bytes()
    }

    /// Whether `tag` is the tag of the concatenated parts.
    pub fn made(self, tag: &[u8], parts: &[&[u8]]) -> bool {
        // Compares them as one number, so that the time does not depend on where they differ.
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
    /// The network that nodes join by default.
    pub const DEFAULT_NAME: &str = "sprat";

    /// The open network called `name`, which may be any text. Networks of different names drop each
    /// other's packets (except with one chance in 2^32: a name is no secret).
    pub fn named(name: &str) -> Network {
        Network {
            seed: crc32fast::hash(name.as_bytes()),
            key: None,
        }
    }

    /// The closed network called `name` whose members have `key`. The key of its tags is derived
    /// from both, so that the tags of another network with the same key are invalid in it. Its seed
    /// is derived from that key, so that the CRC rejects nearly all strangers before a tag is
    /// computed.
    pub fn with_key(name: &str, key: Key) -> Network {
        let key = Key(key.tag(&[&[OF_NAME], name.as_bytes()]));
        let [a, b, c, d, ..] = key.tag(&[&[OF_CRCS]]);
        Network {
            seed: u32::from_be_bytes([a, b, c, d]),
            key: Some(key),
        }
    }

    /// The key of its tags, if it has one.
    pub fn key(self) -> Option<Key> {
        self.key
    }

    /// Bytes that [`Network::seal`] appends: 0 or [`TAG_SIZE`].
    pub fn tag_size(self) -> usize {
        self.key.map_or(0, |_| TAG_SIZE)
    }

    /// Computes the CRC-32 of the concatenated parts in this network.
    pub fn crc(self, parts: &[&[u8]]) -> u32 {
        // The seed is hashed as data: with `Hasher::new_with_initial(seed)`, an empty message would
        // have CRC 0 in a network whose name hashes to 0.
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.seed.to_be_bytes());
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize()
    }

    /// Appends the tag of a message, in a network with a key.
    pub fn seal(self, message: &mut Writer<'_>) {
        if let Some(key) = self.key {
            let tag = key.tag(&[message.written()]);
            message.put(&tag);
        }
    }

    /// Splits received bytes into the message and its tag, which is empty in a network without a
    /// key; `None` when they are too short for a tag.
    pub fn split(self, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        bytes.split_at_checked(bytes.len().checked_sub(self.tag_size())?)
    }

    /// Whether a member made this message: always true in a network without a key.
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
    fn only_the_key_makes_valid_tags() {
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
