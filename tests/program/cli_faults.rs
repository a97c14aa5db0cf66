//! Providers that die or serve wrong bytes, disks that are full, names that are taken.

use crate::support::{
    Proxy, Scratch, Sprat, assert_same, run, share_behind_proxy, text, with_providers,
    without_providers,
};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// Changes bytes of a file in its place.
fn edit(path: &Path) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.write_all(&[0x5a; 1000]).unwrap();
    file.sync_all().unwrap();
}

#[test]
fn a_provider_that_dies_in_mid_transfer_costs_no_more_than_a_line() {
    let scratch = Scratch::new();
    let size = 32 << 20;
    let file = scratch.file("file.bin", size);
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let mut shares = [
        Sprat::start(&scratch.place("one"), &words),
        Sprat::start(&scratch.place("two"), &words),
    ];
    let proxies = shares
        .each_mut()
        .map(|share| Proxy::start(&share.address(), size as u64 / 4));
    let link = with_providers(
        &shares[0].link(1),
        &proxies.each_ref().map(|proxy| proxy.address),
    );
    shares[1].link(1);

    let place = scratch.place("get");
    let get = Sprat::start(&place, &["get", "-l", "127.0.0.1:0", &link]);
    proxies.iter().for_each(Proxy::wait_until_spent);
    let [doomed, _other] = shares;
    drop(doomed);
    proxies.iter().for_each(Proxy::open);
    let ended = get.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &place.join("file.bin"));
    let losses = ended
        .err
        .iter()
        .filter(|line| line.contains("lost "))
        .count();
    assert!(losses <= 1, "{ended:?}");
}

#[test]
fn an_edited_file_never_arrives_under_its_name() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 4 << 20);
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    edit(&file);
    let place = scratch.place("get");
    let ended = run(&place, &["get", "-l", "127.0.0.1:0", &link]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!place.join("file.bin").exists(), "{ended:?}");
}

#[test]
fn the_rest_of_a_folder_is_served_when_a_file_in_it_is_edited() {
    let scratch = Scratch::new();
    let edited = scratch.file("tree/one", 10_000);
    scratch.file("tree/two", 1 << 20);
    let tree = scratch.place("tree");
    let words = ["share", "-l", "127.0.0.1:0", text(&tree)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    edit(&edited);
    // It waits for someone who has the edited file.
    let place = scratch.place("get");
    let _get = Sprat::start(&place, &["get", "-l", "127.0.0.1:0", &link]);
    let line = share.news("one file less of ");
    assert!(line.contains("tree/one: "), "{line}");
    // It still runs, and ends as serving ends.
    assert_eq!(share.stop().code, Some(0));
}

#[test]
fn a_busy_output_and_a_device_are_told_plainly() {
    let scratch = Scratch::new();
    let size = 8 << 20;
    let (_share, _file, proxy, link) = share_behind_proxy(&scratch, size, size as u64 / 2);
    let place = scratch.place("get");
    let words = ["get", "-l", "127.0.0.1:0", &link];
    let first = Sprat::start(&place, &words);
    proxy.wait_until_spent();
    let second = run(&place, &["get", "-l", "127.0.0.1:0", "-d", "other", &link]);
    second.assert(1, "file.bin.part: another sprat writes it at this moment (");
    let told = |line: &&String| line.contains("writes it at this moment");
    assert_eq!(second.err.iter().filter(told).count(), 1, "{second:?}");
    first.stop();
    run(&place, &["get", &link, "-o", "/dev/null"])
        .assert(1, "cannot write /dev/null: neither a file nor a folder");
}

#[test]
fn shards_that_one_provider_has_edited_are_fetched_from_another() {
    let scratch = Scratch::new();
    let good = scratch.file("good/file.bin", 4 << 20);
    let edited = scratch.place("edited").join("file.bin");
    fs::copy(&good, &edited).unwrap();
    let share = |place: &str, file: &Path| {
        Sprat::start(
            &scratch.place(place),
            &["share", "-l", "127.0.0.1:0", text(file)],
        )
    };
    let mut shares = [share("one", &edited), share("two", &good)];
    let links = shares.each_mut().map(|share| share.link(1));
    assert_eq!(without_providers(&links[0]), without_providers(&links[1]));
    edit(&edited);
    let addresses = shares
        .each_mut()
        .map(|share| share.address().parse().unwrap());
    let place = scratch.place("get");
    let link = with_providers(&links[0], &addresses);
    let ended = run(&place, &["get", "-l", "127.0.0.1:0", &link]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&good, &place.join("file.bin"));
}

#[test]
fn another_file_under_the_name_is_left_alone() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 100_000);
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    let place = scratch.place("get");
    // One of another size, and one of the same size.
    for content in [vec![1; 99], vec![1; 100_000]] {
        fs::write(place.join("file.bin"), &content).unwrap();
        let ended = run(&place, &["get", "-l", "127.0.0.1:0", &link]);
        ended.assert(1, "output exists and is another file: ");
        assert!(
            fs::read(place.join("file.bin")).unwrap() == content,
            "{ended:?}"
        );
    }
}

#[test]
fn a_file_that_does_not_fit_is_refused_before_it_is_fetched() {
    let scratch = Scratch::new();
    let place = scratch.place("get");
    let (shards, shard_size) = (200_000_u64, 16_u64 << 20);
    let size = shards * shard_size;
    let free = rustix::fs::statvfs(&place)
        .map(|stat| stat.f_bavail * stat.f_frsize)
        .unwrap();
    if free > size {
        println!("SKIPPED: {free} bytes are free here, too many to be too few");
        return;
    }
    let mut metainfo = format!(
        "d4:infod6:lengthi{size}e4:name4:huge12:piece lengthi{shard_size}e6:pieces{}:",
        shards * 20
    )
    .into_bytes();
    metainfo.extend(vec![0x11; shards as usize * 20]);
    metainfo.extend(b"ee");
    fs::write(place.join("huge.torrent"), metainfo).unwrap();
    // The node is not needed: it is there so that there is someone to ask.
    let mut node = Sprat::node(&scratch.place("node"), "127.0.0.1:0", None);
    let bootstrap = node.address();
    let words = ["get", "-l", "127.0.0.1:0", "-b", &bootstrap, "huge.torrent"];
    run(&place, &words).assert(1, "sprat: no space: ");
}
