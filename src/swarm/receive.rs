//! Bytes that come in on streams: messages and payload. Here they find their swarm; their effects
//! on it are in `exchange`, those of a `Hello` in `opening`.
//!
//! Payload is hashed where it lies, in the driver's receive buffer, and noted as a [`Section`] that
//! becomes [`Output::Write`]s, which the driver carries out before it reads again. A message that
//! breaks the protocol ends the stream. Nothing that a message says is believed about any node but
//! its sender, and its sizes are checked against the manifest before they are used.

use super::scope::{Fault, Section};
use super::session::{Dialler, Inbox, Message, Received};
use super::stream::State;
use super::swarms::Swarms;
use crate::output::{Ended, Output, StreamKey};
use crate::time::Instant;
use crate::wire::stream::{CloseReason, Hello};

impl Swarms {
    /// Takes in bytes of a stream. They must stay where they are until [`Swarms::poll_output`] has
    /// nothing more.
    pub fn handle_received(&mut self, now: Instant, key: StreamKey, bytes: &[u8]) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.heard_at = now;
        let mut inbox = stream.session.take_inbox();
        let mut at = 0;
        while at < bytes.len() {
            match self.receive(now, key, at, &bytes[at..], &mut inbox) {
                Ok(count) => at += count,
                Err(fault) => return self.close(now, key, fault),
            }
        }
        if let Some(stream) = self.streams.get_mut(key) {
            stream.session.return_inbox(inbox);
        }
    }

    /// Takes in payload, or what one message needs of the bytes from `start` of the buffer on: how
    /// many those are.
    fn receive(
        &mut self,
        now: Instant,
        key: StreamKey,
        start: usize,
        bytes: &[u8],
        inbox: &mut Inbox,
    ) -> Result<usize, Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(bytes.len());
        };
        if let (Some(_), Some(swarm)) = (stream.download.incoming, stream.swarm) {
            let count = self.with(now, swarm, |scope| scope.handle_payload(key, start, bytes));
            return Ok(count.unwrap_or(bytes.len()));
        }
        let rng = &mut self.shared.rng;
        let (count, received) = stream.session.receive(inbox, bytes, rng)?;
        match received {
            Received::Partial => return Ok(count),
            Received::Handshake { is_over } => {
                let is_ready = is_over && stream.dialler == Dialler::Us;
                let swarm = stream.swarm.filter(|_| is_ready);
                self.shared.wake(key, stream);
                if let Some(swarm) = swarm {
                    self.with(now, swarm, |scope| scope.say_hello(key));
                }
            }
            Received::Message(message) => self.handle_message(now, key, message)?,
        }
        inbox.clear();
        Ok(count)
    }

    fn handle_message(
        &mut self,
        now: Instant,
        key: StreamKey,
        message: Message<'_>,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        match (stream.state, stream.swarm, message) {
            (_, swarm, Message::Close(reason)) => {
                if let Some(swarm) = swarm {
                    self.with(now, swarm, |scope| scope.handle_goodbye(key, reason));
                }
                Err(Ended::Closed(reason).into())
            }
            // Nearly every message makes us say something: a peer that never reads it must not fill
            // our memory.
            _ if stream.session.overflows() => Err(Ended::Protocol.into()),
            (State::Opening, _, Message::Hello(hello)) => self.handle_hello(now, key, hello),
            (State::Open, Some(swarm), message) => {
                let handled = self.with(now, swarm, |scope| scope.handle_message(key, message));
                handled.unwrap_or(Err(Ended::Protocol.into()))
            }
            _ => Err(Ended::Protocol.into()),
        }
    }

    /// Finds the swarm that a `Hello` is about.
    fn handle_hello(&mut self, now: Instant, key: StreamKey, hello: Hello) -> Result<(), Fault> {
        let Some(stream) = self.streams.get(key) else {
            return Ok(());
        };
        let swarm = self
            .find(hello.file)
            .filter(|&swarm| !self.is_suspended(swarm));
        match (stream.dialler, swarm) {
            (Dialler::Us, Some(swarm)) if stream.swarm == Some(swarm) => {}
            (Dialler::Us, _) => return Err(Ended::Protocol.into()),
            (Dialler::Them, Some(_)) => {}
            (Dialler::Them, None) => {
                self.shared.counters.unknown += 1;
                return Err(Fault {
                    why: Ended::Done,
                    goodbye: Some(CloseReason::UnknownFile),
                });
            }
        }
        let handled =
            swarm.and_then(|swarm| self.with(now, swarm, |scope| scope.handle_hello(key, hello)));
        handled.unwrap_or(Ok(()))
    }

    /// Turns received sections into writes, one entry's part at a time.
    pub(super) fn poll_write(&mut self) -> Option<Output> {
        loop {
            let Section {
                swarm,
                range,
                start,
            } = self.shared.writes.front_mut()?;
            let swarm = *swarm;
            let found = self.swarms.get(swarm);
            let Some(part) = found.and_then(|of| of.file_range(swarm, *range)) else {
                self.shared.writes.pop_front();
                continue;
            };
            let output = Output::Write {
                range: part,
                start: *start,
                shard: range.shard,
            };
            range.offset += part.length;
            range.length -= part.length;
            *start += part.length;
            if range.length == 0 {
                self.shared.writes.pop_front();
            }
            return Some(output);
        }
    }
}
