//! Bencode (BEP 3): integers, byte strings, lists and dictionaries.
//!
//! ```text
//! integer     i<digits>e         i-7e    no leading zeros, no -0
//! string      <size>:<bytes>     3:abc   no leading zeros
//! list        l<values>e
//! dictionary  d<key><value>...e          keys are strings, sorted as bytes, each once
//! ```
//!
//! The decoder is a cursor that borrows: it allocates nothing, strings are slices of the input, and
//! the caller asks for the type that it expects. It is strict, so that each value has exactly one
//! encoding. It builds no tree of values: [`Decoder::skip`] returns the bytes of an unknown value.
//!
//! Invariant: for any input, the work is linear in its length and the depth is bounded.

use crate::limits::BENCODE_DEPTH_MAX;
use std::fmt;

/// A problem and its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BencodeError {
    /// Bytes from the start of the input to the wrong value.
    pub at: usize,
    /// The problem of the value there.
    pub problem: Problem,
}

/// A problem of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The input ends within the value.
    Cut,
    /// An integer is expected here.
    NotAnInteger,
    /// A string is expected here.
    NotAString,
    /// A list is expected here.
    NotAList,
    /// A dictionary is expected here.
    NotADictionary,
    /// No value begins with this byte.
    NotAValue,
    /// An integer or size has leading zeros or no digits, or is minus zero.
    Number,
    /// An integer is out of the range 0 – 2^63-1, or a size does not fit.
    Range,
    /// A key is not greater than the one before it.
    KeyOrder,
    /// Lists and dictionaries are nested deeper than [`BENCODE_DEPTH_MAX`].
    Depth,
    /// Bytes follow the end of the value.
    Trailing,
}

/// A cursor over bencoded bytes.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The position among the sorted keys of a dictionary.
#[derive(Debug, Default)]
pub struct Keys<'a> {
    last: Option<&'a [u8]>,
}

impl<'a> Decoder<'a> {
    /// Starts at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes, at: 0 }
    }

    /// Succeeds when no byte is left.
    ///
    /// # Errors
    /// `Trailing`. Every error of every method carries the offset of the wrong value.
    pub fn end(&self) -> Result<(), BencodeError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.wrong(Problem::Trailing))
        }
    }

    /// Bytes from the start of the input to the next value.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Reads an integer that is not negative.
    ///
    /// # Errors
    /// `Cut`, `NotAnInteger`, `Number`, `Range` (negative ones too).
    pub fn unsigned(&mut self) -> Result<u64, BencodeError> {
        let start = self.clone();
        let number = self.integer()?;
        u64::try_from(number).map_err(|_| start.wrong(Problem::Range))
    }

    /// Reads a string, which borrows from the input.
    ///
    /// # Errors
    /// `Cut`, `NotAString`, `Number`, `Range`.
    pub fn string(&mut self) -> Result<&'a [u8], BencodeError> {
        let start = self.clone();
        if !self.peek()?.is_ascii_digit() {
            return Err(self.wrong(Problem::NotAString));
        }
        let size = self.digits(&start, b':')?;
        let size = usize::try_from(size).map_err(|_| start.wrong(Problem::Range))?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let string = rest.get(..size).ok_or(start.wrong(Problem::Cut))?;
        self.at = self.at.saturating_add(size);
        Ok(string)
    }

    /// Begins a list: the caller reads a value each time [`Decoder::item`] returns true.
    ///
    /// # Errors
    /// `Cut`, `NotAList`.
    pub fn list(&mut self) -> Result<(), BencodeError> {
        self.begin(b'l', Problem::NotAList)
    }

    /// Whether another value of the list follows; if not, reads the list's end.
    ///
    /// # Errors
    /// `Cut`.
    pub fn item(&mut self) -> Result<bool, BencodeError> {
        let ends = self.peek()? == b'e';
        if ends {
            self.advance();
        }
        Ok(!ends)
    }

    /// Begins a dictionary: a value follows each key that [`Decoder::key`] returns.
    ///
    /// # Errors
    /// `Cut`, `NotADictionary`.
    pub fn dictionary(&mut self) -> Result<Keys<'a>, BencodeError> {
        self.begin(b'd', Problem::NotADictionary)?;
        Ok(Keys::default())
    }

    /// Reads the dictionary's next key; at the end, reads that and returns `None`.
    ///
    /// # Errors
    /// `KeyOrder`, and those of [`Decoder::string`].
    pub fn key(&mut self, keys: &mut Keys<'a>) -> Result<Option<&'a [u8]>, BencodeError> {
        if !self.item()? {
            return Ok(None);
        }
        let start = self.clone();
        let key = self.string()?;
        if keys.last.is_some_and(|last| last >= key) {
            return Err(start.wrong(Problem::KeyOrder));
        }
        keys.last = Some(key);
        Ok(Some(key))
    }

    /// Reads a value of any type and returns its bytes.
    ///
    /// # Errors
    /// Those of the other methods, and `NotAValue`, `Depth`.
    pub fn skip(&mut self) -> Result<&'a [u8], BencodeError> {
        let start = self.at;
        self.skip_within(BENCODE_DEPTH_MAX)?;
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    fn skip_within(&mut self, depth: u32) -> Result<(), BencodeError> {
        // The depth left for the items of a list or dictionary.
        let deeper = depth.checked_sub(1).ok_or(self.wrong(Problem::Depth));
        match self.peek()? {
            b'i' => {
                self.integer()?;
            }
            b'0'..=b'9' => {
                self.string()?;
            }
            b'l' => {
                let deeper = deeper?;
                self.list()?;
                while self.item()? {
                    self.skip_within(deeper)?;
                }
            }
            b'd' => {
                let deeper = deeper?;
                let mut keys = self.dictionary()?;
                while self.key(&mut keys)?.is_some() {
                    self.skip_within(deeper)?;
                }
            }
            _ => return Err(self.wrong(Problem::NotAValue)),
        }
        Ok(())
    }

    fn integer(&mut self) -> Result<i64, BencodeError> {
        let start = self.clone();
        self.begin(b'i', Problem::NotAnInteger)?;
        let negative = self.peek()? == b'-';
        if negative {
            self.advance();
        }
        let number = self.digits(&start, b'e')?;
        if negative && number == 0 {
            return Err(start.wrong(Problem::Number));
        }
        let number = i64::try_from(number).map_err(|_| start.wrong(Problem::Range))?;
        Ok(if negative {
            number.saturating_neg()
        } else {
            number
        })
    }

    /// Reads digits and the `end` after them.
    fn digits(&mut self, start: &Decoder<'_>, end: u8) -> Result<u64, BencodeError> {
        let first = self.at;
        let mut number = 0u64;
        loop {
            let byte = self.peek()?;
            if byte == end && self.at > first {
                self.advance();
                return Ok(number);
            }
            let leading_zero = number == 0 && self.at > first;
            if !byte.is_ascii_digit() || leading_zero {
                return Err(start.wrong(Problem::Number));
            }
            let digit = u64::from(byte.saturating_sub(b'0'));
            let longer = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(digit));
            number = longer.ok_or(start.wrong(Problem::Range))?;
            self.advance();
        }
    }

    fn begin(&mut self, mark: u8, otherwise: Problem) -> Result<(), BencodeError> {
        if self.peek()? != mark {
            return Err(self.wrong(otherwise));
        }
        self.advance();
        Ok(())
    }

    fn peek(&self) -> Result<u8, BencodeError> {
        self.bytes
            .get(self.at)
            .copied()
            .ok_or(self.wrong(Problem::Cut))
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn wrong(&self, problem: Problem) -> BencodeError {
        BencodeError {
            at: self.at,
            problem,
        }
    }
}

/// Builds bencoded bytes. The caller sorts the keys and ends each list and dictionary.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Allocates room for `size` bytes.
    pub fn with_capacity(size: usize) -> Encoder {
        Encoder {
            bytes: Vec::with_capacity(size),
        }
    }

    /// Appends an integer that is not negative.
    pub fn unsigned(&mut self, number: u64) {
        self.bytes
            .extend_from_slice(format!("i{number}e").as_bytes());
    }

    /// Appends a string or a key.
    pub fn string(&mut self, string: &[u8]) {
        self.bytes
            .extend_from_slice(format!("{}:", string.len()).as_bytes());
        self.bytes.extend_from_slice(string);
    }

    /// Begins a list, up to [`Encoder::end`].
    pub fn list(&mut self) {
        self.bytes.push(b'l');
    }

    /// Begins a dictionary, up to [`Encoder::end`].
    pub fn dictionary(&mut self) {
        self.bytes.push(b'd');
    }

    /// Ends the list or dictionary that began last.
    pub fn end(&mut self) {
        self.bytes.push(b'e');
    }

    /// Appends a value that is bencoded already.
    pub fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    /// Returns the bytes built so far.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Display for BencodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Cut => "it ends too early",
            Problem::NotAnInteger => "an integer is expected",
            Problem::NotAString => "a string is expected",
            Problem::NotAList => "a list is expected",
            Problem::NotADictionary => "a dictionary is expected",
            Problem::NotAValue => "no value begins like this",
            Problem::Number => "a number is malformed",
            Problem::Range => "a number is out of range",
            Problem::KeyOrder => "a key is out of order or repeated",
            Problem::Depth => "it is nested too deeply",
            Problem::Trailing => "bytes follow its end",
        };
        write!(f, "{problem} (at byte {})", self.at)
    }
}

impl std::error::Error for BencodeError {}
