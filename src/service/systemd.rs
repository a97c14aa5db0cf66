//! Notifications for the service manager (sd_notify(3)): readiness, reloads, stopping, a status
//! line, and pings for the watchdog.
//!
//! Each is one datagram to the socket that `$NOTIFY_SOCKET` names. The `sd-notify` crate is not
//! used: it does not support abstract sockets, and its sends wait for systemd without a timeout,
//! which would block the loop.
//!
//! Invariants: a ping belongs to a turn of the loop, so a loop that hangs sends none; pings and
//! status never wait, other notifications a second at most; the status is checked in turns that
//! happen anyway, so a node at which nothing changes sends pings alone.

use crate::limits::{NOTIFY_TIMEOUT, STATUS_PERIOD};
use crate::node::Phase;
use crate::reactor::{Error, Reactor};
use crate::time::Instant;
use rustix::net::{SendFlags, SocketAddrUnix, sendto};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The status of a node that has just started.
const FIRST_STATUS: &str = "STATUS=contacts: 0; files served: 0, under way: 0; streams: 0";

/// Sends notifications of a service to systemd.
pub struct Systemd {
    socket: UnixDatagram,
    manager: SocketAddrUnix,
    watchdog: Option<Watchdog>,
    /// The last status line sent, or that of a node at its start.
    status: String,
    status_at: Instant,
}

/// The pings that systemd expects.
struct Watchdog {
    /// Without a ping for so long, systemd ends the service.
    timeout: Duration,
    last_at: Instant,
}

impl Systemd {
    /// The manager that the environment, as `variable` reads it, names; `None` if this is no
    /// service of systemd.
    ///
    /// # Errors
    /// When the environment names no usable socket, or a watchdog time that is no number.
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Systemd>, Error> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let failed = |error| Error::new(format!("notify {}", name.to_string_lossy()), error);
        let manager = address(&name).map_err(failed)?;
        let socket = UnixDatagram::unbound().map_err(failed)?;
        let timeout = Some(NOTIFY_TIMEOUT);
        socket.set_write_timeout(timeout).map_err(failed)?;
        let is_ours = |pid: OsString| pid == *std::process::id().to_string();
        // Without a process id it is meant for every process of the unit.
        let watched = variable("WATCHDOG_USEC");
        let watched = watched.filter(|_| variable("WATCHDOG_PID").is_none_or(is_ours));
        let watchdog = watched.map(|text| Watchdog::of(&text)).transpose()?;
        Ok(Some(Systemd {
            socket,
            manager,
            watchdog,
            status: FIRST_STATUS.to_owned(),
            status_at: Instant::ZERO,
        }))
    }

    /// When the loop has to turn for the next ping.
    pub fn next_at(&self) -> Option<Instant> {
        let watchdog = self.watchdog.as_ref()?;
        Some(watchdog.last_at + watchdog.timeout / 2)
    }

    /// From when on to call [`Systemd::report`] in a turn that happens anyway.
    pub fn deferrable_at(&self) -> Instant {
        let ping = |watchdog: &Watchdog| watchdog.last_at + watchdog.timeout / 3;
        let ping_at = self.watchdog.as_ref().map(ping);
        ping_at.map_or(self.status_at, |at| at.min(self.status_at))
    }

    /// Tells systemd that the node is ready: at the start, and after each reload.
    pub fn tell_ready(&self) {
        self.send("READY=1");
    }

    /// Tells systemd that the configuration is being read anew; [`Systemd::tell_ready`] follows.
    pub fn tell_reloading(&self) {
        // The time tells systemd which of two reloads an answer is for.
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={}",
            monotonic_micros()
        ));
    }

    /// Tells systemd that the node will be gone soon.
    pub fn tell_stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Sends a ping and the status line, if they are due. Call it after every turn.
    pub fn report(&mut self, reactor: &Reactor) {
        let now = reactor.now();
        self.ping(now);
        if now < self.status_at {
            return;
        }
        self.status_at = now + STATUS_PERIOD;
        let status = status_line(reactor);
        if self.status != status {
            self.try_send(&status);
            self.status = status;
        }
    }

    /// Pings, if it is time for that: at half of the timeout, but from a third on in a turn that
    /// happens anyway, so that a node with other things to do never wakes for it.
    fn ping(&mut self, now: Instant) {
        let Some(watchdog) = &mut self.watchdog else {
            return;
        };
        if now.since(watchdog.last_at) >= watchdog.timeout / 3 {
            watchdog.last_at = now;
            self.try_send("WATCHDOG=1");
        }
    }

    /// Sends without waiting; the datagram may get lost.
    fn try_send(&self, words: &str) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        if let Err(errno) = sendto(&self.socket, words.as_bytes(), flags, &self.manager) {
            log::debug!("systemd did not take {words:?}: {errno}");
        }
    }

    /// Sends a notification that systemd waits for.
    fn send(&self, words: &str) {
        let flags = SendFlags::NOSIGNAL;
        if let Err(errno) = sendto(&self.socket, words.as_bytes(), flags, &self.manager) {
            log::warn!("systemd did not take {words:?}: {errno}");
        }
    }
}

impl Watchdog {
    /// Parses a number of microseconds.
    fn of(text: &OsStr) -> Result<Watchdog, Error> {
        let micros = text.to_str().and_then(|text| text.parse::<u64>().ok());
        match micros.filter(|&micros| micros > 0) {
            Some(micros) => Ok(Watchdog {
                timeout: Duration::from_micros(micros),
                last_at: Instant::ZERO,
            }),
            None => {
                let doing = format!("read $WATCHDOG_USEC ({})", text.to_string_lossy());
                Err(Error::because(doing, "it is no number of microseconds"))
            }
        }
    }
}

/// The line for people that systemd shows.
fn status_line(reactor: &Reactor) -> String {
    let node = reactor.node();
    let served = node
        .swarms()
        .phases()
        .filter(|&phase| phase == Phase::Complete)
        .count();
    format!(
        "STATUS=contacts: {}; files served: {served}, under way: {}; streams: {}",
        node.kad().contact_count(),
        node.swarms().phases().count() - served,
        node.swarms().stream_count(),
    )
}

/// The address of a socket as systemd writes it: an absolute path, or an abstract name behind `@`.
fn address(name: &OsStr) -> io::Result<SocketAddrUnix> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddrUnix::new_abstract_name(rest)?,
        [b'/', ..] => SocketAddrUnix::new(name)?,
        _ => {
            let why = "$NOTIFY_SOCKET is neither an absolute path nor @NAME";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    };
    Ok(address)
}

/// Microseconds of the system's monotonic clock, as other programs read it.
fn monotonic_micros() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // It counts from the machine's start: neither part is negative.
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    /// A manager that listens on an abstract name, and the service's end, for a watchdog of 60 s.
    fn pair(name: &str) -> (UnixDatagram, Systemd) {
        let name = format!("sprat-test-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_nonblocking(true).unwrap();
        let systemd = Systemd::of(|variable| match variable {
            "NOTIFY_SOCKET" => Some(format!("@{name}").into()),
            "WATCHDOG_USEC" => Some("60000000".into()),
            _ => None,
        });
        (manager, systemd.unwrap().unwrap())
    }

    fn heard(manager: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 256];
        let size = manager.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..size].to_vec()).unwrap())
    }

    #[test]
    fn pings_come_at_half_of_the_time_and_sooner_only_in_a_turn_that_happens_anyway() {
        let (manager, mut systemd) = pair("pings");
        let second = |second: u64| Instant::from_micros(second * 1_000_000);
        let mut pings_at = |at| {
            systemd.ping(second(at));
            (heard(&manager), systemd.next_at().unwrap())
        };
        assert_eq!(pings_at(19), (None, second(30)));
        assert_eq!(pings_at(30), (Some("WATCHDOG=1".into()), second(60)));
        assert_eq!(pings_at(49), (None, second(60)));
        assert_eq!(pings_at(51), (Some("WATCHDOG=1".into()), second(81)));
    }

    #[test]
    fn a_manager_that_does_not_read_does_not_block_the_loop() {
        let (manager, mut systemd) = pair("full");
        let begun = std::time::Instant::now();
        for at in 1..2_000 {
            systemd.ping(Instant::from_micros(at * 30_000_000));
        }
        assert!(begun.elapsed() < NOTIFY_TIMEOUT, "{:?}", begun.elapsed());
        assert_eq!(heard(&manager).as_deref(), Some("WATCHDOG=1"));
    }

    #[test]
    fn an_environment_that_means_another_or_nothing_is_told_from_one_that_is_wrong() {
        let of = |given: &[(&str, &str)]| {
            let systemd = Systemd::of(|name| {
                let found = given.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.into())
            });
            let watchdog = |systemd: Systemd| systemd.watchdog.map(|watchdog| watchdog.timeout);
            match systemd {
                Ok(systemd) => Ok(systemd.map(watchdog)),
                Err(error) => Err(error.to_string()),
            }
        };
        let socket = ("NOTIFY_SOCKET", "@sprat-test");
        let usec = ("WATCHDOG_USEC", "3000000");
        let own = std::process::id().to_string();
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[usec]), Ok(None));
        assert_eq!(of(&[("NOTIFY_SOCKET", "")]), Ok(None));
        assert_eq!(of(&[socket]), Ok(Some(None)));
        let three = Ok(Some(Some(Duration::from_secs(3))));
        assert_eq!(of(&[socket, usec]), three);
        assert_eq!(of(&[socket, usec, ("WATCHDOG_PID", &own)]), three);
        assert_eq!(of(&[socket, usec, ("WATCHDOG_PID", "1")]), Ok(Some(None)));
        let error = of(&[("NOTIFY_SOCKET", "notify")]).unwrap_err();
        assert!(error.starts_with("cannot notify notify: $NOTIFY_SOCKET is neither"));
        for wrong in ["0", "-1", "soon", ""] {
            let error = of(&[socket, ("WATCHDOG_USEC", wrong)]).unwrap_err();
            assert!(
                error.ends_with("it is no number of microseconds"),
                "{error}"
            );
        }
    }
}
