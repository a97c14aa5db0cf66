//! Messages out of a stream of bytes that arrives in pieces of any size.
//!
//! A message that lies whole in what arrived is given from there; only one that came in pieces is
//! gathered. Payload never comes here. Invariant: the inbox never holds more than a codec asks for,
//! and a codec asks for a body only after it has checked the header.

// These bytes come from strangers, as in `wire`: nothing here may panic or overflow on them.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

/// The start of a message that has not come whole.
#[derive(Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// An inbox with room for `capacity` bytes; it grows if it must.
    pub fn with_capacity(capacity: usize) -> Inbox {
        Inbox {
            bytes: Vec::with_capacity(capacity),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps all of `bytes` until more come; how many those are.
    pub fn store(&mut self, bytes: &[u8]) -> usize {
        self.bytes.extend_from_slice(bytes);
        bytes.len()
    }

    /// The first `size` bytes of the message, once they have come, and how many of them are from
    /// `bytes`. Where all are, nothing is stored.
    pub fn gather<'a>(&'a mut self, bytes: &'a [u8], size: usize) -> (usize, Option<&'a [u8]>) {
        if self.bytes.is_empty() {
            if let Some(whole) = bytes.get(..size) {
                return (size, Some(whole));
            }
        }
        let missing = size.saturating_sub(self.bytes.len());
        let (head, _) = bytes.split_at(missing.min(bytes.len()));
        (self.store(head), self.bytes.get(..size))
    }

    /// Forgets the message that was given.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}
