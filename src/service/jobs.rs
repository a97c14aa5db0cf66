//! What a service does with what it was given: takes it up, remembers it, and hears how it does.
//!
//! ```text
//!            take_up                     Failed
//!  (given) ─────────► has a swarm ────────────────► waits, and says why
//!     ▲                   │ Complete                   │ MISSING_RETRY, FAILED_RETRY,
//!     └─ restart          └► a fetch is served on      │ another one goes, the network is joined
//!                             from where it lies       └► take_up
//! ```
//!
//! A share is not hashed anew at a restart when a proof says that it is what it was (`reactor`'s
//! `Proof`: paths, sizes, inodes, times); a fetch that is complete is one, too. One item is taken up a
//! turn, so a thousand of them do not hold the loop up. Invariant: nothing is forgotten but by its
//! owner's word, whatever fails.

use super::Service;
use super::catalog::Work;
use super::control::Control;
use super::items::Item;
use super::systemd::Systemd;
use super::{event_text, failure_text, format};
use crate::dht;
use crate::id::FileId;
use crate::limits::{FAILED_RETRY, MISSING_RETRY, REMEMBER_DELAY};
use crate::node::{DiskError, Event, Failure, Origin, Remedy, SwarmKey};
use crate::reactor::{Error, OutputPath, Reactor, prove};
use crate::time::{Instant, earliest};
use std::fs;
use std::path::Path;

impl Service<'_> {
    /// When to call [`Service::handle_timeout`].
    pub fn next_at(&self) -> Option<Instant> {
        let folders = self.folders.iter().map(|folder| folder.look_at);
        let next = earliest(self.items.next_at(), self.remember_at);
        let next = earliest(next, folders.min());
        let control = self.control.as_ref().and_then(Control::next_at);
        let systemd = self.systemd.as_ref().and_then(Systemd::next_at);
        earliest(next, earliest(control, systemd))
    }

    /// Does what is due: one piece of it.
    pub fn handle_timeout(&mut self, reactor: &mut Reactor) {
        self.serve_clients(reactor);
        let now = reactor.now();
        if self.remember_at.is_some_and(|at| at <= now) {
            self.remember(now);
        }
        let due = self.folders.iter().position(|folder| folder.look_at <= now);
        if let Some(place) = due {
            self.look_through(reactor, place);
        }
        if let Some(number) = self.items.due(now) {
            self.take_up(reactor, number);
            self.go_on_with_answers(reactor);
        }
    }

    /// Begins to share, serve or fetch an item.
    pub(super) fn take_up(&mut self, reactor: &mut Reactor, number: u64) {
        let Some(item) = self.items.find_mut(number) else {
            return;
        };
        (item.retry_at, item.is_changed, item.has_met) = (None, false, false);
        let result = match &item.kept.work {
            Work::Fetch { .. } => self.fetch(reactor, number),
            Work::Share(path) => {
                let path = path.clone();
                self.serve(reactor, number, &path, Origin::Own)
            }
            Work::Fetched(path) => {
                let path = path.clone();
                self.serve(reactor, number, &path, Origin::Fetched)
            }
        };
        match result {
            Ok(swarm) => {
                let Some(item) = self.items.find_mut(number) else {
                    return;
                };
                (item.swarm, item.why) = (Some(swarm), None);
                if item.kept.is_paused {
                    reactor.command(|node, now| node.suspend(now, swarm));
                }
            }
            Err(error) => self.wait(reactor.now(), number, error.to_string()),
        }
    }

    /// Serves what lies at `path`; what is not proved to be as it was is hashed, or verified.
    fn serve(
        &mut self,
        reactor: &mut Reactor,
        number: u64,
        path: &Path,
        origin: Origin,
    ) -> Result<SwarmKey, Error> {
        let item = self.items.find(number);
        let kept = item
            .map(|item| &item.kept)
            .expect("the caller has found it");
        let state = self.state.as_ref();
        let load = |file| state.and_then(|state| state.load_manifest(file));
        let mut manifest = kept.file.and_then(load);
        if let Some((proof, of)) = kept.proof.and_then(|proof| Some((proof, manifest.take()?))) {
            match reactor.serve_again(path, of, proof, origin)? {
                Ok(swarm) => {
                    self.console
                        .debug(format!("serving {} as before", path.display()));
                    return Ok(swarm);
                }
                Err(of) => manifest = Some(of),
            }
        }
        match (origin, kept.file) {
            (Origin::Fetched, Some(file)) => {
                // What is not there must not be fetched again: its owner may have moved it.
                fs::metadata(path)
                    .map_err(|error| Error::new(format!("share {}", path.display()), error))?;
                let output = OutputPath::Named(path.to_owned());
                reactor.fetch(file, manifest, &[], &output)
            }
            _ => reactor.share(path),
        }
    }

    fn fetch(&mut self, reactor: &mut Reactor, number: u64) -> Result<SwarmKey, Error> {
        let item = self.items.find(number);
        let kept = item
            .map(|item| &item.kept)
            .expect("the caller has found it");
        let (Work::Fetch { output, providers }, Some(file)) = (&kept.work, kept.file) else {
            unreachable!("a fetch is of a file");
        };
        if let OutputPath::In(folder) = output {
            fs::create_dir_all(folder)
                .map_err(|error| Error::new(format!("make {}", folder.display()), error))?;
        }
        let state = self.state.as_ref();
        let manifest = state.and_then(|state| state.load_manifest(file));
        reactor.fetch(file, manifest, providers, output)
    }

    /// An item cannot be taken up now.
    fn wait(&mut self, now: Instant, number: u64, why: String) {
        let Some(item) = self.items.find_mut(number) else {
            return;
        };
        let is_missing = item.path().is_some_and(|path| !path.exists());
        let pause = if is_missing {
            MISSING_RETRY
        } else {
            FAILED_RETRY
        };
        item.retry_at = Some(now + pause);
        if item.why.as_ref() != Some(&why) {
            // What was given in vain is dropped, and its giver told.
            if !item.is_new {
                self.console
                    .warn(format!("{why} (it waits, and is tried again)"));
            }
            item.why = Some(why);
        }
    }

    /// Has what was given written down, soon.
    pub(super) fn remember_soon(&mut self, now: Instant) {
        self.remember_at.get_or_insert(now + REMEMBER_DELAY);
    }

    /// Before the end: writes down what is to be.
    pub fn remember_if_due(&mut self, now: Instant) {
        if self.remember_at.is_some() {
            self.remember(now);
        }
    }

    /// Writes down what was given; it waits for the disk. What fails is tried again.
    pub(super) fn remember(&mut self, now: Instant) {
        self.remember_at = None;
        let Some(state) = &self.state else { return };
        if let Err(error) = state.remember(&self.items.remembered()) {
            self.console.warn(error.to_string());
            self.remember_at = Some(now + FAILED_RETRY);
        }
    }

    /// Something has happened to the node.
    pub fn handle_event(&mut self, reactor: &mut Reactor, event: &Event) {
        if let Some(line) = event_text::of_disk(reactor, event) {
            self.console.warn(line);
        }
        match *event {
            Event::Shared { swarm, .. } => self.handle_shared(reactor, swarm),
            Event::Complete { swarm, .. } => self.handle_complete(reactor, swarm),
            Event::Failed { swarm, cause } => self.handle_failed(reactor, swarm, cause),
            Event::Manifest { swarm, .. } => self.keep_manifest(reactor, swarm),
            Event::Connected { swarm, .. } => {
                if let Some(item) = self.items.of_swarm(swarm) {
                    item.has_met = true;
                }
            }
            Event::Dht(dht::Event::Joined { .. }) => self.items.wake(reactor.now()),
            Event::Dht(dht::Event::Pinged { address, took }) => {
                self.tell_answers(|answer| answer.handle_pinged(address, took));
            }
            Event::Dht(dht::Event::LookupDone { target, .. }) => {
                let file = FileId(target);
                let found = reactor.node().kad().providers_found(file);
                let found = found.unwrap_or_default().to_vec();
                self.tell_answers(|answer| answer.handle_found(file, &found, event));
            }
            Event::Paused { swarm, cause } => {
                let why = reactor.disk_message(swarm).map(str::to_owned);
                if let Some(item) = self.items.of_swarm(swarm) {
                    item.why = Some(why.unwrap_or(cause.to_string()));
                }
            }
            Event::Continued { swarm } => {
                if let Some(item) = self.items.of_swarm(swarm) {
                    item.why = None;
                }
            }
            Event::Changed { swarm } => {
                let why = reactor
                    .disk_message(swarm)
                    .unwrap_or("it has changed")
                    .to_owned();
                self.handle_changed(swarm, why);
            }
            Event::Rotten {
                swarm,
                shard,
                remedy: Remedy::Restore | Remedy::Replace,
            } => {
                if let Some(item) = self.items.of_swarm(swarm) {
                    let why = format!("shard {shard} has gone bad on the disk");
                    (item.is_changed, item.why) = (true, Some(why));
                }
            }
            _ => {}
        }
        self.event_log.log(reactor.now(), event);
        self.go_on_with_answers(reactor);
    }

    /// A share is hashed.
    fn handle_shared(&mut self, reactor: &Reactor, swarm: SwarmKey) {
        let Some(item) = self.items.of_swarm(swarm) else {
            return;
        };
        let file = reactor.node().manifest(swarm).map(|of| of.file_id());
        let before = std::mem::replace(&mut item.kept.file, file);
        (item.kept.proof, item.is_new) = (reactor.proof(swarm), false);
        let size = reactor
            .node()
            .progress(swarm)
            .map_or(0, |progress| progress.size);
        if let Some(path) = item.path() {
            let (path, size) = (path.display(), format::size(size));
            self.console.info(format!("serving {path} ({size})"));
        }
        if let (Some(state), Some(before)) = (&self.state, before.filter(|_| before != file)) {
            state.forget_manifest(before);
        }
        self.keep_manifest(reactor, swarm);
        self.remember_soon(reactor.now());
    }

    /// A fetch has every shard: from now on it is served from where it lies.
    fn handle_complete(&mut self, reactor: &Reactor, swarm: SwarmKey) {
        let path = reactor.output_path(swarm).map(Path::to_owned);
        let (Some(item), Some(path)) = (self.items.of_swarm(swarm), path) else {
            return;
        };
        self.console.info(format!(
            "complete: {}, every shard verified",
            path.display()
        ));
        // Without a proof, it is verified at the next start.
        item.kept.proof = prove(&path).ok().flatten();
        item.kept.work = Work::Fetched(path);
        self.remember_soon(reactor.now());
    }

    fn keep_manifest(&self, reactor: &Reactor, swarm: SwarmKey) {
        let manifest = reactor.node().manifest(swarm);
        if let (Some(state), Some(manifest)) = (&self.state, manifest) {
            if let Err(error) = state.save_manifest(manifest) {
                // It is hashed, or fetched, again at the next start.
                self.console.debug(error.to_string());
            }
        }
    }

    fn handle_changed(&mut self, swarm: SwarmKey, why: String) {
        if let Some(item) = self.items.of_swarm(swarm) {
            self.console
                .warn(format!("no longer serving all of it: {why} (add it again)"));
            (item.is_changed, item.why) = (true, Some(why));
        }
    }

    /// A swarm is gone. One that its owner has removed has no item any more; if the same file was
    /// added since, it waits for this.
    fn handle_failed(&mut self, reactor: &Reactor, swarm: SwarmKey, cause: Failure) {
        let now = reactor.now();
        let Some(item) = self.items.of_swarm(swarm) else {
            return self.items.wake(now);
        };
        let why = failure_of(item, reactor, swarm, cause);
        let number = item.number;
        item.swarm = None;
        if item.is_new {
            self.items.remove(number);
            self.tell_answers(|answer| answer.handle_failed(number, &why));
            return self.remember_soon(now);
        }
        self.wait(now, number, why);
        let is_hopeless = matches!(
            cause,
            Failure::Known
                | Failure::Manifest(_)
                | Failure::OtherFile
                | Failure::Disk(DiskError::Exists)
        );
        if let (true, Some(item)) = (is_hopeless, self.items.find_mut(number)) {
            // Another one has to go first, or its owner says `resume`.
            item.retry_at = None;
        }
    }
}

fn failure_of(item: &Item, reactor: &Reactor, swarm: SwarmKey, cause: Failure) -> String {
    let disk = reactor.disk_message(swarm);
    match (&item.kept.work, item.kept.file) {
        (Work::Share(path), _) => failure_text::of_share(path, cause, disk),
        (_, file) => {
            let path = reactor.output_path(swarm);
            failure_text::of_fetch(file.unwrap_or_default(), cause, item.has_met, path, disk)
        }
    }
}
