//! One stream's share of a turn: receive, then send, each until `WouldBlock` or the end of its
//! budget.
//!
//! Payload never passes through memory of its own: received bytes are handed to the node from the
//! one receive buffer, and shards go out from the file with `sendfile`. Invariant: a stream whose
//! budget ended before `WouldBlock` is on the ready list again.

use crate::limits::{STREAM_BYTES_PER_TURN, STREAM_OPERATIONS_PER_TURN};
use crate::node::{Chunk, DiskError, DiskReport, FileRange, LastWords, StreamKey};
use crate::reactor::Reactor;
use log::Level;
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::io::{ErrorKind, Read};

/// How one half of a stream's share ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// The socket said `WouldBlock`, or there is nothing to send: an event or the node calls again.
    Resting,
    More,
    Ended,
}

impl Reactor {
    /// Serves one stream of the ready list.
    pub(in crate::reactor) fn serve(&mut self, key: StreamKey) {
        if !self.establish(key) {
            return;
        }
        let received = self.receive(key);
        if received == Half::Ended {
            return;
        }
        self.advise(key);
        let sent = self.send(key);
        if sent != Half::Ended && (received == Half::More || sent == Half::More) {
            self.tcp.connections.queue(key);
        }
    }

    /// Whether the stream is connected; tells the node when it has just become so, or failed.
    fn establish(&mut self, key: StreamKey) -> bool {
        let Some(stream) = self.tcp.connections.find(key) else {
            return false;
        };
        if stream.connected {
            return true;
        }
        match stream.is_established() {
            Ok(true) => {
                stream.connected = true;
                self.node.handle_connected(self.clock.now(), key);
                self.drain();
                true
            }
            Ok(false) => false,
            // A provider that is gone is everyday; the node counts it.
            Err(_) => self.lose(key) != Half::Ended,
        }
    }

    fn receive(&mut self, key: StreamKey) -> Half {
        let mut bytes = 0;
        for _ in 0..STREAM_OPERATIONS_PER_TURN {
            let Some(stream) = self.tcp.connections.find(key) else {
                return Half::Ended;
            };
            if !stream.readable {
                return Half::Resting;
            }
            if bytes >= STREAM_BYTES_PER_TURN {
                return Half::More;
            }
            self.counters.receives += 1;
            match stream.socket.read(&mut self.buffer) {
                Ok(0) => return self.lose(key),
                Ok(count) => {
                    bytes += count;
                    // Less than there was room for: the socket is empty, and says so when more
                    // comes (epoll(7), question 9). Not at the end, which says nothing more.
                    stream.readable = stream.ending || count == self.buffer.len();
                    self.counters.bytes_received += count as u64;
                    let now = self.clock.now();
                    self.node.handle_received(now, key, &self.buffer[..count]);
                    // Before the buffer is used again: writes refer to it.
                    self.drain();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => stream.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.lose(key),
            }
        }
        Half::More
    }

    fn send(&mut self, key: StreamKey) -> Half {
        let mut bytes = 0;
        for _ in 0..STREAM_OPERATIONS_PER_TURN {
            match self.tcp.connections.find(key) {
                None => return Half::Ended,
                Some(stream) if !stream.writable => return Half::Resting,
                Some(_) if bytes >= STREAM_BYTES_PER_TURN => return Half::More,
                Some(stream) => stream.limit_notsent(self.node.swarms().notsent_max()),
            }
            let result = match self.node.poll_send(self.clock.now(), key) {
                None => return Half::Resting,
                Some(Chunk::Bytes { more }) => self.send_bytes(key, more),
                Some(Chunk::File(range)) => self.send_file(key, range),
            };
            match result {
                Some(Ok(count)) => {
                    bytes += count;
                    self.counters.bytes_sent += count as u64;
                    let count = u32::try_from(count).expect("a chunk is at most 4 GiB");
                    self.node.handle_sent(self.clock.now(), key, count);
                    self.drain();
                }
                Some(Err(Errno::INTR)) => {}
                Some(Err(Errno::AGAIN)) => {
                    if let Some(stream) = self.tcp.connections.find(key) {
                        stream.writable = false;
                    }
                    return Half::Resting;
                }
                Some(Err(_)) => return self.lose(key),
                None => return Half::Ended,
            }
        }
        Half::More
    }

    /// Has the range read ahead that the stream sends next: while it waits for its turn, or for the
    /// one before it to go out.
    fn advise(&mut self, key: StreamKey) {
        let Some(range) = self.node.swarms().next_upload(key) else {
            return;
        };
        let Some(stream) = self.tcp.connections.find(key) else {
            return;
        };
        if stream.advised != Some(range) {
            stream.advised = Some(range);
            self.disk.read_ahead(range);
        }
    }

    /// Sends bytes; the socket's answer.
    fn send_bytes(&mut self, key: StreamKey, more: bool) -> Option<Result<usize, Errno>> {
        let stream = self.tcp.connections.find(key)?;
        // With MORE, a header waits for the payload and shares its first packet.
        let more = match more {
            true => SendFlags::MORE,
            false => SendFlags::empty(),
        };
        let bytes = self.node.bytes(key);
        assert!(!bytes.is_empty(), "the node sends no empty chunk");
        self.counters.sends += 1;
        let flags = SendFlags::NOSIGNAL | more;
        Some(rustix::net::send(&stream.socket, bytes, flags))
    }

    /// Sends a range of a file; the socket's answer, or none if the file ends the stream.
    fn send_file(&mut self, key: StreamKey, range: FileRange) -> Option<Result<usize, Errno>> {
        let stream = self.tcp.connections.find(key)?;
        let begins = !stream.sending.is_some_and(|begun| continues(begun, range));
        let is_fit = match begins {
            true => self.disk.begin_send(range),
            false => Ok(()),
        };
        if begins {
            stream.sending = Some(range);
        }
        self.counters.file_sends += 1;
        let result = is_fit.and_then(|()| {
            self.disk.send(range, |file| {
                let mut offset = range.offset;
                let length = (range.length as usize).min(STREAM_BYTES_PER_TURN);
                rustix::fs::sendfile(&stream.socket, file, Some(&mut offset), length)
            })
        });
        let error = match result {
            Ok(result) => return Some(result),
            Err(error) => error,
        };
        self.log_disk(
            match error {
                // The node has an event for these.
                DiskError::Changed | DiskError::Truncated | DiskError::NotFound => Level::Info,
                _ => Level::Warn,
            },
            range.swarm,
        );
        // The stream's next bytes cannot be the promised ones: the node ends it.
        match self.disk.is_missing(range.swarm) {
            true => self.report(range.swarm, DiskReport::Missing),
            false => self.node.handle_unsendable(self.clock.now(), key, error),
        }
        self.drain();
        None
    }

    /// The connection broke: frees it, then tells the node.
    fn lose(&mut self, key: StreamKey) -> Half {
        self.tcp.close(self.poll.registry(), key);
        self.node.handle_closed(self.clock.now(), key);
        self.drain();
        Half::Ended
    }

    /// The node has ended the stream: sends its last words if the socket takes them at once, and
    /// frees it.
    pub(in crate::reactor) fn close(&mut self, key: StreamKey, last_words: LastWords) {
        let Some(stream) = self.tcp.connections.find(key) else {
            return;
        };
        let words = last_words.as_ref();
        if stream.connected && !words.is_empty() {
            self.counters.sends += 1;
            let sent = rustix::net::send(&stream.socket, words, SendFlags::NOSIGNAL);
            self.counters.goodbyes_lost += u64::from(sent.is_err());
        }
        self.tcp.close(self.poll.registry(), key);
    }
}

/// Whether `range` is the rest of `begun`.
fn continues(begun: FileRange, range: FileRange) -> bool {
    (begun.swarm, begun.entry) == (range.swarm, range.entry)
        && range.offset > begun.offset
        && end(range) == end(begun)
}

fn end(range: FileRange) -> u64 {
    range.offset + u64::from(range.length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::SwarmKey;

    #[test]
    fn the_rest_of_a_range_continues_it_and_nothing_else_does() {
        let swarm = SwarmKey {
            slot: 0,
            generation: 0,
        };
        let begun = FileRange {
            swarm,
            entry: 0,
            offset: 100,
            length: 50,
        };
        assert!(continues(
            begun,
            FileRange {
                offset: 120,
                length: 30,
                ..begun
            }
        ));
        assert!(!continues(begun, begun));
        assert!(!continues(
            begun,
            FileRange {
                offset: 150,
                length: 50,
                ..begun
            }
        ));
        assert!(!continues(
            begun,
            FileRange {
                entry: 1,
                offset: 120,
                length: 30,
                ..begun
            }
        ));
    }
}
