//! Times a piece of code: the median of samples, with the fastest and the slowest of them.
//!
//! Words on the command line select the measurements: `cargo bench --bench kad -- lookup`.

#![allow(dead_code, reason = "each bench uses some of the three forms")]

use std::hint::black_box;
use std::time::{Duration, Instant};

const SAMPLES: usize = 21;

/// Prints the time of one call of `work`, measured for about `time` in all.
pub fn measure<T>(name: &str, time: Duration, work: impl FnMut() -> T) {
    measure_bytes(name, time, 0, work);
}

/// The same, and the bytes a second where each call moves `size` bytes.
pub fn measure_bytes<T>(name: &str, time: Duration, size: u64, mut work: impl FnMut() -> T) {
    samples(name, time, size, |count| {
        let began = Instant::now();
        (0..count).for_each(|_| _ = black_box(work()));
        began.elapsed()
    });
}

/// The same, where each call takes an input of its own; making and dropping it is not measured.
pub fn measure_prepared<I, T>(
    name: &str,
    time: Duration,
    mut prepare: impl FnMut() -> I,
    mut work: impl FnMut(I) -> T,
) {
    samples(name, time, 0, |count| {
        let inputs: Vec<I> = (0..count).map(|_| prepare()).collect();
        let mut results = Vec::with_capacity(inputs.len());
        let began = Instant::now();
        results.extend(inputs.into_iter().map(|input| black_box(work(input))));
        began.elapsed()
    });
}

/// Takes samples of as many calls each as fill their part of `time`, and prints what came out.
fn samples(name: &str, time: Duration, size: u64, mut sample: impl FnMut(u32) -> Duration) {
    let arguments = std::env::args().skip(1);
    let words: Vec<_> = arguments.filter(|word| !word.starts_with('-')).collect();
    if !words.is_empty() && !words.iter().any(|word| name.contains(word)) {
        return;
    }
    // This warms up, too.
    let mut count = 1;
    while sample(count) < time / SAMPLES as u32 {
        count *= 2;
    }
    let mut times = [(); SAMPLES].map(|()| sample(count) / count);
    times.sort();
    let (least, median, most) = (times[0], times[SAMPLES / 2], times[SAMPLES - 1]);
    print!("{name:<40} {median:>10.2?}  ({least:.2?} to {most:.2?})");
    if size > 0 {
        let rate = size as f64 / median.as_secs_f64() / f64::from(1 << 20);
        print!("  {rate:.0} MiB/s");
    }
    println!();
}
