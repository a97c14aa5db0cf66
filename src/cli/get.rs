//! `sprat get`: fetch what a link names; go on where an earlier try stopped.

use super::args::{Args, Misuse};
use super::json::Object;
use super::meter::{self, Meter, TICK};
use super::news;
use super::place::HostPort;
use super::screen::Screen;
use super::start::{self, Role, Started};
use super::{Ending, figures, node, print};
use crate::id::FileId;
use crate::limits::METAINFO_SIZE_MAX;
use crate::node::{DiskError, Ended, Event, Failure, Progress, SwarmKey};
use crate::reactor::{self, Happening, OutputPath, Reactor, StateDir};
use crate::time::Instant;
use crate::wire::{Link, Manifest};
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two progress lines of JSON.
const JSON_PERIOD: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(args: Args, screen: &Screen) -> Result<(), Ending> {
    let [text] = args.operands.as_slice() else {
        let what = if args.operands.is_empty() {
            "no LINK"
        } else {
            "more than one LINK"
        };
        return Err(Misuse(format!("{what} to get (see sprat help get)")).into());
    };
    let wanted = Wanted::read(text, screen)?;
    let output = output_path(args.output.as_deref())?;
    let role = if args.seed { Role::Seed } else { Role::Visitor };
    let Started {
        mut reactor, state, ..
    } = start::start(&args, role, screen)?;
    let mut getting = Getting::begin(wanted, &output, &mut reactor, state, &args, screen)?;
    let mut ending = getting.fetch(&mut reactor);
    if args.seed && ending.is_ok() {
        ending = getting.seed(&mut reactor);
    }
    getting.meter.clear();
    reactor.stop();
    ending
}

// -- what is wanted, and where it goes

struct Wanted {
    file: FileId,
    manifest: Option<Manifest>,
    providers: Vec<SocketAddr>,
}

impl Wanted {
    /// Understands a magnet URI, an id, or the path of a metainfo file.
    fn read(text: &str, screen: &Screen) -> Result<Wanted, Ending> {
        if text.starts_with("magnet:") {
            let link = Link::parse(text)
                .map_err(|error| Misuse(format!("malformed link: {error}: {text}")))?;
            let providers = link
                .providers
                .iter()
                .flat_map(|place| resolve(place, screen));
            return Ok(Wanted {
                file: link.file,
                manifest: None,
                providers: providers.collect(),
            });
        }
        if let Ok(file) = text.parse() {
            return Ok(Wanted {
                file,
                manifest: None,
                providers: Vec::new(),
            });
        }
        let path = Path::new(text);
        if !path.exists() {
            return Err(Misuse(format!(
                "not a link: {text} (a magnet URI, 40 hexadecimal digits, or a .torrent file's path)"
            ))
            .into());
        }
        let manifest = read_metainfo(path)?;
        Ok(Wanted {
            file: manifest.file_id(),
            manifest: Some(manifest),
            providers: Vec::new(),
        })
    }
}

fn read_metainfo(path: &Path) -> Result<Manifest, Ending> {
    let reading = format!("read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(METAINFO_SIZE_MAX as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .map_err(|error| reactor::Error::new(reading.as_str(), error))?;
    if bytes.len() > METAINFO_SIZE_MAX {
        let limit = figures::size(METAINFO_SIZE_MAX as u64);
        let why = format!("larger than a .torrent file can be ({limit})");
        return Err(reactor::Error::because(reading, &why).into());
    }
    let manifest = Manifest::from_metainfo(&bytes);
    Ok(manifest.map_err(|error| {
        reactor::Error::because(reading, &format!("not a .torrent file: {error}"))
    })?)
}

/// A provider that cannot be resolved is no reason to fail: the network may know others.
fn resolve(place: &str, screen: &Screen) -> Vec<SocketAddr> {
    let place = match place.parse::<HostPort>() {
        Ok(place) => place,
        Err(error) => {
            screen.say(format!("skipping a provider of the link: {error}"));
            return Vec::new();
        }
    };
    start::resolve(&place).unwrap_or_else(|error| {
        screen.say(format!("skipping the link's provider {place}: {error}"));
        Vec::new()
    })
}

fn output_path(given: Option<&Path>) -> Result<OutputPath, Ending> {
    let Some(path) = given else {
        return Ok(OutputPath::In(PathBuf::from(".")));
    };
    if path.is_dir() {
        return Ok(OutputPath::In(path.to_owned()));
    }
    let text = path.as_os_str().as_encoded_bytes();
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let missing = match parent {
        _ if text.ends_with(b"/") => Some(path),
        Some(parent) if !parent.is_dir() => Some(parent),
        _ => None,
    };
    match missing {
        Some(folder) => Err(Ending::Failed(format!(
            "cannot write {}: no such folder: {} (make it first)",
            path.display(),
            folder.display()
        ))),
        None => Ok(OutputPath::Named(path.to_owned())),
    }
}

// -- fetching

struct Getting<'a> {
    screen: &'a Screen,
    meter: Meter<'a>,
    json: bool,
    json_at: Instant,
    state: Option<StateDir>,
    file: FileId,
    swarm: SwarmKey,
    started_at: Instant,
    /// Open streams: losing one of these is news, a failed attempt is not. At most as many as the
    /// node has.
    connected: Vec<SocketAddr>,
    last: Progress,
}

impl<'a> Getting<'a> {
    fn begin(
        wanted: Wanted,
        output: &OutputPath,
        reactor: &mut Reactor,
        state: Option<StateDir>,
        args: &Args,
        screen: &'a Screen,
    ) -> Result<Getting<'a>, Ending> {
        let Wanted {
            file,
            manifest,
            providers,
        } = wanted;
        if let Some(manifest) = &manifest {
            keep(state.as_ref(), manifest, screen);
        }
        // With the manifest of an earlier try, the disk is verified before anyone is found.
        let manifest =
            manifest.or_else(|| state.as_ref().and_then(|state| state.load_manifest(file)));
        let swarm = reactor.fetch(file, manifest, &providers, output)?;
        let now = reactor.now();
        Ok(Getting {
            screen,
            meter: Meter::new(screen, now),
            json: args.json,
            json_at: now + JSON_PERIOD,
            state,
            file,
            swarm,
            started_at: now,
            connected: Vec::new(),
            last: Progress::default(),
        })
    }

    /// Runs the loop until the file is complete.
    fn fetch(&mut self, reactor: &mut Reactor) -> Result<(), Ending> {
        loop {
            let until = reactor.now() + TICK;
            match reactor.next(Some(until))? {
                Happening::Deadline => self.look(reactor)?,
                Happening::Signal(_) => {
                    self.meter.clear();
                    return Err(Ending::Interrupted(
                        "interrupted (the same command goes on where this one stopped)".into(),
                    ));
                }
                Happening::Event(Event::Complete { swarm, already }) if swarm == self.swarm => {
                    return self.complete(reactor, already);
                }
                Happening::Event(Event::Failed { swarm, cause }) if swarm == self.swarm => {
                    return Err(self.failed(reactor, cause)?);
                }
                Happening::Event(event) => self.tell(reactor, &event)?,
            }
        }
    }

    /// Serves the complete file until a signal.
    fn seed(&mut self, reactor: &mut Reactor) -> Result<(), Ending> {
        self.screen.say("serving it until interrupted");
        loop {
            match reactor.next(None)? {
                Happening::Signal(_) => break,
                Happening::Deadline => {}
                Happening::Event(Event::Changed { .. }) => {
                    return Err(Ending::Failed(
                        "the file has changed; no longer serving it".into(),
                    ));
                }
                Happening::Event(event) => self.tell(reactor, &event)?,
            }
        }
        if let Some(progress) = reactor.node().progress(self.swarm) {
            let sent = progress.sent;
            self.screen
                .say(format!("sent {sent} bytes ({})", figures::size(sent)));
        }
        Ok(())
    }

    fn look(&mut self, reactor: &Reactor) -> Result<(), Ending> {
        let Some(progress) = reactor.node().progress(self.swarm) else {
            return Ok(());
        };
        self.last = progress;
        let now = reactor.now();
        let rate = self.meter.look(now, &progress);
        if !self.json || now < self.json_at {
            return Ok(());
        }
        self.json_at = now + JSON_PERIOD;
        let object = Object::event("progress")
            .text("phase", meter::phase(progress.phase))
            .number("done", progress.done)
            .number("size", progress.size)
            .number("rate", rate)
            .number("peers", progress.providers.into());
        print(object.finish())
    }

    fn tell(&mut self, reactor: &Reactor, event: &Event) -> Result<(), Ending> {
        if self.json {
            if let Some(line) = news::json(event) {
                print(line)?;
            }
        }
        match *event {
            Event::Manifest { swarm, .. } if swarm == self.swarm => {
                if let Some(manifest) = reactor.node().manifest(swarm) {
                    keep(self.state.as_ref(), manifest, self.screen);
                }
            }
            Event::Resumed { held, .. } if held > 0 => {
                self.screen.say(format!(
                    "{} of an earlier try are right; going on",
                    shards(held)
                ));
            }
            Event::Connected { address, .. } => self.connected.push(address),
            Event::Disconnected {
                address, reason, ..
            } if self.lost(address, reason) => {
                let why = news::ended(reason);
                let then = match self.connected.len() {
                    0 => "looking for others".to_owned(),
                    left => format!("going on with {}", figures::count(left as u64, "other")),
                };
                self.screen.say(format!("lost {address} ({why}); {then}"));
                return Ok(());
            }
            _ => {}
        }
        node::tell(event, self.screen);
        Ok(())
    }

    /// Takes an ended stream off the list; whether its end is a loss.
    fn lost(&mut self, address: SocketAddr, reason: Ended) -> bool {
        let Some(index) = self.connected.iter().position(|&other| other == address) else {
            return false;
        };
        self.connected.swap_remove(index);
        matches!(
            reason,
            Ended::Lost | Ended::Timeout | Ended::Protocol | Ended::Corrupt
        )
    }

    fn complete(&mut self, reactor: &Reactor, already: bool) -> Result<(), Ending> {
        self.meter.clear();
        let progress = reactor.node().progress(self.swarm).unwrap_or(self.last);
        let took = reactor.now().since(self.started_at);
        let path = shown(reactor.output_path(self.swarm).unwrap_or(Path::new("")));
        let size = figures::size(progress.size);
        if already {
            self.screen
                .say(format!("already complete: {} ({size})", path.display()));
        } else {
            let (time, rate) = (
                figures::duration(took),
                figures::rate(progress.received, took),
            );
            self.screen.say(format!(
                "complete: {size} in {time} ({rate}), every shard verified"
            ));
        }
        if !self.json {
            return print(path.to_string_lossy());
        }
        let object = Object::event("complete")
            .text("path", &path.to_string_lossy())
            .number("bytes", progress.size)
            .decimal("seconds", took.as_secs_f64())
            .truth("already", already);
        print(object.finish())
    }

    fn failed(&mut self, reactor: &Reactor, cause: Failure) -> Result<Ending, Ending> {
        self.meter.clear();
        let path = reactor.output_path(self.swarm).map(shown);
        let message = failure(self.file, cause, path, reactor.disk_message(self.swarm));
        if self.json {
            print(Object::event("failed").text("message", &message).finish())?;
        }
        Ok(Ending::Failed(message))
    }
}

/// A path of the current folder by its name alone.
fn shown(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

fn shards(count: u32) -> String {
    figures::count(count.into(), "shard")
}

fn keep(state: Option<&StateDir>, manifest: &Manifest, screen: &Screen) {
    if let Some(Err(error)) = state.map(|state| state.save_manifest(manifest)) {
        // The next try asks the network for it.
        screen.detail(error.to_string());
    }
}

/// Why a fetch failed, where, and what to do.
fn failure(file: FileId, cause: Failure, path: Option<&Path>, disk: Option<&str>) -> String {
    let path = path.map_or_else(|| file.to_string(), |path| path.display().to_string());
    match cause {
        Failure::Nobody { asked } => format!(
            "nobody in the network has {file} (asked {}; is the sharer running and joined to the \
             same network?)",
            figures::count(asked.into(), "node")
        ),
        Failure::Incomplete { missing } => format!(
            "incomplete: nobody who is left sends {} of {file} right (what has arrived is kept; \
             try again when others have it)",
            shards(missing)
        ),
        Failure::NoContacts => format!(
            "no node to ask for {file} (name one with -b HOST:PORT, or use a link with an x.pe)"
        ),
        Failure::OtherFile | Failure::Disk(DiskError::Exists) => format!(
            "output exists and is another file: {path} (move it away, or name another with -o)"
        ),
        Failure::Disk(error) => {
            let what = disk.map_or_else(|| format!("{path}: {error}"), str::to_owned);
            match error {
                DiskError::NoSpace => format!(
                    "no space: {what} (free some, or name another place with -o; what has arrived \
                     is kept)"
                ),
                DiskError::Denied => format!("cannot write: {what} (name another place with -o)"),
                _ => format!("disk trouble: {what} (what has arrived is kept; try again)"),
            }
        }
        Failure::Known => format!("{file} is shared or fetched by this node already"),
        Failure::Manifest(error) => format!("the manifest of {file} breaks a limit: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        let file = FileId::default();
        let text = failure(file, Failure::Nobody { asked: 1 }, None, None);
        let zeros = "0".repeat(40);
        assert!(text.starts_with(&format!(
            "nobody in the network has {zeros} (asked 1 node; "
        )));
        let path = Some(Path::new("/out"));
        let text = failure(file, Failure::OtherFile, path, None);
        assert!(text.starts_with("output exists and is another file: /out (move it away"));
        let text = failure(
            file,
            Failure::Disk(DiskError::NoSpace),
            path,
            Some("/out.part: full"),
        );
        assert!(
            text.starts_with("no space: /out.part: full (free some"),
            "{text}"
        );
    }

    #[test]
    fn an_output_is_a_folder_that_exists_or_a_name_in_one() {
        assert!(matches!(output_path(None), Ok(OutputPath::In(_))));
        assert!(matches!(
            output_path(Some(Path::new("src"))),
            Ok(OutputPath::In(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("name"))),
            Ok(OutputPath::Named(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("src/name"))),
            Ok(OutputPath::Named(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("no/name"))),
            Err(Ending::Failed(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("folder/"))),
            Err(Ending::Failed(_))
        ));
    }
}
