//! The demo's nodes: child processes of this program, each with its output in a file.
//!
//! Files instead of pipes: the demo needs no thread to read them, and what a node said is still
//! there when it has failed.
//!
//! Invariant: no child outlives its [`Child`], however the demo ends.

use crate::cli::Exit;
use crate::cli::options::OPTIONS;
use crate::reactor;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a child.
const PERIOD: Duration = Duration::from_millis(10);
/// How long a child may take to end cleanly.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a signal has come that ends the demo.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals from now on.
    pub fn catch() -> Result<Interrupt, Exit> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .map_err(|error| reactor::Error::new(format!("catch signal {signal}"), error))?;
        }
        Ok(Interrupt(flag))
    }

    /// An error once a signal has come.
    pub fn check(&self) -> Result<(), Exit> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(Exit::Interrupted("the demo was interrupted".into())),
            false => Ok(()),
        }
    }
}

/// One of the two outputs of a child.
#[derive(Clone, Copy)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A node that runs as a process of its own.
pub struct Child {
    name: String,
    process: process::Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Child {
    /// Starts this program once more; its output goes to files in `folder`.
    pub fn start(name: &str, words: &[&str], folder: &Path) -> Result<Child, Exit> {
        let cannot = |error| Exit::from(reactor::Error::new(format!("start {name}"), error));
        let file = name.replace(' ', "-");
        let stdout = folder.join(format!("{file}.out"));
        let stderr = folder.join(format!("{file}.err"));
        let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
        // The demo's nodes are set up by their words alone.
        for option in OPTIONS {
            command.env_remove(option.variable());
        }
        let process = command
            .args(words)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).map_err(cannot)?)
            .stderr(File::create(&stderr).map_err(cannot)?)
            .spawn()
            .map_err(cannot)?;
        Ok(Child {
            name: name.into(),
            process,
            stdout,
            stderr,
        })
    }

    /// Waits for a line in which `find` finds something.
    pub fn wait_for<T>(
        &mut self,
        stream: Stream,
        what: &str,
        timeout: Duration,
        interrupt: &Interrupt,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Exit> {
        let deadline = Instant::now() + timeout;
        loop {
            interrupt.check()?;
            // First whether it lives, then what it said: so that its last words are not missed.
            let status = self.process.try_wait();
            if let Some(found) = self.lines(stream).iter().find_map(|line| find(line)) {
                return Ok(found);
            }
            let last = || {
                self.lines(Stream::Stderr)
                    .pop()
                    .unwrap_or_else(|| "it said nothing".into())
            };
            if !matches!(status, Ok(None)) {
                return Err(Exit::Failed(format!(
                    "{} ended early: {}",
                    self.name,
                    last()
                )));
            }
            if Instant::now() >= deadline {
                return Err(Exit::Failed(format!(
                    "{} took too long to {what} (more than {} s): {}",
                    self.name,
                    timeout.as_secs(),
                    last()
                )));
            }
            thread::sleep(PERIOD);
        }
    }

    /// The whole lines that it has written so far.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        let path = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        let bytes = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// The most memory that it has ever had resident, in bytes (`VmHWM`).
    pub fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(PERIOD);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Neither does anything to a child that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
