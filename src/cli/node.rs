//! `sprat node`: a service, until a signal.
//!
//! Only the loop: what the service does with what happens is in `service`.

use super::args::Args;
use super::console::Console;
use super::exit::UsageError;
use super::reload::Reload;
use super::start::{self, Role, Started};
use super::{Exit, summary};
use crate::limits::DROP_FOLDERS_MAX;
use crate::reactor::Error;
use crate::service::{Service, Setup, Systemd};
use std::env;
use std::path::{self, PathBuf};

/// Runs the command.
pub fn run(args: Args, console: &Console) -> Result<(), Exit> {
    if let Some(word) = args.operands.first() {
        return Err(UsageError(format!(
            "node takes no operand: {word} (see sprat help node)"
        ))
        .into());
    }
    let share_dirs = share_dirs(&args.share_dirs)?;
    let systemd = Systemd::of(|name| env::var_os(name))?;
    let Started {
        mut reactor,
        state,
        control,
        bootstraps,
        hosts,
    } = start::start(&args, Role::Service, console)?;
    let setup = Setup {
        state,
        control,
        systemd,
        bootstraps,
        share_dirs,
        console: console,
    };
    let mut service = Service::new(&reactor, setup)?;
    let mut reload = Reload::new(args, hosts, console);
    service.run(&mut reactor, &mut |reactor| reload.run(reactor))?;
    summary::log(&reactor, console);
    reactor.stop();
    // The state stays locked, and the control socket is there, as long as the node runs.
    drop(service);
    Ok(())
}

/// The drop folders, as absolute paths.
fn share_dirs(dirs: &[PathBuf]) -> Result<Vec<PathBuf>, Exit> {
    if dirs.len() > DROP_FOLDERS_MAX {
        let why = format!("more than {DROP_FOLDERS_MAX} of --share-dir (see sprat help node)");
        return Err(Exit::Usage(why));
    }
    let absolute = |dir: &PathBuf| {
        path::absolute(dir).map_err(|error| Error::new(format!("find {}", dir.display()), error))
    };
    Ok(dirs.iter().map(absolute).collect::<Result<_, _>>()?)
}
