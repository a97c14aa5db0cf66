//! Hostile names and folders that change under our hands: nothing outside the folder is touched.

use crate::reactor::files::openat::{self, Access};
use crate::wire::{Manifest, ManifestError};
use rustix::fs::{CWD, RenameFlags};
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// One line of the corpus.
struct Case {
    line: &'static str,
    verdict: &'static str,
    components: Vec<Vec<u8>>,
}

fn corpus() -> Vec<Case> {
    let text = include_str!("../../../../fixtures/names/hostile.txt");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let cases: Vec<Case> = lines.map(case).collect();
    assert!(cases.len() >= 200);
    cases
}

fn case(line: &'static str) -> Case {
    let mut words = line.split_whitespace();
    Case {
        line,
        verdict: words.next().unwrap(),
        components: words
            .filter(|word| *word != "(none)")
            .map(component)
            .collect(),
    }
}

fn component(word: &str) -> Vec<u8> {
    let (unit, count) = word.split_once('*').unwrap_or((word, "1"));
    let mut bytes = vec![];
    let mut parts = unit.split("\\x");
    bytes.extend(parts.next().unwrap().bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    match word {
        "-" => vec![],
        _ => bytes.repeat(count.parse().unwrap()),
    }
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [bytes.len().to_string().as_bytes(), b":", bytes].concat()
}

/// A manifest of a folder `f` with one file of one byte at this path.
fn folder_manifest(components: &[Vec<u8>]) -> Result<Manifest, ManifestError> {
    let path: Vec<u8> = components.iter().flat_map(|part| text(part)).collect();
    let hash = [b'x'; 20];
    let parts: [&[u8]; 5] = [
        b"d5:filesld6:lengthi1e4:pathl",
        &path,
        b"eee4:name1:f12:piece lengthi16384e6:pieces20:",
        &hash,
        b"e",
    ];
    Manifest::parse(&parts.concat())
}

/// A manifest of a file of one byte with this name.
fn file_manifest(name: &[u8]) -> Result<Manifest, ManifestError> {
    let name = text(name);
    let hash = [b'x'; 20];
    let parts: [&[u8]; 5] = [
        b"d6:lengthi1e4:name",
        &name,
        b"12:piece lengthi16384e6:pieces20:",
        &hash,
        b"e",
    ];
    Manifest::parse(&parts.concat())
}

/// A folder, and everything beside it that must not change.
struct Ground {
    base: tempfile::TempDir,
    root: PathBuf,
}

impl Ground {
    fn new() -> Ground {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("out/root");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir(base.path().join("outside")).unwrap();
        fs::write(base.path().join("outside/file"), "theirs").unwrap();
        Ground { base, root }
    }

    #[track_caller]
    fn assert_untouched(&self, what: &str) {
        let list = |path: &Path| {
            let mut names: Vec<_> = fs::read_dir(path)
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        let base = self.base.path();
        assert_eq!(list(base), ["out", "outside"], "{what}");
        assert_eq!(list(&base.join("out")), ["root"], "{what}");
        assert_eq!(list(&base.join("outside")), ["file"], "{what}");
        assert_eq!(
            fs::read(base.join("outside/file")).unwrap(),
            b"theirs",
            "{what}"
        );
    }
}

#[test]
fn each_hostile_name_is_refused_or_stays_in_its_folder() {
    for Case {
        line,
        verdict,
        components,
    } in corpus()
    {
        let expected = |prefix: &str| match verdict {
            "ok" => "ok".to_owned(),
            verdict => format!("{prefix}{verdict})"),
        };
        let word = |result: &Result<Manifest, ManifestError>| match result {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        let manifest = folder_manifest(&components);
        assert_eq!(word(&manifest), expected("Path(0, "), "{line}");
        if let [name] = components.as_slice() {
            assert_eq!(word(&file_manifest(name)), expected("Name("), "{line}");
        }
        let ground = Ground::new();
        // Whether or not it is refused before: what opens files does not rely on that.
        let joined = components.join(&b'/');
        let path = match &manifest {
            Ok(manifest) => PathBuf::from(manifest.entries().path(0)),
            Err(_) => PathBuf::from(OsStr::from_bytes(&joined)),
        };
        let opened = openat::open(&ground.root, &path, Access::Create);
        if let Ok(mut file) = opened {
            file.write_all(b"ours").unwrap();
        } else {
            assert!(manifest.is_err(), "{line}");
        }
        ground.assert_untouched(line);
    }
}

#[test]
fn a_folder_that_becomes_a_link_while_it_is_walked_leads_nowhere() {
    let ground = Ground::new();
    let (folder, link) = (ground.root.join("a"), ground.root.join("link"));
    fs::create_dir(&folder).unwrap();
    symlink("../../outside", &link).unwrap();
    let is_over = AtomicBool::new(false);
    let (mut made, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        // Both must have happened often, whatever else the machine does.
        while made + refused < 5_000 || made.min(refused) < 100 {
            for name in ["a/file", "a/new", "a/b/c"] {
                for access in [Access::Create, Access::Write] {
                    match openat::open(&ground.root, Path::new(name), access) {
                        Ok(mut file) => {
                            made += 1;
                            file.write_all(b"ours").unwrap();
                        }
                        Err(_) => refused += 1,
                    }
                }
            }
            if std::time::Instant::now() > deadline {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(made > 0 && refused > 0, "{made} opened, {refused} refused");
    ground.assert_untouched("links");
}
