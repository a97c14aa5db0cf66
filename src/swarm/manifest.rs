//! How a swarm gets its manifest: from one stream, in parts, verified by its hash before it is
//! used. A stream that is slow to answer is not waited for while another has the manifest.

use super::scope::{Fault, Scope};
use super::session::{MANIFEST_PART_SIZE_MAX, Message};
use super::state::Swarm;
use super::stream::{Stream, Streams};
use crate::bitmap::Bitmap;
use crate::limits::{MANIFEST_SIZE_MAX, SLOW_TIMEOUT};
use crate::output::{Ended, Event, Failure, Output, StreamKey, SwarmKey};
use crate::time::Instant;
use crate::wire::Manifest;
use sha1::{Digest, Sha1};

/// A stream that has the manifest, and owes no part of it.
fn manifest_holder(swarm: SwarmKey, streams: &Streams) -> Option<StreamKey> {
    let has_it = |of: &Stream| of.download.manifest_size > 0 || of.shards.some.count() > 0;
    let is_able =
        |of: &Stream| of.is_open_of(swarm) && !of.download.is_manifest_outstanding && has_it(of);
    streams
        .iter()
        .find(|(_, of)| is_able(of))
        .map(|(key, _)| key)
}

impl Swarm {
    /// When another stream is asked for the manifest: the present one is slow to answer, and there
    /// is another.
    pub fn manifest_hurry_at(&self, key: SwarmKey, streams: &Streams) -> Option<Instant> {
        let source = streams.get(self.manifest_fetch.source?)?;
        manifest_holder(key, streams)?;
        Some(source.download.waiting_since + SLOW_TIMEOUT)
    }
}

impl Scope<'_> {
    /// Requests the next part of the manifest, if it is missing and a peer has it.
    pub fn request_manifest(&mut self) {
        if self.swarm.content.manifest.is_some() || self.swarm.content.file.is_none() {
            return;
        }
        let fetch = &mut self.swarm.manifest_fetch;
        let source = fetch
            .source
            .or_else(|| manifest_holder(self.key, self.streams));
        fetch.source = source;
        let offset = fetch.parts.len() as u32;
        let Some((key, stream)) = source.and_then(|key| Some((key, self.streams.get_mut(key)?)))
        else {
            return;
        };
        if std::mem::replace(&mut stream.download.is_manifest_outstanding, true) {
            return;
        }
        stream.download.waiting_since = self.now;
        // 0: the other end had no manifest when it opened, and has got one since.
        let left = match stream.download.manifest_size {
            0 => u32::MAX,
            total => total.saturating_sub(offset).max(1),
        };
        let length = left.min(MANIFEST_PART_SIZE_MAX as u32);
        stream
            .session
            .send(&Message::ManifestRequest { offset, length });
        self.shared.wake(key, stream);
    }

    /// Asks another stream for the manifest, from its beginning, if that is due: the stream that
    /// sends the whole of it is to blame for it.
    pub fn hurry_manifest(&mut self) {
        let at = self.swarm.manifest_hurry_at(self.key, self.streams);
        if at.is_some_and(|at| at <= self.now) {
            self.swarm.manifest_fetch.source = None;
            self.swarm.manifest_fetch.parts.clear();
            self.request_manifest();
        }
    }

    pub fn handle_manifest_part(
        &mut self,
        key: StreamKey,
        total: u32,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let fetch = &mut self.swarm.manifest_fetch;
        let was_outstanding = std::mem::take(&mut stream.download.is_manifest_outstanding);
        if was_outstanding && fetch.source != Some(key) {
            // It was slow, and another was asked.
            return Ok(());
        }
        let end = u64::from(offset) + bytes.len() as u64;
        // Else a manifest of so many single bytes would hold a fetch up for days.
        let is_full = end == u64::from(total) || bytes.len() == MANIFEST_PART_SIZE_MAX;
        let size = stream.download.manifest_size;
        let is_expected = was_outstanding
            && (total == size || (size == 0 && offset == 0))
            && total as usize <= MANIFEST_SIZE_MAX
            && offset as usize == fetch.parts.len()
            && end <= u64::from(total)
            && is_full;
        if !is_expected {
            return Err(Ended::Protocol.into());
        }
        stream.download.manifest_size = total;
        let from = stream.remote.name();
        fetch.parts.extend_from_slice(bytes);
        if end < u64::from(total) {
            self.request_manifest();
            return Ok(());
        }
        let parts = std::mem::take(&mut fetch.parts);
        fetch.source = None;
        let hash = Sha1::digest(&parts);
        if self
            .swarm
            .content
            .file
            .is_none_or(|file| file.0.0[..] != hash[..])
        {
            return Err(Ended::Corrupt.into());
        }
        match Manifest::take(parts) {
            Ok(manifest) => {
                let swarm = self.key;
                self.push_event(Event::Manifest { swarm, from });
                self.learn_manifest(manifest);
            }
            Err(error) => self.fail(Failure::Manifest(error)),
        }
        Ok(())
    }

    /// The manifest of a fetch is known: streams are held against it, and the disk is prepared.
    pub fn learn_manifest(&mut self, manifest: Manifest) {
        self.swarm.set_manifest(manifest);
        self.shared.outputs.push_back(Output::Prepare(self.key));
        let shard_count = self.swarm.shard_count();
        self.for_each_stream(|scope, key| {
            let Some(stream) = scope.streams.get_mut(key).filter(|of| !of.shards.all) else {
                return;
            };
            if stream.shards.some.end() > shard_count {
                // None of it is counted among the copies.
                stream.shards.some = Bitmap::default();
                return scope.close(key, Ended::Protocol);
            }
            for shard in stream.shards.some.iter() {
                scope.swarm.copies.add(shard);
            }
        });
    }
}
