//! No two files import each other, nor do more of them in a circle.
//!
//! An import is a path in the code, resolved through `use` and `pub use` to the file that has the
//! item. The files of a module are one with it: a path to a file's own module or one around that
//! (`use super::Kad` for one more `impl Kad`) is no import.

use crate::rust::{Use, code, paths, shipped, uses};
use crate::sources::Source;
use std::collections::{BTreeMap, BTreeSet};

type Path = Vec<String>;

struct File {
    code: String,
    uses: Vec<Use>,
}

/// The files of a crate by their modules' path.
pub struct Crate(BTreeMap<Path, File>);

impl Crate {
    pub fn of(sources: &[Source]) -> Crate {
        let shipping = sources.iter().filter(|source| !source.is_test());
        let files = shipping.map(|source| {
            let modules = source.modules().into_iter().map(str::to_owned).collect();
            let code = code(shipped(&source.text));
            let uses = uses(&code);
            (modules, File { code, uses })
        });
        Crate(files.collect())
    }

    /// The circles: each the files that reach each other, by their modules' path.
    pub fn cycles(&self) -> Vec<String> {
        let files = self.0.keys();
        let imports = files
            .map(|file| (file.clone(), self.imports(file)))
            .collect();
        let reached: BTreeMap<&Path, BTreeSet<Path>> = self
            .0
            .keys()
            .map(|file| (file, reached(file, &imports)))
            .collect();
        let circle = |file: &Path| {
            let others = reached[file]
                .iter()
                .filter(|other| reached[*other].contains(file));
            let others: Vec<String> = others.map(|other| other.join("/")).collect();
            others.join(" ↔ ")
        };
        let circles = self.0.keys().filter(|file| reached[file].contains(*file));
        let distinct: BTreeSet<String> = circles.map(circle).collect();
        distinct.into_iter().collect()
    }

    /// The files that a file imports.
    fn imports(&self, file: &Path) -> BTreeSet<Path> {
        let File { code, uses } = &self.0[file];
        let inline = paths(code).into_iter();
        let inline = inline.map(|path| path.split("::").map(str::to_owned).collect());
        let named = inline.chain(uses.iter().map(|item| item.path.clone()));
        named
            .filter_map(|path: Path| self.resolve(&self.absolute(file, &path)?, 0))
            .filter(|to| !file.starts_with(to))
            .collect()
    }

    /// A path that `file` names, from the crate's root; `None` when it leads out of the crate.
    fn absolute(&self, file: &Path, path: &Path) -> Option<Path> {
        let supers = path.iter().take_while(|name| *name == "super").count();
        let rest = &path[supers..];
        let whole = match path.first()?.as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [file, &path[1..]].concat(),
            "super" => [&file[..file.len().checked_sub(supers)?], rest].concat(),
            child => {
                let inside = [file.as_slice(), &[child.to_owned()]].concat();
                let path = [file, path.as_slice()].concat();
                return (path.len() > 1 && self.0.contains_key(&inside)).then_some(path);
            }
        };
        Some(whole)
    }

    /// The file that has the item of an absolute path.
    fn resolve(&self, path: &[String], depth: usize) -> Option<Path> {
        let lengths = (1..=path.len()).rev();
        let length = lengths
            .into_iter()
            .find(|&length| self.0.contains_key(&path[..length]))?;
        let (file, rest) = path.split_at(length);
        let file = file.to_vec();
        let Some(name) = rest
            .first()
            .filter(|name| depth < 8 && !self.defines(&file, name))
        else {
            return Some(file);
        };
        for item in &self.0[&file].uses {
            let Some(from) = self.absolute(&file, &item.path) else {
                continue;
            };
            if item.name == *name {
                return self.resolve(&[&from, &rest[1..]].concat(), depth + 1);
            }
            if item.name == "*" {
                let found = self.resolve(&[&from, rest].concat(), depth + 1);
                if found
                    .as_ref()
                    .is_some_and(|found| self.defines(found, name))
                {
                    return found;
                }
            }
        }
        Some(file)
    }

    fn defines(&self, file: &Path, name: &str) -> bool {
        let kinds = [
            "struct",
            "enum",
            "fn",
            "const",
            "trait",
            "type",
            "static",
            "macro_rules!",
        ];
        let code = &self.0[file].code;
        let ends = |rest: &str| {
            !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
        };
        kinds.iter().any(|kind| {
            let item = format!("{kind} {name}");
            code.match_indices(&item)
                .any(|(at, _)| ends(&code[at + item.len()..]))
        })
    }
}

/// The files that a file leads to.
fn reached(file: &Path, imports: &BTreeMap<Path, BTreeSet<Path>>) -> BTreeSet<Path> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        for next in &imports[file] {
            if reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    reached
}

// -- proof that the rule can fail

fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    let source = |&(path, text): &(&str, &str)| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    Crate::of(&files.iter().map(source).collect::<Vec<_>>()).cycles()
}

#[test]
fn files_that_import_each_other_are_found_through_every_kind_of_path() {
    let b = ("src/a/b.rs", "pub struct B;");
    let found = cycles(&[
        ("src/a/mod.rs", "mod b; mod c; pub use c::C; pub struct A;"),
        ("src/a/b.rs", "use super::{A, C}; pub struct B;"),
        ("src/a/c.rs", "fn f() { crate::a::b::g() } pub struct C;"),
    ]);
    assert_eq!(found, ["a/b ↔ a/c"]);
    let found = cycles(&[
        ("src/lib.rs", "mod a; mod d; mod e;"),
        ("src/a/mod.rs", "pub mod b; pub use self::b::*;"),
        ("src/a/b.rs", "use crate::d::D as Other; pub struct B;"),
        ("src/d.rs", "use crate::e; pub struct D;"),
        ("src/e.rs", "type X = crate::a::B;"),
    ]);
    assert_eq!(found, ["a/b ↔ d ↔ e"]);
    let found = cycles(&[b, ("src/a/mod.rs", "mod b; use b::B; pub struct A;")]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn imports_of_one_direction_are_no_cycle() {
    let found = cycles(&[
        (
            "src/a/mod.rs",
            "mod b; mod c; use b::B; pub struct A { b: B, c: c::C }",
        ),
        (
            "src/a/b.rs",
            "use super::A; use super::c::C; pub struct B; impl A {}",
        ),
        (
            "src/a/c.rs",
            "// use super::b::B;\npub struct C;\n\
             #[cfg(test)]\nmod tests { use super::super::b::B; }",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}
