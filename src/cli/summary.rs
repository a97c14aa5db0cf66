//! The cost of a node's work, logged at its end (`-v`).

use super::console::Console;
use crate::reactor::Reactor;
use crate::service::format;

/// Logs how long the turns of the loop took, the bytes moved, and the system calls for them.
pub(super) fn log(reactor: &Reactor, console: &Console) {
    let (counters, lag) = (reactor.counters(), reactor.lag());
    let [p50, p99, max] =
        [lag.percentile(50), lag.percentile(99), lag.most()].map(format::short_time);
    console.debug(format!(
        "loop: {}, {}; one took p50 {p50}, p99 {p99}, max {max}",
        format::count(counters.turns, "turn"),
        format::count(counters.sleeps, "sleep"),
    ));
    let (up, down) = (counters.bytes_sent, counters.bytes_received);
    let calls = counters.system_calls();
    let per_mib = match (up + down) >> 20 {
        0 => String::new(),
        moved => format!(" ({} a MiB moved)", calls.div_ceil(moved)),
    };
    console.debug(format!(
        "streams: {up} bytes up, {down} bytes down, {}{per_mib}; SHA-1 {}",
        format::count(calls, "system call"),
        sha1()
    ));
}

/// How the `sha1` crate hashes on this machine: it detects the same features.
fn sha1() -> &'static str {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if std::arch::is_x86_feature_detected!("sha") && std::arch::is_x86_feature_detected!("sse4.1") {
        return "by the processor (x86 SHA)";
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("sha2") {
        return "by the processor (Armv8 SHA)";
    }
    "in software"
}
