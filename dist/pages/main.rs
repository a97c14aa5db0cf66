//! Writes the parts that are made from the help, of the man page, the completions and the README.
//!
//! `cargo bench --profile dev --bench pages`, after a change of a command or an option. The tests
//! (`tests/program/manual`) assert that what is written is current.

mod completions;
mod help;
mod made;
mod page;

fn main() {
    for (name, text) in made::files() {
        std::fs::write(made::path(name), text).expect("it can be written");
        println!("{name}");
    }
}
