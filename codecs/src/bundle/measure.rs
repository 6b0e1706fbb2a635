//! What is known of a path by looking back: round trips, loss over the last second, delay and how much of it is queueing.

use crate::time::Micros;

/// Smoothed round trip and its variation (RFC 6298 §2), in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundTrip {
    smooth: Option<f64>,
    varies: f64,
}

impl RoundTrip {
    pub fn sample(&mut self, us: u64) {
        let us = us as f64;
        match &mut self.smooth {
            None => (self.smooth, self.varies) = (Some(us), us / 2.0),
            Some(smooth) => {
                self.varies += ((*smooth - us).abs() - self.varies) / 4.0;
                *smooth += (us - *smooth) / 8.0;
            }
        }
    }

    pub fn us(&self) -> Option<u64> {
        self.smooth.map(|us| us as u64)
    }

    pub fn varies_us(&self) -> u64 {
        self.varies as u64
    }
}

const SLOT_US: u64 = 100_000;
const SLOTS: usize = 10;

/// Datagrams that came and were lost, in slots of 100 ms over one second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loss {
    slots: [(u32, u32); SLOTS],
    /// Number of the slot written last.
    last: u64,
}

impl Loss {
    fn turn(&mut self, now: Micros) {
        let slot = now.0 / SLOT_US;
        for passed in (self.last + 1..=slot).take(SLOTS) {
            self.slots[(passed % SLOTS as u64) as usize] = (0, 0);
        }
        // After a pause longer than all slots everything is old.
        if slot.saturating_sub(self.last) >= SLOTS as u64 {
            self.slots = [(0, 0); SLOTS];
        }
        self.last = self.last.max(slot);
    }

    pub fn add(&mut self, came: u32, lost: u32, now: Micros) {
        self.turn(now);
        let slot = &mut self.slots[(self.last % SLOTS as u64) as usize];
        slot.0 += came;
        slot.1 += lost;
    }

    /// Came and lost over the last `slots` slots, the one that is not over yet included.
    pub fn over(&mut self, slots: usize, now: Micros) -> (u32, u32) {
        self.turn(now);
        (0..slots.min(SLOTS) as u64).fold((0, 0), |sum, back| {
            let (came, lost) = self.slots[((self.last + SLOTS as u64 - back) % SLOTS as u64) as usize];
            (sum.0 + came, sum.1 + lost)
        })
    }

    /// The share that was lost over the last second, 0 to 1.
    pub fn share(&mut self, now: Micros) -> f64 {
        let (came, lost) = self.over(SLOTS, now);
        f64::from(lost) / f64::from((came + lost).max(1))
    }
}

const BASE_SPAN_US: u64 = 10_000_000;

/// One-way delay of a path in microseconds. The clocks of both ends are not set against each other, so only differences
/// mean anything: between paths, and from one moment to the next.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delay {
    /// Least of this span and of the one before.
    least: Option<(i64, i64)>,
    span_began: Micros,
    recent: i64,
    typical: f64,
    varies: f64,
}

impl Delay {
    /// Of one report: the quickest and the typical datagram of its interval.
    pub fn sample(&mut self, quickest: i64, typical: i64, now: Micros) {
        self.recent = quickest;
        match &mut self.least {
            None => {
                (self.least, self.span_began) = (Some((quickest, quickest)), now);
                self.typical = typical as f64;
            }
            Some((this, before)) => {
                if now.since(self.span_began) > BASE_SPAN_US {
                    (*before, *this, self.span_began) = (*this, quickest, now);
                }
                *this = (*this).min(quickest);
            }
        }
        self.varies += ((typical as f64 - self.typical).abs() - self.varies) / 8.0;
        self.typical += (typical as f64 - self.typical) / 4.0;
    }

    /// The quickest of late: what the path takes by itself.
    pub fn base(&self) -> Option<i64> {
        self.least.map(|(this, before)| this.min(before))
    }

    /// What to expect now.
    pub fn expected(&self) -> Option<i64> {
        self.least.map(|_| self.typical as i64)
    }

    pub fn varies_us(&self) -> u64 {
        self.varies as u64
    }

    /// How much even the quickest datagram of the last interval had to wait.
    pub fn queue_us(&self) -> u64 {
        self.base().map_or(0, |base| (self.recent - base).max(0) as u64)
    }

    /// What was taken for a queue is the path's new length: it does not go away however little is sent.
    pub fn rebase(&mut self, now: Micros) {
        (self.least, self.span_began) = (Some((self.recent, self.recent)), now);
    }

    /// The common point of reference moved by `us`.
    pub fn shift(&mut self, us: i64) {
        if let Some((this, before)) = &mut self.least {
            *this -= us;
            *before -= us;
        }
        self.recent -= us;
        self.typical -= us as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Micros {
        Micros(ms * 1000)
    }

    #[test]
    fn round_trips_are_smoothed() {
        let mut rtt = RoundTrip::default();
        assert_eq!(rtt.us(), None);
        rtt.sample(80_000);
        assert_eq!((rtt.us(), rtt.varies_us()), (Some(80_000), 40_000));
        (0..50).for_each(|_| rtt.sample(40_000));
        assert!(rtt.us().is_some_and(|us| us < 41_000) && rtt.varies_us() < 2_000);
    }

    #[test]
    fn loss_is_of_the_last_second() {
        let mut loss = Loss::default();
        loss.add(9, 1, ms(5000));
        loss.add(0, 10, ms(5450));
        assert_eq!((loss.over(1, ms(5450)), loss.over(5, ms(5450))), ((0, 10), (9, 11)));
        assert!((loss.share(ms(5900)) - 0.55).abs() < 1e-9);
        assert_eq!(loss.over(10, ms(6010)), (0, 10));
        assert_eq!(loss.over(10, ms(60_000)), (0, 0));
        assert_eq!(loss.share(ms(60_000)), 0.0);
    }

    #[test]
    fn a_queue_is_what_lies_above_the_quickest() {
        let mut delay = Delay::default();
        assert_eq!((delay.base(), delay.queue_us()), (None, 0));
        delay.sample(-7_000, -5_000, ms(0));
        delay.sample(60_000, 70_000, ms(100));
        assert_eq!((delay.base(), delay.queue_us()), (Some(-7_000), 67_000));
        delay.shift(1_000_000);
        assert_eq!((delay.base(), delay.queue_us()), (Some(-1_007_000), 67_000));
        delay.rebase(ms(200));
        assert_eq!(delay.queue_us(), 0);
        // An old minimum is forgotten after two spans.
        let mut delay = Delay::default();
        (0..30).for_each(|second| delay.sample(if second == 0 { 10 } else { 5_000 }, 5_000, ms(second * 1000)));
        assert_eq!(delay.base(), Some(5_000));
    }
}
