//! Power cuts at every moment of the commit protocol.
//!
//! A model of a disk takes the steps of `journal::plan`, as the reactor takes them on files. Every
//! write, to a file or to a folder, is remembered until a sync covers it; at a cut each of those is
//! there or not, every subset of them is tried, and of a write of bytes also just the first half
//! (a torn sector). Then the part, its journal and the final name are looked at as a start looks at
//! them:
//!
//! - a shard that the journal proves is right on the disk;
//! - a shard that was once reported durable is proved by the journal, or the final name is there;
//! - the final name is there only with every byte right;
//! - there is a whole journal, or none was ever promised.
//!
//! The order of the steps is data, so it is shown what each is for: with any two steps swapped, or
//! one left out, some cut breaks one of these, but for the few that are named below.

use sprat::id::{FileId, Id};
use sprat::store::plan::{Plan, Step};
use sprat::store::record::{self, Header, Unusable, Writer};
use std::collections::BTreeMap;

const SHARDS: u32 = 4;
/// Bytes of a shard in the model: enough to be torn.
const SHARD_SIZE: usize = 2;
const FILE: FileId = FileId(Id([5; 20]));
/// Shards that each checkpoint gains.
const CHECKPOINTS: [&[u32]; 2] = [&[2, 0], &[3]];
/// The shard that is written last, and for which the finish alone answers.
const LAST: u32 = 1;

/// An inode: names lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    /// The part's folder, which has one entry.
    Folder,
    /// That entry.
    Part,
    /// A journal, by its generation.
    Journal(u32),
}

/// A name in the folder of the output, but for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    /// The entry's, in the part's folder.
    Entry,
    Part,
    Final,
    Journal,
    NewJournal,
}

/// Something that the system has taken and the disk perhaps not yet.
#[derive(Clone, Debug)]
enum Change {
    Write {
        node: Node,
        at: usize,
        bytes: Vec<u8>,
    },
    /// A rename or removal: each is there wholly or not.
    Names(Vec<(Name, Option<Node>)>),
}

/// The state of a disk after a cut.
#[derive(Clone, Debug, Default)]
struct Image {
    files: BTreeMap<Node, Vec<u8>>,
    names: BTreeMap<Name, Node>,
}

impl Image {
    fn apply(&mut self, change: &Change, is_torn: bool) {
        match change {
            Change::Write { node, at, bytes } => {
                let size = if is_torn {
                    bytes.len() / 2
                } else {
                    bytes.len()
                };
                let file = self.files.entry(*node).or_default();
                let end = at + size;
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at..end].copy_from_slice(&bytes[..size]);
            }
            Change::Names(names) => {
                for &(name, node) in names {
                    match node {
                        Some(node) => self.names.insert(name, node),
                        None => self.names.remove(&name),
                    };
                }
            }
        }
    }

    fn named(&self, name: Name) -> Option<&[u8]> {
        let node = match self.names.get(&name)? {
            Node::Folder => self.names.get(&Name::Entry),
            node => Some(node),
        };
        let bytes = node.and_then(|node| self.files.get(node));
        Some(bytes.map_or(&[], Vec::as_slice))
    }
}

/// A disk, and a fetch on it.
#[derive(Default)]
struct Disk {
    /// The state that is certain: every write in it is durable.
    image: Image,
    /// Writes that no sync covers yet: a cut keeps some of them.
    pending: Vec<Change>,
    writer: Option<Writer>,
    journal_size: usize,
    generation: u32,
    /// Shards written, but in no record yet.
    gained: Vec<u32>,
    /// Shards reported durable.
    promised: Vec<u32>,
    /// Breaches that some cut would lead to.
    breaches: Vec<String>,
    /// Cuts tried.
    cuts: usize,
}

fn content(shard: u32) -> [u8; SHARD_SIZE] {
    [shard as u8 + 1, 100 + shard as u8]
}

impl Disk {
    /// A part that was just made: its entry has its full size, and the names are perhaps not on the
    /// disk yet.
    fn new() -> Disk {
        let mut disk = Disk::default();
        disk.image
            .files
            .insert(Node::Part, vec![0; SHARDS as usize * SHARD_SIZE]);
        disk.change(Change::Names(vec![(Name::Part, Some(Node::Folder))]));
        disk.change(Change::Names(vec![(Name::Entry, Some(Node::Part))]));
        disk
    }

    fn change(&mut self, change: Change) {
        self.pending.push(change);
        self.cut();
    }

    fn write_shard(&mut self, shard: u32) {
        self.change(Change::Write {
            node: Node::Part,
            at: shard as usize * SHARD_SIZE,
            bytes: content(shard).to_vec(),
        });
        self.gained.push(shard);
    }

    /// Makes the pending changes that match durable.
    fn sync(&mut self, covers: impl Fn(&Change) -> bool) {
        for change in std::mem::take(&mut self.pending) {
            match covers(&change) {
                true => self.image.apply(&change, false),
                false => self.pending.push(change),
            }
        }
        self.cut();
    }

    fn take(&mut self, step: Step) {
        let journal = Node::Journal(self.generation);
        match step {
            Step::SyncData => self.sync(|change| of(change, Node::Part)),
            Step::SyncJournal => self.sync(|change| of(change, journal)),
            Step::SyncFolders => self.sync(|change| is_of_names(change, true)),
            Step::SyncParent => self.sync(|change| is_of_names(change, false)),
            Step::WriteJournal => {
                self.generation += 1;
                let node = Node::Journal(self.generation);
                self.change(Change::Names(vec![(Name::NewJournal, Some(node))]));
                let mut bytes = Vec::new();
                let header = Header {
                    file: FILE,
                    shards: SHARDS,
                    generation: self.generation,
                    files: [1; 20],
                };
                let mut writer = Writer::begin(header, &mut bytes);
                let mut promised = self.promised.clone();
                promised.sort_unstable();
                writer.gained(record::runs(promised.into_iter()), &mut bytes);
                (self.writer, self.journal_size) = (Some(writer), bytes.len());
                self.change(Change::Write { node, at: 0, bytes });
            }
            Step::NameJournal => self.change(Change::Names(vec![
                (Name::Journal, Some(journal)),
                (Name::NewJournal, None),
            ])),
            Step::AppendRecords => self.append(journal),
            Step::NamePart => self.change(Change::Names(vec![
                (Name::Final, Some(Node::Folder)),
                (Name::Part, None),
            ])),
            Step::RemoveJournal => self.change(Change::Names(vec![
                (Name::Journal, None),
                (Name::NewJournal, None),
            ])),
        }
    }

    fn append(&mut self, node: Node) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let mut bytes = Vec::new();
        let mut gained = self.gained.clone();
        gained.sort_unstable();
        writer.gained(record::runs(gained.into_iter()), &mut bytes);
        let at = self.journal_size;
        self.journal_size += bytes.len();
        self.change(Change::Write { node, at, bytes });
    }

    fn run(&mut self, steps: &[Step]) {
        steps.iter().for_each(|&step| self.take(step));
    }

    /// Tries every subset of what is pending, each write whole, torn, or not there.
    fn cut(&mut self) {
        let count = self.pending.len() as u32;
        for choice in 0..3usize.pow(count) {
            let mut image = self.image.clone();
            for (index, change) in self.pending.iter().enumerate() {
                match choice / 3usize.pow(index as u32) % 3 {
                    0 => {}
                    1 => image.apply(change, false),
                    _ => image.apply(change, true),
                }
            }
            self.cuts += 1;
            if let Err(breach) = self.check(&image) {
                self.breaches.push(breach);
            }
        }
    }

    /// Checks the promises against the disk that a start would find.
    fn check(&self, image: &Image) -> Result<(), String> {
        let is_right = |bytes: &[u8], shard: u32| {
            let at = shard as usize * SHARD_SIZE;
            bytes.get(at..at + SHARD_SIZE) == Some(&content(shard))
        };
        if let Some(bytes) = image.named(Name::Final) {
            let whole = (0..SHARDS).all(|shard| is_right(bytes, shard));
            return if whole {
                Ok(())
            } else {
                Err("a final name without its bytes".into())
            };
        }
        let held = match image.named(Name::Journal) {
            None => Vec::new(),
            Some(bytes) => match record::replay(bytes, FILE, SHARDS) {
                Ok(replayed) => replayed.held.iter().collect(),
                Err(Unusable::Damaged) => return Err("half a journal".into()),
                Err(other) => return Err(format!("{other:?}")),
            },
        };
        let part = image.named(Name::Part);
        if let (Some(shard), None) = (held.first(), part) {
            return Err(format!(
                "shard {shard} is proved of a part that is not there"
            ));
        }
        for &shard in &held {
            if !is_right(part.unwrap_or_default(), shard) {
                return Err(format!("shard {shard} is proved and is not on the disk"));
            }
        }
        match self.promised.iter().find(|shard| !held.contains(shard)) {
            Some(shard) => Err(format!("shard {shard} was durable and is lost")),
            None => Ok(()),
        }
    }
}

/// Whether a change is one of a file's bytes.
fn of(change: &Change, file: Node) -> bool {
    matches!(change, Change::Write { node, .. } if *node == file)
}

/// Whether a change is one of names: those within the part, or those beside it.
fn is_of_names(change: &Change, within: bool) -> bool {
    let Change::Names(names) = change else {
        return false;
    };
    (names[0].0 == Name::Entry) == within
}

/// A small fetch, which is over before a checkpoint is due.
fn fetch_at_once(finish: &[Step]) -> Disk {
    let mut disk = Disk::new();
    (0..SHARDS).for_each(|shard| disk.write_shard(shard));
    disk.run(finish);
    disk
}

/// A whole fetch with these steps for the plans: two checkpoints with a restart between them, and
/// the finish.
fn fetch(begin: &[Step], checkpoint: &[Step], finish: &[Step]) -> Disk {
    let mut disk = Disk::new();
    for (index, gained) in CHECKPOINTS.iter().enumerate() {
        // A fetch begins its journal with its first checkpoint, a start that finds one at once.
        if index > 0 {
            disk.run(begin);
        }
        gained.iter().for_each(|&shard| disk.write_shard(shard));
        if index == 0 {
            disk.run(begin);
        }
        disk.run(checkpoint);
        let gained = std::mem::take(&mut disk.gained);
        disk.promised.extend(gained);
        disk.cut();
    }
    disk.write_shard(LAST);
    disk.run(finish);
    let small = fetch_at_once(finish);
    disk.breaches.extend(small.breaches);
    disk.cuts += small.cuts;
    disk
}

fn steps(plan: Plan) -> Vec<Step> {
    plan.steps().to_vec()
}

fn fetch_with(plan: Plan, changed: &[Step]) -> Disk {
    let of = |other: Plan| {
        if other == plan {
            changed.to_vec()
        } else {
            steps(other)
        }
    };
    fetch(&of(Plan::Begin), &of(Plan::Checkpoint), &of(Plan::Finish))
}

#[test]
fn no_cut_at_any_moment_breaks_a_promise() {
    let disk = fetch(
        &steps(Plan::Begin),
        &steps(Plan::Checkpoint),
        &steps(Plan::Finish),
    );
    assert_eq!(disk.breaches, Vec::<String>::new());
    assert!(disk.cuts > 100, "{} cuts", disk.cuts);
    println!("{} cuts", disk.cuts);
}

/// Whether a swap does no harm.
fn is_harmless(plan: Plan, one: Step, other: Step) -> bool {
    // The names within the part must be on the disk before the first record is, and before the part
    // has its final name; where among the steps before that does not matter.
    let neighbours = [
        (Plan::Begin, Step::NameJournal, Step::SyncFolders),
        (Plan::Begin, Step::SyncFolders, Step::SyncParent),
        (Plan::Finish, Step::SyncData, Step::SyncFolders),
    ];
    neighbours.contains(&(plan, one, other))
}

#[test]
fn any_two_steps_swapped_break_one() {
    for plan in [Plan::Begin, Plan::Checkpoint, Plan::Finish] {
        let right = steps(plan);
        for one in 0..right.len() {
            for other in one + 1..right.len() {
                let mut wrong = right.clone();
                wrong.swap(one, other);
                let disk = fetch_with(plan, &wrong);
                let swapped = format!("{plan:?}: {:?} and {:?}", right[one], right[other]);
                println!("{swapped}: {:?}", disk.breaches.first());
                let harmless = is_harmless(plan, right[one], right[other]);
                assert_eq!(disk.breaches.is_empty(), harmless, "{swapped}");
            }
        }
    }
}

#[test]
fn any_step_left_out_breaks_one() {
    for plan in [Plan::Begin, Plan::Checkpoint, Plan::Finish] {
        let right = steps(plan);
        for index in 0..right.len() {
            let step = right[index];
            let mut wrong = right.clone();
            wrong.remove(index);
            let disk = fetch_with(plan, &wrong);
            println!("{plan:?} without {step:?}: {:?}", disk.breaches.first());
            // Without the last step of all, a journal lies about for good, and does no harm.
            let harmless = step == Step::RemoveJournal;
            assert_eq!(
                disk.breaches.is_empty(),
                harmless,
                "{plan:?} without {step:?}"
            );
        }
    }
}

/// A fetch of which two shards are durable, and then one of them is lost: a new journal is to take
/// the old one's place.
fn fetch_that_loses_a_shard(begin: &[Step]) -> Disk {
    let mut disk = Disk::new();
    disk.write_shard(0);
    disk.write_shard(2);
    disk.run(&steps(Plan::Begin));
    disk.run(&steps(Plan::Checkpoint));
    let gained = std::mem::take(&mut disk.gained);
    disk.promised = gained;
    disk.cut();
    disk.promised.retain(|&shard| shard != 0);
    disk.run(begin);
    // From now on anything may stand there.
    disk.change(Change::Write {
        node: Node::Part,
        at: 0,
        bytes: vec![0xee; SHARD_SIZE],
    });
    disk
}

#[test]
fn a_shard_that_is_lost_is_written_again_only_after_the_journal_knows() {
    let right = steps(Plan::Begin);
    assert_eq!(
        fetch_that_loses_a_shard(&right).breaches,
        Vec::<String>::new()
    );
    // Without a name that is on the disk, the old journal may stand there again.
    for step in [Step::SyncParent, Step::NameJournal, Step::SyncJournal] {
        let left_out: Vec<_> = right.iter().copied().filter(|&of| of != step).collect();
        let disk = fetch_that_loses_a_shard(&left_out);
        assert!(!disk.breaches.is_empty(), "without {step:?}");
    }
}

#[test]
fn a_journal_that_rots_at_any_byte_never_gives_a_lost_shard_back() {
    let mut disk = fetch_that_loses_a_shard(&steps(Plan::Begin));
    disk.sync(|_| true);
    disk.write_shard(1);
    disk.run(&steps(Plan::Checkpoint));
    let image = disk.image.clone();
    let good = image.named(Name::Journal).expect("a journal").to_vec();
    let held = |bytes: &[u8]| match record::replay(bytes, FILE, SHARDS) {
        Ok(replayed) => replayed.held.iter().collect(),
        Err(_) => Vec::new(),
    };
    assert_eq!(held(&good), [1, 2]);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(!held(&bad).contains(&0), "bit {bit} of byte {at}");
        }
        assert!(!held(&good[..at]).contains(&0), "cut at {at}");
    }
}
