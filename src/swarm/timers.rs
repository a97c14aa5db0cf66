//! Timers: one table for each stream, one for each swarm.
//!
//! A timer has an instant at which it is due, read from the state that it depends on instead of
//! being set and stopped beside it: so none can be forgotten when the state changes, and none is
//! left over. Invariant: every wait has an end, and [`Swarms::poll_timeout`] names the first of
//! them; a node without one sleeps.

use super::scope::Scope;
use super::session::{Dialler, Message};
use super::state::Swarm;
use super::stream::{State, Stream, Streams};
use super::swarms::Swarms;
use crate::limits::{
    CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, KEEP_ALIVE_PERIOD, RECLAIM_PERIOD,
    REQUEST_TIMEOUT, SEND_TIMEOUT, UPLOAD_STALL_TIMEOUT,
};
use crate::output::{Ended, StreamKey, SwarmKey};
use crate::time::Instant;

/// The timers of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamTimer {
    /// Closes a stream that does not open.
    Open,
    /// Closes a stream whose other end does not answer a request.
    Answer,
    /// Closes a stream whose other end does not take what is sent to it; what a rate limit holds
    /// back the other end cannot take.
    Take,
    /// Closes a stream on which nothing comes.
    Idle,
    /// Tells the other end that this one lives. A stream that has something to say and cannot does
    /// not count as one that has said something.
    KeepAlive,
}

impl StreamTimer {
    const CLOSING: [StreamTimer; 4] = [
        StreamTimer::Open,
        StreamTimer::Answer,
        StreamTimer::Take,
        StreamTimer::Idle,
    ];

    fn due_at(self, stream: &Stream, is_held_back: bool) -> Option<Instant> {
        let is_open = stream.state == State::Open;
        match self {
            StreamTimer::Open => match (stream.state, stream.dialler) {
                (State::Dialling, _) => Some(stream.made_at + CONNECT_TIMEOUT),
                (State::Opening, Dialler::Them) => Some(stream.made_at + HANDSHAKE_TIMEOUT),
                (State::Opening, Dialler::Us) => {
                    Some(stream.made_at + CONNECT_TIMEOUT + HANDSHAKE_TIMEOUT)
                }
                (State::Open, _) => None,
            },
            StreamTimer::Answer => {
                let is_armed = is_open && stream.download.is_waiting();
                is_armed.then_some(stream.download.waiting_since + REQUEST_TIMEOUT)
            }
            StreamTimer::Take => {
                let is_armed = is_open && stream.is_sending() && !is_held_back;
                is_armed.then_some(stream.sent_at + SEND_TIMEOUT)
            }
            StreamTimer::Idle => is_open.then_some(stream.heard_at + IDLE_TIMEOUT),
            StreamTimer::KeepAlive => {
                let is_armed = is_open && !stream.is_sending();
                is_armed.then_some(stream.sent_at + KEEP_ALIVE_PERIOD)
            }
        }
    }
}

/// The timers of a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SwarmTimer {
    /// Announces shards that were gained.
    Haves,
    /// Offers shards that were offered before.
    Offers,
    /// Lets idle streams reclaim shards from slow ones.
    Reclaim,
    /// Asks another stream for the manifest.
    Manifest,
    /// Finds out whether the disk has room again.
    Space,
    /// Tries again to repair a file.
    Repair,
    /// Makes durable what was gained.
    Checkpoint,
    /// Looks for providers in the DHT.
    LookUp,
    /// Dials the next of the known providers.
    Dial,
    /// Fails a fetch that finds no providers.
    GiveUp,
}

impl SwarmTimer {
    const ALL: [SwarmTimer; 10] = [
        SwarmTimer::Haves,
        SwarmTimer::Offers,
        SwarmTimer::Reclaim,
        SwarmTimer::Manifest,
        SwarmTimer::Space,
        SwarmTimer::Repair,
        SwarmTimer::Checkpoint,
        SwarmTimer::LookUp,
        SwarmTimer::Dial,
        SwarmTimer::GiveUp,
    ];

    fn due_at(self, key: SwarmKey, swarm: &Swarm, streams: &Streams) -> Option<Instant> {
        match self {
            SwarmTimer::Haves => swarm.haves.due_at,
            SwarmTimer::Offers => swarm.round.due_at,
            SwarmTimer::Reclaim => {
                let has_flights = swarm.is_fetching() && swarm.flights.count() > 0;
                let is_idle =
                    |of: &Stream| of.is_open_of(key) && of.download.outstanding.is_empty();
                let is_armed = has_flights && streams.iter().any(|(_, of)| is_idle(of));
                is_armed.then_some(swarm.reclaim_at)
            }
            SwarmTimer::Manifest => swarm.manifest_hurry_at(key, streams),
            SwarmTimer::Space => swarm.pause.map(|pause| pause.retry_at),
            SwarmTimer::Repair => swarm.damage.retry_at,
            SwarmTimer::Checkpoint => swarm.checkpoint_at(),
            SwarmTimer::LookUp => swarm.look_up_at(),
            SwarmTimer::Dial => swarm.dial_at(key, streams),
            SwarmTimer::GiveUp => swarm.give_up_at(),
        }
    }
}

impl Swarms {
    /// The instant at which [`Swarms::handle_timeout`] is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (streams, limits) = (&self.streams, &self.shared.limits);
        let of_stream = streams.iter().flat_map(|(key, stream)| {
            let is_held_back = limits.up.holds(key);
            let timers = StreamTimer::CLOSING
                .into_iter()
                .chain([StreamTimer::KeepAlive]);
            timers.filter_map(move |timer| timer.due_at(stream, is_held_back))
        });
        let of_swarm = self.swarms.iter().flat_map(|(key, swarm)| {
            let timers = SwarmTimer::ALL.into_iter();
            timers.filter_map(move |timer| timer.due_at(key, swarm, streams))
        });
        let of_node = [
            self.shared.slots.check_at,
            limits.tick_at(),
            self.scrub_at(),
        ];
        let of_node = of_node.into_iter().flatten();
        of_node.chain(of_stream).chain(of_swarm).min()
    }

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut slot = 0;
        while let Some(key) = self.streams.key_from(slot) {
            slot = key.slot + 1;
            self.check_stream(now, key);
        }
        self.check_upload_slots(now);
        self.check_rate_limits(now);
        self.scrub(now);
        slot = 0;
        while let Some(key) = self.swarms.key_from(slot) {
            slot = key.slot + 1;
            self.with(now, key, |scope| scope.handle_timeout());
        }
    }

    fn check_stream(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let is_held_back = self.shared.limits.up.holds(key);
        let is_due = |timer: StreamTimer| {
            let at = timer.due_at(stream, is_held_back);
            at.is_some_and(|at| at <= now)
        };
        if StreamTimer::CLOSING.into_iter().any(is_due) {
            let why = match stream.state {
                State::Dialling => Ended::Lost,
                State::Opening | State::Open => Ended::Timeout,
            };
            self.close(now, key, why);
        } else if is_due(StreamTimer::KeepAlive) {
            stream.sent_at = now;
            stream.session.send(&Message::KeepAlive);
            self.shared.wake(key, stream);
        }
    }

    /// Lets streams that a rate limit holds back continue, each in its turn.
    fn check_rate_limits(&mut self, now: Instant) {
        if let Some(key) = self.shared.limits.up.tick(now) {
            if let Some(stream) = self.streams.get_mut(key) {
                self.shared.wake(key, stream);
            }
        }
        if let Some(key) = self.shared.limits.down.tick(now) {
            self.with_stream(now, key, |scope| scope.request(key));
        }
    }

    /// Stops counting uploads that have not moved, and lets the next streams in the queue have
    /// their slots.
    fn check_upload_slots(&mut self, now: Instant) {
        if self.shared.slots.check_at.is_none_or(|at| now < at) {
            return;
        }
        self.shared.slots.check_at = None;
        for (key, stream) in self.streams.iter_mut() {
            let is_late = now >= stream.sent_at + UPLOAD_STALL_TIMEOUT;
            // One that a rate limit holds back would move if it might.
            let is_stalled = is_late && !self.shared.limits.up.holds(key);
            stream.upload.is_stalled |= stream.upload.is_under_way() && is_stalled;
        }
        self.shared.slots.rotate(&self.streams);
        self.shared.pass_slot(&mut self.streams);
        let mut slot = 0;
        while let Some(key) = self.swarms.key_from(slot) {
            slot = key.slot + 1;
            self.with(now, key, |scope| scope.offer_if_idle());
        }
        self.shared.slots.plan_check(now, &self.streams);
    }
}

impl Scope<'_> {
    /// Does what is due for the swarm.
    fn handle_timeout(&mut self) {
        let now = self.now;
        let swarm = &mut *self.swarm;
        let is_haves_due = swarm.haves.due_at.take_if(|at| *at <= now).is_some();
        let may_reclaim = swarm.is_fetching() && swarm.reclaim_at <= now;
        if may_reclaim {
            swarm.reclaim_at = now + RECLAIM_PERIOD;
        }
        if swarm.round.due_at.take_if(|at| *at <= now).is_some() {
            self.offer_all();
        }
        if is_haves_due {
            self.for_each_stream(Scope::wake);
        }
        if may_reclaim {
            self.request_all();
        }
        self.hurry_manifest();
        self.probe_space();
        self.retry_repair();
        self.checkpoint_if_due();
        self.look_up();
        self.dial();
        self.give_up_if_hopeless(false);
    }
}
