//! How far a swarm is: a bar on a terminal, a plain line every few seconds elsewhere.

use super::console::Console;
use crate::node::{Phase, Progress};
use crate::service::format;
use crate::time::Instant;
use indicatif::ProgressBar;
use std::collections::VecDeque;
use std::time::Duration;

/// Between two looks at the progress: as often as a person can read.
pub const TICK: Duration = Duration::from_millis(250);
/// Between two plain lines.
const LINE_PERIOD: Duration = Duration::from_secs(5);
/// Looks that a rate is taken over: 4 seconds.
const LOOKS: usize = 16;

/// Shows the progress of one swarm.
pub struct ProgressReport<'a> {
    console: &'a Console,
    bar: Option<ProgressBar>,
    line_at: Instant,
    pace: Pace,
}

impl<'a> ProgressReport<'a> {
    /// A report that has shown nothing yet.
    pub fn new(console: &'a Console, now: Instant) -> ProgressReport<'a> {
        ProgressReport {
            console,
            bar: None,
            line_at: now + LINE_PERIOD,
            pace: Pace::default(),
        }
    }

    /// Takes a look at the progress and shows it, where it is time to. Returns bytes a second.
    pub fn look(&mut self, now: Instant, progress: &Progress) -> u64 {
        self.pace.look(now, progress);
        let rate = self.pace.rate();
        if self.console.is_quiet() {
            return rate;
        }
        let (name, figures) = (phase(progress.phase), describe(progress, rate));
        if self.console.is_terminal() {
            let bar = self.bar.get_or_insert_with(|| self.console.bar());
            bar.set_prefix(name);
            bar.set_message(figures);
            bar.set_position(permille(progress));
        } else if now >= self.line_at {
            self.line_at = now + LINE_PERIOD;
            self.console.info(format!("{name} {figures}"));
        }
        rate
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// The word for a phase, as the bar, the lines and JSON have it.
pub fn phase(phase: Phase) -> &'static str {
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

fn permille(progress: &Progress) -> u64 {
    match progress.size {
        0 => 0,
        size => (u128::from(progress.done) * 1000 / u128::from(size)) as u64,
    }
}

/// What matters most comes first: a terminal shows as much of it as fits the line.
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

/// The rate of the last few looks.
#[derive(Default)]
struct Pace {
    phase: Phase,
    looks: VecDeque<(Instant, u64)>,
}

impl Pace {
    fn look(&mut self, now: Instant, progress: &Progress) {
        if progress.phase != self.phase {
            self.phase = progress.phase;
            self.looks.clear();
        }
        // Bytes received move evenly; bytes done jump by a shard.
        let bytes = match progress.phase {
            Phase::Fetching => progress.received,
            _ => progress.done,
        };
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((now, bytes));
    }

    /// Bytes a second; 0 before the second look.
    fn rate(&self) -> u64 {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else {
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
    fn a_rate_is_of_the_phase_and_of_the_last_seconds() {
        let mut pace = Pace::default();
        pace.look(
            Instant::ZERO,
            &Progress {
                done: 1 << 30,
                ..Progress::default()
            },
        );
        for second in 0..20 {
            let now = Instant::from_micros(second * 1_000_000);
            pace.look(now, &fetching(0, second.pow(2) * 1000));
        }
        // The last 16 looks: from second 4 to second 19.
        assert_eq!(pace.rate(), (19 * 19 - 4 * 4) * 1000 / 15);
    }

    #[test]
    fn one_line_says_all_there_is_to_know() {
        assert_eq!(
            describe(&fetching(50 << 20, 50 << 20), 10 << 20),
            " 50 %  10.0 MiB/s  0:05 left  2 peers  50.0 MiB of 100.0 MiB"
        );
        assert_eq!(describe(&Progress::default(), 0), "0 peers");
    }
}
