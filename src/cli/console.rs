//! Standard error: news in lines of their own, above the progress bar where there is one.
//!
//! A line begins with `sprat: `, or, where systemd's journal reads it, with its priority as the journal
//! wants it (`<6>`, sd-daemon(3)): that knows the program and the time by itself. Not here: what is
//! told, and how often. Invariant: a line is one write.

use crate::service::log_sink::LogSink;
pub use crate::service::log_sink::Priority;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// How lines begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With the program's name.
    Plain,
    /// With their priority.
    Journal,
}

impl Form {
    /// That of standard error.
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

    fn begin(self, priority: Priority) -> String {
        match self {
            Form::Plain => "sprat: ".to_owned(),
            Form::Journal => format!("<{}>", priority as u8),
        }
    }
}

/// Says on standard error why the program ends, where there may be no console yet.
pub fn complain(text: &str) {
    let begin = Form::of_stderr().begin(Priority::Error);
    // Standard error may be closed; the exit code still says how it ended.
    let _ = io::stderr().write_all(format!("{begin}{text}\n").as_bytes());
}

/// Standard error, as this run of the program uses it.
#[derive(Clone)]
pub struct Console {
    bars: MultiProgress,
    terminal: bool,
    form: Form,
    /// All clones are one console.
    verbosity: Arc<AtomicI32>,
}

impl Console {
    /// `verbosity` below 0 is quiet, above it tells more.
    pub fn new(verbosity: i32) -> Console {
        let terminal = io::stderr().is_terminal();
        Console {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            terminal,
            form: Form::of_stderr(),
            verbosity: Arc::new(AtomicI32::new(verbosity)),
        }
    }

    /// Tells more or less from now on.
    pub fn set_verbosity(&self, verbosity: i32) {
        self.verbosity.store(verbosity, Ordering::Relaxed);
    }

    fn verbosity(&self) -> i32 {
        self.verbosity.load(Ordering::Relaxed)
    }

    /// Whether progress and news are wanted.
    pub fn is_quiet(&self) -> bool {
        self.verbosity() < 0
    }

    /// Whether a person watches.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether this run tells details.
    pub fn is_verbose(&self) -> bool {
        self.verbosity() > 0
    }

    /// One line of news, unless this run is quiet.
    pub fn info(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Info, line.as_ref());
    }

    /// One line of news for those who asked for more.
    pub fn debug(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Debug, line.as_ref());
    }

    /// One line that is told in any case.
    pub fn notice(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Notice, line.as_ref());
    }

    /// One line about something wrong, which is told in any case.
    pub fn warn(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Warning, line.as_ref());
    }

    /// What a line of this priority begins with.
    pub fn begin(&self, priority: Priority) -> String {
        self.form.begin(priority)
    }

    /// A bar at the bottom of the terminal, out of 1000: 21 columns, and as much of the message as
    /// fits the rest of the line. A longer line would wrap, and stay behind when it is drawn anew.
    pub fn bar(&self) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(1000));
        let style = ProgressStyle::with_template("{prefix:9} [{bar:8}] {wide_msg}");
        bar.set_style(style.expect("the template is right").progress_chars("=> "));
        bar
    }
}

impl LogSink for Console {
    fn shows(&self, priority: Priority) -> bool {
        match priority {
            Priority::Debug => self.is_verbose(),
            Priority::Info => !self.is_quiet(),
            _ => true,
        }
    }

    fn write_line(&self, priority: Priority, line: &str) {
        if self.shows(priority) {
            // When standard error is closed there is nobody to tell it to.
            let _ = writeln!(self.clone(), "{}{line}", self.begin(priority));
        }
    }
}

/// Writes above the bar.
impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bars.suspend(|| io::stderr().write_all(bytes))
    }

    fn write_fmt(&mut self, arguments: std::fmt::Arguments<'_>) -> io::Result<()> {
        // One write a line, so that lines of several programs do not mix.
        self.write_all(arguments.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
