//! The handshake of one stream, in a network with a key: which step is due, and what answers it.
//!
//! ```text
//!   dialler:    Hello out ─► awaits Challenge ─► Proof out, over
//!   acceptor:   awaits Hello ─► Challenge out ─► awaits Proof ─► over
//! ```
//!
//! Until it is over nothing else is said, and a wrong step ends the stream without a word. The bytes of
//! the steps are `wire::native::handshake`'s.

use crate::output::StreamKey;
use crate::swarm::Swarms;
use crate::swarm::receive::{Fault, STRANGER};
use crate::swarm::stream::{Dialler, Stream};
use crate::wire::Key;
use crate::wire::native::handshake::{HandshakeError, Nonce, Nonces, STEP_SIZE_MAX, Step};
use arrayvec::ArrayVec;
use std::net::IpAddr;

/// The bytes of one step.
type StepBytes = ArrayVec<u8, STEP_SIZE_MAX>;

/// A handshake that is not over.
#[derive(Clone, Debug)]
pub struct Handshake {
    key: Key,
    own: Nonce,
    nonces: Nonces,
    awaited: Step,
    /// What has come of the step that is awaited.
    inbox: StepBytes,
}

/// How far some bytes have brought a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step that is awaited has not come whole.
    Partial,
    /// It has: this is to be sent, and another step is awaited.
    Answer(StepBytes),
    /// It has, and was the last: this, if anything, is to be sent, and then frames.
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
            inbox: ArrayVec::new(),
        }
    }

    /// What the dialler says first.
    pub fn hello(&self) -> StepBytes {
        Step::Hello.emit(&self.nonces, self.key)
    }

    /// Takes in what the step that is awaited needs of `bytes`: how many those were, and what comes of
    /// it.
    ///
    /// # Errors
    /// The step is not one that a member has made for this stream.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(usize, Outcome), HandshakeError> {
        let missing = self.awaited.size() - self.inbox.len();
        let count = missing.min(bytes.len());
        self.inbox.extend(bytes[..count].iter().copied());
        if count < missing {
            return Ok((count, Outcome::Partial));
        }
        self.nonces = self.awaited.parse(&self.inbox, self.nonces, self.key)?;
        self.inbox.clear();
        let outcome = match self.awaited {
            Step::Hello => {
                self.nonces.acceptor = self.own;
                self.awaited = Step::Proof;
                Outcome::Answer(Step::Challenge.emit(&self.nonces, self.key))
            }
            Step::Challenge => Outcome::Over(Step::Proof.emit(&self.nonces, self.key)),
            Step::Proof => Outcome::Over(ArrayVec::new()),
        };
        Ok((count, outcome))
    }
}

impl Swarms {
    /// Has a new stream begin with a handshake, where the network has a key.
    pub(in crate::swarm) fn with_handshake(&mut self, mut stream: Stream) -> Stream {
        stream.handshake = self.config.network.key().map(|key| {
            let mut own = Nonce::default();
            self.rng.fill(&mut own);
            Handshake::new(stream.dialler, key, own)
        });
        stream
    }

    /// How many streams that come from `ip` have a handshake that is not over.
    pub(in crate::swarm) fn handshake_count(&self, ip: IpAddr) -> usize {
        let streams = self.streams.iter().filter(|(_, stream)| {
            stream.handshake.is_some()
                && stream.dialler == Dialler::Them
                && stream.address.ip() == ip
        });
        streams.count()
    }

    /// The connection of a stream that we have dialled stands: says what comes first.
    pub(in crate::swarm) fn push_first(&mut self, key: StreamKey) {
        let hello = self.streams.get(key).and_then(|stream| {
            let handshake = stream.handshake.as_ref()?;
            Some(handshake.hello())
        });
        match hello {
            Some(hello) => self.push_step(key, &hello),
            None => self.push_open(key),
        }
    }

    /// Takes in what a stream's handshake needs of `bytes`; how many those were. `None`: it has none,
    /// or none any more.
    pub(in crate::swarm) fn shake_hands(
        &mut self,
        key: StreamKey,
        bytes: &[u8],
    ) -> Option<Result<usize, Fault>> {
        let stream = self.streams.get_mut(key)?;
        let handshake = stream.handshake.as_mut()?;
        let Ok((count, outcome)) = handshake.take(bytes) else {
            return Some(Err(STRANGER));
        };
        match outcome {
            Outcome::Partial => {}
            Outcome::Answer(step) => self.push_step(key, &step),
            Outcome::Over(step) => {
                (stream.handshake, stream.is_stranger) = (None, false);
                let is_ours = stream.dialler == Dialler::Us;
                self.push_step(key, &step);
                if is_ours {
                    self.push_open(key);
                }
            }
        }
        Some(Ok(count))
    }

    fn push_step(&mut self, key: StreamKey, step: &[u8]) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.push_bytes(step);
        }
        self.wake(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::limits::HANDSHAKES_PER_IP_MAX;
    use crate::rng::Rng;
    use crate::swarm::Config;
    use crate::time::Instant;
    use crate::wire::Network;
    use proptest::prelude::*;

    fn ends(keys: [u8; 2]) -> [Handshake; 2] {
        let key = |byte| Key::new([byte; 16]);
        [
            Handshake::new(Dialler::Us, key(keys[0]), [1; 16]),
            Handshake::new(Dialler::Them, key(keys[1]), [2; 16]),
        ]
    }

    /// Gives bytes to an end in pieces of these sizes: what it says, and whether it is done.
    fn give(to: &mut Handshake, bytes: &[u8], cuts: &[usize]) -> Result<Outcome, HandshakeError> {
        let (mut at, mut cuts) = (0, cuts.iter().cycle());
        loop {
            let end = bytes.len().min(at + cuts.next().unwrap());
            let (count, outcome) = to.take(&bytes[at..end])?;
            at += count;
            if outcome != Outcome::Partial || at == bytes.len() {
                assert_eq!(at, bytes.len(), "nothing of the next step is taken");
                return Ok(outcome);
            }
        }
    }

    proptest! {
        #[test]
        fn members_open_however_the_bytes_are_cut(cuts in prop::collection::vec(1usize..50, 1..9)) {
            let [mut dialler, mut acceptor] = ends([7, 7]);
            let hello = dialler.hello();
            let Outcome::Answer(challenge) = give(&mut acceptor, &hello, &cuts).unwrap() else {
                panic!("a Hello is answered");
            };
            let Outcome::Over(proof) = give(&mut dialler, &challenge, &cuts).unwrap() else {
                panic!("a Challenge is answered");
            };
            let over = give(&mut acceptor, &proof, &cuts).unwrap();
            prop_assert_eq!(over, Outcome::Over(ArrayVec::new()));
        }
    }

    #[test]
    fn what_follows_a_step_is_left_for_who_reads_frames() {
        let [dialler, mut acceptor] = ends([7, 7]);
        let mut bytes = dialler.hello().to_vec();
        bytes.extend([0xf5; 10]);
        let (count, outcome) = acceptor.take(&bytes).unwrap();
        assert_eq!(count, bytes.len() - 10);
        assert!(matches!(outcome, Outcome::Answer(_)));
    }

    #[test]
    fn who_has_another_key_gets_nothing() {
        let [dialler, mut acceptor] = ends([7, 8]);
        assert_eq!(acceptor.take(&dialler.hello()), Err(HandshakeError::Tag));
    }

    #[test]
    fn a_recorded_handshake_opens_nothing() {
        let [mut dialler, mut acceptor] = ends([7, 7]);
        let hello = dialler.hello();
        let Ok((_, Outcome::Answer(challenge))) = acceptor.take(&hello) else {
            panic!("a Hello is answered");
        };
        let Ok((_, Outcome::Over(proof))) = dialler.take(&challenge) else {
            panic!("a Challenge is answered");
        };
        // To another stream of the same acceptor, which has chosen another nonce.
        let mut acceptor = Handshake::new(Dialler::Them, Key::new([7; 16]), [3; 16]);
        let Ok((_, Outcome::Answer(fresh))) = acceptor.take(&hello) else {
            panic!("a recorded Hello is answered");
        };
        assert_ne!(fresh, challenge);
        assert_eq!(acceptor.take(&proof), Err(HandshakeError::Tag));
        // To another stream of the same dialler.
        let mut dialler = Handshake::new(Dialler::Us, Key::new([7; 16]), [4; 16]);
        assert_eq!(dialler.take(&challenge), Err(HandshakeError::Tag));
        // And an end is not fooled by what it says itself.
        let [dialler, mut acceptor] = ends([7, 7]);
        let Ok((_, Outcome::Answer(challenge))) = acceptor.take(&dialler.hello()) else {
            panic!("a Hello is answered");
        };
        assert_eq!(acceptor.take(&challenge[..20]), Err(HandshakeError::Step));
    }

    #[test]
    fn who_connects_and_says_nothing_leaves_room_for_members() {
        let network = Network::with_key("test", Key::new([7; 16]));
        let (id, port) = (NodeId::default(), 4160);
        let config = Config { id, network, port };
        let mut swarms = Swarms::new(config, Rng::from_number(1));
        let now = Instant::ZERO;
        let from = |text: &str| text.parse().unwrap();
        let one = from("192.168.1.2:1000");
        let streams: Vec<StreamKey> = (0..HANDSHAKES_PER_IP_MAX)
            .map(|_| swarms.handle_accept(now, one).unwrap())
            .collect();
        assert_eq!(swarms.handle_accept(now, one), None);
        assert!(
            swarms
                .handle_accept(now, from("192.168.1.3:1000"))
                .is_some()
        );
        // One of them is a member's after all.
        let mut member = Handshake::new(Dialler::Us, network.key().unwrap(), [1; 16]);
        swarms.handle_received(now, streams[0], &member.hello());
        assert_eq!(swarms.handle_accept(now, one), None);
        let challenge = swarms.streams.get(streams[0]).unwrap().outbox().to_vec();
        let Ok((_, Outcome::Over(proof))) = member.take(&challenge) else {
            panic!("a Challenge is answered");
        };
        swarms.handle_received(now, streams[0], &proof);
        assert!(swarms.handle_accept(now, one).is_some());
        assert_eq!(swarms.handle_accept(now, one), None);
    }
}
