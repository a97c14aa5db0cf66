//! Handshakes: how a stream opens in a network with a key, before its first frame.
//!
//! ```text
//!   dialler                                     acceptor
//!     │ Hello: its nonce, tag of that ───────────►│  silent, and gone, unless a member made it
//!     │◄──────── Challenge: its nonce, tag of both ┤  the acceptor is a member, and here now
//!     │ Proof: tag of both ──────────────────────►│  so is the dialler
//!     │ Open, and all the frames that follow        │
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
//! Steps: 1 `Hello`, 2 `Challenge`, 3 `Proof`. A tag covers the first four bytes, the dialler's nonce
//! and the acceptor's (zeros in a `Hello`). Both nonces are random, so nothing that was recorded
//! opens a stream: a recorded `Hello` gets a `Challenge` that only a member can answer, and no more.
//!
//! What follows is not tagged, so that payload can be sent with `sendfile`: who can change the packets
//! of a connection between members can change what it carries. Shards are verified by their hashes
//! all the same. Nor does a tag cover whom a step is for, because no end knows the address by which
//! another reaches it: who is dialled by a member can pass its `Hello` on to another, and then speak
//! to both.

use crate::wire::network::{KEY_SIZE, Key, TAG_SIZE};
use crate::wire::reader::Reader;
use arrayvec::ArrayVec;
use std::fmt;

/// The first byte of every step.
pub const MAGIC: u8 = 0xe5;
/// The version of the layout.
pub const VERSION: u8 = 1;

/// Bytes of a nonce.
pub const NONCE_SIZE: usize = KEY_SIZE;
const START_SIZE: usize = 4;
/// Bytes of the longest step.
pub const STEP_SIZE_MAX: usize = START_SIZE + NONCE_SIZE + TAG_SIZE;

/// 128 random bits that are used once.
pub type Nonce = [u8; NONCE_SIZE];

/// What the two ends have chosen; zeros for what is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nonces {
    /// The dialler's.
    pub dialler: Nonce,
    /// The acceptor's.
    pub acceptor: Nonce,
}

/// One message of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// The dialler is a member, or has recorded one.
    Hello = 1,
    /// The acceptor is a member, and answers this very `Hello`.
    Challenge = 2,
    /// The dialler is a member, and answers this very `Challenge`.
    Proof = 3,
}

/// Why bytes are not the step that is due. They are counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// Not as long as the step.
    Length,
    /// The first byte is not [`MAGIC`].
    Magic,
    /// A version that is not spoken here.
    Version,
    /// Another step, or none.
    Step,
    /// The reserved byte is not zero.
    Reserved,
    /// Not made with the network's key, or not for these nonces.
    Tag,
}

impl Step {
    /// Bytes of it.
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

    /// The bytes of this step between two ends that have chosen `nonces`, of which a `Hello` has only the
    /// dialler's.
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

    /// Reads this step: `nonces` are those known before, and those known then are returned.
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

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandshakeError::Length => "not as long as the step",
            HandshakeError::Magic => "not a step of a handshake",
            HandshakeError::Version => "unknown version",
            HandshakeError::Step => "another step than is due",
            HandshakeError::Reserved => "the reserved byte is not zero",
            HandshakeError::Tag => "not made with the network's key for this stream",
        })
    }
}

impl std::error::Error for HandshakeError {}
