//! The files of a folder, or the single file: paths and sizes, one after the other.
//!
//! A folder may have 32,768 of them, so there is no string for each: all paths stand in one text, and
//! an entry is two numbers, 12 bytes beside its path. Invariant: as many ends of paths as of bytes, and
//! neither ever decrease.

use crate::limits::ENTRIES_MAX;

/// Paths and sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    paths: String,
    /// Where each path ends in `paths`.
    path_ends: Vec<u32>,
    /// Where each file ends, in bytes from the start of the whole.
    ends: Vec<u64>,
}

/// One file of a folder, or the single file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its path below the folder, components joined with `/`; empty for a single file.
    pub path: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// Where it begins, in bytes from the start of the whole.
    pub offset: u64,
}

impl Entries {
    /// Appends a file. Sizes beyond what a number holds count as that.
    ///
    /// # Panics
    /// When all paths together have 4 GiB.
    #[allow(clippy::expect_used, reason = "that many paths fit no limit")]
    pub fn push(&mut self, path: &str, size: u64) {
        self.paths.push_str(path);
        let path_end = u32::try_from(self.paths.len()).expect("paths are bounded");
        self.path_ends.push(path_end);
        self.ends.push(self.total().saturating_add(size));
    }

    /// None, and room for so many whose paths have so many bytes.
    pub fn with_capacity(count: usize, paths_size: usize) -> Entries {
        Entries {
            paths: String::with_capacity(paths_size),
            path_ends: Vec::with_capacity(count),
            ends: Vec::with_capacity(count),
        }
    }

    /// Where each file ends, in bytes from the start of the whole.
    pub fn into_ends(self) -> Vec<u64> {
        self.ends
    }

    /// Gives back room that was taken in advance: nothing is appended any more.
    pub fn shrink(&mut self) {
        self.paths.shrink_to_fit();
        self.path_ends.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all paths.
    pub fn paths_size(&self) -> usize {
        self.paths.len()
    }

    /// Bytes of all files.
    pub fn total(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// One of them.
    pub fn get(&self, index: usize) -> Option<Entry<'_>> {
        let end = *self.ends.get(index)?;
        let path_end = *self.path_ends.get(index)? as usize;
        let before = index.checked_sub(1);
        let offset = before.and_then(|before| self.ends.get(before)).copied();
        let path_start = before.and_then(|before| self.path_ends.get(before));
        let offset = offset.unwrap_or(0);
        let path_start = path_start.copied().unwrap_or(0) as usize;
        Some(Entry {
            path: self.paths.get(path_start..path_end)?,
            size: end.saturating_sub(offset),
            offset,
        })
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none of that index.
    #[allow(
        clippy::expect_used,
        reason = "an index that is no file's is the caller's fault"
    )]
    pub fn at(&self, index: u32) -> Entry<'_> {
        self.get(index as usize).expect("an entry that there is")
    }

    /// All of them, in the order of their bytes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Entry<'_>> + Clone {
        (0..self.len().min(ENTRIES_MAX) as u32).map(|index| self.at(index))
    }
}

impl<P: AsRef<str>> FromIterator<(P, u64)> for Entries {
    fn from_iter<T: IntoIterator<Item = (P, u64)>>(files: T) -> Entries {
        let mut entries = Entries::default();
        for (path, size) in files {
            entries.push(path.as_ref(), size);
        }
        entries.shrink();
        entries
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_are_what_was_pushed(files in prop::collection::vec(("[a-zé/]{0,9}", 0u64..99), 0..20)) {
            let entries: Entries = files.iter().cloned().collect();
            let mut offset = 0;
            for (index, (path, size)) in files.iter().enumerate() {
                let (path, size) = (path.as_str(), *size);
                prop_assert_eq!(entries.get(index), Some(Entry { path, size, offset }));
                offset += size;
            }
            prop_assert_eq!((entries.len(), entries.total()), (files.len(), offset));
            prop_assert_eq!(entries.get(files.len()), None);
            prop_assert_eq!(entries.iter().count(), files.len());
            prop_assert_eq!(entries.into_ends().last().copied().unwrap_or(0), offset);
        }
    }
}
