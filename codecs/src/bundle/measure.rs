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
const SLOTS: u64 = 24;
/// Fewer datagrams over a second say nothing about its loss.
const FEW: u32 = 16;

/// Datagrams that came and were lost, by the time that they were *sent*, in slots of 100 ms: a burst of losses of which we
/// hear all at once is still one burst.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loss {
    slots: [(u32, u32); SLOTS as usize],
    /// Number of the latest slot.
    last: u64,
}

impl Loss {
    fn turn(&mut self, slot: u64) {
        for passed in (self.last + 1..=slot).rev().take(SLOTS as usize) {
            self.slots[(passed % SLOTS) as usize] = (0, 0);
        }
        self.last = self.last.max(slot);
    }

    /// One that was sent at `at` came, or was lost.
    pub fn add(&mut self, came: bool, at: Micros) {
        let slot = at.0 / SLOT_US;
        self.turn(slot);
        if self.last - slot < SLOTS {
            let (some, lost) = &mut self.slots[(slot % SLOTS) as usize];
            *(if came { some } else { lost }) += 1;
        }
    }

    /// One that counted as lost came after all.
    pub fn amend(&mut self, at: Micros) {
        let slot = at.0 / SLOT_US;
        if slot <= self.last && self.last - slot < SLOTS {
            let (came, lost) = &mut self.slots[(slot % SLOTS) as usize];
            (*came, *lost) = (*came + 1, lost.saturating_sub(1));
        }
    }

    /// The `count` slots whose fate is known at `now`: what was sent less than `open_us` ago may still come.
    fn known(&self, count: u64, open_us: u64, now: Micros) -> impl Iterator<Item = (u32, u32)> + '_ {
        let end = now.0.saturating_sub(open_us) / SLOT_US;
        let seen = end.saturating_sub(count)..end;
        seen.filter(|slot| *slot <= self.last && self.last - slot < SLOTS)
            .map(|slot| self.slots[(slot % SLOTS) as usize])
    }

    /// The share of the time in which what was sent was lost, over a second, 0 to 1; 0 when too little was sent to say.
    /// By time and not by number: one large picture within one burst says no more than a small one.
    pub fn share(&self, open_us: u64, now: Micros) -> f64 {
        let (mut all, mut used, mut sum) = (0, 0, 0.0);
        for (came, lost) in self.known(10, open_us, now).filter(|slot| slot.0 + slot.1 > 0) {
            all += came + lost;
            used += 1;
            sum += f64::from(lost) / f64::from(came + lost);
        }
        if all < FEW || used < 3 {
            return 0.0;
        }
        sum / f64::from(used)
    }

    /// Over half a second more was lost than came: in all of its slots but one, so that it is more than bursts of a radio.
    pub fn is_bad(&self, open_us: u64, now: Micros) -> bool {
        let (mut used, mut bad, mut all) = (0, 0, (0, 0));
        for (came, lost) in self.known(5, open_us, now) {
            used += u32::from(came + lost > 0);
            bad += u32::from(lost > came);
            all = (all.0 + came, all.1 + lost);
        }
        used >= 4 && bad + 1 >= used && all.1 > all.0 && all.0 + all.1 >= FEW / 2
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
    fn loss_is_of_the_last_second_that_is_known() {
        let mut loss = Loss::default();
        for sent in 0..200 {
            loss.add(sent % 4 != 0, ms(5000 + sent * 5));
        }
        assert!((loss.share(100_000, ms(6100)) - 0.25).abs() < 1e-9);
        loss.add(false, ms(6050));
        assert!((loss.share(100_000, ms(6100)) - 0.25).abs() < 1e-9, "it may still come");
        assert_eq!((loss.share(100_000, ms(7100)), loss.share(0, ms(90_000))), (0.0, 0.0));
        assert!(!loss.is_bad(100_000, ms(6100)));
        (0..50).for_each(|_| loss.amend(ms(5500)));
        assert!(loss.share(100_000, ms(6100)) < 0.25);
    }

    #[test]
    fn one_burst_is_not_a_bad_path() {
        let mut loss = Loss::default();
        for sent in 0..50 {
            loss.add(true, ms(1000 + 10 * sent));
        }
        // A large picture, all of it in one burst.
        for sent in 0..100 {
            loss.add(false, ms(1200 + sent));
        }
        assert!(!loss.is_bad(0, ms(1500)) && loss.share(0, ms(1600)) < 0.2);
        for sent in 0..50 {
            loss.add(sent % 3 == 0, ms(2000 + 10 * sent));
        }
        assert!(loss.is_bad(0, ms(2500)) && !loss.is_bad(0, ms(3000)));
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
