//! The control socket: one request a connection from this machine's users, one answer in lines.
//!
//! ```text
//!  accept ─► asking ──a whole line──► waiting ◄───────────┐
//!              │                        │ answer           │ taken: room for more
//!              │ too long, too slow     ▼                  │
//!              └──────────────────► answering ─────────────┘
//!                                       │ end, and all of it taken        closed by its user
//!                                       └──────────────────────► (free) ◄──────── (anywhere)
//! ```
//!
//! What a request means and what an answer says, its owner knows (`cli::control`); here are only
//! bytes. An answer is written as far as its client takes it: the owner is told when there is room
//! again, so a listing of any length needs [`CONTROL_ANSWER_SIZE`] bytes, and the loop never waits.
//!
//! Only the user whom the service runs as can connect: the socket has the mode 0600 before it
//! listens. A socket file that nobody answers at is a dead service's, and replaced. Invariants: a
//! client is told to the owner when its request is whole, and again only when it has been full; a
//! key of one that is gone finds nothing.

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

/// Names one client: place and generation, so that a stale key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey {
    place: usize,
    generation: u64,
}

/// Whether an answer may go on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room for more.
    Some,
    /// The owner is called again when there is.
    None,
    /// The client is gone.
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
    request: Vec<u8>,
    /// Its request is whole.
    has_asked: bool,
    /// The owner is to be called.
    is_due: bool,
    answer: Vec<u8>,
    taken: usize,
    /// The owner had more to say than there was room for.
    was_full: bool,
    /// The answer is whole.
    has_ended: bool,
    readable: bool,
    writable: bool,
    close_at: Option<Instant>,
}

/// How a client's share of a turn ended.
#[derive(PartialEq, Eq)]
enum Rest {
    Waits,
    Over,
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

    // -- the poll's side

    /// Marks the listener or a client as ready, or frees a client that is gone. A client that closes
    /// only its sending half still waits for its answer.
    pub fn handle_ready(&mut self, ready: Readiness) {
        let Some(place) = ready.index.checked_sub(FIRST_CLIENT) else {
            self.is_ready = true;
            return;
        };
        let Some(client) = self.clients.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        client.readable |= ready.is_readable;
        client.writable |= ready.is_writable;
        if ready.is_closed {
            self.clients[place] = None;
        }
    }

    /// Whether there is something to do without waiting for the poll.
    pub fn has_work(&self) -> bool {
        let is_busy =
            |client: &Client| client.can_receive() || client.writable && client.has_unsent();
        let is_due = |client: &Client| client.is_due || is_busy(client);
        self.is_ready || self.clients.iter().flatten().any(is_due)
    }

    /// When to call [`Control::turn`]: at once, or when a client is given up.
    pub fn next_at(&self) -> Option<Instant> {
        if self.has_work() {
            return Some(Instant::ZERO);
        }
        let clients = self.clients.iter().flatten();
        clients.fold(None, |next, client| earliest(next, client.close_at))
    }

    /// Accepts, reads and writes what can be without waiting. All of it is bounded by what one
    /// client's request and answer may be.
    pub fn turn(&mut self, now: Instant, reactor: &mut Reactor) {
        while self.is_ready {
            match self.listener.accept() {
                Ok((socket, _)) => self.take_in(now, reactor, socket),
                // Out of descriptors: whoever waits is taken in with the next who comes.
                Err(error) => self.is_ready = error.kind() == ErrorKind::Interrupted,
            }
        }
        for place in &mut self.clients {
            let rest = place.as_mut().map(|client| client.turn(now));
            if rest == Some(Rest::Over) {
                // Closing takes a socket out of the poll.
                *place = None;
            }
        }
    }

    fn take_in(&mut self, now: Instant, reactor: &mut Reactor, mut socket: UnixStream) {
        let free = self.clients.iter().position(Option::is_none);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = free.map(|place| {
            let index = FIRST_CLIENT + place;
            (place, reactor.register(&mut socket, index, interest))
        });
        let Some((place, Ok(()))) = registered else {
            // It fits the socket's buffer.
            let _ = socket.write(b".1 the service has as many clients as it takes (try again)\n");
            return;
        };
        self.accepted += 1;
        self.clients[place] = Some(Client::new(now, socket, self.accepted));
    }

    // -- the owner's side

    /// The next client that the owner is to look after: it has asked, or has room for more.
    pub fn poll_client(&mut self) -> Option<ClientKey> {
        let mut clients = self.clients.iter_mut().enumerate();
        let (place, client) = clients
            .find_map(|(place, client)| Some((place, client.as_mut().filter(|c| c.is_due)?)))?;
        client.is_due = false;
        Some(ClientKey {
            place,
            generation: client.generation,
        })
    }

    /// The request of a client that has asked, without its line's end.
    pub fn request(&self, key: ClientKey) -> Option<&[u8]> {
        let client = self.clients.get(key.place)?.as_ref()?;
        let is_it = client.generation == key.generation && client.has_asked;
        is_it.then_some(&client.request)
    }

    /// Adds a line to the answer, whatever room there is, and says whether another may follow.
    pub fn answer(&mut self, key: ClientKey, line: &str) -> Room {
        let Some(client) = self.find(key) else {
            return Room::Gone;
        };
        client.answer.extend_from_slice(line.as_bytes());
        client.answer.push(b'\n');
        client.was_full = client.answer.len() - client.taken >= CONTROL_ANSWER_SIZE;
        match client.was_full {
            true => Room::None,
            false => Room::Some,
        }
    }

    /// The answer is whole: the client is closed when it has taken all of it.
    pub fn end(&mut self, key: ClientKey) {
        if let Some(client) = self.find(key) {
            client.has_ended = true;
            client.was_full = false;
        }
    }

    fn find(&mut self, key: ClientKey) -> Option<&mut Client> {
        let client = self.clients.get_mut(key.place)?.as_mut()?;
        (client.generation == key.generation && !client.has_ended).then_some(client)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Whoever asks now learns that no service runs. If it fails, the next service replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

impl Client {
    fn new(now: Instant, socket: UnixStream, generation: u64) -> Client {
        Client {
            socket,
            generation,
            request: Vec::new(),
            has_asked: false,
            is_due: false,
            answer: Vec::new(),
            taken: 0,
            was_full: false,
            has_ended: false,
            readable: true,
            writable: true,
            close_at: Some(now + CONTROL_ASK_TIMEOUT),
        }
    }

    fn can_receive(&self) -> bool {
        self.readable && !self.has_asked
    }

    fn has_unsent(&self) -> bool {
        self.taken < self.answer.len()
    }

    fn turn(&mut self, now: Instant) -> Rest {
        if self.receive().is_err() || self.send(now).is_err() {
            return Rest::Over;
        }
        let is_late = self.close_at.is_some_and(|at| at <= now);
        match is_late || self.has_ended && !self.has_unsent() {
            true => Rest::Over,
            false => Rest::Waits,
        }
    }

    /// Reads up to the end of the request; what follows it is left where it is.
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
            self.has_asked = true;
            self.has_ended = true;
            self.request = Vec::new();
            self.answer = b".1 the request is too long\n".to_vec();
        } else if end.is_some() {
            (self.has_asked, self.is_due) = (true, true);
            // Its answer may take the service hours.
            self.close_at = None;
        }
    }

    fn send(&mut self, now: Instant) -> io::Result<()> {
        while self.writable && self.has_unsent() {
            match self.socket.write(&self.answer[self.taken..]) {
                Ok(count) => {
                    self.taken += count;
                    self.close_at = Some(now + CONTROL_TAKE_TIMEOUT);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if !self.has_unsent() {
            self.answer.clear();
            self.taken = 0;
            if self.has_asked {
                self.close_at = None;
            }
            self.is_due |= std::mem::take(&mut self.was_full);
        } else if self.close_at.is_none() {
            self.close_at = Some(now + CONTROL_TAKE_TIMEOUT);
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
    // Where a system does not take the mode over, nobody can connect before `listen`.
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
    socket.listen(CONTROL_CLIENTS_MAX as i32)?;
    Ok(UnixListener::from_std(
        std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket)),
    ))
}

#[cfg(test)]
mod tests;
