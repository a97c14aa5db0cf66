//! Standard error: news in lines of their own, above the progress bar where there is one.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Standard error, as this run of the program uses it.
#[derive(Clone)]
pub struct Screen {
    bars: MultiProgress,
    terminal: bool,
    /// All clones are one screen.
    verbosity: Arc<AtomicI32>,
}

impl Screen {
    /// `verbosity` below 0 is quiet, above it tells more.
    pub fn new(verbosity: i32) -> Screen {
        let terminal = io::stderr().is_terminal();
        Screen {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            terminal,
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

    /// One line of news, unless this run is quiet.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.is_quiet() {
            self.insist(line);
        }
    }

    /// One line of news for those who asked for more.
    pub fn detail(&self, line: impl AsRef<str>) {
        if self.verbosity() > 0 {
            self.insist(line);
        }
    }

    /// One line that is told in any case.
    pub fn insist(&self, line: impl AsRef<str>) {
        // When standard error is closed there is nobody to tell it to.
        let _ = writeln!(self.clone(), "sprat: {}", line.as_ref());
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

/// Writes above the bar.
impl Write for Screen {
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
