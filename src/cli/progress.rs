//! The progress of a swarm: a bar on a terminal, else a plain line every few seconds.

use super::console::Console;
use crate::node::{Phase, Progress};
use crate::service::format;
use crate::time::Instant;
use indicatif::ProgressBar;
use std::collections::VecDeque;
use std::time::Duration;

/// Between two updates: as often as people can read them.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// Between two plain lines, where standard error is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(5);
/// Samples of a rate: it covers 4 seconds.
const SAMPLES_MAX: usize = 16;

pub(super) struct ProgressReport<'a> {
    console: &'a Console,
    bar: Option<ProgressBar>,
    line_at: Instant,
    rate_meter: RateMeter,
}

impl<'a> ProgressReport<'a> {
    pub(super) fn new(console: &'a Console, now: Instant) -> ProgressReport<'a> {
        ProgressReport {
            console,
            bar: None,
            line_at: now + LINE_PERIOD,
            rate_meter: RateMeter::default(),
        }
    }

    /// Shows the progress if it is time to. Returns the rate in bytes a second.
    pub(super) fn update(&mut self, now: Instant, progress: &Progress) -> u64 {
        self.rate_meter.sample(now, progress);
        let rate = self.rate_meter.rate();
        if self.console.is_quiet() {
            return rate;
        }
        let (name, figures) = (phase(progress.phase), describe(progress, rate));
        if self.console.is_terminal() {
            let bar = self.bar.get_or_insert_with(|| self.console.bar());
            bar.set_prefix(name);
            bar.set_message(figures);
            bar.set_length(progress.size.max(1));
            bar.set_position(progress.done);
        } else if now >= self.line_at {
            self.line_at = now + LINE_PERIOD;
            self.console.info(format!("{name} {figures}"));
        }
        rate
    }

    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// The word for a phase, in the bar, the lines and JSON.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Hashing => "hashing",
        Phase::Finding => "finding",
        Phase::Verifying => "verifying",
        Phase::Fetching => "fetching",
        Phase::Finishing => "finishing",
        Phase::Complete => "complete",
        Phase::Repairing => "repairing",
        Phase::Ending => "ending",
    }
}

/// The most important first: a terminal shows as much as fits the line.
fn describe(progress: &Progress, rate: u64) -> String {
    let Progress { size, done, .. } = *progress;
    if size == 0 {
        return format::count(progress.streams.into(), "peer");
    }
    let mut text = format!(
        "{:3} %  {}/s",
        format::percent(done, size),
        format::size(rate),
    );
    if rate > 0 && done < size {
        let left = Duration::from_secs((size - done) / rate);
        text += &format!("  {}:{:02} left", left.as_secs() / 60, left.as_secs() % 60);
    }
    if progress.phase == Phase::Fetching {
        text += &format!("  {}", format::count(progress.providers.into(), "peer"));
    }
    text + &format!("  {} of {}", format::size(done), format::size(size))
}

/// The rate over the last samples of one phase.
#[derive(Default)]
struct RateMeter {
    phase: Phase,
    samples: VecDeque<(Instant, u64)>,
}

impl RateMeter {
    fn sample(&mut self, now: Instant, progress: &Progress) {
        if progress.phase != self.phase {
            self.phase = progress.phase;
            self.samples.clear();
        }
        // Bytes received grow evenly; bytes done grow by a shard.
        let bytes = match progress.phase {
            Phase::Fetching => progress.received,
            _ => progress.done,
        };
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back((now, bytes));
    }

    /// Bytes a second; 0 before the second sample.
    fn rate(&self) -> u64 {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return 0;
        };
        let micros = last.0.since(first.0).as_micros();
        let bytes = u128::from(last.1.saturating_sub(first.1));
        (bytes * 1_000_000).checked_div(micros).unwrap_or(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetching(done: u64, received: u64) -> Progress {
        Progress {
            phase: Phase::Fetching,
            size: 100 << 20,
            done,
            received,
            providers: 2,
            ..Progress::default()
        }
    }

    #[test]
    fn a_rate_covers_the_last_seconds_of_one_phase() {
        let mut rate_meter = RateMeter::default();
        rate_meter.sample(
            Instant::ZERO,
            &Progress {
                done: 1 << 30,
                ..Progress::default()
            },
        );
        for second in 0..20 {
            let now = Instant::from_micros(second * 1_000_000);
            rate_meter.sample(now, &fetching(0, second.pow(2) * 1000));
        }
        // The last 16 samples: from second 4 to second 19.
        assert_eq!(rate_meter.rate(), (19 * 19 - 4 * 4) * 1000 / 15);
    }

    #[test]
    fn one_line_shows_phase_rate_time_and_peers() {
        assert_eq!(
            describe(&fetching(50 << 20, 50 << 20), 10 << 20),
            " 50 %  10.0 MiB/s  0:05 left  2 peers  50.0 MiB of 100.0 MiB"
        );
        assert_eq!(describe(&Progress::default(), 0), "0 peers");
    }
}
