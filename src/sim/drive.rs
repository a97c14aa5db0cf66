//! The driver of a host's node: the counterpart of the reactor's turn.
//!
//! Each fact is followed by the node's outputs before the next fact; streams on the ready list are
//! served until `WouldBlock` or the end of their budget; one background read at a time is in
//! progress; then the timer is set. Invariant: a node is called only when it has a reason.

use super::host::{Found, Host};
use super::scheduled::{Fact, Scheduled};
use super::script::Input;
use super::world::World;
use crate::dht;
use crate::id::FileId;
use crate::node::{DiskReport, Event, FileRange, Node, Output, saved};
use crate::output::{DiskError, SwarmKey};
use crate::time::Instant;
use crate::wire::Manifest;
use std::time::Duration;

/// Streams served in a row before the other hosts.
const SERVED_MAX: usize = 64;
/// From the end of a budget to the next turn.
const TURN: Duration = Duration::from_micros(20);

impl World {
    /// Lets one scheduled thing happen, at the present instant.
    pub(super) fn handle(&mut self, what: Scheduled) {
        match what {
            Scheduled::Datagram(packet) => self.deliver(packet),
            Scheduled::Segment(from, segment) => self.deliver_segment(from, segment),
            Scheduled::Accept(connection, epoch) => self.accept(connection, epoch),
            Scheduled::Established(connection) => self.establish(connection),
            Scheduled::Ready(at, readiness) => self.make_ready(at, readiness),
            Scheduled::UplinkFree(host) => {
                self.net.uplink(host).end_turn();
                self.use_uplink(host);
            }
            Scheduled::Host { host, epoch, .. } => {
                let of = &mut self.hosts[host];
                if of.epoch != epoch || !of.is_running() {
                    return;
                }
                match what {
                    _ if of.is_paused => of.held.push(what),
                    Scheduled::Host { .. } if of.script.is_some() => {
                        self.run_script(host, Input::Woken);
                    }
                    Scheduled::Host { fact, .. } => self.handle_fact(host, fact),
                    _ => {}
                }
            }
        }
    }

    /// Gives a running node a fact of its own host.
    fn handle_fact(&mut self, host: usize, fact: Fact) {
        let now = self.now;
        match fact {
            Fact::Timer => return self.handle_timer(host),
            Fact::Serve => {}
            Fact::Prepared(swarm) => {
                if !self.handle_prepared(host, swarm) {
                    return;
                }
            }
            Fact::Written {
                range,
                shard,
                is_kept,
            } => {
                let result = is_kept.then_some(()).ok_or(DiskError::Failed);
                let node = self.node_mut(host);
                let report = DiskReport::Written {
                    shard,
                    length: range.length,
                    result,
                };
                node.handle_disk(now, range.swarm, report);
                self.check_shard(host, range.swarm, shard);
                self.note(6, host, u64::from(shard) << 32 | u64::from(range.length));
            }
            Fact::Read(range) => {
                let is_failed = self.disk_fails();
                let Host { node, disk, .. } = &mut self.hosts[host];
                let result = match is_failed {
                    true => Err(DiskError::Failed),
                    false => disk.read(range),
                };
                if let Some(node) = node {
                    node.handle_disk(now, range.swarm, DiskReport::Read(result));
                }
                self.hosts[host].is_reading = false;
                self.note(7, host, range.offset);
            }
            Fact::Committed(swarm, step) => self.commit(host, swarm, step),
            Fact::Finished(swarm) => {
                let result = match self.disk_fails() {
                    true => Err(DiskError::Failed),
                    false => self.hosts[host].disk.finish(swarm),
                };
                let report = DiskReport::Finished(result);
                self.node_mut(host).handle_disk(now, swarm, report);
                self.note(8, host, u64::from(swarm.generation));
            }
        }
        self.attend(host);
    }

    /// Prepares a fetched file; false when the swarm is gone.
    fn handle_prepared(&mut self, host: usize, swarm: SwarmKey) -> bool {
        let now = self.now;
        let is_failed = self.disk_fails();
        let Host { node, disk, .. } = &mut self.hosts[host];
        let content = disk.file(swarm).and_then(|file| self.contents.get(&file));
        let (Some(content), Some(node)) = (content, node) else {
            return false;
        };
        let result = match is_failed {
            true => Err(DiskError::Failed),
            false => disk.prepare(content),
        };
        // The time of the last verification is not kept here.
        node.handle_disk(now, swarm, DiskReport::Verified(None));
        let report = match &result {
            Ok((_, Some(held))) => DiskReport::Journaled(held),
            Ok((found, None)) => DiskReport::Prepared(Ok(*found)),
            Err(error) => DiskReport::Prepared(Err(*error)),
        };
        node.handle_disk(now, swarm, report);
        self.note(5, host, u64::from(swarm.generation));
        true
    }

    fn handle_timer(&mut self, host: usize) {
        let now = self.now;
        let of = &mut self.hosts[host];
        if of.timer_at.is_none_or(|at| at > now) {
            return;
        }
        of.timer_at = None;
        let Some(node) = &mut of.node else { return };
        if node.poll_timeout().is_none_or(|at| at > now) {
            return self.set_timer(host);
        }
        let count = if of.spins.0 == now { of.spins.1 } else { 0 };
        of.spins = (now, count + 1);
        assert!(
            count + 1 < 8,
            "the timer of host {host} fires again and again at {now:?}"
        );
        node.handle_timeout(now);
        self.note(1, host, 0);
        self.attend(host);
        self.save_contacts(host);
    }

    // -- the node's work

    /// Does all work of a node after a fact: outputs, streams, timer, and the checks.
    pub(super) fn attend(&mut self, host: usize) {
        self.drain(host);
        for _ in 0..SERVED_MAX {
            let Some(key) = self.hosts[host].sockets.next_ready() else {
                break;
            };
            self.serve(host, key);
        }
        self.hosts[host].steps += 1;
        if self.hosts[host].sockets.has_ready() {
            self.schedule(self.now + TURN, host, Fact::Serve);
        }
        self.read_ahead(host);
        self.set_timer(host);
        self.check(host);
    }

    /// Carries out a node's outputs, datagrams and events, until there are none.
    pub(super) fn drain(&mut self, host: usize) {
        let now = self.now;
        while let Some(output) = self.node_mut(host).poll_output() {
            match output {
                Output::Connect { stream, to } => self.connect(host, stream, to),
                Output::Send(stream) => self.hosts[host].sockets.queue(stream),
                Output::Close { stream, last_words } => self.close(host, stream, last_words),
                Output::Prepare(swarm) => self.disk_work(host, Fact::Prepared(swarm)),
                Output::Write {
                    range,
                    start,
                    shard,
                } => self.write(host, range, start, shard),
                Output::Checkpoint(swarm) => self.begin_commit(host, swarm),
                Output::Reopen(swarm) => {
                    let result = self.hosts[host].disk.reopen(swarm);
                    let report = DiskReport::Reopened(result);
                    self.node_mut(host).handle_disk(now, swarm, report);
                }
                Output::Finish(swarm) => self.disk_work(host, Fact::Finished(swarm)),
            }
        }
        self.send_queries(host);
        loop {
            let node = self.hosts[host].node.as_mut();
            let sent = node.and_then(|node| node.poll_datagram(now, &mut *self.datagram));
            let Some(transmit) = sent else { break };
            self.send_datagram(host, transmit.to, transmit.size);
        }
        while let Some(event) = self.node_mut(host).poll_event() {
            self.handle_event(host, event);
        }
    }

    fn handle_event(&mut self, host: usize, event: Event) {
        match event {
            Event::Dht(dht::Event::LookupDone {
                target, outcome, ..
            }) => {
                let file = FileId(target);
                let kad = self.node_mut(host).kad();
                // A lookup that was given up before it began leaves nothing.
                let providers = kad.providers_found(file).unwrap_or_default().to_vec();
                let closest = kad.found(file.0).unwrap_or_default();
                let closest = closest.iter().map(|contact| contact.id).collect();
                assert!(
                    providers.len() == outcome.providers as usize,
                    "host {host}: these are the providers of another lookup"
                );
                self.found.push(Found {
                    host,
                    file,
                    at: self.now,
                    took: outcome.took,
                    hops: outcome.hops,
                    asked: outcome.asked,
                    providers,
                    closest,
                });
                return;
            }
            Event::Complete { swarm, .. } => self.check_swarm(host, swarm, true),
            Event::Resumed { swarm, .. } => self.check_swarm(host, swarm, false),
            Event::Failed { swarm, .. } => {
                if let Some(file) = self.hosts[host].disk.release(swarm) {
                    let location = self.hosts[host].address;
                    self.provided.insert((file, location), self.now);
                }
            }
            _ => {}
        }
        self.events.push((host, event));
    }

    fn set_timer(&mut self, host: usize) {
        let of = &mut self.hosts[host];
        let Some(at) = of.node.as_ref().and_then(Node::poll_timeout) else {
            return;
        };
        if of.timer_at.is_none_or(|set| at < set) {
            let at = at.max(self.now);
            of.timer_at = Some(at);
            self.schedule(at, host, Fact::Timer);
        }
    }

    pub(super) fn schedule(&mut self, at: Instant, host: usize, fact: Fact) {
        let epoch = self.hosts[host].epoch;
        self.queue.push(at, Scheduled::Host { host, epoch, fact });
    }

    // -- the disk

    fn disk_fails(&mut self) -> bool {
        self.faults.disk_failure > 0 && self.rng.below(1_000) < self.faults.disk_failure
    }

    /// Schedules the result of a disk operation.
    fn disk_work(&mut self, host: usize, fact: Fact) {
        let longest = self.faults.disk_delay.as_micros() as u64;
        let at = self.now + Duration::from_micros(1 + self.rng.below(longest + 1));
        self.schedule(at, host, fact);
    }

    /// Writes at once, as into the page cache; the node learns of it later.
    fn write(&mut self, host: usize, range: FileRange, start: u32, shard: u32) {
        let is_failed = self.disk_fails();
        let bytes = &self.buffer[start as usize..][..range.length as usize];
        let chance = self.faults.misdirection;
        let is_astray = chance > 0 && self.rng.below(1_000) < chance;
        let disk = &mut self.hosts[host].disk;
        let result = match is_astray {
            true => disk.write_astray(range, bytes, &mut self.rng),
            false => disk.write(range, bytes),
        };
        let is_kept = !is_failed && result.is_ok();
        let fact = Fact::Written {
            range,
            shard,
            is_kept,
        };
        self.disk_work(host, fact);
    }

    fn begin_commit(&mut self, host: usize, swarm: SwarmKey) {
        let Host { node, disk, .. } = &mut self.hosts[host];
        let node = node.as_ref().expect("only hosts with a node are attended");
        let checkpoint = node.swarms().checkpoint(swarm);
        let checkpoint = checkpoint.expect("it is under way until it is answered");
        disk.begin_commit(swarm, checkpoint.gained().collect(), checkpoint.kept())
            .expect("a fetch with shards has a file");
        self.disk_work(host, Fact::Committed(swarm, 0));
    }

    /// Takes a step of a checkpoint, and reports the result after the last.
    fn commit(&mut self, host: usize, swarm: SwarmKey, step: usize) {
        let now = self.now;
        let manifest = self.node_mut(host).swarms().manifest(swarm);
        let shards = manifest.map_or(0, Manifest::shard_count);
        let is_failed = self.disk_fails();
        let result = match self.hosts[host].disk.commit(swarm, step, shards) {
            _ if is_failed => Err(DiskError::Failed),
            Ok(Some(_)) => return self.disk_work(host, Fact::Committed(swarm, step + 1)),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let report = DiskReport::Checkpointed(result);
        self.node_mut(host).handle_disk(now, swarm, report);
        self.note(10, host, u64::from(swarm.generation));
    }

    fn read_ahead(&mut self, host: usize) {
        let now = self.now;
        if self.hosts[host].is_reading {
            return;
        }
        if let Some(range) = self.node_mut(host).poll_read(now) {
            self.hosts[host].is_reading = true;
            self.disk_work(host, Fact::Read(range));
        }
    }

    /// Saves the contacts of a node if that is due, as the reactor does.
    pub(super) fn save_contacts(&mut self, host: usize) {
        let now = self.now;
        let Some(contacts) = self.node_mut(host).poll_saved(now) else {
            return;
        };
        if !self.disk_fails() {
            let of = &mut self.hosts[host];
            of.disk.contacts = saved::emit(&contacts, of.config.network);
            of.disk.contacts_written += 1;
            self.node_mut(host).handle_saved(&contacts);
        }
    }

    pub(super) fn node_mut(&mut self, host: usize) -> &mut Node {
        let node = self.hosts[host].node.as_mut();
        node.expect("only hosts with a node are attended")
    }
}
