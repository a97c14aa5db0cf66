//! What we know of addresses: which have answered us, the cookies they gave us, and which stay
//! silent.
//!
//! Contacts can lie about addresses, and a datagram can lie about its source. Here is kept what can
//! be relied on: an address has *answered* when a reply to a random RPC id of ours came from it. To
//! one that has not, at most one request a minute goes out, whoever names it and however often, so
//! that a node which hands out a victim's address cannot make us a nuisance to it. New destinations
//! have a budget as well (rule 16): home routers die of about a hundred new UDP destinations a
//! second.
//!
//! Invariant: at most [`ADDRESSES_MAX`] addresses are kept, the longest unused go first; of those
//! that go within the minute of an unanswered request the time is kept ([`PROBED_MAX`]), so that
//! nobody makes us forget a victim by naming a thousand others.

use super::budget::Rate;
use crate::limits::{ADDRESSES_MAX, DESTINATIONS, PROBE_PERIOD, PROBED_MAX};
use crate::limits::{PROOF_TTL, SECRET_PERIOD};
use crate::limits::{RPC_TIMEOUT, SILENCES_MAX};
use crate::time::Instant;
use crate::wire::native::datagram::Cookie;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Whether a request may be sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Now. It has been counted.
    Now,
    /// When a request in flight to the same address has come to its end, or the budget allows it.
    Later,
    /// Not within this minute: the address was asked and is silent.
    Never,
}

#[derive(Clone, Copy, Default)]
struct Known {
    answered_at: Option<Instant>,
    asked_at: Option<Instant>,
    silent_at: Option<Instant>,
    confirmed_at: Option<Instant>,
    cookie: Cookie,
    cookie_at: Instant,
    /// Requests in a row that it has not answered.
    silences: u32,
}
const _: () = assert!(size_of::<Known>() <= crate::limits::memory::KNOWN_SIZE);

impl Known {
    fn has_answered(&self, now: Instant) -> bool {
        self.silences < SILENCES_MAX && self.answered_at.is_some_and(|at| now.since(at) < PROOF_TTL)
    }

    fn used_at(&self) -> Instant {
        self.answered_at
            .max(self.asked_at)
            .max(self.confirmed_at)
            .unwrap_or(Instant::ZERO)
    }
}

/// The addresses that we have asked or that have answered us lately.
#[derive(Default)]
pub struct Addresses {
    known: BTreeMap<SocketAddr, Known>,
    /// When those were asked that had to go before their minute was over.
    probed: BTreeMap<SocketAddr, Instant>,
    destinations: Rate,
    /// Since the last [`Addresses::forget_waiting`], somebody was told to wait for the budget until
    /// then.
    waiting_until: Option<Instant>,
}

impl Addresses {
    /// Asks for leave to send a request to `address`; [`Permit::Now`] counts as sent.
    pub fn permit(&mut self, now: Instant, address: SocketAddr) -> Permit {
        if let Some(&known) = self.known.get(&address) {
            if !known.has_answered(now) {
                let in_flight = known.asked_at > known.silent_at;
                match known.asked_at.map(|at| now.since(at)) {
                    Some(age) if in_flight && age < RPC_TIMEOUT => return Permit::Later,
                    Some(age) if age < PROBE_PERIOD => return Permit::Never,
                    _ => {}
                }
            }
            let is_new = known.asked_at.is_none() && known.answered_at.is_none();
            if is_new && !self.may_reach_new(now) {
                return Permit::Later;
            }
            self.entry(now, address).asked_at = Some(now);
            return Permit::Now;
        }
        let was_probed = self.probed.get(&address);
        if was_probed.is_some_and(|&at| now.since(at) < PROBE_PERIOD) {
            return Permit::Never;
        }
        if !self.may_reach_new(now) {
            return Permit::Later;
        }
        self.entry(now, address).asked_at = Some(now);
        Permit::Now
    }

    /// Leave to ask `address` whether it is a provider: at most once a minute, whatever else is
    /// known of it (rule 14: what a third node claims must cost its victim next to nothing).
    pub fn permit_confirmation(&mut self, now: Instant, address: SocketAddr) -> Permit {
        let known = self.known.get(&address).copied().unwrap_or_default();
        if known
            .confirmed_at
            .is_some_and(|at| now.since(at) < PROBE_PERIOD)
        {
            return Permit::Never;
        }
        let permit = self.permit(now, address);
        if permit == Permit::Now {
            self.entry(now, address).confirmed_at = Some(now);
        }
        permit
    }

    /// A reply to one of our requests came from `address`, with a cookie.
    pub fn answered(&mut self, now: Instant, address: SocketAddr, cookie: Cookie) {
        let known = self.entry(now, address);
        *known = Known {
            answered_at: Some(now),
            cookie,
            cookie_at: now,
            silences: 0,
            ..*known
        };
    }

    /// The node at `address` has given us a cookie, but has not answered a request.
    pub fn given(&mut self, now: Instant, address: SocketAddr, cookie: Cookie) {
        let known = self.entry(now, address);
        (known.cookie, known.cookie_at) = (cookie, now);
        self.proved(address);
    }

    /// Whoever is at `address` has shown that it gets what is sent there: an earlier silence is
    /// over, and it is no victim that others have named.
    pub fn proved(&mut self, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address) {
            if known.silent_at >= known.asked_at {
                (known.asked_at, known.silent_at) = (None, None);
            }
        }
        self.probed.remove(&address);
    }

    /// A request to `address` came to its end without a reply.
    pub fn silent(&mut self, now: Instant, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address) {
            known.silent_at = Some(now);
            known.silences = known.silences.saturating_add(1);
            // It may have restarted, and then knows no cookie of before.
            known.cookie = Cookie::NONE;
        }
    }

    /// Whether `address` has answered us lately.
    pub fn has_answered(&self, now: Instant, address: SocketAddr) -> bool {
        self.known
            .get(&address)
            .is_some_and(|known| known.has_answered(now))
    }

    /// The cookie to be echoed to `address`; `Cookie::NONE` when it gave us none that is still
    /// good.
    pub fn cookie(&self, now: Instant, address: SocketAddr) -> Cookie {
        match self.known.get(&address) {
            Some(known) if now.since(known.cookie_at) < SECRET_PERIOD => known.cookie,
            _ => Cookie::NONE,
        }
    }

    /// When somebody who was told to wait for the budget of new destinations should ask again.
    pub fn waiting_until(&self) -> Option<Instant> {
        self.waiting_until
    }

    /// Those who wait are about to ask again.
    pub fn forget_waiting(&mut self) {
        self.waiting_until = None;
    }

    /// How many addresses are kept.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Forgets the addresses that have not been in use for [`PROOF_TTL`].
    pub fn sweep(&mut self, now: Instant) {
        self.known
            .retain(|_, known| now.since(known.used_at()) < PROOF_TTL);
        self.probed.retain(|_, at| now.since(*at) < PROBE_PERIOD);
    }

    fn may_reach_new(&mut self, now: Instant) -> bool {
        let allowed = self.destinations.allow(now, DESTINATIONS);
        if !allowed {
            self.waiting_until = Some(self.destinations.ready_at(now, DESTINATIONS));
        }
        allowed
    }

    fn remember_probe(&mut self, now: Instant, address: SocketAddr, known: &Known) {
        let asked_at = known.asked_at.filter(|_| !known.has_answered(now));
        if let Some(at) = asked_at.filter(|_| self.probed.len() < PROBED_MAX) {
            self.probed.insert(address, at);
        }
    }

    fn entry(&mut self, now: Instant, address: SocketAddr) -> &mut Known {
        if self.known.len() >= ADDRESSES_MAX && !self.known.contains_key(&address) {
            self.sweep(now);
            if self.known.len() >= ADDRESSES_MAX {
                let oldest = self.known.iter().min_by_key(|(_, known)| known.used_at());
                if let Some((address, known)) = oldest.map(|(&address, &known)| (address, known)) {
                    self.known.remove(&address);
                    self.remember_probe(now, address, &known);
                }
            }
        }
        self.known.entry(address).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PEER: SocketAddr = SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        4160,
    );

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    #[test]
    fn rule_16_a_silent_address_is_asked_once_a_minute() {
        let mut addresses = Addresses::default();
        assert_eq!(addresses.permit(at(0), PEER), Permit::Now);
        assert_eq!(addresses.permit(at(1), PEER), Permit::Later);
        addresses.silent(at(5), PEER);
        let sent = (6..=300)
            .filter(|&s| addresses.permit(at(s), PEER) == Permit::Now)
            .count();
        assert_eq!(sent, 5);
    }

    #[test]
    fn rule_16_one_that_answers_is_asked_freely_until_it_falls_silent() {
        let mut addresses = Addresses::default();
        assert_eq!(addresses.permit(at(0), PEER), Permit::Now);
        addresses.answered(at(0), PEER, Cookie(7));
        assert!((0..20).all(|_| addresses.permit(at(1), PEER) == Permit::Now));
        (0..SILENCES_MAX).for_each(|_| addresses.silent(at(2), PEER));
        assert_eq!(addresses.permit(at(2), PEER), Permit::Never);
    }

    #[test]
    fn rule_16_new_destinations_are_limited_and_the_rest_wait() {
        let mut addresses = Addresses::default();
        let peer = |n: u16| SocketAddr::from(([192, 0, 2, 1], 1 + n));
        let now = (0..500)
            .filter(|&n| addresses.permit(at(1), peer(n)) == Permit::Now)
            .count();
        assert_eq!(now, DESTINATIONS.burst as usize);
        let ready_at = addresses.waiting_until().unwrap();
        assert_eq!(addresses.permit(ready_at, peer(499)), Permit::Now);
    }

    #[test]
    fn rule_16_the_table_of_addresses_is_bounded() {
        let mut addresses = Addresses::default();
        for n in 0..4_000u16 {
            addresses.answered(
                at(u64::from(n)),
                SocketAddr::from(([192, 0, 2, 1], 1 + n)),
                Cookie(1),
            );
        }
        assert!(addresses.count() <= ADDRESSES_MAX);
        assert!(addresses.has_answered(at(4_000), SocketAddr::from(([192, 0, 2, 1], 4_000))));
    }

    #[test]
    fn rule_16_a_thousand_other_names_do_not_make_us_forget_a_silent_address() {
        let mut addresses = Addresses::default();
        let other = |n: u64| SocketAddr::from(([198, 51, 100, 1], 1 + n as u16));
        let mut asked = 0;
        for tick in 0..3_000 {
            let now = Instant::from_micros(tick * 20_000);
            asked += usize::from(addresses.permit(now, PEER) == Permit::Now);
            addresses.permit(now, other(tick));
        }
        assert_eq!(asked, 1, "in one minute");
        assert!(addresses.count() <= ADDRESSES_MAX && addresses.probed.len() <= PROBED_MAX);
    }

    #[test]
    fn a_cookie_is_echoed_until_it_may_be_too_old() {
        let mut addresses = Addresses::default();
        addresses.answered(at(0), PEER, Cookie(7));
        assert_eq!(addresses.cookie(at(1), PEER), Cookie(7));
        assert_eq!(
            addresses.cookie(Instant::ZERO + SECRET_PERIOD, PEER),
            Cookie::NONE
        );
        addresses.answered(at(400), PEER, Cookie(8));
        addresses.silent(at(401), PEER);
        assert_eq!(addresses.cookie(at(401), PEER), Cookie::NONE);
    }

    #[test]
    fn rule_14_a_claimed_provider_is_asked_once_a_minute_even_if_it_answers() {
        let mut addresses = Addresses::default();
        addresses.answered(at(0), PEER, Cookie(7));
        let permit = |addresses: &mut Addresses, s| addresses.permit_confirmation(at(s), PEER);
        assert_eq!(permit(&mut addresses, 1), Permit::Now);
        assert_eq!(permit(&mut addresses, 60), Permit::Never);
        assert_eq!(permit(&mut addresses, 61), Permit::Now);
    }
}
