//! SIGINT and SIGTERM as readable sources of the poll; SIGHUP, too, for who wants it; and SIGCONT.
//!
//! A signal's handler writes one byte into a socket pair, or sets a flag; nothing else happens
//! outside the loop.
//! SIGPIPE is ignored by Rust's runtime already: a broken stream is an error of `send`. SIGHUP is left
//! to the system unless it is asked for: who starts a share with `nohup` wants it ignored. SIGCONT is
//! the loop's own: nothing else tells it for certain that the process stood still. It sets a flag,
//! because a poll that had something to tell before the stop does not tell of a pipe.
//!
//! Invariant: a signal that ends the node is told before one that does not.

use super::error::Error;
use super::token::Source;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signals that end a node cleanly.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// The signals that are caught.
pub struct Signals {
    pipes: Vec<Pipe>,
    has_continued: Arc<AtomicBool>,
    continuing: SigId,
}

struct Pipe {
    signal: i32,
    has_come: bool,
    handler: SigId,
    receiver: UnixStream,
}

impl Signals {
    /// Catches the signals that end a node, and SIGCONT, from now on.
    pub fn catch(registry: &Registry) -> Result<Signals, Error> {
        let has_continued = Arc::new(AtomicBool::new(false));
        let continuing = flag::register(SIGCONT, Arc::clone(&has_continued))
            .map_err(|error| Error::new(format!("catch signal {SIGCONT}"), error))?;
        let mut signals = Signals {
            pipes: Vec::new(),
            has_continued,
            continuing,
        };
        for signal in SIGNALS {
            signals.add(registry, signal)?;
        }
        Ok(signals)
    }

    /// Catches SIGHUP, too.
    pub fn catch_hangup(&mut self, registry: &Registry) -> Result<(), Error> {
        match self.pipes.iter().any(|pipe| pipe.signal == SIGHUP) {
            true => Ok(()),
            false => self.add(registry, SIGHUP),
        }
    }

    fn add(&mut self, registry: &Registry, signal: i32) -> Result<(), Error> {
        let pipe = Pipe::open(registry, self.pipes.len(), signal)
            .map_err(|error| Error::new(format!("catch signal {signal}"), error))?;
        self.pipes.push(pipe);
        Ok(())
    }

    /// The poll says that the pipe at `index` can be read: empties it.
    pub fn handle_readable(&mut self, index: usize) {
        let pipe = &mut self.pipes[index];
        let mut bytes = [0; 16];
        loop {
            match pipe.receiver.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => pipe.has_come = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }

    /// The next signal that has come, by its number.
    pub fn next(&mut self) -> Option<i32> {
        let pipe = self.pipes.iter_mut().find(|pipe| pipe.has_come)?;
        pipe.has_come = false;
        Some(pipe.signal)
    }

    /// Whether the process was stopped (SIGSTOP, a shell's Ctrl-Z) and goes on; told once.
    pub fn has_continued(&mut self) -> bool {
        self.has_continued.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        low_level::unregister(self.continuing);
    }
}

impl Pipe {
    fn open(registry: &Registry, index: usize, signal: i32) -> io::Result<Pipe> {
        let (mut receiver, sender) = UnixStream::pair()?;
        registry.register(
            &mut receiver,
            Source::Signal(index).token(),
            Interest::READABLE,
        )?;
        // The handler owns a blocking-free copy of the sending end.
        let sender = std::os::fd::OwnedFd::from(sender);
        let handler = low_level::pipe::register(signal, sender)?;
        Ok(Pipe {
            signal,
            has_come: false,
            handler,
            receiver,
        })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        low_level::unregister(self.handler);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Duration;

    #[test]
    fn a_signal_wakes_the_poll_and_is_told_once_and_those_that_end_a_node_first() {
        let mut poll = Poll::new().unwrap();
        let mut signals = Signals::catch(poll.registry()).unwrap();
        signals.catch_hangup(poll.registry()).unwrap();
        signals.catch_hangup(poll.registry()).unwrap();
        assert_eq!(signals.next(), None);
        low_level::raise(SIGHUP).unwrap();
        low_level::raise(SIGCONT).unwrap();
        low_level::raise(SIGTERM).unwrap();
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(10)))
            .unwrap();
        let mut sources: Vec<_> = events
            .iter()
            .map(|event| Source::of(event.token()))
            .collect();
        sources.sort_by_key(|source| source.token());
        assert_eq!(sources, [Source::Signal(1), Source::Signal(2)]);
        signals.handle_readable(2);
        signals.handle_readable(1);
        assert_eq!(signals.next(), Some(SIGTERM));
        assert_eq!(signals.next(), Some(SIGHUP));
        assert_eq!(signals.next(), None);
        assert!(signals.has_continued() && !signals.has_continued());
    }
}
