//! What Kademlia and the swarms, who do not know each other, want of each other.
//!
//! Invariant: after each fact, neither has anything left for the other.

use super::{Event, Node};
use crate::dht;
use crate::id::FileId;
use crate::kad;
use crate::limits::{PROVIDED_MAX, SWARMS_MAX};
use crate::swarm::Request;
use crate::time::Instant;

impl Node {
    /// Carries between Kademlia and the swarms what each wants of the other.
    pub(super) fn settle(&mut self, now: Instant) {
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
            let event = match event {
                kad::Event::Joined { contacts } => Event::Joined { contacts },
                kad::Event::BootstrapSilent { address, attempts } => {
                    Event::BootstrapSilent { address, attempts }
                }
                kad::Event::Pinged { address, took } => Event::Pinged { address, took },
                kad::Event::Announced { file, stored } => Event::Announced { file, stored },
                kad::Event::Provider { file, location } => {
                    self.swarms.handle_provider(now, file, location);
                    continue;
                }
                kad::Event::LookupDone {
                    target,
                    purpose: dht::Purpose::FindValue,
                    hops,
                    asked,
                    answered,
                    providers,
                    took,
                } => {
                    let file = FileId(target);
                    self.swarms.handle_looked_up(now, file, Some(answered));
                    Event::Lookup {
                        file,
                        hops,
                        asked,
                        answered,
                        providers,
                        took,
                    }
                }
                kad::Event::Met => {
                    self.swarms.handle_met(now);
                    continue;
                }
                kad::Event::LookupDone { .. } => continue,
            };
            self.events.push_back(event);
        }
    }
}
