//! The table of a host's sockets, as a driver keeps it.
//!
//! As in the reactor, a socket counts as readable and writable until it has returned `WouldBlock`,
//! and only after that comes an event. Invariant: a socket of the table has a connection, or had
//! one until it was reset.

use super::pipes::EndKey;
use super::scheduled::Readiness;
use crate::output::StreamKey;
use std::collections::VecDeque;

/// One socket with its readiness.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    pub key: StreamKey,
    pub at: EndKey,
    pub is_connected: bool,
    pub is_readable: bool,
    pub is_writable: bool,
    is_queued: bool,
}

impl Socket {
    pub fn make_ready(&mut self, readiness: Readiness) {
        self.is_readable |= readiness != Readiness::Write;
        self.is_writable |= readiness != Readiness::Read;
    }
}

/// The sockets of a host, by the slots of its streams, and the ready list.
#[derive(Default)]
pub(super) struct Sockets {
    slots: Vec<Option<Socket>>,
    ready: VecDeque<StreamKey>,
}

impl Sockets {
    pub fn find(&mut self, key: StreamKey) -> Option<&mut Socket> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.as_mut().filter(|socket| socket.key == key)
    }

    pub fn insert(&mut self, key: StreamKey, at: EndKey) {
        let slot = key.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        assert!(
            self.slots[slot].is_none(),
            "a slot is used again only after its end"
        );
        let is_accepted = at.side == 1;
        self.slots[slot] = Some(Socket {
            key,
            at,
            is_connected: is_accepted,
            is_readable: is_accepted,
            is_writable: is_accepted,
            is_queued: false,
        });
        if is_accepted {
            self.queue(key);
        }
    }

    pub fn remove(&mut self, key: StreamKey) -> Option<Socket> {
        self.find(key)?;
        self.slots[key.slot as usize].take()
    }

    /// Puts a socket on the ready list, once.
    pub fn queue(&mut self, key: StreamKey) {
        if let Some(socket) = self.find(key) {
            if !socket.is_queued {
                socket.is_queued = true;
                self.ready.push_back(key);
            }
        }
    }

    pub fn next_ready(&mut self) -> Option<StreamKey> {
        let key = self.ready.pop_front()?;
        if let Some(socket) = self.find(key) {
            socket.is_queued = false;
        }
        Some(key)
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    pub fn into_ends(self) -> impl Iterator<Item = EndKey> {
        self.slots.into_iter().flatten().map(|socket| socket.at)
    }
}
