//! `sprat node`: runs a service until a signal.

use super::args::Args;
use super::console::Console;
use super::exit::Exit;
use super::reload::Reload;
use super::start::{self, Role};
use super::summary;
use crate::limits::DROP_FOLDERS_MAX;
use crate::reactor::Error;
use crate::service::{Service, Setup, Systemd};
use std::env;
use std::path::{self, PathBuf};

pub(super) fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let share_dirs = share_dirs(&args.options.share_dirs)?;
    let systemd = Systemd::of(|name| env::var_os(name))?;
    let started = start::start(&args.options, Role::Service, console)?;
    let mut reactor = started.reactor;
    let setup = Setup {
        state: started.state,
        control: started.control,
        systemd,
        bootstraps: started.bootstrap_addresses,
        share_dirs,
        log: console,
    };
    let mut service = Service::new(&reactor, setup)?;
    let mut reload = Reload::new(args, started.bootstraps, console);
    service.run(&mut reactor, &mut |reactor| reload.run(reactor))?;
    summary::log(&reactor, console);
    reactor.stop();
    // Until here the state folder is locked and the control socket exists.
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
