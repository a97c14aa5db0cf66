//! The data path of the disk: ranges of files are read, written, and sent.
//!
//! A file is checked (`fstat`) before some of its uses: is it still as expected? A check costs a
//! system call, so not every operation has one. An open descriptor never refers to another file, so
//! *which* file it is needs one check after each `open`. That a *part* was never shorter needs one
//! before each write of its last byte, and one at the end: after a cut, only such a write makes it
//! as long as it was, so one of the two finds out. A *shared* file may be edited at any time, so
//! each range that is served has its check. The others, once in [`LOOK_SIZE`] bytes, only let a
//! fetch that cannot succeed fail early.
//!
//! Invariant: no byte is written to a file that is not as expected.

use super::Disk;
use super::fault::Fault;
use super::fingerprint::Fingerprint;
use super::openat::{self, Access};
use crate::limits::LOOK_SIZE;
use crate::node::{DiskError, FileRange};
use rustix::fs::{Advice, fadvise};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// When a file is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Now,
    /// Only after an `open`, and once in [`LOOK_SIZE`] bytes.
    Due,
}

impl Disk {
    /// Writes all of `bytes` to the range, into the page cache.
    ///
    /// Nothing here starts the write-back: on a disk held to 10 MB/s, the call that does so held
    /// the loop up for 1.2 s, and without it the longest pause was 21 ms. The `fdatasync` of a
    /// checkpoint writes it all out, and the node asks for no more than the disk takes
    /// (`swarm/checkpoint`).
    pub fn write(&mut self, range: FileRange, bytes: &[u8]) -> Result<(), DiskError> {
        let length = u64::from(range.length);
        assert_eq!(bytes.len() as u64, length, "a range is written whole");
        let files = self.find(range.swarm);
        let entry = files.and_then(|files| files.layout.names.get(range.entry as usize));
        let check = match entry.is_some_and(|entry| range.offset + length >= entry.size) {
            true => Check::Now,
            false => Check::Due,
        };
        let result = self.with_file(range, check, "write", |file| {
            file.write_all_at(bytes, range.offset)
        });
        self.written += length;
        let files = self.find_mut(range.swarm);
        if let Some(row) = files.and_then(|files| files.rows.get_mut(range.entry as usize)) {
            // Also after a failure: some of it may have been written.
            row.is_dirty = true;
        }
        result
    }

    /// Fills `buffer` from the range, whose length it has.
    pub fn read(&mut self, range: FileRange, buffer: &mut [u8]) -> Result<(), DiskError> {
        assert_eq!(buffer.len(), range.length as usize, "a range is read whole");
        self.advice += u64::from(range.offset == 0);
        self.with_file(range, Check::Due, "read", |file| {
            if range.offset == 0 {
                // Hashing and verifying read a file from its beginning to its end. Advice only.
                let _ = fadvise(file, 0, None, Advice::Sequential);
            }
            file.read_exact_at(buffer, range.offset)
        })
    }

    /// Checks, before the first byte of a range is sent, that its file is still the shared one.
    pub fn begin_send(&mut self, range: FileRange) -> Result<(), DiskError> {
        self.with_file(range, Check::Now, "serve", |_| Ok(()))
    }

    /// Has the range read ahead, so that sending it waits less. Advice only.
    pub fn read_ahead(&mut self, range: FileRange) {
        self.advice += 1;
        // A failure is reported when the range is sent.
        let _ = self.open(range, Check::Due, "read", |file| {
            let length = NonZeroU64::new(range.length.into());
            let _ = fadvise(file, range.offset, length, Advice::WillNeed);
            Ok(())
        });
    }

    /// Calls `send` with the open file of a range, or of the rest of one, that was begun. The inner
    /// result is the socket's.
    pub fn send(
        &mut self,
        range: FileRange,
        send: impl FnOnce(&File) -> Result<usize, Errno>,
    ) -> Result<Result<usize, Errno>, DiskError> {
        self.with_file(range, Check::Due, "serve", |file| match send(file) {
            // `sendfile` reports nothing at the end of the file; the range has bytes left, so it
            // was cut.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(
                errno @ (Errno::IO | Errno::INVAL | Errno::STALE | Errno::OVERFLOW | Errno::UCLEAN),
            ) => Err(errno.into()),
            result => Ok(result),
        })
    }

    /// Does `work` with the open file of a range; a failure's words are kept.
    fn with_file<T>(
        &mut self,
        range: FileRange,
        check: Check,
        operation: &'static str,
        work: impl FnOnce(&File) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let result = self.open(range, check, operation, work);
        self.keep(range.swarm, result)
    }

    fn open<T>(
        &mut self,
        range: FileRange,
        check: Check,
        operation: &'static str,
        work: impl FnOnce(&File) -> io::Result<T>,
    ) -> Result<T, Fault> {
        let FileRange { swarm, entry, .. } = range;
        let index = entry as usize;
        let slot = self
            .swarms
            .get(swarm.slot as usize)
            .and_then(Option::as_ref);
        let files = slot.filter(|files| files.swarm == swarm && index < files.len());
        let Some(files) = files else {
            let path = Path::new("a file of a swarm that is gone");
            let error = DiskError::NotFound;
            return Err(Fault::because(error, "open", path, "it is gone"));
        };
        let path = || files.layout.entry_path(entry);
        let access = match files.is_written() {
            true => Access::Write,
            false => Access::Read,
        };
        let open = self.open.find(swarm, entry, || {
            openat::open(
                &files.layout.folder,
                &files.layout.inner_path(entry),
                access,
            )
            .map_err(|error| Fault::new("open", &path(), error))
        })?;
        let is_due = check == Check::Now || open.unchecked.is_none_or(|size| size >= LOOK_SIZE);
        if is_due && files.expected(index).is_some() {
            self.looks += 1;
            open.unchecked = None;
            let now = open.file.metadata();
            let now = now.map_err(|error| Fault::new("look at", &path(), error))?;
            let operation = if files.is_written() { "use" } else { "serve" };
            files
                .check(index, &Fingerprint::of(&now))
                .map_err(|(error, why)| Fault::because(error, operation, &path(), why))?;
        }
        let unchecked = if is_due {
            0
        } else {
            open.unchecked.unwrap_or(0)
        };
        open.unchecked = Some(unchecked + u64::from(range.length));
        work(&open.file).map_err(|error| Fault::new(operation, &path(), error))
    }
}
