//! Facts about streams, and what they send: the part of the contract that names streams.

use super::scope::{Fault, Scope};
use super::session::{Dialler, Session};
use super::stream::{State, Stream};
use super::swarms::Swarms;
use crate::address::is_local;
use crate::limits::{HANDSHAKES_PER_IP_MAX, STREAMS_MAX, STREAMS_PER_IP_MAX};
use crate::output::{Chunk, DiskError, Ended, FileRange, StreamKey};
use crate::time::Instant;
use std::net::SocketAddr;

impl Swarms {
    /// A node has connected. `None`: there is no room for its stream; close the socket.
    pub fn handle_accept(&mut self, now: Instant, from: SocketAddr) -> Option<StreamKey> {
        let ip = from.ip();
        let (mut streams, mut handshakes) = (0, 0);
        for (_, stream) in self
            .streams
            .iter()
            .filter(|(_, of)| of.remote.address.ip() == ip)
        {
            let is_theirs = stream.dialler == Dialler::Them;
            streams += 1;
            handshakes += usize::from(is_theirs && stream.session.awaits_handshake());
        }
        let is_crowd = streams >= STREAMS_PER_IP_MAX && !is_local(ip);
        let has_room = self.streams.len() < STREAMS_MAX && handshakes < HANDSHAKES_PER_IP_MAX;
        if is_crowd || !has_room {
            return None;
        }
        let session = Session::accept(self.shared.config.network);
        let stream = Stream::new(Dialler::Them, from, session, now);
        Some(self.streams.insert(stream))
    }

    /// A connection that [`Output::Connect`](crate::output::Output::Connect) asked for stands.
    pub fn handle_connected(&mut self, now: Instant, key: StreamKey) {
        let stream = self.streams.get_mut(key);
        let Some(stream) = stream.filter(|of| of.state == State::Dialling) else {
            return;
        };
        stream.state = State::Opening;
        stream.round_trip.count(now.since(stream.made_at));
        (stream.heard_at, stream.sent_at) = (now, now);
        match stream.session.connected() {
            true => {
                self.with_stream(now, key, |scope| scope.say_hello(key));
            }
            false => self.shared.wake(key, stream),
        }
    }

    /// The connection has ended, or could not be made; the driver has freed its socket.
    pub fn handle_closed(&mut self, now: Instant, key: StreamKey) {
        self.end_stream(now, key, Ended::Lost.into(), false);
    }

    /// Ends a stream, and has the driver close its socket.
    pub(super) fn close(&mut self, now: Instant, key: StreamKey, fault: impl Into<Fault>) {
        self.end_stream(now, key, fault.into(), true);
    }

    fn end_stream(&mut self, now: Instant, key: StreamKey, fault: Fault, is_closed_by_us: bool) {
        let ended = self.with_stream(now, key, |scope| match is_closed_by_us {
            true => scope.close(key, fault),
            false => scope.forget(key, fault.why),
        });
        if ended.is_some() {
            return;
        }
        // It has no swarm yet.
        let Some(mut stream) = self.streams.remove(key) else {
            return;
        };
        if is_closed_by_us {
            self.shared.push_close(key, &mut stream, fault);
        }
        self.shared
            .release(key, &stream, fault.why, &mut self.streams);
    }

    // -- sending

    /// The next thing that a stream has to send; the driver asks until there is none.
    pub fn poll_send(&mut self, now: Instant, key: StreamKey) -> Option<Chunk> {
        let stream = self.streams.get_mut(key)?;
        match (stream.state, stream.swarm) {
            (State::Dialling, _) => None,
            (_, None) => stream.poll_outbox(),
            (_, Some(swarm)) => self.with(now, swarm, |scope| scope.poll_send(key))?,
        }
    }

    /// The range of a file that a stream sends after the current one, as far as known: to be read
    /// ahead.
    pub fn next_upload(&self, key: StreamKey) -> Option<FileRange> {
        let stream = self.streams.get(key)?;
        let swarm = stream.swarm?;
        let range = *stream.upload.peer_requests.first()?;
        self.swarms.get(swarm)?.file_range(swarm, range)
    }

    /// The bytes of a stream's [`Chunk::Bytes`]; empty when it has none.
    pub fn bytes(&self, key: StreamKey) -> &[u8] {
        let Some(stream) = self.streams.get(key) else {
            return &[];
        };
        match &stream.upload.sending {
            Some(sending) => &sending.header[sending.header_sent..],
            None => stream.session.outbox(),
        }
    }

    /// `count` bytes of what [`Swarms::poll_send`] gave have gone out.
    pub fn handle_sent(&mut self, now: Instant, key: StreamKey, count: u32) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.sent_at = now;
        if !stream.is_exempt {
            self.shared.limits.up.spend(u64::from(count));
        }
        let Some(sending) = &mut stream.upload.sending else {
            return stream.session.handle_sent(count as usize);
        };
        if sending.header_sent == sending.header.len() {
            self.with_stream(now, key, |scope| scope.handle_payload_sent(key, count));
            return;
        }
        sending.header_sent += count as usize;
        assert!(
            sending.header_sent <= sending.header.len(),
            "more of a header sent than it has"
        );
    }

    /// The file range that [`Swarms::poll_send`] gave cannot be sent: the stream ends.
    pub fn handle_unsendable(&mut self, now: Instant, key: StreamKey, error: DiskError) {
        self.with_stream(now, key, |scope: &mut Scope<'_>| {
            scope.handle_unsendable(key, error)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::rng::Rng;
    use crate::swarm::Config;
    use crate::swarm::session::Dialect;
    use crate::wire::{Key, Network};

    impl Swarms {
        pub(crate) fn dial_in_text(&mut self) {
            self.shared.dialect = Dialect::Text;
        }

        pub(crate) fn text_stream_count(&self) -> usize {
            let is_text = |stream: &Stream| stream.session.is_text();
            let streams = self.streams.iter();
            streams.filter(|(_, stream)| is_text(stream)).count()
        }
    }

    #[test]
    fn peers_that_connect_and_say_nothing_leave_room_for_members() {
        let network = Network::with_key("test", Key::new([7; 16]));
        let (id, port) = (NodeId::default(), 4160);
        let mut rng = Rng::from_number(1);
        let config = Config { id, network, port };
        let mut swarms = Swarms::new(config, rng.split());
        let now = Instant::ZERO;
        let from = |text: &str| text.parse().unwrap();
        let one = from("192.168.1.2:1000");
        let streams: Vec<StreamKey> = (0..HANDSHAKES_PER_IP_MAX)
            .map(|_| swarms.handle_accept(now, one).unwrap())
            .collect();
        assert_eq!(swarms.handle_accept(now, one), None);
        let other = swarms.handle_accept(now, from("192.168.1.3:1000"));
        assert!(other.is_some());
        // One of them is a member's after all.
        let mut member = Session::dial(network, Dialect::Native, &mut rng);
        assert!(!member.connected());
        let hello = member.outbox().to_vec();
        member.handle_sent(hello.len());
        swarms.handle_received(now, streams[0], &hello);
        assert_eq!(swarms.handle_accept(now, one), None);
        let challenge = swarms.bytes(streams[0]).to_vec();
        let mut inbox = member.take_inbox();
        member.receive(&mut inbox, &challenge, &mut rng).unwrap();
        swarms.handle_received(now, streams[0], member.outbox());
        assert!(swarms.handle_accept(now, one).is_some());
        assert_eq!(swarms.handle_accept(now, one), None);
    }
}
