//! Open files, at most `OPEN_FILES_MAX`: the one used longest ago is closed for the next.
//!
//! A scan over 32 places is cheaper than anything clever, and each hit saves an `open`. Not here:
//! which file is which, and whether it is still the same one; only when it was last checked.

use crate::limits::OPEN_FILES_MAX;
use crate::node::SwarmKey;
use std::fs::File;

/// The cache of open files.
pub struct OpenFiles {
    open: Vec<Open>,
    clock: u64,
    /// The clock when `close_unused` was called last.
    mark: u64,
}

pub struct Open {
    swarm: SwarmKey,
    entry: u32,
    used_at: u64,
    pub file: File,
    /// Bytes read and written since its last check; none before the first one.
    pub unchecked: Option<u64>,
}

impl OpenFiles {
    /// An empty cache, as large as it will ever be.
    pub fn new() -> OpenFiles {
        OpenFiles {
            open: Vec::with_capacity(OPEN_FILES_MAX),
            clock: 0,
            mark: 0,
        }
    }

    /// The open file of an entry; opened by `open` if it is not there.
    pub fn find<E>(
        &mut self,
        swarm: SwarmKey,
        entry: u32,
        open: impl FnOnce() -> Result<File, E>,
    ) -> Result<&mut Open, E> {
        self.clock += 1;
        let same = |one: &Open| one.swarm == swarm && one.entry == entry;
        let index = match self.open.iter().position(same) {
            Some(index) => index,
            None => {
                if self.open.len() == OPEN_FILES_MAX {
                    self.close_oldest();
                }
                self.open.push(Open {
                    swarm,
                    entry,
                    used_at: 0,
                    file: open()?,
                    unchecked: None,
                });
                self.open.len() - 1
            }
        };
        self.open[index].used_at = self.clock;
        Ok(&mut self.open[index])
    }

    /// Closes the files of a swarm.
    pub fn close(&mut self, swarm: SwarmKey) {
        self.open.retain(|open| open.swarm != swarm);
    }

    /// Closes the files that were not used since it was called last.
    pub fn close_unused(&mut self) {
        self.open.retain(|open| open.used_at > self.mark);
        self.mark = self.clock;
    }

    fn close_oldest(&mut self) {
        let oldest = self
            .open
            .iter()
            .enumerate()
            .min_by_key(|(_, open)| open.used_at);
        if let Some((index, _)) = oldest {
            self.open.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_used_longest_ago_makes_room() {
        let swarm = SwarmKey {
            slot: 0,
            generation: 0,
        };
        let mut files = OpenFiles::new();
        let mut opened = vec![];
        let mut find = |entry: u32| {
            let open = || -> Result<File, std::io::Error> {
                opened.push(entry);
                File::open("/dev/null")
            };
            files.find(swarm, entry, open).unwrap();
            files.open.len()
        };
        let last = OPEN_FILES_MAX as u32;
        for entry in 0..last {
            find(entry);
        }
        find(0);
        assert_eq!(find(last), OPEN_FILES_MAX);
        find(0);
        find(1);
        assert_eq!(opened, (0..=last).chain([1]).collect::<Vec<_>>());
        files.close(swarm);
        assert!(files.open.is_empty());
    }
}
