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
    /// For `Node::handle_prepared`: the files that were found, and the shards that are durable.
    Prepared(Result<Prepared, DiskError>, Bitmap),
    /// For `Node::handle_checkpointed`.
    Checkpointed(Result<(), DiskError>),
    /// For `Node::handle_finished`.
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
                self.work = Work::Commit(Commit::begin(preparation.found, held));
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
            Work::Prepare(preparation) => {
                Done::Prepared(result.map(|()| preparation.found), Bitmap::default())
            }
            Work::Commit(commit) => match commit.goal {
                Goal::Prepared(found) => {
                    let held = result.map_or(Bitmap::default(), |()| commit.held);
                    Done::Prepared(result.map(|()| found), held)
                }
                Goal::Checkpointed { .. } => Done::Checkpointed(result),
                Goal::Finished => Done::Finished(result),
            },
        }
    }
}
