//! The largest datagram that passes a path, found by padded probes: a path's own word for it (ICMP) seldom gets through.

use crate::time::Micros;

use super::wire::BASE_MTU;

const TRIES: u8 = 3;
/// Between a probe and the next one of the same size.
const WAIT_US: u64 = 1_000_000;
/// Nearer than this two sizes are the same.
const CLOSE: u16 = 16;
/// A path may change: what failed is tried again after this.
const AGAIN_US: u64 = 600_000_000;

#[derive(Debug, Clone)]
pub struct Mtu {
    known: u16,
    max: u16,
    /// The smallest that failed, less one.
    ceiling: u16,
    /// Nonce and size of the probe under way.
    asked: Option<(u64, u16)>,
    tries: u8,
    next: Micros,
}

impl Mtu {
    /// `max` is what the path's owner allows.
    pub fn new(max: u16, now: Micros) -> Self {
        let max = max.clamp(BASE_MTU, super::wire::MAX_DATAGRAM_BYTES as u16);
        Self { known: BASE_MTU, max, ceiling: max, asked: None, tries: 0, next: now }
    }

    /// Nothing to find out: a stream takes any size.
    pub fn fixed(max: u16) -> Self {
        let mtu = Self::new(max, Micros(u64::MAX));
        Self { known: mtu.max, ..mtu }
    }

    /// What passes for certain.
    pub fn known(&self) -> u16 {
        self.known
    }

    pub fn max(&self) -> u16 {
        self.max
    }

    /// Begin anew: the path is another one now.
    pub fn reset(&mut self, now: Micros) {
        if self.next != Micros(u64::MAX) {
            *self = Self::new(self.max, now);
        }
    }

    fn next_size(&self) -> Option<u16> {
        if self.known >= self.max || self.ceiling < self.known + CLOSE {
            return None;
        }
        Some(if self.ceiling == self.max { self.max } else { self.known + (self.ceiling - self.known).div_ceil(2) })
    }

    /// The size of a probe to send now.
    pub fn due(&mut self, now: Micros) -> Option<u16> {
        if now < self.next {
            return None;
        }
        if let Some((_, size)) = self.asked {
            if self.tries >= TRIES {
                (self.ceiling, self.asked, self.tries) = (size - 1, None, 0);
            } else {
                return Some(size);
            }
        }
        let size = self.next_size();
        if size.is_none() && self.known < self.max {
            self.ceiling = self.max;
            self.next = Micros(now.0 + AGAIN_US);
        } else if size.is_none() {
            self.next = Micros(now.0 + AGAIN_US);
        }
        size
    }

    pub fn next_timer(&self) -> Option<Micros> {
        (self.next != Micros(u64::MAX)).then_some(self.next)
    }

    /// A probe of `size` went out.
    pub fn sent(&mut self, nonce: u64, size: u16, now: Micros) {
        self.tries = if self.asked.is_some_and(|(_, before)| before == size) { self.tries + 1 } else { 1 };
        (self.asked, self.next) = (Some((nonce, size)), Micros(now.0 + WAIT_US));
    }

    /// A PONG came; true when it was a probe's.
    pub fn answered(&mut self, nonce: u64, now: Micros) -> bool {
        match self.asked {
            Some((asked, size)) if asked == nonce => {
                (self.known, self.asked, self.tries, self.next) = (self.known.max(size), None, 0, now);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probe over a path that passes `real`, until nothing is left to try; how many probes.
    fn find(mtu: &mut Mtu, real: u16, lossy: bool) -> usize {
        let mut now = Micros(0);
        for nonce in 0..60u64 {
            now = Micros(now.0 + WAIT_US);
            let Some(size) = mtu.due(now) else { return nonce as usize };
            mtu.sent(nonce, size, now);
            if size <= real && !(lossy && nonce % 3 == 0) {
                assert!(mtu.answered(nonce, now));
            }
        }
        panic!("never done")
    }

    #[test]
    fn what_passes_is_found() {
        for real in [1200, 1232, 1300, 1350, 1400, 1500] {
            for lossy in [false, true] {
                let mut mtu = Mtu::new(1400, Micros(0));
                let probes = find(&mut mtu, real, lossy);
                let best = real.min(1400);
                assert!(mtu.known() <= best && mtu.known() + CLOSE > best, "{real}: {}", mtu.known());
                assert!(probes <= 20);
            }
        }
    }

    #[test]
    fn old_answers_and_fixed_sizes() {
        let mut mtu = Mtu::new(9000, Micros(0));
        assert_eq!(mtu.due(Micros(0)), Some(1500));
        mtu.sent(1, 1500, Micros(0));
        assert!(!mtu.answered(2, Micros(0)) && mtu.due(Micros(1)).is_none());
        mtu.reset(Micros(5));
        assert!(!mtu.answered(1, Micros(5)));
        let mut stream = Mtu::fixed(1350);
        assert_eq!((stream.known(), stream.due(Micros(u64::MAX - 1)), stream.next_timer()), (1350, None, None));
        stream.reset(Micros(5));
        assert_eq!(stream.known(), 1350);
        assert_eq!(Mtu::new(576, Micros(0)).known(), BASE_MTU);
    }
}
