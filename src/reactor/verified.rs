//! The list of verified files in the state folder; [`verified`] has its bytes.
//!
//! It is written when a file is complete, before the first byte of a repair and after it, and at a
//! clean stop; besides at most once a day, and only if it would change, so that an idle node writes
//! nothing. With a damaged list the node starts without one, and the next list replaces it. Times
//! are the wall clock's, which on small devices is often wrong: a time in the future is ignored.
//!
//! Invariant: a list of a newer version stays as it is.

use super::error::Error;
use super::state_file::{read_sealed, replace};
use crate::id::FileId;
use crate::limits::{VERIFIED_LOOK_PERIOD, VERIFIED_MAX, VERIFIED_PERIOD};
use crate::store::verified::{self, FORMAT, VERIFIED_SIZE_MAX, Verified};
use crate::time::Instant;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The name of the list in the state folder.
pub(crate) const NAME: &str = "verified";
/// Seconds by which two times of one verification may differ: they are counted back from now.
const SAME: u64 = 60;

/// The list of a node that keeps state.
#[derive(Debug)]
pub(super) struct VerifiedFile {
    folder: PathBuf,
    entries: Vec<Verified>,
    /// Changes before this instant wait.
    next_at: Instant,
}

impl VerifiedFile {
    /// The list in the state folder `folder`.
    ///
    /// # Errors
    /// When it cannot be read, or was written by a newer version.
    pub fn open(folder: &Path) -> Result<VerifiedFile, Error> {
        let path = folder.join(NAME);
        let bytes = read_sealed(&path, VERIFIED_SIZE_MAX, &FORMAT)?;
        let parsed = bytes.as_deref().map(verified::parse);
        if let Some(Err(_)) = parsed {
            let shown = path.display();
            log::warn!("{shown} is damaged: parts are read through sooner, and it begins anew");
        }
        Ok(VerifiedFile {
            folder: folder.to_path_buf(),
            entries: parsed.and_then(Result::ok).unwrap_or_default(),
            next_at: Instant::ZERO,
        })
    }

    /// The entry of a file.
    pub fn find(&self, file: FileId) -> Option<&Verified> {
        self.entries.iter().find(|entry| entry.file == file)
    }

    /// Whether a change may be written now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next_at <= now
    }

    /// Updates the entries of files, and writes the list if that changes it.
    ///
    /// # Errors
    /// When it cannot be written; the list before it stands then.
    pub fn update(
        &mut self,
        now: Instant,
        current: impl Iterator<Item = Verified>,
    ) -> Result<(), Error> {
        let mut entries = self.entries.clone();
        let mut has_changed = false;
        for new in current {
            let old = entries.iter_mut().find(|entry| entry.file == new.file);
            match old {
                Some(old) if is_same(old, &new) => continue,
                Some(old) => *old = new,
                None => entries.push(new),
            }
            has_changed = true;
        }
        if !has_changed {
            self.next_at = self.next_at.max(now + VERIFIED_LOOK_PERIOD);
            return Ok(());
        }
        // The oldest make room.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries.truncate(VERIFIED_MAX);
        entries.sort_by_key(|entry| entry.file);
        // A disk that fails is not asked again with each turn.
        self.next_at = now + VERIFIED_LOOK_PERIOD;
        replace(&self.folder, NAME, &[&verified::emit(&entries)])?;
        self.entries = entries;
        self.next_at = now + VERIFIED_PERIOD;
        Ok(())
    }
}

fn is_same(one: &Verified, other: &Verified) -> bool {
    one.at.abs_diff(other.at) <= SAME
        && Verified {
            at: one.at,
            ..*other
        } == *one
}

/// Now, in seconds since 1970.
pub(super) fn clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// How long ago that time was; `None` when the clock says that it has not come yet.
pub(super) fn ago(at: u64) -> Option<Duration> {
    clock().checked_sub(at).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::reactor::state_file::NEWER;
    use crate::store::verified::FetchState;
    use std::fs;

    fn entry(number: u8, at: u64) -> Verified {
        Verified {
            file: FileId(Id([number; 20])),
            at,
            files: [number; 20],
            times: [0; 20],
            state: FetchState::Whole,
        }
    }

    #[test]
    fn a_list_survives_is_written_only_for_news_and_any_damage_is_replaced() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join(NAME);
        let mut file = VerifiedFile::open(base.path()).unwrap();
        let day = |count: u32| Instant::ZERO + VERIFIED_PERIOD * count;
        file.update(day(0), std::iter::empty()).unwrap();
        assert!(!path.exists(), "nothing is written yet");
        let both = [entry(2, 100), entry(1, 200)];
        file.update(day(0), both.into_iter()).unwrap();
        assert!(!file.is_due(day(0)) && file.is_due(day(1)));
        let good = fs::read(&path).unwrap();
        let again = VerifiedFile::open(base.path()).unwrap();
        assert_eq!(again.entries, [both[1], both[0]]);
        assert_eq!(again.find(both[0].file), Some(&both[0]));

        fs::remove_file(&path).unwrap();
        file.update(day(1), [entry(1, 230)].into_iter()).unwrap();
        assert!(!path.exists(), "the same verification is no news");
        file.update(day(1), [entry(1, 200 + 2 * SAME)].into_iter())
            .unwrap();
        assert!(path.exists());

        for at in 0..good.len() {
            let flipped = [&good[..at], &[good[at] ^ 1], &good[at + 1..]].concat();
            for bad in [&flipped[..], &good[..at]] {
                fs::write(&path, bad).unwrap();
                assert_eq!(VerifiedFile::open(base.path()).unwrap().entries, []);
            }
        }
        fs::write(&path, vec![0; 2 * VERIFIED_SIZE_MAX]).unwrap();
        let mut file = VerifiedFile::open(base.path()).unwrap();
        file.update(day(0), both.into_iter()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), good);
    }

    #[test]
    fn a_newer_list_is_refused_and_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join(NAME);
        let mut newer = b"sprat-vf\x02whatever they may put there".to_vec();
        newer.extend(crc32fast::hash(&newer).to_be_bytes());
        fs::write(&path, &newer).unwrap();
        let error = VerifiedFile::open(base.path()).unwrap_err();
        let text = format!("cannot read {}: {NEWER}", path.display());
        assert_eq!(error.to_string(), text);
        assert_eq!(fs::read(&path).unwrap(), newer);
    }

    #[test]
    fn the_list_is_bounded_and_the_oldest_make_room() {
        let base = tempfile::tempdir().unwrap();
        let mut file = VerifiedFile::open(base.path()).unwrap();
        let many = (0..VERIFIED_MAX as u64 + 10).map(|number| Verified {
            file: FileId(Id(std::array::from_fn(|at| {
                (number >> (8 * (at % 4))) as u8
            }))),
            ..entry(0, 1_000_000 + number)
        });
        file.update(Instant::ZERO, many).unwrap();
        assert_eq!(file.entries.len(), VERIFIED_MAX);
        assert!(file.entries.iter().all(|entry| entry.at >= 1_000_010));
        assert_eq!(
            VerifiedFile::open(base.path()).unwrap().entries,
            file.entries
        );
    }

    #[test]
    fn a_time_that_has_not_come_says_nothing() {
        assert_eq!(ago(u64::MAX), None);
        assert!(ago(clock()).is_some_and(|ago| ago < Duration::from_secs(60)));
    }
}
