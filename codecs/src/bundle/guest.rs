//! What a center's end knows besides: the answer to the greeting, and where it was asked for.

use super::paths::MAX_PATHS;
use super::types::Remote;

pub(super) struct Guest {
    /// Message 2, told again to whoever repeats message 1.
    pub accept: Vec<u8>,
    pub accept_to: Vec<Remote>,
    /// Addresses that sent a greeting of full size: as much counts for them, once. Anyone can repeat one from anywhere, so the
    /// latest are kept.
    greeted_from: Vec<Remote>,
}

impl Guest {
    pub fn new(accept: Vec<u8>, from: Remote) -> Self {
        Self { accept, accept_to: vec![from], greeted_from: vec![from] }
    }

    /// The greeting came again.
    pub fn greeted(&mut self, from: Remote) {
        if self.accept_to.len() >= MAX_PATHS || self.accept_to.contains(&from) {
            return;
        }
        self.accept_to.push(from);
        if !self.greeted_from.contains(&from) {
            if self.greeted_from.len() >= MAX_PATHS {
                self.greeted_from.remove(0);
            }
            self.greeted_from.push(from);
        }
    }

    /// The greeting from there counts, if it did not before.
    pub fn takes_greeting(&mut self, from: Remote) -> bool {
        let place = self.greeted_from.iter().position(|known| *known == from);
        place.map(|place| self.greeted_from.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> Remote {
        Remote::Udp(([10, 0, 0, last], 5000).into())
    }

    #[test]
    fn strangers_who_repeat_it_do_not_take_the_kits_place() {
        let mut guest = Guest::new(vec![], at(1));
        for last in 100..200 {
            guest.greeted(at(last));
            guest.accept_to.clear();
        }
        guest.greeted(at(2));
        assert!(guest.takes_greeting(at(2)) && !guest.takes_greeting(at(2)) && !guest.takes_greeting(at(3)));
        assert!(guest.greeted_from.len() < MAX_PATHS);
    }
}
