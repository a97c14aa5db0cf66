//! The list of fetched files, their last verifications, and their digests at that time: the bytes
//! of a file in the state folder.
//!
//! ```text
//!  0          8   9       12      16                16 + 69 n    20 + 69 n
//!  | sprat-vf | 1 | 0 0 0 | n     | n entries       | CRC-32     |
//!   magic      version             file ids ascending  of all before
//!
//!  entry  0         20       28      48      68       69
//!         | file id | time   | files | times | state  |
//!                    seconds since 1970        0 part, 1 whole, 2 being repaired
//! ```
//!
//! *Files* and *times* are the digests of a journal ([`super::record`]); the second one is zero
//! while the times still change (of a part, and during a repair). A start learns two facts here:
//! when the shards that a journal proves were last verified, and whether a finished file is the
//! very one that this node has put there, untouched since or under repair. Wrong bytes in such a
//! file have gone bad and may be written again; a file that its user has edited is left alone.
//!
//! No proof of a shard depends on the list: where it is missing or damaged, wrong files are left
//! alone, and parts are read through soon.
//!
//! Invariant: a parsed list emits the bytes that it came from.

use super::record::Digest;
use crate::envelope::{Envelope, EnvelopeError, OVERHEAD};
use crate::id::{FileId, Id};
use crate::limits::VERIFIED_MAX;
use crate::wire::reader::{Reader, Writer};
use byteorder::{BE, ByteOrder as _};

/// The envelope of a list.
pub const FORMAT: Envelope = Envelope {
    magic: b"sprat-vf",
    version: 1,
};
/// Three reserved bytes and the count.
const HEAD_SIZE: usize = 7;
const ENTRY_SIZE: usize = 69;
/// Bytes of the longest list.
pub const VERIFIED_SIZE_MAX: usize = HEAD_SIZE + VERIFIED_MAX * ENTRY_SIZE + OVERHEAD;

/// How far the fetch of a file was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchState {
    /// Some of it is there.
    Part = 0,
    /// All of it stood under its final name.
    Whole = 1,
    /// The same, and shards that had gone bad were being written again.
    Repairing = 2,
}

/// The entry of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The id of the fetched file.
    pub file: FileId,
    /// When what is held of it was verified, at the latest; seconds since 1970, as the clock said.
    pub at: u64,
    /// The digest of its files' identities.
    pub files: Digest,
    /// The digest of the times at which these were last changed.
    pub times: Digest,
    /// How far the fetch of the file was.
    pub state: FetchState,
}

/// Why bytes are no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifiedError {
    /// Cut short, changed, or something else.
    Damaged,
    /// They were written by a newer version: they must be left alone.
    Newer,
}

/// The bytes of a list of at most [`VERIFIED_MAX`] entries, whose ids ascend.
pub fn emit(entries: &[Verified]) -> Vec<u8> {
    FORMAT.seal(HEAD_SIZE + entries.len() * ENTRY_SIZE, |body| {
        let mut writer = Writer::new(body);
        writer.zeros(3);
        writer.u32(u32::try_from(entries.len()).expect("a list is short"));
        for entry in entries {
            writer.put(&entry.file.0.0);
            writer.u64(entry.at);
            writer.put(&entry.files);
            writer.put(&entry.times);
            writer.u8(entry.state as u8);
        }
    })
}

/// The entries of a list.
///
/// # Errors
/// See [`VerifiedError`].
pub fn parse(bytes: &[u8]) -> Result<Vec<Verified>, VerifiedError> {
    use VerifiedError::{Damaged, Newer};
    let body = FORMAT.open(bytes).map_err(|error| match error {
        EnvelopeError::Newer => Newer,
        _ => Damaged,
    })?;
    let (head, rest) = body.split_at_checked(HEAD_SIZE).ok_or(Damaged)?;
    let count = BE::read_u32(&head[3..]) as usize;
    let is_sound = head[..3] == [0; 3] && count <= VERIFIED_MAX;
    if !is_sound || rest.len() != count * ENTRY_SIZE {
        return Err(Damaged);
    }
    let entries: Option<Vec<Verified>> = rest.chunks_exact(ENTRY_SIZE).map(parse_entry).collect();
    let entries = entries.ok_or(Damaged)?;
    match entries.windows(2).all(|two| two[0].file < two[1].file) {
        true => Ok(entries),
        false => Err(Damaged),
    }
}

fn parse_entry(bytes: &[u8]) -> Option<Verified> {
    let mut reader = Reader::new(bytes);
    Some(Verified {
        file: FileId(Id(reader.array(()).ok()?)),
        at: reader.u64(()).ok()?,
        files: reader.array(()).ok()?,
        times: reader.array(()).ok()?,
        state: match reader.u8(()).ok()? {
            0 => FetchState::Part,
            1 => FetchState::Whole,
            2 => FetchState::Repairing,
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list() -> impl Strategy<Value = Vec<Verified>> {
        let digest = any::<[u8; 20]>();
        let state = prop_oneof![
            Just(FetchState::Part),
            Just(FetchState::Whole),
            Just(FetchState::Repairing)
        ];
        let entry = (any::<u64>(), digest, digest, state);
        prop::collection::btree_map(any::<[u8; 20]>(), entry, 0..5).prop_map(|entries| {
            let entry = |(id, (at, files, times, state))| Verified {
                file: FileId(Id(id)),
                at,
                files,
                times,
                state,
            };
            entries.into_iter().map(entry).collect()
        })
    }

    proptest! {
        #[test]
        fn a_list_is_read_as_it_was_written_and_any_damage_is_noticed(list in list()) {
            let good = emit(&list);
            prop_assert_eq!(parse(&good), Ok(list));
            for at in 0..good.len() {
                for bit in 0..8 {
                    let mut bad = good.clone();
                    bad[at] ^= 1 << bit;
                    prop_assert_eq!(parse(&bad), Err(VerifiedError::Damaged));
                }
                prop_assert_eq!(parse(&good[..at]), Err(VerifiedError::Damaged));
            }
            prop_assert_eq!(parse(&[&good[..], &[0]].concat()), Err(VerifiedError::Damaged));
        }
    }

    #[test]
    fn the_longest_list_has_the_size_that_is_read() {
        let entry = |number: usize| Verified {
            file: FileId(Id([number as u8; 20])),
            at: 0,
            files: [0; 20],
            times: [0; 20],
            state: FetchState::Part,
        };
        let list: Vec<_> = (0..VERIFIED_MAX).map(entry).collect();
        assert_eq!(emit(&list).len(), VERIFIED_SIZE_MAX);
    }
}
