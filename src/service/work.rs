//! Work on the jobs: starts them, follows their events, and keeps the catalog.
//!
//! ```text
//!            start                        Failed
//!  (given) ─────────► has a swarm ────────────────► waits, and says why
//!     ▲                   │ Complete                   │ MISSING_RETRY, FAILED_RETRY,
//!     └─ restart          └► a fetch is served on      │ another one goes, the network is joined
//!                             from where it lies       └► start
//! ```
//!
//! A share is not hashed anew at a restart when a proof says that it has not changed (`reactor`'s
//! `Proof`: paths, sizes, inodes, times); a complete fetch is a share, too. One job is started a
//! turn, so a thousand of them do not hold the loop up. Invariant: no job is dropped but by its
//! owner's command, whatever fails.

use super::answer::Refusal;
use super::catalog::{CatalogEntry, Work};
use super::jobs::Job;
use super::{Service, Setup, failure_text, format};
use crate::dht;
use crate::limits::{CATALOG_SAVE_DELAY, FAILED_RETRY, MISSING_RETRY};
use crate::node::{DiskError, Event, Failure, Origin, Remedy, SwarmKey};
use crate::reactor::{Error, OutputPath, Reactor, prove};
use crate::time::Instant;
use std::fs;
use std::path::Path;

impl Service<'_> {
    /// Adds a job.
    ///
    /// # Errors
    /// When there is no room.
    pub(super) fn push(
        &mut self,
        reactor: &Reactor,
        entry: CatalogEntry,
    ) -> Result<&mut Job, Refusal> {
        match self.jobs.has_room() {
            true => Ok(self.jobs.push(entry, reactor.now())),
            false => Err("the service has as many files as it can".into()),
        }
    }

    /// Removes a job: its swarm goes, and nothing of the state is kept for it.
    pub(super) fn remove(&mut self, reactor: &mut Reactor, number: u64) -> Option<Job> {
        let job = self.jobs.remove(number)?;
        if let Some(swarm) = job.swarm {
            reactor.command(|node, now| node.remove(now, swarm));
        }
        if let (Some(state), Some(file)) = (&self.setup.state, job.entry.file) {
            state.forget_manifest(file);
        }
        // Jobs that waited because of it need not any more.
        self.jobs.retry(reactor.now());
        Some(job)
    }

    /// Begins to share, serve or fetch.
    pub(super) fn start(&mut self, reactor: &mut Reactor, number: u64) {
        let Some(job) = self.jobs.find_mut(number) else {
            return;
        };
        (job.start_at, job.has_changed, job.has_met) = (None, false, false);
        let started = match &job.entry.work {
            Work::Fetch { .. } => fetch(&self.setup, reactor, &job.entry),
            Work::Share(path) => serve(&self.setup, reactor, &job.entry, path, Origin::Own),
            Work::Fetched(path) => serve(&self.setup, reactor, &job.entry, path, Origin::Fetched),
        };
        match started {
            Ok(swarm) => {
                (job.swarm, job.why) = (Some(swarm), None);
                if job.entry.is_paused {
                    reactor.command(|node, now| node.suspend(now, swarm));
                }
            }
            Err(error) => self.wait(reactor.now(), number, error.to_string()),
        }
    }

    /// A job cannot be started now.
    fn wait(&mut self, now: Instant, number: u64, why: String) {
        let Some(job) = self.jobs.find_mut(number) else {
            return;
        };
        let is_missing = job.path().is_some_and(|path| !path.exists());
        job.start_at = Some(
            now + if is_missing {
                MISSING_RETRY
            } else {
                FAILED_RETRY
            },
        );
        if job.why.as_ref() != Some(&why) {
            // The failure of a new job is the answer to its client instead.
            if !job.is_new {
                let line = format!("{why} (it waits, and is tried again)");
                self.setup.log.warn(line);
            }
            job.why = Some(why);
        }
    }

    pub(super) fn save_soon(&mut self, now: Instant) {
        self.save_at.get_or_insert(now + CATALOG_SAVE_DELAY);
    }

    /// Saves the catalog if that is due at `now`.
    pub(super) fn save_if_due(&mut self, now: Instant) {
        if self.save_at.is_some_and(|at| at <= now) {
            self.save(now);
        }
    }

    /// Saves the catalog; it waits for the disk. A failure is retried.
    pub(super) fn save(&mut self, now: Instant) {
        self.save_at = None;
        let Some(state) = &self.setup.state else {
            return;
        };
        if let Err(error) = state.save_catalog(&self.jobs.entries()) {
            self.setup.log.warn(error.to_string());
            self.save_at = Some(now + FAILED_RETRY);
        }
    }

    /// Handles an event of the node.
    pub(super) fn handle_event(&mut self, reactor: &mut Reactor, event: &Event) {
        self.event_log.log(reactor, event);
        let message = |swarm| reactor.disk_message(swarm).map(str::to_owned);
        match *event {
            Event::Shared { swarm, .. } => self.handle_shared(reactor, swarm),
            Event::Complete { swarm, .. } => self.handle_complete(reactor, swarm),
            Event::Failed { swarm, cause } => self.handle_failed(reactor, swarm, cause),
            Event::Manifest { swarm, .. } => self.save_manifest(reactor, swarm),
            Event::Dht(dht::Event::Joined { .. }) => self.jobs.retry(reactor.now()),
            Event::Connected { swarm, .. } => self.update(swarm, |job| job.has_met = true),
            Event::Paused { swarm, cause } => {
                let why = message(swarm).unwrap_or(cause.to_string());
                self.update(swarm, |job| job.why = Some(why));
            }
            Event::Continued { swarm } => self.update(swarm, |job| job.why = None),
            Event::Changed { swarm } => {
                let why = message(swarm).unwrap_or("it has changed".into());
                let line = format!("no longer serving all of it: {why} (add it again)");
                let log = self.setup.log;
                self.update(swarm, |job| {
                    log.warn(line);
                    (job.has_changed, job.why) = (true, Some(why));
                });
            }
            Event::Rotten {
                swarm,
                shard,
                remedy: Remedy::Restore | Remedy::Replace,
            } => {
                let why = format!("shard {shard} has gone bad on the disk");
                self.update(swarm, |job| (job.has_changed, job.why) = (true, Some(why)));
            }
            _ => {}
        }
        self.resume_answers(reactor, Some(event));
        self.jobs.remove_rejected();
    }

    fn update(&mut self, swarm: SwarmKey, change: impl FnOnce(&mut Job)) {
        self.jobs.of_swarm(swarm).map(change).unwrap_or_default();
    }

    fn handle_shared(&mut self, reactor: &Reactor, swarm: SwarmKey) {
        let Some(job) = self.jobs.of_swarm(swarm) else {
            return;
        };
        let file = reactor
            .node()
            .swarms()
            .manifest(swarm)
            .map(|manifest| manifest.file_id());
        let before = std::mem::replace(&mut job.entry.file, file);
        (job.entry.proof, job.is_new) = (reactor.proof(swarm), false);
        if let Some(path) = job.path() {
            let progress = reactor.node().swarms().progress(swarm).unwrap_or_default();
            let (path, size) = (path.display(), format::size(progress.size));
            self.setup.log.info(format!("serving {path} ({size})"));
        }
        if let (Some(state), Some(before)) = (&self.setup.state, before.filter(|_| before != file))
        {
            state.forget_manifest(before);
        }
        self.save_manifest(reactor, swarm);
        self.save_soon(reactor.now());
    }

    /// A fetch has every shard: from now on it is served from where it lies.
    fn handle_complete(&mut self, reactor: &Reactor, swarm: SwarmKey) {
        let path = reactor.output_path(swarm).map(Path::to_owned);
        let (Some(job), Some(path)) = (self.jobs.of_swarm(swarm), path) else {
            return;
        };
        self.setup.log.info(format!(
            "complete: {}, every shard verified",
            path.display()
        ));
        // Without a proof, it is verified at the next start.
        job.entry.proof = prove(&path).ok().flatten();
        job.entry.work = Work::Fetched(path);
        self.save_soon(reactor.now());
    }

    fn save_manifest(&self, reactor: &Reactor, swarm: SwarmKey) {
        let manifest = reactor.node().swarms().manifest(swarm);
        if let (Some(state), Some(manifest)) = (&self.setup.state, manifest) {
            if let Err(error) = state.save_manifest(manifest) {
                // It is hashed, or fetched, again at the next start.
                self.setup.log.debug(error.to_string());
            }
        }
    }

    /// A swarm is gone. One that its owner has removed has no job any more; if the same file was
    /// added since, it waits for this.
    fn handle_failed(&mut self, reactor: &Reactor, swarm: SwarmKey, cause: Failure) {
        let now = reactor.now();
        let Some(job) = self.jobs.of_swarm(swarm) else {
            return self.jobs.retry(now);
        };
        let why = failure_of(job, reactor, swarm, cause);
        let number = job.number;
        job.swarm = None;
        self.wait(now, number, why);
        // It is started again when another job goes, or at `sprat resume`.
        let is_hopeless = matches!(
            cause,
            Failure::Known
                | Failure::Manifest(_)
                | Failure::OtherFile
                | Failure::Disk(DiskError::Exists)
        );
        if let Some(job) = self.jobs.find_mut(number).filter(|_| is_hopeless) {
            job.start_at = None;
        }
        self.save_soon(now);
    }
}

/// Serves `path`. Without a proof that it has not changed, it is hashed, or verified.
fn serve(
    setup: &Setup,
    reactor: &mut Reactor,
    entry: &CatalogEntry,
    path: &Path,
    origin: Origin,
) -> Result<SwarmKey, Error> {
    let mut manifest = entry.file.and_then(|file| setup.load_manifest(file));
    if let Some((proof, of)) = entry
        .proof
        .and_then(|proof| Some((proof, manifest.take()?)))
    {
        match reactor.serve_again(path, of, proof, origin)? {
            Ok(swarm) => {
                setup
                    .log
                    .debug(format!("serving {} as before", path.display()));
                return Ok(swarm);
            }
            Err(of) => manifest = Some(of),
        }
    }
    match (origin, entry.file) {
        (Origin::Fetched, Some(file)) => {
            // A missing file must not be fetched again: its owner may have moved it.
            fs::metadata(path)
                .map_err(|error| Error::new(format!("share {}", path.display()), error))?;
            reactor.fetch(file, manifest, &[], &OutputPath::Named(path.to_owned()))
        }
        _ => reactor.share(path),
    }
}

fn fetch(setup: &Setup, reactor: &mut Reactor, entry: &CatalogEntry) -> Result<SwarmKey, Error> {
    let (Work::Fetch { output, providers }, Some(file)) = (&entry.work, entry.file) else {
        unreachable!("a fetch is of a file");
    };
    if let OutputPath::In(folder) = output {
        fs::create_dir_all(folder)
            .map_err(|error| Error::new(format!("make {}", folder.display()), error))?;
    }
    reactor.fetch(file, setup.load_manifest(file), providers, output)
}

fn failure_of(job: &Job, reactor: &Reactor, swarm: SwarmKey, cause: Failure) -> String {
    let disk = reactor.disk_message(swarm);
    match (&job.entry.work, job.entry.file) {
        (Work::Share(path), _) => failure_text::of_share(path, cause, disk),
        (_, file) => {
            let path = reactor.output_path(swarm);
            failure_text::of_fetch(file.unwrap_or_default(), cause, job.has_met, path, disk)
        }
    }
}
