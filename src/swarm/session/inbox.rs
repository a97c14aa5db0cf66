//! Frames out of a stream of bytes that arrives in pieces of any size.
//!
//! A frame that lies whole in what arrived is given from there; only one that came in pieces is
//! gathered, and only after its header has been checked, so the inbox never holds more than the
//! greatest frame. Payload never comes here.

// These bytes come from strangers, as in `wire`: nothing here may panic or overflow on them.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use crate::wire::native::frame::{FRAME_SIZE_MAX, HEADER_SIZE};
use crate::wire::{FrameError, Header};

/// The start of a frame that has not come whole.
#[derive(Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

/// What the inbox makes of some bytes.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A frame: its header and its body.
    Frame(Header, &'a [u8]),
    /// All bytes are in the inbox; the frame is not whole.
    Partial,
}

impl Inbox {
    /// An inbox with room for `capacity` bytes; it grows if it must.
    pub fn with_capacity(capacity: usize) -> Inbox {
        Inbox {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// Takes in what one frame needs of `bytes`; how many that were, and what they make. After a
    /// frame, [`Inbox::clear`] goes on to the next.
    ///
    /// # Errors
    ///
    /// The header is damaged, or announces a body longer than its kind may have.
    pub fn take<'a>(&'a mut self, bytes: &'a [u8]) -> Result<(usize, Piece<'a>), FrameError> {
        if self.bytes.is_empty() {
            if let Some((header, rest)) = bytes.split_first_chunk::<HEADER_SIZE>() {
                let header = Header::parse(header)?;
                if let Some(body) = rest.get(..header.body_size()) {
                    return Ok((frame_size(&header), Piece::Frame(header, body)));
                }
            }
        }
        let (for_header, bytes) = self.fill(bytes, HEADER_SIZE);
        let Some(header) = self.bytes.first_chunk::<HEADER_SIZE>() else {
            return Ok((for_header, Piece::Partial));
        };
        let header = Header::parse(header)?;
        let (for_body, _) = self.fill(bytes, frame_size(&header));
        let taken = for_header.saturating_add(for_body);
        let body = self.bytes.get(HEADER_SIZE..frame_size(&header));
        Ok((
            taken,
            body.map_or(Piece::Partial, |body| Piece::Frame(header, body)),
        ))
    }

    /// Forgets the frame that [`Inbox::take`] gave.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes in what is missing up to `size` bytes: how many those were, and what is left.
    fn fill<'b>(&mut self, bytes: &'b [u8], size: usize) -> (usize, &'b [u8]) {
        let missing = size.saturating_sub(self.bytes.len());
        let (head, rest) = bytes.split_at(missing.min(bytes.len()));
        self.bytes.extend_from_slice(head);
        (head.len(), rest)
    }
}

/// Bytes of header and body.
fn frame_size(header: &Header) -> usize {
    let size = HEADER_SIZE.saturating_add(header.body_size());
    assert!(
        size <= FRAME_SIZE_MAX,
        "a header that parsed bounds its body"
    );
    size
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )]

    use super::*;
    use crate::wire::{Frame, Network};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_survive_being_cut_at_any_byte(cuts in prop::collection::vec(1usize..40, 1..60)) {
            let network = Network::named("test");
            let frames = [
                Frame::KeepAlive,
                Frame::Have { shards: &[0, 0, 0, 7, 0, 0, 0, 9] },
                Frame::ManifestPart { total: 30, offset: 0, bytes: &[5; 30] },
                Frame::KeepAlive,
            ];
            let mut bytes = Vec::new();
            for frame in &frames {
                let start = bytes.len();
                bytes.resize(start + frame.size(), 0);
                frame.emit(network, &mut bytes[start..]);
            }
            let (mut inbox, mut met, mut from) = (Inbox::default(), 0, 0);
            let mut cuts = cuts.into_iter().cycle();
            while from < bytes.len() {
                let end = bytes.len().min(from + cuts.next().unwrap());
                while from < end {
                    let (taken, piece) = inbox.take(&bytes[from..end]).unwrap();
                    from += taken;
                    if let Piece::Frame(header, body) = piece {
                        prop_assert_eq!(Frame::parse(&header, body, network), Ok(frames[met]));
                        met += 1;
                        inbox.clear();
                    }
                }
            }
            prop_assert_eq!(met, frames.len());
        }
    }
}
