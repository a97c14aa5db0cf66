//! The service: what `sprat node` does for those who ask over its control socket.
//!
//! `answer` understands a request and writes its answer, `status` is what it may say.
//! Each result is text for people or, with `--json`, an object a line, which has `version` 1 and a
//! `kind`:
//!
//! | kind | members |
//! |---|---|
//! | `status` | see `status` |
//!
//! Sizes are bytes, times are seconds, what is not known is `null`. Members may be added within a
//! version, so readers skip those that they do not know. `fixtures/control` has an example of each.
//!
//! Invariant: whatever is asked, the loop does not wait, and an answer waits for its client in bounded
//! room (`reactor::control`).

mod answer;
mod status;

use super::control::request::{Line, Request};
use crate::reactor::{ClientKey, Reactor, Room, StateDir};
use crate::time::Instant;
use answer::Answer;

/// What a running service keeps beside its node.
pub struct Service {
    /// Locked as long as the service runs; absent when it keeps no state.
    _state: Option<StateDir>,
    started_at: Instant,
    /// Answers that are not whole: of clients that take them slowly. Never more than there are
    /// clients.
    answers: Vec<(ClientKey, Answer)>,
}

impl Service {
    /// A service whose node has just started.
    pub fn new(reactor: &Reactor, state: Option<StateDir>) -> Service {
        Service {
            _state: state,
            started_at: reactor.now(),
            answers: Vec::new(),
        }
    }

    /// A client has asked, or there is room for more of its answer.
    pub fn handle_client(&mut self, reactor: &mut Reactor, client: ClientKey) {
        let known = self.answers.iter().position(|(key, _)| *key == client);
        let mut answer = match known {
            Some(place) => self.answers.swap_remove(place).1,
            None => match self.begin(reactor, client) {
                Ok(answer) => answer,
                Err(why) => return reactor.end_answer(client, &Line::End(2, why).emit()),
            },
        };
        while let Some(text) = answer.next(self, reactor) {
            match reactor.answer(client, &Line::Result(text).emit()) {
                Room::Some => {}
                Room::None => {
                    self.answers
                        .retain(|(key, _)| reactor.request(*key).is_some());
                    return self.answers.push((client, answer));
                }
                Room::Gone => return,
            }
        }
        reactor.end_answer(client, &Line::End(0, String::new()).emit());
    }

    /// What a client asks for.
    fn begin(&mut self, reactor: &mut Reactor, client: ClientKey) -> Result<Answer, String> {
        let request = reactor.request(client).ok_or("the client is gone")?;
        Answer::to(Request::parse(request)?)
    }
}

/// The lines of a golden answer, written by hand.
#[cfg(test)]
mod fixtures {
    use std::path::Path;

    /// The lines of a file in `fixtures/control`, those that begin with `#` aside.
    pub fn fixture(name: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/control");
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }
}
