//! The limits in force on this process.

use super::finding::{Finding, Grade};
use crate::limits::DESCRIPTORS_MAX;
use rustix::process::{Resource, getrlimit};

/// Looks at them.
pub fn examine() -> Vec<Finding> {
    let limit = getrlimit(Resource::Nofile).current;
    vec![descriptors(limit.unwrap_or(u64::MAX))]
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
    fn too_few_descriptors_are_a_warning() {
        let needed = DESCRIPTORS_MAX as u64;
        assert_eq!(descriptors(needed).grade, Grade::Ok);
        assert_eq!(descriptors(needed - 1).grade, Grade::Warning);
    }
}
