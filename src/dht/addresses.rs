//! Addresses that we know: which have answered, which are silent, and the cookies that they gave
//! us.
//!
//! Contacts can lie about addresses, and a datagram can lie about its source. An address has
//! *answered* when a reply to a random RPC id of ours came from it. To any other address at most
//! one request a minute goes out, whichever node names it and however often, so a node that names a
//! victim's address cannot use us against it. New destinations have a budget as well
//! ([`Destinations`]).
//!
//! `C` is the proof that the node at an address gave us, which we show to it again: a cookie, or
//! `()` in a dialect without one.
//!
//! Invariant: at most [`ADDRESSES_MAX`] addresses are kept, and the longest unused goes first. The
//! time of an unanswered request outlives its address ([`PROBED_MAX`]): no node makes us forget a
//! victim by naming a thousand others.

use super::budget::Destinations;
use crate::limits::{ADDRESSES_MAX, PROBE_PERIOD, PROBED_MAX};
use crate::limits::{PROOF_TTL, RPC_TIMEOUT, SECRET_PERIOD, SILENCES_MAX};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Whether a request may be sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Now. It has been counted.
    Now,
    /// After the end of a request in flight to the same address, or when the budget allows it.
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
    /// Requests in a row that it left unanswered.
    silences: u32,
}
const _: () = assert!(size_of::<Known<u64>>() <= crate::limits::memory::KNOWN_SIZE);

impl<C> Known<C> {
    fn has_answered(&self, now: Instant) -> bool {
        self.silences < SILENCES_MAX && self.answered_at.is_some_and(|at| now.since(at) < PROOF_TTL)
    }

    fn used_at(&self) -> Instant {
        let used_at = self.answered_at.max(self.asked_at).max(self.confirmed_at);
        used_at.unwrap_or(Instant::ZERO)
    }

    /// Whether it may be asked, the budget of new destinations aside.
    fn permit(&self, now: Instant) -> Permit {
        let Some(age) = self.asked_at.map(|at| now.since(at)) else {
            return Permit::Now;
        };
        let is_in_flight = self.asked_at > self.silent_at && age < RPC_TIMEOUT;
        match self.has_answered(now) {
            true => Permit::Now,
            false if is_in_flight => Permit::Later,
            false if age < PROBE_PERIOD => Permit::Never,
            false => Permit::Now,
        }
    }
}

/// The addresses that we have asked, or that have answered us, within [`PROOF_TTL`].
#[derive(Default)]
pub struct Addresses<C> {
    known: BTreeMap<SocketAddr, Known<C>>,
    /// When addresses were asked that were displaced within their minute.
    probed: BTreeMap<SocketAddr, Instant>,
}

impl<C: Copy + Default> Addresses<C> {
    /// Whether a request may be sent to `address`; [`Permit::Now`] counts as sent.
    pub fn permit(
        &mut self,
        now: Instant,
        address: SocketAddr,
        destinations: &mut Destinations,
    ) -> Permit {
        let was_probed = |at: &Instant| now.since(*at) < PROBE_PERIOD;
        let known = match self.known.get(&address) {
            Some(known) => *known,
            None if self.probed.get(&address).is_some_and(was_probed) => return Permit::Never,
            None => Known::default(),
        };
        let is_new = known.asked_at.is_none() && known.answered_at.is_none();
        match known.permit(now) {
            Permit::Now if is_new && !destinations.allow(now) => return Permit::Later,
            Permit::Now => self.entry(now, address).asked_at = Some(now),
            other => return other,
        }
        Permit::Now
    }

    /// Whether `address` may be asked if it is a provider: at most once a minute, whatever else is
    /// known of it. A claim of a third node must cost its victim next to nothing (rule 14).
    pub fn permit_confirmation(
        &mut self,
        now: Instant,
        address: SocketAddr,
        destinations: &mut Destinations,
    ) -> Permit {
        let confirmed_at = self
            .known
            .get(&address)
            .and_then(|known| known.confirmed_at);
        if confirmed_at.is_some_and(|at| now.since(at) < PROBE_PERIOD) {
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
        (known.answered_at, known.silences) = (Some(now), 0);
        (known.cookie, known.cookie_at) = (cookie, now);
    }

    /// The node at `address` gave us a cookie without a request of ours.
    pub fn received_cookie(&mut self, now: Instant, address: SocketAddr, cookie: C) {
        let known = self.entry(now, address);
        (known.cookie, known.cookie_at) = (cookie, now);
        self.proved(address);
    }

    /// The node at `address` has shown that it receives datagrams there: an earlier silence is
    /// over, and it is no victim that others have named.
    pub fn proved(&mut self, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address) {
            if known.silent_at >= known.asked_at {
                (known.asked_at, known.silent_at) = (None, None);
            }
        }
        self.probed.remove(&address);
    }

    /// A request to `address` ended without a reply.
    pub fn silent(&mut self, now: Instant, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address) {
            known.silent_at = Some(now);
            known.silences = known.silences.saturating_add(1);
            // It may have restarted, and then does not accept its old cookies.
            known.cookie = C::default();
        }
    }

    /// Whether `address` has answered us within [`PROOF_TTL`] and is not silent since.
    pub fn has_answered(&self, now: Instant, address: SocketAddr) -> bool {
        let known = self.known.get(&address);
        known.is_some_and(|known| known.has_answered(now))
    }

    /// The cookie to show to `address`; the default when there is none that is still good.
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

    /// Forgets the addresses that were not in use for [`PROOF_TTL`].
    pub fn sweep(&mut self, now: Instant) {
        let is_in_use = |known: &Known<C>| now.since(known.used_at()) < PROOF_TTL;
        self.known.retain(|_, known| is_in_use(known));
        self.probed.retain(|_, at| now.since(*at) < PROBE_PERIOD);
    }

    fn entry(&mut self, now: Instant, address: SocketAddr) -> &mut Known<C> {
        if self.known.len() >= ADDRESSES_MAX && !self.known.contains_key(&address) {
            self.sweep(now);
            if self.known.len() >= ADDRESSES_MAX {
                self.displace_oldest(now);
            }
        }
        self.known.entry(address).or_default()
    }

    fn displace_oldest(&mut self, now: Instant) {
        let oldest = self.known.iter().min_by_key(|(_, known)| known.used_at());
        let Some((&address, &known)) = oldest else {
            return;
        };
        self.known.remove(&address);
        let asked_at = known.asked_at.filter(|_| !known.has_answered(now));
        if let Some(at) = asked_at.filter(|_| self.probed.len() < PROBED_MAX) {
            self.probed.insert(address, at);
        }
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
    fn rule_16_an_address_that_answers_is_asked_freely_until_it_is_silent() {
        let mut addresses = Addresses::<u64>::default();
        let destinations = &mut Destinations::default();
        assert_eq!(addresses.permit(at(0), PEER, destinations), Permit::Now);
        addresses.answered(at(0), PEER, 7);
        assert!((0..20).all(|_| addresses.permit(at(1), PEER, destinations) == Permit::Now));
        (0..SILENCES_MAX).for_each(|_| addresses.silent(at(2), PEER));
        assert_eq!(addresses.permit(at(2), PEER, destinations), Permit::Never);
    }

    #[test]
    fn rule_16_new_destinations_are_limited_and_the_others_wait() {
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
    fn rule_16_a_thousand_other_addresses_do_not_displace_a_silent_one() {
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
