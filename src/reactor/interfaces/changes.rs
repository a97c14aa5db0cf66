//! Notices of the kernel that interfaces or their addresses have changed (rtnetlink).
//!
//! Not here: the changes. A message only means that the interfaces are worth reading anew, so none
//! is parsed. An idle node wakes for a new interface, not to look for one. Invariant: after `drain`
//! the next message makes an event.

use crate::reactor::token::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use rustix::net::{bind, recv, socket_with};
use std::io;

/// Groups of messages (rtnetlink(7)): addresses of IPv4 and IPv6, and routes of IPv4, whose
/// networks they are.
const ADDRESSES_V4: u32 = 0x10;
const ROUTES_V4: u32 = 0x40;
const ADDRESSES_V6: u32 = 0x100;

/// The socket of the notices.
pub struct Changes(OwnedFd);

impl Changes {
    /// Its index among the sources of the local network.
    pub const INDEX: usize = 2;

    /// Begins to listen. Protocol 0 of netlink is the routes and interfaces.
    ///
    /// # Errors
    /// When the system does not let us (a sandbox may not).
    pub fn open(registry: &Registry) -> io::Result<Changes> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let family = AddressFamily::NETLINK;
        let socket = socket_with(family, SocketType::RAW, flags, None)?;
        let groups = ADDRESSES_V4 | ROUTES_V4 | ADDRESSES_V6;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        let token = Source::Discovery(Changes::INDEX).token();
        registry.register(
            &mut SourceFd(&socket.as_raw_fd()),
            token,
            Interest::READABLE,
        )?;
        Ok(Changes(socket))
    }

    /// Drops all messages so far. A loss of messages is reported like a message.
    pub fn drain(&mut self) {
        let mut message = [0; 64];
        while let Ok(1..) | Err(Errno::NOBUFS | Errno::INTR) =
            recv(&self.0, &mut message, RecvFlags::empty()).map(|(size, _)| size)
        {}
    }
}
