//! Bytes of datagrams and frames put right, so that what lies behind a checksum is reached.

use sprat::limits::RANGE_SIZE_MAX;
use sprat::wire::native::frame::{self, HEADER_SIZE};
use sprat::wire::network::KEY_SIZE;
use sprat::wire::{Frame, Header, Key, Network};

/// The network of all inputs.
pub fn network() -> Network {
    Network::named(Network::DEFAULT_NAME)
}

/// The network of inputs that are sealed.
pub fn keyed_network() -> Network {
    Network::with_key(Network::DEFAULT_NAME, Key::new([0x5a; KEY_SIZE]))
}

/// The key that its tags are made with.
pub fn key() -> Key {
    keyed_network().key().expect("it has one")
}

/// Puts the CRC of a datagram right, if it is long enough to have one.
pub fn mend_datagram(bytes: &mut [u8], network: Network) {
    if bytes.len() < 8 {
        return;
    }
    bytes[4..8].fill(0);
    let crc = network.crc(&[bytes]);
    bytes[4..8].copy_from_slice(&crc.to_be_bytes());
}

/// Puts the CRC of the frame at the start of `bytes` right, if it is all there; its size.
pub fn mend_frame(bytes: &mut [u8]) -> Option<usize> {
    let header: &[u8; HEADER_SIZE] = bytes.first_chunk()?;
    let size = HEADER_SIZE + Header::parse(header).ok()?.body_size();
    let (header, body) = bytes.get_mut(..size)?.split_at_mut(HEADER_SIZE);
    let crc = network().crc(&[&header[..8], body]);
    header[8..].copy_from_slice(&crc.to_be_bytes());
    Some(size)
}

/// Puts the CRCs of all frames of a stream right, as far as it has frames.
pub fn mend_stream(mut bytes: &mut [u8]) {
    while let Some(size) = mend_frame(bytes) {
        let payload = match parse_frame(bytes) {
            Some((Frame::Data(range), _)) => range.length.min(RANGE_SIZE_MAX) as usize,
            _ => 0,
        };
        let end = (size + payload).min(bytes.len());
        bytes = &mut bytes[end..];
    }
}

/// The frame at the start of `bytes`, and its size without payload; `None` when it is cut or wrong.
pub fn parse_frame(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let header = Header::parse(bytes.first_chunk()?).ok()?;
    let size = HEADER_SIZE + header.body_size();
    let frame = Frame::parse(&header, bytes.get(HEADER_SIZE..size)?, network()).ok()?;
    Some((frame, size))
}

/// The bytes of a frame.
pub fn frame_bytes(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = vec![0xa5; frame.size()];
    let size = frame.emit(network(), &mut bytes);
    assert_eq!(size, bytes.len());
    bytes
}

/// The bytes of a frame with any kind and body, and the right length and CRC.
pub fn raw_frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![frame::MAGIC, kind, 0, 0];
    bytes.extend((body.len() as u32).to_be_bytes());
    let crc = network().crc(&[&bytes, body]);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(body);
    bytes
}
