//! Journals damaged at every byte, as a start finds them: nothing panics, nothing of the part is
//! lost, and nothing is believed that was not proved.

use super::{new_disk, run};
use crate::id::{FileId, Id};
use crate::node::{FileRange, Prepared, SwarmKey};
use crate::reactor::files::journal::Journal;
use crate::reactor::files::layout::Layout;
use crate::reactor::files::{Disk, Done, OutputPath};
use crate::store::record::{self, Header};
use crate::wire::Entries;
use std::fs::{self, File};
use std::path::Path;

const KEY: SwarmKey = SwarmKey {
    slot: 0,
    generation: 0,
};
const SHARDS: u32 = 4;
const PART: &[u8] = b"the bytes of four shards";

/// A start of the fetch: what was found, or what its journal proves.
fn start(path: &Path) -> (Disk, Result<Vec<u32>, Prepared>) {
    let mut disk = new_disk();
    disk.fetch(KEY, OutputPath::Named(path.to_path_buf()));
    disk.find_mut(KEY).unwrap().shards = SHARDS;
    disk.prepare_entries(KEY, "name", false, Entries::single(PART.len() as u64));
    match run(&mut disk) {
        Done::Prepared(Ok(found)) => (disk, Err(found)),
        Done::Journaled(durable) => (disk, Ok(durable.iter().collect())),
        done => panic!("{done:?}"),
    }
}

#[test]
fn a_journal_damaged_at_any_byte_proves_no_more_than_before_and_costs_no_data() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    let (part, journal) = (
        base.path().join("file.part"),
        base.path().join("file.part.journal"),
    );
    let (mut disk, found) = start(&path);
    assert_eq!(found, Err(Prepared::Fresh));
    let range = FileRange {
        swarm: KEY,
        entry: 0,
        offset: 0,
        length: PART.len() as u32,
    };
    disk.write(range, PART).unwrap();
    disk.checkpoint(KEY, false, [0, 1].into_iter(), None);
    assert_eq!(run(&mut disk), Done::Checkpointed(Ok(())));
    disk.checkpoint(KEY, true, [3].into_iter(), None);
    assert_eq!(run(&mut disk), Done::Checkpointed(Ok(())));
    drop(disk);
    let good = fs::read(&journal).unwrap();
    assert_eq!(start(&path).1, Ok(vec![0, 1, 3]));

    let mut seen = [0; 3];
    for at in 0..good.len() {
        let flipped = [&good[..at], &[good[at] ^ 1], &good[at + 1..]].concat();
        let longer = [&good[..], &good[at..]].concat();
        for bad in [flipped, good[..at].to_vec(), longer] {
            fs::write(&journal, bad).unwrap();
            let (_, found) = start(&path);
            assert_eq!(fs::read(&part).unwrap(), PART, "byte {at}");
            match found {
                Err(Prepared::Partial) => seen[0] += 1,
                Ok(held) if held == [0, 1, 3] => seen[1] += 1,
                Ok(held) => {
                    assert!(held.is_empty() || held == [0, 1], "byte {at}: {held:?}");
                    seen[2] += 1;
                }
                Err(found) => panic!("byte {at}: {found:?}"),
            }
        }
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}

#[test]
fn the_next_append_does_not_claim_shards_that_could_not_be_appended() {
    let base = tempfile::tempdir().unwrap();
    let layout = Layout {
        path: base.path().join("file"),
        ..Layout::default()
    };
    let header = Header {
        file: FileId(Id([7; 20])),
        shards: SHARDS,
        generation: 1,
        files: [1; 20],
    };
    let mut journal = Journal::write(&layout, header, std::iter::empty()).unwrap();
    let path = layout.new_journal_path();
    let writable = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
    journal.note(record::runs([0, 2].into_iter()));
    journal.append().unwrap_err();
    journal.file = writable;
    journal.note(record::runs([3].into_iter()));
    journal.append().unwrap();
    let bytes = fs::read(&path).unwrap();
    let replayed = record::replay(&bytes, header.file, SHARDS).unwrap();
    assert_eq!(replayed.held.iter().collect::<Vec<_>>(), [3]);
    assert_eq!(replayed.good_size, bytes.len());
}
