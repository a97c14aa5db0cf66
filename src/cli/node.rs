//! `sprat node`: a service, until a signal.
//!
//! Only the loop: what the service does with what happens is in `service`.

use super::args::Args;
use super::console::Console;
use super::exit::UsageError;
use super::reload::Reload;
use super::service::Service;
use super::start::{self, Role, Started};
use super::{Exit, summary};
use crate::reactor::{Happening, Systemd};
use signal_hook::consts::SIGHUP;
use std::env;

/// Runs the command.
pub fn run(args: Args, console: &Console) -> Result<(), Exit> {
    if let Some(word) = args.operands.first() {
        return Err(UsageError(format!(
            "node takes no operand: {word} (see sprat help node)"
        ))
        .into());
    }
    // The state stays locked as long as the node runs.
    let Started {
        mut reactor,
        state,
        bootstraps,
        hosts,
    } = start::start(&args, Role::Service, console)?;
    let mut service = Service::new(&reactor, state, bootstraps, &args.share_dirs, console)?;
    if let Some(systemd) = Systemd::of(|name| env::var_os(name))? {
        reactor.report_to(systemd);
    }
    reactor.catch_hangup()?;
    let mut reload = Reload::new(args, hosts, console);
    reactor.tell_ready();
    loop {
        match reactor.next(service.next_at())? {
            Happening::Event(event) => service.handle_event(&mut reactor, &event),
            Happening::Client(client) => service.handle_client(&mut reactor, client),
            Happening::Deadline => service.handle_timeout(&mut reactor),
            Happening::Signal(SIGHUP) => reload.run(&mut reactor),
            Happening::Signal(_) => break,
        }
    }
    service.remember_if_due(reactor.now());
    summary::log(&reactor, console);
    reactor.stop();
    Ok(())
}
