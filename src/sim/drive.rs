//! What a host does with its node: the twin of the reactor's turn.
//!
//! Each fact is followed by the node's outputs before the next fact; streams on the ready list are
//! served until `WouldBlock` or the end of their budget; one background read at a time is under
//! way; then the timer is set. Invariant: a node is touched only when it has a reason.

use super::host::{Death, Found, Host, What};
use super::world::World;
use crate::dht;
use crate::id::FileId;
use crate::node::{Event, FileRange, Output, saved};
use crate::output::{DiskError, SwarmKey};
use crate::time::Instant;
use crate::wire::Manifest;
use std::time::Duration;

/// Streams served in a row before others have a turn.
const SERVED_MAX: usize = 64;
/// From the end of a budget to the next turn.
const TURN: Duration = Duration::from_micros(20);

impl World {
    /// Lets one thing happen.
    pub(super) fn happen(&mut self, what: What) {
        match what {
            What::Syn { .. } | What::Arrive { .. } | What::Fin { .. } | What::Reset { .. } => {
                self.deliver_segment(what);
            }
            What::Datagram {
                from,
                to,
                bytes,
                is_genuine,
            } => {
                self.deliver(from, to, bytes, is_genuine);
            }
            What::Accept { connection, epoch } => self.accept(connection, epoch),
            What::Established { connection } => self.established(connection),
            What::Ready {
                connection,
                side,
                readable,
                writable,
            } => {
                self.make_ready((connection, side), readable, writable);
            }
            What::UplinkFree { host } => {
                self.net.uplink(host).end_turn();
                self.use_uplink(host);
            }
            What::Timer { host, epoch }
            | What::Serve { host, epoch }
            | What::Prepared { host, epoch, .. }
            | What::Written { host, epoch, .. }
            | What::Read { host, epoch, .. }
            | What::Committed { host, epoch, .. }
            | What::Finished { host, epoch, .. } => {
                let of = &mut self.hosts[host];
                if of.epoch != epoch || of.node.is_none() {
                    return;
                }
                if of.is_paused {
                    of.held.push(what);
                    return;
                }
                self.give(host, what);
            }
        }
    }

    /// Gives a running node a fact of its own host.
    fn give(&mut self, host: usize, what: What) {
        let now = self.now;
        match what {
            What::Timer { .. } => return self.handle_timer(host),
            What::Serve { .. } => {}
            What::Prepared { swarm, .. } => {
                let is_failed = self.disk_fails();
                let of = &mut self.hosts[host];
                let Some(content) = of
                    .disk
                    .file(swarm)
                    .and_then(|file| self.contents.get(&file))
                else {
                    return;
                };
                let result = if is_failed {
                    Err(DiskError::Failed)
                } else {
                    of.disk.prepare(content)
                };
                if let Some(node) = &mut of.node {
                    // Nothing is kept here of what was verified when.
                    node.handle_verified(now, swarm, None);
                    if let Ok((_, held)) = &result {
                        held.iter()
                            .for_each(|shard| node.handle_durable(swarm, shard));
                    }
                    node.handle_prepared(now, swarm, result.map(|(found, _)| found));
                }
                self.note(5, host, u64::from(swarm.generation));
            }
            What::Written {
                range,
                shard,
                is_kept,
                ..
            } => {
                let result = if is_kept {
                    Ok(())
                } else {
                    Err(DiskError::Failed)
                };
                if let Some(node) = &mut self.hosts[host].node {
                    node.handle_written(now, range.swarm, shard, range.length, result);
                }
                self.check_shard(host, range.swarm, shard);
                self.note(6, host, u64::from(shard) << 32 | u64::from(range.length));
            }
            What::Read { range, .. } => {
                let is_failed = self.disk_fails();
                let of = &mut self.hosts[host];
                of.is_reading = false;
                let result = if is_failed {
                    Err(DiskError::Failed)
                } else {
                    of.disk.read(range)
                };
                if let Some(node) = &mut of.node {
                    node.handle_read(now, range.swarm, result);
                }
                self.note(7, host, range.offset);
            }
            What::Committed { swarm, step, .. } => self.commit(host, swarm, step),
            What::Finished { swarm, .. } => {
                let is_failed = self.disk_fails();
                let of = &mut self.hosts[host];
                let result = if is_failed {
                    Err(DiskError::Failed)
                } else {
                    of.disk.finish(swarm)
                };
                if let Some(node) = &mut of.node {
                    node.handle_finished(now, swarm, result);
                }
                self.note(8, host, u64::from(swarm.generation));
            }
            _ => unreachable!("only facts of the host itself come here"),
        }
        self.attend(host);
    }

    fn handle_timer(&mut self, host: usize) {
        let now = self.now;
        let of = &mut self.hosts[host];
        if of.timer_at.is_none_or(|at| at > now) {
            return;
        }
        of.timer_at = None;
        let Some(node) = &mut of.node else { return };
        if node.poll_timeout().is_some_and(|at| at <= now) {
            of.spins = if of.spins.0 == now {
                (now, of.spins.1 + 1)
            } else {
                (now, 1)
            };
            assert!(
                of.spins.1 < 8,
                "the timer of host {host} fires again and again at {now:?}"
            );
            node.handle_timeout(now);
            self.note(1, host, 0);
            self.attend(host);
            self.save_contacts(host);
        } else {
            self.set_timer(host);
        }
    }

    // -- the node's work

    /// After a fact: everything that the node now wants, its streams, its timer, and the checks.
    pub(super) fn attend(&mut self, host: usize) {
        self.settle(host);
        for _ in 0..SERVED_MAX {
            let Some(key) = self.hosts[host].sockets.next_ready() else {
                break;
            };
            self.serve(host, key);
        }
        let of = &mut self.hosts[host];
        of.steps += 1;
        let epoch = of.epoch;
        if of.sockets.has_ready() {
            self.queue
                .push(self.now + TURN, What::Serve { host, epoch });
        }
        self.read_ahead(host);
        self.set_timer(host);
        self.check(host);
    }

    /// Outputs, datagrams and events, until there are none.
    pub(super) fn settle(&mut self, host: usize) {
        let now = self.now;
        while let Some(output) = self.node_mut(host).poll_output(now) {
            match output {
                Output::Connect { stream, to } => self.connect(host, stream, to),
                Output::Send(stream) => self.hosts[host].sockets.queue(stream),
                Output::Close(stream) => self.close(host, stream),
                Output::Prepare(swarm) => {
                    self.disk_work(|epoch| What::Prepared { host, epoch, swarm }, host);
                }
                Output::Write {
                    range,
                    start,
                    shard,
                } => self.write(host, range, start, shard),
                Output::Checkpoint { swarm, anew, .. } => self.begin_commit(host, swarm, anew),
                Output::Reopen(swarm) => {
                    let result = self.hosts[host].disk.reopen(swarm);
                    self.node_mut(host).handle_reopened(now, swarm, result);
                }
                Output::Finish(swarm) => {
                    self.disk_work(|epoch| What::Finished { host, epoch, swarm }, host);
                }
            }
        }
        self.call(host);
        loop {
            let Host {
                node: Some(node), ..
            } = &mut self.hosts[host]
            else {
                return;
            };
            let Some(transmit) = node.poll_datagram(now, &mut *self.datagram) else {
                break;
            };
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
                // Nothing is kept of one that was given up before it began.
                let providers = kad.providers_found(file).unwrap_or_default().to_vec();
                let closest = kad.found(file.0).unwrap_or_default();
                let closest = closest.iter().map(|contact| contact.id).collect();
                assert!(
                    providers.len() == outcome.providers as usize,
                    "host {host}: this is what another lookup has found"
                );
                let at = self.now;
                self.found.push(Found {
                    host,
                    file,
                    at,
                    took: outcome.took,
                    hops: outcome.hops,
                    asked: outcome.asked,
                    providers,
                    closest,
                });
            }
            Event::Complete { swarm, .. } | Event::Resumed { swarm, .. } => {
                self.check_swarm(host, swarm, matches!(event, Event::Complete { .. }));
                self.events.push((host, event));
            }
            Event::Failed { swarm, .. } => {
                if let Some(file) = self.hosts[host].disk.release(swarm) {
                    let location = self.hosts[host].address;
                    self.provided.insert((file, location), self.now);
                }
                self.events.push((host, event));
            }
            _ => self.events.push((host, event)),
        }
    }

    fn set_timer(&mut self, host: usize) {
        let of = &mut self.hosts[host];
        let Some(at) = of.node.as_ref().and_then(|node| node.poll_timeout()) else {
            return;
        };
        if of.timer_at.is_none_or(|set| at < set) {
            let at = at.max(self.now);
            of.timer_at = Some(at);
            let epoch = of.epoch;
            self.queue.push(at, What::Timer { host, epoch });
        }
    }

    // -- the disk

    fn disk_fails(&mut self) -> bool {
        self.faults.disk_failure > 0 && self.rng.below(1_000) < self.faults.disk_failure
    }

    fn disk_time(&mut self) -> Instant {
        let longest = self.faults.disk_delay.as_micros() as u64;
        self.now + Duration::from_micros(1 + self.rng.below(longest + 1))
    }

    fn disk_work(&mut self, what: impl FnOnce(u32) -> What, host: usize) {
        let at = self.disk_time();
        let epoch = self.hosts[host].epoch;
        self.queue.push(at, what(epoch));
    }

    /// Writes at once, as into the page cache; that it is done is told later.
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
        self.disk_work(
            |epoch| What::Written {
                host,
                epoch,
                range,
                shard,
                is_kept,
            },
            host,
        );
    }

    fn begin_commit(&mut self, host: usize, swarm: SwarmKey, anew: bool) {
        let Host { node, disk, .. } = &mut self.hosts[host];
        let node = node.as_ref().expect("only hosts with a node are attended");
        let kept = anew.then(|| node.kept(swarm).collect());
        disk.begin_commit(swarm, node.gained(swarm).collect(), kept)
            .expect("a fetch with shards has a place");
        self.plan_step(host, swarm, 0);
    }

    fn plan_step(&mut self, host: usize, swarm: SwarmKey, step: usize) {
        self.disk_work(
            |epoch| What::Committed {
                host,
                epoch,
                swarm,
                step,
            },
            host,
        );
    }

    /// Takes a step of a checkpoint, and tells the node after the last.
    fn commit(&mut self, host: usize, swarm: SwarmKey, step: usize) {
        let now = self.now;
        let is_failed = self.disk_fails();
        let of = &mut self.hosts[host];
        let manifest = of.node.as_ref().and_then(|node| node.manifest(swarm));
        let shards = manifest.map_or(0, Manifest::shard_count);
        let result = match of.disk.commit(swarm, step, shards) {
            _ if is_failed => Err(DiskError::Failed),
            Ok(Some(_)) => return self.plan_step(host, swarm, step + 1),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some(node) = &mut of.node {
            node.handle_checkpointed(now, swarm, result);
        }
        self.note(10, host, u64::from(swarm.generation));
    }

    fn read_ahead(&mut self, host: usize) {
        let now = self.now;
        if self.hosts[host].is_reading {
            return;
        }
        if let Some(range) = self.node_mut(host).poll_read(now) {
            self.hosts[host].is_reading = true;
            self.disk_work(|epoch| What::Read { host, epoch, range }, host);
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

    // -- small things

    pub(super) fn node_mut(&mut self, host: usize) -> &mut crate::node::Node {
        self.hosts[host]
            .node
            .as_mut()
            .expect("only hosts with a node are attended")
    }

    /// Restarts a node after `Death::Killed`, with another id or the same.
    pub fn restart(&mut self, host: usize, death: Death, with_new_id: bool) {
        if self.hosts[host].node.is_some() {
            self.end(host, death);
        }
        if with_new_id {
            self.change_id(host);
        }
        self.start(host);
    }
}
