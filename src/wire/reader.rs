//! A cursor over received bytes, and one over bytes to send.
//!
//! Each read takes the error to return when its field is cut short, so an error names the field
//! that it is about, and the cursor itself knows no message.
//!
//! Invariant: the reader never yields a byte twice nor one beyond the end, and [`Reader::end`]
//! succeeds only after the last byte.

use byteorder::{BigEndian, ByteOrder};

/// The rest of a message that is being read.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// `missing` when fewer are left, and then it consumes nothing. All reads do the same.
    pub fn array<const N: usize, E>(&mut self, missing: E) -> Result<[u8; N], E> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(missing)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Reads `size` bytes, which borrow from the message.
    pub fn bytes<E>(&mut self, size: usize, missing: E) -> Result<&'a [u8], E> {
        let (head, rest) = self.rest.split_at_checked(size).ok_or(missing)?;
        self.rest = rest;
        Ok(head)
    }

    /// Reads all bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Reads a number of one byte.
    pub fn u8<E>(&mut self, missing: E) -> Result<u8, E> {
        self.array(missing).map(|[byte]| byte)
    }

    /// Reads a number of two bytes.
    pub fn u16<E>(&mut self, missing: E) -> Result<u16, E> {
        self.array::<2, E>(missing)
            .map(|bytes| BigEndian::read_u16(&bytes))
    }

    /// Reads a number of four bytes.
    pub fn u32<E>(&mut self, missing: E) -> Result<u32, E> {
        self.array::<4, E>(missing)
            .map(|bytes| BigEndian::read_u32(&bytes))
    }

    /// Reads a number of eight bytes.
    pub fn u64<E>(&mut self, missing: E) -> Result<u64, E> {
        self.array::<8, E>(missing)
            .map(|bytes| BigEndian::read_u64(&bytes))
    }

    /// Succeeds when no byte is left.
    ///
    /// # Errors
    /// `trailing` when bytes are left.
    pub fn end<E>(&self, trailing: E) -> Result<(), E> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(trailing)
        }
    }
}

/// A message that is being written. A buffer that is too small is a bug of the caller: it panics.
#[derive(Debug)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    size: usize,
}

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
impl<'a> Writer<'a> {
    /// Starts at the first byte of `buffer`; bytes that are not written keep their value.
    pub fn new(buffer: &'a mut [u8]) -> Writer<'a> {
        Writer { buffer, size: 0 }
    }

    /// Appends all of `bytes` to the message.
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.size..][..bytes.len()].copy_from_slice(bytes);
        self.size += bytes.len();
    }

    /// Appends `count` zero bytes to the message.
    pub fn zeros(&mut self, count: usize) {
        self.buffer[self.size..][..count].fill(0);
        self.size += count;
    }

    /// Appends a number of one byte.
    pub fn u8(&mut self, number: u8) {
        self.put(&[number]);
    }

    /// Appends a number of two bytes.
    pub fn u16(&mut self, number: u16) {
        self.put(&number.to_be_bytes());
    }

    /// Appends a number of four bytes.
    pub fn u32(&mut self, number: u32) {
        self.put(&number.to_be_bytes());
    }

    /// Appends a number of eight bytes.
    pub fn u64(&mut self, number: u64) {
        self.put(&number.to_be_bytes());
    }

    /// Overwrites four bytes that are written already, at offset `at`, with a number.
    pub fn replace_u32(&mut self, at: usize, number: u32) {
        BigEndian::write_u32(&mut self.buffer[..self.size][at..], number);
    }

    /// The bytes written so far.
    pub fn written(&self) -> &[u8] {
        &self.buffer[..self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_fails_names_its_field_and_consumes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u32("length"), Err("length"));
        assert_eq!(reader.u16("port"), Ok(0x0102));
        assert_eq!(reader.end("trailing"), Err("trailing"));
        assert_eq!(reader.u8("flags"), Ok(3));
        assert_eq!(reader.end("trailing"), Ok(()));
        assert_eq!(reader.u8("flags"), Err("flags"));
    }

    #[test]
    fn written_values_read_back_and_bytes_beyond_stay() {
        let mut buffer = [0xa5; 32];
        let mut writer = Writer::new(&mut buffer);
        writer.u8(1);
        writer.u16(2);
        writer.u32(3);
        writer.u64(4);
        writer.zeros(2);
        writer.replace_u32(3, 5);
        assert_eq!(writer.written().len(), 17);
        let mut reader = Reader::new(&buffer);
        assert_eq!(reader.u8(()), Ok(1));
        assert_eq!(reader.u16(()), Ok(2));
        assert_eq!(reader.u32(()), Ok(5));
        assert_eq!(reader.u64(()), Ok(4));
        assert_eq!(reader.bytes(2, ()), Ok(&[0, 0][..]));
        assert!(reader.rest().iter().all(|&byte| byte == 0xa5));
    }
}
