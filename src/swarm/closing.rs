//! How streams end, and how swarms end.

use super::scope::{Fault, Request, Scope};
use super::state::Phase;
use crate::limits::{LOOKUP_DELAY_ALONE, LOOKUP_PERIOD};
use crate::output::{Ended, Event, Failure, StreamKey};

impl Scope<'_> {
    /// Ends a stream, and has the driver close its socket.
    pub fn close(&mut self, key: StreamKey, fault: impl Into<Fault>) {
        let fault = fault.into();
        if let Some(stream) = self.streams.get_mut(key) {
            self.shared.push_close(key, stream, fault);
            self.forget(key, fault.why);
        }
    }

    /// Closes every stream of the swarm.
    pub fn close_all(&mut self) {
        self.for_each_stream(|scope, key| scope.close(key, Ended::Stopped));
    }

    /// Closes a stream between two nodes that both have every shard.
    pub fn close_if_done(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get(key).filter(|of| of.is_open_of(self.key)) else {
            return;
        };
        let shard_count = self.swarm.shard_count();
        let has_all =
            stream.shards.all || shard_count > 0 && stream.shards.some.count() == shard_count;
        let is_done = has_all && self.swarm.phase == Phase::Complete;
        if is_done && stream.upload.sending.is_none() {
            self.close(key, Ended::Done);
        }
    }

    /// Frees a stream whose socket is gone or about to be: what it was to send falls to others.
    pub fn forget(&mut self, key: StreamKey, why: Ended) {
        let Some(stream) = self.streams.remove(key) else {
            return;
        };
        self.shared.release(key, &stream, why, self.streams);
        if self.swarm.is_over {
            return;
        }
        self.offer_if_idle();
        let is_alone = self.open_count() == 0;
        let (now, swarm) = (self.now, &mut *self.swarm);
        let providers = &mut swarm.discovery.providers;
        match why {
            Ended::Corrupt => providers.ban(key),
            _ => providers.lost(key, now, &mut self.shared.rng),
        }
        for shard in stream
            .shards
            .some
            .iter()
            .chain(stream.offers.offered.iter())
        {
            swarm.copies.remove(shard);
        }
        if swarm.manifest_fetch.source == Some(key) {
            swarm.manifest_fetch.source = None;
            swarm.manifest_fetch.parts.clear();
        }
        swarm.flights.abandon(key);
        if swarm.wants_providers() {
            let delay = match is_alone {
                true => LOOKUP_DELAY_ALONE,
                false => LOOKUP_PERIOD,
            };
            swarm.discovery.lookup_at = swarm.discovery.lookup_at.min(now + delay);
        }
        self.push_event(Event::Disconnected {
            swarm: self.key,
            address: stream.remote.name(),
            reason: why,
        });
        self.request_manifest();
        self.request_all();
        self.give_up_if_hopeless(false);
    }

    /// Ends a swarm that cannot go on, after its last checkpoint. Its bytes stay on disk. A file
    /// that was complete before its repair stays complete.
    pub fn fail(&mut self, cause: Failure) {
        if self.swarm.is_over || self.end_repair(cause) {
            return;
        }
        let is_of_disk = matches!(cause, Failure::Disk(_) | Failure::OtherFile);
        if self.swarm.phase != Phase::Fetching || is_of_disk {
            return self.end(cause);
        }
        self.swarm.phase = Phase::Ending;
        self.swarm.scan = None;
        self.swarm.ending = Some(cause);
        self.close_all();
        self.checkpoint_last();
    }

    /// Ends the swarm at once, and says why.
    pub fn end(&mut self, cause: Failure) {
        (self.swarm.is_over, self.swarm.phase) = (true, Phase::Ending);
        if let (true, Some(file)) = (self.swarm.discovery.is_announced, self.swarm.content.file) {
            self.shared.requests.push_back(Request::Withdraw(file));
        }
        self.close_all();
        let swarm = self.key;
        self.push_event(Event::Failed { swarm, cause });
    }

    /// Ends the swarm on its owner's command: what a fetch has gained is made durable first. The
    /// last event is [`Event::Failed`] with [`Failure::Removed`].
    pub fn remove(&mut self) {
        if self.swarm.phase != Phase::Ending {
            self.fail(Failure::Removed);
        }
    }

    /// Suspends the swarm until [`Scope::resume`].
    ///
    /// A suspended swarm has no stream, is not announced, and nothing is looked up or read for it.
    /// Writes in flight come to their end, so a fetch that lacked only those completes
    /// all the same. Suspension is no phase: afterwards the swarm continues in the phase that it
    /// was in.
    pub fn suspend(&mut self) {
        if std::mem::replace(&mut self.swarm.is_suspended, true) {
            return;
        }
        if self.swarm.is_scrubbed() {
            self.swarm.scan = None;
        }
        self.withdraw();
        self.close_all();
        self.checkpoint_soon();
    }

    /// Lets a suspended swarm continue.
    pub fn resume(&mut self) {
        if !std::mem::take(&mut self.swarm.is_suspended) {
            return;
        }
        self.swarm.discovery.restart(self.now);
        let has_some = self.swarm.held.count() > 0 || self.swarm.is_whole();
        if has_some && self.swarm.absent.is_none() {
            self.announce();
        }
        self.look_up();
        self.dial();
    }
}
