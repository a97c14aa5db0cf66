//! Cookies and write tokens: short proofs that the bearer receives what is sent to its address.
//!
//! Both are SipHash-2-4 of what they are bound to under a secret that rotates every
//! [`SECRET_PERIOD`](crate::limits::SECRET_PERIOD); the secret before is accepted too, so a proof
//! is good for one to two periods, and the node keeps nothing for each. A CRC would not do: it is
//! linear, so from a few tokens seen any other can be computed. These are no signatures: only this
//! node can verify them, and only for as long as it runs.
//!
//! A token can be used again while it is good. In a network with a key a recorded request must not be:
//! [`Secrets::spend`] remembers the ids of those that had an effect for as long as their tokens are
//! good, and when it has remembered [`SPENT_MAX`] of them the secret is renewed early.
//!
//! Invariant: a cookie proves one address, a token one IP and one key; neither can pass for the
//! other.

use crate::id::Id;
use crate::limits::SPENT_MAX;
use crate::rng::Rng;
use crate::time::Instant;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The first byte of what is hashed, so that the two kinds of proof never coincide.
const COOKIE_TAG: u8 = 1;
const TOKEN_TAG: u8 = 2;

/// The secrets that cookies and tokens are made with.
pub struct Secrets {
    current: [u64; 2],
    previous: [u64; 2],
    /// The start of each id that was spent under the current secret, in order.
    spent: Vec<u64>,
    spent_before: Vec<u64>,
    rotate_at: Instant,
    period: Duration,
}

impl Secrets {
    /// Fresh secrets, which rotate every `period`.
    pub fn new(now: Instant, period: Duration, rng: &mut Rng) -> Secrets {
        Secrets {
            current: [rng.number(), rng.number()],
            previous: [rng.number(), rng.number()],
            spent: Vec::new(),
            spent_before: Vec::new(),
            rotate_at: now + period,
            period,
        }
    }

    /// Rotates when it is due. To be called before any of the others; there is no timer of its own.
    pub fn rotate(&mut self, now: Instant, rng: &mut Rng) {
        if now < self.rotate_at {
            return;
        }
        match now >= self.rotate_at + self.period {
            true => *self = Secrets::new(now, self.period, rng),
            false => self.renew(now, rng),
        }
    }

    fn renew(&mut self, now: Instant, rng: &mut Rng) {
        *self = Secrets {
            previous: self.current,
            spent_before: std::mem::take(&mut self.spent),
            ..Secrets::new(now, self.period, rng)
        };
    }

    /// Notes that a request with a good token is carried out. False: it has been already.
    pub fn spend(&mut self, now: Instant, id: u64, rng: &mut Rng) -> bool {
        if self.spent_before.binary_search(&id).is_ok() {
            return false;
        }
        let Err(place) = self.spent.binary_search(&id) else {
            return false;
        };
        self.spent.insert(place, id);
        if self.spent.len() >= SPENT_MAX {
            self.renew(now, rng);
        }
        true
    }

    /// The cookie for `address`; never 0, which means none.
    pub fn cookie(&self, address: SocketAddr) -> u64 {
        cookie_under(self.current, address)
    }

    /// Whether `cookie` is one that we gave to `address` lately.
    pub fn proves(&self, cookie: u64, address: SocketAddr) -> bool {
        [self.current, self.previous]
            .iter()
            .any(|&key| cookie == cookie_under(key, address))
    }

    /// The write token for `ip` and the key `target` (rule 16 of the record table rests on it).
    pub fn token(&self, ip: IpAddr, target: Id) -> u64 {
        token_under(self.current, ip, target)
    }

    /// Whether `token` is one that we gave to `ip` for `target` lately.
    pub fn grants(&self, token: u64, ip: IpAddr, target: Id) -> bool {
        [self.current, self.previous]
            .iter()
            .any(|&key| token == token_under(key, ip, target))
    }
}

fn cookie_under(key: [u64; 2], address: SocketAddr) -> u64 {
    let mut message = [0; 19];
    message[0] = COOKIE_TAG;
    message[1..17].copy_from_slice(&octets(address.ip()));
    message[17..].copy_from_slice(&address.port().to_be_bytes());
    keyed_hash(key, &message)
}

fn token_under(key: [u64; 2], ip: IpAddr, target: Id) -> u64 {
    let mut message = [0; 37];
    message[0] = TOKEN_TAG;
    message[1..17].copy_from_slice(&octets(ip));
    message[17..].copy_from_slice(&target.0);
    keyed_hash(key, &message)
}

/// SipHash-2-4 of `message`; 0, which means *none* on the wire, becomes 1.
fn keyed_hash(key: [u64; 2], message: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(key[0], key[1]);
    hasher.write(message);
    hasher.finish().max(1)
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(300);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_cookie_proves_its_own_address_only() {
        let secrets = Secrets::new(Instant::ZERO, PERIOD, &mut Rng::from_number(1));
        let cookie = secrets.cookie(address("192.0.2.1:4160"));
        assert!(secrets.proves(cookie, address("192.0.2.1:4160")));
        assert!(!secrets.proves(cookie, address("192.0.2.1:4161")));
        assert!(!secrets.proves(cookie, address("192.0.2.2:4160")));
        assert!(!secrets.proves(0, address("192.0.2.1:4160")));
    }

    #[test]
    fn a_token_grants_its_own_ip_and_key_only() {
        let mut rng = Rng::from_number(2);
        let secrets = Secrets::new(Instant::ZERO, PERIOD, &mut rng);
        let (ip, other) = (address("192.0.2.1:1").ip(), address("192.0.2.2:1").ip());
        let (key, wrong) = (rng.id(), rng.id());
        let token = secrets.token(ip, key);
        assert!(secrets.grants(token, ip, key));
        assert!(!secrets.grants(token, other, key));
        assert!(!secrets.grants(token, ip, wrong));
        assert!(!secrets.grants(token ^ 1, ip, key));
    }

    #[test]
    fn proofs_outlive_one_rotation_and_not_two() {
        let mut rng = Rng::from_number(3);
        let mut secrets = Secrets::new(Instant::ZERO, PERIOD, &mut rng);
        let peer = address("192.0.2.1:4160");
        let cookie = secrets.cookie(peer);
        secrets.rotate(Instant::ZERO + PERIOD, &mut rng);
        assert!(secrets.proves(cookie, peer));
        secrets.rotate(Instant::ZERO + PERIOD * 2, &mut rng);
        assert!(!secrets.proves(cookie, peer));
    }

    #[test]
    fn nothing_is_spent_twice_while_its_token_is_good() {
        let mut rng = Rng::from_number(5);
        let mut secrets = Secrets::new(Instant::ZERO, PERIOD, &mut rng);
        let (ip, key) = (address("192.0.2.1:1").ip(), rng.id());
        let (mut now, mut first) = (Instant::ZERO, rng.number());
        let mut token = secrets.token(ip, key);
        assert!(secrets.spend(now, first, &mut rng));
        for number in 0..10_000 {
            if number % 3_000 == 0 {
                now += PERIOD;
                secrets.rotate(now, &mut rng);
            }
            // Either its token is worth nothing any more, or it is remembered.
            if secrets.grants(token, ip, key) {
                assert!(!secrets.spend(now, first, &mut rng), "after {number}");
            } else {
                (token, first) = (secrets.token(ip, key), rng.number());
                assert!(secrets.spend(now, first, &mut rng));
            }
            assert!(secrets.spend(now, rng.number(), &mut rng));
            assert!(secrets.spent.len() < SPENT_MAX && secrets.spent_before.len() <= SPENT_MAX);
        }
    }

    #[test]
    fn a_node_that_slept_accepts_nothing_from_before() {
        let mut rng = Rng::from_number(4);
        let mut secrets = Secrets::new(Instant::ZERO, PERIOD, &mut rng);
        let peer = address("192.0.2.1:4160");
        let cookie = secrets.cookie(peer);
        secrets.rotate(Instant::ZERO + PERIOD * 5, &mut rng);
        assert!(!secrets.proves(cookie, peer));
    }
}
