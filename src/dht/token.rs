//! Cookies and write tokens: short proofs that their bearer receives datagrams at its address.
//!
//! Both are SipHash-2-4 of the facts that they are bound to, under a secret that rotates every
//! period; the secret before it is accepted too, so a proof is good for one to two periods, and the
//! node keeps nothing for each. A CRC would not do: it is linear, so an observer can compute
//! further tokens from a few that they have seen. These are no signatures: only this node can
//! verify them, and only while it runs.
//!
//! A token can be used again while it is good. In a network with a key a recorded request must not
//! be: [`Secrets::spend`] remembers the ids of the requests that had an effect for as long as their
//! tokens are good, and after [`SPENT_MAX`] of them it renews the secret early.
//!
//! Invariant: a cookie proves one address, a token one IP and one key, and neither passes for the
//! other.

use crate::id::Id;
use crate::limits::SPENT_MAX;
use crate::rng::Rng;
use crate::time::Instant;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The first byte of the hashed message, so that the two kinds of proof never coincide.
const COOKIE_TAG: u8 = 1;
const TOKEN_TAG: u8 = 2;

type Secret = [u64; 2];

/// The secrets that cookies and tokens are made with.
pub struct Secrets {
    current: Secret,
    previous: Secret,
    /// The requests that were spent under the current secret, sorted.
    spent: Vec<u64>,
    spent_before: Vec<u64>,
    rotate_at: Instant,
    period: Duration,
}

impl Secrets {
    /// Fresh secrets that rotate every `period`.
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

    /// Rotates the secrets when they are due. They have no timer: call this before any other
    /// method.
    pub fn rotate(&mut self, now: Instant, rng: &mut Rng) {
        if now >= self.rotate_at + self.period {
            *self = Secrets::new(now, self.period, rng);
        } else if now >= self.rotate_at {
            self.renew(now, rng);
        }
    }

    fn renew(&mut self, now: Instant, rng: &mut Rng) {
        *self = Secrets {
            previous: self.current,
            spent_before: std::mem::take(&mut self.spent),
            ..Secrets::new(now, self.period, rng)
        };
    }

    /// Notes that the request with this random id and a good token is carried out. False: it has
    /// been already.
    pub fn spend(&mut self, now: Instant, request: u64, rng: &mut Rng) -> bool {
        if self.spent_before.binary_search(&request).is_ok() {
            return false;
        }
        let Err(index) = self.spent.binary_search(&request) else {
            return false;
        };
        self.spent.insert(index, request);
        if self.spent.len() >= SPENT_MAX {
            self.renew(now, rng);
        }
        true
    }

    /// The cookie for `address`; never 0, which means none.
    pub fn cookie(&self, address: SocketAddr) -> u64 {
        cookie(self.current, address)
    }

    /// Whether `given` is a cookie of ours for `address` that is still good.
    pub fn proves(&self, given: u64, address: SocketAddr) -> bool {
        let secrets = [self.current, self.previous];
        secrets
            .iter()
            .any(|&secret| given == cookie(secret, address))
    }

    /// The write token for `ip` and the key `target`.
    pub fn token(&self, ip: IpAddr, target: Id) -> u64 {
        token(self.current, ip, target)
    }

    /// Whether `given` is a token of ours for `ip` and `target` that is still good.
    pub fn accepts(&self, given: u64, ip: IpAddr, target: Id) -> bool {
        let secrets = [self.current, self.previous];
        secrets
            .iter()
            .any(|&secret| given == token(secret, ip, target))
    }
}

fn cookie(secret: Secret, address: SocketAddr) -> u64 {
    proof(
        secret,
        COOKIE_TAG,
        address.ip(),
        &address.port().to_be_bytes(),
    )
}

fn token(secret: Secret, ip: IpAddr, target: Id) -> u64 {
    proof(secret, TOKEN_TAG, ip, &target.0)
}

/// SipHash-2-4 of tag, IP and the rest; 0, which means none, becomes 1.
fn proof(secret: Secret, tag: u8, ip: IpAddr, rest: &[u8]) -> u64 {
    let ip = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut hasher = SipHasher24::new_with_keys(secret[0], secret[1]);
    hasher.write(&[tag]);
    hasher.write(&ip.octets());
    hasher.write(rest);
    hasher.finish().max(1)
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
    fn a_token_is_good_for_its_own_ip_and_key_only() {
        let mut rng = Rng::from_number(2);
        let secrets = Secrets::new(Instant::ZERO, PERIOD, &mut rng);
        let (ip, other) = (address("192.0.2.1:1").ip(), address("192.0.2.2:1").ip());
        let (key, wrong) = (rng.id(), rng.id());
        let token = secrets.token(ip, key);
        assert!(secrets.accepts(token, ip, key));
        assert!(!secrets.accepts(token, other, key));
        assert!(!secrets.accepts(token, ip, wrong));
        assert!(!secrets.accepts(token ^ 1, ip, key));
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
    fn no_request_is_spent_twice_while_its_token_is_good() {
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
            // Either its token is no longer good, or the request is remembered.
            if secrets.accepts(token, ip, key) {
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
