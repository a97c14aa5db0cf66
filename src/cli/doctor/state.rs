//! The state folder's health, looked at and not touched.

use super::finding::{Finding, Grade};
use crate::cli::format;
use crate::reactor::{Health, Kept, StateDir};
use crate::wire::Network;
use std::path::Path;

/// Rights that nobody but the owner may have on the folder.
const OTHERS: u32 = 0o077;

/// Looks at the state folder.
pub fn examine(folder: &Path, network: Network) -> Vec<Finding> {
    let name = folder.display();
    match StateDir::look(folder, network) {
        Ok(None) => {
            let text = format!("{name} is not there yet: a node makes it");
            vec![Finding::new("state", Grade::Note, text)]
        }
        Ok(Some(health)) => judge(&name.to_string(), &health),
        Err(error) => {
            let finding = Finding::new("state", Grade::Problem, error.to_string());
            vec![finding.with_advice("mend its rights, or give another folder with -d")]
        }
    }
}

fn judge(name: &str, health: &Health) -> Vec<Finding> {
    let finding = |grade, text: String| Finding::new("state", grade, text);
    let mut found = Vec::new();
    if health.mode & OTHERS != 0 {
        let text = format!(
            "{name} has the rights {:03o}: others may look into it",
            health.mode
        );
        found.push(finding(Grade::Warning, text).with_advice(format!("chmod 700 {name}")));
    }
    if !health.is_writable {
        let text = format!("{name} cannot be written by this user");
        let advice = "run as its owner, or give another folder with -d";
        found.push(finding(Grade::Problem, text).with_advice(advice));
    }
    for (file, kept) in &health.files {
        let path = format!("{name}/{file}");
        found.extend(match kept {
            Kept::Good => None,
            Kept::Other => Some(finding(
                Grade::Note,
                format!("{path} is of another network"),
            )),
            Kept::Damaged => {
                let text = format!("{path} is damaged: the next node to start does without it");
                Some(finding(Grade::Warning, text))
            }
            Kept::Newer => {
                let text = format!("{path} was written by a newer version of sprat");
                let advice = "install that version, or give another folder with -d";
                Some(finding(Grade::Problem, text).with_advice(advice))
            }
        });
    }
    if health.manifests_damaged > 0 {
        let damaged = format::count(health.manifests_damaged, "manifest");
        let text = format!("{damaged} in {name} damaged: fetched again when wanted");
        found.push(finding(Grade::Note, text));
    }
    let user = match &health.user {
        Some(pid) if pid.is_empty() => "a sprat uses it".to_owned(),
        Some(pid) => format!("sprat (pid {pid}) uses it"),
        None => "nobody uses it".to_owned(),
    };
    let contacts = format::count(health.contact_count, "contact");
    let manifests = format::count(health.manifests, "manifest");
    if found.iter().all(|finding| finding.grade < Grade::Warning) {
        let text = format!("{name} is in order: {contacts}, {manifests}; {user}");
        found.push(
            finding(Grade::Ok, text)
                .with_figure("contacts", health.contact_count)
                .with_figure("manifests", health.manifests),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let found = judge("/s", &health());
        let line = "ok       state: /s is in order: 0 contacts, 2 manifests; nobody uses it";
        assert_eq!(found[0].line(), line);
        let used = Health {
            user: Some("7".into()),
            ..health()
        };
        assert!(
            judge("/s", &used)[0]
                .line()
                .ends_with("; sprat (pid 7) uses it")
        );
    }

    #[test]
    fn each_trouble_of_a_state_folder_has_its_grade() {
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
}
