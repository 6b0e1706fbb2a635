//! Whom an RTP session without ICE takes media from (decision 0005): the peer that signalling named, or, where that may
//! be behind NAT, the first valid source until it has been silent for two seconds.

use std::net::SocketAddr;

use crate::time::Micros;

/// A latched source that is silent for this long may be replaced.
const SILENCE_US: u64 = 2_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatchMode {
    /// That address and port only.
    Strict,
    /// Any port of that host.
    Host,
    /// The first valid source.
    First,
}

impl LatchMode {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "strict" => LatchMode::Strict,
            "host" => LatchMode::Host,
            "first" => LatchMode::First,
            _ => return None,
        })
    }
}

/// Pure: addresses and time in, a verdict out.
#[derive(Debug, Clone)]
pub struct Latch {
    mode: LatchMode,
    /// As signalled; `None` while not known or on hold.
    expected: Option<SocketAddr>,
    source: Option<SocketAddr>,
    heard: Micros,
    /// Where the peer was before it said that it moved: what is still under way from there is not its new place.
    left: Option<SocketAddr>,
}

impl Latch {
    pub fn new(mode: LatchMode, expected: Option<SocketAddr>) -> Self {
        Self { mode, expected, source: None, heard: Micros(0), left: None }
    }

    /// Signalling spoke again. A source that is heard now stays, unless the peer said that it moved.
    pub fn rearm(&mut self, mode: LatchMode, expected: Option<SocketAddr>) {
        if expected != self.expected && expected.is_some() || mode != self.mode {
            self.left = self.source.take().filter(|source| expected != Some(*source));
        }
        self.mode = mode;
        self.expected = expected;
    }

    /// May media from this address be looked at?
    pub fn admits(&self, from: SocketAddr, now: Micros) -> bool {
        match self.mode {
            LatchMode::Strict => self.expected == Some(from),
            LatchMode::Host => self.expected.is_some_and(|e| e.ip() == from.ip()),
            LatchMode::First => match self.source {
                Some(source) => source == from || now.since(self.heard) >= SILENCE_US,
                None => self.left != Some(from) || now.since(self.heard) >= SILENCE_US,
            },
        }
    }

    /// The same for RTCP, which may come from another port of the host that media comes from.
    pub fn admits_control(&self, from: SocketAddr) -> bool {
        let known = [self.source, self.expected];
        known.iter().flatten().any(|a| a.ip() == from.ip()) || self.mode == LatchMode::First && self.source.is_none()
    }

    /// A valid packet came from there. True when the source is another one than before.
    pub fn heard(&mut self, from: SocketAddr, now: Micros) -> bool {
        self.heard = now;
        if self.source == Some(from) {
            return false;
        }
        self.source = Some(from);
        true
    }

    /// Where to send: to the source where symmetric RTP is meant, else as signalled.
    pub fn target(&self) -> Option<SocketAddr> {
        match self.mode {
            LatchMode::Strict => self.expected,
            LatchMode::Host | LatchMode::First => self.source.or(self.expected),
        }
    }

    pub fn source(&self) -> Option<SocketAddr> {
        self.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    fn elsewhere() -> SocketAddr {
        ([10, 0, 0, 2], 4000).into()
    }

    #[test]
    fn strict_takes_the_address_that_was_named_and_sends_there() {
        let mut latch = Latch::new(LatchMode::Strict, Some(at(4000)));
        assert!(latch.admits(at(4000), Micros(0)) && !latch.admits(at(4002), Micros(0)));
        latch.heard(at(4000), Micros(0));
        assert!(!latch.admits(at(4002), Micros(60_000_000)));
        assert_eq!(latch.target(), Some(at(4000)));
    }

    #[test]
    fn host_takes_any_port_and_sends_back_to_it() {
        let mut latch = Latch::new(LatchMode::Host, Some(at(4000)));
        assert!(latch.admits(at(5000), Micros(0)) && !latch.admits(elsewhere(), Micros(0)));
        assert_eq!(latch.target(), Some(at(4000)));
        assert!(latch.heard(at(5000), Micros(0)));
        assert_eq!(latch.target(), Some(at(5000)));
    }

    #[test]
    fn first_stays_with_its_source_until_two_seconds_of_silence() {
        let mut latch = Latch::new(LatchMode::First, Some(at(4000)));
        assert!(latch.admits(elsewhere(), Micros(0)) && latch.heard(elsewhere(), Micros(0)));
        assert!(!latch.admits(at(4000), Micros(1_999_999)));
        assert!(latch.admits(at(4000), Micros(2_000_000)));
        assert_eq!(latch.target(), Some(elsewhere()));
        // The same answer again (a session refresh) changes nothing; another address does.
        latch.rearm(LatchMode::First, Some(at(4000)));
        assert_eq!(latch.target(), Some(elsewhere()));
        latch.rearm(LatchMode::First, Some(at(4444)));
        assert_eq!(latch.target(), Some(at(4444)));
    }

    #[test]
    fn what_comes_late_from_the_place_that_the_peer_left_is_not_its_new_one() {
        let mut latch = Latch::new(LatchMode::First, Some(at(4000)));
        latch.heard(at(4000), Micros(1_000_000));
        latch.rearm(LatchMode::First, Some(at(5000)));
        assert!(!latch.admits(at(4000), Micros(1_020_000)), "still under way");
        assert!(latch.admits(elsewhere(), Micros(1_030_000)), "its new place, behind NAT");
        latch.heard(elsewhere(), Micros(1_030_000));
        assert_eq!(latch.target(), Some(elsewhere()));
        // Named again, or the only one that sends: it is heard.
        latch.rearm(LatchMode::First, Some(at(4000)));
        assert!(latch.admits(at(4000), Micros(1_040_000)));
        latch.rearm(LatchMode::First, Some(at(6000)));
        latch.heard(at(4000), Micros(1_050_000));
        latch.rearm(LatchMode::First, Some(at(7000)));
        assert!(!latch.admits(at(4000), Micros(2_000_000)) && latch.admits(at(4000), Micros(3_050_000)));
    }

    #[test]
    fn on_hold_nothing_is_sent_before_a_source_is_heard() {
        let mut latch = Latch::new(LatchMode::First, None);
        assert_eq!(latch.target(), None);
        latch.heard(elsewhere(), Micros(0));
        assert_eq!(latch.target(), Some(elsewhere()));
    }
}
