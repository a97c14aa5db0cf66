//! The envelope of small state files: magic, version, body, CRC-32 of all before.
//!
//! ```text
//!  0       8         9                     end - 4
//! +-------+---------+---------------------+--------+
//! | magic | version | body                | CRC-32 |
//! +-------+---------+---------------------+--------+
//! ```
//!
//! Every version of every format keeps this frame, so a file of a newer version is told apart from
//! a damaged one and is left alone. Not here: files; the drivers read and write them. Invariant: a
//! body that [`Envelope::open`] returns is the one that was sealed, bit for bit.

/// Bytes that an envelope adds to its body.
pub const OVERHEAD: usize = 8 + 1 + CRC_SIZE;
const CRC_SIZE: usize = 4;

/// The magic and the current version of one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The first eight bytes, which name the format.
    pub magic: &'static [u8; 8],
    /// The version that is written; the first one is 1.
    pub version: u8,
}

/// Why bytes are not a sealed body of the current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Shorter than an envelope without a body.
    TooShort,
    /// The CRC does not match: the bytes are damaged.
    Crc,
    /// The bytes are of another format.
    Magic,
    /// A newer version wrote them: they must be left alone.
    Newer,
    /// An earlier version wrote them. Version 1 of a format has none.
    Older,
    /// Version 0, which no format has.
    Version,
}

impl Envelope {
    /// A sealed body of `size` bytes, which `write` fills in.
    pub fn seal(&self, size: usize, write: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + OVERHEAD);
        bytes.extend_from_slice(self.magic);
        bytes.push(self.version);
        let start = bytes.len();
        bytes.resize(start + size, 0);
        write(&mut bytes[start..]);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// The body of `bytes`.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn open<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], EnvelopeError> {
        use EnvelopeError as Wrong;
        let (sealed, crc) = bytes.split_last_chunk().ok_or(Wrong::TooShort)?;
        let (magic, rest) = sealed.split_first_chunk().ok_or(Wrong::TooShort)?;
        let (&version, body) = rest.split_first().ok_or(Wrong::TooShort)?;
        if crc32fast::hash(sealed) != u32::from_be_bytes(*crc) {
            return Err(Wrong::Crc);
        }
        match version {
            _ if magic != self.magic => Err(Wrong::Magic),
            0 => Err(Wrong::Version),
            version if version > self.version => Err(Wrong::Newer),
            version if version < self.version => Err(Wrong::Older),
            _ => Ok(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Envelope = Envelope {
        magic: b"sprat-xx",
        version: 2,
    };

    #[test]
    fn damage_anywhere_is_found() {
        let good = FORMAT.seal(4, |body| body.copy_from_slice(b"body"));
        assert_eq!(good.len(), 4 + OVERHEAD);
        assert_eq!(FORMAT.open(&good), Ok(&b"body"[..]));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(FORMAT.open(&bad), Err(EnvelopeError::Crc), "byte {at}");
            }
            let short = FORMAT.open(&good[..at]).unwrap_err();
            assert_eq!(
                short == EnvelopeError::TooShort,
                at < OVERHEAD,
                "cut at {at}"
            );
        }
    }

    #[test]
    fn other_formats_and_versions_are_told_from_damage() {
        let sealed = |magic, version| Envelope { magic, version }.seal(0, |_| ());
        let open = |magic, version| FORMAT.open(&sealed(magic, version)).map(<[u8]>::len);
        assert_eq!(open(b"sprat-xx", 2), Ok(0));
        assert_eq!(open(b"sprat-xy", 3), Err(EnvelopeError::Magic));
        assert_eq!(open(b"sprat-xx", 3), Err(EnvelopeError::Newer));
        assert_eq!(open(b"sprat-xx", 1), Err(EnvelopeError::Older));
        assert_eq!(open(b"sprat-xx", 0), Err(EnvelopeError::Version));
    }
}
