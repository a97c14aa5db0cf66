//! The file of good contacts in the state folder (rule 15).
//!
//! [`saved`] decides on its contents and on when it is written; here it is read at the start and
//! replaced. With a damaged list, or one of another network, the node starts without contacts, and
//! the next list replaces it. Invariant: a list of a newer version stays as it is.

use super::Error;
use super::state_file::{read_sealed, replace};
use crate::address::Contact;
use crate::node::saved::{self, SAVED_SIZE_MAX, SavedError};
use crate::wire::Network;
use std::path::{Path, PathBuf};

/// The name of the list in the state folder.
pub(crate) const NAME: &str = "contacts";

/// The list of a node that keeps state.
#[derive(Debug)]
pub(super) struct ContactsFile {
    folder: PathBuf,
    network: Network,
}

impl ContactsFile {
    /// The list in the state folder `folder`, and the contacts in it that are of use in `network`.
    ///
    /// # Errors
    /// When it cannot be read, or was written by a newer version.
    pub fn open(folder: &Path, network: Network) -> Result<(ContactsFile, Vec<Contact>), Error> {
        let path = folder.join(NAME);
        let file = ContactsFile {
            folder: folder.to_path_buf(),
            network,
        };
        let bytes = read_sealed(&path, SAVED_SIZE_MAX, &saved::FORMAT)?;
        let parsed = bytes.map(|bytes| saved::parse(&bytes, network));
        let shown = path.display();
        match &parsed {
            None | Some(Ok(_)) => {}
            Some(Err(SavedError::Network)) => {
                log::info!("{shown} is of another network: it will be replaced");
            }
            Some(Err(_)) => log::warn!("{shown} is damaged: this node finds its contacts anew"),
        }
        Ok((file, parsed.and_then(Result::ok).unwrap_or_default()))
    }

    /// Replaces the list: one short file and two syncs.
    ///
    /// # Errors
    /// When it cannot be written; the list before it stands then.
    pub fn replace(&self, contacts: &[Contact]) -> Result<(), Error> {
        replace(&self.folder, NAME, &[&saved::emit(contacts, self.network)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::reactor::state_file::NEWER;
    use crate::rng::Rng;
    use std::fs;

    fn contacts() -> Vec<Contact> {
        let contact = |number: u64| Contact {
            id: NodeId(Rng::from_number(number).id()),
            address: ([192, 0, 2, number as u8], 4160).into(),
        };
        (1..4).map(contact).collect()
    }

    fn network() -> Network {
        Network::named("test")
    }

    #[test]
    fn rule_15_contacts_survive_and_any_damage_is_replaced() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join(NAME);
        let (file, none) = ContactsFile::open(base.path(), network()).unwrap();
        assert!(none.is_empty() && !path.exists(), "nothing is written yet");
        file.replace(&contacts()).unwrap();
        let good = fs::read(&path).unwrap();
        let read = || ContactsFile::open(base.path(), network()).map(|(_, contacts)| contacts);
        assert_eq!(read().unwrap(), contacts());
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                fs::write(&path, &bad).unwrap();
                assert_eq!(read().unwrap(), [], "bit {bit} of byte {at}");
            }
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(read().unwrap(), [], "cut at {at}");
        }
        for more in [1, SAVED_SIZE_MAX] {
            fs::write(&path, [&good[..], &vec![0; more]].concat()).unwrap();
            assert_eq!(read().unwrap(), [], "{more} bytes more");
        }
        file.replace(&contacts()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), good);
        assert!(!base.path().join("contacts.new").exists());
    }

    #[test]
    fn rule_15_a_newer_list_is_refused_and_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join(NAME);
        let mut newer = b"sprat-ct\x02whatever they may put there".to_vec();
        newer.extend(crc32fast::hash(&newer).to_be_bytes());
        fs::write(&path, &newer).unwrap();
        let error = ContactsFile::open(base.path(), network()).unwrap_err();
        let text = format!("cannot read {}: {NEWER}", path.display());
        assert_eq!(error.to_string(), text);
        assert_eq!(fs::read(&path).unwrap(), newer);
    }

    #[test]
    fn rule_15_contacts_of_another_network_are_not_taken_in() {
        let base = tempfile::tempdir().unwrap();
        let (file, _) = ContactsFile::open(base.path(), network()).unwrap();
        file.replace(&contacts()).unwrap();
        let (_, found) = ContactsFile::open(base.path(), Network::named("other")).unwrap();
        assert_eq!(found, []);
    }
}
