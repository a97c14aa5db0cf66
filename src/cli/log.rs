//! The log of the layers below, on standard error in the form of the program's own lines.

use super::console::{Console, Priority};
use ::log::{Level, LevelFilter};
use env_logger::{Builder, Target};
use std::env;
use std::io::Write as _;

/// Sends the log to `console`: warnings, or what `verbosity` asks for; `RUST_LOG` wins.
pub fn start(console: &Console, verbosity: i32) {
    let form = console.clone();
    let started = Builder::new()
        // What is below the level that `set` sets does not come so far.
        .filter_level(LevelFilter::Trace)
        .parse_default_env()
        .format(move |line, record| {
            let begin = form.begin(priority(record.level()));
            writeln!(line, "{begin}{}", record.args())
        })
        .target(Target::Pipe(Box::new(console.clone())))
        .try_init();
    // It fails when something else in this process logs already: then that is what is wanted.
    drop(started);
    set(verbosity);
}

/// Logs what `verbosity` asks for from now on, unless `RUST_LOG` decides.
pub fn set(verbosity: i32) {
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
