//! Bencode: the decoder takes what a naive one takes, and what it takes has one encoding.

use sprat::limits::BENCODE_DEPTH_MAX;
use sprat::wire::bencode::{BencodeError, Decoder, Encoder};

/// The body of the target.
pub fn run(bytes: &[u8]) {
    let mut decoder = Decoder::new(bytes);
    let skipped = decoder.skip();
    let taken = skipped.is_ok().then(|| decoder.offset());
    let depth = BENCODE_DEPTH_MAX as usize;
    assert_eq!(taken, naive(bytes, depth), "the two readers part");
    if let Err(error) = skipped {
        assert!(
            error.at <= bytes.len(),
            "an error lies within what was read"
        );
        return;
    }
    let mut encoder = Encoder::default();
    copy(&mut Decoder::new(bytes), bytes, &mut encoder).expect("it was read before");
    assert_eq!(Some(encoder.finish().len()), taken);
}

/// The size of the value at the start of `bytes`, which nests at most `depth` deep.
fn naive(bytes: &[u8], depth: usize) -> Option<usize> {
    match bytes.first()? {
        b'i' => {
            let end = bytes.iter().position(|&byte| byte == b'e')?;
            let text = std::str::from_utf8(&bytes[1..end]).ok()?;
            // The greatest magnitude stands for both signs.
            let number: i64 = text.parse().ok().filter(|&number| number != i64::MIN)?;
            (number.to_string() == text).then_some(end + 1)
        }
        b'0'..=b'9' => naive_string(bytes).map(|(_, size)| size),
        mark @ (b'l' | b'd') => {
            let depth = depth.checked_sub(1)?;
            let (mut at, mut last) = (1, None);
            while *bytes.get(at)? != b'e' {
                if *mark == b'd' {
                    let (key, size) = naive_string(&bytes[at..])?;
                    if last.is_some_and(|last| last >= key) {
                        return None;
                    }
                    last = Some(key);
                    at += size;
                }
                at += naive(bytes.get(at..)?, depth)?;
            }
            Some(at + 1)
        }
        _ => None,
    }
}

fn naive_string(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let colon = bytes.iter().position(|&byte| byte == b':')?;
    let text = std::str::from_utf8(&bytes[..colon]).ok()?;
    let size: usize = text.parse().ok()?;
    let end = size.checked_add(colon + 1)?;
    let string = bytes.get(colon + 1..end)?;
    (size.to_string() == text).then_some((string, end))
}

/// Reads one value with every method of the decoder and writes it again.
fn copy(decoder: &mut Decoder, bytes: &[u8], encoder: &mut Encoder) -> Result<(), BencodeError> {
    let start = decoder.offset();
    match bytes.get(start) {
        Some(b'i') => match decoder.clone().unsigned() {
            Ok(number) => {
                decoder.unsigned()?;
                encoder.unsigned(number);
            }
            Err(_) => encoder.raw(decoder.skip()?),
        },
        Some(b'l') => {
            decoder.list()?;
            encoder.list();
            while decoder.item()? {
                copy(decoder, bytes, encoder)?;
            }
            encoder.end();
        }
        Some(b'd') => {
            let mut keys = decoder.dictionary()?;
            encoder.dictionary();
            while let Some(key) = decoder.key(&mut keys)? {
                encoder.string(key);
                copy(decoder, bytes, encoder)?;
            }
            encoder.end();
        }
        _ => encoder.string(decoder.string()?),
    }
    Ok(())
}
