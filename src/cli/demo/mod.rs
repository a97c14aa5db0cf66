//! `sprat demo`: the main job on this machine, with real nodes that know nothing of being in a
//! demo.
//!
//! Five processes of this program on 127.0.0.1, chained by bootstrap so that each is told of one
//! other only. Node 1 shares a file; node 4 fetches it by a link without addresses, so that it must
//! find the provider through the network; node 5 does the same and finds two.
//!
//! With `--nodes`, another one: see `crowd`.
//!
//! Invariant: however it ends, no process and no file of the demo is left.

mod child;
mod crowd;

use super::args::Args;
use super::console::Console;
use super::exit::UsageError;
use super::{Exit, print};
use crate::reactor;
use crate::rng::Rng;
use crate::service::{format, json};
use crate::wire::Link;
use child::{Child, Interrupt, Stream};
use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of the generated file.
const SAMPLE_SIZE: u64 = 256 << 20;
/// How long the nodes may take to find each other.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes a second that even a slow card reads and hashes; gives transfers their time.
const SLOW_RATE: u64 = 4 << 20;

/// Runs the command.
pub fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let given = match args.operands.as_slice() {
        [] => None,
        [file] => Some(PathBuf::from(file)),
        _ => return Err(UsageError("demo takes one FILE (see sprat help demo)".into()).into()),
    };
    if args.nodes.is_some() && given.is_some() {
        let text = "demo takes a FILE or --nodes, not both (see sprat help demo)";
        return Err(UsageError(text.into()).into());
    }
    let interrupt = Interrupt::catch()?;
    if let Some(count) = args.nodes {
        return crowd::run(count, interrupt);
    }
    let folder = Folder::make()?;
    let (source, size) = match given {
        Some(file) => (file.clone(), size_of(&file)?),
        None => {
            console.info(format!("generating {} of data", format::size(SAMPLE_SIZE)));
            (generate(&folder.0, &interrupt)?, SAMPLE_SIZE)
        }
    };
    Demo {
        folder,
        source,
        size,
        patience: JOIN_TIMEOUT + Duration::from_secs(size / SLOW_RATE),
        interrupt,
        nodes: Vec::new(),
        started_at: Instant::now(),
    }
    .play()
}

struct Demo {
    // Fields drop in this order: the nodes end before their folder goes.
    nodes: Vec<(Child, String)>,
    folder: Folder,
    source: PathBuf,
    size: u64,
    patience: Duration,
    interrupt: Interrupt,
    started_at: Instant,
}

/// What a node said of its fetch.
struct Fetched {
    path: PathBuf,
    lookup: String,
    seconds: f64,
}

impl Demo {
    fn play(mut self) -> Result<(), Exit> {
        print("Five nodes on 127.0.0.1. Each is told of one other only.\n")?;
        let source = self.source.display().to_string();
        self.start(&["share", "-v", &source])?;
        self.start(&["node"])?;
        self.start(&["node"])?;
        let link = self.link()?;
        print(format!(
            "  node 1  {}  shares {}",
            self.address(1),
            format::size(self.size)
        ))?;
        print(format!("  node 2  {}  knows node 1", self.address(2)))?;
        print(format!("  node 3  {}  knows node 2", self.address(3)))?;
        print(format!("  link    {link}\n"))?;

        let first = self.fetch(&link)?;
        self.report(4, &first)?;
        self.say_provider(4)?;
        let second = self.fetch(&link)?;
        self.report(5, &second)?;
        self.finish()
    }

    /// Starts the next node, told of the one before it.
    fn start(&mut self, words: &[&str]) -> Result<(), Exit> {
        let number = self.nodes.len() + 1;
        let name = format!("node {number}");
        let state = self
            .folder
            .0
            .join(format!("state-{number}"))
            .display()
            .to_string();
        let mut words = words.to_vec();
        words.extend(["-l", "127.0.0.1:0", "-d", &state]);
        if let Some((_, address)) = self.nodes.last() {
            words.extend(["-b", address]);
        }
        let mut child = Child::start(&name, &words, &self.folder.0)?;
        let address = child.wait_for(
            Stream::Stderr,
            "listen",
            JOIN_TIMEOUT,
            &self.interrupt,
            |line| line.strip_prefix("sprat: listening on ").map(str::to_owned),
        )?;
        self.nodes.push((child, address));
        Ok(())
    }

    /// The link that node 1 prints, less its addresses, once others know of it.
    fn link(&mut self) -> Result<Link, Exit> {
        for (node, _) in &mut self.nodes[1..] {
            node.wait_for(
                Stream::Stderr,
                "join",
                JOIN_TIMEOUT,
                &self.interrupt,
                |line| line.contains("joined the network").then_some(()),
            )?;
        }
        let sharer = &mut self.nodes[0].0;
        let mut link = sharer.wait_for(
            Stream::Stdout,
            "hash the file",
            self.patience,
            &self.interrupt,
            |line| Link::parse(line).ok(),
        )?;
        link.providers.clear();
        self.wait_until_announced(1)?;
        Ok(link)
    }

    fn wait_until_announced(&mut self, number: usize) -> Result<(), Exit> {
        let node = &mut self.nodes[number - 1].0;
        node.wait_for(
            Stream::Stderr,
            "announce the file",
            JOIN_TIMEOUT,
            &self.interrupt,
            |line| {
                let announced = line.contains(" announced ") && !line.ends_with("at 0 nodes");
                announced.then_some(())
            },
        )
    }

    /// Starts the next node, which fetches what the link names, and compares what arrived.
    fn fetch(&mut self, link: &Link) -> Result<Fetched, Exit> {
        let number = self.nodes.len() + 1;
        let path = self.folder.0.join(format!("copy-{number}"));
        let (link, output) = (link.to_string(), path.display().to_string());
        self.start(&["get", &link, "-o", &output, "--json", "--seed", "-v"])?;
        let node = &mut self.nodes[number - 1].0;
        let seconds = node.wait_for(
            Stream::Stdout,
            "fetch the file",
            self.patience,
            &self.interrupt,
            |line| json::is_event(line, "complete").then(|| json::number(line, "seconds")),
        )?;
        let lines = node.lines(Stream::Stdout);
        let found = |line: &&String| {
            json::is_event(line, "lookup") && json::number(line, "providers") > Some(0.0)
        };
        let lookup = lines.iter().rfind(found).cloned().unwrap_or_default();
        compare(&self.source, &path, &self.interrupt)?;
        Ok(Fetched {
            path,
            lookup,
            seconds: seconds.unwrap_or_default(),
        })
    }

    fn report(&self, number: usize, fetched: &Fetched) -> Result<(), Exit> {
        let of = |key| json::number(&fetched.lookup, key).unwrap_or_default() as u64;
        let took = Duration::from_secs_f64(fetched.seconds);
        print(format!(
            "Fetched at node {number} ({}), which knows node {}:",
            self.address(number),
            number - 1
        ))?;
        print(format!(
            "  lookup    {} found: {}, {} asked, {} answered, {} ms",
            format::count(of("providers"), "provider"),
            format::count(of("hops"), "hop"),
            format::count(of("asked"), "node"),
            of("answered"),
            of("ms"),
        ))?;
        print(format!(
            "  transfer  {} in {} ({}), lookup and verification included",
            format::size(self.size),
            format::duration(took),
            format::rate(self.size, took),
        ))?;
        let name = fetched
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        print(format!(
            "  verified  the SHA-1 of every shard; {name} equals the source byte for byte"
        ))
    }

    fn say_provider(&mut self, number: usize) -> Result<(), Exit> {
        self.wait_until_announced(number)?;
        print(format!(
            "  serving   node {number} is a provider now, too\n"
        ))
    }

    /// Memory, who sent what, and what to do next.
    fn finish(mut self) -> Result<(), Exit> {
        let memory: Vec<String> = self
            .nodes
            .iter()
            .map(|(node, _)| node.peak_memory().map_or("unknown".into(), format::size))
            .collect();
        for (node, _) in self.nodes.iter_mut().rev() {
            node.stop();
        }
        // Node 1 has sent the whole file to node 4 before.
        let from_first = self.sent(1).saturating_sub(self.size);
        let from_fourth = self.sent(4);
        print(format!(
            "  sources   {} from node 1, {} from node 4\n",
            format::size(from_first),
            format::size(from_fourth),
        ))?;
        print(format!(
            "Peak memory of nodes 1 to 5: {}.",
            memory.join(", ")
        ))?;
        print(format!(
            "All done in {}.\n",
            format::duration(self.started_at.elapsed())
        ))?;
        let program = env::args().next().unwrap_or_else(|| "sprat".into());
        print("Now try it yourself, in two terminals or on two machines:")?;
        print(format!("  {program} share FILE"))?;
        print(format!(
            "  {program} get 'LINK'        # the link that share prints"
        ))
    }

    /// Bytes of payload that a stopped node says it has sent.
    fn sent(&self, number: usize) -> u64 {
        let lines = self.nodes[number - 1].0.lines(Stream::Stderr);
        let count = |line: &String| {
            let (count, _) = line.strip_prefix("sprat: sent ")?.split_once(" bytes")?;
            count.parse().ok()
        };
        lines.iter().rev().find_map(count).unwrap_or(0)
    }

    fn address(&self, number: usize) -> &str {
        &self.nodes[number - 1].1
    }
}

/// The demo's own folder; goes with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Folder, Exit> {
        let path = env::temp_dir().join(format!("sprat-demo-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| cannot("make the folder", &path, error))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn cannot(verb: &str, path: &Path, error: io::Error) -> Exit {
    reactor::Error::new(format!("{verb} {}", path.display()), error).into()
}

fn size_of(file: &Path) -> Result<u64, Exit> {
    let data = File::open(file).and_then(|file| file.metadata());
    let data = data.map_err(|error| cannot("read", file, error))?;
    match data.is_file() {
        true => Ok(data.len()),
        false => Err(Exit::Failed(format!(
            "not a file: {} (demo takes one file; share takes folders as well)",
            file.display()
        ))),
    }
}

fn generate(folder: &Path, interrupt: &Interrupt) -> Result<PathBuf, Exit> {
    let path = folder.join("sample.bin");
    let mut file = File::create(&path).map_err(|error| cannot("write", &path, error))?;
    let mut rng = Rng::from_number(1);
    let mut block = vec![0; 1 << 20];
    for _ in 0..SAMPLE_SIZE / block.len() as u64 {
        interrupt.check()?;
        rng.fill(&mut block);
        file.write_all(&block)
            .map_err(|error| cannot("write", &path, error))?;
    }
    Ok(path)
}

/// An error unless the two files have the same bytes.
fn compare(source: &Path, copy: &Path, interrupt: &Interrupt) -> Result<(), Exit> {
    let mut blocks = [vec![0; 1 << 20], vec![0; 1 << 20]];
    let mut files = [open(source)?, open(copy)?];
    loop {
        interrupt.check()?;
        let one = fill(&mut files[0], &mut blocks[0]).map_err(|e| cannot("read", source, e))?;
        let two = fill(&mut files[1], &mut blocks[1]).map_err(|e| cannot("read", copy, e))?;
        if blocks[0][..one] != blocks[1][..two] {
            return Err(Exit::Failed(format!(
                "{} is not what was shared",
                copy.display()
            )));
        }
        if one == 0 {
            return Ok(());
        }
    }
}

fn open(path: &Path) -> Result<File, Exit> {
    File::open(path).map_err(|error| cannot("read", path, error))
}

/// Reads until the block is full or the file ends.
fn fill(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut size = 0;
    while size < block.len() {
        match file.read(&mut block[size..])? {
            0 => break,
            count => size += count,
        }
    }
    Ok(size)
}
