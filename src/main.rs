//! The program: words in, exit code out. Everything else is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    sprat::cli::run(std::env::args_os().skip(1))
}
