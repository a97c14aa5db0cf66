//! A sink for lines that people read, each with a priority of syslog(3).
//!
//! The command line implements it on standard error, as plain lines or for systemd's journal.

/// How much a line matters, in the numbers of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Error = 3,
    /// Something may fail, or was lost.
    Warning = 4,
    /// The user asked for it, or everyone should know it.
    Notice = 5,
    /// News, unless the run is quiet.
    Info = 6,
    /// Details, for users who asked for more (`-v`).
    Debug = 7,
}

pub trait LogSink {
    /// Whether lines of this priority are shown.
    fn shows(&self, priority: Priority) -> bool;

    /// Writes one line, if lines of its priority are shown.
    fn write_line(&self, priority: Priority, line: &str);
}

impl dyn LogSink + '_ {
    /// Writes a line about something wrong.
    pub fn warn(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Warning, line.as_ref());
    }

    /// Writes a line that everyone should read.
    pub fn notice(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Notice, line.as_ref());
    }

    /// Writes a line of news.
    pub fn info(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Info, line.as_ref());
    }

    /// Writes a line for users who asked for more.
    pub fn debug(&self, line: impl AsRef<str>) {
        self.write_line(Priority::Debug, line.as_ref());
    }
}
