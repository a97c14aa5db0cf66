//! The other end of a stream of the node under test.

use super::packets::parse_frame;
use sprat::wire::Frame;
use sprat::wire::stream::Range;
use std::collections::VecDeque;

/// The other end of a stream.
#[derive(Default)]
pub struct Other {
    /// The connection is being made.
    pub dialling: bool,
    /// The node has said that there is something to send.
    pub wants_to_send: bool,
    /// Bytes of a frame that came in part.
    pub partial: Vec<u8>,
    /// Bytes of payload that must come before the next frame.
    pub payload_left: u32,
    /// The requests of the node that have no answer yet.
    pub asked: Vec<Range>,
    /// The part of the manifest that the node has asked for.
    pub manifest_asked: Option<(u32, u32)>,
    /// Bytes on their way to the node.
    pub backlog: VecDeque<u8>,
}

impl Other {
    /// Takes in bytes that the node has sent: every frame must be right.
    pub fn hear(&mut self, bytes: &[u8]) {
        assert_eq!(self.payload_left, 0, "a frame in the middle of payload");
        self.partial.extend(bytes);
        while !self.partial.is_empty() {
            let Some((frame, size)) = parse_frame(&self.partial) else {
                assert!(self.is_cut(), "a wrong frame: {:x?}", self.partial);
                return;
            };
            match frame {
                Frame::Request(range) => self.asked.push(range),
                Frame::ManifestRequest { offset, length } => {
                    self.manifest_asked = Some((offset, length));
                }
                Frame::Data(range) => self.payload_left = range.length,
                _ => {}
            }
            self.partial.drain(..size);
            assert!(self.payload_left == 0 || self.partial.is_empty());
        }
    }

    /// Whether the frame that came in part can still become one.
    fn is_cut(&self) -> bool {
        let Some(header) = self.partial.first_chunk() else {
            return true;
        };
        sprat::wire::Header::parse(header)
            .is_ok_and(|header| self.partial.len() < header.body_size() + 12)
    }
}
