//! What a node that runs on and on tells of its events: what others can cause, not at their rate.
//!
//! Not here: the words (`event_text`). Invariant: of each kind of event that another node can bring about,
//! one line in ten seconds at most is written.

use super::event_text;
use super::log_sink::LogSink;
use crate::node::Event;
use crate::reactor::Throttle;
use crate::time::Instant;

/// Tells events on a screen.
pub struct EventLog<'a> {
    console: &'a dyn LogSink,
    throttle: Throttle<KINDS>,
}

/// How many kinds of events others can cause.
const KINDS: usize = 4;

impl EventLog<'_> {
    /// One that has told nothing.
    pub fn new(console: &dyn LogSink) -> EventLog<'_> {
        EventLog {
            console,
            throttle: Throttle::default(),
        }
    }

    /// Tells an event, if it is news to anybody who reads along.
    pub fn log(&mut self, now: Instant, event: &Event) {
        let Some((priority, line)) = event_text::line(event) else {
            return;
        };
        // What nobody reads must not keep what is read from being told.
        if !self.console.shows(priority) {
            return;
        }
        let line = match kind(event).map(|kind| self.throttle.admit(kind, now)) {
            None => line,
            Some(Some(left_out)) => format!("{line}{left_out}"),
            Some(None) => return,
        };
        self.console.write_line(priority, &line);
    }
}

/// Tells an event, however often there is one: to somebody who waits for what it is about.
pub fn log(console: &dyn LogSink, event: &Event) {
    if let Some((priority, line)) = event_text::line(event) {
        console.write_line(priority, &line);
    }
}

/// The number of an event's kind, if others can cause it as often as they like.
fn kind(event: &Event) -> Option<usize> {
    match event {
        Event::Connected { .. } => Some(0),
        Event::Disconnected { .. } => Some(1),
        Event::Corrupt { .. } => Some(2),
        Event::Manifest { .. } => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht;
    use crate::service::log_sink::Priority;

    /// Shows no details.
    struct Quiet;

    impl LogSink for Quiet {
        fn shows(&self, priority: Priority) -> bool {
            priority < Priority::Debug
        }

        fn write_line(&self, _: Priority, _: &str) {}
    }

    #[test]
    fn what_others_can_cause_is_counted_and_what_they_cannot_is_always_told() {
        let address = "192.0.2.1:1".parse().unwrap();
        let swarm = crate::node::SwarmKey {
            slot: 0,
            generation: 0,
        };
        let from = address;
        assert!(
            kind(&Event::Corrupt {
                swarm,
                shard: 1,
                from
            })
            .is_some()
        );
        assert!(kind(&Event::Connected { swarm, address }).is_some());
        assert!(kind(&Event::Dht(dht::Event::Joined { contacts: 1 })).is_none());
        // Below -v nobody reads of connections: the first that is read is told, not the first at all.
        let mut event_log = EventLog::new(&Quiet);
        event_log.log(Instant::ZERO, &Event::Connected { swarm, address });
        let kind = kind(&Event::Connected { swarm, address }).unwrap();
        let next = event_log.throttle.admit(kind, Instant::ZERO);
        assert_eq!(next.map(|left_out| left_out.0), Some(0));
    }
}
