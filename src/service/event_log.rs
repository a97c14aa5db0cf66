//! The log of a node's events, in lines for people.
//!
//! Not here: the words (`event_text`). Invariant: of each kind of event that another node can
//! cause, a service logs at most one line in ten seconds.

use super::event_text;
use super::log_sink::{LogSink, Priority};
use crate::node::Event;
use crate::reactor::{Reactor, Throttle};
use crate::time::Instant;

/// The log of a node that runs on and on.
pub struct EventLog<'a> {
    sink: &'a dyn LogSink,
    throttles: [Throttle; KINDS],
}

/// How many kinds of events other nodes can cause.
const KINDS: usize = 4;

impl EventLog<'_> {
    pub fn new(sink: &dyn LogSink) -> EventLog<'_> {
        EventLog {
            sink,
            throttles: Default::default(),
        }
    }

    /// Logs an event, unless too many of its kind have come.
    pub fn log(&mut self, reactor: &Reactor, event: &Event) {
        if let Some((priority, line)) = line(reactor, event) {
            self.write(reactor.now(), event, priority, line);
        }
    }

    fn write(&mut self, now: Instant, event: &Event, priority: Priority, line: String) {
        // A line that is not shown must not keep a shown one from being written.
        if !self.sink.shows(priority) {
            return;
        }
        match kind(event).map(|kind| self.throttles[kind].admit(now)) {
            None => self.sink.write_line(priority, &line),
            Some(Some(left_out)) => self.sink.write_line(priority, &format!("{line}{left_out}")),
            Some(None) => {}
        }
    }
}

/// Logs an event without a limit: for a command that waits for it.
pub fn log(sink: &dyn LogSink, reactor: &Reactor, event: &Event) {
    if let Some((priority, line)) = line(reactor, event) {
        sink.write_line(priority, &line);
    }
}

fn line(reactor: &Reactor, event: &Event) -> Option<(Priority, String)> {
    let disk = event_text::of_disk(reactor, event).map(|line| (Priority::Warning, line));
    disk.or_else(|| event_text::line(event))
}

/// The number of an event's kind, if other nodes can cause it as often as they like.
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

    /// Shows no details.
    struct Quiet;

    impl LogSink for Quiet {
        fn shows(&self, priority: Priority) -> bool {
            priority < Priority::Debug
        }

        fn write_line(&self, _: Priority, _: &str) {}
    }

    #[test]
    fn events_that_others_can_cause_are_counted_and_all_others_are_always_logged() {
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
        // Without -v connections are not shown: a hidden line does not count for the limit.
        let mut event_log = EventLog::new(&Quiet);
        let event = Event::Connected { swarm, address };
        event_log.write(Instant::ZERO, &event, Priority::Debug, String::new());
        let kind = kind(&event).unwrap();
        let next = event_log.throttles[kind].admit(Instant::ZERO);
        assert_eq!(next.map(|left_out| left_out.0), Some(0));
    }
}
