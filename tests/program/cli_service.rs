//! A service carries out its jobs: it shares and fetches, keeps the jobs across restarts, and
//! forgets a job that is removed.

use crate::support::{DEADLINE, Scratch, Sprat, assert_same, run, share_behind_proxy, text};
use sprat::limits::DROP_STILL;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The state folder of a service whose home is `home`.
fn state(home: &Path) -> PathBuf {
    home.join(".local/state/sprat")
}

/// A service whose home is `home`, and its address.
fn service(home: &Path, through: Option<&str>) -> (Sprat, String) {
    let mut words = vec!["node", "-v", "-l", "127.0.0.1:0"];
    words.extend(through.iter().flat_map(|address| ["-b", address]));
    let mut node = Sprat::start(home, &words);
    let address = node.address();
    (node, address)
}

/// Sends a command, which must succeed.
#[track_caller]
fn ask(home: &Path, words: &[&str]) -> Vec<String> {
    let ended = run(home, words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.out
}

/// Lists the jobs until one line has all of these parts.
#[track_caller]
fn wait_for(home: &Path, parts: &[&str]) -> String {
    let until = Instant::now() + DEADLINE;
    loop {
        let lines = ask(home, &["ls", "--json"]);
        let mut found = lines.iter();
        if let Some(line) = found.find(|line| parts.iter().all(|part| line.contains(part))) {
            return line.clone();
        }
        assert!(Instant::now() < until, "no {parts:?} in time: {lines:#?}");
    }
}

/// The text under a key of a line of JSON.
fn member<'a>(line: &'a str, key: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{key}\":\"")).unwrap();
    rest.split('"').next().unwrap()
}

const COMPLETE: &str = "\"state\":\"complete\"";

#[test]
fn added_jobs_are_carried_out_also_after_a_restart_until_they_are_removed() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.place("one"), scratch.place("two"));
    let (file, folder) = (scratch.file("file.bin", 300_000), scratch.place("folder"));
    scratch.file("folder/a", 10_000);
    scratch.file("folder/sub/b", 20_000);
    let (origin, through) = service(&one, None);
    let links = ask(&one, &["add", text(&file), text(&folder)]);
    assert_eq!(links.len(), 2, "{links:?}");
    assert!(
        links.iter().all(|link| link.contains(&through)),
        "{links:?}"
    );
    // Adding it once more is the same.
    assert_eq!(ask(&one, &["add", text(&file)]), links[..1]);
    assert_eq!(ask(&one, &["ls"]).len(), 2);

    let (getter, address) = service(&two, Some(&through));
    let other = scratch.place("other");
    ask(&two, &["add", &links[0]]);
    ask(&two, &["add", &links[1], "-o", text(&other)]);
    wait_for(&two, &[COMPLETE, "\"name\":\"file.bin\""]);
    let listed = wait_for(&two, &[COMPLETE, "\"name\":\"folder\""]);
    assert_same(&file, &state(&two).join("files/file.bin"));
    assert_same(&folder, &other.join("folder"));
    assert_eq!(origin.stop().code, Some(0));
    assert_eq!(getter.stop().code, Some(0));

    // It is served again without a read.
    let mut words = vec!["node", "-v", "-l", &address];
    let mut getter = Sprat::start(&two, &words);
    getter.news("serving ");
    wait_for(
        &two,
        &[COMPLETE, "\"name\":\"file.bin\"", "\"origin\":\"fetch\""],
    );
    wait_for(&two, &[COMPLETE, "\"name\":\"folder\""]);
    let home = scratch.place("get");
    let ended = run(
        &home,
        &["get", "-l", "127.0.0.1:0", member(&listed, "link")],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&folder, &home.join("folder"));

    let id = member(&listed, "id").to_owned();
    assert_eq!(ask(&two, &["rm", &id[..8]]), [""; 0]);
    run(&two, &["rm", &id]).assert(1, &format!("the service has no file {id}"));
    ask(&two, &["rm", text(&state(&two).join("files/file.bin"))]);
    assert_eq!(ask(&two, &["ls"]), [""; 0]);
    assert_same(&folder, &other.join("folder"));
    assert_same(&file, &state(&two).join("files/file.bin"));
    let ended = getter.stop();
    for name in ["file.bin", "folder"] {
        let said = |line: &&String| line.contains("serving ") && line.ends_with("as before");
        let lines: Vec<_> = ended.err.iter().filter(said).collect();
        assert!(lines.iter().any(|line| line.contains(name)), "{ended:#?}");
    }
    words.truncate(3);
    words.push("127.0.0.1:0");
    let mut getter = Sprat::start(&two, &words);
    getter.address();
    assert_eq!(ask(&two, &["ls"]), [""; 0]);
}

#[test]
fn a_job_that_cannot_be_added_is_reported_and_not_kept() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let (node, _) = service(&home, None);
    run(&home, &["add", "missing"]).assert(1, "node/missing: no such file or directory");
    scratch.file("node/one", 1000);
    fs::create_dir(home.join("copy")).unwrap();
    fs::copy(home.join("one"), home.join("copy/one")).unwrap();
    ask(&home, &["add", "one"]);
    run(&home, &["add", "copy/one"]).assert(1, "the same file is shared already");
    // No node can be there; the catalog must be readable all the same.
    let link = format!("magnet:?xt=urn:btih:{:040}&x.pe=0.0.0.0:4160", 1);
    ask(&home, &["add", &link]);
    run(&home, &["rm", "12345"]).assert(1, "too few digits of an id: 12345 (at least 6)");
    assert_eq!(ask(&home, &["ls"]).len(), 2);
    node.stop();
    let (node, _) = service(&home, None);
    assert_eq!(ask(&home, &["ls"]).len(), 2);
    let said = node.stop().err;
    let is_damaged = said.iter().any(|line| line.contains("damaged"));
    assert!(!is_damaged, "{said:?}");
}

#[test]
fn a_share_that_is_missing_or_edited_at_the_start_waits_and_is_shared_later() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let card = scratch.place("card");
    let file = scratch.file("card/file.bin", 100_000);
    let (node, _) = service(&home, None);
    let link = ask(&home, &["add", text(&file)]).remove(0);
    node.stop();
    let away = scratch.place("away").join("card");
    fs::rename(&card, &away).unwrap();
    let (mut node, _) = service(&home, None);
    node.news("file.bin: no such file or directory (it waits, and is tried again)");
    wait_for(
        &home,
        &["\"state\":\"waiting\"", "no such file or directory"],
    );
    fs::rename(&away, &card).unwrap();
    let listed = wait_for(&home, &[COMPLETE]);
    let id = |link: &str| link.split('&').next().unwrap().to_owned();
    assert_eq!(id(member(&listed, "link")), id(&link));
    node.stop();

    fs::write(&file, "edited").unwrap();
    let (_node, _) = service(&home, None);
    let listed = wait_for(&home, &[COMPLETE]);
    assert_ne!(id(member(&listed, "link")), id(&link));
}

#[test]
fn a_fetch_resumes_after_a_kill_and_its_part_is_kept_when_it_is_removed() {
    let scratch = Scratch::new();
    let (_share, file, proxy, link) = share_behind_proxy(&scratch, 8 << 20, 2 << 20);
    let home = scratch.place("node");
    let (node, _) = service(&home, None);
    let first = ask(&home, &["add", &link, "-o", "first"]);
    assert_eq!(first.len(), 1, "{first:?}");
    proxy.wait_until_spent();
    node.signal(rustix::process::Signal::KILL);
    node.end();
    // It resumes without a command.
    let (node, _) = service(&home, None);
    wait_for(&home, &["\"origin\":\"fetch\"", "\"state\":\"fetching\""]);
    let ended = run(&home, &["rm", &link]);
    ended.assert(0, "first.part (add the link again to go on, or delete it)");
    assert!(home.join("first.part").exists());
    assert_eq!(ask(&home, &["ls"]), [""; 0]);
    proxy.open();
    ask(&home, &["add", &link, "-o", "first"]);
    wait_for(&home, &[COMPLETE]);
    assert_same(&file, &home.join("first"));
    node.stop();
}

#[test]
fn a_damaged_catalog_is_replaced_by_the_one_before_and_a_newer_one_is_left_alone() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let files = ["one", "two"].map(|name| scratch.file(name, 1000));
    let (node, _) = service(&home, None);
    ask(&home, &["add", text(&files[0])]);
    ask(&home, &["add", text(&files[1])]);
    node.stop();
    let memory = state(&home).join("service");
    let good = fs::read(&memory).unwrap();
    fs::write(&memory, &good[1..]).unwrap();
    let (mut node, _) = service(&home, None);
    node.news("service is damaged: what was added last may be forgotten");
    wait_for(&home, &[COMPLETE, "\"name\":\"one\""]);
    node.stop();

    let mut newer = b"sprat-sv\x02 and more".to_vec();
    newer.extend(crc32fast::hash(&newer).to_be_bytes());
    fs::write(&memory, &newer).unwrap();
    let ended = run(&home, &["node", "-l", "127.0.0.1:0"]);
    ended.assert(1, "service: it was written by a newer version of sprat");
    assert_eq!(fs::read(&memory).unwrap(), newer);
}

#[test]
fn a_service_lists_its_peers_and_pauses_on_request() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.place("one"), scratch.place("two"));
    let file = scratch.file("file.bin", 600_000);
    let (mut origin, through) = service(&one, None);
    let (_getter, address) = service(&two, Some(&through));
    let pinged = ask(&two, &["ping", &through]).remove(0);
    assert!(
        pinged.starts_with(&format!("{through} answers in ")),
        "{pinged}"
    );
    let link = ask(&one, &["add", text(&file)]).remove(0);
    let id = link
        .split([':', '&'])
        .find(|part| part.len() == 40)
        .unwrap()
        .to_owned();
    origin.announced();
    assert_eq!(ask(&two, &["find", &id]).concat(), through);
    let found = ask(&two, &["find", "--json", &link]);
    assert!(found[0].contains("\"kind\":\"provider\""), "{found:?}");
    assert!(found[1].contains("\"kind\":\"lookup\""), "{found:?}");
    run(&two, &["find", &"0".repeat(40)]).assert(1, "nobody provides 0000");
    let dht = ask(&two, &["dht"]);
    assert!(
        dht[0].starts_with("node ") && dht[0].contains(" 1 contact,"),
        "{dht:?}"
    );
    assert!(
        dht.iter()
            .any(|line| line.starts_with("bucket ") && line.contains(&through))
    );
    let record = |line: &&String| line.starts_with("record ") && line.contains(&id);
    let records: Vec<_> = dht.iter().filter(record).collect();
    assert!(
        records.len() == 1 && records[0].contains(&through),
        "{dht:?}"
    );

    // While it is paused, other nodes cannot fetch from it, also after a restart.
    ask(&one, &["pause", &id[..6]]);
    wait_for(&one, &["\"state\":\"paused\""]);
    ask(&two, &["add", &link]);
    assert_eq!(origin.stop().code, Some(0));
    let mut origin = Sprat::start(&one, &["node", "-v", "-l", &through]);
    origin.address();
    wait_for(&one, &["\"state\":\"paused\"", "\"size\":600000"]);
    assert_eq!(ask(&one, &["peers", &id]), [""; 0]);
    ask(&one, &["resume"]);
    wait_for(&one, &[COMPLETE]);
    // It would retry after a while; `resume` retries at once.
    ask(&two, &["rm", &id]);
    ask(&two, &["add", &link]);
    wait_for(&two, &[COMPLETE]);
    assert_same(&file, &state(&two).join("files/file.bin"));
    let status = ask(&two, &["status"]).join("\n");
    assert!(
        status.contains(&format!("listening  {address}")),
        "{status}"
    );
}

#[test]
fn the_streams_of_a_file_are_listed_while_it_is_fetched() {
    let scratch = Scratch::new();
    let (share, _file, proxy, link) = share_behind_proxy(&scratch, 8 << 20, 2 << 20);
    let home = scratch.place("node");
    let (_node, _) = service(&home, None);
    ask(&home, &["add", &link]);
    proxy.wait_until_spent();
    let peers = ask(&home, &["peers", &link, "--json"]);
    let address = format!("\"address\":\"{}\"", proxy.address);
    assert!(peers.len() == 1 && peers[0].contains(&address), "{peers:?}");
    assert!(peers[0].contains("\"of\":512}"), "{peers:?}");
    let text = ask(&home, &["peers", &link]);
    assert!(text[0].contains("of 512 shards"), "{text:?}");
    run(&home, &["ping", &proxy.address.to_string()]).assert(1, "no answer from ");
    drop(share);
}

/// A service with the drop folder `drop`.
fn dropping(home: &Path, drop: &Path) -> Sprat {
    let words = ["node", "-v", "-l", "127.0.0.1:0", "--share-dir", text(drop)];
    let mut node = Sprat::start(home, &words);
    node.address();
    node
}

#[test]
fn a_drop_folder_shares_its_entries_until_they_are_removed() {
    let scratch = Scratch::new();
    let (home, drop) = (scratch.place("node"), scratch.place("drop"));
    let kept = scratch.file("kept.bin", 50_000);
    scratch.file("drop/file.bin", 10_000);
    let other = scratch.file("drop/other.bin", 10_000);
    scratch.file("drop/a folder/b", 10_000);
    let node = dropping(&home, &drop);
    ask(&home, &["add", text(&kept)]);
    let listed = wait_for(&home, &[COMPLETE, "file.bin", "\"origin\":\"folder\""]);
    wait_for(&home, &[COMPLETE, "other.bin"]);
    wait_for(&home, &[COMPLETE, "\"name\":\"a folder\""]);
    assert_eq!(ask(&home, &["ls"]).len(), 4);
    let id = member(&listed, "id");
    run(&home, &["rm", id]).assert(1, "file.bin lies in a drop folder (take it out of there)");

    // Unchanged files are served again at once; removed ones are not.
    assert_eq!(node.stop().code, Some(0));
    fs::remove_dir_all(drop.join("a folder")).unwrap();
    let mut node = dropping(&home, &drop);
    node.news("file.bin as before");
    node.news("withdrawn: ");
    assert_eq!(ask(&home, &["ls"]).len(), 3);
    // Another file of the same name is another share.
    scratch.file("drop/file.bin", 20_000);
    scratch.file("drop/late.bin", 30_000);
    fs::remove_file(&other).unwrap();
    node.news(&format!("withdrawn: {}", text(&other)));
    let listed = wait_for(&home, &[COMPLETE, "file.bin", "\"size\":20000"]);
    assert_ne!(member(&listed, "id"), id);
    wait_for(&home, &[COMPLETE, "late.bin", "\"size\":30000"]);
    wait_for(&home, &[COMPLETE, "\"name\":\"kept.bin\""]);
    assert_eq!(ask(&home, &["ls"]).len(), 3);
}

#[test]
fn a_file_that_is_copied_into_a_drop_folder_is_shared_when_it_rests() {
    let scratch = Scratch::new();
    let (home, drop) = (scratch.place("node"), scratch.place("drop"));
    for name in ["a folder/b", ".hidden", "half.part", "file.bin"] {
        scratch.file(&format!("drop/{name}"), 10_000);
    }
    let node = dropping(&home, &drop);
    // A file is copied into it, with pauses that a copy may have. The folder is scanned every half
    // second then, and an entry that rests is shared.
    let file = drop.join("file.bin");
    let begun = Instant::now();
    let (mut writes, mut is_beside) = (0, false);
    while begun.elapsed() < 2 * DROP_STILL || !is_beside {
        let lines = ask(&home, &["ls"]).join("\n");
        assert!(!lines.contains("file.bin"), "{lines}");
        is_beside |= lines.contains("a folder");
        assert!(begun.elapsed() < DEADLINE, "{lines}");
        fs::write(&file, vec![1; 10_000 + writes]).unwrap();
        writes += 1;
    }
    let last = format!("\"size\":{}", 10_000 + writes - 1);
    wait_for(
        &home,
        &[COMPLETE, "file.bin", "\"origin\":\"folder\"", &last],
    );
    assert_eq!(ask(&home, &["ls"]).len(), 2);
    assert_eq!(node.stop().code, Some(0));
}
