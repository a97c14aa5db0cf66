//! The machine's clock, and how fast it hashes.

use super::finding::{Finding, Grade};
use crate::cli::{format, summary};
use sha1::{Digest, Sha1};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds from 1970 to 2025: no sprat is older, so no clock should be.
const EPOCH_2025: u64 = 1_735_689_600;
/// And to 2100.
const EPOCH_2100: u64 = 4_102_444_800;
/// How long the clock is watched.
const CLOCK_WATCH: Duration = Duration::from_millis(20);
/// How long hashing is measured.
const HASH_WATCH: Duration = Duration::from_millis(60);
/// Bytes a second below which hashing holds up a link of 100 Mbit/s.
const HASH_RATE_MIN: u64 = 12_500_000;

/// Looks at the clock and hashes for a moment.
pub fn examine() -> Vec<Finding> {
    let (began_at, wall) = (Instant::now(), SystemTime::now());
    thread::sleep(CLOCK_WATCH);
    let since_epoch = wall
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    vec![clock(since_epoch, began_at.elapsed()), hash()]
}

/// The wall clock said `since_epoch`, and the monotonic one went on for `gone` in [`CLOCK_WATCH`].
fn clock(since_epoch: u64, gone: Duration) -> Finding {
    let finding = match since_epoch {
        _ if gone < CLOCK_WATCH => {
            Finding::new("clock", Grade::Problem, "the monotonic clock stands still")
                .with_advice("no timer works on such a machine: see its kernel log")
        }
        EPOCH_2025..EPOCH_2100 => {
            Finding::new("clock", Grade::Ok, "it goes on, and the date may be right")
        }
        _ => Finding::new("clock", Grade::Note, "it goes on, but the date is wrong")
            .with_advice("sprat does not need it; logs do: set it, or let NTP do so"),
    };
    finding.with_figure("unix_seconds", since_epoch)
}

fn hash() -> Finding {
    let block = vec![0x5a; 256 * 1024];
    let (mut hasher, began_at, mut bytes) = (Sha1::new(), Instant::now(), 0);
    while began_at.elapsed() < HASH_WATCH {
        hasher.update(&block);
        bytes += block.len() as u64;
    }
    let taken = began_at.elapsed();
    // The result is of no use, but without it nothing needs to be hashed.
    std::hint::black_box(hasher.finalize());
    hashing(bytes, taken)
}

fn hashing(bytes: u64, taken: Duration) -> Finding {
    let rate = (u128::from(bytes) * 1_000_000 / taken.as_micros().max(1)) as u64;
    let text = format!(
        "SHA-1 at {}, {}",
        format::rate(bytes, taken),
        summary::sha1()
    );
    let finding = match rate < HASH_RATE_MIN {
        true => Finding::new("hash", Grade::Note, text + ": slower than 100 Mbit/s"),
        false => Finding::new("hash", Grade::Ok, text),
    };
    finding.with_figure("hash_bytes_per_second", rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_date_is_a_note_and_a_clock_that_stands_a_problem() {
        assert_eq!(clock(EPOCH_2025, CLOCK_WATCH).grade, Grade::Ok);
        assert_eq!(clock(0, CLOCK_WATCH).grade, Grade::Note);
        assert_eq!(clock(EPOCH_2100, CLOCK_WATCH).grade, Grade::Note);
        assert_eq!(clock(EPOCH_2025, Duration::ZERO).grade, Grade::Problem);
    }

    #[test]
    fn slow_hashing_is_worth_a_note() {
        let second = Duration::from_secs(1);
        assert_eq!(hashing(HASH_RATE_MIN, second).grade, Grade::Ok);
        assert_eq!(hashing(HASH_RATE_MIN - 1, second).grade, Grade::Note);
        let finding = hashing(1 << 20, second);
        assert!(
            finding.text.starts_with("SHA-1 at 1.0 MiB/s, "),
            "{finding:?}"
        );
        assert_eq!(finding.figures, [("hash_bytes_per_second", 1 << 20)]);
    }
}
