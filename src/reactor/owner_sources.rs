//! Sources that the owner watches with this loop: the service's control socket, for example.
//!
//! The loop only passes their readiness on. Invariant: readiness is kept until the owner takes it,
//! and never reaches the next source of the same index.

use crate::limits::OWNER_SOURCES_MAX;
use mio::event::Event;

/// The readiness of a source of the owner's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The index that it was registered with.
    pub index: usize,
    /// Reading may not have to wait.
    pub is_readable: bool,
    /// Writing may not have to wait.
    pub is_writable: bool,
    /// Writing is of no use any more: the other end is closed, or the source has failed.
    pub is_closed: bool,
}

/// Readiness that the owner has not taken yet, by index.
#[derive(Default)]
pub struct OwnerSources {
    pending: [Option<Readiness>; OWNER_SOURCES_MAX],
}

impl OwnerSources {
    /// Adds what the poll says of a source.
    pub fn handle_event(&mut self, index: usize, event: &Event) {
        let Some(pending) = self.pending.get_mut(index) else {
            return;
        };
        let ready = pending.get_or_insert(Readiness {
            index,
            ..Readiness::default()
        });
        ready.is_readable |= event.is_readable();
        ready.is_writable |= event.is_writable();
        ready.is_closed |= event.is_write_closed() || event.is_error();
    }

    /// Drops what is known of a source: another takes its index.
    pub fn forget(&mut self, index: usize) {
        self.pending[index] = None;
    }

    /// Takes the readiness of one source.
    pub fn next(&mut self) -> Option<Readiness> {
        self.pending.iter_mut().find_map(Option::take)
    }
}
