//! `sprat demo --nodes N`: a crowd of real nodes, of which a third at a time is killed.
//!
//! Node 1 is all that the others are told of; each of those shares a file of its own. Every file
//! whose sharer lives is then fetched by its id through another node: while all nodes run, right
//! after a third of them (node 1 too) has been killed with SIGKILL, and when those run again; and so
//! for each third. A file that is not found and fetched is a miss.
//!
//! **What this is not**: a benchmark of transfers; the files are of one shard. Invariant: it ends
//! well only without a miss.

use super::child::{Child, Interrupt, Stream};
use super::{Folder, JOIN_TIMEOUT, cannot};
use crate::cli::{Exit, print};
use crate::rng::Rng;
use crate::service::{format, json};
use crate::wire::Link;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of each file.
const FILE_SIZE: usize = 16 << 10;
/// Fetches at once: more would measure how they wait for each other.
const FETCHES: usize = 4;
/// A node is killed in one of so many rounds.
const ROUNDS: usize = 3;

/// Runs the demo with `count` nodes, at least [`ROUNDS`] + 1.
pub fn run(count: usize, interrupt: Interrupt) -> Result<(), Exit> {
    let crowd = Crowd {
        nodes: Vec::new(),
        folder: Folder::make()?,
        interrupt,
        started_at: Instant::now(),
        fetches: 0,
        misses: Vec::new(),
    };
    crowd.play(count)
}

struct Crowd {
    // Fields drop in this order: the nodes end before their folder goes.
    nodes: Vec<Node>,
    folder: Folder,
    interrupt: Interrupt,
    started_at: Instant,
    fetches: usize,
    misses: Vec<String>,
}

struct Node {
    /// `None` while it is dead.
    child: Option<Child>,
    address: String,
    /// What it shares; node 1 shares nothing.
    link: Option<Link>,
    /// The most memory that it has had, in bytes.
    memory: u64,
}

impl Crowd {
    fn play(mut self, count: usize) -> Result<(), Exit> {
        print(format!(
            "{count} nodes on 127.0.0.1. All are told of node 1 only, and share a file each.\n"
        ))?;
        self.begin(count)?;
        print("  when                        files   found   median time   longest")?;
        self.find("all nodes run")?;
        for round in 0..ROUNDS {
            let killed: Vec<usize> = (round..count).step_by(ROUNDS).collect();
            killed.iter().for_each(|&index| self.kill(index));
            self.find(&format!("{} of them killed", killed.len()))?;
            for &index in &killed {
                self.revive(index)?;
            }
            self.wait_until_announced(&killed)?;
            self.find("these run again")?;
        }
        self.finish()
    }

    /// Starts all nodes, and waits until each has announced its file.
    fn begin(&mut self, count: usize) -> Result<(), Exit> {
        for index in 0..count {
            let path = self.file(index);
            let mut bytes = vec![0; FILE_SIZE];
            Rng::from_number(index as u64).fill(&mut bytes);
            fs::write(&path, bytes).map_err(|error| cannot("write", &path, error))?;
            let first = self.nodes.first().map(|node| node.address.clone());
            let mut child = self.start(index, "127.0.0.1:0", first.as_deref())?;
            let address = self.listening(&mut child)?;
            self.nodes.push(Node {
                child: Some(child),
                address,
                link: None,
                memory: 0,
            });
        }
        for node in &mut self.nodes[1..] {
            let Some(child) = &mut node.child else {
                continue;
            };
            let find = |line: &str| Link::parse(line).ok();
            let link = child.wait_for(
                Stream::Stdout,
                "hash its file",
                JOIN_TIMEOUT,
                &self.interrupt,
                find,
            )?;
            // Without addresses, so that the file must be found.
            node.link = Some(Link {
                providers: Vec::new(),
                ..link
            });
        }
        self.wait_until_announced(&(0..count).collect::<Vec<_>>())
    }

    fn start(&self, index: usize, listen: &str, bootstrap: Option<&str>) -> Result<Child, Exit> {
        let (file, state) = (self.file(index), self.path(&format!("state-{index}")));
        let (file, state) = (file.display().to_string(), state.display().to_string());
        let mut words = match index {
            0 => vec!["node"],
            _ => vec!["share", "-v", &file],
        };
        words.extend(["-l", listen, "-d", &state]);
        words.extend(bootstrap.iter().flat_map(|address| ["-b", address]));
        Child::start(&format!("node {}", index + 1), &words, &self.folder.0)
    }

    fn listening(&self, child: &mut Child) -> Result<String, Exit> {
        let find = |line: &str| line.strip_prefix("sprat: listening on ").map(str::to_owned);
        child.wait_for(
            Stream::Stderr,
            "listen",
            JOIN_TIMEOUT,
            &self.interrupt,
            find,
        )
    }

    fn wait_until_announced(&mut self, indices: &[usize]) -> Result<(), Exit> {
        for &index in indices {
            let find = |line: &str| match index {
                0 => line.contains("joined the network").then_some(()),
                _ => {
                    let announced = line.contains(" announced ") && !line.ends_with(" 0 nodes");
                    announced.then_some(())
                }
            };
            let Some(child) = &mut self.nodes[index].child else {
                continue;
            };
            let what = "announce its file";
            child.wait_for(Stream::Stderr, what, JOIN_TIMEOUT, &self.interrupt, find)?;
        }
        Ok(())
    }

    /// Kills a node without a warning.
    fn kill(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        // A child that is dropped is killed with SIGKILL.
        if let Some(child) = node.child.take() {
            node.memory = node.memory.max(child.peak_memory().unwrap_or(0));
        }
    }

    /// Starts a node again where it was. It is told of one that lives.
    fn revive(&mut self, index: usize) -> Result<(), Exit> {
        let through = self.nodes[self.living_after(index)].address.clone();
        let mut child = self.start(index, &self.nodes[index].address, Some(&through))?;
        self.listening(&mut child)?;
        self.nodes[index].child = Some(child);
        Ok(())
    }

    /// The next node that lives.
    fn living_after(&self, index: usize) -> usize {
        let count = self.nodes.len();
        let mut others = (1..count).map(|step| (index + step) % count);
        let lives = |&other: &usize| self.nodes[other].child.is_some();
        others.find(lives).expect("never are all of them killed")
    }

    /// Fetches each file whose sharer lives, through the living node after half the crowd.
    fn find(&mut self, when: &str) -> Result<(), Exit> {
        let half = self.nodes.len() / 2;
        let sharers: Vec<usize> = (1..self.nodes.len())
            .filter(|&index| self.nodes[index].child.is_some())
            .collect();
        let mut took = Vec::new();
        for batch in sharers.chunks(FETCHES) {
            let mut fetching = Vec::new();
            for &sharer in batch {
                let mut through = self.living_after((sharer + half) % self.nodes.len());
                if through == sharer {
                    through = self.living_after(sharer);
                }
                fetching.push((sharer, through, self.fetch(sharer, through)?));
            }
            for (sharer, through, child) in fetching {
                match self.fetched(child)? {
                    Ok(time) => took.push(time),
                    Err(why) => self.misses.push(format!(
                        "the file of node {} through node {}: {why}",
                        sharer + 1,
                        through + 1
                    )),
                }
            }
        }
        took.sort();
        let time = |at: Option<&Duration>| at.map_or("-".into(), |&at| format::duration(at));
        print(format!(
            "  {when:26}  {:5}   {:5}   {:>11}   {:>7}",
            sharers.len(),
            took.len(),
            time(took.get(took.len() / 2)),
            time(took.last())
        ))
    }

    /// A node that fetches the file of another.
    fn fetch(&mut self, sharer: usize, through: usize) -> Result<Child, Exit> {
        self.fetches += 1;
        let link = self.nodes[sharer].link.as_ref();
        let link = link.map(Link::to_string).unwrap_or_default();
        let name = format!("fetch {}", self.fetches);
        let output = self.path(&name.replace(' ', "-")).display().to_string();
        let state = self.path(&format!("{name}-state")).display().to_string();
        let bootstrap = &self.nodes[through].address;
        let words = ["get", &link, "--json", "-l", "127.0.0.1:0", "-o", &output];
        let more = ["-b", bootstrap, "-d", &state];
        Child::start(&name, &[&words[..], &more].concat(), &self.folder.0)
    }

    /// How long it took to find and fetch the file, or why there is none.
    fn fetched(&self, mut child: Child) -> Result<Result<Duration, String>, Exit> {
        let seconds = |line: &str| {
            let is_complete = json::is_event(line, "complete");
            is_complete.then(|| json::number(line, "seconds"))
        };
        let (stream, what) = (Stream::Stdout, "fetch the file");
        match child.wait_for(stream, what, JOIN_TIMEOUT, &self.interrupt, seconds) {
            Ok(seconds) => Ok(Ok(Duration::from_secs_f64(seconds.unwrap_or_default()))),
            Err(Exit::Failed(why)) => Ok(Err(why)),
            Err(other) => Err(other),
        }
    }

    fn finish(mut self) -> Result<(), Exit> {
        (0..self.nodes.len()).for_each(|index| self.kill(index));
        let mut memory: Vec<u64> = self.nodes.iter().map(|node| node.memory).collect();
        memory.sort_unstable();
        print(
            "\nThe time is that from the start of a node to the verified file: joining, finding, fetching.",
        )?;
        print(format!(
            "Peak memory of a node: {} (median), {} (most).",
            format::size(memory[memory.len() / 2]),
            format::size(memory[memory.len() - 1]),
        ))?;
        if !self.misses.is_empty() {
            return Err(Exit::Failed(format!(
                "{} of {} fetches failed; the first: {}",
                self.misses.len(),
                self.fetches,
                self.misses[0]
            )));
        }
        print(format!(
            "All {} fetches found their file; done in {}.",
            self.fetches,
            format::duration(self.started_at.elapsed())
        ))
    }

    fn file(&self, index: usize) -> PathBuf {
        self.path(&format!("file-{}.bin", index + 1))
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder.0).join(name)
    }
}
