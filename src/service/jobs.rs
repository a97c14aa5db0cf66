//! The jobs of the service: the files and folders that it shares or fetches, and the state of each.
//!
//! Not here: the work on them (`work`). Invariants: numbers rise and are not used again, so a
//! listing can continue behind a job that was removed; there are never more jobs than swarms.

use super::catalog::{CatalogEntry, Work};
use crate::id::FileId;
use crate::limits::{ID_DIGITS_MIN, SWARMS_MAX};
use crate::node::SwarmKey;
use crate::time::{Instant, earliest};
use crate::wire::Link;
use std::path::Path;

pub struct Job {
    /// Names it as long as the service runs.
    pub number: u64,
    /// The part of it that survives a restart.
    pub entry: CatalogEntry,
    /// Its swarm, while the node has one.
    pub swarm: Option<SwarmKey>,
    /// The reason why it waits, or has changed.
    pub why: Option<String>,
    /// When it is started next.
    pub start_at: Option<Instant>,
    /// It was never hashed: if that fails, it is rejected.
    pub is_new: bool,
    /// Some of it differs from what was hashed.
    pub has_changed: bool,
    /// A fetch was connected with another node.
    pub has_met: bool,
}

#[derive(Default)]
pub struct Jobs {
    /// Sorted by their number, in ascending order.
    all: Vec<Job>,
    next_number: u64,
}

impl Jobs {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn has_room(&self) -> bool {
        self.all.len() < SWARMS_MAX
    }

    /// Adds a job, to be started at once.
    pub fn push(&mut self, entry: CatalogEntry, now: Instant) -> &mut Job {
        let number = self.next_number;
        self.next_number += 1;
        self.all.push(Job {
            number,
            entry,
            swarm: None,
            why: None,
            start_at: Some(now),
            is_new: false,
            has_changed: false,
            has_met: false,
        });
        self.all.last_mut().expect("it was pushed")
    }

    pub fn find(&self, number: u64) -> Option<&Job> {
        self.all.iter().find(|job| job.number == number)
    }

    pub fn find_mut(&mut self, number: u64) -> Option<&mut Job> {
        self.all.iter_mut().find(|job| job.number == number)
    }

    pub fn of_swarm(&mut self, swarm: SwarmKey) -> Option<&mut Job> {
        self.all.iter_mut().find(|job| job.swarm == Some(swarm))
    }

    pub fn of_file(&self, file: FileId) -> Option<&Job> {
        self.all.iter().find(|job| job.entry.file == Some(file))
    }

    /// The job that shares `path`.
    pub fn of_share(&mut self, path: &Path) -> Option<&mut Job> {
        let is_it = |job: &&mut Job| matches!(&job.entry.work, Work::Share(at) if at == path);
        self.all.iter_mut().find(is_it)
    }

    /// The first job behind this number, or of all.
    pub fn after(&self, number: Option<u64>) -> Option<&Job> {
        let is_behind = |job: &&Job| number.is_none_or(|number| job.number > number);
        self.all.iter().find(is_behind)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.all.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.all.iter_mut()
    }

    pub fn remove(&mut self, number: u64) -> Option<Job> {
        let index = self.all.iter().position(|job| job.number == number)?;
        Some(self.all.remove(index))
    }

    /// The catalog of all jobs.
    pub fn entries(&self) -> Vec<CatalogEntry> {
        self.all.iter().map(|job| job.entry.clone()).collect()
    }

    /// A job that is to be started now.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let is_due = |job: &&Job| job.start_at.is_some_and(|at| at <= now);
        self.all.iter().find(is_due).map(|job| job.number)
    }

    /// When the next job is to be started.
    pub fn next_at(&self) -> Option<Instant> {
        let all = self.all.iter();
        all.fold(None, |next, job| earliest(next, job.start_at))
    }

    /// Starts jobs at once that wait for another one to go, or for other nodes.
    pub fn retry(&mut self, now: Instant) {
        let waits = |job: &&mut Job| job.swarm.is_none() && job.why.is_some();
        let waiting = self.all.iter_mut().filter(waits);
        waiting.for_each(|job| job.start_at = Some(now));
    }

    /// Removes the new jobs that could not be hashed.
    pub fn remove_rejected(&mut self) {
        self.all.retain(|job| !job.is_rejected());
    }

    /// The job that a person means by an id, the first digits of one, a link, or an absolute path.
    ///
    /// # Errors
    /// No job is meant, or several are.
    pub fn named(&self, word: &str) -> Result<&Job, String> {
        let digits = match Link::parse(word) {
            Ok(link) => link.file.to_string(),
            Err(_) => word.to_ascii_lowercase(),
        };
        let is_id = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id && digits.len() < ID_DIGITS_MIN {
            return Err(format!(
                "too few digits of an id: {word} (at least {ID_DIGITS_MIN})"
            ));
        }
        let has_id = |job: &Job| {
            let file = job.entry.file;
            file.is_some_and(|file| file.to_string().starts_with(&digits))
        };
        let is_it = |job: &&Job| match is_id {
            true => has_id(job),
            false => job.path().is_some_and(|path| path == Path::new(word)),
        };
        let mut found = self.all.iter().filter(is_it);
        match (found.next(), found.next()) {
            (Some(job), None) => Ok(job),
            (Some(_), Some(_)) => Err(format!(
                "more than one file begins with {word} (see sprat ls)"
            )),
            (None, _) => Err(format!(
                "the service has no file {word} (an id, a link or a path: see sprat ls)"
            )),
        }
    }
}

impl Job {
    /// Where it lies, as far as that is known without its manifest.
    pub fn path(&self) -> Option<&Path> {
        match &self.entry.work {
            Work::Share(path) | Work::Fetched(path) => Some(path),
            Work::Fetch { .. } => None,
        }
    }

    /// It is new, and could not be hashed.
    pub fn is_rejected(&self) -> bool {
        self.is_new && self.swarm.is_none() && self.why.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn jobs() -> Jobs {
        let mut jobs = Jobs::default();
        for (first, path) in [(0x12, "/a"), (0x13, "/b"), (0x13, "/c")] {
            let mut id = [0x44; 20];
            id[0] = first;
            if path == "/c" {
                id[19] = 0x55;
            }
            let entry = CatalogEntry {
                work: Work::Share(path.into()),
                file: Some(FileId(Id(id))),
                proof: None,
                is_paused: false,
                is_from_folder: false,
            };
            jobs.push(entry, Instant::ZERO);
        }
        jobs
    }

    #[test]
    fn a_job_is_named_by_id_by_enough_digits_by_link_and_by_path() {
        let jobs = jobs();
        let named = |word: &str| jobs.named(word).map(|job| job.number);
        let rest = "44".repeat(18);
        assert_eq!(named("124444"), Ok(0));
        assert_eq!(named(&format!("12{rest}44")), Ok(0));
        assert_eq!(named(&format!("13{rest}55").to_uppercase()), Ok(2));
        assert_eq!(named(&format!("magnet:?xt=urn:btih:13{rest}44")), Ok(1));
        assert_eq!(named("/b"), Ok(1));
        let wrong = |word: &str| named(word).unwrap_err();
        assert!(wrong("12444").starts_with("too few digits of an id: 12444 (at least 6)"));
        assert!(wrong("134444").starts_with("more than one file begins with 134444"));
        for word in ["144444", "/d", "b", "é", ""] {
            assert!(named(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_walk_by_number_survives_jobs_that_are_removed() {
        let mut jobs = jobs();
        assert_eq!(jobs.after(None).unwrap().number, 0);
        jobs.remove(1);
        assert_eq!(jobs.after(Some(0)).unwrap().number, 2);
        jobs.remove(2);
        assert!(jobs.after(Some(0)).is_none());
        let entry = jobs.find(0).unwrap().entry.clone();
        assert_eq!(jobs.push(entry, Instant::ZERO).number, 3);
    }
}
