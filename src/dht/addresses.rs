//! What we know of addresses: which have answered us, the cookies they gave us, and which stay
//! silent.
//!
//! Contacts can lie about addresses, and a datagram can lie about its source. Here is kept what can
//! be relied on: an address has *answered* when a reply to a random RPC id of ours came from it. To
//! one that has not, at most one request a minute goes out, whoever names it and however often, so
//! that a node which hands out a victim's address cannot make us a nuisance to it. New destinations
//! have a budget as well ([`Destinations`]), which all nodes of a host share.
//!
//! `C` is the proof that the node at an address gave us, to be shown to it again: a cookie, or nothing
//! in a dialect that has none.
//!
//! Invariant: at most [`ADDRESSES_MAX`] addresses are kept, the longest unused go first; of those
//! that go within the minute of an unanswered request the time is kept ([`PROBED_MAX`]), so that
//! nobody makes us forget a victim by naming a thousand others.

use super::budget::Destinations;
use crate::limits::{ADDRESSES_MAX, PROBE_PERIOD, PROBED_MAX};
use crate::limits::{PROOF_TTL, SECRET_PERIOD};
use crate::limits::{RPC_TIMEOUT, SILENCES_MAX};
use crate::time::Instant;
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
struct Known<C> {
    answered_at: Option<Instant>,
    asked_at: Option<Instant>,
    silent_at: Option<Instant>,
    confirmed_at: Option<Instant>,
    cookie: C,
    cookie_at: Instant,
    /// Requests in a row that it has not answered.
    silences: u32,
}
const _: () = assert!(size_of::<Known<u64>>() <= crate::limits::memory::KNOWN_SIZE);

impl<C> Known<C> {
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
pub struct Addresses<C> {
    known: BTreeMap<SocketAddr, Known<C>>,
    /// When those were asked that had to go before their minute was over.
    probed: BTreeMap<SocketAddr, Instant>,
}

impl<C: Copy + Default> Addresses<C> {
    /// Asks for leave to send a request to `address`; [`Permit::Now`] counts as sent.
    pub fn permit(
        &mut self,
        now: Instant,
        address: SocketAddr,
        destinations: &mut Destinations,
    ) -> Permit {
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
            if is_new && !destinations.allow(now) {
                return Permit::Later;
            }
            self.entry(now, address).asked_at = Some(now);
            return Permit::Now;
        }
        let was_probed = self.probed.get(&address);
        if was_probed.is_some_and(|&at| now.since(at) < PROBE_PERIOD) {
            return Permit::Never;
        }
        if !destinations.allow(now) {
            return Permit::Later;
        }
        self.entry(now, address).asked_at = Some(now);
        Permit::Now
    }

    /// Leave to ask `address` whether it is a provider: at most once a minute, whatever else is
    /// known of it (rule 14: what a third node claims must cost its victim next to nothing).
    pub fn permit_confirmation(
        &mut self,
        now: Instant,
        address: SocketAddr,
        destinations: &mut Destinations,
    ) -> Permit {
        let known = self.known.get(&address).copied().unwrap_or_default();
        if known
            .confirmed_at
            .is_some_and(|at| now.since(at) < PROBE_PERIOD)
        {
            return Permit::Never;
        }
        let permit = self.permit(now, address, destinations);
        if permit == Permit::Now {
            self.entry(now, address).confirmed_at = Some(now);
        }
        permit
    }

    /// A reply to one of our requests came from `address`, with a cookie.
    pub fn answered(&mut self, now: Instant, address: SocketAddr, cookie: C) {
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
    pub fn given(&mut self, now: Instant, address: SocketAddr, cookie: C) {
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
            known.cookie = C::default();
        }
    }

    /// Whether `address` has answered us lately.
    pub fn has_answered(&self, now: Instant, address: SocketAddr) -> bool {
        self.known
            .get(&address)
            .is_some_and(|known| known.has_answered(now))
    }

    /// The cookie to be echoed to `address`; the default, when it gave us none that is
    /// still good.
    pub fn cookie(&self, now: Instant, address: SocketAddr) -> C {
        match self.known.get(&address) {
            Some(known) if now.since(known.cookie_at) < SECRET_PERIOD => known.cookie,
            _ => C::default(),
        }
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

    fn remember_probe(&mut self, now: Instant, address: SocketAddr, known: &Known<C>) {
        let asked_at = known.asked_at.filter(|_| !known.has_answered(now));
        if let Some(at) = asked_at.filter(|_| self.probed.len() < PROBED_MAX) {
            self.probed.insert(address, at);
        }
    }

    fn entry(&mut self, now: Instant, address: SocketAddr) -> &mut Known<C> {
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
    use crate::limits::DESTINATIONS;
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
        let mut addresses = Addresses::<u64>::default();
        let destinations = &mut Destinations::default();
        assert_eq!(addresses.permit(at(0), PEER, destinations), Permit::Now);
        assert_eq!(addresses.permit(at(1), PEER, destinations), Permit::Later);
        addresses.silent(at(5), PEER);
        let sent = (6..=300)
            .filter(|&s| addresses.permit(at(s), PEER, destinations) == Permit::Now)
            .count();
        assert_eq!(sent, 5);
    }

    #[test]
    fn rule_16_one_that_answers_is_asked_freely_until_it_falls_silent() {
        let mut addresses = Addresses::<u64>::default();
        let destinations = &mut Destinations::default();
        assert_eq!(addresses.permit(at(0), PEER, destinations), Permit::Now);
        addresses.answered(at(0), PEER, 7);
        assert!((0..20).all(|_| addresses.permit(at(1), PEER, destinations) == Permit::Now));
        (0..SILENCES_MAX).for_each(|_| addresses.silent(at(2), PEER));
        assert_eq!(addresses.permit(at(2), PEER, destinations), Permit::Never);
    }

    #[test]
    fn rule_16_new_destinations_are_limited_and_the_rest_wait() {
        let mut addresses = Addresses::<u64>::default();
        let destinations = &mut Destinations::default();
        let peer = |n: u16| SocketAddr::from(([192, 0, 2, 1], 1 + n));
        let now = (0..500)
            .filter(|&n| addresses.permit(at(1), peer(n), destinations) == Permit::Now)
            .count();
        assert_eq!(now, DESTINATIONS.burst as usize);
        let ready_at = destinations.waiting_until().unwrap();
        assert_eq!(
            addresses.permit(ready_at, peer(499), destinations),
            Permit::Now
        );
    }

    #[test]
    fn rule_16_the_table_of_addresses_is_bounded() {
        let mut addresses = Addresses::<u64>::default();
        for n in 0..4_000u16 {
            addresses.answered(
                at(u64::from(n)),
                SocketAddr::from(([192, 0, 2, 1], 1 + n)),
                1,
            );
        }
        assert!(addresses.count() <= ADDRESSES_MAX);
        assert!(addresses.has_answered(at(4_000), SocketAddr::from(([192, 0, 2, 1], 4_000))));
    }

    #[test]
    fn rule_16_a_thousand_other_names_do_not_make_us_forget_a_silent_address() {
        let mut addresses = Addresses::<u64>::default();
        let destinations = &mut Destinations::default();
        let other = |n: u64| SocketAddr::from(([198, 51, 100, 1], 1 + n as u16));
        let mut asked = 0;
        for tick in 0..3_000 {
            let now = Instant::from_micros(tick * 20_000);
            asked += usize::from(addresses.permit(now, PEER, destinations) == Permit::Now);
            addresses.permit(now, other(tick), destinations);
        }
        assert_eq!(asked, 1, "in one minute");
        assert!(addresses.count() <= ADDRESSES_MAX && addresses.probed.len() <= PROBED_MAX);
    }

    #[test]
    fn a_cookie_is_echoed_until_it_may_be_too_old() {
        let mut addresses = Addresses::<u64>::default();
        addresses.answered(at(0), PEER, 7);
        assert_eq!(addresses.cookie(at(1), PEER), 7);
        assert_eq!(addresses.cookie(Instant::ZERO + SECRET_PERIOD, PEER), 0);
        addresses.answered(at(400), PEER, 8);
        addresses.silent(at(401), PEER);
        assert_eq!(addresses.cookie(at(401), PEER), 0);
    }

    #[test]
    fn rule_14_a_claimed_provider_is_asked_once_a_minute_even_if_it_answers() {
        let mut addresses = Addresses::<u64>::default();
        let destinations = &mut Destinations::default();
        addresses.answered(at(0), PEER, 7);
        let mut permit = |s| addresses.permit_confirmation(at(s), PEER, destinations);
        assert_eq!(permit(1), Permit::Now);
        assert_eq!(permit(60), Permit::Never);
        assert_eq!(permit(61), Permit::Now);
    }
}
