//! (stub)
use crate::id::{FileId, NodeId};
use crate::node::{self, Node, SwarmKey};
use crate::time::Instant;
use crate::wire::{Manifest, Network};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
pub struct Setup {
    pub listen: Vec<SocketAddr>,
    pub network: Network,
    pub id: NodeId,
    pub read_only: bool,
}
pub enum OutputPath {
    Named(PathBuf),
    In(PathBuf),
}
pub enum Happening {
    Event(node::Event),
    Deadline,
    Signal(i32),
}
#[derive(Debug)]
pub struct Error {
    pub operation: String,
    pub place: String,
    pub source: std::io::Error,
}
impl Error {
    pub fn kind(&self) -> std::io::ErrorKind {
        self.source.kind()
    }
}
impl fmt::Display for Error {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
pub struct Reactor(Node);
#[allow(unused_variables, clippy::all)]
impl Reactor {
    pub fn new(_: Setup) -> Result<Reactor, Error> {
        unimplemented!()
    }
    pub fn listening(&self) -> &[SocketAddr] {
        unimplemented!()
    }
    pub fn node(&self) -> &Node {
        &self.0
    }
    pub fn bootstrap(&mut self, _: SocketAddr) {
        unimplemented!()
    }
    pub fn share(&mut self, _: &Path) -> Result<SwarmKey, Error> {
        unimplemented!()
    }
    pub fn fetch(
        &mut self,
        _: FileId,
        _: Option<Manifest>,
        _: &[SocketAddr],
        _: &OutputPath,
    ) -> SwarmKey {
        unimplemented!()
    }
    pub fn next(&mut self, _: Option<Instant>) -> Result<Happening, Error> {
        unimplemented!()
    }
    pub fn now(&self) -> Instant {
        unimplemented!()
    }
    pub fn output_path(&self, _: SwarmKey) -> Option<&Path> {
        unimplemented!()
    }
    pub fn disk_message(&self, _: SwarmKey) -> Option<&str> {
        unimplemented!()
    }
    pub fn stop(self) {
        unimplemented!()
    }
}
pub struct StateDir;
impl StateDir {
    pub fn open(_: &Path) -> Result<StateDir, Error> {
        unimplemented!()
    }
    pub fn node_id(&self) -> NodeId {
        unimplemented!()
    }
    pub fn save_manifest(&self, _: &Manifest) -> Result<(), Error> {
        unimplemented!()
    }
    pub fn load_manifest(&self, _: FileId) -> Option<Manifest> {
        unimplemented!()
    }
}
