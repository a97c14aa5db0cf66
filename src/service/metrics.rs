//! The metrics of a node: one row each. `sprat status` is made of them, as text and as JSON.
//!
//! One more metric is one more row here, and its line in `fixtures/control`. The rows of work that
//! was dropped have a piece of text; the pieces follow each other in the text of a status.
//! Invariant: every counter of dropped work is a row.

use super::format::count;
use super::json::Object;
use super::reply::Status;
use std::time::Duration;

/// A number that tells how a node is.
pub struct Metric {
    /// Its name in JSON.
    pub name: &'static str,
    /// The unit of its value.
    pub unit: Unit,
    /// Its part of the text: `#` stands for the number, `#noun` for the number and its noun.
    text: &'static str,
    read: fn(&Status) -> Option<u64>,
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    BytesPerSecond,
    Count,
    /// Microseconds here, and seconds in JSON.
    Micros,
}

/// A row is the meaning, the name, the unit, the piece of text, and how to read it.
macro_rules! metrics {
    ($(#[doc = $meaning:literal]
    $name:ident: $unit:ident $text:literal |$status:ident| $read:expr;)*) => {
        /// Every metric, in the order of the JSON object.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: stringify!($name),
            unit: Unit::$unit,
            text: $text,
            read: |$status| Option::<u64>::from($read),
        },)*];
    };
}

metrics! {
    /// Number of contacts in the routing table.
    contacts: Count "" |s| s.contacts as u64;
    /// Number of open streams, in and out.
    streams: Count "" |s| s.streams as u64;
    /// Number of files and folders that are shared or fetched.
    files: Count "" |s| s.files as u64;
    /// Bytes sent on streams since the start.
    up: Bytes "" |s| s.io.bytes_sent;
    /// Bytes received on streams since the start.
    down: Bytes "" |s| s.io.bytes_received;
    /// Cap on the bytes that streams send.
    up_cap: BytesPerSecond "" |s| s.caps.up;
    /// Cap on the bytes that streams receive.
    down_cap: BytesPerSecond "" |s| s.caps.down;
    /// Bytes written to fetched files and journals.
    written: Bytes "" |s| s.written;
    /// Resident memory of the process, as the system counts it.
    memory: Bytes "" |s| s.memory;
    /// The most resident memory of the process so far.
    memory_peak: Bytes "" |s| s.memory_peak;
    /// Turns of the event loop since the start.
    turns: Count "" |s| s.io.turns;
    /// Turns of the event loop that were allowed to sleep.
    sleeps: Count "" |s| s.io.sleeps;
    /// Half of the turns of the loop took at most this.
    turn_p50: Micros "" |s| micros(s.lag.percentile(50));
    /// 99 % of the turns of the loop took at most this.
    turn_p99: Micros "" |s| micros(s.lag.percentile(99));
    /// The longest turn of the event loop so far.
    turn_max: Micros "" |s| micros(s.lag.most());

    /// Datagrams that were damaged, or of another network.
    datagrams_damaged: Count "datagrams: # damaged" |s| s.kad.damaged;
    /// Datagrams that claim the id of this node.
    datagrams_own: Count ", # of ourselves" |s| s.kad.from_self;
    /// Requests over the budget of their source.
    datagrams_over_budget: Count ", # over budget" |s| s.kad.over_budget;
    /// Requests from unproved addresses that lack their padding.
    datagrams_too_short: Count ", # too short" |s| s.kad.too_short;
    /// Stores and replications without a good token.
    datagrams_bad_token: Count ", # with a bad token" |s| s.kad.bad_tokens;
    /// Stores and replications that came again, in a network with a key.
    datagrams_replayed: Count ", # replayed" |s| s.kad.replayed;
    /// Replies that belong to no request of this node.
    datagrams_unexpected: Count ", # unexpected" |s| s.kad.unexpected;
    /// Replies that came after the deadline of their request.
    datagrams_late: Count ", # late" |s| s.kad.late_replies;
    /// Datagrams that the system refused, or that found no room.
    datagrams_refused: Count ", # by the system" |s| s.io.datagrams_dropped + s.kad.dropped;
    /// Requests of this node without a reply in time.
    requests_silent: Count "; #request not answered" |s| s.kad.timeouts;
    /// Records of other nodes that found no room.
    records_crowded: Count "; #record without room" |s| s.kad.crowded;

    /// Connections that were closed at once for lack of room.
    streams_shed: Count "streams: # shed" |s| s.io.sheds;
    /// Connections that this machine could not accept or make.
    streams_failed: Count ", # failed" |s| s.io.connections_failed;
    /// Streams that asked for a file which this node does not have.
    streams_unknown: Count ", # of unknown files" |s| s.swarm.unknown;
    /// Streams of nodes that are not of this network.
    streams_strange: Count ", # of strangers" |s| s.swarm.strange;
    /// Streams that were closed because they broke the protocol.
    streams_wrong: Count ", # against the protocol" |s| s.swarm.wrong;
    /// Streams that did not answer in time.
    streams_silent: Count ", # silent" |s| s.swarm.silent;
    /// Streams that could not be made, or broke.
    streams_lost: Count ", # lost" |s| s.swarm.lost;
    /// Streams that ended without the goodbye that was meant for them.
    goodbyes_lost: Count ", # without a goodbye" |s| s.io.goodbyes_lost;
    /// Readiness events of streams that had ended already.
    events_stale: Count "; #event stale" |s| s.io.stale_tokens;
    /// Shards that failed their verification and are fetched again.
    shards_corrupt: Count "; #shard corrupt" |s| s.swarm.corrupt;
}

impl Metric {
    /// Its value; `None` is unknown, or no cap.
    pub fn value(&self, status: &Status) -> Option<u64> {
        (self.read)(status)
    }

    /// Adds it to an object.
    pub(super) fn add_to(&self, object: Object, status: &Status) -> Object {
        let value = self.value(status);
        match self.unit {
            Unit::Micros => object.with(self.name, value.map(Duration::from_micros)),
            _ => object.with(self.name, value),
        }
    }
}

/// The lines of a status that tell of dropped work.
pub(super) fn dropped(status: &Status) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for metric in METRICS.iter().filter(|metric| !metric.text.is_empty()) {
        let number = metric.value(status).unwrap_or_default();
        let (before, after) = metric
            .text
            .split_once('#')
            .expect("a text shows the number");
        let (noun, after) = after.split_at(after.find(' ').unwrap_or_default());
        let number = match noun {
            "" => number.to_string(),
            noun => count(number, noun),
        };
        let piece = format!("{before}{number}{after}");
        match lines.last_mut() {
            Some(line) if before.starts_with([',', ';']) => line.push_str(&piece),
            _ => lines.push(piece),
        }
    }
    lines
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
