//! The handshake of one stream, in a network with a key: which step is due, and what answers it.
//!
//! ```text
//!   dialler:    Hello out ─► awaits Challenge ─► Proof out, over
//!   acceptor:   awaits Hello ─► Challenge out ─► awaits Proof ─► over
//! ```
//!
//! Until it is over nothing else is said, and a wrong step ends the stream without a word. The
//! bytes of the steps are `wire::native::handshake`'s.

use super::Dialler;
use crate::wire::Key;
use crate::wire::native::handshake::{HandshakeError, Nonce, Nonces, STEP_SIZE_MAX, Step};
use arrayvec::ArrayVec;

/// The bytes of one step.
type StepBytes = ArrayVec<u8, STEP_SIZE_MAX>;

/// A handshake that is not over.
#[derive(Clone, Debug)]
pub struct Handshake {
    key: Key,
    own: Nonce,
    nonces: Nonces,
    awaited: Step,
}

/// Where a step has brought a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This is to be sent, and another step is awaited.
    Answer(StepBytes),
    /// It was the last: this, if anything, is to be sent, and then messages.
    Over(StepBytes),
}

impl Handshake {
    /// That of the end which has dialled (`Dialler::Us`), or of the other. `own` is random.
    pub fn new(dialler: Dialler, key: Key, own: Nonce) -> Handshake {
        let (mut nonces, mut awaited) = (Nonces::default(), Step::Hello);
        if dialler == Dialler::Us {
            nonces.dialler = own;
            awaited = Step::Challenge;
        }
        Handshake {
            key,
            own,
            nonces,
            awaited,
        }
    }

    /// The first step of the dialler.
    pub fn hello(&self) -> StepBytes {
        Step::Hello.emit(&self.nonces, self.key)
    }

    /// Bytes of the step that is awaited.
    pub fn awaited_size(&self) -> usize {
        self.awaited.size()
    }

    /// Takes the step that is awaited.
    ///
    /// # Errors
    /// The step is not one that a member has made for this stream.
    pub fn take(&mut self, step: &[u8]) -> Result<Outcome, HandshakeError> {
        self.nonces = self.awaited.parse(step, self.nonces, self.key)?;
        Ok(match self.awaited {
            Step::Hello => {
                self.nonces.acceptor = self.own;
                self.awaited = Step::Proof;
                Outcome::Answer(Step::Challenge.emit(&self.nonces, self.key))
            }
            Step::Challenge => Outcome::Over(Step::Proof.emit(&self.nonces, self.key)),
            Step::Proof => Outcome::Over(ArrayVec::new()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(keys: [u8; 2]) -> [Handshake; 2] {
        let key = |byte| Key::new([byte; 16]);
        [
            Handshake::new(Dialler::Us, key(keys[0]), [1; 16]),
            Handshake::new(Dialler::Them, key(keys[1]), [2; 16]),
        ]
    }

    #[test]
    fn a_peer_with_another_key_gets_nothing() {
        let [dialler, mut acceptor] = ends([7, 8]);
        assert_eq!(acceptor.take(&dialler.hello()), Err(HandshakeError::Tag));
    }

    #[test]
    fn a_recorded_handshake_opens_nothing() {
        let [mut dialler, mut acceptor] = ends([7, 7]);
        let hello = dialler.hello();
        let Ok(Outcome::Answer(challenge)) = acceptor.take(&hello) else {
            panic!("a Hello is answered");
        };
        let Ok(Outcome::Over(proof)) = dialler.take(&challenge) else {
            panic!("a Challenge is answered");
        };
        // To another stream of the same acceptor, which has chosen another nonce.
        let mut acceptor = Handshake::new(Dialler::Them, Key::new([7; 16]), [3; 16]);
        let Ok(Outcome::Answer(fresh)) = acceptor.take(&hello) else {
            panic!("a recorded Hello is answered");
        };
        assert_ne!(fresh, challenge);
        assert_eq!(acceptor.take(&proof), Err(HandshakeError::Tag));
        // To another stream of the same dialler.
        let mut dialler = Handshake::new(Dialler::Us, Key::new([7; 16]), [4; 16]);
        assert_eq!(dialler.take(&challenge), Err(HandshakeError::Tag));
        // And an end is not fooled by what it says itself.
        let [dialler, mut acceptor] = ends([7, 7]);
        let Ok(Outcome::Answer(challenge)) = acceptor.take(&dialler.hello()) else {
            panic!("a Hello is answered");
        };
        assert_eq!(acceptor.take(&challenge[..20]), Err(HandshakeError::Step));
    }
}
