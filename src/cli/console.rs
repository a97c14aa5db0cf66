//! Standard output for results, and standard error for messages, above a progress bar if there is
//! one.
//!
//! A message begins with `sprat: `. If systemd's journal reads it, it begins with its priority
//! (`<6>`, sd-daemon(3)) instead: the journal adds the program and the time. Invariant: a line is
//! one write.

use super::exit::Exit;
use crate::reactor::Error;
use crate::service::log_sink::{LogSink, Priority};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Prints one result at once, also to a pipe or a file.
pub(super) fn print(line: impl AsRef<str>) -> Result<(), Exit> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{}", line.as_ref()).and_then(|()| output.flush()) {
        // The reader has read enough (`sprat ls | head -1`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Error::new("write to standard output", error).into()),
    }
}

/// Prints the reason of a failure, before or after there is a [`Console`].
pub(super) fn print_error(text: &str) {
    let start = Form::of_stderr().start(Priority::Error);
    // If standard error is closed, the exit code still reports the failure.
    let _ = io::stderr().write_all(format!("{start}{text}\n").as_bytes());
}

/// The start of each line: the program's name, or the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Journal,
}

impl Form {
    fn of_stderr() -> Form {
        let is_journal = || -> Option<bool> {
            let stream = env::var("JOURNAL_STREAM").ok()?;
            let stat = rustix::fs::fstat(io::stderr()).ok()?;
            Some(stream == format!("{}:{}", stat.st_dev, stat.st_ino))
        };
        match is_journal() {
            Some(true) => Form::Journal,
            _ => Form::Plain,
        }
    }

    fn start(self, priority: Priority) -> String {
        match self {
            Form::Plain => "sprat: ".to_owned(),
            Form::Journal => format!("<{}>", priority as u8),
        }
    }
}

/// Standard error of this process.
#[derive(Clone)]
pub(super) struct Console {
    bars: MultiProgress,
    is_terminal: bool,
    form: Form,
    /// Shared by all clones, because SIGHUP changes it for all.
    verbosity: Arc<AtomicI32>,
}

impl Console {
    /// A `verbosity` below 0 is quiet, above 0 it shows details.
    pub(super) fn new(verbosity: i32) -> Console {
        Console {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            is_terminal: io::stderr().is_terminal(),
            form: Form::of_stderr(),
            verbosity: Arc::new(AtomicI32::new(verbosity)),
        }
    }

    pub(super) fn set_verbosity(&self, verbosity: i32) {
        self.verbosity.store(verbosity, Ordering::Relaxed);
    }

    pub(super) fn is_quiet(&self) -> bool {
        !self.shows(Priority::Info)
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(super) fn debug(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Debug, line.as_ref());
    }

    pub(super) fn info(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Info, line.as_ref());
    }

    pub(super) fn notice(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Notice, line.as_ref());
    }

    pub(super) fn warn(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Warning, line.as_ref());
    }

    /// The start of a line of this priority.
    pub(super) fn line_start(&self, priority: Priority) -> String {
        self.form.start(priority)
    }

    /// A bar at the bottom of the terminal: 21 columns, and as much of the message as
    /// fits the line. A longer line would wrap, and remain when the bar is drawn again.
    pub(super) fn bar(&self) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(1));
        let style = ProgressStyle::with_template("{prefix:9} [{bar:8}] {wide_msg}");
        bar.set_style(style.expect("the template is right").progress_chars("=> "));
        bar
    }
}

impl LogSink for Console {
    fn shows(&self, priority: Priority) -> bool {
        let verbosity = self.verbosity.load(Ordering::Relaxed);
        match priority {
            Priority::Debug => verbosity > 0,
            Priority::Info => verbosity >= 0,
            _ => true,
        }
    }

    fn write_line(&self, priority: Priority, line: &str) {
        if self.shows(priority) {
            // If standard error is closed, nobody can read the line.
            let _ = writeln!(self.clone(), "{}{line}", self.line_start(priority));
        }
    }
}

/// Writes above the bar, in one call a line: lines of several processes do not mix.
impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bars.suspend(|| io::stderr().write_all(bytes))
    }

    fn write_fmt(&mut self, arguments: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.write_all(arguments.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
