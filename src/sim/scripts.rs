//! Scripted hosts in a world: inputs of their scripts, and their actions.
//!
//! Invariant: a stream of a script has a socket until its `Closed`, or until the script closes it.

use super::pipes::{EndKey, Readable};
use super::scheduled::{Fact, Packet, Readiness, Scheduled};
use super::script::{Action, Input, Outgoing, Script, Scripted};
use super::world::World;
use crate::output::StreamKey;
use std::net::SocketAddr;

impl World {
    /// A new host that runs a script: its index.
    pub fn add_script(&mut self, script: impl Script + 'static) -> usize {
        let host = self.add_host();
        self.hosts[host].script = Some(Scripted::new(Box::new(script)));
        self.hosts[host].is_dark = false;
        self.run_script(host, Input::Started);
        host
    }

    /// Gives a script an input, and carries out its actions.
    pub(super) fn run_script(&mut self, host: usize, input: Input<'_>) {
        let address = self.hosts[host].address;
        let Some(scripted) = &mut self.hosts[host].script else {
            return;
        };
        for action in scripted.handle(self.now, address, input) {
            match action {
                Action::Datagram(to, bytes) => self.send_scripted(host, to, bytes),
                Action::Connect(stream, to) => self.connect(host, stream, to),
                Action::Flush(stream) => self.flush(host, stream),
                Action::WakeAt(at) => {
                    let epoch = self.hosts[host].epoch;
                    let fact = Fact::Timer;
                    let what = Scheduled::Host { host, epoch, fact };
                    self.queue.push(at.max(self.now), what);
                }
            }
        }
    }

    fn send_scripted(&mut self, host: usize, to: SocketAddr, bytes: Box<[u8]>) {
        self.datagram_bytes += bytes.len() as u64;
        if let Some(to) = self.host_at(to) {
            let packet = Packet {
                from: self.hosts[host].address,
                to,
                bytes,
                is_genuine: true,
            };
            self.send_with_faults(host, packet);
        }
    }

    pub(super) fn accept_scripted(&mut self, host: usize, at: EndKey, from: SocketAddr) {
        let Some(scripted) = &mut self.hosts[host].script else {
            return;
        };
        let stream = scripted.streams.insert(Outgoing::default());
        self.hosts[host].sockets.insert(stream, at);
        if let Some(of) = self.connections.get_mut(at.connection) {
            of.ends[at.side].stream = Some(stream);
        }
        self.run_script(host, Input::Accepted { stream, from });
        self.serve_scripted(host, stream, Readiness::Both);
    }

    /// Receives all that has arrived on a stream of a script, and sends what waits on it.
    pub(super) fn serve_scripted(&mut self, host: usize, stream: StreamKey, ready: Readiness) {
        if ready != Readiness::Read {
            self.flush(host, stream);
        }
        while let Some(&mut socket) = self.hosts[host].sockets.find(stream) {
            let at = socket.at;
            let of = self.connections.get_mut(at.connection);
            let readable = of.as_ref().map(|of| of.readable(at.side));
            match (readable, of) {
                (Some(Readable::Bytes(count)), Some(of)) => {
                    let mut bytes = vec![0; count];
                    of.read(at.side, &mut bytes);
                    self.make_room(at);
                    let bytes = &bytes[..];
                    self.run_script(host, Input::Received { stream, bytes });
                }
                (Some(Readable::Nothing), Some(of)) => {
                    of.ends[at.side].read_waits = true;
                    return;
                }
                _ => {
                    self.forget_scripted(host, stream);
                    self.run_script(host, Input::Closed { stream });
                }
            }
        }
    }

    /// Sends what waits on a stream, as far as there is room.
    fn flush(&mut self, host: usize, stream: StreamKey) {
        let socket = self.hosts[host].sockets.find(stream).copied();
        let Some(socket) = socket.filter(|socket| socket.is_connected) else {
            return;
        };
        let scripted = self.hosts[host].script.as_mut();
        let outgoing = scripted.and_then(|scripted| scripted.streams.get_mut(stream));
        let of = self.connections.get_mut(socket.at.connection);
        let (Some(outgoing), Some(of)) = (outgoing, of) else {
            return;
        };
        let end = &mut of.ends[socket.at.side];
        let count = outgoing.bytes.len().min(end.room());
        let bytes: Vec<u8> = outgoing.bytes.drain(..count).collect();
        end.write_waits = !outgoing.bytes.is_empty();
        let is_over = outgoing.closes && outgoing.bytes.is_empty();
        if count > 0 {
            self.transmit(socket.at, &bytes);
        }
        if is_over {
            self.forget_scripted(host, stream);
        }
    }

    fn forget_scripted(&mut self, host: usize, stream: StreamKey) {
        if let Some(socket) = self.hosts[host].sockets.remove(stream) {
            self.hang_up(socket.at);
        }
        if let Some(scripted) = &mut self.hosts[host].script {
            scripted.streams.remove(stream);
        }
    }
}
