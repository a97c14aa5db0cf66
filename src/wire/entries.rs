//! The files of a folder, or the single file: paths and sizes, one after the other.
//!
//! A folder may have 32,768 of them, and the node and its disk both keep the list. So it is packed, to
//! ten bytes an entry where names are alike: a path is kept as the number of bytes that it shares with
//! the one before it (the folder, and often half of the name) and its rest. Each `STRIDE`th is whole,
//! and has a mark to begin to read at.
//!
//! ```text
//! rests     path, rest of path, rest of path, ...
//! numbers   bytes shared, bytes of the rest, file's size, ...    seven bits a byte, the lowest first
//! marks     where each STRIDEth entry begins in both
//! ```
//!
//! Invariant: the paths can all be files of one folder; there are three numbers for each file, and a
//! mark for each stride that was begun.

use super::name::{self, Conflict};

/// Entries from one mark to the next: to find one, eight are read on average, and a mark adds a byte
/// to each.
const STRIDE: usize = 16;
/// Bits of a number in each byte; the highest says that more follow.
const NUMBER_BITS: u32 = 7;
const MORE: u8 = 1 << NUMBER_BITS;

/// Paths and sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    rests: String,
    numbers: Vec<u8>,
    marks: Vec<Place>,
    count: usize,
    end: Place,
}

/// Where an entry begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    rest: u32,
    numbers: u32,
    /// In bytes from the start of the whole.
    offset: u64,
}

/// One file of a folder, or the single file; [`Entries::path`] tells its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which one it is.
    pub index: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Where it begins, in bytes from the start of the whole.
    pub offset: u64,
}

impl Entry {
    /// Where it ends, in bytes from the start of the whole.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

/// A list that is being made.
#[derive(Debug, Default)]
pub struct Listing {
    entries: Entries,
    /// The last path.
    last: String,
}

impl Listing {
    /// Appends a file: its path, components joined with `/` (empty for a single file), and its size.
    /// Sizes beyond what a number holds count as that.
    ///
    /// # Panics
    /// When all paths together have 4 GiB.
    #[allow(clippy::expect_used, reason = "that many paths fit no limit")]
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
        let place = |size: usize| u32::try_from(size).expect("paths are bounded");
        entries.end = Place {
            rest: place(entries.rests.len()),
            numbers: place(entries.numbers.len()),
            offset: entries.end.offset.saturating_add(size),
        };
        self.last.clear();
        self.last.push_str(path);
    }

    /// The list, to which nothing is appended any more.
    ///
    /// # Errors
    /// Two paths that cannot both be files of one folder; and the later of them.
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

/// Bytes at the beginning that are the same in both: whole characters.
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

    /// The list of a single file.
    pub fn single(size: u64) -> Entries {
        let mut listing = Listing::default();
        listing.push("", size);
        listing.entries
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all files.
    pub fn total(&self) -> u64 {
        self.end.offset
    }

    /// One of them.
    pub fn get(&self, index: usize) -> Option<Entry> {
        self.stride(index / STRIDE).nth(index % STRIDE)
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none of that index.
    #[allow(
        clippy::expect_used,
        reason = "an index that is no file's is the caller's fault"
    )]
    pub fn at(&self, index: u32) -> Entry {
        self.get(index as usize).expect("an entry that there is")
    }

    /// The path of one of them below the folder, components joined with `/`; empty for a single file,
    /// or if there is none of that index.
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

    /// All of them, in the order of their bytes.
    pub fn iter(&self) -> Iter<'_> {
        self.stride(0)
    }

    /// The paths of all.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        self.iter().map(|entry| self.path(entry.index))
    }

    /// Those from byte `offset` of the whole on. Empty files end where the one before them does.
    pub fn iter_from(&self, offset: u64) -> Iter<'_> {
        let begun = self.marks.partition_point(|mark| mark.offset <= offset);
        let mut iter = self.stride(begun.saturating_sub(1));
        let mut rest = iter.clone();
        while rest.next().is_some_and(|entry| entry.end() <= offset) {
            iter = rest.clone();
        }
        iter
    }

    /// Those from a mark on.
    fn stride(&self, stride: usize) -> Iter<'_> {
        let place = self.marks.get(stride).copied().unwrap_or(self.end);
        Iter {
            entries: self,
            index: stride.saturating_mul(STRIDE).min(self.count),
            place,
        }
    }
}

/// An iterator over entries: see [`Entries::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    entries: &'a Entries,
    index: usize,
    place: Place,
}

/// All that is kept of an entry.
struct Read<'a> {
    /// Bytes that its path shares with the one before.
    shared: usize,
    rest: &'a str,
    entry: Entry,
}

impl<'a> Iter<'a> {
    fn read(&mut self) -> Option<Read<'a>> {
        let (shared, rest, size) = (self.number()?, self.number()?, self.number()?);
        let start = self.place.rest as usize;
        let rest_end = start.saturating_add(rest as usize);
        let entry = Entry {
            // Each has a place in the rests, and these fit.
            index: self.index as u32,
            size,
            offset: self.place.offset,
        };
        let rest = self.entries.rests.get(start..rest_end)?;
        self.index = self.index.saturating_add(1);
        (self.place.rest, self.place.offset) = (rest_end as u32, entry.end());
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
            let byte = *self.entries.numbers.get(self.place.numbers as usize)?;
            self.place.numbers = self.place.numbers.saturating_add(1);
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
                prop_assert_eq!((entries.get(index), entries.path(index as u32)), (None, String::new()));
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
