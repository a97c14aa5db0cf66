//! The log of the layers below, on standard error in the form of the program's own messages.

use super::console::Console;
use crate::service::log_sink::Priority;
use ::log::{Level, LevelFilter};
use env_logger::{Builder, Target};
use std::env;
use std::io::Write as _;

/// Sends the log to `console`, filtered as `set` says.
pub(super) fn start(console: &Console, verbosity: i32) {
    let form = console.clone();
    let started = Builder::new()
        // `set` filters before.
        .filter_level(LevelFilter::Trace)
        .parse_default_env()
        .format(move |line, record| {
            let start = form.line_start(priority(record.level()));
            writeln!(line, "{start}{}", record.args())
        })
        .target(Target::Pipe(Box::new(console.clone())))
        .try_init();
    // It fails if this process has a logger already, as in a test: that one is wanted.
    drop(started);
    set(verbosity);
}

/// Sets the level of the log, unless `RUST_LOG` decides.
pub(super) fn set(verbosity: i32) {
    if env::var_os(env_logger::DEFAULT_FILTER_ENV).is_none() {
        ::log::set_max_level(match verbosity {
            ..0 => LevelFilter::Error,
            0 => LevelFilter::Warn,
            1 => LevelFilter::Info,
            2 => LevelFilter::Debug,
            3.. => LevelFilter::Trace,
        });
    }
}

fn priority(level: Level) -> Priority {
    match level {
        Level::Error => Priority::Error,
        Level::Warn => Priority::Warning,
        Level::Info => Priority::Info,
        Level::Debug | Level::Trace => Priority::Debug,
    }
}
