//! Commands about the files of the service.

use super::{Performed, unknown};
use crate::address::is_usable;
use crate::limits::PATH_SIZE_MAX;
use crate::node::{self, Phase, Progress};
use crate::reactor::{OutputPath, Reactor};
use crate::service::Service;
use crate::service::answer::{Answer, Refusal, Step};
use crate::service::catalog::{CatalogEntry, Work};
use crate::service::jobs::Job;
use crate::service::reply::{File, Peer, Reply};
use crate::wire::Link;
use std::net::SocketAddr;
use std::path::Path;

pub fn add(service: &mut Service, reactor: &mut Reactor, words: &[&str]) -> Performed {
    match words {
        ["share", path] => share(service, reactor, Path::new(path)),
        ["fetch", file, output, providers @ ..] => fetch(service, reactor, file, output, providers),
        _ => Err(unknown("add", words)),
    }
}

/// Shares a path. A known share that has changed, or waits, is hashed again; and it stays when it
/// is removed from a drop folder.
fn share(service: &mut Service, reactor: &mut Reactor, path: &Path) -> Performed {
    check_path(path)?;
    let (number, is_lost) = match service.jobs.of_share(path) {
        Some(job) => {
            job.entry.is_from_folder = false;
            let is_lost = job.has_changed || job.swarm.is_none();
            if let Some(swarm) = job.swarm.take_if(|_| is_lost) {
                reactor.command(|node, now| node.remove(now, swarm));
            }
            (job.number, is_lost)
        }
        None => {
            let work = Work::Share(path.to_owned());
            let job = service.push(reactor, CatalogEntry::new(work))?;
            job.is_new = true;
            (job.number, true)
        }
    };
    if is_lost {
        service.start(reactor, number);
    }
    if service.jobs.find(number).is_some_and(Job::is_rejected) {
        let job = service.jobs.remove(number);
        return Err(job.and_then(|job| job.why).unwrap_or_default().into());
    }
    service.save(reactor.now());
    let locations = service.locations(reactor);
    Answer::stream(move |service, reactor, _| {
        let job = service.jobs.find(number);
        let job = job.ok_or("it was removed before it was hashed")?;
        if let (None, Some(why)) = (job.swarm, &job.why) {
            return Err(why.clone().into());
        }
        let manifest = job
            .swarm
            .and_then(|swarm| reactor.node().swarms().manifest(swarm));
        Ok(match (manifest, job.entry.file) {
            (Some(_), Some(_)) => Step::Last(vec![Reply::Shared(file(job, reactor, &locations))]),
            _ => Step::Wait,
        })
    })
}

fn fetch(
    service: &mut Service,
    reactor: &mut Reactor,
    id: &str,
    output: &str,
    providers: &[&str],
) -> Performed {
    let usage = |what: &str| Refusal::usage(format!("not {what} (see sprat help add)"));
    let id = id.parse().map_err(|_| usage("a file id"))?;
    let providers: Result<Vec<SocketAddr>, _> = providers.iter().map(|text| text.parse()).collect();
    let mut providers = providers.map_err(|_| usage("an address"))?;
    // A link may name addresses that no node can have; the catalog does not take them.
    providers.retain(|&at| is_usable(at));
    let output = output_path(service, output)?;
    let known = service
        .jobs
        .of_file(id)
        .map(|job| (job.number, job.swarm.is_none()));
    let number = match known {
        Some((number, is_idle)) => {
            if is_idle {
                service.start(reactor, number);
            }
            number
        }
        None => {
            let entry = CatalogEntry::new(Work::Fetch { output, providers });
            let entry = CatalogEntry {
                file: Some(id),
                ..entry
            };
            let number = service.push(reactor, entry)?.number;
            service.start(reactor, number);
            service.save(reactor.now());
            number
        }
    };
    let locations = service.locations(reactor);
    let job = service.jobs.find(number).into_iter();
    let files = job.map(|job| Reply::File(file(job, reactor, &locations)));
    Ok(Answer::Whole(files.collect()))
}

/// Where a fetch goes: the service's own folder, unless a path is given.
fn output_path(service: &Service, given: &str) -> Result<OutputPath, Refusal> {
    if given.is_empty() {
        let folder = service.files_dir().ok_or("the service keeps no files")?;
        return Ok(OutputPath::In(folder));
    }
    check_path(Path::new(given))?;
    OutputPath::given(Path::new(given)).map_err(|error| error.to_string().into())
}

/// Whether the catalog takes a path.
fn check_path(path: &Path) -> Result<(), Refusal> {
    if path.is_absolute() && path.as_os_str().len() <= PATH_SIZE_MAX {
        return Ok(());
    }
    let path = path.display();
    Err(format!("not an absolute path of at most {PATH_SIZE_MAX} bytes: {path}").into())
}

pub fn rm(service: &mut Service, reactor: &mut Reactor, words: &[&str]) -> Performed {
    let job = service.jobs.named(words[0])?;
    if let Some(path) = job.path().filter(|_| job.entry.is_from_folder) {
        let path = path.display();
        return Err(format!("{path} lies in a drop folder (take it out of there)").into());
    }
    let (number, part) = (
        job.number,
        job.swarm.and_then(|swarm| reactor.part_path(swarm)),
    );
    service.remove(reactor, number);
    service.save(reactor.now());
    let note = part.map(|part| {
        let part = part.display();
        Reply::Note(format!(
            "the part is kept in {part} (add the link again to go on, or delete it)"
        ))
    });
    Ok(Answer::Whole(note.into_iter().collect()))
}

pub fn ls(service: &mut Service, reactor: &mut Reactor, _: &[&str]) -> Performed {
    let (locations, mut after) = (service.locations(reactor), None);
    Answer::stream(move |service, reactor, _| {
        let Some(job) = service.jobs.after(after) else {
            return Ok(Step::Last(Vec::new()));
        };
        after = Some(job.number);
        Ok(Step::Say(vec![Reply::File(file(job, reactor, &locations))]))
    })
}

pub fn pause(service: &mut Service, reactor: &mut Reactor, words: &[&str]) -> Performed {
    set_paused(service, reactor, words, true)
}

pub fn resume(service: &mut Service, reactor: &mut Reactor, words: &[&str]) -> Performed {
    set_paused(service, reactor, words, false)
}

fn set_paused(
    service: &mut Service,
    reactor: &mut Reactor,
    words: &[&str],
    is_paused: bool,
) -> Performed {
    let named = words
        .first()
        .map(|word| service.jobs.named(word))
        .transpose()?;
    let named = named.map(|job| job.number);
    for job in service
        .jobs
        .iter_mut()
        .filter(|job| named.is_none_or(|it| job.number == it))
    {
        job.entry.is_paused = is_paused;
        match job.swarm {
            Some(swarm) if is_paused => reactor.command(|node, now| node.suspend(now, swarm)),
            Some(swarm) => reactor.command(|node, now| node.resume(now, swarm)),
            None if is_paused => {}
            None => job.start_at = Some(reactor.now()),
        }
    }
    service.save(reactor.now());
    Ok(Answer::Whole(Vec::new()))
}

pub fn peers(service: &mut Service, reactor: &mut Reactor, words: &[&str]) -> Performed {
    let job = service.jobs.named(words[0])?;
    let node = reactor.node();
    let peers = job.swarm.into_iter().flat_map(|swarm| {
        let of = node
            .swarms()
            .manifest(swarm)
            .map_or(0, |manifest| manifest.shard_count());
        node.swarms()
            .peers(swarm)
            .map(move |of_node| peer(&of_node, of))
    });
    Ok(Answer::Whole(peers.collect()))
}

fn peer(peer: &node::Peer, of: u32) -> Reply {
    Reply::Peer(Peer {
        address: peer.address,
        node: peer.node,
        up: peer.sent,
        down: peer.received,
        up_rate: peer.up,
        down_rate: peer.down,
        shards: peer.shards,
        of,
    })
}

/// A job as `ls` and `add` show it; `locations` are where other nodes reach this one.
fn file(job: &Job, reactor: &Reactor, locations: &[String]) -> File {
    let node = reactor.node();
    let progress = job.swarm.and_then(|swarm| node.swarms().progress(swarm));
    let state = progress.map_or("waiting", |progress| state(job, &progress));
    let progress = progress.unwrap_or_default();
    let path = job.swarm.and_then(|swarm| reactor.output_path(swarm));
    let path = path.or(job.path());
    let manifest = job.swarm.and_then(|swarm| node.swarms().manifest(swarm));
    let name = manifest.map(|manifest| manifest.name().to_owned());
    let own_name = || Some(path?.file_name()?.to_string_lossy().into_owned());
    let link = |file| Link {
        file,
        name: name.clone(),
        providers: locations.to_vec(),
    };
    File {
        id: job.entry.file,
        state: if job.entry.is_paused { "paused" } else { state },
        why: job.why.clone(),
        origin: match job.entry.work {
            Work::Share(_) if job.entry.is_from_folder => "folder",
            Work::Share(_) => "share",
            Work::Fetch { .. } | Work::Fetched(_) => "fetch",
        },
        done: progress.done,
        size: progress.size,
        up: progress.sent,
        down: progress.received,
        streams: progress.streams,
        link: job.entry.file.map(|file| link(file).to_string()),
        name: name.or_else(own_name),
        path: path.map(|path| path.display().to_string()),
    }
}

/// The state of a swarm, in one word.
fn state(job: &Job, progress: &Progress) -> &'static str {
    match progress.phase {
        Phase::Complete if job.has_changed => "changed",
        _ if job.why.is_some() => "waiting",
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
    use crate::id::{Id, NodeId};
    use crate::service::fixtures::assert_rendered;

    #[test]
    fn a_stream_is_told_as_the_fixtures_say() {
        let of_node = node::Peer {
            address: "192.0.2.7:4160".parse().unwrap(),
            node: NodeId(Id([0xab; 20])),
            sent: 3 << 20,
            received: 1536,
            up: 512 << 10,
            down: 0,
            shards: 7,
        };
        assert_rendered(&[peer(&of_node, 9)], "peers");
    }
}
