//! The native dialect: the handshake of a network with a key, then frames.
//!
//! Invariant: what a frame says is checked by `wire::native::frame` before it is a [`Message`].

use super::handshake::{Handshake, Outcome};
use super::{Dialler, Inbox, Message, Received, Unreadable};
use crate::rng::Rng;
use crate::wire::native::frame::{self, HEADER_SIZE, Kind};
pub use crate::wire::native::frame::{
    HAVE_COUNT_MAX, LOCATIONS_COUNT_MAX as PEERS_COUNT_MAX, MANIFEST_PART_SIZE_MAX,
    MAP_BITS_SIZE_MAX,
};
use crate::wire::native::handshake::{self, Nonce, Step};
use crate::wire::{Frame, Header, Network};

pub struct Native {
    network: Network,
    /// Comes before the first frame, in a network with a key.
    handshake: Option<Handshake>,
}

/// The first bytes of the end that dials.
pub fn prefix(network: Network) -> [u8; 4] {
    match network.key() {
        None => [frame::MAGIC, Kind::Open as u8, 0, 0],
        Some(_) => [handshake::MAGIC, handshake::VERSION, Step::Hello as u8, 0],
    }
}

impl Native {
    pub fn new(network: Network, dialler: Dialler, rng: &mut Rng) -> Native {
        let handshake = network.key().map(|key| {
            let mut own = Nonce::default();
            rng.fill(&mut own);
            Handshake::new(dialler, key, own)
        });
        Native { network, handshake }
    }

    pub fn greet(&self, outbox: &mut Vec<u8>) -> bool {
        if let Some(handshake) = &self.handshake {
            outbox.extend(handshake.hello());
        }
        self.handshake.is_none()
    }

    pub fn read<'a>(
        &mut self,
        inbox: &'a mut Inbox,
        bytes: &'a [u8],
        outbox: &mut Vec<u8>,
    ) -> Result<(usize, Received<'a>), Unreadable> {
        match &mut self.handshake {
            None => self.read_frame(inbox, bytes),
            Some(handshake) => {
                let (taken, step) = inbox.gather(bytes, handshake.awaited_size());
                let Some(step) = step else {
                    return Ok((taken, Received::Partial));
                };
                let outcome = handshake.take(step).map_err(|_| Unreadable)?;
                let (Outcome::Answer(answer) | Outcome::Over(answer)) = &outcome;
                outbox.extend_from_slice(answer);
                let is_over = matches!(outcome, Outcome::Over(_));
                if is_over {
                    self.handshake = None;
                }
                Ok((taken, Received::Handshake { is_over }))
            }
        }
    }

    fn read_frame<'a>(
        &self,
        inbox: &'a mut Inbox,
        bytes: &'a [u8],
    ) -> Result<(usize, Received<'a>), Unreadable> {
        let (used, header) = inbox.gather(bytes, HEADER_SIZE);
        let Some(header) = header.and_then(|header| header.first_chunk()) else {
            return Ok((used, Received::Partial));
        };
        let header = Header::parse(header).map_err(|_| Unreadable)?;
        // A header that lies whole in `bytes` is not stored, and is gathered again with its body.
        let used = if inbox.bytes().is_empty() { 0 } else { used };
        let size = HEADER_SIZE + header.body_size();
        let (more, frame) = inbox.gather(&bytes[used..], size);
        let Some(frame) = frame else {
            return Ok((used + more, Received::Partial));
        };
        let frame = Frame::parse(&header, &frame[HEADER_SIZE..], self.network);
        let message = message_of(frame.map_err(|_| Unreadable)?);
        Ok((used + more, Received::Message(message)))
    }

    pub fn write(&self, message: &Message<'_>, outbox: &mut Vec<u8>) {
        let (frame, start) = (frame_of(message), outbox.len());
        outbox.resize(start + frame.size(), 0);
        frame.emit(self.network, &mut outbox[start..]);
    }
}

fn message_of(frame: Frame<'_>) -> Message<'_> {
    match frame {
        Frame::Open(hello) => Message::Hello(hello),
        Frame::Map { first, bits } => Message::Bitfield { first, bits },
        Frame::Have { shards } => Message::Have { shards },
        Frame::ManifestRequest { offset, length } => Message::ManifestRequest { offset, length },
        Frame::ManifestPart {
            total,
            offset,
            bytes,
        } => Message::Manifest {
            total,
            offset,
            bytes,
        },
        Frame::Request(range) => Message::Request(range),
        Frame::Data(range) => Message::Data(range),
        Frame::Cancel(range) => Message::Cancel(range),
        Frame::Refuse { range, reason } => Message::Reject { range, reason },
        Frame::Providers { locations } => Message::Peers { locations },
        Frame::KeepAlive => Message::KeepAlive,
        Frame::Close { reason } => Message::Close(reason),
    }
}

fn frame_of<'a>(message: &Message<'a>) -> Frame<'a> {
    match *message {
        Message::Hello(hello) => Frame::Open(hello),
        Message::Bitfield { first, bits } => Frame::Map { first, bits },
        Message::Have { shards } => Frame::Have { shards },
        Message::ManifestRequest { offset, length } => Frame::ManifestRequest { offset, length },
        Message::Manifest {
            total,
            offset,
            bytes,
        } => Frame::ManifestPart {
            total,
            offset,
            bytes,
        },
        Message::Request(range) => Frame::Request(range),
        Message::Data(range) => Frame::Data(range),
        Message::Cancel(range) => Frame::Cancel(range),
        Message::Reject { range, reason } => Frame::Refuse { range, reason },
        Message::Peers { locations } => Frame::Providers { locations },
        Message::KeepAlive => Frame::KeepAlive,
        Message::Close(reason) => Frame::Close { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn messages_survive_being_cut_at_any_byte(
            cuts in prop::collection::vec(1usize..40, 1..60),
        ) {
            let (network, mut rng) = (Network::named("test"), Rng::from_number(1));
            let mut native = Native::new(network, Dialler::Us, &mut rng);
            let messages = [
                Message::KeepAlive,
                Message::Have { shards: &[0, 0, 0, 7, 0, 0, 0, 9] },
                Message::Manifest { total: 30, offset: 0, bytes: &[5; 30] },
                Message::KeepAlive,
            ];
            let (mut bytes, mut answers) = (Vec::new(), Vec::new());
            for message in &messages {
                native.write(message, &mut bytes);
            }
            let (mut inbox, mut met, mut from) = (Inbox::default(), 0, 0);
            let mut cuts = cuts.into_iter().cycle();
            while from < bytes.len() {
                let end = bytes.len().min(from + cuts.next().unwrap());
                while from < end {
                    let read = native.read(&mut inbox, &bytes[from..end], &mut answers);
                    let (taken, received) = read.unwrap();
                    from += taken;
                    if let Received::Message(message) = received {
                        prop_assert_eq!(message, messages[met]);
                        met += 1;
                        inbox.clear();
                    }
                }
            }
            prop_assert_eq!(met, messages.len());
        }
    }
}
