//! The dialects: one codec each, and the first bytes by which one is told from another.
//!
//! An enum instead of a trait object: there are few dialects, all known here. One more is one more
//! variant, and a row of `prefixes`. The variant of the tests shows that nothing else changes.

use super::native::{self, Native};
use super::{Dialler, Inbox, Message, Received, Unreadable};
use crate::rng::Rng;
use crate::wire::Network;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Native,
    #[cfg(test)]
    Text,
}

/// Reads and writes the messages of a session.
pub enum Codec {
    /// Too few bytes have come to tell.
    Unknown,
    Native(Native),
    #[cfg(test)]
    Text,
}

impl Dialect {
    /// The dialect that begins with the bytes `seen`; none as long as it could be more than one, or
    /// is not certain.
    ///
    /// # Errors
    /// No dialect begins like this. The connection is closed at once, so that a client that tries
    /// several protocols in turn goes on to its next.
    pub fn recognize(
        seen: impl Iterator<Item = u8> + Clone,
        network: Network,
    ) -> Result<Option<Dialect>, Unreadable> {
        let prefixes = [
            (native::prefix(network), Dialect::Native),
            #[cfg(test)]
            (super::tests::text::PREFIX, Dialect::Text),
        ];
        let begins = |prefix: &[u8]| seen.clone().zip(prefix).all(|(byte, of)| byte == *of);
        let fits = prefixes.iter().find(|(prefix, _)| begins(prefix));
        let (prefix, dialect) = fits.ok_or(Unreadable)?;
        Ok((seen.count() >= prefix.len()).then_some(*dialect))
    }
}

impl Codec {
    pub fn new(dialect: Dialect, network: Network, dialler: Dialler, rng: &mut Rng) -> Codec {
        match dialect {
            Dialect::Native => Codec::Native(Native::new(network, dialler, rng)),
            #[cfg(test)]
            Dialect::Text => Codec::Text,
        }
    }

    /// Writes the bytes that the dialling end sends before all messages; true if messages may
    /// follow at once.
    pub fn greet(&self, outbox: &mut Vec<u8>) -> bool {
        match self {
            Codec::Unknown => unreachable!("a dialled session knows its dialect"),
            Codec::Native(native) => native.greet(outbox),
            #[cfg(test)]
            Codec::Text => true,
        }
    }

    /// Takes what one message needs of `bytes`.
    pub fn read<'a>(
        &mut self,
        inbox: &'a mut Inbox,
        bytes: &'a [u8],
        outbox: &mut Vec<u8>,
    ) -> Result<(usize, Received<'a>), Unreadable> {
        match self {
            Codec::Unknown => Err(Unreadable),
            Codec::Native(native) => native.read(inbox, bytes, outbox),
            #[cfg(test)]
            Codec::Text => super::tests::text::read(inbox, bytes),
        }
    }

    pub fn write(&self, message: &Message<'_>, outbox: &mut Vec<u8>) {
        match self {
            // Nothing is known of the other end, and nothing is said to it.
            Codec::Unknown => {}
            Codec::Native(native) => native.write(message, outbox),
            #[cfg(test)]
            Codec::Text => super::tests::text::write(message, outbox),
        }
    }
}
