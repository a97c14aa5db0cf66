//! Handshakes: in a network with a key, both ends of a stream prove that they are members before
//! the first frame.
//!
//! ```text
//!   dialler                                     acceptor
//!     │ Hello: its nonce, its tag ───────────────►│  closes in silence if the tag is wrong
//!     │◄─────── Challenge: its nonce, tag of both ┤  proves that the acceptor is a member, now
//!     │ Proof: tag of both ──────────────────────►│  proves the same of the dialler
//!     │ Open and all later frames                 │
//! ```
//!
//! ```text
//!  0        1        2        3        4                 20                36
//! +--------+--------+--------+--------+-----------------+-----------------+
//! | 0xE5   | 1      | step   | 0      | nonce, 16 bytes | tag, 16 bytes   |    Hello, Challenge
//! +--------+--------+--------+--------+-----------------+-----------------+
//! | 0xE5   | 1      | step   | 0      | tag, 16 bytes   |                      Proof
//! +--------+--------+--------+--------+-----------------+
//! ```
//!
//! Steps: 1 `Hello`, 2 `Challenge`, 3 `Proof`. A tag covers the first four bytes, the dialler's
//! nonce and the acceptor's (zeros in a `Hello`). Both nonces are random, so a recording opens no
//! stream: a recorded `Hello` gets a `Challenge` that only a member can answer.
//!
//! Limits: later frames have no tags, so that payload can be sent with `sendfile`. An attacker who
//! can change the packets of a connection between members can change its frames; shards are still
//! verified by their hashes. A tag does not cover the receiver either, because no end knows the
//! address by which the other reaches it: an attacker that a member dials can relay the `Hello` to
//! another member, and then talk to both.
//!
//! Invariant: a step is accepted only with a tag over both nonces known by then.

use crate::wire::network::{KEY_SIZE, Key, TAG_SIZE};
use crate::wire::reader::Reader;
use arrayvec::ArrayVec;

/// First byte of every step.
pub const MAGIC: u8 = 0xe5;
/// Version of the layout: the second byte.
pub const VERSION: u8 = 1;

/// Bytes of a nonce: as many as of a key.
pub const NONCE_SIZE: usize = KEY_SIZE;
const START_SIZE: usize = 4;
/// Bytes of the longest step, a `Hello` or `Challenge`.
pub const STEP_SIZE_MAX: usize = START_SIZE + NONCE_SIZE + TAG_SIZE;

/// 128 random bits for one handshake.
pub type Nonce = [u8; NONCE_SIZE];

/// The nonces of the two ends; zeros for one that is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nonces {
    /// Chosen by the end that dials.
    pub dialler: Nonce,
    /// Chosen by the end that accepts.
    pub acceptor: Nonce,
}

/// One message of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Shows that the dialler is a member, or has recorded one.
    Hello = 1,
    /// Proves that the acceptor is a member, and answers this `Hello`.
    Challenge = 2,
    /// Proves that the dialler is a member, and answers this `Challenge`.
    Proof = 3,
}

/// The first field of a step that is wrong. The node counts it and never answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The length is not that of the step.
    Length,
    /// The first byte is not [`MAGIC`].
    Magic,
    /// The version is not supported.
    Version,
    /// It is not the expected step.
    Step,
    /// The reserved byte is not zero.
    Reserved,
    /// The tag was not made with the network's key, or not for these nonces.
    Tag,
}

impl Step {
    /// Bytes of this step on the wire.
    pub fn size(self) -> usize {
        match self {
            Step::Hello | Step::Challenge => STEP_SIZE_MAX,
            Step::Proof => START_SIZE + TAG_SIZE,
        }
    }

    fn start(self) -> [u8; START_SIZE] {
        [MAGIC, VERSION, self as u8, 0]
    }

    fn tag(self, nonces: &Nonces, key: Key) -> [u8; TAG_SIZE] {
        key.tag(&[&self.start(), &nonces.dialler, &nonces.acceptor])
    }

    /// Emits this step with the nonces of the two ends; for a `Hello`, the acceptor's is zeros.
    pub fn emit(self, nonces: &Nonces, key: Key) -> ArrayVec<u8, STEP_SIZE_MAX> {
        let (start, tag) = (self.start(), self.tag(nonces, key));
        let nonce: &[u8] = match self {
            Step::Hello => &nonces.dialler,
            Step::Challenge => &nonces.acceptor,
            Step::Proof => &[],
        };
        let parts = start.iter().chain(nonce).chain(&tag);
        parts.copied().collect()
    }

    /// Parses this step, given the nonces known before it, and returns the nonces known after it.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(
        self,
        bytes: &[u8],
        mut nonces: Nonces,
        key: Key,
    ) -> Result<Nonces, HandshakeError> {
        if bytes.len() != self.size() {
            return Err(HandshakeError::Length);
        }
        let mut reader = Reader::new(bytes);
        let [magic, version, step, reserved] = reader.array(HandshakeError::Length)?;
        if magic != MAGIC {
            return Err(HandshakeError::Magic);
        }
        if version != VERSION {
            return Err(HandshakeError::Version);
        }
        if step != self as u8 {
            return Err(HandshakeError::Step);
        }
        if reserved != 0 {
            return Err(HandshakeError::Reserved);
        }
        match self {
            Step::Hello => nonces.dialler = reader.array(HandshakeError::Length)?,
            Step::Challenge => nonces.acceptor = reader.array(HandshakeError::Length)?,
            Step::Proof => {}
        }
        let covered = [&self.start()[..], &nonces.dialler, &nonces.acceptor];
        match key.made(reader.rest(), &covered) {
            true => Ok(nonces),
            false => Err(HandshakeError::Tag),
        }
    }
}
