//! How a swarm gets its manifest: from one stream, in parts, verified by its hash before it is
//! used. One that is slow to answer is not waited for while there is another.

use super::receive::{Fault, PROTOCOL};
use super::stream::{State, Stream};
use super::{Queued, Swarms};
use crate::bitmap::Bitmap;
use crate::limits::{MANIFEST_SIZE_MAX, SLOW_TIMEOUT};
use crate::output::{Ended, Event, Output, StreamKey, SwarmKey};
use crate::time::Instant;
use crate::wire::native::frame::{self, CloseReason};
use crate::wire::{Frame, Manifest};
use sha1::{Digest, Sha1};

impl Swarms {
    /// Asks for the next part of the manifest, if it is missing and somebody has it.
    pub(super) fn ask_manifest(&mut self, now: Instant, swarm_key: SwarmKey) {
        let Some(swarm) = self.swarms.get(swarm_key) else {
            return;
        };
        if swarm.manifest.is_some() || swarm.file.is_none() {
            return;
        }
        let parts_size = swarm.manifest_parts.len() as u32;
        let Some(key) = swarm
            .manifest_from
            .or_else(|| self.manifest_holder(swarm_key))
        else {
            return;
        };
        if let Some(swarm) = self.swarms.get_mut(swarm_key) {
            swarm.manifest_from = Some(key);
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if !stream.manifest_asked {
            stream.manifest_asked = true;
            stream.waiting_since = now;
            let offset = parts_size;
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

    /// A stream that has the manifest, and has not been asked for a part that has not come.
    fn manifest_holder(&self, swarm: SwarmKey) -> Option<StreamKey> {
        let able = |stream: &Stream| {
            stream.swarm == Some(swarm)
                && stream.state == State::Open
                && !stream.manifest_asked
                && (stream.manifest_size > 0 || stream.has.count() > 0)
        };
        let mut streams = self.streams.iter();
        streams.find(|(_, stream)| able(stream)).map(|(key, _)| key)
    }

    /// When another stream is to be asked for the manifest: the one that was is slow to answer, and
    /// there is another.
    pub(super) fn manifest_due(&self, key: SwarmKey) -> Option<Instant> {
        let from = self.swarms.get(key)?.manifest_from?;
        let waiting_since = self.streams.get(from)?.waiting_since;
        self.manifest_holder(key)?;
        Some(waiting_since + SLOW_TIMEOUT)
    }

    /// Asks another stream for the manifest, from its beginning, if that is due: whoever sends the
    /// whole of it is to blame for it.
    pub(super) fn hurry_manifest(&mut self, now: Instant, key: SwarmKey) {
        if self.manifest_due(key).is_none_or(|at| now < at) {
            return;
        }
        if let Some(swarm) = self.swarms.get_mut(key) {
            swarm.manifest_from = None;
            swarm.manifest_parts.clear();
        }
        self.ask_manifest(now, key);
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
        if stream.manifest_asked && swarm.manifest_from != Some(key) {
            // It was slow, and another was asked.
            stream.manifest_asked = false;
            return Ok(());
        }
        let end = u64::from(offset) + bytes.len() as u64;
        // Else a manifest of so many single bytes would hold a fetch up for days.
        let is_whole = end == u64::from(total) || bytes.len() == frame::MANIFEST_PART_SIZE_MAX;
        let expected = stream.manifest_asked
            && swarm.manifest_from == Some(key)
            && (total == stream.manifest_size || (stream.manifest_size == 0 && offset == 0))
            && total as usize <= MANIFEST_SIZE_MAX
            && offset as usize == swarm.manifest_parts.len()
            && end <= u64::from(total)
            && is_whole;
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
        match Manifest::take(parts) {
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
        swarm.held = crate::bitmap::Bitmap::with_capacity(shard_count);
        swarm.durability = super::checkpoint::Durability::with_capacity(shard_count);
        swarm.flying = crate::bitmap::Bitmap::with_capacity(shard_count);
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
                    stream.has = Bitmap::default();
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
