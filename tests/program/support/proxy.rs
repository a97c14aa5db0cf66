//! A proxy between two nodes that stops a transfer in its middle.

use super::{DEADLINE, Scratch, Sprat, text, with_providers};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Passes TCP connections on, and stops what flows to the client when its allowance is spent.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    gate: Arc<Gate>,
}

struct Gate {
    state: Mutex<Allowance>,
    changed: Condvar,
}

struct Allowance {
    left: u64,
    spent: bool,
}

/// A share of `file.bin`, of `size` bytes, and a proxy before it that lets `allowance` bytes pass
/// until it is opened: the share, its file, the proxy, and a link by way of it.
pub fn share_behind_proxy(
    scratch: &Scratch,
    size: usize,
    allowance: u64,
) -> (Sprat, PathBuf, Proxy, String) {
    let file = scratch.file("file.bin", size);
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let proxy = Proxy::start(&share.address(), allowance);
    let link = with_providers(&share.link(1), &[proxy.address]);
    (share, file, proxy, link)
}

impl Proxy {
    /// A proxy of the server at `to`, for `allowance` bytes.
    pub fn start(to: &str, allowance: u64) -> Proxy {
        let to: SocketAddr = to.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(Allowance {
            left: allowance,
            spent: false,
        });
        let gate = Arc::new(Gate {
            state,
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&gate);
        // The threads end with their connections, and the listener's with the test.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else {
                    continue;
                };
                // Small frames held back for an acknowledgement would make a slow path of this.
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (from, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let gate = Arc::clone(&shared);
                thread::spawn(move || pass(from, server, None));
                thread::spawn(move || pass(back, client, Some(&gate)));
            }
        });
        Proxy { address, gate }
    }

    /// Waits until the allowance is spent: the transfer stands in its middle.
    pub fn wait_until_spent(&self) {
        let state = self.gate.state.lock().unwrap();
        let wait = self
            .gate
            .changed
            .wait_timeout_while(state, DEADLINE, |state| !state.spent);
        assert!(
            !wait.unwrap().1.timed_out(),
            "nothing was fetched through the proxy"
        );
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.gate.state.lock().unwrap().left = u64::MAX;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    /// Waits until `count` bytes may pass.
    fn enter(&self, count: u64) {
        let mut state = self.state.lock().unwrap();
        while state.left < count {
            state.spent = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
        }
        state.left -= count;
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, gate: Option<&Gate>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if let Some(gate) = gate {
            gate.enter(count as u64);
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
