//! How a swarm gets its manifest: from one stream, in parts, verified by its hash before it is
//! used.

use super::receive::{Fault, PROTOCOL};
use super::shards::ShardSet;
use super::stream::{State, Stream};
use super::{Queued, Swarms};
use crate::limits::MANIFEST_SIZE_MAX;
use crate::output::{Ended, Event, Output, StreamKey, SwarmKey};
use crate::time::Instant;
use crate::wire::frame::{self, CloseReason};
use crate::wire::{Frame, Manifest};
use sha1::{Digest, Sha1};

impl Swarms {
    /// Asks for the next part of the manifest, if it is missing and somebody has it.
    pub(super) fn ask_manifest(&mut self, now: Instant, swarm_key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return;
        };
        if swarm.manifest.is_some() || swarm.file.is_none() {
            return;
        }
        let able = |stream: &Stream| {
            stream.swarm == Some(swarm_key)
                && stream.state == State::Open
                && (stream.manifest_size > 0 || stream.has.count() > 0)
        };
        let from = swarm.manifest_from.or_else(|| {
            self.streams
                .iter()
                .find(|(_, stream)| able(stream))
                .map(|found| found.0)
        });
        let Some(key) = from else { return };
        swarm.manifest_from = Some(key);
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if !stream.manifest_asked {
            stream.manifest_asked = true;
            stream.waiting_since = now;
            let offset = swarm.manifest_parts.len() as u32;
            // 0: the other end had no manifest when it opened, and has got one since.
            let left = match stream.manifest_size {
                0 => u32::MAX,
                total => total.saturating_sub(offset).max(1),
            };
            let length = left.min(frame::MANIFEST_PART_SIZE_MAX as u32);
            let request = Frame::ManifestRequest { offset, length };
            stream.push(&request, self.config.network);
            self.wake(key);
        }
    }

    pub(super) fn handle_manifest_part(
        &mut self,
        now: Instant,
        key: StreamKey,
        total: u32,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let swarm_key = stream.swarm.ok_or(PROTOCOL)?;
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return Err(PROTOCOL);
        };
        let end = u64::from(offset) + bytes.len() as u64;
        let expected = stream.manifest_asked
            && swarm.manifest_from == Some(key)
            && (total == stream.manifest_size || (stream.manifest_size == 0 && offset == 0))
            && total as usize <= MANIFEST_SIZE_MAX
            && offset as usize == swarm.manifest_parts.len()
            && end <= u64::from(total);
        if !expected {
            return Err(PROTOCOL);
        }
        stream.manifest_asked = false;
        stream.manifest_size = total;
        let address = stream.location.unwrap_or(stream.address);
        swarm.manifest_parts.extend_from_slice(bytes);
        if end < u64::from(total) {
            self.ask_manifest(now, swarm_key);
            return Ok(());
        }
        let parts = std::mem::take(&mut swarm.manifest_parts);
        swarm.manifest_from = None;
        if swarm
            .file
            .is_none_or(|file| file.0.0[..] != Sha1::digest(&parts)[..])
        {
            return Err((Ended::Corrupt, Some(CloseReason::Corrupt)));
        }
        match Manifest::parse(&parts) {
            Ok(manifest) => {
                self.events.push_back(Event::Manifest {
                    swarm: swarm_key,
                    from: address,
                });
                self.learn_manifest(now, swarm_key, manifest);
            }
            Err(error) => self.fail(now, swarm_key, crate::output::Failure::Manifest(error)),
        }
        Ok(())
    }

    /// The manifest of a fetch is known: streams are held against it, and the disk is prepared.
    pub(super) fn learn_manifest(&mut self, now: Instant, key: SwarmKey, manifest: Manifest) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let shard_count = manifest.shard_count();
        swarm.copies = vec![0; shard_count as usize];
        swarm.held = super::shards::ShardSet::with_capacity(shard_count);
        swarm.durability = super::checkpoint::Durability::with_capacity(shard_count);
        swarm.flying = super::shards::ShardSet::with_capacity(shard_count);
        swarm.gained.reserve_exact(shard_count as usize);
        swarm.manifest = Some(manifest);
        self.outputs.push_back(Queued {
            output: Output::Prepare(key),
            goodbye: None,
        });
        let mut place = 0;
        while let Some(stream_key) = self.stream_from(key, place) {
            place = stream_key.slot + 1;
            let Some(stream) = self.streams.get(stream_key) else {
                continue;
            };
            if stream.has_all {
                continue;
            }
            if stream.has.end() > shard_count {
                // None of it was counted in `copies`.
                if let Some(stream) = self.streams.get_mut(stream_key) {
                    stream.has = ShardSet::default();
                }
                self.close(
                    now,
                    stream_key,
                    Ended::Protocol,
                    Some(CloseReason::Protocol),
                );
                continue;
            }
            let Some(swarm) = self.swarms.get_mut(key) else {
                return;
            };
            stream
                .has
                .iter()
                .for_each(|shard| swarm.copies[shard as usize] += 1);
        }
    }
}
