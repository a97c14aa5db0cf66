//! The proof that a dialect is a codec and nothing else: nodes fetch and serve in a second one.

use super::{Addressing, Checks, Content, Faults, Setup, World};
use crate::node::Event;
use std::time::Duration;

#[test]
fn nodes_fetch_and_serve_in_a_dialect_that_the_scheduler_does_not_know() {
    let mut world = World::new(Setup {
        seed: 1,
        faults: Faults::none(),
        addressing: Addressing::Local,
        checks: Checks::OneIn(16),
    });
    let bytes: Vec<u8> = (0..1_000_003_u32).map(|at| (at * 7 / 3) as u8).collect();
    let file = world.publish(Content::new("file", vec![(String::new(), bytes)]));
    let (origin, text, native) = (world.add(), world.add(), world.add());
    // Uplinks that are thin enough to see streams at work.
    for host in [origin, text, native] {
        world.set_uplink(host, 500_000);
    }
    world.share(origin, file);
    world.run(Duration::from_secs(5));
    world.command(text, |node, _| node.dial_in_text());
    let locations = [world.address(origin), world.address(text)];
    world.fetch(text, file, &locations[..1]);
    let is_spoken = |world: &World, host| {
        let node = world.node(host).expect("it runs");
        node.text_stream_count() == 1
    };
    let is_text = |world: &World| is_spoken(world, origin) && is_spoken(world, text);
    assert!(world.run_until(Duration::from_secs(5), is_text));
    // A native getter takes part: the same streams serve both dialects at once.
    world.fetch(native, file, &locations);
    let is_complete = |world: &World, host| {
        let complete = |event: &Event| matches!(event, Event::Complete { .. });
        let mut events = world.events.iter();
        events.any(|(of, event)| *of == host && complete(event))
    };
    let are_complete = |world: &World| is_complete(world, text) && is_complete(world, native);
    assert!(world.run_until(Duration::from_secs(60), are_complete));
}
