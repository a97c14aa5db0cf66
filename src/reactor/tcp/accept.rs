//! The TCP listeners, also while no file descriptor is left.
//!
//! `accept` on `EMFILE` leaves the connection in the kernel's queue and, edge-triggered, no event
//! comes again. So one descriptor is kept in reserve: it is given up, the connection accepted and
//! closed at once (so the peer tries another provider), and the reserve taken anew.
//! When even that fails, the listeners are tried again after 200 ms and after each connection that
//! we close.
//!
//! Invariant: a listener counts as ready until it has said `WouldBlock`, or until `retry_at`.

use crate::limits::ACCEPT_RETRY;
use crate::reactor::listen::canonical;
use crate::reactor::token::Source;
use crate::time::Instant;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::net::SocketAddr;

/// The TCP listeners of a node.
pub struct Acceptor {
    listeners: Vec<TcpListener>,
    ready: Vec<bool>,
    reserve: Option<File>,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
pub enum Accepted {
    /// A connection, and its other end's canonical address.
    Stream(TcpStream, SocketAddr),
    /// A connection that was closed at once because no descriptor was free.
    Shed,
    /// A failure: of one connection, or until `retry_at`.
    Failed(io::Error),
    Nothing,
}

impl Acceptor {
    pub fn new(registry: &Registry, listeners: Vec<std::net::TcpListener>) -> io::Result<Acceptor> {
        let mut listeners: Vec<_> = listeners.into_iter().map(TcpListener::from_std).collect();
        for (index, listener) in listeners.iter_mut().enumerate() {
            registry.register(
                listener,
                Source::Listener(index).token(),
                Interest::READABLE,
            )?;
        }
        let ready = vec![true; listeners.len()];
        Ok(Acceptor {
            listeners,
            ready,
            reserve: Some(reserve()?),
            retry_at: None,
        })
    }

    /// The poll says that connections wait.
    pub fn handle_readable(&mut self, index: usize) {
        self.ready[index] = true;
    }

    /// Whether some listener has not said `WouldBlock` yet.
    pub fn is_ready(&self) -> bool {
        self.ready.contains(&true)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Tries the listeners again when it is time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry();
        }
    }

    /// A descriptor has been freed: if accepting failed without one, it is tried again.
    pub fn handle_freed(&mut self) {
        if self.retry_at.is_some() {
            self.retry();
        }
    }

    fn retry(&mut self) {
        self.retry_at = None;
        self.ready.fill(true);
        if self.reserve.is_none() {
            self.reserve = reserve().ok();
        }
    }

    pub fn accept(&mut self, now: Instant) -> Accepted {
        while let Some(index) = self.ready.iter().position(|&ready| ready) {
            let error = match self.listeners[index].accept() {
                Ok((stream, from)) => return Accepted::Stream(stream, canonical(from)),
                Err(error) => error,
            };
            match Errno::from_io_error(&error) {
                Some(Errno::AGAIN) => self.ready[index] = false,
                Some(Errno::MFILE | Errno::NFILE) if self.shed(index) => return Accepted::Shed,
                // One connection that broke while it waited: accept(2) says to go on.
                Some(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {
                    return Accepted::Failed(error);
                }
                _ => {
                    self.ready.fill(false);
                    self.retry_at = Some(now + ACCEPT_RETRY);
                    return Accepted::Failed(error);
                }
            }
        }
        Accepted::Nothing
    }

    /// Accepts and closes one connection with the reserved descriptor. False when that fails too.
    fn shed(&mut self, index: usize) -> bool {
        let Some(kept) = self.reserve.take() else {
            return false;
        };
        drop(kept);
        let accepted = self.listeners[index].accept();
        let shed = accepted.is_ok();
        drop(accepted);
        self.reserve = reserve().ok();
        shed
    }
}

fn reserve() -> io::Result<File> {
    File::open("/dev/null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::Poll;
    use std::io::Read;
    use std::net::TcpStream as StdStream;
    use std::process::Command;
    use std::time::Duration;

    fn open() -> (Poll, Acceptor, SocketAddr) {
        let poll = Poll::new().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = Acceptor::new(poll.registry(), vec![listener]).unwrap();
        (poll, acceptor, address)
    }

    #[test]
    fn a_listener_is_ready_until_nobody_waits() {
        let (_poll, mut acceptor, address) = open();
        let other = StdStream::connect(address).unwrap();
        let accepted = acceptor.accept(Instant::ZERO);
        let us = other.local_addr().unwrap();
        assert!(
            matches!(accepted, Accepted::Stream(_, from) if from == us),
            "{accepted:?}"
        );
        assert!(acceptor.is_ready());
        assert!(matches!(acceptor.accept(Instant::ZERO), Accepted::Nothing));
        assert!(!acceptor.is_ready());
    }

    /// Set for the process that [`without_a_descriptor`] has for itself.
    const ALONE: &str = "SPRAT_TEST_ALONE";

    /// It takes every descriptor there is, so it runs in a process of its own, with 40 of them: the
    /// test starts this very program with this very test alone, where the variable is set.
    #[test]
    fn without_a_descriptor_connections_are_shed_and_accepting_resumes() {
        if std::env::var_os(ALONE).is_some() {
            return without_a_descriptor();
        }
        let test = "reactor::tcp::accept::tests::\
                    without_a_descriptor_connections_are_shed_and_accepting_resumes";
        let output = Command::new("sh")
            .args(["-c", "ulimit -n 40; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }

    fn without_a_descriptor() {
        let (_poll, mut acceptor, address) = open();
        let connect = || StdStream::connect(address).unwrap();
        let mut first = connect();
        let second = connect();
        let mut hoard = vec![];
        while let Ok(file) = File::open("/dev/null") {
            hoard.push(file);
        }
        // With the reserve: the connection is closed, and its other end sees that.
        assert!(matches!(acceptor.accept(Instant::ZERO), Accepted::Shed));
        first
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert_eq!(first.read(&mut [0; 1]).unwrap(), 0);
        // Without it: nothing but a later try.
        acceptor.reserve = None;
        hoard.push(File::open("/dev/null").unwrap());
        assert!(matches!(
            acceptor.accept(Instant::ZERO),
            Accepted::Failed(_)
        ));
        assert!(!acceptor.is_ready());
        assert_eq!(acceptor.poll_timeout(), Some(Instant::ZERO + ACCEPT_RETRY));
        acceptor.handle_timeout(Instant::from_micros(1));
        assert!(!acceptor.is_ready());
        hoard.truncate(10);
        acceptor.handle_timeout(Instant::ZERO + ACCEPT_RETRY);
        assert!(acceptor.is_ready() && acceptor.reserve.is_some());
        let accepted = acceptor.accept(Instant::ZERO);
        let us = second.local_addr().unwrap();
        assert!(
            matches!(accepted, Accepted::Stream(_, from) if from == us),
            "{accepted:?}"
        );
    }
}
