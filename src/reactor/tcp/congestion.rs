//! Which congestion control the streams follow: on the own network, one that does not pace.
//!
//! BBR spaces a stream's packets out in time, which needs a timer for each; where it is the machine's
//! choice, it is meant for long paths. On a network that is reached without a router there is
//! nothing to gain by it, and it costs: processor time, at both ends, and in a fleet of thin
//! uplinks packets that wait for their timer while the uplink is idle. So there the streams follow
//! CUBIC (RFC 9438), or Reno (RFC 5681) where a process may not choose that. Streams to elsewhere keep
//! the machine's choice, and on machines that do not pace nothing changes.
//!
//! Measured on two processors, medians of 8 or 10 transfers of 1 GiB without a limit, and of 4 fleets each
//! (CUBIC's transfers in another call than Reno's, each beside BBR's):
//!
//! | | BBR | Reno | CUBIC |
//! |---|---|---|---|
//! | 1 GiB: seconds | 1.43, 1.49 | 1.30 | 1.38 |
//! | its processor time where it comes from, s | 0.30, 0.28 | 0.17 | 0.18 |
//! | 8 hosts, 50 Mbit/s, 32 MiB: time divided by the bound | 1.105 | 1.10 | 1.10 |
//! | 16 hosts, 100 Mbit/s, 64 MiB | 1.135 | 1.125 | 1.13 |
//! | 32 hosts, 20 Mbit/s, 16 MiB | 1.19 | 1.165 | 1.165 |
//!
//! Invariant: the choice is made before a connection is, because Linux goes on pacing one that BBR has
//! had once (0.24 s instead of 0.17 s above). Who connects is known only afterwards: a listener passes its
//! own control on, and those from elsewhere get the machine's back.

use crate::reactor::interfaces::is_on_link;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::IpAddr;

/// Those that do not pace, the better first. The last is open to every process (tcp(7)).
const UNPACED: [&[u8]; 2] = [b"cubic", b"reno"];

/// Whether a control of this name paces.
fn paces(name: &[u8]) -> bool {
    name.starts_with(b"bbr")
}

/// Has the connections that a listener will accept not be paced. To be called before it listens.
pub fn prepare_listener(listener: &Socket) {
    if listener.tcp_congestion().is_ok_and(|name| paces(&name)) {
        do_not_pace(listener);
    }
}

/// Has a connection to `to` that is about to be made not be paced if that is on the own network.
pub fn prepare_connection(socket: &Socket, to: IpAddr) {
    let is_paced = socket.tcp_congestion().is_ok_and(|name| paces(&name));
    if is_paced && is_on_link(to).unwrap_or(false) {
        do_not_pace(socket);
    }
}

/// Gives a connection that was accepted from elsewhere the machine's choice back.
pub fn handle_accept(socket: &TcpStream, from: IpAddr) {
    let Ok(choice) = machines_choice() else {
        return;
    };
    if paces(&choice) && !is_on_link(from).unwrap_or(false) {
        // The connection works as it is, too.
        let _ = SockRef::from(socket).set_tcp_congestion(&choice);
    }
}

/// What a new socket follows.
fn machines_choice() -> io::Result<Vec<u8>> {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?.tcp_congestion()
}

fn do_not_pace(socket: &Socket) {
    // Where none of them is to be had, the connection works as it is.
    let _ = UNPACED
        .iter()
        .any(|name| socket.set_tcp_congestion(name).is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    /// Where the machine's choice paces: this test's own machine may not.
    fn is_paced(socket: SockRef) -> bool {
        paces(&socket.tcp_congestion().unwrap())
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
        prepare_connection(&socket, "127.0.0.1".parse().unwrap());
        socket.connect(&listener.local_addr().unwrap()).unwrap();
        (socket, listener.accept().unwrap().0)
    }

    #[test]
    fn only_bbr_paces() {
        assert!(paces(b"bbr\0\0\0") && paces(b"bbr3"));
        assert!(!UNPACED.iter().any(|name| paces(name)) && !paces(b""));
    }

    #[test]
    fn a_listener_passes_its_control_on() {
        let listener = listener();
        listener.set_tcp_congestion(b"reno").unwrap();
        let (_, accepted) = connect(&listener);
        assert!(accepted.tcp_congestion().unwrap().starts_with(b"reno"));
    }

    #[test]
    fn on_the_own_network_nothing_is_paced() {
        let listener = listener();
        prepare_listener(&listener);
        let (connecting, accepted) = connect(&listener);
        let accepted = TcpStream::from_std(accepted.into());
        handle_accept(&accepted, "127.0.0.1".parse().unwrap());
        assert!(!is_paced(SockRef::from(&connecting)));
        assert!(!is_paced(SockRef::from(&accepted)));
    }

    #[test]
    fn elsewhere_the_machines_choice_holds() {
        let listener = listener();
        prepare_listener(&listener);
        let (_, accepted) = connect(&listener);
        let accepted = TcpStream::from_std(accepted.into());
        // TEST-NET-2 (RFC 5737) is nobody's network.
        let elsewhere = "198.51.100.1".parse().unwrap();
        handle_accept(&accepted, elsewhere);
        let choice = machines_choice().unwrap();
        assert_eq!(SockRef::from(&accepted).tcp_congestion().unwrap(), choice);

        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        prepare_connection(&socket, elsewhere);
        assert_eq!(socket.tcp_congestion().unwrap(), choice);
    }
}
