//! Datagrams and hails: what parses is emitted as the very bytes it came from.
//!
//! No fuzzer guesses a CRC, so each input is tried as it is and with its CRC put right.

use super::packets::{self, network};
use sprat::limits::DATAGRAM_SIZE_MAX;
use sprat::wire::hail::HAIL_SIZE;
use sprat::wire::{Datagram, Hail, address};

/// The body of the target.
pub fn run(bytes: &[u8]) {
    check(bytes);
    let mut mended = bytes.to_vec();
    packets::mend_datagram(&mut mended);
    check(&mended);
}

fn check(bytes: &[u8]) {
    if let Ok(hail) = Hail::parse(bytes, network()) {
        let mut buffer = [0xa5; HAIL_SIZE];
        assert_eq!(hail.emit(network(), &mut buffer), bytes.len());
        assert_eq!(buffer, bytes, "there is one encoding of {hail:?}");
    }
    let Ok(datagram) = Datagram::parse(bytes, network()) else {
        return;
    };
    let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
    let size = datagram.emit(network(), &mut buffer);
    assert_eq!(size, datagram.size(), "the size is told beforehand");
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
