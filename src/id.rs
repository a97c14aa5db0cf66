//! 160-bit identifiers and the XOR metric (Kademlia paper, section 2.1).
//!
//! Node ids, file ids and lookup targets are 160-bit unsigned numbers of one space, so one type,
//! [`Id`], has the arithmetic. [`NodeId`] and [`FileId`] keep the two uses apart. The choice of ids
//! is not made here.
//!
//! Invariant: the order of [`Id`] and [`Distance`] is that of the big-endian numbers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Bytes of an id: those of a SHA-1.
pub const ID_SIZE: usize = 20;
/// Bits of an id, and depth of the tree of ids.
pub const ID_BITS: usize = ID_SIZE * 8;

/// A point of the id space: 160 bits, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Id(pub [u8; ID_SIZE]);

/// The XOR of two ids as an unsigned number: smaller is closer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Distance([u8; ID_SIZE]);

/// The id of a node: random, and kept across restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub Id);

/// The id of a file: the SHA-1 of its manifest, equal to the BitTorrent v1 infohash (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub Id);

impl Id {
    /// The distance between two ids (paper, section 2.1).
    pub fn distance(&self, other: &Id) -> Distance {
        let mut xor = self.0;
        for (byte, other) in xor.iter_mut().zip(other.0) {
            *byte ^= other;
        }
        Distance(xor)
    }

    /// The bit at `index`, counted from the most significant one (0 – 159).
    pub fn bit(&self, index: usize) -> bool {
        self.0[index / 8] & (0x80 >> (index % 8)) != 0
    }

    /// The same id with the bit at `index` (0 – 159, most significant first) set to `value`.
    pub fn with_bit(mut self, index: usize, value: bool) -> Id {
        let mask = 0x80 >> (index % 8);
        if value {
            self.0[index / 8] |= mask;
        } else {
            self.0[index / 8] &= !mask;
        }
        self
    }
}

impl Distance {
    /// The number of leading bits that the two ids share: 0 – 160, 160 for equal ids.
    pub fn shared_prefix(&self) -> usize {
        let mut bits = 0;
        for byte in self.0 {
            bits += byte.leading_zeros() as usize;
            if byte != 0 {
                break;
            }
        }
        bits
    }
}

/// The order of two big-endian numbers. It compares the first eight bytes as one number, because
/// they nearly always decide, and tables compare ids all the time.
fn order(one: &[u8; ID_SIZE], other: &[u8; ID_SIZE]) -> Ordering {
    let first = |bytes: &[u8; ID_SIZE]| bytes.first_chunk().map(|first| u64::from_be_bytes(*first));
    first(one).cmp(&first(other)).then_with(|| one.cmp(other))
}

impl Ord for Id {
    fn cmp(&self, other: &Id) -> Ordering {
        order(&self.0, &other.0)
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Id) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Distance {
    fn cmp(&self, other: &Distance) -> Ordering {
        order(&self.0, &other.0)
    }
}

impl PartialOrd for Distance {
    fn partial_cmp(&self, other: &Distance) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The error of a text that is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id: an id is 40 hexadecimal digits")
    }
}

impl FromStr for Id {
    type Err = NotAnId;

    /// Parses exactly 40 hexadecimal digits, of either case.
    fn from_str(text: &str) -> Result<Id, NotAnId> {
        let digits = text.as_bytes();
        if digits.len() != ID_SIZE * 2 {
            return Err(NotAnId);
        }
        let mut id = [0; ID_SIZE];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let high = (pair[0] as char).to_digit(16).ok_or(NotAnId)?;
            let low = (pair[1] as char).to_digit(16).ok_or(NotAnId)?;
            *byte = (high << 4 | low) as u8;
        }
        Ok(Id(id))
    }
}

impl FromStr for FileId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<FileId, NotAnId> {
        text.parse().map(FileId)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Id(self.0), f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: u8) -> Id {
        let mut bytes = [0; ID_SIZE];
        bytes[ID_SIZE - 1] = last;
        Id(bytes)
    }

    #[test]
    fn distance_is_xor_as_a_number_and_the_bucket_is_the_shared_prefix() {
        assert_eq!(id(5).distance(&id(5)).shared_prefix(), 160);
        assert_eq!(id(0b100).distance(&id(0b101)).shared_prefix(), 159);
        assert!(id(1).distance(&id(2)) > id(1).distance(&id(3)));
        assert_eq!(Id([0; 20]).distance(&Id([0xff; 20])).shared_prefix(), 0);
    }

    #[test]
    fn the_order_is_that_of_the_bytes() {
        let mut ids = vec![Id::default(), Id([0xff; ID_SIZE])];
        for bit in 0..ID_BITS {
            ids.push(Id::default().with_bit(bit, true));
            ids.push(Id([0xff; ID_SIZE]).with_bit(bit, false));
        }
        for one in &ids {
            for other in &ids {
                assert_eq!(one.cmp(other), one.0.cmp(&other.0));
                assert_eq!(Distance(one.0).cmp(&Distance(other.0)), one.cmp(other));
            }
        }
    }

    #[test]
    fn bits_are_counted_from_the_most_significant() {
        let top = Id::default().with_bit(0, true);
        assert_eq!(top.0[0], 0x80);
        assert!(top.bit(0) && !top.bit(1));
        assert_eq!(top.with_bit(0, false), Id::default());
    }

    #[test]
    fn text_form_is_forty_hexadecimal_digits() {
        let text = "00112233445566778899aabbccddeeff01020304";
        let parsed: Id = text.parse().unwrap();
        assert_eq!(parsed.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(parsed));
        assert_eq!("0011".parse::<Id>(), Err(NotAnId));
        assert_eq!(
            "g0112233445566778899aabbccddeeff01020304".parse::<Id>(),
            Err(NotAnId)
        );
        assert_eq!(
            "+0112233445566778899aabbccddeeff01020304".parse::<Id>(),
            Err(NotAnId)
        );
    }
}
