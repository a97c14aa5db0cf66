//! The disk of the node under test.

use super::files::File;
use sprat::node::FileRange;

/// The files of one swarm on the disk.
pub struct Disk {
    pub file: Option<&'static File>,
    pub entries: Vec<Vec<u8>>,
}

impl Disk {
    pub fn range(&self, range: FileRange) -> &[u8] {
        let start = range.offset as usize;
        &self.entries[range.entry as usize][start..start + range.length as usize]
    }
}
