//! Relays between Kademlia and the swarms, which do not know each other.
//!
//! Swarms ask for providers and for announcements; Kademlia reports the providers that it finds.
//! Invariant: after each fact, neither has anything left for the other.

use super::{Event, Node};
use crate::dht;
use crate::id::FileId;
use crate::limits::{PROVIDED_MAX, SWARMS_MAX};
use crate::swarm::Request;
use crate::time::Instant;

impl Node {
    /// Hands the requests of the swarms to Kademlia, and its events to the swarms and the owner.
    pub(super) fn relay(&mut self, now: Instant) {
        while let Some(request) = self.swarms.poll_request() {
            match request {
                Request::FindProviders(file) => {
                    if !self.kad.find_providers(now, file) {
                        self.swarms.handle_looked_up(now, file, None);
                    }
                }
                Request::Provide(file) => {
                    const { assert!(SWARMS_MAX <= PROVIDED_MAX, "each swarm may be announced") };
                    self.kad.provide(now, file);
                }
                Request::Withdraw(file) => self.kad.withdraw(now, file),
            }
        }
        while let Some(event) = self.kad.poll_event() {
            match event {
                dht::Event::Provider { file, location } => {
                    self.swarms.handle_provider(now, file, location);
                }
                dht::Event::Met => self.swarms.handle_met(now),
                dht::Event::LookupDone {
                    target,
                    purpose: dht::Purpose::FindValue,
                    outcome,
                } => {
                    let answered = Some(outcome.answered);
                    self.swarms.handle_looked_up(now, FileId(target), answered);
                    self.events.push_back(Event::Dht(event));
                }
                dht::Event::LookupDone { .. } => {}
                _ => self.events.push_back(Event::Dht(event)),
            }
        }
    }
}
