//! Files that travel from one process to another, of every shape.

use crate::support::{
    Proxy, Scratch, Sprat, assert_same, run, text, with_providers, without_providers,
};
use rustix::process::Signal;
use std::fs;

#[test]
fn a_file_is_found_and_fetched_through_a_third_node() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 64 << 20);
    let mut node = Sprat::node(&scratch.place("node"), "127.0.0.1:0", None);
    let bootstrap = node.address();
    let words = [
        "share",
        "-v",
        "-l",
        "127.0.0.2:0",
        "-b",
        &bootstrap,
        text(&file),
    ];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    assert!(
        link.contains("&dn=file.bin") && link.contains("&x.pe=127.0.0.2:"),
        "{link}"
    );
    share.announced();

    let place = scratch.place("get");
    let link = without_providers(&link);
    let words = [
        "get",
        "--json",
        "-l",
        "127.0.0.3:0",
        "-b",
        &bootstrap,
        &link,
    ];
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &place.join("file.bin"));
    let event = |name: &str| {
        let start = format!("{{\"event\":\"{name}\"");
        ended
            .out
            .iter()
            .find(|line| line.starts_with(&start))
            .cloned()
            .unwrap_or_default()
    };
    assert!(event("lookup").contains("\"providers\":1,"), "{ended:?}");
    assert!(event("connected").contains("127.0.0.2:"), "{ended:?}");
    assert!(
        event("complete").contains(&format!("\"bytes\":{},", 64 << 20)),
        "{ended:?}"
    );

    let ended = share.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.assert_said(&format!("sent {} bytes", 64 << 20));
}

#[test]
fn files_of_the_sizes_where_shards_begin_and_end_arrive() {
    let scratch = Scratch::new();
    let shard = 64 * 1024;
    let files = [0, 1, shard - 1, shard, shard + 1, 3 * shard]
        .map(|size| scratch.file(&format!("{size}.bin"), size));
    let mut words = vec!["share", "-l", "127.0.0.1:0"];
    words.extend(files.iter().map(|file| text(file)));
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let place = scratch.place("get");
    for (index, file) in files.iter().enumerate() {
        let link = share.link(index + 1);
        let ended = run(&place, &["get", "-q", "-l", "127.0.0.1:0", &link]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.is_empty(), "quiet is quiet: {ended:?}");
        let [path] = ended.out.as_slice() else {
            panic!("one path: {ended:?}")
        };
        assert_same(file, &place.join(path));
        assert_eq!(place.join(path).file_name(), file.file_name());
    }
}

#[test]
fn a_folder_arrives_with_everything_in_it() {
    let scratch = Scratch::new();
    let shapes = [
        ("tree/empty", 0),
        ("tree/one", 1),
        ("tree/sub/empty too", 0),
        ("tree/sub/another", 1),
        ("tree/sub/deep/er/and/deeper", 100_000),
        ("tree/ünïcödé 名前 🐟.txt", 777),
        ("tree/z spans several shards.bin", 1_000_003),
    ];
    shapes
        .iter()
        .for_each(|(name, size)| drop(scratch.file(name, *size)));
    let tree = scratch.place("tree");
    let mut share = Sprat::start(
        &scratch.place("share"),
        &["share", "-l", "127.0.0.1:0", text(&tree)],
    );
    let link = share.link(1);
    let place = scratch.place("get");
    let ended = run(&place, &["get", "-l", "127.0.0.1:0", &link, "-o", "copy"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&tree, &place.join("copy"));
}

#[test]
fn an_output_can_be_a_name_or_a_folder() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 100_000);
    let mut share = Sprat::start(
        &scratch.place("share"),
        &["share", "-l", "127.0.0.1:0", text(&file)],
    );
    let link = share.link(1);
    let place = scratch.place("get");
    let folder = scratch.place("get/folder");
    let get = |output: &str| run(&place, &["get", "-l", "127.0.0.1:0", &link, "-o", output]);
    assert_eq!(get("name").code, Some(0));
    assert_same(&file, &place.join("name"));
    assert_eq!(get("folder").code, Some(0));
    assert_same(&file, &folder.join("file.bin"));
}

#[test]
fn a_folder_fetched_to_a_name_is_found_there_again() {
    let scratch = Scratch::new();
    scratch.file("tree/one", 1000);
    scratch.file("tree/sub/two", 0);
    let tree = scratch.place("tree");
    let words = ["share", "-l", "127.0.0.1:0", text(&tree)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    let place = scratch.place("get");
    let get = || run(&place, &["get", "-l", "127.0.0.1:0", &link, "-o", "new"]);
    assert_eq!(get().out, ["new"]);
    let again = get();
    assert_eq!(again.out, ["new"], "{again:?}");
    again.assert_said("already complete: new");
    assert!(
        !again.err.iter().any(|line| line.contains("earlier try")),
        "{again:?}"
    );
    assert_same(&tree, &place.join("new"));
    // Another folder of that name is the place for it.
    fs::write(place.join("new/one"), "edited").unwrap();
    assert_eq!(get().out, ["new/tree"]);
    assert_same(&tree, &place.join("new/tree"));
}

#[test]
fn an_interrupted_fetch_goes_on_where_it_stopped() {
    let scratch = Scratch::new();
    let size = 32 << 20;
    let file = scratch.file("file.bin", size);
    let mut share = Sprat::start(
        &scratch.place("share"),
        &["share", "-l", "127.0.0.1:0", text(&file)],
    );
    let (server, link) = (share.address(), share.link(1));
    let proxy = Proxy::start(&server, size as u64 / 2);
    let link = with_providers(&link, &[proxy.address]);
    let place = scratch.place("get");
    let words = ["get", "-l", "127.0.0.1:0", &link];

    let first = Sprat::start(&place, &words);
    proxy.wait_until_spent();
    assert!(
        !place.join("file.bin").exists(),
        "an unfinished file has another name"
    );
    assert!(place.join("file.bin.part").exists());
    first.signal(Signal::INT);
    first.end().assert(
        130,
        "interrupted (the same command resumes where this one stopped)",
    );

    proxy.open();
    let second = run(&place, &words);
    assert_eq!(second.code, Some(0), "{second:?}");
    second.assert_said("of an earlier run");
    assert_same(&file, &place.join("file.bin"));
    assert!(!place.join("file.bin.part").exists());

    // Nobody is needed to see that nothing is missing.
    drop(share);
    let third = run(&place, &words);
    assert_eq!(third.code, Some(0), "{third:?}");
    third.assert_said("already complete: ");
    assert_same(&file, &place.join("file.bin"));
}

#[test]
fn a_getter_that_seeds_serves_when_the_sharer_is_gone() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 5 << 20);
    let mut node = Sprat::node(&scratch.place("node"), "127.0.0.1:0", None);
    let bootstrap = node.address();
    let words = [
        "share",
        "-v",
        "-l",
        "127.0.0.1:0",
        "-b",
        &bootstrap,
        text(&file),
    ];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = without_providers(&share.link(1));
    share.announced();
    let words = [
        "get",
        "-v",
        "--seed",
        "-l",
        "127.0.0.1:0",
        "-b",
        &bootstrap,
        &link,
    ];
    let mut seeder = Sprat::start(&scratch.place("seed"), &words);
    seeder.result("file.bin");
    seeder.announced();
    share.stop();

    let place = scratch.place("get");
    let ended = run(
        &place,
        &["get", "-l", "127.0.0.1:0", "-b", &bootstrap, &link],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &place.join("file.bin"));
    assert_eq!(seeder.stop().code, Some(0));
}

#[test]
fn nodes_of_different_networks_do_not_meet() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 1000);
    let words = [
        "share",
        "--network",
        "one",
        "-l",
        "127.0.0.1:0",
        text(&file),
    ];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let (address, link) = (share.address(), without_providers(&share.link(1)));
    let words = [
        "get",
        "--network",
        "two",
        "-l",
        "127.0.0.1:0",
        "-b",
        &address,
        &link,
    ];
    let mut get = Sprat::start(&scratch.place("get"), &words);
    get.news("no answer from the bootstrap node");
}

#[test]
fn the_demo_shows_the_main_job_and_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 3 << 20);
    let place = scratch.place("demo");
    let ended = run(&place, &["demo", text(&file)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let all = ended.out.join("\n");
    for text in [
        "1 provider found",
        "2 providers found",
        "byte for byte",
        "Peak memory",
        "share FILE",
    ] {
        assert!(all.contains(text), "{text:?}: {ended:?}");
    }
    assert_eq!(
        fs::read_dir(&place).unwrap().count(),
        0,
        "its folder is gone"
    );
}

#[test]
fn the_demo_of_a_crowd_finds_every_file_while_its_nodes_are_killed() {
    let scratch = Scratch::new();
    let place = scratch.place("demo");
    let ended = run(&place, &["demo", "--nodes", "4"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let all = ended.out.join("\n");
    // Nodes 1 and 4, then 2, then 3; node 1 shares nothing.
    for text in [
        "2 of them killed",
        "1 of them killed",
        "All 18 fetches found",
    ] {
        assert!(all.contains(text), "{text:?}: {ended:?}");
    }
    assert_eq!(
        fs::read_dir(&place).unwrap().count(),
        0,
        "its folder is gone"
    );
    run(&place, &["demo", "--nodes", "4", "x"]).assert(2, "not both");
}
