//! What the node's work has cost, for those who asked for more (`-v`): told at its end.

use super::figures;
use super::screen::Screen;
use crate::reactor::Reactor;
use std::time::Duration;

/// Tells how long the loop's turns took, what moved, and what it took to move it.
pub fn tell(reactor: &Reactor, screen: &Screen) {
    let (counters, lag) = (reactor.counters(), reactor.lag());
    let [half, most_of, all] = [lag.percentile(50), lag.percentile(99), lag.most()].map(time);
    screen.detail(format!(
        "loop: {}, {}; one took p50 {half}, p99 {most_of}, max {all}",
        figures::count(counters.turns, "turn"),
        figures::count(counters.sleeps, "sleep"),
    ));
    let (up, down) = (counters.bytes_sent, counters.bytes_received);
    let calls = counters.system_calls();
    let per_mib = match (up + down) >> 20 {
        0 => String::new(),
        moved => format!(" ({} a MiB moved)", calls.div_ceil(moved)),
    };
    screen.detail(format!(
        "streams: {up} bytes up, {down} bytes down, {}{per_mib}; SHA-1 {}",
        figures::count(calls, "system call"),
        sha1()
    ));
}

/// A short time: `85 µs`, `12.3 ms`, `1.20 s`.
pub fn time(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} µs"),
        micros @ 1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => figures::duration(time),
    }
}

/// How the `sha1` crate hashes on this machine: it asks the processor the same.
pub fn sha1() -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_told_in_their_unit() {
        assert_eq!(time(Duration::from_micros(999)), "999 µs");
        assert_eq!(time(Duration::from_micros(12_300)), "12.3 ms");
        assert_eq!(time(Duration::from_millis(1_200)), "1.20 s");
    }
}
