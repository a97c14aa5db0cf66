//! How streams open: which node the other end is, whether it may stay, and which peers it should
//! know.

use super::scope::{Fault, Scope};
use super::session::{Dialler, Message, PEERS_COUNT_MAX};
use super::state::Swarm;
use super::stream::State;
use crate::limits::{STREAMS_MAX, STREAMS_SPARE};
use crate::output::{Ended, Event, StreamKey};
use crate::wire::Manifest;
use crate::wire::stream::{self, CloseReason, Hello, Holds};
use arrayvec::ArrayVec;
use std::net::SocketAddr;

impl Scope<'_> {
    /// Says `Hello`, and remembers what must follow it.
    pub fn say_hello(&mut self, key: StreamKey) {
        let hello = self.hello();
        let (Some(hello), Some(stream)) = (hello, self.streams.get_mut(key)) else {
            return;
        };
        let swarm = &*self.swarm;
        // A node that has dialled lacked something then. If that was found on the disk meanwhile,
        // it says so at once: of two nodes that offer, neither would ever learn that there is
        // nothing to exchange.
        let may_offer = stream.dialler == Dialler::Them;
        stream.offers.are_on = may_offer && swarm.is_whole() && swarm.shard_count() > 0;
        let holds = match swarm.held.count() {
            _ if stream.offers.are_on => Holds::None,
            _ if swarm.is_whole() => Holds::All,
            0 => Holds::None,
            _ => Holds::Some,
        };
        stream.upload.bitfield_next = (holds == Holds::Some).then_some(0);
        stream.upload.haves_sent = swarm.haves.gained.len();
        stream
            .session
            .send(&Message::Hello(Hello { holds, ..hello }));
        self.shared.wake(key, stream);
    }

    /// The `Hello` of a node that holds nothing.
    fn hello(&self) -> Option<Hello> {
        let Swarm { content, .. } = &*self.swarm;
        let manifest = content.manifest.as_ref();
        Some(Hello {
            file: content.file?,
            node: self.shared.config.id,
            port: self.shared.config.port,
            holds: Holds::None,
            manifest_size: manifest.map_or(0, |of| of.bytes().len() as u32),
            shard_count: manifest.map_or(0, Manifest::shard_count),
        })
    }

    /// The other end says `Hello` for the file of this swarm.
    pub fn handle_hello(&mut self, key: StreamKey, hello: Hello) -> Result<(), Fault> {
        let open = self
            .streams
            .iter()
            .filter(|(_, of)| of.state == State::Open);
        let is_full = open.count() + STREAMS_SPARE >= STREAMS_MAX;
        let shard_count = self.swarm.shard_count();
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        if hello.node == self.shared.config.id {
            self.swarm.discovery.providers.ban(key);
            return Err(Ended::Duplicate.into());
        }
        let has_manifest = self.swarm.content.manifest.is_some();
        if has_manifest && ![0, shard_count].contains(&hello.shard_count) {
            return Err(Ended::Protocol.into());
        }
        let is_accepted = stream.dialler == Dialler::Them;
        if is_accepted && is_full {
            self.redirect(key);
            return Ok(());
        }
        stream.remote.node = hello.node;
        if is_accepted {
            self.join(key, hello.port)?;
        }
        self.resolve_duplicate(key)?;
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        stream.state = State::Open;
        stream.shards.all = hello.holds == Holds::All;
        stream.download.manifest_size = hello.manifest_size;
        stream.download.waiting_since = self.now;
        let address = stream.remote.name();
        self.swarm.discovery.lookups = 0;
        self.swarm.discovery.idle_since = self.now;
        let swarm = self.key;
        self.push_event(Event::Connected { swarm, address });
        self.send_peers(key);
        self.request_manifest();
        self.offer(key);
        self.request(key);
        self.close_if_done(key);
        Ok(())
    }

    /// An accepted stream becomes one of the swarm, and is answered.
    fn join(&mut self, key: StreamKey, port: u16) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        if port > 0 {
            let location = SocketAddr::new(stream.remote.address.ip(), port);
            let providers = &mut self.swarm.discovery.providers;
            if providers.is_banned(location) {
                return Err(Ended::Corrupt.into());
            }
            stream.remote.location = Some(location);
            providers.learn(location, self.now);
            providers.connect(location, key);
        }
        stream.swarm = Some(self.key);
        self.say_hello(key);
        Ok(())
    }

    /// Of two streams between the same nodes, both ends keep the same one: that of the dialler with
    /// the smaller id; if one node dialled twice, the newer, because it knows the older to be dead.
    /// A node id proves nothing, so only streams with one and the same IP are compared: no node can
    /// end the stream of another.
    fn resolve_duplicate(&mut self, key: StreamKey) -> Result<(), Fault> {
        let Some(stream) = self.streams.get(key) else {
            return Ok(());
        };
        let (remote, dialler) = (&stream.remote, stream.dialler);
        let mut others = self.streams.iter().filter(|(other_key, other)| {
            *other_key != key
                && other.is_open_of(self.key)
                && other.remote.node == remote.node
                && other.remote.address.ip() == remote.address.ip()
        });
        let Some((other, old)) = others.next() else {
            return Ok(());
        };
        let ours_wins = self.shared.config.id < remote.node;
        let new_wins = old.dialler == dialler || (dialler == Dialler::Us) == ours_wins;
        drop(others);
        let (kept, dropped) = if new_wins { (key, other) } else { (other, key) };
        self.swarm.discovery.providers.keep(kept, dropped);
        if !new_wins {
            return Err(Ended::Duplicate.into());
        }
        self.close(other, Ended::Duplicate);
        Ok(())
    }

    /// No free slot: redirects the peer to other providers. It closes the stream, or the time to
    /// open it ends.
    fn redirect(&mut self, key: StreamKey) {
        let hello = self.hello().map(|hello| Hello {
            manifest_size: 0,
            shard_count: 0,
            ..hello
        });
        let (Some(hello), Some(stream)) = (hello, self.streams.get_mut(key)) else {
            return;
        };
        stream.session.send(&Message::Hello(hello));
        self.send_peers(key);
        if let Some(stream) = self.streams.get_mut(key) {
            stream.session.send(&Message::Close(CloseReason::Full));
        }
        self.wake(key);
    }

    /// Tells a node that has just opened where others of the swarm are: a random part, if they are
    /// many.
    fn send_peers(&mut self, key: StreamKey) {
        let others = self.streams.iter();
        let others = others.filter(|&(other, of)| other != key && of.is_open_of(self.key));
        let mut all: ArrayVec<SocketAddr, STREAMS_MAX> = others
            .filter_map(|(_, other)| other.remote.location)
            .collect();
        self.shared.rng.shuffle(&mut all);
        let some = all.into_iter().take(PEERS_COUNT_MAX);
        let list: ArrayVec<_, PEERS_COUNT_MAX> = some.map(stream::location_bytes).collect();
        if let Some(stream) = self.streams.get_mut(key).filter(|_| !list.is_empty()) {
            let locations = list.as_flattened();
            stream.session.send(&Message::Peers { locations });
            self.shared.wake(key, stream);
        }
    }

    /// The other end names other nodes of the swarm.
    pub fn handle_peers(&mut self, locations: &[u8]) {
        for location in stream::locations(locations) {
            self.swarm.discovery.providers.learn(location, self.now);
        }
        self.dial();
    }

    /// The other end has said why it closes the stream.
    pub fn handle_goodbye(&mut self, key: StreamKey, reason: CloseReason) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        if reason == CloseReason::Duplicate {
            let twin = self.streams.iter().find(|(other_key, other)| {
                *other_key != key
                    && other.swarm == Some(self.key)
                    && other.remote.location == stream.remote.location
            });
            if let Some((twin, _)) = twin {
                self.swarm.discovery.providers.keep(twin, key);
            }
        }
    }
}
