//! Answers on their way: each is made as far as its client takes it.
//!
//! ```text
//!  request ─► perform ─► resume ──► whole: end
//!                          │  ▲
//!          no room, or Wait▼  │ the client has taken some; the node has an event
//!                        (pending)
//! ```
//!
//! Invariant: an answer holds a position in a listing, never a copy of all of it, so that a listing
//! of any length takes bounded room ([`CONTROL_ANSWER_SIZE`](crate::limits::CONTROL_ANSWER_SIZE)).

use super::answer::{Answer, Refusal, Step};
use super::control::{ClientKey, Room};
use super::line::Line;
use super::protocol::Request;
use super::{Service, commands};
use crate::node::Event;
use crate::reactor::Reactor;
use std::mem;

/// An answer that is not whole.
pub struct Pending {
    client: ClientKey,
    answer: Answer,
    json: bool,
    /// It waits for an event, not for its client.
    waits_for_event: bool,
}

impl Service<'_> {
    /// Performs the request of a client, or resumes its answer, for which there is room again.
    pub(super) fn handle_client(&mut self, reactor: &mut Reactor, client: ClientKey) {
        let known = self
            .pending
            .iter()
            .position(|pending| pending.client == client);
        if let Some(index) = known {
            let pending = self.pending.swap_remove(index);
            return self.resume(reactor, pending, None);
        }
        let control = self.setup.control.as_ref();
        let Some(request) = control.and_then(|control| control.request(client)) else {
            return;
        };
        let request = Request::parse(request).map_err(Refusal::usage);
        let json = request.as_ref().is_ok_and(|request| request.json);
        let answer = request
            .and_then(|request| commands::perform(self, reactor, request.command, &request.words));
        match answer {
            Ok(answer) => {
                let waits_for_event = false;
                let pending = Pending {
                    client,
                    answer,
                    json,
                    waits_for_event,
                };
                self.resume(reactor, pending, None);
            }
            Err(refusal) => self.end(client, &refusal.line()),
        }
    }

    /// Resumes the answers that wait for an event. Those of clients that are gone are dropped.
    pub(super) fn resume_answers(&mut self, reactor: &Reactor, event: Option<&Event>) {
        for pending in mem::take(&mut self.pending) {
            match pending.waits_for_event {
                true => self.resume(reactor, pending, event),
                false => self.pending.push(pending),
            }
        }
        let control = self.setup.control.as_ref();
        let is_there = |client| control.is_some_and(|control| control.request(client).is_some());
        self.pending.retain(|pending| is_there(pending.client));
    }

    /// Writes as much of an answer as there is, and room for.
    fn resume(&mut self, reactor: &Reactor, mut pending: Pending, mut event: Option<&Event>) {
        let client = pending.client;
        loop {
            let step = match &mut pending.answer {
                Answer::Whole(replies) => Ok(Step::Last(mem::take(replies))),
                Answer::Stream(next) => next(self, reactor, event.take()),
            };
            let (replies, is_last) = match step {
                Ok(Step::Say(replies)) => (replies, false),
                Ok(Step::Last(replies)) => (replies, true),
                Ok(Step::Wait) => {
                    pending.waits_for_event = true;
                    return self.pending.push(pending);
                }
                Err(refusal) => return self.end(client, &refusal.line()),
            };
            let mut room = Room::Some;
            for line in replies.iter().flat_map(|reply| reply.lines(pending.json)) {
                room = self.write(client, &line);
            }
            match room {
                _ if is_last => return self.end(client, &Line::End(0, String::new())),
                Room::Some => {}
                Room::None => {
                    pending.waits_for_event = false;
                    return self.pending.push(pending);
                }
                Room::Gone => return,
            }
        }
    }

    fn write(&mut self, client: ClientKey, line: &Line) -> Room {
        let control = self.setup.control.as_mut();
        control.map_or(Room::Gone, |control| control.answer(client, &line.emit()))
    }

    fn end(&mut self, client: ClientKey, line: &Line) {
        self.write(client, line);
        if let Some(control) = &mut self.setup.control {
            control.end(client);
        }
    }
}
