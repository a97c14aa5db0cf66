//! The path of the control socket: where a service makes it, and where a client looks for it.
//!
//! ```text
//!  -d DIR given                      DIR/control
//!  else $RUNTIME_DIRECTORY is set    $RUNTIME_DIRECTORY/control      (a systemd unit's)
//!  else                              STATE/control                   (see `start::usual_dir`)
//!  else, clients only                /run/sprat/control              (the system's service)
//! ```
//!
//! A named folder is meant exactly, so `-d` wins for both. Invariant: a service is found by a
//! client that is called with the same `-d` in the same environment.

use super::state_dir::{usual_dir, variable};
use std::path::{Path, PathBuf};

/// The socket's name in its folder.
const NAME: &str = "control";
/// Where the system's service has it.
const SYSTEM: &str = "/run/sprat/control";

/// Where a service that keeps its state in `state` makes its socket.
pub fn of_service(dir: Option<&Path>, state: &Path) -> PathBuf {
    let runtime = dir.is_none().then(|| runtime_dir(variable)).flatten();
    runtime.as_deref().unwrap_or(state).join(NAME)
}

/// Where a client looks, the likeliest first.
pub fn of_clients(dir: Option<&Path>) -> Vec<PathBuf> {
    places(dir, variable)
}

fn places(dir: Option<&Path>, variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    if let Some(dir) = dir {
        return vec![dir.join(NAME)];
    }
    let folders = [runtime_dir(&variable), usual_dir(&variable)];
    let own = folders.into_iter().flatten().map(|dir| dir.join(NAME));
    own.chain([PathBuf::from(SYSTEM)]).collect()
}

/// systemd gives a list where a unit has several; the first is ours.
fn runtime_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let list = variable("RUNTIME_DIRECTORY")?;
    let first = PathBuf::from(list.to_str()?.split(':').next()?);
    first.is_absolute().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_looks_where_services_listen_and_at_the_systems_last() {
        let found = |dir: Option<&str>, given: &[(&str, &str)]| {
            let variable = |name: &str| {
                let mut given = given.iter().filter(|(key, _)| *key == name);
                given.next().map(|(_, value)| PathBuf::from(value))
            };
            let places = places(dir.map(Path::new), variable);
            let text = places.iter().map(|path| path.display().to_string());
            text.collect::<Vec<_>>().join(" ")
        };
        let home = ("HOME", "/home/pi");
        let usual = "/home/pi/.local/state/sprat/control /run/sprat/control";
        assert_eq!(found(None, &[]), "/run/sprat/control");
        assert_eq!(found(None, &[home]), usual);
        let run = ("RUNTIME_DIRECTORY", "/run/one:/run/two");
        assert_eq!(
            found(None, &[home, run]),
            format!("/run/one/control {usual}")
        );
        assert_eq!(found(None, &[home, ("RUNTIME_DIRECTORY", "x")]), usual);
        assert_eq!(found(Some("here"), &[home, run]), "here/control");
    }
}
