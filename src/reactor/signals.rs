//! SIGINT and SIGTERM as readable sources of the poll; SIGHUP, too, where it is asked for; and
//! SIGCONT.
//!
//! A signal's handler sets a flag and writes one byte into a socket pair; nothing else happens
//! outside the loop. SIGPIPE is ignored by Rust's runtime already: a broken stream is an error of
//! `send`. SIGHUP is left to the system unless it is asked for: a share under `nohup` ignores it.
//! SIGCONT is the loop's own: nothing else tells it for certain that the process stood still. It
//! only has a flag, because a poll that had something to report before the stop does not report a
//! pipe.
//!
//! Invariant: a signal that ends the node is reported before one that does not.

use super::error::Error;
use super::token::Source;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signals that are caught.
pub struct Signals {
    caught: Vec<Caught>,
    handlers: Vec<SigId>,
    receiver: UnixStream,
    sender: OwnedFd,
}

struct Caught {
    signal: i32,
    has_come: Arc<AtomicBool>,
}

impl Signals {
    /// Catches the signals that end a node, and SIGCONT, from now on.
    pub fn catch(registry: &Registry) -> Result<Signals, Error> {
        let failed = |error| Error::new("catch signals", error);
        let (mut receiver, sender) = UnixStream::pair().map_err(failed)?;
        let token = Source::Signals.token();
        registry
            .register(&mut receiver, token, Interest::READABLE)
            .map_err(failed)?;
        let mut signals = Signals {
            caught: Vec::new(),
            handlers: Vec::new(),
            receiver,
            sender: sender.into(),
        };
        for signal in [SIGINT, SIGTERM, SIGCONT] {
            signals.add(signal)?;
        }
        Ok(signals)
    }

    pub fn catch_hangup(&mut self) -> Result<(), Error> {
        match self.caught.iter().any(|caught| caught.signal == SIGHUP) {
            true => Ok(()),
            false => self.add(SIGHUP),
        }
    }

    fn add(&mut self, signal: i32) -> Result<(), Error> {
        let failed = |error| Error::new(format!("catch signal {signal}"), error);
        let has_come = Arc::new(AtomicBool::new(false));
        // Handlers run in this order: the flag is set before the poll wakes.
        let handler = flag::register(signal, Arc::clone(&has_come)).map_err(failed)?;
        self.handlers.push(handler);
        self.caught.push(Caught { signal, has_come });
        if signal != SIGCONT {
            let sender = self.sender.try_clone().map_err(failed)?;
            let handler = low_level::pipe::register(signal, sender).map_err(failed)?;
            self.handlers.push(handler);
        }
        Ok(())
    }

    /// The poll says that the pipe can be read: empties it.
    pub fn handle_readable(&mut self) {
        let mut bytes = [0; 16];
        loop {
            match self.receiver.read(&mut bytes) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// The next signal that has come, by its number.
    pub fn next(&mut self) -> Option<i32> {
        let mut caught = self.caught.iter().filter(|caught| caught.signal != SIGCONT);
        Some(caught.find(|caught| caught.take())?.signal)
    }

    /// Whether the process was stopped (SIGSTOP, a shell's Ctrl-Z) and continues; reported once.
    pub fn has_continued(&mut self) -> bool {
        let mut caught = self.caught.iter();
        caught.any(|caught| caught.signal == SIGCONT && caught.take())
    }
}

impl Caught {
    fn take(&self) -> bool {
        self.has_come.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for &handler in &self.handlers {
            low_level::unregister(handler);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Duration;

    #[test]
    fn a_signal_wakes_the_poll_and_is_reported_once_and_those_that_end_a_node_first() {
        let mut poll = Poll::new().unwrap();
        let mut signals = Signals::catch(poll.registry()).unwrap();
        signals.catch_hangup().unwrap();
        signals.catch_hangup().unwrap();
        assert_eq!(signals.next(), None);
        low_level::raise(SIGHUP).unwrap();
        low_level::raise(SIGCONT).unwrap();
        low_level::raise(SIGTERM).unwrap();
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(10)))
            .unwrap();
        let mut sources = events.iter().map(|event| Source::of(event.token()));
        assert!(sources.all(|source| source == Source::Signals));
        assert!(!events.is_empty());
        signals.handle_readable();
        assert_eq!(signals.next(), Some(SIGTERM));
        assert_eq!(signals.next(), Some(SIGHUP));
        assert_eq!(signals.next(), None);
        assert!(signals.has_continued() && !signals.has_continued());
    }
}
