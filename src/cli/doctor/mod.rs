//! `sprat doctor`: what a person would be asked on a forum, looked at and judged, a line each.
//!
//! ```text
//!   ports, firewall          can a node listen here, and who does already
//!   multicast                can nodes of one network find each other
//!   address                  how the nodes given with -b see this machine
//!   clock, hash              time goes on; how fast SHA-1 is
//!   state, disk, kernel      the state folder, room and speed of its disk, what the system can do
//!   descriptors, memory      the limits in force
//! ```
//!
//! It starts no node, and what it writes it removes again. What may wait for others (names, a disk, a
//! node that does not answer) waits in a thread of its own, and is left behind after five seconds.
//! Invariant: the exit code follows from the worst finding alone: 1 for a problem, else 0.

mod address;
mod disk;
mod finding;
mod limit;
mod machine;
mod multicast;
mod ping;
mod ports;
mod state;

use super::args::Args;
use super::console::Console;
use super::exit::UsageError;
use super::{Exit, format, key, print, start};
use finding::{Finding, Grade};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long all of it may take. Names and dead network disks may never answer.
const TIME_MAX: Duration = Duration::from_millis(4_800);

/// Runs the command.
pub fn run(args: Args, console: &Console) -> Result<(), Exit> {
    if let Some(word) = args.operands.first() {
        return Err(UsageError(format!(
            "doctor takes no operand: {word} (see sprat help doctor)"
        ))
        .into());
    }
    let ends_at = Instant::now() + TIME_MAX;
    let mut findings = Vec::new();
    let mut tell = |found: Vec<Finding>| -> Result<(), Exit> {
        for finding in found {
            match args.json {
                true => print(finding.json())?,
                false if finding.grade > Grade::Note || !console.is_quiet() => {
                    print(finding.line())?;
                }
                false => {}
            }
            findings.push(finding);
        }
        Ok(())
    };
    let network = key::network(&args)?;
    let (listen, places) = (start::wanted_addresses(&args), args.bootstrap.clone());
    let folder = start::state_folder(args.dir.as_deref());
    let ports = ask(move || ports::examine(&listen, network));
    let multicast = ask(multicast::examine);
    let address = ask(move || address::examine(&places, network));
    tell(answer("ports", ports, ends_at))?;
    tell(answer("multicast", multicast, ends_at))?;
    tell(answer("address", address, ends_at))?;
    tell(machine::examine())?;
    tell(of_folder("state", folder.clone(), ends_at, move |folder| {
        state::examine(&folder, network)
    }))?;
    tell(of_folder("disk", folder, ends_at, |folder| {
        disk::examine(&folder)
    }))?;
    tell(limit::examine(args.verbosity > 0))?;
    if args.json {
        print(finding::summary(&findings))?;
    }
    let problems = findings.iter().filter(|it| it.grade == Grade::Problem);
    match problems.count() as u64 {
        0 => Ok(()),
        count => Err(Exit::Failed(format!(
            "{} found (what to do stands behind each)",
            format::count(count, "problem")
        ))),
    }
}

/// Begins to look at something, in a thread that ends with the process at the latest.
fn ask<T: Send + 'static>(examine: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, answer) = mpsc::channel();
    // When nobody waits any more, nobody wants to know.
    thread::spawn(move || drop(sender.send(examine())));
    answer
}

/// What was found, if it was in time.
fn answer(topic: &'static str, asked: Receiver<Vec<Finding>>, ends_at: Instant) -> Vec<Finding> {
    let left = ends_at.saturating_duration_since(Instant::now());
    asked.recv_timeout(left).unwrap_or_else(|_| {
        let finding = Finding::new(topic, Grade::Problem, "the system does not answer in time");
        vec![finding.with_advice("see its log: a disk, the network or a name server is in trouble")]
    })
}

/// What is found at the state folder, if there is one.
fn of_folder(
    topic: &'static str,
    folder: Option<PathBuf>,
    ends_at: Instant,
    examine: impl FnOnce(PathBuf) -> Vec<Finding> + Send + 'static,
) -> Vec<Finding> {
    match folder {
        Some(folder) => answer(topic, ask(|| examine(folder)), ends_at),
        None => vec![
            Finding::new(topic, Grade::Warning, "no state folder")
                .with_advice("give one with -d, or set $HOME"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_left_behind() {
        let note = || vec![Finding::new("disk", Grade::Note, "x")];
        let late = Instant::now() + TIME_MAX;
        assert_eq!(answer("disk", ask(note), late), note());
        let (keep, never) = mpsc::channel::<()>();
        let waits = ask(move || never.recv().map_or(Vec::new(), |()| Vec::new()));
        let found = answer("disk", waits, Instant::now());
        assert_eq!(found[0].text, "the system does not answer in time");
        drop(keep);
        let found = of_folder("disk", None, late, |_| Vec::new());
        assert!(
            found[0]
                .line()
                .starts_with("warning  disk: no state folder (give one")
        );
    }
}
