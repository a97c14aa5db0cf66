//! From a request to the lines of its answer, one at a time.
//!
//! Invariant: an answer holds a place in what it tells of, never a copy of all of it.

use super::Service;
use super::status::Status;
use crate::cli::control::request::Request;
use crate::cli::options::Command;
use crate::reactor::Reactor;
use std::collections::VecDeque;

/// An answer that is not whole.
pub struct Answer {
    json: bool,
    rest: Rest,
}

/// What is left of it.
enum Rest {
    /// Lines that are made.
    Lines(VecDeque<String>),
    /// How the node is.
    Status,
}

impl Answer {
    /// The answer to a request.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn to(request: Request) -> Result<Answer, String> {
        let rest = match (request.command, request.words.as_slice()) {
            (Command::Status, []) => Rest::Status,
            (Command::Ls, []) => Rest::Lines(VecDeque::new()),
            (command, words) => {
                return Err(format!("{} with {} words", command.name(), words.len()));
            }
        };
        Ok(Answer {
            json: request.json,
            rest,
        })
    }

    /// The next result.
    pub fn next(&mut self, service: &Service, reactor: &Reactor) -> Option<String> {
        match &mut self.rest {
            Rest::Lines(lines) => lines.pop_front(),
            Rest::Status => {
                let status = Status::of(service, reactor);
                if self.json {
                    self.rest = Rest::Lines(VecDeque::new());
                    return Some(status.json());
                }
                self.rest = Rest::Lines(status.text().into());
                self.next(service, reactor)
            }
        }
    }
}
