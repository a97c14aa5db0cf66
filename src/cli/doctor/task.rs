//! Work that may never end, in a thread of its own.

use std::sync::mpsc::{self, Receiver};
use std::thread;

/// Runs `work` in a thread that ends with the process at the latest.
pub(super) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    // Sending fails if the work took too long and has no receiver any more.
    thread::spawn(move || drop(sender.send(work())));
    receiver
}
