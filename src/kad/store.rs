//! Stores: records that this node brings to other nodes, and the write tokens that they take.

use super::Config;
use crate::address::Contact;
use crate::id::FileId;
use crate::limits::SECRET_PERIOD;
use crate::time::Instant;
use crate::wire::native::datagram::{Body, HandedProvider, Token};

/// A write token that a node gave us, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldToken {
    token: Token,
    received_at: Instant,
}

impl HeldToken {
    pub fn new(token: Token, received_at: Instant) -> HeldToken {
        HeldToken { token, received_at }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Our announcement, at the end of its lookup.
    Announce,
    /// Our announcement, to a node that came near the file after it (rule 13).
    Extend,
    /// The end of our announcement.
    Withdraw,
    /// The records of the file that we keep, as they are when they are sent (rule 13).
    HandOver,
    /// These records, handed over or found by a lookup (rule 10).
    Replicate(Vec<HandedProvider>),
}

/// A record, or several, to be brought to a node that must have given us a token for the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub file: FileId,
    pub contact: Contact,
    pub token: Option<HeldToken>,
    pub kind: StoreKind,
}
const _: () = assert!(size_of::<Store>() <= crate::limits::memory::STORE_SIZE);

impl Store {
    pub fn new(file: FileId, contact: Contact, token: Option<HeldToken>, kind: StoreKind) -> Store {
        Store {
            file,
            contact,
            token,
            kind,
        }
    }

    /// Whether the token is certain to be accepted.
    pub fn has_fresh_token(&self, now: Instant) -> bool {
        let is_fresh = |held: HeldToken| now.since(held.received_at) < SECRET_PERIOD;
        self.token.is_some_and(is_fresh)
    }

    /// The request that it ends with.
    pub fn body(&self, config: &Config) -> Body {
        let token = self.token.map(|held| held.token).unwrap_or_default();
        let (file, port, padding) = (self.file, config.port, 0);
        let ttl = match &self.kind {
            StoreKind::Replicate(providers) => {
                return Body::Replicate {
                    file,
                    token,
                    providers: providers.iter().copied().collect(),
                    padding,
                };
            }
            StoreKind::Withdraw => 0,
            _ => config.params.record_ttl.as_secs() as u32,
        };
        Body::Store {
            file,
            token,
            port,
            ttl,
            padding,
        }
    }
}
