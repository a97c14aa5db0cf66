//! The lines of a reply, as text for people or as JSON for programs.

use super::json::Object;
use super::line::Line;
use super::metrics::METRICS;
use super::reply::{Reply, Status};
use super::text;

impl Status {
    fn json(&self) -> String {
        let object = Object::listed("status")
            .with("program", env!("CARGO_PKG_VERSION"))
            .with("uptime", self.uptime.as_secs_f64())
            .with("node", self.node)
            .with("key", self.has_key)
            .with("listening", &self.listening)
            .with("seen", self.seen);
        let metrics = METRICS.iter();
        metrics
            .fold(object, |object, metric| metric.add_to(object, self))
            .finish()
    }
}

impl Reply {
    /// Its lines in an answer, for people or for programs.
    pub fn lines(&self, json: bool) -> Vec<Line> {
        match self.json().filter(|_| json) {
            Some(object) => vec![Line::Result(object)],
            None => text::lines(self),
        }
    }

    /// The object of a line; a note has none.
    fn json(&self) -> Option<String> {
        Some(match self {
            Reply::Status(status) => status.json(),
            Reply::File(file) | Reply::Shared(file) => file.json(),
            Reply::Peer(peer) => peer.json(),
            Reply::Dht(dht) => dht.json(),
            Reply::Contact(contact) => contact.json(),
            Reply::Record(record) => record.json(),
            Reply::Ping(ping) => ping.json(),
            Reply::Provider(provider) => provider.json(),
            Reply::Lookup(outcome) => Object::listed("lookup")
                .with("hops", outcome.hops)
                .with("asked", outcome.asked)
                .with("answered", outcome.answered)
                .with("providers", outcome.providers)
                .with("time", outcome.took)
                .finish(),
            Reply::Note(_) => return None,
        })
    }
}
