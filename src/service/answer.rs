//! The answer of a command: its replies, or a source of them, or the reason of its failure.

use super::Service;
use super::line::Line;
use super::reply::Reply;
use crate::node::Event;
use crate::reactor::Reactor;

/// The answer of a command.
pub enum Answer {
    Whole(Vec<Reply>),
    Stream(Box<Next>),
}

/// Makes the next step of a stream. It is given the event that a waiting stream is resumed with.
pub type Next = dyn FnMut(&Service, &Reactor, Option<&Event>) -> Result<Step, Refusal>;

/// A step of a stream.
pub enum Step {
    Say(Vec<Reply>),
    Last(Vec<Reply>),
    /// Until the node's next event.
    Wait,
}

/// The end of an answer that fails: the exit code of the client, and the reason.
#[derive(Debug)]
pub struct Refusal {
    code: u8,
    why: String,
}

impl Refusal {
    /// A request that cannot be understood.
    pub fn usage(why: String) -> Refusal {
        Refusal { code: 2, why }
    }

    /// The last line of the answer.
    pub fn line(self) -> Line {
        Line::End(self.code, self.why)
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Refusal {
        Refusal { code: 1, why }
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Refusal {
        Refusal::from(why.to_owned())
    }
}

impl Answer {
    pub fn stream<F>(next: F) -> Result<Answer, Refusal>
    where
        F: FnMut(&Service, &Reactor, Option<&Event>) -> Result<Step, Refusal> + 'static,
    {
        Ok(Answer::Stream(Box::new(next)))
    }
}
