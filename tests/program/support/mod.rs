//! Shared by the end-to-end tests: the real program as child processes on loopback, files to share,
//! a proxy that stops a transfer in its middle, and pings.
//!
//! Invariant: every wait has a deadline, and no child outlives its test.

mod ping;
mod proxy;

pub use ping::{await_answer, ping};
pub use proxy::{Proxy, share_behind_proxy};

use rustix::process::{Pid, Signal, kill_process};
use sprat::rng::Rng;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take: far longer than it does on a busy machine with two cores.
pub const DEADLINE: Duration = Duration::from_secs(60);

// -- the program

/// Variables of the environment of the tests that sprat would heed.
const OUTER_VARIABLES: [&str; 6] = [
    "XDG_STATE_HOME",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "RUST_LOG",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
];

/// A running sprat and what it has said so far.
pub struct Sprat {
    call: String,
    child: Child,
    lines: Receiver<Line>,
    out: Vec<String>,
    err: Vec<String>,
}

enum Line {
    Out(String),
    Err(String),
}

/// How a sprat ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal killed it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: Vec<String>,
    /// Standard error.
    pub err: Vec<String>,
}

impl Sprat {
    /// Starts sprat with these words, in a folder of its own beneath `place`, which is also its
    /// home.
    pub fn start(place: &Path, words: &[&str]) -> Sprat {
        Sprat::start_with(place, &[], words)
    }

    /// As `start`, with these variables in its environment.
    pub fn start_with(place: &Path, variables: &[(&str, &str)], words: &[&str]) -> Sprat {
        let command = Command::new(env!("CARGO_BIN_EXE_sprat"));
        Sprat::start_by(command, place, variables, words)
    }

    /// As `start`, under `strace`, which looks at some system calls and may make them fail; it
    /// writes to `trace` in the place. Signals go to sprat.
    pub fn start_traced(place: &Path, calls: &str, fault: &str, words: &[&str]) -> Sprat {
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-q", "-o", "trace"]);
        command.args(["-e", &format!("trace={calls}")]);
        if !fault.is_empty() {
            command.args(["-e", &format!("inject={fault}")]);
        }
        command.arg(env!("CARGO_BIN_EXE_sprat"));
        Sprat::start_by(command, place, &[], words)
    }

    fn start_by(
        mut command: Command,
        place: &Path,
        variables: &[(&str, &str)],
        words: &[&str],
    ) -> Sprat {
        let is_setting = |name: &OsString| name.to_string_lossy().starts_with("SPRAT_");
        let settings = std::env::vars_os().map(|(name, _)| name).filter(is_setting);
        for name in settings.chain(OUTER_VARIABLES.map(OsString::from)) {
            command.env_remove(name);
        }
        let mut child = command
            .args(words)
            .current_dir(place)
            .env("HOME", place)
            .env("TMPDIR", place)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        forward(child.stdout.take().unwrap(), sender.clone(), Line::Out);
        forward(child.stderr.take().unwrap(), sender, Line::Err);
        Sprat {
            call: words.join(" "),
            child,
            lines,
            out: Vec::new(),
            err: Vec::new(),
        }
    }

    /// `sprat node`, joined through `bootstrap` if there is one.
    pub fn node(place: &Path, listen: &str, bootstrap: Option<&str>) -> Sprat {
        let mut words = vec!["node", "-l", listen];
        words.extend(bootstrap.iter().flat_map(|address| ["-b", address]));
        Sprat::start(place, &words)
    }

    /// Waits for a line of standard error that contains `text`.
    pub fn news(&mut self, text: &str) -> String {
        self.wait(text, |sprat| {
            sprat.err.iter().find(|line| line.contains(text)).cloned()
        })
    }

    /// Waits for a line of standard output that contains `text`.
    pub fn result(&mut self, text: &str) -> String {
        self.wait(text, |sprat| {
            sprat.out.iter().find(|line| line.contains(text)).cloned()
        })
    }

    /// Waits for the address that it listens on.
    pub fn address(&mut self) -> String {
        let line = self.news("sprat: listening on ");
        line.strip_prefix("sprat: listening on ")
            .unwrap()
            .to_owned()
    }

    /// Waits for the `count`th link.
    pub fn link(&mut self, count: usize) -> String {
        self.wait("a link", |sprat| {
            let mut links = sprat.out.iter().filter(|line| line.starts_with("magnet:"));
            links.nth(count - 1).cloned()
        })
    }

    /// Waits until a file has been announced at one node at least.
    pub fn announced(&mut self) {
        self.wait("an announcement", |sprat| {
            let found =
                |line: &&String| line.contains(" announced ") && !line.contains("at 0 nodes");
            sprat.err.iter().find(found).cloned()
        });
    }

    fn wait(&mut self, what: &str, found: impl Fn(&Sprat) -> Option<String>) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = found(self) {
                return line;
            }
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.take(line),
                Err(RecvTimeoutError::Timeout) => panic!("no {what:?} in time: {self:?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without {what:?}: {self:?}")
                }
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had so far, in KiB (`VmHWM`).
    pub fn memory_peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// Its memory that no file backs, in KiB (`RssAnon`): the same in every build.
    pub fn memory_of_its_own(&self) -> u64 {
        self.memory("RssAnon:")
    }

    fn memory(&self, kind: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(kind));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.unwrap().parse().unwrap()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as `kill` and Ctrl-C do.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.take(line),
                Err(RecvTimeoutError::Timeout) => panic!("no end in time: {self:?}"),
                // Both pipes are closed: it has ended, or is about to.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let code = self.child.wait().unwrap().code();
        let (out, err) = (std::mem::take(&mut self.out), std::mem::take(&mut self.err));
        Ended { code, out, err }
    }

    /// Ends it with a signal, and waits until it has.
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.end()
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Out(line) => self.out.push(line),
            Line::Err(line) => self.err.push(line),
        }
    }
}

impl std::fmt::Debug for Sprat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "sprat {}", self.call)?;
        self.out
            .iter()
            .try_for_each(|line| writeln!(f, "  1> {line}"))?;
        self.err
            .iter()
            .try_for_each(|line| writeln!(f, "  2> {line}"))
    }
}

impl Drop for Sprat {
    fn drop(&mut self) {
        // Neither does anything to a child that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stream: impl Read + Send + 'static, sender: Sender<Line>, line: fn(String) -> Line) {
    thread::spawn(move || {
        for text in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line(text)).is_err() {
                break;
            }
        }
    });
}

/// Runs sprat to its end.
pub fn run(place: &Path, words: &[&str]) -> Ended {
    Sprat::start(place, words).end()
}

impl Ended {
    /// Asserts the exit code and that the last line of standard error contains `text`.
    #[track_caller]
    pub fn assert(&self, code: i32, text: &str) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let last = self.err.last().map(String::as_str).unwrap_or_default();
        assert!(
            last.contains(text),
            "{last:?} does not contain {text:?}: {self:#?}"
        );
    }

    /// Asserts that some line of standard error contains `text`.
    #[track_caller]
    pub fn assert_said(&self, text: &str) {
        assert!(
            self.err.iter().any(|line| line.contains(text)),
            "{text:?}: {self:#?}"
        );
    }
}

/// The link less its addresses: what it names must be found through the network.
pub fn without_providers(link: &str) -> String {
    let parts: Vec<&str> = link
        .split('&')
        .filter(|part| !part.starts_with("x.pe="))
        .collect();
    assert!(
        parts.len() < link.split('&').count(),
        "{link} has an address to remove"
    );
    parts.join("&")
}

/// The link with these addresses and no others.
pub fn with_providers(link: &str, addresses: &[SocketAddr]) -> String {
    let mut link = without_providers(link);
    addresses
        .iter()
        .for_each(|address| link += &format!("&x.pe={address}"));
    link
}

// -- files

/// Read by a test as long as it has a folder, written by one that measures how long the disk takes.
static DISK: RwLock<()> = RwLock::new(());

/// A folder for one test, and folders in it; it goes with everything in it.
pub struct Scratch(tempfile::TempDir, #[expect(dead_code)] DiskUse);

#[expect(dead_code, reason = "the guards are held, not read")]
enum DiskUse {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Scratch {
    /// A folder of a test that runs beside others. One for each thread at a time.
    pub fn new() -> Scratch {
        let shared = DISK.read().unwrap_or_else(PoisonError::into_inner);
        Scratch(tempfile::tempdir().unwrap(), DiskUse::Shared(shared))
    }

    /// A folder of a test beside which no other test uses the disk.
    pub fn alone() -> Scratch {
        let alone = DISK.write().unwrap_or_else(PoisonError::into_inner);
        Scratch(tempfile::tempdir().unwrap(), DiskUse::Alone(alone))
    }

    /// A folder in it, made if it is not there: the home of one process.
    pub fn place(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A file in it that holds `size` random bytes.
    pub fn file(&self, name: &str, size: usize) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, random(name, size)).unwrap();
        path
    }
}

/// `size` bytes that the name determines.
pub fn random(name: &str, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Rng::from_number(u64::from(crc32fast::hash(name.as_bytes()))).fill(&mut bytes);
    bytes
}

/// Asserts that two files, or two folders with all that is in them, are the same.
#[track_caller]
pub fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    let names = |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{} differs", name.display());
    }
}

/// The files beneath a path, with their contents.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            let bytes =
                fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
        }
    }
    found
}

/// `&str` of a path, for words of a command line.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
