//! `sprat ls`: what the service shares and fetches, as text and as JSON.
//!
//! | member | meaning |
//! |---|---|
//! | `id` | the file id, or `null` while it is being hashed |
//! | `state` | `hashing`, `finding` (providers, the manifest), `verifying`, `fetching`, `finishing`, `complete`, `repairing` (shards that went bad), `ending`; `paused` by its owner; `waiting` for its disk or place; `changed`: the file is not what was hashed |
//! | `why` | why it waits or has changed, or `null` |
//! | `origin` | `share`, `fetch`, or `folder`: found in a drop folder |
//! | `done`, `size` | bytes hashed, verified or held; bytes in all, 0 while unknown |
//! | `up`, `down` | bytes of it sent and received since the start |
//! | `streams` | open streams |
//! | `name`, `path`, `link` | or `null` while unknown |
//!
//! Invariant: one line a file, whatever its name is.

use super::catalog::Work;
use super::format::{percent, size};
use super::items::Item;
use super::json::Object;
use crate::node::{Phase, Progress};
use crate::reactor::Reactor;
use crate::wire::Link;
use std::path::Path;

/// How many digits of an id a listing shows: two files share them once in 10^7 files.
pub const DIGITS: usize = 12;

/// One file or folder.
pub struct Listed {
    /// Its id, once known.
    pub id: Option<String>,
    /// What it is doing.
    pub state: &'static str,
    /// Why it waits.
    pub why: Option<String>,
    /// How it came here.
    pub origin: &'static str,
    /// Bytes.
    pub done: u64,
    /// Bytes in all.
    pub size: u64,
    /// Bytes sent.
    pub up: u64,
    /// Bytes received.
    pub down: u64,
    /// Open streams.
    pub streams: u32,
    /// The manifest's name.
    pub name: Option<String>,
    /// Where it lies, or will.
    pub path: Option<String>,
    /// Its link.
    pub link: Option<String>,
}

impl Listed {
    /// How an item does; `locations` are where others reach this node.
    pub fn of(item: &Item, reactor: &Reactor, locations: &[String]) -> Listed {
        let node = reactor.node();
        let progress = item.swarm.and_then(|swarm| node.progress(swarm));
        let is_started = progress.is_some();
        let progress = progress.unwrap_or_default();
        let path = item.swarm.and_then(|swarm| reactor.output_path(swarm));
        let path = path.or(item.path()).map(Path::to_owned);
        let manifest = item.swarm.and_then(|swarm| node.manifest(swarm));
        let own_name = || Some(path.as_deref()?.file_name()?.to_string_lossy().into_owned());
        let name = manifest.map(|manifest| manifest.name().to_owned());
        let link = item.kept.file.map(|file| Link {
            file,
            name: name.clone(),
            providers: locations.to_vec(),
        });
        Listed {
            id: item.kept.file.map(|file| file.to_string()),
            state: match is_started {
                true => state(item, &progress),
                false if item.kept.is_paused => "paused",
                false => "waiting",
            },
            why: item.why.clone(),
            origin: match item.kept.work {
                Work::Share(_) if item.kept.is_from_folder => "folder",
                Work::Share(_) => "share",
                Work::Fetch { .. } | Work::Fetched(_) => "fetch",
            },
            done: progress.done,
            size: progress.size,
            up: progress.sent,
            down: progress.received,
            streams: progress.streams,
            name: name.or_else(own_name),
            path: path.map(|path| path.display().to_string()),
            link: link.map(|link| link.to_string()),
        }
    }

    /// For people: one line.
    pub fn text(&self) -> String {
        let id = self.id.as_deref().map_or("-", |id| &id[..DIGITS]);
        let name = self.name.as_deref().or(self.path.as_deref());
        let end = self.why.as_deref().or(self.link.as_deref());
        let line = format!(
            "{id:<DIGITS$}  {:<9}  {:>3} %  {:>10}  {}  {}",
            self.state,
            match self.size {
                0 if self.state == "complete" => 100,
                whole => percent(self.done, whole),
            },
            size(self.size),
            name.unwrap_or("-"),
            end.unwrap_or_default(),
        );
        line.trim_end().to_owned()
    }

    /// For programs: one object.
    pub fn json(&self) -> String {
        Object::listed("file")
            .maybe("id", self.id.as_deref())
            .text("state", self.state)
            .maybe("why", self.why.as_deref())
            .text("origin", self.origin)
            .number("done", self.done)
            .number("size", self.size)
            .number("up", self.up)
            .number("down", self.down)
            .number("streams", self.streams.into())
            .maybe("name", self.name.as_deref())
            .maybe("path", self.path.as_deref())
            .maybe("link", self.link.as_deref())
            .finish()
    }
}

/// What a swarm is doing, in one word.
fn state(item: &Item, progress: &Progress) -> &'static str {
    match progress.phase {
        _ if item.kept.is_paused => "paused",
        Phase::Complete if item.is_changed => "changed",
        _ if item.why.is_some() => "waiting",
        Phase::Hashing => "hashing",
        Phase::Finding => "finding",
        Phase::Verifying => "verifying",
        Phase::Fetching => "fetching",
        Phase::Finishing => "finishing",
        Phase::Repairing => "repairing",
        Phase::Complete => "complete",
        Phase::Ending => "ending",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fixtures::fixture;

    #[test]
    fn a_listing_is_told_as_the_fixtures_say() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let complete = Listed {
            id: Some(id.into()),
            state: "complete",
            why: None,
            origin: "share",
            done: 1536,
            size: 1536,
            up: 3072,
            down: 0,
            streams: 1,
            name: Some("a \"quoted\" name".into()),
            path: Some("/srv/a \"quoted\" name".into()),
            link: Some(format!("magnet:?xt=urn:btih:{id}&dn=a%20name")),
        };
        let nothing = || Listed {
            id: None,
            state: "finding",
            why: None,
            origin: "fetch",
            done: 0,
            size: 0,
            up: 0,
            down: 0,
            streams: 0,
            name: None,
            path: None,
            link: None,
        };
        let finding = Listed {
            id: Some(id.into()),
            link: Some(format!("magnet:?xt=urn:btih:{id}")),
            ..nothing()
        };
        let waiting = Listed {
            state: "waiting",
            why: Some("cannot share /media/card/x: no such file or directory".into()),
            origin: "folder",
            path: Some("/media/card/x".into()),
            ..nothing()
        };
        let files = [complete, finding, waiting];
        let texts: Vec<_> = files.iter().map(Listed::text).collect();
        assert_eq!(texts, fixture("ls.txt"));
        let objects: Vec<_> = files.iter().map(Listed::json).collect();
        assert_eq!(objects, fixture("ls.json"));
    }
}
