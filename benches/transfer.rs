//! Costs of a transfer on loopback: a real `sprat share` serves a file of 256 MiB to a reader
//! that only counts bytes (*serve*), and to a real node that verifies and writes it (*fetch*); and
//! hashing alone, as it runs over a file on disk (*verify*).

mod measure;

use measure::measure_bytes;
use sprat::id::{FileId, NodeId};
use sprat::node::Event;
use sprat::reactor::{Happening, OutputPath, Reactor, Setup};
use sprat::rng::Rng;
use sprat::swarm::scan::Scan;
use sprat::wire::native::frame::{HEADER_SIZE, Hello, Holds, Range};
use sprat::wire::{Frame, Link, Manifest, Network};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const FILE_SIZE: u64 = 256 << 20;
const REQUESTS_AHEAD: u32 = 8;

/// A sharing node, ended with its bench.
struct Sharer {
    child: Child,
    file: FileId,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for Sharer {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}

fn sharer() -> Sharer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let (mut source, mut block) = (File::create(&path).unwrap(), vec![0; 1 << 20]);
    let mut rng = Rng::from_number(1);
    for _ in 0..FILE_SIZE >> 20 {
        rng.fill(&mut block);
        source.write_all(&block).unwrap();
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_sprat"))
        .args(["share", "-q", "-l", "127.0.0.1:0", "-d"])
        .args([folder.path().join("state"), path])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let link = Link::parse(line.trim()).unwrap();
    let address = link.providers[0].parse().unwrap();
    Sharer {
        child,
        file: link.file,
        address,
        folder,
    }
}

fn send(stream: &mut TcpStream, frame: &Frame<'_>) {
    let mut bytes = vec![0; frame.size()];
    frame.emit(Network::named(Network::DEFAULT_NAME), &mut bytes);
    stream.write_all(&bytes).unwrap();
}

/// Asks for every shard and counts the bytes that come.
fn drain(sharer: &Sharer) {
    let mut stream = TcpStream::connect(sharer.address).unwrap();
    let open = Hello {
        file: sharer.file,
        node: NodeId(Rng::from_number(2).id()),
        port: 0,
        holds: Holds::None,
        manifest_size: 0,
        shard_count: 0,
    };
    send(&mut stream, &Frame::Open(open));
    let shard_size = Manifest::shard_size_for(FILE_SIZE);
    let shard_count = (FILE_SIZE / u64::from(shard_size)) as u32;
    let request = |shard| {
        Frame::Request(Range {
            shard,
            offset: 0,
            length: shard_size,
        })
    };
    (0..REQUESTS_AHEAD).for_each(|shard| send(&mut stream, &request(shard)));
    let per_shard = u64::from(shard_size) + HEADER_SIZE as u64 + 12;
    let (mut received, mut asked) = (0, REQUESTS_AHEAD);
    let mut buffer = vec![0; 256 << 10];
    while received < u64::from(shard_count) * per_shard {
        received += stream.read(&mut buffer).unwrap() as u64;
        while asked < shard_count && u64::from(asked - REQUESTS_AHEAD) < received / per_shard {
            send(&mut stream, &request(asked));
            asked += 1;
        }
    }
}

/// Fetches the file as a node does.
fn fetch(sharer: &Sharer) {
    let setup = Setup {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        network: Network::named(Network::DEFAULT_NAME),
        id: NodeId(Rng::from_number(3).id()),
        read_only: false,
    };
    let mut reactor = Reactor::new(setup).unwrap();
    let path = sharer.folder.path().join("copy");
    let output = OutputPath::Named(path.clone());
    reactor
        .fetch(sharer.file, None, &[sharer.address], &output)
        .unwrap();
    loop {
        match reactor.next(None).unwrap() {
            Happening::Event(Event::Complete { .. }) => break,
            Happening::Event(Event::Failed { cause, .. }) => panic!("{cause:?}"),
            _ => {}
        }
    }
    reactor.stop();
    std::fs::remove_file(path).unwrap();
}

fn main() {
    let sharer = sharer();
    let time = Duration::from_secs(8);
    measure_bytes("serve", time, FILE_SIZE, || drain(&sharer));
    measure_bytes("fetch", time, FILE_SIZE, || fetch(&sharer));
    verify();
}

fn verify() {
    let size = 16 << 20;
    let bytes = vec![0xa5; size];
    for shard_size in [64 << 10, 1 << 20] {
        let name = format!("verify: scan shards of {shard_size}");
        measure_bytes(&name, Duration::from_secs(3), size as u64, || {
            let mut scan = Scan::new(size as u64, shard_size);
            while let Some((_, offset, length)) = scan.request(|_| size as u64) {
                scan.receive(Some(&bytes[offset as usize..][..length as usize]));
            }
        });
    }
}
