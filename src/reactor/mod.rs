//! The driver: sockets, timers, signals and files for one [`Node`], on one thread.
//!
//! Read `event_loop` next, then `tcp::transfer` (one stream), then whichever source is of interest:
//! `udp`, `discovery`, `tcp`, `files`, `signals`. The reactor decides nothing about the
//! network: it gives the node one fact, does what the node then asks for, and sleeps until an event
//! or the node's deadline.
//!
//! Invariants: nothing here waits but the poll, and disk work in short pieces; every fact is
//! followed by the node's outputs before the next fact (so a write's bytes still stand in the
//! receive buffer); a readiness that was reported is used up to `WouldBlock` or remembered for the
//! next turn.

mod clock;
pub(crate) mod contacts;
mod discovery;
mod effects;
mod error;
mod event_loop;
mod files;
mod interfaces;
mod lag;
mod listen;
mod owner;
mod owner_sources;
mod saved;
mod signals;
pub(crate) mod state_file;
mod tcp;
mod throttle;
mod token;
mod udp;
pub(crate) mod verified;

pub use error::{Error, words};
pub use files::{OutputPath, Proof, Space, space};
pub use lag::Lag;
pub use listen::{DEFAULT_PORT, try_listening};
pub use owner::prove;
pub use owner_sources::Readiness;
pub use throttle::{LeftOut, Throttle};

use crate::id::{FileId, NodeId};
#[cfg(doc)]
use crate::limits::OWNER_SOURCES_MAX;
use crate::limits::{DATAGRAM_SIZE_MAX, POLL_EVENTS_MAX, RECEIVE_BUFFER_SIZE, STOP_TIMEOUT};
use crate::node::{Config, Event, Node, Refused, SwarmKey};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::{Manifest, Network};
use clock::Clock;
use contacts::ContactsFile;
use discovery::LocalDiscovery;
use event_loop::Throttles;
use files::Disk;
use interfaces::scope_id::ScopeIds;
use mio::{Events, Interest, Poll, Waker, event};
use owner_sources::OwnerSources;
use signals::Signals;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use tcp::Tcp;
use token::Source;
use udp::{DatagramBuffer, UdpSockets};
use verified::VerifiedFile;

/// How a reactor and its node are set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where to listen, UDP and TCP alike, all on one port (0: a free one). Empty: every address,
    /// port 4160.
    pub listen: Vec<SocketAddr>,
    /// The network that the node is part of.
    pub network: Network,
    /// The node's id, which it keeps across restarts.
    pub id: NodeId,
    /// The node asks, but must not be put into tables.
    pub read_only: bool,
}

/// The reason for which [`Reactor::next`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// An event of the node, for its owner.
    Event(Event),
    /// The time given has come.
    Deadline,
    /// SIGINT or SIGTERM, or one of [`Reactor::catch_hangup`], by its number.
    Signal(i32),
    /// A source of the owner's is ready ([`Reactor::register`]).
    Source(Readiness),
}

/// Counters of the loop since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Turns of the loop, each with one `poll`.
    pub turns: u64,
    /// Turns whose `poll` was allowed to sleep.
    pub sleeps: u64,
    /// Events for a stream that had ended already.
    pub stale_tokens: u64,
    /// Datagrams that were received and given to the node.
    pub datagrams_received: u64,
    /// Datagrams that the system has taken.
    pub datagrams_sent: u64,
    /// Datagrams dropped: too long to be ours, refused by the system, or come while the process
    /// was stopped.
    pub datagrams_dropped: u64,
    /// Connections that were accepted, those shed aside.
    pub accepts: u64,
    /// Connections closed at once, because no descriptor or no slot is free.
    pub sheds: u64,
    /// Connections that could not be accepted or made, for a reason of this machine.
    pub connections_failed: u64,
    /// Connections that ended without the goodbye that was meant for them.
    pub goodbyes_lost: u64,
    /// Calls of `recv` on streams.
    pub receives: u64,
    /// Calls of `send` on streams.
    pub sends: u64,
    /// Calls of `sendfile`, for shards.
    pub file_sends: u64,
    /// Calls of `pread`, for verification.
    pub reads: u64,
    /// Calls of `pwrite`, for shards.
    pub writes: u64,
    /// Looks at open files (`fstat`).
    pub looks: u64,
    /// Advice about the use of files (`fadvise`).
    pub advice: u64,
    /// Bytes received on streams, overhead of the dialect included.
    pub bytes_received: u64,
    /// Bytes sent on streams, overhead of the dialect included.
    pub bytes_sent: u64,
}

impl Counters {
    /// System calls of the data path: everything that is done over and over while bytes move.
    pub fn system_calls(&self) -> u64 {
        let sockets = self.receives + self.sends + self.file_sends;
        let datagrams = self.datagrams_received + self.datagrams_sent;
        let files = self.reads + self.writes + self.looks + self.advice;
        self.turns + sockets + datagrams + files
    }
}

/// Caps on what streams carry. Datagrams, and what TCP and IP add, do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Bytes a second that are sent; none: no cap.
    pub up: Option<u64>,
    /// Bytes a second that are asked for; none: no cap.
    pub down: Option<u64>,
    /// Connections to nodes on our own network count as well.
    pub limit_lan: bool,
}

/// A node and everything that it runs on.
pub struct Reactor {
    node: Node,
    network: Network,
    clock: Clock,
    poll: Poll,
    events: Events,
    udp: UdpSockets,
    tcp: Tcp,
    /// Absent when this node does not discover.
    discovery: Option<LocalDiscovery>,
    scope_ids: ScopeIds,
    signals: Signals,
    owner_sources: OwnerSources,
    disk: Disk,
    /// The last turn's budget of background reads ended before the node had no more of them.
    is_reading: bool,
    /// Absent when this node keeps no contacts across restarts.
    contacts: Option<ContactsFile>,
    /// Absent when this node keeps no state.
    verified: Option<VerifiedFile>,
    caps: Caps,
    throttles: Throttles,
    counters: Counters,
    lag: Lag,
    /// Everything received on streams, and everything read from files, passes through here.
    buffer: Box<[u8]>,
    datagram: Box<DatagramBuffer>,
}

impl Reactor {
    /// Binds the sockets, catches SIGINT and SIGTERM, and makes the node.
    ///
    /// # Errors
    /// When an address cannot be listened on, or the process has no descriptors left.
    pub fn new(setup: Setup) -> Result<Reactor, Error> {
        let failed = |error: io::Error| Error::new("start the event loop", error);
        let poll = Poll::new().map_err(failed)?;
        let registry = poll.registry();
        let bound = listen::bind(&setup.listen)?;
        let locals: Vec<_> = bound.iter().map(|bound| bound.address).collect();
        let (udp, tcp) = bound
            .into_iter()
            .map(|bound| (bound.udp, bound.tcp))
            .unzip();
        let waker = Waker::new(registry, Source::SyncThread.token()).map_err(failed)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| failed(io::Error::other(error)))?;
        let clock = Clock::start();
        let config = Config {
            id: setup.id,
            network: setup.network,
            port: locals[0].port(),
            read_only: setup.read_only,
        };
        Ok(Reactor {
            node: Node::new(config, Rng::from_seed(seed), clock.now()),
            network: setup.network,
            clock,
            events: Events::with_capacity(POLL_EVENTS_MAX),
            udp: UdpSockets::new(registry, udp, locals).map_err(failed)?,
            tcp: Tcp::new(registry, tcp).map_err(failed)?,
            discovery: None,
            scope_ids: ScopeIds::default(),
            signals: Signals::catch(registry)?,
            owner_sources: OwnerSources::default(),
            disk: Disk::new(waker),
            is_reading: true,
            contacts: None,
            verified: None,
            caps: Caps::default(),
            throttles: Throttles::default(),
            counters: Counters::default(),
            lag: Lag::default(),
            buffer: vec![0; RECEIVE_BUFFER_SIZE].into_boxed_slice(),
            datagram: Box::new([0; DATAGRAM_SIZE_MAX + 1]),
            poll,
        })
    }

    /// The addresses listened on, with the port that was taken.
    pub fn listening(&self) -> &[SocketAddr] {
        self.udp.locals()
    }

    /// The network that it is part of.
    pub fn network(&self) -> Network {
        self.network
    }

    /// The node, to look at.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The reactor's time, which is the node's.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// SIGHUP no longer ends the process, but is a [`Happening::Signal`].
    ///
    /// # Errors
    /// When the system refuses a handler, or a descriptor for it.
    pub fn catch_hangup(&mut self) -> Result<(), Error> {
        self.signals.catch_hangup()
    }

    /// Caps what streams carry from now on. Whether a stream stays on our own network is looked at
    /// when it is made.
    pub fn limit(&mut self, caps: Caps) {
        self.caps = caps;
        self.node.limit(self.clock.now(), caps.up, caps.down);
        self.drain();
    }

    /// Joins through the node at `address`.
    pub fn bootstrap(&mut self, address: SocketAddr) {
        let address = self.scope_ids.take(address);
        self.node.bootstrap(self.clock.now(), address);
        self.drain();
    }

    /// No longer joins through the node at `address`.
    pub fn forget_bootstrap(&mut self, address: SocketAddr) {
        self.node.forget_bootstrap(address);
    }

    /// Looks for nodes of the local network from now on, and is found by them. Does nothing when
    /// the node listens on loopback addresses only; logs a warning where multicast is not
    /// available.
    pub fn discover(&mut self) {
        let mut locals = self.udp.locals().iter();
        if locals.all(|address| address.ip().is_loopback()) {
            return;
        }
        match LocalDiscovery::open(self.poll.registry()) {
            Ok(lan) => self.discovery = Some(lan),
            Err(error) => log::warn!("cannot hear of other nodes on the local network: {error}"),
        }
        self.update_links();
    }

    /// Asks the contacts that were saved in the state folder, and saves contacts there from now on.
    /// The caller holds the folder's lock.
    ///
    /// # Errors
    /// When they cannot be read, or were saved by a newer version.
    pub fn keep_contacts(&mut self, folder: &Path) -> Result<(), Error> {
        let (file, contacts) = ContactsFile::open(folder, self.network)?;
        self.contacts = Some(file);
        self.node.restore(self.clock.now(), &contacts);
        self.drain();
        Ok(())
    }

    /// Watches a source of the owner's: its readiness is [`Happening::Source`], with `index`, which
    /// is below [`OWNER_SOURCES_MAX`]. Closing a source ends this.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    pub fn register(
        &mut self,
        source: &mut impl event::Source,
        index: usize,
        interest: Interest,
    ) -> io::Result<()> {
        self.owner_sources.forget(index);
        let token = Source::Owner(index).token();
        self.poll.registry().register(source, token, interest)
    }

    /// Takes up what the state folder says of files that were fetched before, and keeps it from now
    /// on. The caller holds the folder's lock.
    ///
    /// # Errors
    /// When it cannot be read, or was written by a newer version.
    pub fn keep_verified(&mut self, folder: &Path) -> Result<(), Error> {
        self.verified = Some(VerifiedFile::open(folder)?);
        Ok(())
    }

    /// Shares a file or folder from where it lies: walks it, and begins to hash it.
    ///
    /// # Errors
    /// When something in it cannot be read, or is neither a file nor a folder; when there are too
    /// many swarms.
    pub fn share(&mut self, path: &Path) -> Result<SwarmKey, Error> {
        let (walked, spec) = files::walk(path)?;
        let swarm = self.node.share(self.clock.now(), spec);
        let swarm = swarm.map_err(|why| refused(format!("share {}", path.display()), why))?;
        self.disk.share(swarm, walked);
        // The next turn begins to hash, though nothing else may happen.
        self.is_reading = true;
        self.drain();
        Ok(swarm)
    }

    /// Fetches a file, whose manifest and first providers may be known. When it is complete, it
    /// stands under its final name; until then its bytes are beside it, in `NAME.part`.
    ///
    /// # Errors
    /// When there are too many swarms, or one of this file.
    pub fn fetch(
        &mut self,
        file: FileId,
        manifest: Option<Manifest>,
        providers: &[SocketAddr],
        output: &OutputPath,
    ) -> Result<SwarmKey, Error> {
        let now = self.clock.now();
        let providers: Vec<_> = providers
            .iter()
            .map(|&at| self.scope_ids.take(at))
            .collect();
        let swarm = self.node.fetch(now, file, manifest, &providers);
        let swarm = swarm.map_err(|why| refused(format!("fetch {file}"), why))?;
        self.disk.fetch(swarm, output.clone());
        self.drain();
        Ok(swarm)
    }

    /// Turns the loop until the node has news, `until` has come, or a signal arrives. It turns at
    /// least once unless news are at hand, so a time that has passed is a way to look without
    /// waiting.
    ///
    /// # Errors
    /// When the system's `poll` fails, after which nothing can go on.
    pub fn next(&mut self, until: Option<Instant>) -> Result<Happening, Error> {
        self.next_with(until, None)
    }

    /// As [`Reactor::next`]; besides, the first turn at or after `deferrable` ends it with
    /// [`Happening::Deadline`], but the loop does not wake up for that.
    ///
    /// # Errors
    /// As [`Reactor::next`].
    pub fn next_with(
        &mut self,
        until: Option<Instant>,
        deferrable: Option<Instant>,
    ) -> Result<Happening, Error> {
        let mut turned = false;
        loop {
            if let Some(event) = self.node.poll_event() {
                match event {
                    Event::Failed { swarm, .. } => self.disk.release(swarm),
                    // A disk whose files are open cannot be unmounted.
                    Event::Shared { swarm, .. } => self.disk.rest(swarm),
                    _ => {}
                }
                return Ok(Happening::Event(event));
            }
            if let Some(signal) = self.signals.next() {
                return Ok(Happening::Signal(signal));
            }
            if let Some(readiness) = self.owner_sources.next() {
                return Ok(Happening::Source(readiness));
            }
            let now = self.clock.now();
            let has_come = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            if turned && (has_come(until) || has_come(deferrable)) {
                return Ok(Happening::Deadline);
            }
            self.turn(until)?;
            turned = true;
        }
    }

    /// The final path of a fetch, once its manifest is known; the path of what is shared.
    pub fn output_path(&self, swarm: SwarmKey) -> Option<&Path> {
        self.disk.path(swarm)
    }

    /// The last failure of a swarm's disk work in words: operation, path, the system's error.
    pub fn disk_message(&self, swarm: SwarmKey) -> Option<&str> {
        self.disk.message(swarm)
    }

    /// Bytes written to fetched files and their journals since the start.
    pub fn written(&self) -> u64 {
        self.disk.written()
    }

    /// The counters of the loop.
    pub fn counters(&self) -> Counters {
        Counters {
            looks: self.disk.looks,
            advice: self.disk.advice,
            ..self.counters
        }
    }

    /// The caps on what streams carry.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// How long its turns took.
    pub fn lag(&self) -> Lag {
        self.lag
    }

    /// Says goodbye to every stream, sends what the sockets take, has what was fetched made
    /// durable, all within two seconds, and saves the contacts.
    pub fn stop(mut self) {
        self.node.stop(self.clock.now());
        self.drain();
        let deadline = self.clock.now() + STOP_TIMEOUT;
        let is_busy = |this: &Reactor| this.udp.is_waiting() || this.node.swarms().is_committing();
        while is_busy(&self) && self.clock.now() < deadline {
            if let Err(error) = self.turn(Some(deadline)) {
                log::warn!("{error}");
                break;
            }
        }
        self.save_contacts();
        self.save_verified(self.clock.now());
    }
}

fn refused(doing: String, why: Refused) -> Error {
    Error::because(doing, &why.to_string())
}
