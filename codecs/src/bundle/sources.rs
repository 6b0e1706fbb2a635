//! Handshakes by the address that they come from, so that one address does not have all of them: counted by the second in a
//! table of fixed size, under a key of its own, so that nobody can choose whose place he shares.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use super::types::Remote;
use crate::time::Micros;

/// Behind one address of a carrier's NAT there are many kits; each needs one.
const PER_SECOND: u8 = 20;
const PLACES: usize = 1024;
const SECOND_US: u64 = 1_000_000;

pub struct Sources {
    key: RandomState,
    counts: [u8; PLACES],
    since: Micros,
}

impl Sources {
    pub fn new(now: Micros) -> Self {
        Self { key: RandomState::new(), counts: [0; PLACES], since: now }
    }

    fn place(&self, from: &Remote) -> usize {
        let hash = match from {
            Remote::Udp(SocketAddr::V4(address)) => self.key.hash_one(IpAddr::V4(*address.ip())),
            // Whoever has one address of a network has all of them.
            Remote::Udp(SocketAddr::V6(address)) => self.key.hash_one(&address.ip().octets()[..8]),
            Remote::Stream(number) => self.key.hash_one(number),
        };
        hash as usize % PLACES
    }

    /// Spend one of this address's; false when it has none left in this second.
    pub fn take(&mut self, from: &Remote, now: Micros) -> bool {
        if now.since(self.since) >= SECOND_US {
            (self.counts, self.since) = ([0; PLACES], now);
        }
        let place = self.place(from);
        let has = self.counts[place] < PER_SECOND;
        self.counts[place] += u8::from(has);
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Remote {
        Remote::Udp(text.parse().expect("an address"))
    }

    fn taken(sources: &mut Sources, from: &str, now: u64) -> usize {
        (0..100).filter(|_| sources.take(&at(from), Micros(now))).count()
    }

    #[test]
    fn each_address_has_its_own_and_each_second_anew() {
        let mut sources = Sources::new(Micros(5));
        assert_eq!(taken(&mut sources, "10.0.0.1:5000", 5), 20);
        assert_eq!(taken(&mut sources, "10.0.0.1:5001", 5), 0, "another port is the same address");
        // Two share a place now and then, ten of ten never do.
        let others = (0..10).map(|n| taken(&mut sources, &format!("10.0.1.{n}:5000"), 5)).sum::<usize>();
        assert!(others >= 100, "{others}");
        assert_eq!(taken(&mut sources, "10.0.0.1:5000", 1_000_005), 20);
        let mut sources = Sources::new(Micros(5));
        assert_eq!(taken(&mut sources, "[2001:db8::1]:1", 5) + taken(&mut sources, "[2001:db8::2]:1", 5), 20);
    }
}
