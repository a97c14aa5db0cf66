//! The limits in force: descriptors that this process may open, and what a node takes of memory.

use super::finding::{Finding, Grade};
use crate::cli::format;
use crate::limits::DESCRIPTORS_MAX;
use crate::limits::memory::{LINES, MEMORY_MAX, file_memory};
use rustix::process::{Resource, getrlimit};
use std::fs;

/// Looks at both; `by_line` tells the lines of the sum of memory, too.
pub fn examine(by_line: bool) -> Vec<Finding> {
    let limit = getrlimit(Resource::Nofile).current;
    let mut found = vec![descriptors(limit.unwrap_or(u64::MAX))];
    if by_line {
        found.extend(LINES.iter().map(|line| {
            let size = format::size(line.total() as u64);
            Finding::new(
                "memory",
                Grade::Ok,
                format!("{size} at most: {}", line.what),
            )
            .with_figure("count", line.count as u64)
            .with_figure("bytes_each", line.size as u64)
        }));
    }
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    found.push(memory(available(&meminfo)));
    found
}

/// Bytes that programs may still take, as the kernel estimates them.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

fn memory(available: Option<u64>) -> Finding {
    let (most, file) = (MEMORY_MAX as u64, file_memory(64 * 1024, 2_048, 1) as u64);
    let [most_size, file_size] = [most, file].map(format::size);
    let text = format!(
        "a node takes {most_size} at most, whatever others do, and {file_size} for a file of 2,048 \
         shards"
    );
    let finding = match available {
        Some(available) if available < most => {
            let text = format!("{text}; only {} are free", format::size(available));
            Finding::new("memory", Grade::Warning, text).with_advice("end some other program")
        }
        Some(available) => {
            let text = format!("{text}; {} are free", format::size(available));
            Finding::new("memory", Grade::Ok, text)
        }
        None => Finding::new("memory", Grade::Ok, text),
    };
    finding.with_figure("memory_bytes", most)
}

fn descriptors(limit: u64) -> Finding {
    let needed = DESCRIPTORS_MAX as u64;
    let finding = match limit < needed {
        true => {
            let text = format!("{limit} may be open, and a node at work opens up to {needed}");
            Finding::new("descriptors", Grade::Warning, text).with_advice(format!(
                "ulimit -n {needed}, or LimitNOFILE={needed} in the unit"
            ))
        }
        false => {
            let text = format!("a node at work opens up to {needed}, and may open {limit}");
            Finding::new("descriptors", Grade::Ok, text)
        }
    };
    finding.with_figure("descriptors", limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_enough_where_the_sum_fits() {
        assert_eq!(
            available("MemTotal: 9 kB\nMemAvailable:   12 kB\n"),
            Some(12 * 1024)
        );
        assert_eq!(available(""), None);
        assert_eq!(memory(Some(MEMORY_MAX as u64)).grade, Grade::Ok);
        assert_eq!(memory(Some(MEMORY_MAX as u64 - 1)).grade, Grade::Warning);
        assert_eq!(examine(true).len(), LINES.len() + 2);
    }

    #[test]
    fn too_few_descriptors_are_a_warning() {
        let needed = DESCRIPTORS_MAX as u64;
        assert_eq!(descriptors(needed).grade, Grade::Ok);
        assert_eq!(descriptors(needed - 1).grade, Grade::Warning);
    }
}
