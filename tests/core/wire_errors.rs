//! Each way in which bencode, a name or a manifest can be wrong has its own error.

use crate::every::variant;
use sprat::limits::{
    BENCODE_DEPTH_MAX, ENTRIES_MAX, FILE_SIZE_MAX, MANIFEST_SIZE_MAX, METAINFO_SIZE_MAX,
    NAME_SIZE_MAX, PATH_DEPTH_MAX,
};
use sprat::wire::bencode::{BencodeError, Decoder, Problem};
use sprat::wire::manifest::Key;
use sprat::wire::name::{self, Conflict, NameError};
use sprat::wire::{Entries, Manifest, ManifestError};
use std::collections::BTreeSet;

fn skipped(text: &str) -> Result<(), (usize, Problem)> {
    let mut decoder = Decoder::new(text.as_bytes());
    let all = decoder.skip().and_then(|_| decoder.end());
    all.map_err(|BencodeError { at, problem }| (at, problem))
}

#[test]
fn bencode_has_one_encoding_of_each_value() {
    for right in [
        "i0e",
        "i-7e",
        "i9223372036854775807e",
        "0:",
        "3:abc",
        "le",
        "de",
        "d0:i1e1:ale2:aadee",
    ] {
        assert_eq!(skipped(right), Ok(()), "{right}");
    }
    let too_deep = nested(BENCODE_DEPTH_MAX + 1);
    let mut met = BTreeSet::new();
    for (wrong, at, problem) in [
        ("", 0, Problem::Cut),
        ("i1", 2, Problem::Cut),
        ("5:abcd", 0, Problem::Cut),
        ("99999999999999999999:", 0, Problem::Range),
        ("18446744073709551615:", 0, Problem::Cut),
        ("l", 1, Problem::Cut),
        ("d1:a", 4, Problem::Cut),
        ("x", 0, Problem::NotAValue),
        ("e", 0, Problem::NotAValue),
        ("di1ei2ee", 1, Problem::NotAString),
        ("i01e", 0, Problem::Number),
        ("i-0e", 0, Problem::Number),
        ("i-01e", 0, Problem::Number),
        ("ie", 0, Problem::Number),
        ("i-e", 0, Problem::Number),
        ("i+1e", 0, Problem::Number),
        ("i1 e", 0, Problem::Number),
        ("li00ee", 1, Problem::Number),
        ("01:a", 0, Problem::Number),
        ("i9223372036854775808e", 0, Problem::Range),
        ("i99999999999999999999e", 0, Problem::Range),
        ("d1:bi1e1:ai2ee", 7, Problem::KeyOrder),
        ("d1:ai1e1:ai2ee", 7, Problem::KeyOrder),
        ("i1ei2e", 3, Problem::Trailing),
        (&too_deep, BENCODE_DEPTH_MAX as usize, Problem::Depth),
    ] {
        assert_eq!(skipped(wrong), Err((at, problem)), "{wrong}");
        met.insert(variant(problem));
    }
    let decoder = |text: &'static str| Decoder::new(text.as_bytes());
    assert_eq!(
        decoder("i-1e").unsigned().map_err(|error| error.problem),
        Err(Problem::Range)
    );
    for (result, problem) in [
        (decoder("0:").unsigned().map(|_| ()), Problem::NotAnInteger),
        (decoder("i1e").string().map(|_| ()), Problem::NotAString),
        (decoder("de").list(), Problem::NotAList),
        (
            decoder("le").dictionary().map(|_| ()),
            Problem::NotADictionary,
        ),
    ] {
        assert_eq!(result, Err(BencodeError { at: 0, problem }));
        met.insert(variant(problem));
    }
    let all = every!(Problem: Cut NotAnInteger NotAString NotAList NotADictionary NotAValue Number
        Range KeyOrder Depth Trailing);
    assert_eq!(met, all);
}

fn nested(depth: u32) -> String {
    "l".repeat(depth as usize) + &"e".repeat(depth as usize)
}

#[test]
fn bencode_is_nested_as_deep_as_allowed() {
    assert_eq!(skipped(&nested(BENCODE_DEPTH_MAX)), Ok(()));
    assert!(skipped(&"l".repeat(1_000_000)).is_err());
}

#[test]
fn a_name_stays_below_its_folder_and_survives_every_file_system() {
    for right in [
        "a", "a.b", ".hidden", "..a", "...x", "conan", "com", "com0", "lpt10", "ä ☃", "a b",
    ] {
        assert_eq!(name::parse(right.as_bytes()), Ok(right));
    }
    let mut met = BTreeSet::new();
    for (wrong, error) in [
        ("", NameError::Empty),
        (".", NameError::Dots),
        ("..", NameError::Dots),
        ("/etc", NameError::Separator),
        ("a/../b", NameError::Separator),
        ("a\\b", NameError::Separator),
        ("a\0b", NameError::Control),
        ("a\n", NameError::Control),
        ("\x1b[2J", NameError::Control),
        ("a\x7f", NameError::Control),
        ("a\u{85}b", NameError::Control),
        ("a.", NameError::DroppedEnd),
        ("...", NameError::DroppedEnd),
        ("a ", NameError::DroppedEnd),
        ("CON", NameError::Device),
        ("nul.txt", NameError::Device),
        ("Com1.a.b", NameError::Device),
        ("LPT9", NameError::Device),
        ("aux .c", NameError::Device),
        (&"a".repeat(NAME_SIZE_MAX + 1), NameError::TooLong),
    ] {
        assert_eq!(name::parse(wrong.as_bytes()), Err(error), "{wrong:?}");
        met.insert(variant(error));
    }
    assert_eq!(name::parse(b"\xff"), Err(NameError::NotUtf8));
    assert!(name::parse("a".repeat(NAME_SIZE_MAX).as_bytes()).is_ok());
    met.insert(variant(NameError::NotUtf8));
    // Errors of paths alone: the table of manifests tries them.
    met.extend([NameError::NoComponent, NameError::TooDeep].map(variant));
    let all = every!(NameError: Empty TooLong NotUtf8 Dots Separator Control DroppedEnd Device
        NoComponent TooDeep);
    assert_eq!(met, all);
}

#[test]
fn two_paths_of_a_folder_never_meet() {
    let check = |paths: &[&str]| name::check_paths(paths.iter().copied());
    assert_eq!(check(&["a", "a!", "b/a", "b/c/a", "ab", "a.b/c"]), Ok(()));
    assert_eq!(check(&["a", "b", "a"]), Err(Conflict::Repeated(2)));
    assert_eq!(check(&["A/é", "x", "a/É"]), Err(Conflict::Repeated(2)));
    assert_eq!(check(&["a/b", "a!", "a"]), Err(Conflict::FileAsFolder(2)));
    assert_eq!(
        check(&["a", "a!b", "A/b/c"]),
        Err(Conflict::FileAsFolder(2))
    );
}

/// A single file's manifest of these values, each bencoded.
fn single(length: &str, name: &str, piece_length: &str, pieces: &str) -> String {
    format!("d6:length{length}4:name{name}12:piece length{piece_length}6:pieces{pieces}e")
}

/// A folder's manifest of files that are all empty.
fn folder(files: &str) -> String {
    format!("d5:files{files}4:name1:n12:piece lengthi16384e6:pieces0:e")
}

/// A file of a folder.
fn file(size: u64, path: &[&str]) -> String {
    let path: String = path
        .iter()
        .map(|name| format!("{}:{name}", name.len()))
        .collect();
    format!("d6:lengthi{size}e4:pathl{path}ee")
}

fn hash(count: usize) -> String {
    format!("{}:{}", count * 20, "h".repeat(count * 20))
}

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(text.as_bytes())
}

#[test]
fn a_manifest_that_breaks_no_rule_is_read() {
    let text = single("i16385e", "1:n", "i16384e", &hash(2));
    let manifest = parse(&text).unwrap();
    assert_eq!(
        (manifest.name(), manifest.size(), manifest.is_folder()),
        ("n", 16_385, false)
    );
    assert_eq!((manifest.shard_count(), manifest.shard_size()), (2, 16_384));
    assert_eq!(
        (manifest.shard_length(0), manifest.shard_length(1)),
        (16_384, 1)
    );
    assert_eq!(manifest.shard_length(2), 0);
    assert_eq!(manifest.shard_hash(1), b"hhhhhhhhhhhhhhhhhhhh");
    assert_eq!(manifest.bytes(), text.as_bytes());
    let empty = parse(&single("i0e", "1:n", "i16384e", "0:")).unwrap();
    assert_eq!(
        (empty.shard_count(), empty.segments(0, 0, 1).count()),
        (0, 0)
    );
    let deep = vec!["d"; PATH_DEPTH_MAX];
    let files = format!("l{}{}e", file(0, &deep), file(0, &["e", "f"]));
    let manifest = parse(&folder(&files)).unwrap();
    assert_eq!(manifest.entries().path(1), "e/f");
}

#[test]
fn each_error_of_a_manifest_is_told() {
    let right = single("i1e", "1:n", "i16384e", &hash(1));
    let files = |files: &[String]| folder(&format!("l{}e", files.concat()));
    let many = vec![file(0, &["f"]); ENTRIES_MAX + 1];
    let path = |name| files(&[file(0, &["f"]), file(0, &["a", name])]);
    let value = |key, at, problem| ManifestError::Value(key, BencodeError { at, problem });
    let deep = vec!["d"; PATH_DEPTH_MAX + 1];
    let mut met = BTreeSet::new();
    for (text, error) in [
        (" ".repeat(MANIFEST_SIZE_MAX + 1), ManifestError::TooLarge),
        ("le".into(), syntax(0, Problem::NotADictionary)),
        (format!("{right}x"), syntax(right.len(), Problem::Trailing)),
        ("d1:bi1e1:ai1ee".into(), syntax(7, Problem::KeyOrder)),
        (
            "d6:length1:ae".into(),
            value(Key::Length, 9, Problem::NotAnInteger),
        ),
        (
            "d6:lengthi-1ee".into(),
            value(Key::Length, 9, Problem::Range),
        ),
        (
            "d4:namei1ee".into(),
            value(Key::Name, 7, Problem::NotAString),
        ),
        (
            "d12:piece length1:ae".into(),
            value(Key::PieceLength, 16, Problem::NotAnInteger),
        ),
        (
            "d6:piecesi1ee".into(),
            value(Key::Pieces, 9, Problem::NotAString),
        ),
        (folder("0:"), value(Key::Files, 0, Problem::NotAList)),
        (
            folder("li1ee"),
            value(Key::Files, 1, Problem::NotADictionary),
        ),
        (
            folder("ld6:lengthi0e4:path1:aee"),
            value(Key::Path, 19, Problem::NotAList),
        ),
        (
            folder("ld6:length0:4:pathl1:aeee"),
            value(Key::Length, 10, Problem::NotAnInteger),
        ),
        (
            folder("ld4:pathl1:aeee"),
            ManifestError::Missing(Key::Length),
        ),
        (folder("ld6:lengthi0eee"), ManifestError::Missing(Key::Path)),
        ("de".into(), ManifestError::Missing(Key::Pieces)),
        ("d6:pieces0:e".into(), ManifestError::Missing(Key::Name)),
        (
            "d4:name1:n6:pieces0:e".into(),
            ManifestError::Missing(Key::PieceLength),
        ),
        (
            "d4:name1:n12:piece lengthi16384e6:pieces0:e".into(),
            ManifestError::Missing(Key::Length),
        ),
        ("d9:file treedee".into(), ManifestError::VersionTwo),
        (
            "d5:filesle6:lengthi0e4:name1:n12:piece lengthi16384e6:pieces0:e".into(),
            ManifestError::LengthAndFiles,
        ),
        (folder("le"), ManifestError::NoEntries),
        (files(&many), ManifestError::TooManyEntries),
        (
            single("i1e", "1:n", "i0e", &hash(1)),
            ManifestError::ShardSize,
        ),
        (
            single("i1e", "1:n", "i8192e", &hash(1)),
            ManifestError::ShardSize,
        ),
        (
            single("i1e", "1:n", "i16385e", &hash(1)),
            ManifestError::ShardSize,
        ),
        (
            single("i1e", "1:n", "i33554432e", &hash(1)),
            ManifestError::ShardSize,
        ),
        (
            single("i1e", "1:n", "i4294967296e", &hash(1)),
            ManifestError::ShardSize,
        ),
        (
            single(&format!("i{}e", FILE_SIZE_MAX + 1), "1:n", "i16384e", "0:"),
            ManifestError::TotalSize,
        ),
        (
            files(&[
                file(1 << 62, &["a"]),
                file(1 << 62, &["b"]),
                file(1 << 62, &["c"]),
            ]),
            ManifestError::TotalSize,
        ),
        (single("i1e", "1:n", "i16384e", "0:"), ManifestError::Hashes),
        (
            single("i0e", "1:n", "i16384e", &hash(1)),
            ManifestError::Hashes,
        ),
        (
            single("i16385e", "1:n", "i16384e", &hash(1)),
            ManifestError::Hashes,
        ),
        (
            single("i1e", "1:n", "i16384e", "19:hhhhhhhhhhhhhhhhhhh"),
            ManifestError::Hashes,
        ),
        (
            single("i1e", "2:..", "i16384e", &hash(1)),
            ManifestError::Name(NameError::Dots),
        ),
        (path(".."), ManifestError::Path(1, NameError::Dots)),
        (path("b/c"), ManifestError::Path(1, NameError::Separator)),
        (
            files(&[file(0, &[])]),
            ManifestError::Path(0, NameError::NoComponent),
        ),
        (
            files(&[file(0, &deep)]),
            ManifestError::Path(0, NameError::TooDeep),
        ),
        (
            files(&[file(0, &["a"]), file(0, &["A"])]),
            ManifestError::Repeated(1),
        ),
        (
            files(&[file(0, &["a"]), file(0, &["a", "b"])]),
            ManifestError::FileAsFolder(1),
        ),
    ] {
        let shown: String = text.chars().take(200).collect();
        assert_eq!(parse(&text).map(|_| ()), Err(error), "{shown}");
        met.insert(variant(error));
    }
    let all = every!(ManifestError: TooLarge Syntax Value Missing VersionTwo LengthAndFiles
        NoEntries TooManyEntries ShardSize TotalSize Hashes Name Path Repeated FileAsFolder);
    assert_eq!(met, all);
}

fn syntax(at: usize, problem: Problem) -> ManifestError {
    ManifestError::Syntax(BencodeError { at, problem })
}

#[test]
fn each_error_of_a_metainfo_file_is_told() {
    let read = |text: &str| Manifest::from_metainfo(text.as_bytes()).map(|_| ());
    let info = single("i1e", "1:n", "i16384e", &hash(1));
    assert_eq!(
        read(&format!("d8:announce1:x4:info{info}5:nodeslee")),
        Ok(())
    );
    assert_eq!(read("de"), Err(ManifestError::Missing(Key::Info)));
    assert_eq!(read("4:info"), Err(syntax(0, Problem::NotADictionary)));
    assert_eq!(read("<html>"), Err(syntax(0, Problem::NotADictionary)));
    assert_eq!(
        read(&format!("d4:info{info}ee")),
        Err(syntax(info.len() + 8, Problem::Trailing))
    );
    assert_eq!(
        read(&" ".repeat(METAINFO_SIZE_MAX + 1)),
        Err(ManifestError::TooLarge)
    );
}

#[test]
fn a_manifest_that_a_reader_would_refuse_is_not_built() {
    let build = |name: &str, entries: &[(&str, u64)], hashes: &[u8]| {
        let entries = Entries::of(entries.iter().copied())?;
        Manifest::build(name, true, entries, 65_536, hashes).map(|_| ())
    };
    assert_eq!(build("n", &[("a/b", 1)], &[0; 20]), Ok(()));
    assert_eq!(
        build("", &[("a", 0)], &[]),
        Err(ManifestError::Name(NameError::Empty))
    );
    assert_eq!(build("n", &[], &[]), Err(ManifestError::NoEntries));
    assert_eq!(build("n", &[("a", 1)], &[]), Err(ManifestError::Hashes));
    let wrong = ManifestError::Path(0, NameError::Empty);
    assert_eq!(build("n", &[("a//b", 0)], &[]), Err(wrong));
    let repeated = build("n", &[("a", 0), ("b", 0), ("A", 0)], &[]);
    assert_eq!(repeated, Err(ManifestError::Repeated(2)));
}

#[test]
fn a_shard_size_is_chosen_that_makes_at_most_2048_shards() {
    for (total, size) in [
        (0, 16 << 10),
        (1, 16 << 10),
        (32 << 20, 16 << 10),
        ((32 << 20) + 1, 32 << 10),
        (128 << 20, 64 << 10),
        (1 << 30, 512 << 10),
        (32 << 30, 16 << 20),
        (1 << 40, 16 << 20),
    ] {
        assert_eq!(Manifest::shard_size_for(total), size, "{total}");
    }
}
