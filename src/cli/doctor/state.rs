//! The state folder and the room on its disk. Reads only; changes nothing.

use super::finding::{Finding, Grade};
use crate::reactor::{self, Space};
use crate::service::format;
use crate::service::{Health, Kept};
use crate::wire::Network;
use rustix::fs::{Access, access};
use std::path::Path;

/// Permission bits that nobody but the owner may have on the folder.
const OTHERS: u32 = 0o077;

const NEW_FOLDER: &str = "give another folder with -d";

/// Examines `folder` and its disk; `None` is a machine where no folder is configured.
pub(super) fn examine(folder: Option<&Path>, network: Network) -> Vec<Finding> {
    let Some(folder) = folder else {
        let advice = "give one with -d, or set $HOME";
        return vec![Finding::new(
            "state",
            Grade::Warning,
            "no state folder",
            advice,
        )];
    };
    let name = folder.display();
    let mut found = match Health::of(folder, network) {
        Ok(None) => {
            let text = format!("{name} does not exist yet: a node creates it");
            vec![Finding::new("state", Grade::Note, text, "")]
        }
        Ok(Some(health)) => judge(&name.to_string(), &health),
        Err(error) => {
            let advice = format!("repair its permissions, or {NEW_FOLDER}");
            vec![Finding::new(
                "state",
                Grade::Problem,
                error.to_string(),
                advice,
            )]
        }
    };
    found.push(disk(folder));
    found
}

fn judge(name: &str, health: &Health) -> Vec<Finding> {
    let finding = |grade, text: String, advice: &str| Finding::new("state", grade, text, advice);
    let mut found = Vec::new();
    if health.mode & OTHERS != 0 {
        let text = format!(
            "{name} has mode {:03o}: other users may read it",
            health.mode
        );
        found.push(finding(Grade::Warning, text, &format!("chmod 700 {name}")));
    }
    if !health.is_writable {
        let text = format!("this user cannot write to {name}");
        found.push(finding(
            Grade::Problem,
            text,
            &format!("run as its owner, or {NEW_FOLDER}"),
        ));
    }
    for (file, kept) in &health.files {
        let path = format!("{name}/{file}");
        found.extend(match kept {
            Kept::Good => None,
            Kept::Other => Some(finding(
                Grade::Note,
                format!("{path} belongs to another network"),
                "",
            )),
            Kept::Damaged => {
                let text = format!("{path} is damaged: the next node that starts ignores it");
                Some(finding(Grade::Warning, text, ""))
            }
            Kept::Newer => {
                let text = format!("{path} was written by a newer version of sprat");
                let advice = format!("install that version, or {NEW_FOLDER}");
                Some(finding(Grade::Problem, text, &advice))
            }
        });
    }
    if health.manifests_damaged > 0 {
        let damaged = format::count(health.manifests_damaged, "manifest");
        let text = format!("{damaged} in {name} damaged: a fetch gets them again");
        found.push(finding(Grade::Note, text, ""));
    }
    if found.iter().all(|finding| finding.grade < Grade::Warning) {
        let user = match &health.user {
            Some(pid) if pid.is_empty() => "a sprat uses it".to_owned(),
            Some(pid) => format!("sprat (pid {pid}) uses it"),
            None => "no process uses it".to_owned(),
        };
        let contacts = format::count(health.contact_count, "contact");
        let manifests = format::count(health.manifests, "manifest");
        let text = format!("{name} is in order: {contacts}, {manifests}; {user}");
        let finding = Finding::ok("state", text).with_number("contacts", health.contact_count);
        found.push(finding.with_number("manifests", health.manifests));
    }
    found
}

/// The disk of `folder`, or of its nearest ancestor that exists.
fn disk(folder: &Path) -> Finding {
    // The last ancestor of a relative path is empty: the current folder.
    let existing = |folder: &Path| match folder.as_os_str().is_empty() {
        true => Path::new(".").to_owned(),
        false => folder.to_owned(),
    };
    let Some(folder) = folder
        .ancestors()
        .map(existing)
        .find(|folder| folder.is_dir())
    else {
        let text = format!("no parent folder of {} exists", folder.display());
        return Finding::new("disk", Grade::Problem, text, NEW_FOLDER);
    };
    if let Err(errno) = access(&folder, Access::WRITE_OK | Access::EXEC_OK) {
        let error = reactor::Error::new(format!("write to {}", folder.display()), errno.into());
        return Finding::new("disk", Grade::Problem, error.to_string(), NEW_FOLDER);
    }
    match reactor::space(&folder) {
        Ok(space) => room(&folder, space),
        Err(error) => {
            let error = reactor::Error::new(format!("measure {}", folder.display()), error);
            Finding::new("disk", Grade::Problem, error.to_string(), NEW_FOLDER)
        }
    }
}

fn room(folder: &Path, space: Space) -> Finding {
    let [free, reserve] = [space.free, space.reserve].map(format::size);
    let text = format!(
        "{free} free at {}; {reserve} of it stay free",
        folder.display()
    );
    let finding = match space.free <= space.reserve {
        true => {
            let advice = "free some space: nothing can be fetched to this disk";
            Finding::new("disk", Grade::Warning, text, advice)
        }
        false => Finding::ok("disk", text),
    };
    let finding = finding.with_number("free_bytes", space.free);
    finding.with_number("reserve_bytes", space.reserve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn health() -> Health {
        Health {
            mode: 0o700,
            is_writable: true,
            user: None,
            files: vec![("node-id", Kept::Good)],
            contact_count: 0,
            manifests: 2,
            manifests_damaged: 0,
        }
    }

    #[test]
    fn a_state_folder_in_order_says_what_is_in_it() {
        let line = "ok       state: /s is in order: 0 contacts, 2 manifests; no process uses it";
        assert_eq!(judge("/s", &health())[0].line(), line);
        let used = Health {
            user: Some("7".into()),
            ..health()
        };
        assert!(
            judge("/s", &used)[0]
                .line()
                .ends_with("; sprat (pid 7) uses it")
        );
        let found = examine(None, Network::named("test"));
        assert!(
            found[0]
                .line()
                .starts_with("warning  state: no state folder (give one")
        );
    }

    #[test]
    fn each_fault_of_a_state_folder_has_its_grade() {
        let worst = |change: &dyn Fn(&mut Health)| {
            let mut health = health();
            change(&mut health);
            let found = judge("/s", &health);
            found.iter().map(|finding| finding.grade).max().unwrap()
        };
        let of_file = |kept| worst(&|health| health.files.push(("contacts", kept)));
        assert_eq!(worst(&|health| health.mode = 0o755), Grade::Warning);
        assert_eq!(worst(&|health| health.is_writable = false), Grade::Problem);
        assert_eq!(worst(&|health| health.manifests_damaged = 1), Grade::Note);
        assert_eq!(of_file(Kept::Damaged), Grade::Warning);
        assert_eq!(of_file(Kept::Newer), Grade::Problem);
        assert_eq!(of_file(Kept::Other), Grade::Note);
    }

    #[test]
    fn the_disk_is_that_of_the_nearest_folder_and_nothing_is_written_to_it() {
        let base = tempfile::tempdir().unwrap();
        for folder in [base.path().join("not/there/yet"), "not-there-yet".into()] {
            let found = disk(&folder);
            assert!(found.grade < Grade::Problem, "{found:?}");
        }
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_is_a_warning() {
        let grade = |free, reserve| room(Path::new("/"), Space { free, reserve }).grade;
        assert_eq!(grade(2, 1), Grade::Ok);
        assert_eq!(grade(1, 1), Grade::Warning);
    }
}
