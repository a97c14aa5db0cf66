//! The demo's nodes: child processes of this program, each with its output in a file.
//!
//! A file instead of pipes: the demo needs no thread to read them, and the output of a node that
//! failed is still there. Each line is one write, so that lines of the two streams do not mix.
//!
//! Invariant: however the demo ends, no child and no file of it is left.

use crate::cli::exit::Exit;
use crate::cli::options::FLAGS;
use crate::reactor::Error;
use crate::service::json;
use crate::wire::Link;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a child's output.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// A child that takes longer to end cleanly is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The nodes find each other within this time.
pub(super) const JOIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The demo's own folder, which is removed with everything in it.
pub(super) struct Folder {
    path: PathBuf,
    interrupt: Interrupt,
}

/// Set once a signal asks the demo to end.
type Interrupt = Arc<AtomicBool>;

fn check(interrupt: &Interrupt) -> Result<(), Exit> {
    match interrupt.load(Ordering::Relaxed) {
        true => Err(Exit::Interrupted("the demo was interrupted".into())),
        false => Ok(()),
    }
}

impl Folder {
    /// Creates the folder. From now on a signal only ends the demo at the next check.
    pub(super) fn create() -> Result<Folder, Exit> {
        let interrupt = Interrupt::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupt))
                .map_err(|error| Error::new(format!("catch signal {signal}"), error))?;
        }
        let path = env::temp_dir().join(format!("sprat-demo-{}", process::id()));
        fs::create_dir(&path).map_err(|error| cannot("make the folder", &path, error))?;
        Ok(Folder { path, interrupt })
    }

    /// An error once a signal asks the demo to end.
    pub(super) fn check(&self) -> Result<(), Exit> {
        check(&self.interrupt)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Starts this program as `name`, whose state folder has the same name at every start. It
    /// listens at `listen` and joins through `bootstrap`.
    pub(super) fn start(
        &self,
        name: &str,
        words: &[&str],
        listen: &str,
        bootstrap: Option<&str>,
    ) -> Result<Child, Exit> {
        let failed = |error| Exit::from(Error::new(format!("start {name}"), error));
        let file = |end: &str| self.path(&(name.replace(' ', "-") + end));
        let path = file(".log");
        let output = File::create(&path).map_err(failed)?;
        let mut command = Command::new(env::current_exe().map_err(failed)?);
        // The arguments alone configure the demo's nodes.
        for flag in FLAGS {
            command.env_remove(flag.variable());
        }
        let process = command
            .env_remove("RUST_LOG")
            .args(words)
            .args(["-l", listen, "-d"])
            .arg(file("-state"))
            .args(bootstrap.iter().flat_map(|address| ["-b", address]))
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            .spawn()
            .map_err(failed)?;
        let mut child = Child {
            name: name.into(),
            process,
            address: String::new(),
            output: path,
            interrupt: Arc::clone(&self.interrupt),
        };
        let find = |line: &str| line.strip_prefix("sprat: listening on ").map(str::to_owned);
        child.address = child.wait_for("listen", JOIN_TIMEOUT, find)?;
        Ok(child)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The system cleans up its temporary folder in any case.
        let _ = fs::remove_dir_all(&self.path);
    }
}

pub(super) fn cannot(verb: &str, path: &Path, error: io::Error) -> Exit {
    Error::new(format!("{verb} {}", path.display()), error).into()
}

/// A node that runs as a process of its own, until it is dropped.
pub(super) struct Child {
    name: String,
    process: process::Child,
    /// The address at which it listens.
    pub(super) address: String,
    output: PathBuf,
    interrupt: Interrupt,
}

impl Child {
    /// Waits for a line of its output in which `find` finds something.
    fn wait_for<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Exit> {
        let deadline = Instant::now() + timeout;
        loop {
            check(&self.interrupt)?;
            // The status first: then the lines hold everything that an ended child has written.
            let status = self.process.try_wait();
            let mut lines = self.lines();
            if let Some(found) = lines.iter().find_map(|line| find(line)) {
                return Ok(found);
            }
            let last = lines.pop().unwrap_or_else(|| "it wrote nothing".into());
            let name = &self.name;
            if !matches!(status, Ok(None)) {
                return Err(Exit::Failed(format!("{name} ended early: {last}")));
            }
            if Instant::now() >= deadline {
                let seconds = timeout.as_secs();
                return Err(Exit::Failed(format!(
                    "{name} took too long to {what} (more than {seconds} s): {last}"
                )));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    pub(super) fn wait_until_joined(&mut self) -> Result<(), Exit> {
        let find = |line: &str| line.contains("joined the network").then_some(());
        self.wait_for("join", JOIN_TIMEOUT, find)
    }

    pub(super) fn wait_until_announced(&mut self) -> Result<(), Exit> {
        let is_it = |line: &str| line.contains(" announced ") && !line.ends_with(" at 0 nodes");
        let find = |line: &str| is_it(line).then_some(());
        self.wait_for("announce its file", JOIN_TIMEOUT, find)
    }

    /// The link that it prints, without addresses, so that others must find it in the network.
    pub(super) fn link(&mut self, timeout: Duration) -> Result<Link, Exit> {
        let find = |line: &str| Link::parse(line).ok();
        let link = self.wait_for("hash its file", timeout, find)?;
        Ok(Link {
            providers: Vec::new(),
            ..link
        })
    }

    /// The time from its start to the complete file, as it reports it with `--json`.
    pub(super) fn fetch_time(&mut self, timeout: Duration) -> Result<Duration, Exit> {
        let is_complete = |line: &str| json::is_event(line, "complete");
        let find = |line: &str| is_complete(line).then(|| json::number(line, "seconds"));
        let seconds = self.wait_for("fetch the file", timeout, find)?;
        Ok(Duration::from_secs_f64(seconds.unwrap_or_default()))
    }

    /// The complete lines that it has written so far.
    pub(super) fn lines(&self) -> Vec<String> {
        let bytes = fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(str::to_owned).collect()
    }

    /// The peak of its resident memory, in bytes (`VmHWM`).
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    }

    pub(super) fn stop(&mut self) {
        // The child may have ended already.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SIGKILL. Neither has an effect on a child that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
