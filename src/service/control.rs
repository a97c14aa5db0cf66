//! The control socket: one request a connection from this machine's users, one answer in lines.
//!
//! ```text
//!            a whole line            poll_client            answer: no room
//!  Asking ──────────────────► Due ────────────────► Called ─────────────────► Full
//!    │                         ▲                      │                         │
//!    │ too long                └──────────────────────│──── send: all is sent ──┘
//!    ▼                                                ▼ end
//!  Ended ◄────────────────────────────────────────────┘
//!    └─ send: all is sent ─► (free) ◄─ closed by its user, or too slow (any stage)
//! ```
//!
//! An answer is written as far as its client takes it, so a listing of any length needs
//! [`CONTROL_ANSWER_SIZE`] bytes, and the loop never waits. Not here: what a request means, and how
//! an answer is made (`answers`).
//!
//! Only the user that the service runs as can connect: the socket has the mode 0600 before it
//! listens. A socket file without a service behind it is replaced. Invariants: a client is due when
//! its request is whole, and again only after it was full; the key of a client that is gone finds
//! nothing.

use super::line::Line;
use crate::limits::{
    CONTROL_ANSWER_SIZE, CONTROL_ASK_TIMEOUT, CONTROL_CLIENTS_MAX, CONTROL_REQUEST_MAX,
    CONTROL_TAKE_TIMEOUT, SOCKET_PATH_MAX,
};
use crate::reactor::{Error, Reactor, Readiness};
use crate::time::{Instant, earliest};
use mio::Interest;
use mio::net::{UnixListener, UnixStream};
use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// The listener's index among the sources of the reactor's owner.
const LISTENER: usize = 0;
/// The index of the first client.
const FIRST_CLIENT: usize = 1;

/// Names one client: slot and generation, so that a stale key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey {
    slot: usize,
    generation: u64,
}

/// Whether another line of an answer may follow now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room for more.
    Some,
    /// The client is due again when there is.
    None,
    Gone,
}

/// The listener, and the clients that are connected.
pub struct Control {
    path: PathBuf,
    listener: UnixListener,
    is_ready: bool,
    clients: [Option<Client>; CONTROL_CLIENTS_MAX],
    accepted: u64,
}

struct Client {
    socket: UnixStream,
    generation: u64,
    stage: Stage,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Bytes of the answer that its client has taken.
    sent: usize,
    readable: bool,
    writable: bool,
    close_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its request is not whole.
    Asking,
    /// The service is to be called: there is a request, or room again.
    Due,
    Called,
    /// The service has more to say than there is room for.
    Full,
    /// The whole answer has been sent.
    Ended,
}

impl Control {
    /// Listens at `path`, in a folder that this process has for itself or for its user.
    ///
    /// # Errors
    /// When the path is too long, something else than a socket stands there, or a service answers.
    pub fn open(reactor: &mut Reactor, path: &Path) -> Result<Control, Error> {
        let doing = || format!("open the control socket {}", path.display());
        let failed = |error| Error::new(doing(), error);
        if path.as_os_str().len() > SOCKET_PATH_MAX {
            let why = format!("its path is longer than {SOCKET_PATH_MAX} bytes");
            return Err(Error::because(doing(), &why).with_hint("name a shorter folder with -d"));
        }
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(Error::because(doing(), "something else has that name"));
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(Error::because(doing(), "another service answers there"));
            }
            Ok(_) => fs::remove_file(path).map_err(failed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut listener = listen(path).map_err(failed)?;
        reactor
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(failed)?;
        Ok(Control {
            path: path.to_owned(),
            listener,
            is_ready: true,
            clients: [const { None }; CONTROL_CLIENTS_MAX],
            accepted: 0,
        })
    }

    /// Marks the listener or a client as ready, or frees a client that is gone. A client that
    /// closes only its sending half still waits for its answer.
    pub fn handle_ready(&mut self, ready: Readiness) {
        let Some(slot) = ready.index.checked_sub(FIRST_CLIENT) else {
            self.is_ready = true;
            return;
        };
        if let Some(client) = &mut self.clients[slot] {
            client.readable |= ready.is_readable;
            client.writable |= ready.is_writable;
            if ready.is_closed {
                self.clients[slot] = None;
            }
        }
    }

    /// When to call [`Control::turn`]: at once, or when a client is too slow.
    pub fn next_at(&self) -> Option<Instant> {
        let clients = || self.clients.iter().flatten();
        match self.is_ready || clients().any(Client::has_work) {
            true => Some(Instant::ZERO),
            false => clients().fold(None, |next, client| earliest(next, client.close_at)),
        }
    }

    /// Accepts, reads and writes as far as possible without waiting. All of it is bounded by the
    /// sizes of a request and of an answer.
    pub fn turn(&mut self, now: Instant, reactor: &mut Reactor) {
        while self.is_ready {
            match self.listener.accept() {
                Ok((socket, _)) => self.insert(now, reactor, socket),
                // `EMFILE`: pending connections are accepted together with the next one.
                Err(error) => self.is_ready = error.kind() == ErrorKind::Interrupted,
            }
        }
        for slot in &mut self.clients {
            // Closing takes a socket out of the poll.
            slot.take_if(|client| client.turn(now).is_err());
        }
    }

    fn insert(&mut self, now: Instant, reactor: &mut Reactor, mut socket: UnixStream) {
        let free = self.clients.iter().position(Option::is_none);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let mut register = |slot| reactor.register(&mut socket, FIRST_CLIENT + slot, interest);
        let Some(slot) = free.filter(|&slot| register(slot).is_ok()) else {
            let why = "the service has as many clients as it takes (try again)";
            // It fits the socket's buffer.
            let _ = writeln!(socket, "{}", Line::End(1, why.into()).emit());
            return;
        };
        self.accepted += 1;
        self.clients[slot] = Some(Client {
            socket,
            generation: self.accepted,
            stage: Stage::Asking,
            request: Vec::new(),
            answer: Vec::new(),
            sent: 0,
            readable: true,
            writable: true,
            close_at: Some(now + CONTROL_ASK_TIMEOUT),
        });
    }

    /// The next client that is due: it has asked, or has room for more.
    pub fn poll_client(&mut self) -> Option<ClientKey> {
        self.clients
            .iter_mut()
            .enumerate()
            .find_map(|(slot, client)| {
                let client = client
                    .as_mut()
                    .filter(|client| client.stage == Stage::Due)?;
                client.stage = Stage::Called;
                let generation = client.generation;
                Some(ClientKey { slot, generation })
            })
    }

    /// The request of a client that has asked, without its line's end.
    pub fn request(&self, key: ClientKey) -> Option<&[u8]> {
        let client = self.clients[key.slot].as_ref()?;
        let is_it = client.generation == key.generation && client.stage != Stage::Asking;
        is_it.then_some(&client.request)
    }

    /// Adds a line to the answer, whatever room there is, and says whether another may follow.
    pub fn answer(&mut self, key: ClientKey, line: &str) -> Room {
        let Some(client) = self.find(key) else {
            return Room::Gone;
        };
        client.answer.extend_from_slice(line.as_bytes());
        client.answer.push(b'\n');
        let (stage, room) = match client.answer.len() - client.sent >= CONTROL_ANSWER_SIZE {
            true => (Stage::Full, Room::None),
            false => (Stage::Called, Room::Some),
        };
        client.stage = stage;
        room
    }

    /// The answer is whole: the client is closed when it has taken all of it.
    pub fn end(&mut self, key: ClientKey) {
        if let Some(client) = self.find(key) {
            client.stage = Stage::Ended;
        }
    }

    fn find(&mut self, key: ClientKey) -> Option<&mut Client> {
        let client = self.clients[key.slot].as_mut()?;
        (client.generation == key.generation && client.stage != Stage::Ended).then_some(client)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A client learns now that no service runs. If this fails, the next service replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

impl Client {
    fn can_receive(&self) -> bool {
        self.readable && self.stage == Stage::Asking
    }

    fn has_unsent(&self) -> bool {
        self.sent < self.answer.len()
    }

    /// Whether there is something to do without waiting for the poll.
    fn has_work(&self) -> bool {
        let can_send = self.writable && self.has_unsent();
        self.stage == Stage::Due || self.can_receive() || can_send
    }

    /// Receives and sends; an error ends it.
    fn turn(&mut self, now: Instant) -> io::Result<()> {
        self.receive()?;
        self.send(now)?;
        let is_late = self.close_at.is_some_and(|at| at <= now);
        match is_late || self.stage == Stage::Ended && !self.has_unsent() {
            true => Err(ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }

    /// Reads up to the end of the request; bytes behind it are dropped.
    fn receive(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        while self.can_receive() {
            match self.socket.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.take(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        self.request
            .extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if self.request.len() > CONTROL_REQUEST_MAX {
            self.stage = Stage::Ended;
            self.request = Vec::new();
            let line = Line::End(1, "the request is too long".into());
            self.answer = (line.emit() + "\n").into_bytes();
        } else if end.is_some() {
            // Its answer may take the service hours.
            (self.stage, self.close_at) = (Stage::Due, None);
        }
    }

    fn send(&mut self, now: Instant) -> io::Result<()> {
        while self.writable && self.has_unsent() {
            match self.socket.write(&self.answer[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.close_at = Some(now + CONTROL_TAKE_TIMEOUT);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.has_unsent() {
            self.close_at.get_or_insert(now + CONTROL_TAKE_TIMEOUT);
            return Ok(());
        }
        self.answer.clear();
        self.sent = 0;
        if self.stage != Stage::Asking {
            self.close_at = None;
        }
        if self.stage == Stage::Full {
            self.stage = Stage::Due;
        }
        Ok(())
    }
}

/// A socket at `path` that only this user can connect to: its mode is set before it has a name.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Some systems do not apply the mode of a socket to its file; no client can connect before
    // `listen`.
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
    socket.listen(CONTROL_CLIENTS_MAX as i32)?;
    Ok(UnixListener::from_std(
        std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket)),
    ))
}

#[cfg(test)]
mod tests;
