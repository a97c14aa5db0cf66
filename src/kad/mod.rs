//! stub
#![allow(missing_docs, unused_variables)]
use crate::id::{FileId, Id, NodeId};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::{Contact, Network};
use std::net::SocketAddr;
use std::time::Duration;
#[derive(Default)]
pub struct Params {}
pub struct Config {
    pub id: NodeId,
    pub network: Network,
    pub port: u16,
    pub read_only: bool,
    pub params: Params,
}
pub struct Kad {}
pub enum Purpose {
    FindNode,
    FindValue,
}
pub enum Event {
    Joined {
        contacts: u32,
    },
    BootstrapSilent {
        address: SocketAddr,
        attempts: u32,
    },
    Provider {
        file: FileId,
        location: SocketAddr,
    },
    LookupDone {
        target: Id,
        purpose: Purpose,
        hops: u32,
        asked: u32,
        answered: u32,
        providers: u32,
        took: Duration,
    },
    Announced {
        file: FileId,
        stored: u32,
    },
}
impl Kad {
    pub fn new(config: Config, rng: Rng, now: Instant) -> Kad {
        Kad {}
    }
    pub fn bootstrap(&mut self, now: Instant, address: SocketAddr) {}
    pub fn find_providers(&mut self, now: Instant, file: FileId) -> bool {
        false
    }
    pub fn provide(&mut self, now: Instant, file: FileId) {}
    pub fn withdraw(&mut self, now: Instant, file: FileId) {}
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {}
    pub fn handle_timeout(&mut self, now: Instant) {}
    pub fn poll_datagram(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, usize)> {
        None
    }
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    pub fn contact_count(&self) -> usize {
        0
    }
    pub fn contacts(&self) -> impl Iterator<Item = Contact> {
        std::iter::empty()
    }
}
