//! What sources give, in bits per second over the last second; and when to speak of rates.

use crate::time::Micros;

const SLOT_US: u64 = 250_000;
const SLOTS: usize = 4;
/// Between two words of it.
const TELL_US: u64 = 500_000;
/// Key pictures that do not help are asked for that seldom at last: until the next one what was lacked counts.
const LACKED_US: u64 = 6_000_000;
/// Headers on the way: what is given takes this much more.
const HEADERS: f64 = 1.06;

#[derive(Debug, Default)]
pub struct Meter {
    slots: [u64; SLOTS],
    last: u64,
    /// Something was given at all, since then.
    active: Option<Micros>,
    /// Units were left out since the last word.
    left_out: bool,
    told: Option<(Micros, u64)>,
    /// What a picture that was left out would have taken, and when that was.
    lacked: Option<(Micros, f64)>,
}

impl Meter {
    fn turn(&mut self, now: Micros) {
        let slot = now.0 / SLOT_US;
        for passed in (self.last + 1..=slot).rev().take(SLOTS) {
            self.slots[(passed % SLOTS as u64) as usize] = 0;
        }
        self.last = self.last.max(slot);
    }

    /// Something of this session is in use.
    pub fn note(&mut self, now: Micros) {
        self.active = Some(now);
    }

    pub fn is_active(&self, now: Micros) -> bool {
        self.active.is_some_and(|at| now.since(at) < 2_000_000)
    }

    pub fn add(&mut self, bytes: usize, now: Micros) {
        self.note(now);
        self.turn(now);
        self.slots[(self.last % SLOTS as u64) as usize] += 8 * bytes as u64;
    }

    pub fn wanted_bps(&self, now: Micros) -> u64 {
        let slot = now.0 / SLOT_US;
        if slot > self.last + SLOTS as u64 {
            return 0;
        }
        // The slot that is not over counts for the part of it that is.
        let over = (SLOTS as u64 - 1) * SLOT_US + now.0 % SLOT_US + 1;
        let first = (slot + 1).saturating_sub(SLOTS as u64);
        let sum: u64 = (first..=self.last).map(|slot| self.slots[(slot % SLOTS as u64) as usize]).sum();
        (sum as f64 * HEADERS * 1e6 / over as f64) as u64
    }

    pub fn left_out(&mut self) {
        self.left_out = true;
    }

    /// A picture was left out for which the paths would have had to carry so much.
    pub fn lacked(&mut self, bps: f64, now: Micros) {
        if bps > 0.0 && bps * HEADERS >= self.lacked_bps(now) {
            self.lacked = Some((now, bps));
        }
    }

    /// What the paths would have had to carry, of late.
    pub fn lacked_bps(&self, now: Micros) -> f64 {
        self.lacked.filter(|(at, _)| now.since(*at) < LACKED_US).map_or(0.0, |(_, bps)| bps * HEADERS)
    }

    /// What was lacked is there: once true, then forgotten.
    pub fn is_met(&mut self, usable: f64, now: Micros) -> bool {
        let lacked = self.lacked_bps(now);
        let met = lacked > 0.0 && usable >= lacked;
        if met {
            self.lacked = None;
        }
        met
    }

    /// Whether `usable` is to be told now: when units are left out, when it does not suffice, and when it became another
    /// one by a fifth; never more often than every half second.
    pub fn tells(&mut self, usable: u64, now: Micros) -> Option<(u64, u64)> {
        let wanted = self.wanted_bps(now);
        if wanted == 0 || self.told.is_some_and(|(at, _)| now.since(at) < TELL_US) {
            return None;
        }
        let before = self.told.map_or(0, |(_, usable)| usable);
        let changed = usable.abs_diff(before) * 5 > before;
        if !(self.left_out || usable < wanted || changed) {
            return None;
        }
        (self.left_out, self.told) = (false, Some((now, usable)));
        Some((usable, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Micros {
        Micros(ms * 1000)
    }

    #[test]
    fn it_measures_the_last_second() {
        let mut meter = Meter::default();
        for step in 0..100 {
            meter.add(5000, ms(1000 + step * 40)); // 1 Mb/s
        }
        let wanted = meter.wanted_bps(ms(4999));
        assert!((1_000_000..1_150_000).contains(&wanted), "{wanted}");
        assert_eq!(meter.wanted_bps(ms(8000)), 0);
        assert!(meter.is_active(ms(6900)) && !meter.is_active(ms(7000)));
    }

    #[test]
    fn what_was_lacked_is_remembered_a_while() {
        let mut meter = Meter::default();
        meter.lacked(0.0, ms(500));
        assert_eq!(meter.lacked_bps(ms(500)), 0.0);
        meter.lacked(4e6, ms(1000));
        meter.lacked(1e6, ms(2000));
        assert!(meter.lacked_bps(ms(6999)) > 4e6 && meter.lacked_bps(ms(7000)) == 0.0);
        meter.lacked(1e6, ms(7000));
        assert!(meter.lacked_bps(ms(7100)) < 1.1e6 && !meter.is_met(0.9e6, ms(7100)));
        assert!(meter.is_met(1.2e6, ms(7100)) && !meter.is_met(1.2e6, ms(7100)));
    }

    #[test]
    fn it_speaks_when_there_is_something_to_say() {
        let mut meter = Meter::default();
        let mut tell = |usable, at, left_out: bool| {
            meter.add(31_250, ms(at)); // 1 Mb/s
            if left_out {
                meter.left_out();
            }
            meter.tells(usable, ms(at)).is_some()
        };
        assert!(tell(5_000_000, 1000, false), "the first word");
        assert!(!tell(2_000_000, 1250, false), "too soon");
        assert!(tell(2_000_000, 1500, false), "another one");
        assert!(!tell(2_100_000, 2250, false), "nearly the same");
        assert!(tell(2_100_000, 2500, true), "units were left out");
        assert!(tell(200_000, 3000, false) && tell(200_000, 3500, false), "it does not suffice");
    }
}
