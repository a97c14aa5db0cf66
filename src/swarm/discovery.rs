//! How a swarm finds and dials providers, is announced as one, and gives up.
//!
//! It knows no Kademlia: it says what it wants as [`Request`]s, and is given locations.

use super::scope::{Request, Scope};
use super::session::{Dialler, Session};
use super::state::Swarm;
use super::stream::{State, Stream, Streams};
use crate::limits::{
    LOOKUP_PERIOD, LOOKUPS_BEFORE_GIVING_UP, PATIENCE, PATIENCE_PARTIAL, STREAMS_MAX,
    SWARM_DIALS_MAX, SWARM_STREAMS_ENOUGH,
};
use crate::output::{Failure, Output, SwarmKey};
use crate::time::Instant;
use std::net::SocketAddr;

impl Swarm {
    /// When it may dial its next provider; none while there is no room, or no need. A swarm that
    /// has enough streams dials on only when they bring nothing.
    pub fn dial_at(&self, key: SwarmKey, streams: &Streams) -> Option<Instant> {
        let next_at = self.discovery.providers.next_at();
        let at = next_at.filter(|_| self.wants_providers() && streams.len() < STREAMS_MAX)?;
        let (mut count, mut dials) = (0, 0);
        for (_, stream) in streams.iter().filter(|(_, of)| of.swarm == Some(key)) {
            let is_dial = stream.state != State::Open && stream.dialler == Dialler::Us;
            count += 1;
            dials += usize::from(is_dial);
        }
        let at = match count < SWARM_STREAMS_ENOUGH {
            true => at,
            false => at.max(self.discovery.idle_since + LOOKUP_PERIOD),
        };
        (dials < SWARM_DIALS_MAX).then_some(at)
    }

    /// When the next lookup begins.
    pub fn look_up_at(&self) -> Option<Instant> {
        let may_begin = self.wants_providers() && !self.discovery.is_looking;
        may_begin.then_some(self.discovery.lookup_at)
    }

    /// Until when a fetch waits for a provider to turn up.
    fn patience_ends(&self) -> Instant {
        let patience = match self.held.count() {
            0 => PATIENCE,
            _ => PATIENCE_PARTIAL,
        };
        self.discovery.idle_since + patience
    }

    /// When a fetch that finds no providers fails.
    pub fn give_up_at(&self) -> Option<Instant> {
        let may = self.discovery.lookups >= LOOKUPS_BEFORE_GIVING_UP && self.may_give_up();
        may.then(|| self.patience_ends())
    }
}

impl Scope<'_> {
    /// A provider of the file is known.
    pub fn handle_provider(&mut self, location: SocketAddr) {
        if self.swarm.discovery.providers.learn(location, self.now) {
            self.dial();
        }
    }

    /// A lookup for providers has ended, after `answered` nodes. `None`: there was no node to ask.
    pub fn handle_looked_up(&mut self, answered: Option<u32>) {
        let discovery = &mut self.swarm.discovery;
        discovery.is_looking = false;
        discovery.lookups += 1;
        discovery.answered = answered.unwrap_or(0);
        discovery.lookup_at = self.now + LOOKUP_PERIOD * discovery.lookups.min(20);
        self.give_up_if_hopeless(answered.is_none());
    }

    /// Connects to providers that may be dialled, as far as there is room.
    pub fn dial(&mut self) {
        let is_due = |at| at <= self.now;
        while self
            .swarm
            .dial_at(self.key, self.streams)
            .is_some_and(is_due)
        {
            let providers = &mut self.swarm.discovery.providers;
            let Some(to) = providers.due(self.now, &mut self.shared.rng) else {
                return;
            };
            let network = self.shared.config.network;
            let session = Session::dial(network, self.shared.dialect, &mut self.shared.rng);
            let mut stream = Stream::new(Dialler::Us, to, session, self.now);
            stream.swarm = Some(self.key);
            let stream = self.streams.insert(stream);
            providers.connect(to, stream);
            self.shared
                .outputs
                .push_back(Output::Connect { stream, to });
        }
    }

    /// Looks for providers in the DHT, when it is time.
    pub fn look_up(&mut self) {
        let is_due = self.swarm.look_up_at().is_some_and(|at| at <= self.now);
        if let Some(file) = self.swarm.content.file.filter(|_| is_due) {
            self.swarm.discovery.is_looking = true;
            self.shared.requests.push_back(Request::FindProviders(file));
        }
    }

    /// Fails a fetch when lookups have ended, all known providers were tried, and none is left to
    /// wait for. `has_no_contacts`: there was no node to ask for providers.
    pub fn give_up_if_hopeless(&mut self, has_no_contacts: bool) {
        let swarm = &mut *self.swarm;
        if !swarm.wants_providers() {
            return;
        }
        // A connection that is being made brings nothing yet, and does not begin the wait anew.
        let is_of = |of: &Stream| of.swarm == Some(self.key);
        let brings = |of: &Stream| is_of(of) && of.download.is_waiting();
        if swarm.waits_for_disk() || self.streams.iter().any(|(_, of)| brings(of)) {
            swarm.discovery.idle_since = self.now;
            return;
        }
        if !swarm.may_give_up() {
            return;
        }
        let discovery = &swarm.discovery;
        let is_patient =
            self.now < swarm.patience_ends() || discovery.lookups < LOOKUPS_BEFORE_GIVING_UP;
        let is_alone = !self.streams.iter().any(|(_, of)| is_of(of));
        let may_wait = !is_alone || discovery.providers.next_at().is_some();
        if is_patient && (!has_no_contacts || may_wait) {
            return;
        }
        let cause = match &swarm.content.manifest {
            Some(manifest) if swarm.held.count() > 0 || !has_no_contacts => Failure::Incomplete {
                missing: manifest.shard_count() - swarm.held.count(),
            },
            _ if has_no_contacts => Failure::NoContacts,
            _ => Failure::Nobody {
                asked: discovery.answered,
            },
        };
        self.fail(cause);
    }

    /// Announces this node as a provider, once it has something to provide.
    pub fn announce(&mut self) {
        let may_be = !self.swarm.discovery.is_announced && !self.swarm.is_suspended;
        if let Some(file) = self.swarm.content.file.filter(|_| may_be) {
            self.swarm.discovery.is_announced = true;
            self.shared.requests.push_back(Request::Provide(file));
        }
    }

    /// Ends the announcement, if there is one.
    pub fn withdraw(&mut self) {
        let is_announced = std::mem::take(&mut self.swarm.discovery.is_announced);
        if let Some(file) = self.swarm.content.file.filter(|_| is_announced) {
            self.shared.requests.push_back(Request::Withdraw(file));
        }
    }

    /// Ends the announcement of a file of which nothing is held any more.
    pub fn withdraw_if_empty(&mut self) {
        if self.swarm.held.count() == 0 {
            self.withdraw();
        }
    }
}
