//! The state folder and the room on its disk. Reads only; changes nothing.

use super::finding::{Finding, Grade};
use crate::reactor::{self, Space};
use crate::service::{Health, Kept, format};
use crate::wire::Network;
use rustix::fs::{Access, access};
use std::io;
use std::path::{self, Path};

/// Permission bits that nobody but the owner may have on the folder.
const OTHERS: u32 = 0o077;

const NEW_FOLDER: &str = "give another folder with -d";

/// Examines `folder` and its disk; `None` is a machine where no folder is configured.
pub(super) fn examine(folder: Option<&Path>, network: Network) -> Vec<Finding> {
    let finding = |grade, text: String, advice| Finding::new("state", grade, text, advice);
    let Some(folder) = folder else {
        let (text, advice) = ("no state folder", "give one with -d, or set $HOME");
        return vec![finding(Grade::Warning, text.into(), advice.into())];
    };
    let name = folder.display();
    let mut found = match Health::of(folder, network) {
        Ok(None) => {
            let text = format!("{name} does not exist yet: a node creates it");
            vec![finding(Grade::Note, text, String::new())]
        }
        Ok(Some(health)) => judge(&name.to_string(), &health),
        Err(error) => {
            let advice = format!("repair its permissions, or {NEW_FOLDER}");
            vec![finding(Grade::Problem, error.to_string(), advice)]
        }
    };
    found.push(disk(folder));
    found
}

fn judge(name: &str, health: &Health) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |grade, text: String, advice: String| {
        found.push(Finding::new("state", grade, text, advice));
    };
    if health.mode & OTHERS != 0 {
        let mode = health.mode;
        let text = format!("{name} has mode {mode:03o}: other users may read it");
        add(Grade::Warning, text, format!("chmod 700 {name}"));
    }
    if !health.is_writable {
        let text = format!("this user cannot write to {name}");
        add(
            Grade::Problem,
            text,
            format!("run as its owner, or {NEW_FOLDER}"),
        );
    }
    for (file, kept) in &health.files {
        let path = format!("{name}/{file}");
        match kept {
            Kept::Good => {}
            Kept::Other => {
                let text = format!("{path} belongs to another network");
                add(Grade::Note, text, String::new());
            }
            Kept::Damaged => {
                let text = format!("{path} is damaged: the next node that starts ignores it");
                add(Grade::Warning, text, String::new());
            }
            Kept::Newer => {
                let text = format!("{path} was written by a newer version of sprat");
                let advice = format!("install that version, or {NEW_FOLDER}");
                add(Grade::Problem, text, advice);
            }
        }
    }
    if health.manifests_damaged > 0 {
        let damaged = format::count(health.manifests_damaged, "manifest");
        let text = format!("{damaged} in {name} damaged: a fetch gets them again");
        add(Grade::Note, text, String::new());
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
    let absolute = path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut ancestors = absolute.ancestors();
    let folder = ancestors
        .find(|ancestor| ancestor.is_dir())
        .unwrap_or(folder);
    let access = access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from);
    match access.and_then(|()| reactor::space(folder)) {
        Ok(space) => room(folder, space),
        Err(error) => {
            let error = reactor::Error::new(format!("write to {}", folder.display()), error);
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
