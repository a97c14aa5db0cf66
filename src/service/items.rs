//! The files and folders that a service was given, and how each does.
//!
//! Not here: what is done with them (`work`). Invariants: numbers rise and are not used again, so a
//! listing can go on behind one that is gone meanwhile; there are never more items than swarms.

use super::catalog::{Remembered, Work};
use crate::id::FileId;
use crate::limits::{ID_DIGITS_MIN, SWARMS_MAX};
use crate::node::SwarmKey;
use crate::time::{Instant, earliest};
use crate::wire::Link;
use std::path::Path;

/// One of them.
pub struct Item {
    /// Names it as long as the service runs.
    pub number: u64,
    /// What survives a restart.
    pub kept: Remembered,
    /// Its swarm, while the node has one.
    pub swarm: Option<SwarmKey>,
    /// Why it waits, or is not what it was.
    pub why: Option<String>,
    /// When it is tried again.
    pub retry_at: Option<Instant>,
    /// It was never hashed: if that fails, it was given in vain.
    pub is_new: bool,
    /// Some of it is not what was hashed.
    pub is_changed: bool,
    /// A fetch had a stream with anyone.
    pub has_met: bool,
}

/// All of them.
#[derive(Default)]
pub struct Items {
    /// By rising number.
    all: Vec<Item>,
    next: u64,
}

impl Items {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is room for one more.
    pub fn has_room(&self) -> bool {
        self.all.len() < SWARMS_MAX
    }

    /// Takes one in, to be taken up at once; its number.
    pub fn push(&mut self, kept: Remembered, now: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.all.push(Item {
            number,
            kept,
            swarm: None,
            why: None,
            retry_at: Some(now),
            is_new: false,
            is_changed: false,
            has_met: false,
        });
        number
    }

    /// The item of this number.
    pub fn find(&self, number: u64) -> Option<&Item> {
        self.all.iter().find(|item| item.number == number)
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, number: u64) -> Option<&mut Item> {
        self.all.iter_mut().find(|item| item.number == number)
    }

    /// The item of this swarm.
    pub fn of_swarm(&mut self, swarm: SwarmKey) -> Option<&mut Item> {
        self.all.iter_mut().find(|item| item.swarm == Some(swarm))
    }

    /// The item of this file.
    pub fn of_file(&self, file: FileId) -> Option<&Item> {
        self.all.iter().find(|item| item.kept.file == Some(file))
    }

    /// The item that shares what lies at `path`.
    pub fn of_share(&self, path: &Path) -> Option<&Item> {
        let is_it = |item: &&Item| matches!(&item.kept.work, Work::Share(at) if at == path);
        self.all.iter().find(is_it)
    }

    /// The first item behind this number, or of all.
    pub fn after(&self, number: Option<u64>) -> Option<&Item> {
        let is_behind = |item: &&Item| number.is_none_or(|number| item.number > number);
        self.all.iter().find(is_behind)
    }

    /// Every item.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.all.iter()
    }

    /// Takes one out.
    pub fn remove(&mut self, number: u64) -> Option<Item> {
        let place = self.all.iter().position(|item| item.number == number)?;
        Some(self.all.remove(place))
    }

    /// What survives a restart.
    pub fn remembered(&self) -> Vec<Remembered> {
        self.all.iter().map(|item| item.kept.clone()).collect()
    }

    /// One that is to be taken up now.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let is_due = |item: &&Item| item.retry_at.is_some_and(|at| at <= now);
        self.all.iter().find(is_due).map(|item| item.number)
    }

    /// When the next is to be taken up.
    pub fn next_at(&self) -> Option<Instant> {
        let all = self.all.iter();
        all.fold(None, |next, item| earliest(next, item.retry_at))
    }

    /// Those that wait for another to go, or for somebody to ask, are taken up at once.
    pub fn wake(&mut self, now: Instant) {
        let waits = |item: &&mut Item| item.swarm.is_none() && item.why.is_some();
        self.all
            .iter_mut()
            .filter(waits)
            .for_each(|item| item.retry_at = Some(now));
    }

    /// The one that a person means by an id, the first digits of one, a link, or an absolute path.
    ///
    /// # Errors
    /// It is none or several; which is said.
    pub fn named(&self, word: &str) -> Result<u64, String> {
        let digits = match Link::parse(word) {
            Ok(link) => link.file.to_string(),
            Err(_) => word.to_ascii_lowercase(),
        };
        let is_id = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id && digits.len() < ID_DIGITS_MIN {
            return Err(format!(
                "too few digits of an id: {word} (at least {ID_DIGITS_MIN})"
            ));
        }
        let is_it = |item: &&Item| match is_id {
            true => item
                .kept
                .file
                .is_some_and(|file| file.to_string().starts_with(&digits)),
            false => item.path().is_some_and(|path| path == Path::new(word)),
        };
        let mut found = self.all.iter().filter(is_it);
        match (found.next(), found.next()) {
            (Some(item), None) => Ok(item.number),
            (Some(_), Some(_)) => Err(format!(
                "more than one file begins with {word} (see sprat ls)"
            )),
            (None, _) => Err(format!(
                "the service has no file {word} (an id, a link or a path: see sprat ls)"
            )),
        }
    }
}

impl Item {
    /// Where it lies, as far as that is known without its manifest.
    pub fn path(&self) -> Option<&Path> {
        match &self.kept.work {
            Work::Share(path) | Work::Fetched(path) => Some(path),
            Work::Fetch { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn items() -> Items {
        let mut items = Items::default();
        for (first, path) in [(0x12, "/a"), (0x13, "/b"), (0x13, "/c")] {
            let mut id = [0x44; 20];
            id[0] = first;
            if path == "/c" {
                id[19] = 0x55;
            }
            let kept = Remembered {
                work: Work::Share(path.into()),
                file: Some(FileId(Id(id))),
                proof: None,
                is_paused: false,
                is_from_folder: false,
            };
            items.push(kept, Instant::ZERO);
        }
        items
    }

    #[test]
    fn an_item_is_named_by_id_by_enough_digits_by_link_and_by_path() {
        let items = items();
        let rest = "44".repeat(18);
        assert_eq!(items.named("124444"), Ok(0));
        assert_eq!(items.named(&format!("12{rest}44")), Ok(0));
        assert_eq!(items.named(&format!("13{rest}55").to_uppercase()), Ok(2));
        assert_eq!(
            items.named(&format!("magnet:?xt=urn:btih:13{rest}44")),
            Ok(1)
        );
        assert_eq!(items.named("/b"), Ok(1));
        let wrong = |word: &str| items.named(word).unwrap_err();
        assert!(wrong("12444").starts_with("too few digits of an id: 12444 (at least 6)"));
        assert!(wrong("134444").starts_with("more than one file begins with 134444"));
        for word in ["144444", "/d", "b", "é", ""] {
            assert!(items.named(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_walk_by_number_survives_what_goes_meanwhile() {
        let mut items = items();
        assert_eq!(items.after(None).unwrap().number, 0);
        items.remove(1);
        assert_eq!(items.after(Some(0)).unwrap().number, 2);
        items.remove(2);
        assert!(items.after(Some(0)).is_none());
        let kept = items.find(0).unwrap().kept.clone();
        assert_eq!(items.push(kept, Instant::ZERO), 3);
    }
}
