//! Scripted peers: what a host that runs no node can do to a node, and for it.

use super::Seeded;
use sprat::node::StreamKey;
use sprat::sim::disk::State;
use sprat::sim::{Actions, Addressing, Checks, Content, Faults, Input, Script, Setup, World};
use sprat::wire::native::frame::{FRAME_SIZE_MAX, HEADER_SIZE, Hello, Holds};
use sprat::wire::{Frame, Header, Network};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

fn world(seed: u64, faults: Faults) -> (Seeded, World) {
    let setup = Setup {
        seed,
        faults,
        addressing: Addressing::Global,
        checks: Checks::Every,
    };
    (Seeded::new(seed), World::new(setup))
}

fn file(size: usize) -> Content {
    let bytes = (0..size).map(|at| (at * 31 % 251) as u8).collect();
    Content::new("file", vec![(String::new(), bytes)])
}

fn network() -> Network {
    Network::named("simulated")
}

/// Serves one file to every node that connects, in the native dialect.
struct Seeder {
    content: Content,
    /// Bytes of frames that have come in part.
    partial: BTreeMap<StreamKey, Vec<u8>>,
}

impl Seeder {
    fn send(actions: &mut Actions<'_>, stream: StreamKey, frame: Frame<'_>) {
        let mut buffer = [0xa5; FRAME_SIZE_MAX];
        let size = frame.emit(network(), &mut buffer);
        actions.write(stream, &buffer[..size]);
    }

    fn answer(&self, actions: &mut Actions<'_>, stream: StreamKey, frame: Frame<'_>) {
        let manifest = &self.content.manifest;
        match frame {
            Frame::Open(_) => {
                let hello = Hello {
                    file: self.content.file(),
                    node: sprat::id::NodeId(sprat::id::Id([7; 20])),
                    port: actions.address().port(),
                    holds: Holds::All,
                    manifest_size: manifest.bytes().len() as u32,
                    shard_count: manifest.shard_count(),
                };
                Self::send(actions, stream, Frame::Open(hello));
            }
            Frame::ManifestRequest { offset, length } => {
                let total = manifest.bytes().len() as u32;
                let end = (offset + length).min(total);
                let bytes = &manifest.bytes()[offset as usize..end as usize];
                let part = Frame::ManifestPart {
                    total,
                    offset,
                    bytes,
                };
                Self::send(actions, stream, part);
            }
            Frame::Request(range) => {
                Self::send(actions, stream, Frame::Data(range));
                for segment in manifest.segments(range.shard, range.offset, range.length) {
                    let entry = &self.content.entries[segment.entry as usize];
                    let bytes = &entry[segment.offset as usize..][..segment.length as usize];
                    actions.write(stream, bytes);
                }
            }
            _ => {}
        }
    }
}

impl Script for Seeder {
    fn handle(&mut self, input: Input<'_>, actions: &mut Actions<'_>) {
        let Input::Received { stream, bytes } = input else {
            return;
        };
        let mut partial = self.partial.remove(&stream).unwrap_or_default();
        partial.extend(bytes);
        let mut rest = &partial[..];
        while let Some(header) = rest.first_chunk() {
            let header = Header::parse(header).expect("nodes send frames");
            let size = HEADER_SIZE + header.body_size();
            let Some(body) = rest.get(HEADER_SIZE..size) else {
                break;
            };
            let frame = Frame::parse(&header, body, network()).expect("nodes send frames");
            self.answer(actions, stream, frame);
            rest = &rest[size..];
        }
        self.partial.insert(stream, rest.to_vec());
    }
}

#[test]
fn a_node_fetches_from_a_scripted_seeder() {
    let faults = Faults {
        short_io: true,
        loss: 50,
        uplink: 500_000,
        ..Faults::none()
    };
    let (_seeded, mut world) = world(1, faults);
    let content = file(700_000);
    let seeder = world.add_script(Seeder {
        content: content.clone(),
        partial: BTreeMap::new(),
    });
    let file = world.publish(content);
    let node = world.add();
    let from = [world.address(seeder)];
    world.fetch(node, file, &from).unwrap();
    let is_whole = |world: &World| world.disk(node).state(file) == Some(State::Final);
    assert!(world.run_until(Duration::from_secs(60), is_whole));
    world.check_connections();
}

#[test]
fn a_node_closes_a_stream_of_noise_and_sends_nothing_to_it() {
    let (_seeded, mut world) = world(2, Faults::none());
    let node = world.add();
    let to = world.address(node);
    let inputs = Rc::new(RefCell::new(Vec::new()));
    let heard = inputs.clone();
    world.add_script(
        move |input: Input<'_>, actions: &mut Actions<'_>| match input {
            Input::Started => {
                actions.connect(to);
                actions.wake_at(actions.now() + Duration::from_secs(1));
            }
            Input::Connected { stream } => actions.write(stream, b"GET / HTTP/1.0\r\n\r\n"),
            Input::Woken => {
                actions.datagram(
                    to,
                    b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
                );
                actions.datagram(to, &[0xa5; 1_500]);
            }
            Input::Closed { .. } => heard.borrow_mut().push("closed"),
            Input::Received { .. } => heard.borrow_mut().push("received"),
            Input::Datagram { .. } => heard.borrow_mut().push("datagram"),
            Input::Accepted { .. } => heard.borrow_mut().push("accepted"),
        },
    );
    world.run(Duration::from_secs(30));
    assert_eq!(*inputs.borrow(), ["closed"]);
    assert_eq!(world.node(node).unwrap().swarms().stream_count(), 0);
}

#[test]
fn a_script_that_closes_a_stream_sends_what_it_has_written_first() {
    let (_seeded, mut world) = world(3, Faults::none());
    let size = Rc::new(RefCell::new((0, false)));
    let heard = size.clone();
    let receiver = world.add_script(move |input: Input<'_>, _: &mut Actions<'_>| match input {
        Input::Received { bytes, .. } => heard.borrow_mut().0 += bytes.len(),
        Input::Closed { .. } => heard.borrow_mut().1 = true,
        _ => {}
    });
    let to = world.address(receiver);
    world.add_script(
        move |input: Input<'_>, actions: &mut Actions<'_>| match input {
            Input::Started => {
                actions.connect(to);
            }
            Input::Connected { stream } => {
                actions.write(stream, &[1; 1_000_000]);
                actions.close(stream);
            }
            _ => {}
        },
    );
    world.run(Duration::from_secs(10));
    assert_eq!(*size.borrow(), (1_000_000, true));
}
