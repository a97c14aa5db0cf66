//! Golden bytes: every datagram and frame kind, and every way in which they can be wrong.
//!
//! A fixture in `fixtures/contacts`, `datagram`, `frame`, `handshake`, `discovery`, `journal`,
//! `memory`, `node-id` or `verified` is annotated hex text, written from the byte rulers and not by
//! the encoder. It begins with `kind:` and the value it must parse to (`value:`, the `Debug` text,
//! which may take several lines), or with `error:` and the error that refuses it; `key:` gives the
//! network a key. Then come the bytes; `00*17` is seventeen of them. `#` begins a comment.

use sprat::envelope::EnvelopeError;
use sprat::id::{FileId, Id, NodeId};
use sprat::node::saved::{self, SavedError};
use sprat::service::StateDir;
use sprat::service::catalog::{self, CatalogError};
use sprat::store::record::{self, Unusable, Writer};
use sprat::store::verified::{self, VerifiedError};
use sprat::wire::Network;
use sprat::wire::native::handshake::{HandshakeError, Nonce, Nonces, Step};
use sprat::wire::native::{datagram, discovery, frame};
use sprat::wire::{
    Datagram, DatagramError, Discovery, DiscoveryError, Frame, FrameError, Header, Key,
};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// The byte of a buffer into which nothing has been emitted.
const FILL: u8 = 0xa5;

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

pub fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of fixtures");
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A fixture as it is written.
#[derive(Debug, Default)]
struct Fixture {
    path: PathBuf,
    kind: Option<String>,
    error: Option<String>,
    value: String,
    network: Option<Network>,
    bytes: Vec<u8>,
}

impl Fixture {
    fn read(path: PathBuf) -> Fixture {
        assert_eq!(
            path.extension().unwrap_or_default(),
            "hex",
            "unused fixture: {path:?}"
        );
        let text = std::fs::read_to_string(&path).unwrap();
        let mut fixture = Fixture {
            path,
            ..Fixture::default()
        };
        for line in text.lines() {
            let line = line.split('#').next().unwrap().trim();
            match line.split_once(": ") {
                Some(("kind", kind)) => fixture.kind = Some(kind.to_owned()),
                Some(("error", error)) => fixture.error = Some(error.to_owned()),
                Some(("key", key)) => fixture.network = Some(with_key(key)),
                Some(("value", part)) if fixture.value.is_empty() => fixture.value += part,
                Some(("value", part)) => fixture.value += &format!(" {part}"),
                Some(_) => panic!("what is {line:?} in {:?}?", fixture.path),
                None => line.split_whitespace().for_each(|word| fixture.push(word)),
            }
        }
        assert_ne!(
            fixture.kind.is_some(),
            fixture.error.is_some(),
            "{:?}",
            fixture.path
        );
        fixture
    }

    fn push(&mut self, word: &str) {
        let (byte, count) = word.split_once('*').unwrap_or((word, "1"));
        let byte = u8::from_str_radix(byte, 16).expect("two hexadecimal digits");
        let size = self.bytes.len() + count.parse::<usize>().expect("a count");
        self.bytes.resize(size, byte);
    }

    fn network(&self) -> Network {
        let open = Network::named(Network::DEFAULT_NAME);
        self.network.unwrap_or(open)
    }

    /// A network of another name, with the same key or none.
    fn another_network(&self) -> Network {
        let key = self.network.and_then(Network::key);
        key.map_or(Network::named("another"), |key| {
            Network::with_key("another", key)
        })
    }

    fn all(name: &str) -> Vec<Fixture> {
        files_of(&folder(name))
            .into_iter()
            .map(Fixture::read)
            .collect()
    }
}

/// Runs each fixture of a folder. `parse` gives the kind, the `Debug` text and the bytes emitted
/// again.
fn check<E: Debug>(
    name: &str,
    kinds: BTreeSet<String>,
    errors: BTreeSet<String>,
    parse: impl Fn(&[u8], Network) -> Result<(String, String, Vec<u8>), E>,
) {
    let mut missing: BTreeSet<String> = kinds.iter().map(|kind| format!("kind {kind}")).collect();
    missing.extend(errors.iter().map(|error| format!("error {error}")));
    for fixture in Fixture::all(name) {
        let path = &fixture.path;
        match parse(&fixture.bytes, fixture.network()) {
            Ok((kind, value, emitted)) => {
                assert_eq!(fixture.error, None, "{path:?} was parsed: {value}");
                assert_eq!(Some(&kind), fixture.kind.as_ref(), "{path:?}");
                assert_eq!(value, fixture.value, "{path:?}");
                assert_eq!(emitted, fixture.bytes, "{path:?} was emitted differently");
                missing.remove(&format!("kind {kind}"));
            }
            Err(error) => {
                let error = format!("{error:?}");
                assert_eq!(Some(&error), fixture.error.as_ref(), "{path:?}");
                missing.remove(&format!("error {error}"));
            }
        }
    }
    assert!(missing.is_empty(), "no fixture in {name} for {missing:?}");
}

/// The network of the default name with the key of these digits.
fn with_key(digits: &str) -> Network {
    let byte = |index: usize| u8::from_str_radix(&digits[2 * index..][..2], 16).expect("a key");
    let key = Key::new(std::array::from_fn(byte));
    Network::with_key(Network::DEFAULT_NAME, key)
}

/// The bytes that `emit` writes; asserts that it touches nothing beyond.
fn emitted(capacity: usize, emit: impl Fn(&mut [u8]) -> usize) -> Vec<u8> {
    let mut buffer = vec![FILL; capacity];
    let size = emit(&mut buffer);
    assert!(
        buffer[size..].iter().all(|&byte| byte == FILL),
        "wrote beyond its size"
    );
    buffer.truncate(size);
    buffer
}

#[test]
fn datagrams_are_what_their_fixtures_say() {
    let kinds = every!(datagram::Kind: Ping PingReply FindNode FindNodeReply FindValue
        FindValueReply Store StoreReply Replicate ReplicateReply Error);
    let errors = every!(DatagramError: TooShort TooLong Magic Version Kind Crc Tag Flags Cookie Seen
        Target File Token Provides ProviderCount ContactCount Provider Contact Port Ttl Status
        Code Padding Trailing);
    check("datagram", kinds, errors, |bytes, network| {
        let datagram = Datagram::parse(bytes, network)?;
        let emitted = emitted(2_048, |buffer| datagram.emit(network, buffer));
        assert_eq!(datagram.size() + network.tag_size(), emitted.len());
        let kind = format!("{:?}", datagram.body.kind());
        Ok::<_, DatagramError>((kind, format!("{datagram:?}"), emitted))
    });
}

#[test]
fn discovery_are_what_their_fixtures_say() {
    let kinds = every!(discovery::Kind: Query Response);
    let errors = every!(DiscoveryError: Length Magic Version Kind Crc Tag Reserved Port Cookie);
    check("discovery", kinds, errors, |bytes, network| {
        let message = Discovery::parse(bytes, network)?;
        let emitted = emitted(256, |buffer| message.emit(network, buffer));
        Ok::<_, DiscoveryError>((
            crate::every::variant(message.kind),
            format!("{message:?}"),
            emitted,
        ))
    });
}

#[test]
fn handshakes_are_what_their_fixtures_say() {
    let kinds = every!(Step: Hello Challenge Proof);
    let errors = every!(HandshakeError: Length Magic Version Step Reserved Tag);
    let (dialler, acceptor) = (nonce(0x50), nonce(0x70));
    check("handshake", kinds, errors, |bytes, network| {
        let key = network
            .key()
            .expect("a handshake is a network's with a key");
        // The bytes do not say which one is due; wrong ones are a `Hello` where there is a choice.
        let (step, known) = match (bytes.len(), bytes[2]) {
            (20, _) => (Step::Proof, Nonces { dialler, acceptor }),
            (_, 2) => (
                Step::Challenge,
                Nonces {
                    dialler,
                    ..Nonces::default()
                },
            ),
            _ => (Step::Hello, Nonces::default()),
        };
        let nonces = step.parse(bytes, known, key)?;
        let emitted = step.emit(&nonces, key).to_vec();
        Ok::<_, HandshakeError>((format!("{step:?}"), format!("{nonces:?}"), emitted))
    });
}

fn nonce(first: u8) -> Nonce {
    std::array::from_fn(|index| first + index as u8)
}

#[test]
fn frames_are_what_their_fixtures_say() {
    let kinds = every!(frame::Kind: Open Map Have ManifestRequest ManifestPart Request Data Cancel
        Refuse Providers KeepAlive Close);
    let errors = every!(FrameError: Magic Kind Reserved Length Crc Version Flags Holds
        ManifestSize ShardCount First PartLength PartOffset RangeLength RangeOffset Reason
        Location);
    check("frame", kinds, errors, |bytes, network| {
        let (head, body) = bytes.split_first_chunk().expect("a whole header");
        let header = Header::parse(head)?;
        let frame = Frame::parse(&header, body, network)?;
        assert_eq!(header.kind(), frame.kind());
        let emitted = emitted(32_768, |buffer| frame.emit(network, buffer));
        assert_eq!(frame.size(), emitted.len());
        Ok::<_, FrameError>((format!("{:?}", frame.kind()), format!("{frame:?}"), emitted))
    });
}

#[test]
fn lists_of_saved_contacts_are_what_their_fixtures_say() {
    let kinds = BTreeSet::from(["Contacts".to_owned()]);
    let errors = within_envelope(every!(SavedError: Envelope Network Count Contact Trailing));
    check("contacts", kinds, errors, |bytes, network| {
        let contacts = saved::parse(bytes, network).map_err(|error| match error {
            SavedError::Envelope(error) => Shown(format!("{error:?}")),
            error => Shown(format!("{error:?}")),
        })?;
        let emitted = saved::emit(&contacts, network);
        Ok::<_, Shown>(("Contacts".into(), format!("{contacts:?}"), emitted))
    });
}

#[test]
fn journals_are_what_their_fixtures_say() {
    let kinds = ["Journal", "History", "Torn"].map(str::to_owned);
    let errors = every!(Unusable: Damaged OtherFile Older Newer);
    let file = FileId(Id([0x11; 20]));
    check("journal", kinds.into(), errors, |bytes, _| {
        let replayed = record::replay(bytes, file, 200)?;
        let held: Vec<u32> = replayed.held.iter().collect();
        let (generation, good) = (replayed.header.generation, replayed.good_size);
        let closed = replayed.closed.map_or("no", |_| "yes");
        let value =
            format!("generation {generation}, held {held:?}, closed {closed}, {good} bytes good");
        let mut emitted = Vec::new();
        let mut writer = Writer::begin(replayed.header, &mut emitted);
        writer.gained(record::runs(held.into_iter()), &mut emitted);
        if let Some(stamp) = &replayed.closed {
            writer.closed(stamp, &mut emitted);
        }
        // No writer writes at once a record that follows a clean stop, or is damaged.
        let kind = match (good == bytes.len(), emitted == bytes) {
            (true, true) => "Journal",
            (true, false) => "History",
            (false, _) => "Torn",
        };
        Ok::<_, Unusable>((kind.into(), value, bytes.to_vec()))
    });
}

#[test]
fn lists_of_verified_files_are_what_their_fixtures_say() {
    let kinds = BTreeSet::from(["Verified".to_owned()]);
    let errors = every!(VerifiedError: Damaged Newer);
    check("verified", kinds, errors, |bytes, _| {
        let entries = verified::parse(bytes)?;
        let emitted = verified::emit(&entries);
        Ok::<_, VerifiedError>(("Verified".into(), format!("{entries:?}"), emitted))
    });
}

#[test]
fn catalogs_of_services_are_what_their_fixtures_say() {
    let kinds = BTreeSet::from(["Catalog".to_owned()]);
    let errors = within_envelope(
        every!(CatalogError: Envelope Count Entry Kind Flags Unknown Path
        Providers Trailing),
    );
    check("memory", kinds, errors, |bytes, _| {
        let entries = catalog::parse(bytes).map_err(|error| match error {
            CatalogError::Envelope(error) => Shown(format!("{error:?}")),
            error => Shown(format!("{error:?}")),
        })?;
        let emitted = catalog::emit(&entries);
        Ok::<_, Shown>(("Catalog".into(), format!("{entries:?}"), emitted))
    });
}

#[test]
fn node_ids_are_what_their_fixtures_say() {
    let kinds = BTreeSet::from(["NodeId".to_owned()]);
    let errors = ["Damaged", "Newer"].map(str::to_owned);
    let other = NodeId(Id([1; 20]));
    check("node-id", kinds, errors.into(), |bytes, _| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node-id");
        std::fs::write(&path, bytes).unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        match state.node_id(other) {
            Err(_) => {
                assert_eq!(
                    std::fs::read(&path).unwrap(),
                    bytes,
                    "a newer one is left alone"
                );
                Err(Shown("Newer".into()))
            }
            Ok(id) if id == other => Err(Shown("Damaged".into())),
            Ok(id) => {
                std::fs::remove_file(&path).unwrap();
                state.node_id(id).unwrap();
                let emitted = std::fs::read(&path).unwrap();
                Ok(("NodeId".into(), format!("{id}"), emitted))
            }
        }
    });
}

/// The errors of a format whose version is 1, with those of its envelope in place of `Envelope`.
fn within_envelope(mut errors: BTreeSet<String>) -> BTreeSet<String> {
    errors.remove("Envelope");
    errors.extend(every!(EnvelopeError: TooShort Crc Magic Newer Older Version));
    errors.remove("Older");
    errors
}

/// A word whose `Debug` text is itself.
struct Shown(String);

impl Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[test]
fn another_network_takes_every_fixture_for_damaged() {
    let right = |fixture: &Fixture| fixture.error.is_none();
    for fixture in Fixture::all("datagram").into_iter().filter(right) {
        let other = fixture.another_network();
        let parsed = Datagram::parse(&fixture.bytes, other);
        assert_eq!(parsed, Err(DatagramError::Crc));
    }
    for fixture in Fixture::all("discovery").into_iter().filter(right) {
        let other = fixture.another_network();
        assert_eq!(
            Discovery::parse(&fixture.bytes, other),
            Err(DiscoveryError::Crc)
        );
    }
    for fixture in Fixture::all("frame").into_iter().filter(right) {
        let (head, body) = fixture.bytes.split_first_chunk().unwrap();
        let header = Header::parse(head).unwrap();
        let other = fixture.another_network();
        assert_eq!(Frame::parse(&header, body, other), Err(FrameError::Crc));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_datagram_or_discovery_message_is_noticed() {
    for fixture in Fixture::all("datagram")
        .iter()
        .chain(&Fixture::all("discovery"))
        .filter(|fixture| fixture.error.is_none())
    {
        let network = fixture.network();
        let is_wrong = |bytes: &[u8]| {
            Datagram::parse(bytes, network).is_err() && Discovery::parse(bytes, network).is_err()
        };
        let mut bytes = fixture.bytes.clone();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            assert!(is_wrong(&bytes), "{:?}, bit {bit}", fixture.path);
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
        }
        for size in 0..bytes.len() {
            assert!(is_wrong(&bytes[..size]));
        }
    }
}

#[test]
fn there_is_no_other_folder_of_fixtures() {
    let names: Vec<_> = files_of(&folder(""));
    let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap()).collect();
    // `names`, `control` and `doctor` are read where they belong: by reactor::files::hostile,
    // cli::control and cli::doctor.
    let used = [
        "contacts",
        "control",
        "datagram",
        "discovery",
        "doctor",
        "frame",
        "handshake",
        "journal",
        "memory",
        "names",
        "node-id",
        "torrent",
        "verified",
    ];
    assert_eq!(names, used);
}
