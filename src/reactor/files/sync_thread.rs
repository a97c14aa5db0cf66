//! The one helper thread: it waits for the disk, so that the loop does not.
//!
//! `fdatasync` returns when the card has everything, and a slow card takes seconds for 32 MiB; the
//! kernel's only non-blocking form of it is io_uring, whose bindings need `unsafe`. So one thread
//! does nothing but wait in `fsync` and `fdatasync`: it owns no state, decides nothing, and has one
//! file at a time. Everything else stays on the loop's thread. A fetch of 200 MiB onto a device
//! held to 10 MB/s then holds the loop up for 21 ms at most (`sprat get -v` prints it).
//!
//! Invariant: at most one request is under way; its result is taken before the next is made.

use mio::Waker;
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

/// Bytes of the thread's stack: two calls deep.
const STACK_SIZE: usize = 64 * 1024;

/// A file, folder or file system to wait for.
#[derive(Debug)]
pub enum Request {
    /// `fdatasync`: bytes, and the metadata to find them.
    Data(OwnedFd),
    /// `fsync`: of a folder, its names.
    All(OwnedFd),
    /// `syncfs`: everything on the file system, where many files were written.
    FileSystem(OwnedFd),
}

/// The loop's end of the thread.
pub struct SyncThread {
    waker: Arc<Waker>,
    /// Made with the first request: a node that only serves has one thread.
    channels: Option<Channels>,
}

/// Requests to the thread, and its results.
type Channels = (SyncSender<Request>, Receiver<Result<(), Errno>>);

impl SyncThread {
    /// A thread whose results wake the loop by `waker`.
    pub fn new(waker: Waker) -> SyncThread {
        SyncThread {
            waker: Arc::new(waker),
            channels: None,
        }
    }

    /// Begins to wait for the disk; `poll` returns the result.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn request(&mut self, request: Request) -> io::Result<()> {
        let (requests, _) = match &mut self.channels {
            Some(channels) => channels,
            none => none.insert(start(Arc::clone(&self.waker))?),
        };
        requests.try_send(request).map_err(|_| gone())
    }

    /// The result of the request under way, once there is one.
    pub fn poll(&mut self) -> Option<io::Result<()>> {
        let (_, results) = self.channels.as_ref()?;
        match results.try_recv() {
            Ok(result) => Some(result.map_err(io::Error::from)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(gone())),
        }
    }
}

fn start(waker: Arc<Waker>) -> io::Result<Channels> {
    let (requests, inbox) = sync_channel(1);
    let (outbox, results) = sync_channel(1);
    let work = move || {
        // Ends when the loop drops its end.
        while let Ok(request) = inbox.recv() {
            let result = match request {
                Request::Data(file) => rustix::fs::fdatasync(file),
                Request::All(folder) => rustix::fs::fsync(folder),
                Request::FileSystem(file) => rustix::fs::syncfs(file),
            };
            if outbox.send(result).is_err() || waker.wake().is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("sync".into());
    thread.stack_size(STACK_SIZE).spawn(work)?;
    Ok((requests, results))
}

fn gone() -> io::Error {
    io::Error::other("the thread that syncs is gone")
}
