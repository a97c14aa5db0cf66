//! Lookups over several hops: every node knows one other to begin with.

use crate::support::{Scratch, Sprat, assert_same, run, text, without_providers};

/// Nodes of the chain.
const NODES: usize = 12;
/// Of these, from the first on, share a file each.
const SHARERS: usize = 10;

#[test]
fn ten_files_of_ten_nodes_are_found_from_the_other_end_of_a_chain() {
    let scratch = Scratch::new();
    let mut nodes: Vec<Sprat> = Vec::new();
    let mut files = Vec::new();
    for number in 0..NODES {
        let place = scratch.place(&format!("node {number}"));
        let file = scratch.file(&format!("{number}.bin"), 70_000 + number);
        let bootstrap = nodes.last_mut().map(Sprat::address);
        let mut words = match number < SHARERS {
            true => vec!["share", "-v", text(&file)],
            false => vec!["node", "-v"],
        };
        words.extend(["-l", "127.0.0.1:0"]);
        words.extend(
            bootstrap
                .iter()
                .flat_map(|address| ["-b", address.as_str()]),
        );
        nodes.push(Sprat::start(&place, &words));
        files.push(file);
    }
    let links: Vec<String> = nodes[..SHARERS]
        .iter_mut()
        .map(|node| {
            node.announced();
            without_providers(&node.link(1))
        })
        .collect();

    let end = nodes.last_mut().unwrap().address();
    let place = scratch.place("get");
    for (link, file) in links.iter().zip(&files) {
        let ended = run(&place, &["get", "-l", "127.0.0.1:0", "-b", &end, link]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_same(file, &place.join(file.file_name().unwrap()));
    }
}
