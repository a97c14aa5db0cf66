//! `sprat demo --nodes N`: a crowd of real nodes, of which a third at a time is killed.
//!
//! All nodes know node 1 only, and each of them except node 1 shares a file of its own. Then every
//! file whose sharer runs is fetched by its id through another node: while all nodes run, after a
//! third of them (node 1 too) was killed with SIGKILL, and after these run again; and so for each
//! third. A file that is not found and fetched is a miss. The files have one shard: this is no
//! benchmark of transfers.
//!
//! Invariant: the exit code is 0 only without a miss.

use super::child::{Child, Folder, JOIN_TIMEOUT, cannot};
use crate::cli::console::print;
use crate::cli::exit::Exit;
use crate::rng::Rng;
use crate::service::format;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Bytes of each file: one shard.
const FILE_SIZE: usize = 16 << 10;
/// Fetches at once: more of them would wait for each other.
const FETCHES_MAX: usize = 4;
/// Each node is killed in one of the rounds.
const ROUNDS: usize = 3;

/// Runs `count` nodes, at least [`ROUNDS`] + 1.
pub(super) fn run(count: usize, folder: Folder) -> Result<(), Exit> {
    let mut crowd = Crowd {
        nodes: Vec::new(),
        folder,
        started_at: Instant::now(),
        fetch_count: 0,
        misses: Vec::new(),
    };
    print(format!(
        "{count} nodes on 127.0.0.1. All know node 1 only, and share a file each.\n"
    ))?;
    crowd.start_all(count)?;
    print("  when                        files   found   median time   longest")?;
    crowd.fetch_all("all nodes run")?;
    for round in 0..ROUNDS {
        let killed: Vec<usize> = (round..count).step_by(ROUNDS).collect();
        killed.iter().for_each(|&index| crowd.kill(index));
        crowd.fetch_all(&format!("{} of them killed", killed.len()))?;
        for &index in &killed {
            let bootstrap = crowd.nodes[crowd.running_after(index)].address.clone();
            let listen = crowd.nodes[index].address.clone();
            crowd.nodes[index].child = Some(crowd.start(index, &listen, Some(&bootstrap))?);
        }
        crowd.wait_until_announced(&killed)?;
        crowd.fetch_all("these run again")?;
    }
    crowd.finish()
}

struct Crowd {
    // Fields drop in this order: the nodes end before their folder is removed.
    nodes: Vec<Node>,
    folder: Folder,
    started_at: Instant,
    fetch_count: usize,
    misses: Vec<String>,
}

struct Node {
    /// `None` while it is killed.
    child: Option<Child>,
    address: String,
    /// The link of its file; node 1 has none.
    link: String,
    /// The peak of its memory in bytes, known after it was killed.
    memory: u64,
}

impl Crowd {
    /// Starts all nodes, and waits until each has announced its file.
    fn start_all(&mut self, count: usize) -> Result<(), Exit> {
        for index in 0..count {
            let path = self.file(index);
            let mut bytes = vec![0; FILE_SIZE];
            Rng::from_number(index as u64).fill(&mut bytes);
            fs::write(&path, bytes).map_err(|error| cannot("write", &path, error))?;
            let first = self.nodes.first().map(|node| node.address.clone());
            let child = self.start(index, "127.0.0.1:0", first.as_deref())?;
            self.nodes.push(Node {
                address: child.address.clone(),
                child: Some(child),
                link: String::new(),
                memory: 0,
            });
        }
        for node in &mut self.nodes[1..] {
            if let Some(child) = &mut node.child {
                node.link = child.link(JOIN_TIMEOUT)?.to_string();
            }
        }
        self.wait_until_announced(&(0..count).collect::<Vec<_>>())
    }

    fn start(&self, index: usize, listen: &str, bootstrap: Option<&str>) -> Result<Child, Exit> {
        let file = self.file(index).display().to_string();
        let share = ["share", "-v", &file];
        let words: &[&str] = if index == 0 { &["node"] } else { &share };
        let name = format!("node {}", index + 1);
        self.folder.start(&name, words, listen, bootstrap)
    }

    fn wait_until_announced(&mut self, indices: &[usize]) -> Result<(), Exit> {
        for &index in indices {
            match &mut self.nodes[index].child {
                Some(child) if index == 0 => child.wait_until_joined()?,
                Some(child) => child.wait_until_announced()?,
                None => {}
            }
        }
        Ok(())
    }

    fn kill(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if let Some(child) = node.child.take() {
            node.memory = node.memory.max(child.peak_memory().unwrap_or(0));
        }
    }

    /// The next node that runs.
    fn running_after(&self, index: usize) -> usize {
        let count = self.nodes.len();
        let mut others = (1..count).map(|step| (index + step) % count);
        let runs = |&other: &usize| self.nodes[other].child.is_some();
        others.find(runs).expect("two thirds of the nodes run")
    }

    /// Fetches each file whose sharer runs, through the running node half the crowd away.
    fn fetch_all(&mut self, when: &str) -> Result<(), Exit> {
        let count = self.nodes.len();
        let runs = |&index: &usize| self.nodes[index].child.is_some();
        let sharers: Vec<usize> = (1..count).filter(runs).collect();
        let mut times = Vec::new();
        for batch in sharers.chunks(FETCHES_MAX) {
            let mut fetches = Vec::new();
            for &sharer in batch {
                let mut through = self.running_after((sharer + count / 2) % count);
                if through == sharer {
                    through = self.running_after(sharer);
                }
                fetches.push((sharer, through, self.fetch(sharer, through)?));
            }
            for (sharer, through, mut child) in fetches {
                match child.fetch_time(JOIN_TIMEOUT) {
                    Ok(time) => times.push(time),
                    Err(Exit::Failed(why)) => self.misses.push(format!(
                        "the file of node {} through node {}: {why}",
                        sharer + 1,
                        through + 1
                    )),
                    Err(other) => return Err(other),
                }
            }
        }
        times.sort();
        let time = |at: Option<&Duration>| at.map_or("-".into(), |&at| format::duration(at));
        print(format!(
            "  {when:26}  {:5}   {:5}   {:>11}   {:>7}",
            sharers.len(),
            times.len(),
            time(times.get(times.len() / 2)),
            time(times.last())
        ))
    }

    /// Starts a node that fetches the file of `sharer` and joins through `through`.
    fn fetch(&mut self, sharer: usize, through: usize) -> Result<Child, Exit> {
        self.fetch_count += 1;
        let name = format!("fetch {}", self.fetch_count);
        let output = self.folder.path(&format!("copy-{}", self.fetch_count));
        let output = output.display().to_string();
        let words = ["get", &self.nodes[sharer].link, "--json", "-o", &output];
        let bootstrap = Some(self.nodes[through].address.as_str());
        self.folder.start(&name, &words, "127.0.0.1:0", bootstrap)
    }

    fn finish(mut self) -> Result<(), Exit> {
        (0..self.nodes.len()).for_each(|index| self.kill(index));
        let mut memory: Vec<u64> = self.nodes.iter().map(|node| node.memory).collect();
        memory.sort_unstable();
        let [median, most] = [memory[memory.len() / 2], memory[memory.len() - 1]].map(format::size);
        print(
            "\nThe time runs from the start of a node to the verified file: joining, finding, \
             fetching.",
        )?;
        print(format!(
            "Peak memory of a node: {median} (median), {most} (most)."
        ))?;
        let count = self.fetch_count;
        match self.misses.first() {
            Some(first) => Err(Exit::Failed(format!(
                "{} of {count} fetches failed; the first: {first}",
                self.misses.len()
            ))),
            None => print(format!(
                "All {count} fetches found their file; done in {}.",
                format::duration(self.started_at.elapsed())
            )),
        }
    }

    fn file(&self, index: usize) -> PathBuf {
        self.folder.path(&format!("file-{}.bin", index + 1))
    }
}
