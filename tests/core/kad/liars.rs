//! Colluding liars: a fifth of all nodes take part in everything and answer every `FIND_*` with
//! one another, from the first moment of the network.
//!
//! `cargo test` prints the table for a world of 300 nodes. The one of 2,000:
//! `SPRAT_WORLDS=full cargo test --release --test core kad::liars -- --nocapture`

use super::is_full;
use super::world::*;
use sprat::address::Contact;
use sprat::dht::Params;
use sprat::id::{FileId, Id, NodeId};
use sprat::rng::Rng;
use sprat::wire::native::datagram::{Body, Datagram};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Honest nodes of each group, which publish and search over the same number of paths.
const GROUP_SIZE: usize = 20;

/// The lies of a world.
#[derive(Clone, Copy, PartialEq)]
enum Tale {
    /// Each other, the closest to the target first; never a provider.
    True,
    /// Each other, under ids right beside the target, as which they then answer.
    Forged,
}

/// When the liars began to lie.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Since {
    /// After all nodes had joined: only lookups can defend against them (S/Kademlia, 5).
    TablesWereMade,
    /// While the nodes joined as well, so that they are in most slots of the tables.
    TheBeginning,
}

#[test]
fn disjoint_paths_help_lookups_among_a_fifth_of_liars() {
    println!("| liars name | since | paths | nodes | keys found | closest found | asked, mean |");
    println!("|---|---|---|---|---|---|---|");
    let results = lookups_among_liars(Tale::True, Since::TablesWereMade, &[1, 3, 4]);
    let three = results[1].0;
    assert!(three >= 985, "{three} of 1,000 over three paths");
    if is_full() {
        lookups_among_liars(Tale::True, Since::TheBeginning, &[1, 3, 4]);
        lookups_among_liars(Tale::Forged, Since::TablesWereMade, &[1, 3, 4]);
    }
}

/// Keys and closest nodes that were found, of 1,000, for each number of paths.
fn lookups_among_liars(tale: Tale, since: Since, paths: &[usize]) -> Vec<(usize, usize)> {
    let (size, keys) = if is_full() { (2_000, 200) } else { (300, 60) };
    let mut world = World::new(77, Params::default());
    let mut rng = Rng::from_number(78);
    let liars: Vec<usize> = (1..size).filter(|_| rng.below(5) == 0).collect();
    // Liars from the beginning join as the others do.
    for index in 0..size {
        world.add_at(global_address(index));
        if liars.binary_search(&index).is_ok() {
            world.corrupt(index);
        }
    }
    let contacts: Vec<Contact> = liars.iter().map(|&index| world.contact(index)).collect();
    if since == Since::TheBeginning {
        world.lie(tell(tale, contacts.clone()));
    }
    for index in 0..size {
        world.join(index);
        world.run(Duration::from_millis(20));
    }
    world.run(secs(60));
    // The nodes that publish and search: a group for each number of paths.
    for &paths in paths {
        let params = Params {
            paths,
            ..Params::default()
        };
        for _ in 0..GROUP_SIZE {
            let index = world.nodes.len();
            world.add_with(config(rng.id(), params), global_address(index));
            world.join(index);
            world.run(Duration::from_millis(500));
        }
    }
    world.run(secs(60));
    world.lie(tell(tale, contacts));
    let mut results = Vec::new();
    for (number, paths) in paths.iter().enumerate() {
        let first = size + number * GROUP_SIZE;
        let group = |rng: &mut Rng| first + rng.below(GROUP_SIZE as u64) as usize;
        let (mut found, mut closest, mut asked) = (0, 0, 0);
        for _ in 0..keys {
            let file = FileId(rng.id());
            let (provider, finder) = (group(&mut rng), group(&mut rng));
            if provider != finder {
                world.with(provider, |kad, now| kad.provide(now, file));
                world.run(secs(12));
            }
            let (heard, _, asked_count) = world.find(finder, file);
            let is_found = heard.contains(&world.contact(provider).address);
            found += usize::from(is_found || provider == finder);
            asked += asked_count;
            let target = rng.id();
            let (nodes, _, _) = world.look_up(finder, target);
            let honest = honest_closest(&world, target, finder, &liars);
            closest += usize::from(nodes.contains(&honest));
        }
        println!(
            "| {} | {since:?} | {paths} | {size} | {:.1} % | {:.1} % | {:.0} |",
            if tale == Tale::True {
                "each other"
            } else {
                "each other, forged ids"
            },
            found as f64 * 100.0 / keys as f64,
            closest as f64 * 100.0 / keys as f64,
            f64::from(asked) / keys as f64,
        );
        results.push((found * 1_000 / keys, closest * 1_000 / keys));
    }
    results
}

/// The honest node that is closest to `target`.
fn honest_closest(world: &World, target: Id, except: usize, liars: &[usize]) -> NodeId {
    let is_honest = |index: &usize| *index != except && liars.binary_search(index).is_err();
    let honest = (0..world.nodes.len()).filter(is_honest);
    let closest = honest.min_by_key(|&index| world.id(index).distance(&target));
    world.nodes[closest.expect("not all lie")].id()
}

fn tell(tale: Tale, liars: Vec<Contact>) -> Lie {
    let mut rng = Rng::from_number(79);
    let mut named: BTreeSet<(SocketAddr, SocketAddr, Id)> = BTreeSet::new();
    let own_address = |index| global_address(index);
    Box::new(move |index, asker, target, reply: &mut Datagram| {
        let me = own_address(index);
        if named.remove(&(asker, me, target)) {
            reply.sender = NodeId(beside(target, me));
        }
        let (contacts, room) = match &mut reply.body {
            Body::FindNodeReply { contacts, .. } => {
                let room = contacts.len();
                (contacts, room)
            }
            Body::FindValueReply {
                contacts,
                providers,
                ..
            } => {
                providers.clear();
                let room = contacts.len();
                (contacts, room)
            }
            _ => return,
        };
        contacts.clear();
        match tale {
            Tale::True => {
                let mut all = liars.clone();
                all.retain(|contact| contact.address != me && contact.address != asker);
                all.sort_by_key(|contact| contact.id.0.distance(&target));
                contacts.extend(all.into_iter().take(room));
            }
            Tale::Forged => {
                let mut all = liars.clone();
                all.retain(|contact| contact.address != me && contact.address != asker);
                rng.shuffle(&mut all);
                for contact in all.into_iter().take(room) {
                    named.insert((asker, contact.address, target));
                    contacts.push(Contact {
                        id: NodeId(beside(target, contact.address)),
                        ..contact
                    });
                }
            }
        }
    })
}

/// An id right beside `target`, one for each address.
fn beside(target: Id, address: SocketAddr) -> Id {
    let mut id = target;
    if let std::net::IpAddr::V4(ip) = address.ip() {
        let octets = ip.octets();
        (0..4).for_each(|n| id.0[16 + n] ^= octets[n]);
    }
    id
}
