//! The journal's bytes: a header, then records, each appended whole.
//!
//! ```text
//!  header   0           8   9       12          32       36           40      60       64
//!           | sprat-jn  | 2 | 0 0 0 | file id   | shards | generation | files | CRC-32 |
//!
//!  record   0    2   3      4       8        12                    12+n     16+n
//!           | SP | 2 | kind | epoch | length | body of n bytes     | CRC-32 |
//!
//!  kind 1 gained:  n/8 times  | first shard 4 | count 4 |
//!  kind 3 closed:  n = 20     | times 20 |
//! ```
//!
//! All numbers are big-endian. *Files* is a digest of the inodes and sizes of the part's files, so
//! that the journal of a part that was replaced proves nothing. *Times* is a digest of the times of
//! their last change; it is written at a clean stop, so that a part that was edited since is
//! verified. A record's CRC is seeded with the header's, and epochs count up from 1: a record of
//! another journal, or one at the wrong position, is not believed.
//!
//! A journal is read up to its last good record. The rest is a torn tail; every start begins a new
//! journal, which does not have it.
//!
//! **Each record only adds proofs**, so damage anywhere removes proofs and never adds one. The loss
//! of a shard is therefore no record: a new journal without it replaces the old one before the
//! shard's bytes are written again (`Plan::Begin`). Version 1 had a record of kind 2 for it, and
//! where that one was damaged the shard counted as held again; a journal of version 1 is not
//! believed. A damaged *closed* is like a crash.

use crate::bitmap::Bitmap;
use crate::envelope::{Envelope, EnvelopeError, OVERHEAD};
use crate::id::{FileId, Id};
use crate::limits::JOURNAL_RUNS_MAX;
use byteorder::{BE, ByteOrder as _};

/// Bytes of a journal's header.
pub const HEADER_SIZE: usize = 64;
/// The envelope of the header.
const FORMAT: Envelope = Envelope {
    magic: b"sprat-jn",
    version: VERSION,
};
const RECORD_MAGIC: [u8; 2] = *b"SP";
const VERSION: u8 = 2;
/// Bytes of a record before its body.
const PREFIX_SIZE: usize = 12;
const CRC_SIZE: usize = 4;
const RUN_SIZE: usize = 8;

/// A digest of facts about files: any difference counts.
pub type Digest = [u8; 20];

/// The subject of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The id of the file that is being fetched.
    pub file: FileId,
    /// The number of the file's shards.
    pub shards: u32,
    /// One more than the journal's before it; the first is 1.
    pub generation: u32,
    /// The digest of the inodes and sizes of the part's files.
    pub files: Digest,
}

/// Shards with consecutive numbers, as a record names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The number of the first shard.
    pub first: u32,
    /// How many, at least 1.
    pub count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gained = 1,
    Closed = 3,
}

/// The contents of a journal up to its last good record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The journal's header, for the next one's generation.
    pub header: Header,
    /// The shards that are on the disk.
    pub held: Bitmap,
    /// The stamp of a clean stop, if that was the last that happened.
    pub closed: Option<Digest>,
    /// Bytes up to the end of the last good record; what follows was torn or damaged.
    pub good_size: usize,
}

/// Why a journal proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Its header is not that of a journal, or was damaged.
    Damaged,
    /// It is of another file.
    OtherFile,
    /// Version 1 wrote it, which could be believed too much.
    Older,
    /// A newer version wrote it: it must be left alone.
    Newer,
}

/// Writes one journal: its header, then records.
#[derive(Clone, Debug)]
pub struct Writer {
    /// The CRC of the header, which seeds that of each record.
    seed: u32,
    epoch: u32,
}

impl Writer {
    /// Begins a journal: its header goes to the end of `out`.
    pub fn begin(header: Header, out: &mut Vec<u8>) -> Writer {
        let bytes = FORMAT.seal(HEADER_SIZE - OVERHEAD, |body| {
            body[3..23].copy_from_slice(&header.file.0.0);
            BE::write_u32(&mut body[23..27], header.shards);
            BE::write_u32(&mut body[27..31], header.generation);
            body[31..51].copy_from_slice(&header.files);
        });
        out.extend_from_slice(&bytes);
        Writer {
            seed: BE::read_u32(&bytes[HEADER_SIZE - CRC_SIZE..]),
            epoch: 0,
        }
    }

    /// Shards that are durable from now on: records to append.
    pub fn gained(&mut self, runs: impl Iterator<Item = Run>, out: &mut Vec<u8>) {
        let mut runs = runs.peekable();
        while runs.peek().is_some() {
            let start = self.open(Kind::Gained, out);
            for run in runs.by_ref().take(JOURNAL_RUNS_MAX) {
                out.extend_from_slice(&run.first.to_be_bytes());
                out.extend_from_slice(&run.count.to_be_bytes());
            }
            self.close(start, out);
        }
    }

    /// A clean stop: a record to append.
    pub fn closed(&mut self, times: &Digest, out: &mut Vec<u8>) {
        let start = self.open(Kind::Closed, out);
        out.extend_from_slice(times);
        self.close(start, out);
    }

    fn open(&mut self, kind: Kind, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        self.epoch += 1;
        out.extend_from_slice(&RECORD_MAGIC);
        out.extend_from_slice(&[VERSION, kind as u8]);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        start
    }

    fn close(&self, start: usize, out: &mut Vec<u8>) {
        let length = out.len() - start - PREFIX_SIZE;
        let length = u32::try_from(length).expect("a body is a few KiB");
        BE::write_u32(&mut out[start + 8..], length);
        let crc = crc(self.seed, &out[start..]);
        out.extend_from_slice(&crc.to_be_bytes());
    }
}

/// Reads the proofs of a journal about `file`, which has `shards`.
///
/// # Errors
///
/// Its header is damaged, newer, or of another file.
pub fn replay(bytes: &[u8], file: FileId, shards: u32) -> Result<Replayed, Unusable> {
    let (header, seed) = parse_header(bytes)?;
    if (header.file, header.shards) != (file, shards) {
        return Err(Unusable::OtherFile);
    }
    let mut replayed = Replayed {
        header,
        held: Bitmap::with_capacity(shards),
        closed: None,
        good_size: HEADER_SIZE,
    };
    let mut epoch = 1;
    while let Some((kind, body)) = parse_record(&bytes[replayed.good_size..], seed, epoch) {
        if !replayed.take(kind, body) {
            break;
        }
        replayed.good_size += PREFIX_SIZE + body.len() + CRC_SIZE;
        epoch += 1;
    }
    Ok(replayed)
}

impl Replayed {
    /// Takes a record in; false when no writer would have written it.
    fn take(&mut self, kind: Kind, body: &[u8]) -> bool {
        if kind == Kind::Closed {
            self.closed = Digest::try_from(body).ok();
            return self.closed.is_some();
        }
        let runs = body.chunks_exact(RUN_SIZE).map(|run| Run {
            first: BE::read_u32(&run[..4]),
            count: BE::read_u32(&run[4..]),
        });
        let end = |run: Run| run.first.checked_add(run.count);
        let shards = self.header.shards;
        let is_good = |run: Run| run.count > 0 && end(run).is_some_and(|end| end <= shards);
        if body.is_empty() || body.len() % RUN_SIZE != 0 || !runs.clone().all(is_good) {
            return false;
        }
        self.closed = None;
        for shard in runs.flat_map(|run| run.first..run.first + run.count) {
            self.held.insert(shard);
        }
        true
    }
}

/// Consecutive numbers of an ascending iterator, as runs.
pub fn runs(shards: impl Iterator<Item = u32>) -> impl Iterator<Item = Run> {
    let mut shards = shards.peekable();
    std::iter::from_fn(move || {
        let first = shards.next()?;
        let mut count = 1;
        while shards.next_if_eq(&(first + count)).is_some() {
            count += 1;
        }
        Some(Run { first, count })
    })
}

/// The header, and its CRC.
fn parse_header(bytes: &[u8]) -> Result<(Header, u32), Unusable> {
    let header = bytes.get(..HEADER_SIZE).ok_or(Unusable::Damaged)?;
    let body = FORMAT.open(header).map_err(|error| match error {
        EnvelopeError::Newer => Unusable::Newer,
        EnvelopeError::Older => Unusable::Older,
        _ => Unusable::Damaged,
    })?;
    if body[..3] != [0; 3] {
        return Err(Unusable::Damaged);
    }
    let digest = |at: usize| std::array::from_fn(|index| body[at + index]);
    let parsed = Header {
        file: FileId(Id(digest(3))),
        shards: BE::read_u32(&body[23..27]),
        generation: BE::read_u32(&body[27..31]),
        files: digest(31),
    };
    Ok((parsed, BE::read_u32(&header[HEADER_SIZE - CRC_SIZE..])))
}

/// The record that `bytes` begin with; nothing when that is not the one of this epoch, whole.
fn parse_record(bytes: &[u8], seed: u32, epoch: u32) -> Option<(Kind, &[u8])> {
    let prefix = bytes.get(..PREFIX_SIZE)?;
    let kind = match prefix[..4] {
        [b'S', b'P', VERSION, 1] => Kind::Gained,
        [b'S', b'P', VERSION, 3] => Kind::Closed,
        _ => return None,
    };
    let length = BE::read_u32(&prefix[8..]) as usize;
    if BE::read_u32(&prefix[4..8]) != epoch || length > JOURNAL_RUNS_MAX * RUN_SIZE {
        return None;
    }
    let end = PREFIX_SIZE + length;
    let sum = bytes.get(end..end + CRC_SIZE)?;
    let record = &bytes[..end];
    (BE::read_u32(sum) == crc(seed, record)).then_some((kind, &record[PREFIX_SIZE..]))
}

fn crc(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const SHARDS: u32 = 200;

    fn header() -> Header {
        Header {
            file: FileId(Rng::from_number(1).id()),
            shards: SHARDS,
            generation: 3,
            files: [7; 20],
        }
    }

    fn read(bytes: &[u8]) -> Result<Replayed, Unusable> {
        replay(bytes, header().file, SHARDS)
    }

    /// Steps of a journal: a set gained, or a stop.
    fn steps() -> impl Strategy<Value = Vec<(u8, BTreeSet<u32>)>> {
        let shards = prop::collection::btree_set(0..SHARDS, 1..40);
        prop::collection::vec((0u8..2, shards), 0..8)
    }

    /// Up to which byte, which shards are proved, and whether it was closed there.
    type Proof = (usize, BTreeSet<u32>, bool);

    /// A journal, and what it proves after each of its records.
    fn written(steps: &[(u8, BTreeSet<u32>)]) -> (Vec<u8>, Vec<Proof>) {
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(header(), &mut bytes);
        let mut held = BTreeSet::new();
        let mut proofs = vec![(bytes.len(), held.clone(), false)];
        for (kind, shards) in steps {
            let runs = runs(shards.iter().copied());
            if *kind == 0 {
                writer.gained(runs, &mut bytes);
                held.extend(shards);
            } else {
                writer.closed(&[9; 20], &mut bytes);
            }
            proofs.push((bytes.len(), held.clone(), *kind == 1));
        }
        (bytes, proofs)
    }

    proptest! {
        #[test]
        fn a_journal_cut_anywhere_proves_what_its_whole_records_say(steps in steps()) {
            let (bytes, proofs) = written(&steps);
            for cut in HEADER_SIZE..=bytes.len() {
                let (size, held, closed) =
                    proofs.iter().rev().find(|proof| proof.0 <= cut).expect("the header");
                let replayed = read(&bytes[..cut]).unwrap();
                prop_assert!(replayed.held.iter().eq(held.iter().copied()));
                prop_assert_eq!(replayed.closed, closed.then_some([9; 20]));
                prop_assert_eq!(replayed.good_size, *size);
            }
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_ends_what_is_believed_before_it() {
        let one = |shards: &[u32]| shards.iter().copied().collect::<BTreeSet<_>>();
        let steps = [
            (0, one(&[1, 2, 3, 9])),
            (0, one(&[7])),
            (1, one(&[0])),
            (0, one(&[5])),
        ];
        let (bytes, proofs) = written(&steps);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                match read(&bad) {
                    Err(error) => assert!(at < HEADER_SIZE && error == Unusable::Damaged, "{at}"),
                    Ok(replayed) => {
                        let last = proofs.iter().rev().find(|proof| proof.0 <= at).unwrap();
                        assert_eq!(replayed.good_size, last.0, "byte {at}");
                        assert!(replayed.held.iter().eq(last.1.iter().copied()));
                    }
                }
            }
        }
        for cut in 0..HEADER_SIZE {
            assert_eq!(read(&bytes[..cut]), Err(Unusable::Damaged));
        }
    }

    #[test]
    fn records_of_another_journal_or_epoch_are_not_believed() {
        let begin = |header| {
            let mut bytes = Vec::new();
            let writer = Writer::begin(header, &mut bytes);
            (writer, bytes)
        };
        let gained = |writer: &mut Writer, first| {
            let mut record = Vec::new();
            writer.gained([Run { first, count: 1 }].into_iter(), &mut record);
            record
        };
        let (mut writer, bytes) = begin(header());
        let (first, second) = (gained(&mut writer, 0), gained(&mut writer, 1));
        let held = |parts: &[&[u8]]| read(&parts.concat()).unwrap().held.count();
        assert_eq!(held(&[&bytes, &first, &second]), 2);
        assert_eq!(held(&[&bytes, &second]), 0);
        assert_eq!(held(&[&bytes, &first, &first]), 1);
        let next = Header {
            generation: 4,
            ..header()
        };
        let (mut other, _) = begin(next);
        assert_eq!(held(&[&bytes, &gained(&mut other, 0)]), 0);
        let of_another = replay(&bytes, FileId(Rng::from_number(2).id()), SHARDS);
        assert_eq!(of_another, Err(Unusable::OtherFile));
        assert_eq!(
            replay(&bytes, header().file, SHARDS - 1),
            Err(Unusable::OtherFile)
        );
    }

    #[test]
    fn a_shard_beyond_the_file_ends_what_is_believed() {
        for run in [(SHARDS, 1), (0, SHARDS + 1), (u32::MAX, 2), (3, 0)] {
            let mut bytes = Vec::new();
            let mut writer = Writer::begin(header(), &mut bytes);
            let (first, count) = run;
            writer.gained([Run { first, count }].into_iter(), &mut bytes);
            let replayed = read(&bytes).unwrap();
            assert_eq!(
                (replayed.held.count(), replayed.good_size),
                (0, HEADER_SIZE)
            );
        }
    }

    #[test]
    fn other_versions_are_told_from_damage() {
        for (version, error) in [(1, Unusable::Older), (3, Unusable::Newer)] {
            let mut bytes = Vec::new();
            Writer::begin(header(), &mut bytes);
            bytes[8] = version;
            assert_eq!(read(&bytes), Err(Unusable::Damaged));
            let crc = crc32fast::hash(&bytes[..60]);
            BE::write_u32(&mut bytes[60..], crc);
            assert_eq!(read(&bytes), Err(error));
        }
    }

    #[test]
    fn many_runs_take_several_records() {
        let mut bytes = Vec::new();
        let shards = 2 * JOURNAL_RUNS_MAX as u32 * 2 + 2;
        let of = Header { shards, ..header() };
        let mut writer = Writer::begin(of, &mut bytes);
        writer.gained(runs((0..shards).step_by(2)), &mut bytes);
        let replayed = replay(&bytes, of.file, shards).unwrap();
        assert_eq!(replayed.held.count(), shards / 2);
        assert_eq!(writer.epoch, 3);
        assert_eq!(replayed.good_size, bytes.len());
    }
}
