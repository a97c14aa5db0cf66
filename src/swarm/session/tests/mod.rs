//! Sessions, with bytes cut anywhere, and a second dialect.

pub mod text;

use super::*;
use crate::wire::Key;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

const CLOSE: Message<'_> = Message::Close(CloseReason::Done);

impl Session {
    pub fn is_text(&self) -> bool {
        matches!(self.codec, Codec::Text)
    }
}

/// Gives bytes to a session in pieces of these sizes: how many messages they have, and whether
/// a handshake was over.
fn give(to: &mut Session, bytes: &[u8], cuts: &[usize]) -> Result<(usize, bool), Ended> {
    let (mut inbox, mut rng) = (to.take_inbox(), Rng::from_number(2));
    let (mut messages, mut was_over) = (0, false);
    let (mut from, mut cuts) = (0, cuts.iter().cycle());
    while from < bytes.len() {
        let end = bytes.len().min(from + cuts.next().unwrap());
        while from < end {
            let (count, received) = to.receive(&mut inbox, &bytes[from..end], &mut rng)?;
            from += count;
            match received {
                Received::Partial => continue,
                Received::Handshake { is_over } => was_over |= is_over,
                Received::Message(_) => messages += 1,
            }
            inbox.clear();
        }
    }
    to.return_inbox(inbox);
    Ok((messages, was_over))
}

/// The bytes that a session has to send.
fn take(from: &mut Session) -> Vec<u8> {
    let bytes = from.outbox().to_vec();
    from.handle_sent(bytes.len());
    bytes
}

fn hello() -> Message<'static> {
    Message::Hello(Hello {
        file: Default::default(),
        node: Default::default(),
        port: 1,
        holds: crate::wire::stream::Holds::None,
        manifest_size: 0,
        shard_count: 0,
    })
}

proptest! {
    #[test]
    fn members_open_however_the_bytes_are_cut(
        cuts in prop::collection::vec(1usize..50, 1..9),
        has_key in any::<bool>(),
    ) {
        let network = match has_key {
            true => Network::with_key("test", Key::new([7; 16])),
            false => Network::named("test"),
        };
        let mut rng = Rng::from_number(1);
        let mut dialler = Session::dial(network, Dialect::Native, &mut rng);
        let mut acceptor = Session::accept(network);
        prop_assert_eq!(dialler.connected(), !has_key);
        if has_key {
            prop_assert_eq!(give(&mut acceptor, &take(&mut dialler), &cuts), Ok((0, false)));
            prop_assert_eq!(give(&mut dialler, &take(&mut acceptor), &cuts), Ok((0, true)));
        }
        // Messages may follow the last step at once.
        dialler.send(&hello());
        dialler.send(&CLOSE);
        prop_assert_eq!(give(&mut acceptor, &take(&mut dialler), &cuts), Ok((2, has_key)));
        acceptor.send(&hello());
        prop_assert_eq!(give(&mut dialler, &take(&mut acceptor), &cuts), Ok((1, false)));
    }

    #[test]
    fn a_stranger_is_known_by_the_first_byte_that_fits_no_dialect(
        bytes in prop::collection::vec(any::<u8>(), 1..20),
        fitting in 0usize..4,
    ) {
        let network = Network::named("test");
        let mut begun = native::prefix(network)[..fitting].to_vec();
        begun.extend(bytes);
        let (mut seen, mut inbox) = (Vec::new(), Inbox::default());
        let (mut session, mut rng) = (Session::accept(network), Rng::from_number(1));
        for byte in begun {
            seen.push(byte);
            let begins = |prefix: [u8; 4]| seen.iter().zip(prefix).all(|(&is, of)| is == of);
            let fits = begins(native::prefix(network)) || begins(text::PREFIX);
            let is_known = session.receive(&mut inbox, &[byte], &mut rng).is_ok();
            prop_assert_eq!(is_known, fits, "{:?}", seen);
            if !fits || seen.len() == 4 {
                break;
            }
        }
        prop_assert!(session.outbox().is_empty());
        prop_assert!(session.last_words(CloseReason::Protocol).as_ref().is_empty());
    }
}

#[test]
fn a_goodbye_is_said_to_a_peer_that_has_spoken_and_not_within_a_message() {
    let network = Network::named("test");
    let mut rng = Rng::from_number(1);
    let mut dialler = Session::dial(network, Dialect::Native, &mut rng);
    dialler.send(&hello());
    let mut acceptor = Session::accept(network);
    give(&mut acceptor, &take(&mut dialler), &[100]).unwrap();
    acceptor.send(&hello());
    acceptor.handle_sent(1);
    assert!(acceptor.last_words(CloseReason::Done).as_ref().is_empty());
    let rest = acceptor.outbox().len();
    acceptor.handle_sent(rest);
    let words = acceptor.last_words(CloseReason::Done);
    dialler.codec.write(&CLOSE, &mut dialler.outbox);
    assert_eq!(words.as_ref(), dialler.outbox());
}
