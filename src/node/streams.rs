//! The sending half of streams, as their driver asks for it.

use super::{Chunk, FileRange, Node, StreamKey};
use crate::time::Instant;

impl Node {
    /// The next thing that a stream has to send.
    pub fn poll_send(&mut self, now: Instant, stream: StreamKey) -> Option<Chunk> {
        self.swarms.poll_send(now, stream)
    }

    /// The range of a file that a stream sends after the current one, as far as known: to be read
    /// ahead.
    pub fn next_upload(&self, stream: StreamKey) -> Option<FileRange> {
        self.swarms.next_upload(stream)
    }

    /// The bytes of a stream's current [`Chunk::Bytes`].
    pub fn bytes(&self, stream: StreamKey) -> &[u8] {
        self.swarms.bytes(stream)
    }

    /// Bytes of each stream that may wait in its socket for the uplink; the driver gives it no
    /// more. It changes with what is sent.
    pub fn notsent_max(&self) -> u32 {
        self.swarms.notsent_max()
    }
}
