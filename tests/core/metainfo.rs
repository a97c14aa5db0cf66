//! Metainfo files that other programs have made.

use super::fixtures::{files_of, folder};
use sprat::wire::bencode::Decoder;
use sprat::wire::{Entries, Manifest, ManifestError};
use std::collections::BTreeMap;

/// One entry of `fixtures/torrent/index.txt`.
#[derive(Debug)]
struct Listed {
    /// Absent for one that must be refused.
    id: Option<String>,
    size: u64,
    piece_length: u32,
    name: String,
    entries: Vec<(String, u64)>,
}

fn listed_torrents() -> BTreeMap<String, Listed> {
    let text = std::fs::read_to_string(folder("torrent").join("index.txt")).unwrap();
    let mut listed = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line
            .trim_start()
            .splitn(if line.starts_with(' ') { 2 } else { 5 }, "  ");
        let mut next = || words.next().unwrap_or_default().to_owned();
        if line.starts_with(' ') {
            let size = next().parse().unwrap();
            let entry: &mut Listed = listed.get_mut(&last).unwrap();
            entry.entries.push((next(), size));
            continue;
        }
        last = next();
        let id = Some(next()).filter(|id| id != "-");
        let mut number = || next().parse().unwrap_or_default();
        let (size, piece_length) = (number(), number() as u32);
        let entry = Listed {
            id,
            size,
            piece_length,
            name: next(),
            entries: Vec::new(),
        };
        assert!(
            listed.insert(last.clone(), entry).is_none(),
            "{last} is listed twice"
        );
    }
    listed
}

#[test]
fn metainfo_files_of_other_programs_have_the_ids_that_those_print() {
    let mut listed = listed_torrents();
    for path in files_of(&folder("torrent")) {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if file == "index.txt" {
            continue;
        }
        let expected = listed
            .remove(&file)
            .unwrap_or_else(|| panic!("{file} is not listed"));
        let bytes = std::fs::read(&path).unwrap();
        let Some(id) = expected.id else {
            assert_eq!(
                Manifest::from_metainfo(&bytes),
                Err(ManifestError::VersionTwo),
                "{file}"
            );
            continue;
        };
        let manifest = Manifest::from_metainfo(&bytes).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(manifest.file_id().to_string(), id, "{file}");
        assert_eq!(manifest.size(), expected.size, "{file}");
        assert_eq!(manifest.shard_size(), expected.piece_length, "{file}");
        assert_eq!(manifest.name(), expected.name, "{file}");
        assert_eq!(manifest.is_folder(), !expected.entries.is_empty(), "{file}");
        if manifest.is_folder() {
            let entries = manifest.entries();
            let sizes = entries.iter().map(|entry| entry.size);
            let entries = entries.paths().zip(sizes);
            assert_eq!(entries.collect::<Vec<_>>(), expected.entries, "{file}");
        }
        let again = Manifest::take_metainfo(manifest.metainfo().concat());
        assert_eq!(again.as_ref(), Ok(&manifest), "{file}");
    }
    assert!(
        listed.is_empty(),
        "listed but not there: {:?}",
        listed.keys()
    );
}

#[test]
fn a_manifest_that_is_built_is_the_one_that_other_programs_have_read() {
    let listed = listed_torrents();
    for (file, expected) in listed.iter().filter(|(file, _)| file.starts_with("sprat-")) {
        let golden = std::fs::read(folder("torrent").join(file)).unwrap();
        let manifest = Manifest::from_metainfo(&golden).unwrap();
        let hashes: Vec<u8> = (0..manifest.shard_count())
            .flat_map(|shard| *manifest.shard_hash(shard))
            .collect();
        let single = vec![(String::new(), expected.size)];
        let folder = !expected.entries.is_empty();
        let entries = if folder { &expected.entries } else { &single };
        let entries = Entries::of(entries.iter().cloned()).unwrap();
        let size = manifest.shard_size();
        let built = Manifest::build(&expected.name, folder, entries, size, &hashes).unwrap();
        assert_eq!(built.metainfo().concat(), golden, "{file}");
        assert_eq!(Some(built.file_id().to_string()), expected.id, "{file}");
    }
    assert_eq!(
        listed
            .keys()
            .filter(|file| file.starts_with("sprat-"))
            .count(),
        3
    );
}

#[test]
fn every_cut_and_every_changed_byte_of_a_metainfo_file_is_read_without_panic() {
    for path in files_of(&folder("torrent")) {
        let mut bytes = std::fs::read(&path).unwrap();
        for size in 0..bytes.len() {
            let cut = Manifest::from_metainfo(&bytes[..size]);
            assert!(cut.is_err(), "{path:?} cut to {size}");
        }
        for at in 0..bytes.len() {
            let was = bytes[at];
            for byte in [
                0,
                b'0',
                b'9',
                b'd',
                b'e',
                b'i',
                b'l',
                b':',
                b'-',
                was ^ 1,
                0xff,
            ] {
                bytes[at] = byte;
                // Any answer is right: that one comes is the point, and that what is read is
                // consistent.
                if let Ok(manifest) = Manifest::from_metainfo(&bytes) {
                    assert!(Decoder::new(manifest.bytes()).skip().is_ok());
                    (0..manifest.shard_count()).for_each(|shard| {
                        let length = manifest.shard_length(shard);
                        let segments = manifest.segments(shard, 0, length);
                        assert_eq!(segments.map(|segment| segment.length).sum::<u32>(), length);
                        let _ = manifest.shard_hash(shard);
                    });
                }
            }
            bytes[at] = was;
        }
    }
}
