//! Datagrams, discovery messages and steps of handshakes: a message that parses emits the bytes
//! that it came from.
//!
//! No fuzzer guesses a CRC or a tag, so each input is tried as it is and with these put right.

use super::packets::{self, key, keyed_network, network};
use sprat::address;
use sprat::limits::DATAGRAM_SIZE_MAX;
use sprat::wire::native::discovery::DISCOVERY_SIZE;
use sprat::wire::native::handshake::{NONCE_SIZE, Nonces, STEP_SIZE_MAX, Step};
use sprat::wire::network::TAG_SIZE;
use sprat::wire::{Datagram, Discovery, Network};

/// The body of the target.
pub fn run(bytes: &[u8]) {
    check(bytes, network());
    check(bytes, keyed_network());
    check_step(bytes);
    let mut mended = bytes.to_vec();
    packets::mend_datagram(&mut mended, network());
    check(&mended, network());

    let mut sealed = bytes.to_vec();
    packets::mend_datagram(&mut sealed, keyed_network());
    sealed.extend(key().tag(&[&sealed]));
    check(&sealed, keyed_network());
    let is_one = |bytes: &[u8], network| {
        bytes.len() <= DATAGRAM_SIZE_MAX && Datagram::parse(bytes, network).is_ok()
    };
    if sealed.len() <= DATAGRAM_SIZE_MAX {
        let (open, keyed) = (is_one(&mended, network()), is_one(&sealed, keyed_network()));
        assert_eq!(
            open, keyed,
            "a key changes nothing about what is well-formed"
        );
    }
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    assert!(!is_one(&sealed, keyed_network()));
}

/// A step is taken only with its tag, and is what it is emitted as.
fn check_step(bytes: &[u8]) {
    let known = Nonces {
        dialler: [1; NONCE_SIZE],
        acceptor: [0; NONCE_SIZE],
    };
    for step in [Step::Hello, Step::Challenge, Step::Proof] {
        let parsed = step.parse(bytes, known, key());
        if let Ok(nonces) = parsed {
            assert_eq!(step.emit(&nonces, key())[..], *bytes);
        }
        // The nonce is taken from the input, and the tag put right.
        let nonce = bytes.first_chunk().copied().unwrap_or_default();
        let nonces = match step {
            Step::Hello => Nonces {
                dialler: nonce,
                acceptor: [0; NONCE_SIZE],
            },
            Step::Challenge | Step::Proof => Nonces {
                acceptor: nonce,
                ..known
            },
        };
        let mended = step.emit(&nonces, key());
        let before = if step == Step::Proof { nonces } else { known };
        assert_eq!(step.parse(&mended, before, key()), Ok(nonces));
        assert!(mended.len() <= STEP_SIZE_MAX);
    }
}

fn check(bytes: &[u8], network: Network) {
    if let Ok(message) = Discovery::parse(bytes, network) {
        let mut buffer = [0xa5; DISCOVERY_SIZE + TAG_SIZE];
        let size = message.emit(network, &mut buffer);
        assert_eq!(
            buffer[..size],
            *bytes,
            "there is one encoding of {message:?}"
        );
    }
    let Ok(datagram) = Datagram::parse(bytes, network) else {
        return;
    };
    let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
    let size = datagram.emit(network, &mut buffer);
    let bare = size - network.tag_size();
    assert_eq!(bare, datagram.size(), "the size is told beforehand");
    assert_eq!(
        &buffer[..size],
        bytes,
        "there is one encoding of {datagram:?}"
    );
    assert!(
        buffer[size..].iter().all(|&byte| byte == 0xa5),
        "nothing is written behind the end"
    );
    assert_eq!(datagram.body.is_reply(), datagram.body.seen().is_some());
    if let Some(seen) = datagram.body.seen() {
        assert!(address::is_usable(seen.address));
        assert_eq!(seen.address, address::canonical(seen.address));
    }
    let padded = datagram.body.clone().padded_to(DATAGRAM_SIZE_MAX);
    assert!(padded.is_reply() || padded.size() == DATAGRAM_SIZE_MAX);
}
