//! A carrier's NAT: one mapping for an inside end whatever it talks to, let in is only who was talked to (RFC 4787's
//! endpoint-independent mapping, address- and port-dependent filtering). `rebind` forgets everything, as a carrier does
//! at night: the same inside end then comes from another port, and from the next public address where there are several.

use std::collections::{HashMap, HashSet};

use crate::packet::{read, rewrite, End, Which, UDP};

const MAPPINGS: usize = 4096;
const PARTNERS: usize = 256;
const FIRST_PORT: u16 = 20_000;

struct Mapping {
    inside: End,
    public: End,
    partners: HashSet<End>,
    used: u64,
}

#[derive(Default)]
pub struct Nat {
    addresses: Vec<[u8; 4]>,
    address: usize,
    /// UDP mappings that nobody used for so long are forgotten; 0: never.
    pub idle_ns: u64,
    out: HashMap<(u8, End), Mapping>,
    back: HashMap<(u8, End), (u8, End)>,
    next_port: u16,
    pub rebound: u64,
    pub refused: u64,
}

impl Nat {
    /// Without an address nothing is translated.
    pub fn set(&mut self, addresses: Vec<[u8; 4]>) {
        self.addresses = addresses;
        self.address = 0;
        self.forget();
    }

    pub fn rebind(&mut self) {
        self.rebound += 1;
        self.address = (self.address + 1) % self.addresses.len().max(1);
        self.forget();
    }

    fn forget(&mut self) {
        self.out.clear();
        self.back.clear();
    }

    pub fn mappings(&self) -> usize {
        self.out.len()
    }

    /// From inside: false where it can't go out.
    pub fn outward(&mut self, bytes: &mut [u8], now: u64) -> bool {
        if self.addresses.is_empty() {
            return true;
        }
        let Some(packet) = read(bytes) else {
            self.refused += 1;
            return false;
        };
        let key = (packet.protocol, packet.from);
        self.expire(key, now);
        if !self.out.contains_key(&key) {
            if self.out.len() >= MAPPINGS {
                self.refused += 1;
                return false;
            }
            let public = self.free_end(packet.protocol);
            self.back.insert((packet.protocol, public), key);
            self.out.insert(key, Mapping { inside: packet.from, public, partners: HashSet::new(), used: now });
        }
        let mapping = self.out.get_mut(&key).expect("just put in");
        mapping.used = now;
        if mapping.partners.len() < PARTNERS {
            // An echo's identifier stands on both ends: its partner is told by the address alone.
            let port = if packet.protocol == crate::packet::ICMP { 0 } else { packet.to.port };
            mapping.partners.insert(End { port, ..packet.to });
        }
        let public = mapping.public;
        rewrite(bytes, &packet, Which::From, public);
        true
    }

    /// From outside: false where nobody inside asked for it.
    pub fn inward(&mut self, bytes: &mut [u8], now: u64) -> bool {
        if self.addresses.is_empty() {
            return true;
        }
        let Some(packet) = read(bytes) else {
            self.refused += 1;
            return false;
        };
        if let Some(key) = self.back.get(&(packet.protocol, packet.to)).copied() {
            self.expire(key, now);
            if let Some(mapping) = self.out.get(&key) {
                let port = if packet.protocol == crate::packet::ICMP { 0 } else { packet.from.port };
                if mapping.partners.contains(&End { port, ..packet.from }) {
                    rewrite(bytes, &packet, Which::To, mapping.inside);
                    return true;
                }
            }
        }
        self.refused += 1;
        false
    }

    fn expire(&mut self, key: (u8, End), now: u64) {
        let idle = self.idle_ns;
        if idle > 0 && key.0 == UDP && self.out.get(&key).is_some_and(|m| now.saturating_sub(m.used) > idle) {
            if let Some(mapping) = self.out.remove(&key) {
                self.back.remove(&(key.0, mapping.public));
            }
        }
    }

    fn free_end(&mut self, protocol: u8) -> End {
        loop {
            // Never an old port again soon after a rebinding: the count goes on.
            self.next_port = self.next_port.wrapping_add(1).max(FIRST_PORT);
            let end = End { address: self.addresses[self.address], port: self.next_port };
            if !self.back.contains_key(&(protocol, end)) {
                return end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::{udp, CENTER, INSIDE};

    const PUBLIC: [u8; 4] = [203, 0, 113, 17];

    fn nat() -> Nat {
        let mut nat = Nat::default();
        nat.set(vec![PUBLIC, [203, 0, 113, 18]]);
        nat
    }

    fn sent(nat: &mut Nat, now: u64) -> End {
        let mut bytes = udp(INSIDE, CENTER, b"x");
        assert!(nat.outward(&mut bytes, now));
        read(&bytes).expect("UDP").from
    }

    #[test]
    fn an_answer_finds_its_way_in_and_a_stranger_does_not() {
        let mut nat = nat();
        let public = sent(&mut nat, 0);
        assert_eq!(public.address, PUBLIC);
        let mut answer = udp(CENTER, public, b"y");
        assert!(nat.inward(&mut answer, 1));
        assert_eq!(read(&answer).expect("UDP").to, INSIDE);
        let stranger = End { port: 9, ..CENTER };
        assert!(!nat.inward(&mut udp(stranger, public, b"z"), 2));
        assert_eq!(nat.refused, 1);
    }

    #[test]
    fn a_rebinding_moves_the_public_end_and_shuts_the_old_one() {
        let mut nat = nat();
        let old = sent(&mut nat, 0);
        assert_eq!(sent(&mut nat, 1), old);
        nat.rebind();
        assert!(!nat.inward(&mut udp(CENTER, old, b"y"), 2));
        let new = sent(&mut nat, 3);
        assert_ne!(new.address, old.address);
        assert_ne!(new.port, old.port);
        assert!(nat.inward(&mut udp(CENTER, new, b"y"), 4));
    }

    #[test]
    fn an_idle_mapping_is_forgotten() {
        let mut nat = nat();
        nat.idle_ns = 30;
        let public = sent(&mut nat, 0);
        assert!(nat.inward(&mut udp(CENTER, public, b"y"), 30));
        assert!(!nat.inward(&mut udp(CENTER, public, b"y"), 31));
        assert_ne!(sent(&mut nat, 32), public);
        assert_eq!(nat.mappings(), 1);
    }

    #[test]
    fn without_an_address_nothing_is_translated() {
        let mut nat = Nat::default();
        assert_eq!(sent(&mut nat, 0), INSIDE);
    }

    #[test]
    fn mappings_have_a_bound() {
        let mut nat = nat();
        let mut let_out = 0;
        for port in 1..=5000u16 {
            let_out += usize::from(nat.outward(&mut udp(End { port, ..INSIDE }, CENTER, b"x"), 0));
        }
        assert_eq!((let_out, nat.mappings(), nat.refused), (MAPPINGS, MAPPINGS, 5000 - MAPPINGS as u64));
    }
}
