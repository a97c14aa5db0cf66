//! SIGINT, SIGTERM and SIGCONT as readable sources of the poll; SIGHUP, too, for who wants it.
//!
//! A signal's handler writes one byte into a socket pair; nothing else happens outside the loop.
//! SIGPIPE is ignored by Rust's runtime already: a broken stream is an error of `send`. SIGHUP is left
//! to the system unless it is asked for: who starts a share with `nohup` wants it ignored. SIGCONT is
//! the loop's own: nothing else tells it for certain that the process stood still.
//!
//! Invariant: a signal that ends the node is told before one that does not.

use super::error::Error;
use super::token::Source;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::SigId;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level;
use std::io::{self, Read};

/// The signals that are always caught: those that end a node cleanly, and that a stop is over.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGCONT];

/// The pipes of the signals that are caught.
pub struct Signals(Vec<Pipe>);

struct Pipe {
    signal: i32,
    has_come: bool,
    handler: SigId,
    receiver: UnixStream,
}

impl Signals {
    /// Catches the signals that every node heeds from now on.
    pub fn catch(registry: &Registry) -> Result<Signals, Error> {
        let mut signals = Signals(Vec::new());
        for signal in SIGNALS {
            signals.add(registry, signal)?;
        }
        Ok(signals)
    }

    /// Catches SIGHUP, too.
    pub fn catch_hangup(&mut self, registry: &Registry) -> Result<(), Error> {
        match self.0.iter().any(|pipe| pipe.signal == SIGHUP) {
            true => Ok(()),
            false => self.add(registry, SIGHUP),
        }
    }

    fn add(&mut self, registry: &Registry, signal: i32) -> Result<(), Error> {
        let pipe = Pipe::open(registry, self.0.len(), signal)
            .map_err(|error| Error::new(format!("catch signal {signal}"), error))?;
        self.0.push(pipe);
        Ok(())
    }

    /// The poll says that the pipe at `index` can be read: empties it.
    pub fn handle_readable(&mut self, index: usize) {
        let pipe = &mut self.0[index];
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

    /// The next signal for the node's owner that has come, by its number.
    pub fn next(&mut self) -> Option<i32> {
        self.take(|signal| signal != SIGCONT)
    }

    /// Whether the process was stopped (SIGSTOP, a shell's Ctrl-Z) and goes on; told once.
    pub fn has_continued(&mut self) -> bool {
        self.take(|signal| signal == SIGCONT).is_some()
    }

    fn take(&mut self, is_meant: impl Fn(i32) -> bool) -> Option<i32> {
        let mut pipes = self.0.iter_mut();
        let pipe = pipes.find(|pipe| pipe.has_come && is_meant(pipe.signal))?;
        pipe.has_come = false;
        Some(pipe.signal)
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
        assert_eq!(sources, [1, 2, 3].map(Source::Signal));
        [3, 2, 1].map(|index| signals.handle_readable(index));
        assert_eq!(signals.next(), Some(SIGTERM));
        assert_eq!(signals.next(), Some(SIGHUP));
        assert_eq!(signals.next(), None);
        assert!(signals.has_continued() && !signals.has_continued());
    }
}
