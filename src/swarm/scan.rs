//! A walk over all bytes of a file on disk, shard by shard: to hash a share, or to verify what is
//! there.
//!
//! It asks for one range at a time and is given its bytes, so the driver decides how much disk work
//! a turn does. It holds no bytes, only the hasher of the shard it is in. Invariant: ranges come in
//! file order, never cross an entry or a shard, and cover every byte once.

use crate::limits::READ_SIZE;
use sha1::{Digest, Sha1};

/// The result of one step of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The shard is not at its end.
    Within,
    /// A shard is at its end; its hash.
    Shard([u8; 20]),
}

/// A walk over the bytes of a file.
pub struct Scan {
    shard_size: u32,
    size: u64,
    position: u64,
    entry: u32,
    entry_offset: u64,
    hasher: Sha1,
    readable: bool,
    /// Bytes that were asked for and have not come; 0 for none.
    waiting: u32,
}

impl Scan {
    /// A scan of `size` bytes in shards of `shard_size`.
    pub fn new(size: u64, shard_size: u32) -> Scan {
        Scan {
            shard_size,
            size,
            position: 0,
            entry: 0,
            entry_offset: 0,
            hasher: Sha1::new(),
            readable: true,
            waiting: 0,
        }
    }

    /// Bytes that the scan has gone through.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether every byte was gone through.
    pub fn is_done(&self) -> bool {
        self.position == self.size
    }

    /// The shard that the scan is in.
    pub fn shard(&self) -> u32 {
        (self.position / u64::from(self.shard_size)) as u32
    }

    /// Whether nothing of the shard that the scan is in was asked for.
    pub fn is_between(&self) -> bool {
        self.waiting == 0 && self.position % u64::from(self.shard_size) == 0
    }

    /// Leaves the shard out that begins here.
    pub fn skip_shard(&mut self, entry_size: impl Fn(u32) -> u64) {
        assert!(self.is_between(), "a shard is left out whole");
        let end = (self.position + u64::from(self.shard_size)).min(self.size);
        while self.position < end {
            let in_entry = entry_size(self.entry) - self.entry_offset;
            if in_entry == 0 {
                (self.entry, self.entry_offset) = (self.entry + 1, 0);
            }
            let step = in_entry.min(end - self.position);
            self.position += step;
            self.entry_offset += step;
        }
    }

    /// The next range to read (entry, offset, length), unless one is being read or none is left.
    /// `entry_size` tells the size of an entry.
    pub fn request(&mut self, entry_size: impl Fn(u32) -> u64) -> Option<(u32, u64, u32)> {
        if self.waiting > 0 || self.is_done() {
            return None;
        }
        while self.entry_offset == entry_size(self.entry) {
            self.entry += 1;
            self.entry_offset = 0;
        }
        let in_entry = entry_size(self.entry) - self.entry_offset;
        let in_shard = u64::from(self.shard_size) - self.position % u64::from(self.shard_size);
        let length = in_entry.min(in_shard).min(u64::from(READ_SIZE)) as u32;
        self.waiting = length;
        Some((self.entry, self.entry_offset, length))
    }

    /// Takes in the bytes of the range last asked for. `None` says that they could not be read: the
    /// shard's hash is then none that a manifest has.
    pub fn receive(&mut self, bytes: Option<&[u8]>) -> Step {
        let length = std::mem::take(&mut self.waiting);
        assert!(length > 0, "bytes that were not asked for");
        match bytes {
            Some(bytes) => {
                assert_eq!(
                    bytes.len(),
                    length as usize,
                    "not the range that was asked for"
                );
                self.hasher.update(bytes);
            }
            None => self.readable = false,
        }
        self.position += u64::from(length);
        self.entry_offset += u64::from(length);
        if !self.is_done() && self.position % u64::from(self.shard_size) != 0 {
            return Step::Within;
        }
        let hash: [u8; 20] = self.hasher.finalize_reset().into();
        let readable = std::mem::replace(&mut self.readable, true);
        Step::Shard(if readable { hash } else { [0; 20] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hashes_of_a_scan_are_hashes_of_the_whole_cut_into_shards(
            sizes in prop::collection::vec(0u64..70_000, 1..8)
        ) {
            let size: u64 = sizes.iter().sum();
            let whole: Vec<u8> = (0..size).map(|at| (at * 7 / 3) as u8).collect();
            let starts: Vec<u64> =
                (0..sizes.len()).map(|index| sizes[..index].iter().sum()).collect();
            let mut scan = Scan::new(size, 16 * 1024);
            let mut hashes = Vec::new();
            while let Some((entry, offset, length)) = scan.request(|entry| sizes[entry as usize]) {
                prop_assert_eq!(scan.request(|entry| sizes[entry as usize]), None);
                let from = (starts[entry as usize] + offset) as usize;
                match scan.receive(Some(&whole[from..from + length as usize])) {
                    Step::Within => {}
                    Step::Shard(hash) => hashes.push(hash),
                }
            }
            prop_assert!(scan.is_done());
            let expected: Vec<[u8; 20]> =
                whole.chunks(16 * 1024).map(|shard| Sha1::digest(shard).into()).collect();
            prop_assert_eq!(hashes, expected);
        }
    }

    #[test]
    fn a_shard_that_is_left_out_is_not_read_and_no_other_is_missed() {
        let sizes = [10_000, 0, 20_000, 30_000, 0, 1];
        let size = |entry: u32| sizes[entry as usize];
        let mut scan = Scan::new(60_001, 16 * 1024);
        let (mut read, mut shards) = (0, vec![]);
        while !scan.is_done() {
            if scan.is_between() && scan.shard() % 2 == 1 {
                scan.skip_shard(size);
                continue;
            }
            let shard = scan.shard();
            let (_, _, length) = scan.request(size).unwrap();
            read += length;
            if let Step::Shard(_) = scan.receive(Some(&vec![0; length as usize])) {
                shards.push(shard);
            }
        }
        assert_eq!((read, shards), (2 * 16 * 1024, vec![0, 2]));
    }

    #[test]
    fn an_unreadable_range_spoils_its_shard_and_no_other() {
        let mut scan = Scan::new(2 * 16 * 1024, 16 * 1024);
        scan.request(|_| 32 * 1024);
        assert_eq!(scan.receive(None), Step::Shard([0; 20]));
        scan.request(|_| 32 * 1024);
        let expected: [u8; 20] = Sha1::digest([7; 16 * 1024]).into();
        assert_eq!(scan.receive(Some(&[7; 16 * 1024])), Step::Shard(expected));
    }
}
