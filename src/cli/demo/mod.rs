//! `sprat demo`: sharing and fetching on this machine, with real nodes that do not know that they
//! are part of a demo.
//!
//! Five processes of this program on 127.0.0.1, each of which knows only the one before it. Node 1
//! shares a file. Node 4 fetches it by a link without addresses, so that it must find the provider
//! through the network; node 5 does the same and finds two providers.
//!
//! `--nodes` runs another one, see `crowd`.

mod child;
mod crowd;

use super::args::Args;
use super::console::Console;
use super::console::print;
use super::exit::Exit;
use crate::rng::Rng;
use crate::service::{format, json};
use crate::wire::Link;
use child::{Child, Folder, JOIN_TIMEOUT, cannot};
use std::env;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of the generated file.
const SAMPLE_SIZE: u64 = 256 << 20;
/// Bytes a second that even a slow card reads and hashes: bounds the time of transfers.
const SLOW_RATE: u64 = 4 << 20;

pub(super) fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let source = args.operands.first().map(PathBuf::from);
    if args.options.nodes.is_some() && source.is_some() {
        let text = "demo takes a FILE or --nodes, not both (see sprat help demo)";
        return Err(Exit::Usage(text.into()));
    }
    let folder = Folder::create()?;
    if let Some(count) = args.options.nodes {
        return crowd::run(count, folder);
    }
    let (source, size) = match source {
        Some(file) => {
            let size = size_of(&file)?;
            (file, size)
        }
        None => {
            console.info(format!("generating {} of data", format::size(SAMPLE_SIZE)));
            (generate(&folder)?, SAMPLE_SIZE)
        }
    };
    Demo {
        nodes: Vec::new(),
        folder,
        source,
        size,
        timeout: JOIN_TIMEOUT + Duration::from_secs(size / SLOW_RATE),
        started_at: Instant::now(),
    }
    .play()
}

struct Demo {
    // Fields drop in this order: the nodes end before their folder is removed.
    nodes: Vec<Child>,
    folder: Folder,
    source: PathBuf,
    size: u64,
    /// For hashing or fetching the file.
    timeout: Duration,
    started_at: Instant,
}

impl Demo {
    fn play(mut self) -> Result<(), Exit> {
        print("Five nodes on 127.0.0.1. Each knows only one other.\n")?;
        let source = self.source.display().to_string();
        self.start(&["share", "-v", &source])?;
        self.start(&["node"])?;
        self.start(&["node"])?;
        for node in &mut self.nodes[1..] {
            node.wait_until_joined()?;
        }
        let timeout = self.timeout;
        let link = self.node(1).link(timeout)?;
        self.node(1).wait_until_announced()?;
        let size = format::size(self.size);
        let [one, two, three] = [1, 2, 3].map(|number| self.address(number));
        print(format!(
            "  node 1  {one}  shares {size}\n  node 2  {two}  knows node 1\n  \
             node 3  {three}  knows node 2\n  link    {link}\n"
        ))?;
        self.fetch(4, &link)?;
        self.node(4).wait_until_announced()?;
        print("  serving   node 4 is a provider now, too\n")?;
        self.fetch(5, &link)?;
        self.finish()
    }

    fn node(&mut self, number: usize) -> &mut Child {
        &mut self.nodes[number - 1]
    }

    fn address(&self, number: usize) -> &str {
        &self.nodes[number - 1].address
    }

    /// Starts the next node, which knows the one before it.
    fn start(&mut self, words: &[&str]) -> Result<(), Exit> {
        let name = format!("node {}", self.nodes.len() + 1);
        let bootstrap = self.nodes.last().map(|node| node.address.as_str());
        let child = self.folder.start(&name, words, "127.0.0.1:0", bootstrap)?;
        self.nodes.push(child);
        Ok(())
    }

    /// Starts node `number`, which fetches the file of `link`, and compares the result.
    fn fetch(&mut self, number: usize, link: &Link) -> Result<(), Exit> {
        let name = format!("copy-{number}");
        let copy = self.folder.path(&name);
        let (link, output) = (link.to_string(), copy.display().to_string());
        self.start(&["get", &link, "-o", &output, "--json", "--seed", "-v"])?;
        let timeout = self.timeout;
        let time = self.node(number).fetch_time(timeout)?;
        let lines = self.node(number).lines();
        let found = |line: &&String| {
            json::is_event(line, "lookup") && json::number(line, "providers") > Some(0.0)
        };
        let lookup = lines.iter().rfind(found).cloned().unwrap_or_default();
        self.compare(&copy)?;
        let of = |key| json::number(&lookup, key).unwrap_or_default() as u64;
        let (address, before) = (self.address(number), number - 1);
        let (size, rate) = (format::size(self.size), format::rate(self.size, time));
        print(format!(
            "Fetched at node {number} ({address}), which knows node {before}:\n  \
             lookup    {} found: {}, {} asked, {} answered, {} ms\n  \
             transfer  {size} in {} ({rate}), lookup and verification included\n  \
             verified  the SHA-1 of every shard; {name} equals the source byte for byte",
            format::count(of("providers"), "provider"),
            format::count(of("hops"), "hop"),
            format::count(of("asked"), "node"),
            of("answered"),
            of("ms"),
            format::duration(time),
        ))
    }

    /// Prints memory, sources and what to do next.
    fn finish(mut self) -> Result<(), Exit> {
        let memory = self.nodes.iter().map(Child::peak_memory);
        let memory = memory.map(|bytes| bytes.map_or("unknown".into(), format::size));
        let memory = memory.collect::<Vec<String>>().join(", ");
        for node in self.nodes.iter_mut().rev() {
            node.stop();
        }
        // Node 1 has sent the whole file to node 4 before.
        let from_first = format::size(self.sent(1).saturating_sub(self.size));
        let from_fourth = format::size(self.sent(4));
        let took = format::duration(self.started_at.elapsed());
        let program = env::args().next().unwrap_or_else(|| "sprat".into());
        print(format!(
            "  sources   {from_first} from node 1, {from_fourth} from node 4\n\n\
             Peak memory of nodes 1 to 5: {memory}.\nAll done in {took}.\n\n\
             Now try it yourself, in two terminals or on two machines:\n  \
             {program} share FILE\n  \
             {program} get 'LINK'        # the link that share prints"
        ))
    }

    /// Bytes of payload that a stopped node has sent, by its own account.
    fn sent(&mut self, number: usize) -> u64 {
        let lines = self.node(number).lines();
        let count = |line: &String| {
            let (count, _) = line.strip_prefix("sprat: sent ")?.split_once(" bytes")?;
            count.parse().ok()
        };
        lines.iter().rev().find_map(count).unwrap_or(0)
    }

    /// An error unless `copy` has the bytes of the source.
    fn compare(&self, copy: &Path) -> Result<(), Exit> {
        let open = |path: &Path| -> io::Result<_> {
            Ok(BufReader::with_capacity(1 << 20, File::open(path)?))
        };
        let mut left = open(&self.source).map_err(|error| cannot("read", &self.source, error))?;
        let mut right = open(copy).map_err(|error| cannot("read", copy, error))?;
        loop {
            self.folder.check()?;
            let one = left
                .fill_buf()
                .map_err(|error| cannot("read", &self.source, error))?;
            let two = right
                .fill_buf()
                .map_err(|error| cannot("read", copy, error))?;
            if one.is_empty() && two.is_empty() {
                return Ok(());
            }
            let size = one.len().min(two.len());
            if size == 0 || one[..size] != two[..size] {
                let text = format!("{} differs from the shared file", copy.display());
                return Err(Exit::Failed(text));
            }
            left.consume(size);
            right.consume(size);
        }
    }
}

fn size_of(file: &Path) -> Result<u64, Exit> {
    let metadata = File::open(file).and_then(|file| file.metadata());
    let metadata = metadata.map_err(|error| cannot("read", file, error))?;
    match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(Exit::Failed(format!(
            "not a file: {} (demo takes one file; share takes folders as well)",
            file.display()
        ))),
    }
}

fn generate(folder: &Folder) -> Result<PathBuf, Exit> {
    let path = folder.path("sample.bin");
    let failed = |error| cannot("write", &path, error);
    let mut file = File::create(&path).map_err(failed)?;
    let mut rng = Rng::from_number(1);
    let mut block = vec![0; 1 << 20];
    for _ in 0..SAMPLE_SIZE / block.len() as u64 {
        folder.check()?;
        rng.fill(&mut block);
        file.write_all(&block).map_err(failed)?;
    }
    Ok(path)
}
