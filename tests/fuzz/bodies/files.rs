//! The files that inputs are about: small, fixed, and known to every body.

use sha1::{Digest, Sha1};
use sprat::limits::SHARD_SIZE_MIN;
use sprat::wire::Manifest;
use sprat::wire::bencode::Encoder;
use std::sync::LazyLock;

/// A file with its bytes.
pub struct File {
    pub manifest: Manifest,
    /// The bytes of each entry.
    pub entries: Vec<Vec<u8>>,
}

/// A single file, a folder whose entries share shards, an empty file, and one whose manifest takes
/// several parts.
pub static FILES: LazyLock<[File; 4]> = LazyLock::new(|| {
    [
        made(&[("", 2 * 16_384 + 100)], 0),
        made(
            &[("a", 10_000), ("b/empty", 0), ("b/c", 20_000), ("d", 5)],
            0,
        ),
        made(&[("", 0)], 0),
        made(&[("", 16_384 + 1)], 20_000),
    ]
});

impl File {
    /// The bytes of one shard.
    pub fn shard(&self, shard: u32) -> Vec<u8> {
        let length = self.manifest.shard_length(shard);
        let mut bytes = Vec::new();
        for segment in self.manifest.segments(shard, 0, length) {
            let start = segment.offset as usize;
            let entry = &self.entries[segment.entry as usize];
            bytes.extend(&entry[start..start + segment.length as usize]);
        }
        bytes
    }
}

/// A file of entries of these sizes, with `filler` bytes under a key that nobody knows.
fn made(sizes: &[(&str, usize)], filler: usize) -> File {
    let entries: Vec<Vec<u8>> = sizes.iter().map(|&(_, size)| bytes(size)).collect();
    let whole = entries.concat();
    let shards = whole.chunks(SHARD_SIZE_MIN as usize);
    let hashes: Vec<u8> = shards.flat_map(Sha1::digest).collect();
    let mut encoder = Encoder::default();
    encoder.dictionary();
    if sizes[0].0.is_empty() {
        encoder.string(b"length");
        encoder.unsigned(whole.len() as u64);
    } else {
        encoder.string(b"files");
        encoder.list();
        for (path, size) in sizes {
            encoder.dictionary();
            encoder.string(b"length");
            encoder.unsigned(*size as u64);
            encoder.string(b"path");
            encoder.list();
            path.split('/')
                .for_each(|name| encoder.string(name.as_bytes()));
            encoder.end();
            encoder.end();
        }
        encoder.end();
    }
    encoder.string(b"name");
    encoder.string(format!("file {}", whole.len()).as_bytes());
    encoder.string(b"piece length");
    encoder.unsigned(u64::from(SHARD_SIZE_MIN));
    encoder.string(b"pieces");
    encoder.string(&hashes);
    encoder.string(b"unknown");
    encoder.string(&vec![b'.'; filler]);
    encoder.end();
    let manifest = Manifest::parse(&encoder.finish()).expect("a manifest by the rules");
    File { manifest, entries }
}

fn bytes(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| (at % 251) as u8 ^ (at / 251) as u8)
        .collect()
}

/// The file with this index in [`FILES`].
pub fn file(index: usize) -> &'static File {
    &FILES[index % FILES.len()]
}
