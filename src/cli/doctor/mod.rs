//! `sprat doctor`: checks what a node needs on this machine and prints one finding a line.
//!
//! ```text
//!   ports, firewall     can a node listen here; which process already does
//!   multicast           can nodes of one local network find each other
//!   address             how the nodes given with -b see this machine
//!   state, disk         the state folder, and the room on its disk
//!   descriptors         only where this process may open too few
//! ```
//!
//! Starts no node and writes nothing. Each check runs in a thread of its own, because names, disks
//! and nodes may never answer; a check that takes longer than five seconds is abandoned.
//! Invariant: the exit code follows from the worst finding alone: 1 for a problem, else 0.

mod address;
mod finding;
mod multicast;
mod ping;
mod ports;
mod state;
mod task;

use super::args::Args;
use super::console::{Console, print};
use super::exit::Exit;
use super::{key, start};
use crate::limits::DESCRIPTORS_MAX;
use crate::service::format;
use finding::{Finding, Grade};
use rustix::process::{Resource, getrlimit};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use task::spawn;

/// All checks together end within this time.
const TIME_MAX: Duration = Duration::from_millis(4_800);

pub(super) fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let ends_at = Instant::now() + TIME_MAX;
    let (options, is_json) = (&args.options, args.options.json);
    let network = key::network(options)?;
    let (listen, bootstrap) = (start::listen_addresses(options), options.bootstrap.clone());
    let folder = start::state_folder(options.dir.as_deref());
    let ports = spawn(move || ports::examine(&listen, network));
    let address = spawn(move || address::examine(&bootstrap, network));
    let state = spawn(move || state::examine(folder.as_deref(), network));
    let descriptors = spawn(|| descriptors(getrlimit(Resource::Nofile).current));
    let checks = [
        ("ports", ports),
        ("multicast", spawn(multicast::examine)),
        ("address", address),
        ("state", state),
        ("descriptors", descriptors),
    ];
    let mut findings = Vec::new();
    for (topic, check) in checks {
        for finding in result(topic, &check, ends_at) {
            if is_json {
                print(finding.json())?;
            } else if finding.grade > Grade::Note || !console.is_quiet() {
                print(finding.line())?;
            }
            findings.push(finding);
        }
    }
    if is_json {
        print(finding::summary(&findings))?;
    }
    let problems = findings
        .iter()
        .filter(|finding| finding.grade == Grade::Problem);
    match problems.count() as u64 {
        0 => Ok(()),
        count => Err(Exit::Failed(format!(
            "{} found (see the advice after each)",
            format::count(count, "problem")
        ))),
    }
}

fn result(topic: &'static str, check: &Receiver<Vec<Finding>>, ends_at: Instant) -> Vec<Finding> {
    let left = ends_at.saturating_duration_since(Instant::now());
    check.recv_timeout(left).unwrap_or_else(|_| {
        let advice = "see the system's log: a disk, the network or a name server is in trouble";
        vec![Finding::new(
            topic,
            Grade::Problem,
            "the system does not answer in time",
            advice,
        )]
    })
}

/// A finding only where the limit of open files is too low for a busy node.
fn descriptors(limit: Option<u64>) -> Vec<Finding> {
    let needed = DESCRIPTORS_MAX as u64;
    let too_low = limit.filter(|&limit| limit < needed).into_iter();
    let finding = |limit| {
        let text = format!("this process may open {limit} files, and a busy node opens {needed}");
        let advice = format!("ulimit -n {needed}, or LimitNOFILE={needed} in the unit");
        Finding::new("descriptors", Grade::Warning, text, advice).with_number("descriptors", limit)
    };
    too_low.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_check_that_does_not_end_is_abandoned_with_a_problem() {
        let note = || vec![Finding::new("disk", Grade::Note, "x", "")];
        let late = Instant::now() + TIME_MAX;
        assert_eq!(result("disk", &spawn(note), late), note());
        let (keep, never) = mpsc::channel::<()>();
        let waits = spawn(move || never.recv().map_or(Vec::new(), |()| Vec::new()));
        let found = result("disk", &waits, Instant::now());
        assert_eq!(found[0].text, "the system does not answer in time");
        assert_eq!(found[0].grade, Grade::Problem);
        drop(keep);
    }

    #[test]
    fn only_too_few_descriptors_are_reported() {
        let needed = DESCRIPTORS_MAX as u64;
        assert_eq!(descriptors(Some(needed)), []);
        assert_eq!(descriptors(None), []);
        assert_eq!(descriptors(Some(needed - 1))[0].grade, Grade::Warning);
    }
}
