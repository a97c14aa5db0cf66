//! Work on the files of one swarm that takes several turns.
//!
//! ```text
//!  prepare ────► Prepare ──Begin──► Commit ─┐
//!  checkpoint ──────────────────────► Commit ├──► Done, for the node
//!  finish ──────────────────────────► Commit ┘
//! ```
//!
//! Invariant: a job ends with exactly one [`Done`], unless its swarm goes first.

use super::commit::{Commit, Goal, Turn};
use super::fault::Fault;
use super::prepare::{Outcome, Preparation};
use super::swarm_files::SwarmFiles;
use crate::bitmap::Bitmap;
use crate::node::{DiskError, Prepared, SwarmKey};

/// Work that takes several turns.
#[derive(Debug)]
pub struct Job {
    pub swarm: SwarmKey,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Prepare(Preparation),
    Commit(Commit),
}

/// The end of a job.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    Prepared(Result<Prepared, DiskError>),
    /// A part was found whose journal proves these shards.
    Journaled(Bitmap),
    Checkpointed(Result<(), DiskError>),
    Finished(Result<(), DiskError>),
}

impl Job {
    pub fn prepare(swarm: SwarmKey) -> Job {
        let work = Work::Prepare(Preparation::new());
        Job { swarm, work }
    }

    pub fn commit(swarm: SwarmKey, commit: Commit) -> Job {
        let work = Work::Commit(commit);
        Job { swarm, work }
    }

    /// Does a bounded part of the work.
    pub fn advance(&mut self, files: &mut SwarmFiles) -> Result<Turn, Fault> {
        let preparation = match &mut self.work {
            Work::Prepare(preparation) => preparation,
            Work::Commit(commit) => return commit.advance(files),
        };
        Ok(match preparation.advance(files)? {
            Outcome::More => Turn::More,
            Outcome::Begin(held) => {
                self.work = Work::Commit(Commit::begin(held));
                Turn::More
            }
            Outcome::Done => Turn::Done,
        })
    }

    /// The sync failed that the job waited for.
    pub fn sync_failed(&self, error: std::io::Error) -> Fault {
        match &self.work {
            Work::Commit(commit) => commit.sync_failed(error),
            Work::Prepare(_) => unreachable!("only commits sync"),
        }
    }

    pub fn end(self, result: Result<(), DiskError>) -> Done {
        match self.work {
            Work::Prepare(preparation) => Done::Prepared(result.map(|()| preparation.found)),
            Work::Commit(commit) => match commit.goal {
                Goal::Begun => match (result, commit.held) {
                    (Err(error), _) => Done::Prepared(Err(error)),
                    (Ok(()), Some(held)) => Done::Journaled(held),
                    (Ok(()), None) => Done::Prepared(Ok(Prepared::Fresh)),
                },
                Goal::Checkpointed { .. } => Done::Checkpointed(result),
                Goal::Finished => Done::Finished(result),
            },
        }
    }
}
