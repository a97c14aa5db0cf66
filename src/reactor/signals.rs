//! SIGINT and SIGTERM as readable sources of the poll.
//!
//! A signal's handler writes one byte into a socket pair; nothing else happens outside the loop.
//! SIGPIPE is ignored by Rust's runtime already: a broken stream is an error of `send`.

use super::error::Error;
use super::token::Source;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;
use std::io::{self, Read};

/// The signals that end a node cleanly.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// The pipes of the signals that are caught.
pub struct Signals(Vec<Pipe>);

struct Pipe {
    signal: i32,
    handler: SigId,
    receiver: UnixStream,
}

impl Signals {
    /// Catches the signals from now on.
    pub fn catch(registry: &Registry) -> Result<Signals, Error> {
        let pipes = SIGNALS.iter().enumerate().map(|(index, &signal)| {
            Pipe::open(registry, index, signal)
                .map_err(|error| Error::new(format!("catch signal {signal}"), error))
        });
        Ok(Signals(pipes.collect::<Result<_, _>>()?))
    }

    /// Empties the pipe at `index`; the signal's number when there was one.
    pub fn take(&mut self, index: usize) -> Option<i32> {
        let pipe = &mut self.0[index];
        let mut arrived = false;
        let mut bytes = [0; 16];
        loop {
            match pipe.receiver.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => arrived = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        arrived.then_some(pipe.signal)
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
    fn a_signal_wakes_the_poll_and_is_taken_once() {
        let mut poll = Poll::new().unwrap();
        let mut signals = Signals::catch(poll.registry()).unwrap();
        assert_eq!(signals.take(1), None);
        low_level::raise(SIGTERM).unwrap();
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(10)))
            .unwrap();
        let sources: Vec<_> = events
            .iter()
            .map(|event| Source::of(event.token()))
            .collect();
        assert_eq!(sources, [Source::Signal(1)]);
        assert_eq!(signals.take(1), Some(SIGTERM));
        assert_eq!(signals.take(1), None);
    }
}
