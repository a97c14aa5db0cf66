//! Congestion control: streams on the own network follow one that does not pace.
//!
//! BBR spaces a stream's packets out in time, which needs a timer for each; it is meant for long
//! paths. On a network that is reached without a router it gains nothing and costs processor time
//! at both ends, and in a fleet of thin uplinks packets wait for their timer while the uplink is
//! idle. So there the streams follow CUBIC (RFC 9438), or Reno (RFC 5681) where a process may not
//! choose that. Streams to elsewhere keep the machine's choice, and on machines that do not pace
//! nothing changes.
//!
//! Measured on two processors, medians of 8 or 10 transfers of 1 GiB without a limit, and of 4
//! fleets each (CUBIC's transfers in another call than Reno's, each beside BBR's):
//!
//! | | BBR | Reno | CUBIC |
//! |---|---|---|---|
//! | 1 GiB: seconds | 1.43, 1.49 | 1.30 | 1.38 |
//! | the sender's processor time, s | 0.30, 0.28 | 0.17 | 0.18 |
//! | 8 hosts, 50 Mbit/s, 32 MiB: time divided by the bound | 1.105 | 1.10 | 1.10 |
//! | 16 hosts, 100 Mbit/s, 64 MiB | 1.135 | 1.125 | 1.13 |
//! | 32 hosts, 20 Mbit/s, 16 MiB | 1.19 | 1.165 | 1.165 |
//!
//! Invariant: the control is set before a connection is made, because Linux goes on pacing one that
//! BBR has had once (0.24 s instead of 0.17 s above). The other end of an accepted one is known
//! only afterwards: a listener passes its own control on, and connections from elsewhere get the
//! machine's back.

use crate::reactor::interfaces::is_on_link;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::IpAddr;

/// The rules that a node follows.
pub const RULES: Rules = Rules {
    is_paced: |name| name.starts_with(b"bbr"),
    // The last is open to every process (tcp(7)).
    unpaced: &[b"cubic", b"reno"],
};

/// Which controls pace, and which ones take their place on the own network.
pub struct Rules {
    is_paced: fn(&[u8]) -> bool,
    unpaced: &'static [&'static [u8]],
}

impl Rules {
    /// Has the connections that a listener will accept not paced; call it before it listens.
    pub fn prepare_listener(&self, listener: &Socket) {
        if listener
            .tcp_congestion()
            .is_ok_and(|name| (self.is_paced)(&name))
        {
            self.do_not_pace(listener);
        }
    }

    /// Has a connection to `to` that is about to be made not paced if that is on the own network.
    pub fn prepare_connection(&self, socket: &Socket, to: IpAddr) {
        let control = socket.tcp_congestion();
        let is_paced = control.is_ok_and(|name| (self.is_paced)(&name));
        if is_paced && is_on_link(to).unwrap_or(false) {
            self.do_not_pace(socket);
        }
    }

    /// Gives a connection that was accepted from elsewhere the machine's choice back.
    pub fn handle_accept(&self, socket: &TcpStream, from: IpAddr) {
        let Ok(choice) = machines_choice() else {
            return;
        };
        if (self.is_paced)(&choice) && !is_on_link(from).unwrap_or(false) {
            // The connection works as it is, too.
            let _ = SockRef::from(socket).set_tcp_congestion(&choice);
        }
    }

    fn do_not_pace(&self, socket: &Socket) {
        // Where none of them is available, the connection works as it is.
        let _ = (self.unpaced.iter()).any(|name| socket.set_tcp_congestion(name).is_ok());
    }
}

/// The control of a new socket.
fn machines_choice() -> io::Result<Vec<u8>> {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?.tcp_congestion()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    /// The same rules on a machine whose choice is something else than BBR: whatever it is counts
    /// as paced, and Reno, which every machine has, takes its place.
    const ANY: Rules = Rules {
        is_paced: |name| name == machines_choice().unwrap(),
        unpaced: &[b"reno"],
    };

    fn control(socket: SockRef) -> String {
        let name = socket.tcp_congestion().unwrap();
        String::from_utf8(name)
            .unwrap()
            .trim_end_matches('\0')
            .to_owned()
    }

    /// The machine's choice; none, and said, where it does not differ from Reno.
    fn choice() -> Option<String> {
        let name = String::from_utf8(machines_choice().unwrap()).unwrap();
        let name = name.trim_end_matches('\0');
        if name == "reno" {
            println!("SKIPPED: this machine follows Reno, which takes the place of nothing");
            return None;
        }
        Some(name.to_owned())
    }

    fn listener() -> Socket {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any_port: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any_port.into()).unwrap();
        listener
    }

    /// Both ends of a connection over the loopback interface.
    fn connect(listener: &Socket) -> (Socket, Socket) {
        listener.listen(1).unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        ANY.prepare_connection(&socket, "127.0.0.1".parse().unwrap());
        socket.connect(&listener.local_addr().unwrap()).unwrap();
        (socket, listener.accept().unwrap().0)
    }

    #[test]
    fn only_bbr_paces() {
        let is_paced = RULES.is_paced;
        assert!(is_paced(b"bbr\0\0\0") && is_paced(b"bbr3"));
        assert!(!RULES.unpaced.iter().any(|name| is_paced(name)) && !is_paced(b""));
    }

    #[test]
    fn a_listener_passes_its_control_on() {
        let listener = listener();
        listener.set_tcp_congestion(b"reno").unwrap();
        let (_, accepted) = connect(&listener);
        assert_eq!(control(SockRef::from(&accepted)), "reno");
    }

    #[test]
    fn on_the_own_network_nothing_is_paced() {
        if choice().is_none() {
            return;
        }
        let listener = listener();
        ANY.prepare_listener(&listener);
        let (connecting, accepted) = connect(&listener);
        let accepted = TcpStream::from_std(accepted.into());
        ANY.handle_accept(&accepted, "127.0.0.1".parse().unwrap());
        assert_eq!(control(SockRef::from(&connecting)), "reno");
        assert_eq!(control(SockRef::from(&accepted)), "reno");
    }

    #[test]
    fn elsewhere_the_machines_choice_holds() {
        let Some(choice) = choice() else { return };
        let listener = listener();
        ANY.prepare_listener(&listener);
        let (_, accepted) = connect(&listener);
        assert_eq!(control(SockRef::from(&accepted)), "reno");
        let accepted = TcpStream::from_std(accepted.into());
        // TEST-NET-2 (RFC 5737) is no network of this host.
        let elsewhere = "198.51.100.1".parse().unwrap();
        ANY.handle_accept(&accepted, elsewhere);
        assert_eq!(control(SockRef::from(&accepted)), choice);

        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        ANY.prepare_connection(&socket, elsewhere);
        assert_eq!(control(SockRef::from(&socket)), choice);
    }
}
