//! The disk of the state folder: room, the speed of writes that are made durable, and what its file
//! system and the kernel can do. A file is made for it that has no name from the first moment on, so
//! nothing is left behind.

use super::finding::{Finding, Grade};
use crate::cli::format;
use crate::reactor::{self, Space};
use rustix::fs::{FallocateFlags, Mode, OFlags, ResolveFlags, fallocate, openat2, sendfile};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes that are written, at most ...
const WRITTEN_MAX: usize = 4 * 1024 * 1024;
/// ... in steps, each made durable, so that a slow card ends it early ...
const STEP_SIZE: usize = 256 * 1024;
/// ... after so long.
const TIME_MAX: Duration = Duration::from_millis(800);
/// Bytes a second below which a card is slower than a link of 10 Mbit/s.
const RATE_MIN: u64 = 1_250_000;

/// Looks at the disk of `folder`, or of the folder above it that there is.
pub fn examine(folder: &Path) -> Vec<Finding> {
    // The last ancestor of a relative path is empty, and stands for where this program runs.
    let in_place = |folder| {
        if folder == Path::new("") {
            Path::new(".")
        } else {
            folder
        }
    };
    let mut ancestors = folder.ancestors().map(in_place);
    let Some(folder) = ancestors.find(|folder| folder.is_dir()) else {
        let text = format!("no folder is there above {}", folder.display());
        let finding = Finding::new("disk", Grade::Problem, text);
        return vec![finding.with_advice("give another with -d")];
    };
    let failed = |what: &str, error: io::Error| {
        let error = reactor::Error::new(format!("{what} {}", folder.display()), error);
        Finding::new("disk", Grade::Problem, error.to_string())
            .with_advice("give another folder with -d")
    };
    let mut found = match reactor::space(folder) {
        Ok(space) => vec![room(folder, space)],
        Err(error) => vec![failed("measure", error)],
    };
    match nameless(folder) {
        Ok(file) => {
            found.push(match write(&file) {
                Ok(speed) => judge(&speed),
                Err(error) => failed("write to", error),
            });
            found.push(kernel(folder, &file));
        }
        Err(error) => found.push(failed("make a file in", error)),
    }
    found
}

fn room(folder: &Path, space: Space) -> Finding {
    let [free, reserve] = [space.free, space.reserve].map(format::size);
    let text = format!(
        "{free} free at {}, of which {reserve} stay free",
        folder.display()
    );
    let finding = match space.free <= space.reserve {
        true => Finding::new("disk", Grade::Warning, text)
            .with_advice("free some: nothing can be fetched to this disk"),
        false => Finding::new("disk", Grade::Ok, text),
    };
    finding
        .with_figure("free_bytes", space.free)
        .with_figure("reserve_bytes", space.reserve)
}

fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!(".sprat-doctor-{}", std::process::id()));
    let mut options = File::options();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// How fast writes became durable.
#[derive(Clone, Copy, Debug)]
struct Speed {
    bytes: u64,
    time: Duration,
    slowest: Duration,
}

fn write(mut file: &File) -> io::Result<Speed> {
    let mut block = vec![0; STEP_SIZE];
    // Some cards and file systems store zeros for nothing.
    getrandom::fill(&mut block).map_err(io::Error::other)?;
    let began_at = Instant::now();
    let (mut bytes, mut slowest) = (0, Duration::ZERO);
    while bytes < WRITTEN_MAX as u64 && began_at.elapsed() < TIME_MAX {
        let step_at = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        slowest = slowest.max(step_at.elapsed());
        bytes += STEP_SIZE as u64;
    }
    let time = began_at.elapsed();
    Ok(Speed {
        bytes,
        time,
        slowest,
    })
}

fn judge(speed: &Speed) -> Finding {
    let &Speed {
        bytes,
        time,
        slowest,
    } = speed;
    let rate = (u128::from(bytes) * 1_000_000 / time.as_micros().max(1)) as u64;
    let text = format!(
        "writes become durable at {}, {} at most for {}",
        format::rate(bytes, time),
        format::short_time(slowest),
        format::size(STEP_SIZE as u64),
    );
    let finding = match rate < RATE_MIN {
        true => Finding::new("disk", Grade::Warning, text)
            .with_advice("fetching goes no faster: use a better card, or another disk"),
        false => Finding::new("disk", Grade::Ok, text),
    };
    finding
        .with_figure("write_bytes_per_second", rate)
        .with_figure("slowest_step_microseconds", slowest.as_micros() as u64)
}

/// What the kernel can do with files in `folder`, of which `file` is one that has bytes.
fn kernel(folder: &Path, file: &File) -> Finding {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let beneath = rustix::fs::open(folder, flags, Mode::empty())
        .and_then(|folder| openat2(&folder, ".", flags, Mode::empty(), resolve));
    let sent = || -> io::Result<usize> {
        let (to, _other) = UnixStream::pair()?;
        Ok(sendfile(&to, file, Some(&mut 0), 1)?)
    };
    let allocated = fallocate(file, FallocateFlags::empty(), 0, WRITTEN_MAX as u64);
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy();
    features(&release, beneath.map(drop), sent().map(drop), allocated)
}

fn features(
    release: &str,
    beneath: Result<(), Errno>,
    sent: io::Result<()>,
    allocated: Result<(), Errno>,
) -> Finding {
    let grade = |grade, text: String| Finding::new("kernel", grade, text);
    let mut lacking = Vec::new();
    if beneath.is_err() {
        lacking.push("no openat2: paths are opened a folder at a time");
    }
    if allocated.is_err() {
        lacking.push("no fallocate here: a full disk is seen late");
    }
    match (sent, lacking.as_slice()) {
        (Err(error), _) => {
            let why = reactor::words(&error);
            grade(
                Grade::Problem,
                format!("Linux {release}: files here cannot be served: {why}"),
            )
            .with_advice("share files of another file system")
        }
        (Ok(()), []) => grade(
            Grade::Ok,
            format!("Linux {release}: openat2, sendfile, fallocate"),
        ),
        (Ok(()), lacking) => grade(
            Grade::Note,
            format!("Linux {release}: {}", lacking.join("; ")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_measured_and_nothing_is_left_on_it() {
        let base = tempfile::tempdir().unwrap();
        let found = examine(&base.path().join("not/there/yet"));
        let topics: Vec<&str> = found.iter().map(|finding| finding.topic).collect();
        assert_eq!(topics, ["disk", "disk", "kernel"]);
        assert!(
            found.iter().all(|finding| finding.grade < Grade::Problem),
            "{found:?}"
        );
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_relative_folder_lies_where_the_program_runs() {
        let found = examine(Path::new("not-there-yet"));
        assert!(
            found.iter().all(|finding| finding.grade < Grade::Problem),
            "{found:?}"
        );
    }

    #[test]
    fn a_full_and_a_slow_disk_are_warnings() {
        let grade = |free, reserve| room(Path::new("/"), Space { free, reserve }).grade;
        assert_eq!(grade(2, 1), Grade::Ok);
        assert_eq!(grade(1, 1), Grade::Warning);
        let speed = |bytes| {
            let time = Duration::from_secs(1);
            judge(&Speed {
                bytes,
                time,
                slowest: time,
            })
            .grade
        };
        assert_eq!(speed(RATE_MIN), Grade::Ok);
        assert_eq!(speed(RATE_MIN - 1), Grade::Warning);
    }

    #[test]
    fn only_sendfile_cannot_be_done_without() {
        let no = || Err(Errno::NOSYS);
        let grade = |beneath, sent, allocated| features("6.1", beneath, sent, allocated).grade;
        assert_eq!(grade(Ok(()), Ok(()), Ok(())), Grade::Ok);
        assert_eq!(grade(no(), Ok(()), no()), Grade::Note);
        assert_eq!(
            grade(Ok(()), Err(Errno::INVAL.into()), Ok(())),
            Grade::Problem
        );
    }
}
