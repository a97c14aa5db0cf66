//! Manifests: what parses keeps every rule, and its shards cover every byte once.
//!
//! The input is tried as a manifest, as a metainfo file, and as the values of a manifest to be
//! built.

use super::input::Input;
use sprat::limits::{ENTRIES_MAX, FILE_SIZE_MAX, PATH_DEPTH_MAX, SHARD_SIZE_MAX, SHARD_SIZE_MIN};
use sprat::wire::manifest::Segment;
use sprat::wire::{Entries, Manifest};
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// The body of the target.
pub fn run(bytes: &[u8]) {
    let input = &mut Input::new(bytes);
    let (start, length) = (input.word(), input.word());
    let parsed = [Manifest::parse(bytes), Manifest::from_metainfo(bytes)];
    for manifest in parsed.into_iter().chain([build(input)]).flatten() {
        check(&manifest, start, length);
    }
}

/// A manifest of the values that the input chooses.
fn build(input: &mut Input) -> Result<Manifest, sprat::wire::ManifestError> {
    let folder = input.bit();
    let shard_size = SHARD_SIZE_MIN << input.below(13);
    let count = if folder { input.below(20) } else { 1 };
    let mut entries = Vec::new();
    for _ in 0..count {
        let size = match input.below(4) {
            0 => 0,
            1 => u64::from(input.short()),
            2 => u64::from(input.word() % (4 * SHARD_SIZE_MAX)),
            _ => u64::from(shard_size),
        };
        let length = input.below(12);
        let path = String::from_utf8_lossy(input.bytes(length)).into_owned();
        entries.push((path, size));
    }
    let length = input.below(256);
    let name = String::from_utf8_lossy(input.bytes(length)).into_owned();
    let total: u64 = entries.iter().map(|(_, size)| size).sum();
    let hashes = vec![7; total.div_ceil(u64::from(shard_size)) as usize * 20];
    let listed = Entries::of(entries.iter().cloned())?;
    let manifest = Manifest::build(&name, folder, listed, shard_size, &hashes)?;
    assert_eq!((manifest.name(), manifest.is_folder()), (&*name, folder));
    assert_eq!(
        (manifest.size(), manifest.shard_size()),
        (total, shard_size)
    );
    assert_eq!(manifest.entries().len(), entries.len());
    for (entry, (path, size)) in manifest.entries().iter().zip(&entries) {
        assert_eq!(entry.size, *size);
        assert!(!folder || manifest.entries().path(entry.index) == *path);
    }
    Ok(manifest)
}

fn check(manifest: &Manifest, start: u32, length: u32) {
    assert_safe_name(manifest.name());
    check_sizes(manifest);
    check_paths(manifest);
    check_segments(manifest, start, length);
    let metainfo = manifest.metainfo().concat();
    let again = Manifest::from_metainfo(&metainfo).expect("its own metainfo file");
    assert_eq!(again.file_id(), manifest.file_id());
    assert_eq!(&again, manifest);
    assert_eq!(Manifest::take_metainfo(metainfo).as_ref(), Ok(manifest));
    assert_eq!(Manifest::parse(manifest.bytes()).as_ref(), Ok(manifest));
}

fn check_sizes(manifest: &Manifest) {
    let mut offset = 0;
    for entry in manifest.entries().iter() {
        assert_eq!(entry.offset, offset, "entries follow each other");
        offset += entry.size;
    }
    let shard_size = u64::from(manifest.shard_size());
    assert_eq!(manifest.size(), offset);
    assert!(offset <= FILE_SIZE_MAX);
    assert!(shard_size.is_power_of_two());
    assert!((SHARD_SIZE_MIN..=SHARD_SIZE_MAX).contains(&manifest.shard_size()));
    assert_eq!(
        u64::from(manifest.shard_count()),
        offset.div_ceil(shard_size)
    );
    let shards = 0..manifest.shard_count();
    let lengths = shards
        .clone()
        .map(|shard| u64::from(manifest.shard_length(shard)));
    assert_eq!(lengths.sum::<u64>(), offset, "shards cover every byte");
    shards.for_each(|shard| assert_eq!(manifest.shard_hash(shard).len(), 20));
    assert_eq!(manifest.shard_length(manifest.shard_count()), 0);
}

fn check_paths(manifest: &Manifest) {
    let entries = manifest.entries();
    assert!((1..=ENTRIES_MAX).contains(&entries.len()));
    if !manifest.is_folder() {
        assert_eq!((entries.len(), &*entries.path(0)), (1, ""));
        return;
    }
    let mut met = BTreeSet::new();
    for path in entries.paths() {
        let components: Vec<&str> = path.split('/').collect();
        assert!((1..=PATH_DEPTH_MAX).contains(&components.len()));
        components.iter().for_each(|name| assert_safe_name(name));
        assert!(met.insert(path.to_lowercase()), "{path:?} comes twice");
    }
    for path in &met {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        folders.for_each(|folder| assert!(!met.contains(folder), "{folder:?} is a file"));
    }
}

/// Walks over all shards, and over one range of one shard, and expects every byte once and in
/// order.
fn check_segments(manifest: &Manifest, start: u32, length: u32) {
    let mut at = 0;
    for shard in 0..manifest.shard_count() {
        for segment in manifest.segments(shard, 0, manifest.shard_length(shard)) {
            at = check_segment(manifest, segment, at);
        }
    }
    assert_eq!(at, manifest.size());
    let shard = start % manifest.shard_count().max(1);
    let from = u64::from(shard) * u64::from(manifest.shard_size());
    let (first, last) = (u64::from(start), u64::from(start.saturating_add(length)));
    let shard_length = u64::from(manifest.shard_length(shard));
    let mut at = from + first.min(shard_length);
    for segment in manifest.segments(shard, start, length) {
        at = check_segment(manifest, segment, at);
    }
    assert_eq!(
        at,
        from + last.min(shard_length).max(first.min(shard_length))
    );
}

/// Checks that a segment begins at byte `at` of the whole; where it ends.
fn check_segment(manifest: &Manifest, segment: Segment, at: u64) -> u64 {
    let entry = manifest.entries().at(segment.entry);
    assert_eq!(
        entry.offset + segment.offset,
        at,
        "bytes are left out or come twice"
    );
    assert!(segment.length > 0);
    assert!(entry.offset + segment.offset + u64::from(segment.length) <= entry.end());
    at + u64::from(segment.length)
}

/// Whether a name stays below the folder that it is joined to, and can be shown.
pub fn assert_safe_name(name: &str) {
    assert!(!name.is_empty() && name.len() <= 255, "{name:?}");
    assert!(
        !name.contains(['/', '\\']) && !name.contains(char::is_control),
        "{name:?}"
    );
    let mut components = Path::new(name).components();
    assert!(
        matches!(components.next(), Some(Component::Normal(_))),
        "{name:?}"
    );
    assert_eq!(components.next(), None, "{name:?}");
}
