//! The list of files of a folder, or of the single file: paths and sizes in order.
//!
//! A folder may have 32,768 files, and both the node and its disk keep the list, so it is packed to
//! about ten bytes an entry where names are alike. A path is stored as the number of bytes that it
//! shares with the path before it (the folder, and often half of the name) and the rest. Each
//! `STRIDE`th path is stored whole, and a mark tells where it begins.
//!
//! ```text
//! rests     path, rest of path, rest of path, ...
//! numbers   bytes shared, bytes of the rest, file's size, ...    seven bits a byte, lowest first
//! marks     offsets in both at which each STRIDEth entry begins
//! ```
//!
//! Invariant: the paths can all be files of one folder; there are three numbers for each file, and
//! a mark for each stride that has begun.

use super::name::{self, Conflict};

/// Entries from one mark to the next: a look-up reads eight on average, and a mark adds a byte to
/// each.
const STRIDE: usize = 16;
/// Bits of a number in each byte; the highest bit says that more bytes follow.
const NUMBER_BITS: u32 = 7;
const MORE: u8 = 1 << NUMBER_BITS;

/// A packed list of paths and sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    rests: String,
    numbers: Vec<u8>,
    marks: Vec<Mark>,
    count: usize,
    end: Mark,
}

/// The offsets at which an entry begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    rest: u32,
    numbers: u32,
    /// Bytes of the files before it.
    offset: u64,
}

/// One file of a folder, or the single file; its path is [`Entries::path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index in the list.
    pub index: u32,
    /// Bytes of the file; may be 0.
    pub size: u64,
    /// Bytes of the files before it.
    pub offset: u64,
}

impl Entry {
    /// Bytes of the files up to its end.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

/// Builds a list, file by file.
#[derive(Debug, Default)]
pub struct Listing {
    entries: Entries,
    last: String,
}

impl Listing {
    /// Appends a file: its path, components joined with `/` (empty for a single file), and its
    /// size. Offsets saturate at the greatest number.
    ///
    /// # Panics
    /// When all paths together have 4 GiB.
    #[allow(clippy::expect_used, reason = "the limits do not allow so many paths")]
    pub fn push(&mut self, path: &str, size: u64) {
        let entries = &mut self.entries;
        if entries.count % STRIDE == 0 {
            entries.marks.push(entries.end);
            self.last.clear();
        }
        let (shared, rest) = path.split_at(shared_size(&self.last, path));
        for number in [shared.len() as u64, rest.len() as u64, size] {
            push_number(&mut entries.numbers, number);
        }
        entries.rests.push_str(rest);
        entries.count = entries.count.saturating_add(1);
        let offset = |size: usize| u32::try_from(size).expect("paths are bounded");
        entries.end = Mark {
            rest: offset(entries.rests.len()),
            numbers: offset(entries.numbers.len()),
            offset: entries.end.offset.saturating_add(size),
        };
        self.last.clear();
        self.last.push_str(path);
    }

    /// Checks the paths and returns the list.
    ///
    /// # Errors
    /// The conflict of two paths, and the later of them.
    pub fn finish(self) -> Result<Entries, (Conflict, String)> {
        let mut entries = self.entries;
        entries.rests.shrink_to_fit();
        entries.numbers.shrink_to_fit();
        entries.marks.shrink_to_fit();
        match name::check_paths(entries.paths()) {
            Ok(()) => Ok(entries),
            Err(conflict) => {
                let (Conflict::Repeated(index) | Conflict::FileAsFolder(index)) = conflict;
                Err((conflict, entries.path(index as u32)))
            }
        }
    }
}

/// Bytes of the common prefix of whole characters.
fn shared_size(one: &str, other: &str) -> usize {
    let both = one.char_indices().zip(other.chars());
    let mut differ = both.skip_while(|((_, one), other)| one == other);
    let at = differ.next().map(|((at, _), _)| at);
    at.unwrap_or(one.len().min(other.len()))
}

fn push_number(numbers: &mut Vec<u8>, mut number: u64) {
    while number >= MORE.into() {
        numbers.push(number as u8 | MORE);
        number >>= NUMBER_BITS;
    }
    numbers.push(number as u8);
}

impl Entries {
    /// The list of files with these paths and sizes.
    ///
    /// # Errors
    /// Two paths that cannot both be files of one folder.
    pub fn of<P: AsRef<str>>(
        files: impl IntoIterator<Item = (P, u64)>,
    ) -> Result<Entries, Conflict> {
        let mut listing = Listing::default();
        for (path, size) in files {
            listing.push(path.as_ref(), size);
        }
        listing.finish().map_err(|(conflict, _)| conflict)
    }

    /// The list with a single file, whose path is empty.
    pub fn single(size: u64) -> Entries {
        let mut listing = Listing::default();
        listing.push("", size);
        listing.entries
    }

    /// The number of files in the list.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the list has no file.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all files together.
    pub fn total(&self) -> u64 {
        self.end.offset
    }

    /// The file with this index, if there is one.
    pub fn get(&self, index: usize) -> Option<Entry> {
        self.stride(index / STRIDE).nth(index % STRIDE)
    }

    /// The file with this index.
    ///
    /// # Panics
    /// When there is none.
    #[allow(clippy::expect_used, reason = "a wrong index is a bug of the caller")]
    pub fn at(&self, index: u32) -> Entry {
        self.get(index as usize).expect("the entry exists")
    }

    /// The path of a file below the folder, components joined with `/`; empty for a single file,
    /// and for an index that no file has.
    pub fn path(&self, index: u32) -> String {
        let index = index as usize;
        let mut iter = self.stride(index / STRIDE);
        let mut path = String::new();
        for _ in 0..=index % STRIDE {
            let Some(next) = iter.read() else {
                return String::new();
            };
            path.truncate(next.shared);
            path.push_str(next.rest);
        }
        path
    }

    /// All files, in the order of their bytes.
    pub fn iter(&self) -> Iter<'_> {
        self.stride(0)
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        self.iter().map(|entry| self.path(entry.index))
    }

    /// The files that end after byte `offset` of them all. An empty file ends where the file before
    /// it ends.
    pub fn iter_from(&self, offset: u64) -> Iter<'_> {
        let begun = self.marks.partition_point(|mark| mark.offset <= offset);
        let mut iter = self.stride(begun.saturating_sub(1));
        let mut rest = iter.clone();
        while rest.next().is_some_and(|entry| entry.end() <= offset) {
            iter = rest.clone();
        }
        iter
    }

    /// The files from a mark on.
    fn stride(&self, stride: usize) -> Iter<'_> {
        let mark = self.marks.get(stride).copied().unwrap_or(self.end);
        Iter {
            entries: self,
            index: stride.saturating_mul(STRIDE).min(self.count),
            mark,
        }
    }
}

/// An iterator over entries: see [`Entries::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    entries: &'a Entries,
    index: usize,
    mark: Mark,
}

/// One entry with its packed path.
struct Read<'a> {
    /// Bytes that its path shares with the path before it.
    shared: usize,
    rest: &'a str,
    entry: Entry,
}

impl<'a> Iter<'a> {
    fn read(&mut self) -> Option<Read<'a>> {
        let (shared, rest, size) = (self.number()?, self.number()?, self.number()?);
        let start = self.mark.rest as usize;
        let rest_end = start.saturating_add(rest as usize);
        let entry = Entry {
            // Each takes three bytes of the numbers, whose size fits.
            index: self.index as u32,
            size,
            offset: self.mark.offset,
        };
        let rest = self.entries.rests.get(start..rest_end)?;
        self.index = self.index.saturating_add(1);
        (self.mark.rest, self.mark.offset) = (rest_end as u32, entry.end());
        let shared = shared as usize;
        Some(Read {
            shared,
            rest,
            entry,
        })
    }

    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = *self.entries.numbers.get(self.mark.numbers as usize)?;
            self.mark.numbers = self.mark.numbers.saturating_add(1);
            number |= u64::from(byte & !MORE).checked_shl(shift)?;
            if byte & MORE == 0 {
                return Some(number);
            }
            shift = shift.saturating_add(NUMBER_BITS);
        }
    }
}

impl Iterator for Iter<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.read().map(|read| read.entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.entries.count.saturating_sub(self.index);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sizes of one byte and of ten, many of them 0.
    fn size() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0u64..999, 0u64..=1 << 50, Just(u64::MAX)]
    }

    proptest! {
        #[test]
        fn entries_are_what_was_pushed(
            mut files in prop::collection::btree_map("[a-céê/]{0,9}|x{120,140}", size(), 0..70),
            start: u64,
        ) {
            let mut paths = Vec::new();
            files.retain(|path, _| {
                paths.push(path.clone());
                let fits = name::check_paths(paths.iter()).is_ok();
                paths.truncate(paths.len() - usize::from(!fits));
                fits
            });
            let entries = Entries::of(files.iter().map(|(path, size)| (path, *size))).unwrap();
            let mut offset = 0u64;
            let mut pushed = Vec::new();
            for (index, &size) in files.values().enumerate() {
                let entry = Entry { index: index as u32, size, offset };
                prop_assert_eq!(entries.get(index), Some(entry));
                pushed.push(entry);
                offset = offset.saturating_add(size);
            }
            prop_assert_eq!((entries.len(), entries.total()), (files.len(), offset));
            for index in [files.len(), files.len() + STRIDE] {
                prop_assert_eq!(entries.get(index), None);
                prop_assert_eq!(entries.path(index as u32), String::new());
            }
            prop_assert!(entries.paths().eq(files.keys().cloned()));
            prop_assert_eq!(entries.iter().len(), files.len());
            prop_assert_eq!(entries.iter().collect::<Vec<_>>(), pushed.clone());
            let starts = pushed.iter().flat_map(|entry| [entry.offset, entry.end()]);
            for start in starts.chain([start % offset.max(1)]) {
                let from = pushed.iter().skip_while(|entry| entry.end() <= start);
                prop_assert!(entries.iter_from(start).eq(from.copied()), "{}", start);
            }
        }
    }

    #[test]
    fn paths_of_one_folder_take_a_few_bytes_each() {
        let path = |index| format!("a folder of many/picture {index:05}.jpeg");
        let entries = Entries::of((0..20_000).map(|index| (path(index), 300))).unwrap();
        let size = entries.rests.len() + entries.numbers.len() + 16 * entries.marks.len();
        assert!(size < 16 * entries.len(), "{size}");
    }
}
