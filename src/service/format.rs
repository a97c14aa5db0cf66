//! Sizes, rates and durations as people read them.

use std::time::Duration;

/// Bytes with a binary unit: `0 B`, `999 B`, `1.5 KiB`, `12.0 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // A value that would be printed as 1024.0 takes the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

pub fn rate(bytes: u64, time: Duration) -> String {
    let seconds = time.as_secs_f64().max(1e-6);
    format!("{}/s", size((bytes as f64 / seconds) as u64))
}

/// A duration: `0.03 s`, `12.5 s`, `3:07 min`, `2:05 h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        10..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

/// A short time: `85 µs`, `12.3 ms`, `1.20 s`.
pub fn short_time(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} µs"),
        micros @ 1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => duration(time),
    }
}

/// A count and its noun: `1 node`, `2 nodes`.
pub fn count(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// Words in a row: `a`, `a and b`, `a, b and c`.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Whole percents of `done` in `size`: 100 only when all is done.
pub fn percent(done: u64, size: u64) -> u64 {
    match size {
        0 => 0,
        _ => (u128::from(done) * 100 / u128::from(size)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_the_unit_that_keeps_them_short() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (256 << 20, "256.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(rate(10 << 20, Duration::from_millis(500)), "20.0 MiB/s");
    }

    #[test]
    fn durations_and_shares_are_rounded_down() {
        assert_eq!(duration(Duration::from_millis(31)), "0.03 s");
        assert_eq!(duration(Duration::from_secs(187)), "3:07 min");
        assert_eq!(duration(Duration::from_secs(7_500)), "2:05 h");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
        assert_eq!(percent(7, 7), 100);
        assert_eq!(count(1, "node"), "1 node");
        assert_eq!(count(0, "node"), "0 nodes");
        let words = ["a", "b", "c"];
        let lists = [0, 1, 2, 3].map(|count| list(words[..count].iter().copied()));
        assert_eq!(lists, ["", "a", "a and b", "a, b and c"]);
    }

    #[test]
    fn short_times_are_told_in_their_unit() {
        assert_eq!(short_time(Duration::from_micros(999)), "999 µs");
        assert_eq!(short_time(Duration::from_micros(12_300)), "12.3 ms");
        assert_eq!(short_time(Duration::from_millis(1_200)), "1.20 s");
    }
}
