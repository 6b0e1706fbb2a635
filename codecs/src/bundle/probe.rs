//! Looking for more room on a path that is full or that sources have shrunk to: for a moment more is sent than it is thought
//! to carry, made up with filling. What arrives then is the new estimate; if a queue grows instead, it is left for a while.
//!
//! Without it a source that went down with its links would never hear that they are back: what is not tried is not claimed.

use crate::time::Micros;

/// How much beyond the estimate: at first, and after each success; and on a path whose limit was never felt.
const FIRST_GAIN: f64 = 1.25;
const STEP_GAIN: f64 = 1.5;
const MOST_GAIN: f64 = 2.5;
const START_GAIN: f64 = 2.0;
/// On a thin link what is too much stands before the words for long: it makes no longer a queue than this.
const THIN_EXCESS_US: f64 = 60_000.0;

/// What is known of the path when it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub usable: f64,
    /// Its limit was never felt.
    pub starting: bool,
    pub thin: bool,
    /// It was felt not long ago.
    pub felt: bool,
    /// How long it takes to hear what came of it.
    pub takes_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hunger {
    /// All that is wanted goes.
    None,
    /// It goes, but there was much more room once.
    Some,
    /// Less goes than is wanted.
    Much,
}

impl Hunger {
    /// After a probe in vain.
    fn pause_us(self, failures: u32) -> u64 {
        match self {
            Hunger::None => u64::MAX / 2,
            // What was there once may be gone for good: ever longer, up to four minutes.
            Hunger::Some => 8_000_000 << failures.min(5),
            Hunger::Much => 5_000_000,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Probe {
    /// Until then, and the estimate when it began.
    active: Option<(Micros, f64)>,
    fills_until: Micros,
    ended: Option<Micros>,
    gain: f64,
    /// In a row.
    failures: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self { active: None, fills_until: Micros(0), ended: None, gain: FIRST_GAIN, failures: 0 }
    }
}

impl Probe {
    pub fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Filling goes out.
    pub fn fills(&self, now: Micros) -> bool {
        self.is_active() && now < self.fills_until
    }

    /// What the pace is multiplied with.
    pub fn gain(&self, now: Micros) -> f64 {
        if self.fills(now) {
            self.gain
        } else {
            1.0
        }
    }

    /// A queue grows: that was too much.
    pub fn stop(&mut self, now: Micros) {
        if self.active.take().is_some() {
            (self.ended, self.gain) = (Some(now), FIRST_GAIN);
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// Begin one, or end one that had its time.
    pub fn turn(&mut self, hunger: Hunger, known: Known, now: Micros) {
        let usable = known.usable;
        match self.active {
            Some((until, before)) if now >= until => {
                let found = usable > 1.1 * before;
                self.gain = if found { (self.gain * STEP_GAIN).min(MOST_GAIN) } else { FIRST_GAIN };
                self.failures = if found { 0 } else { self.failures.saturating_add(1) };
                // After a success the next one follows at once.
                self.ended = if found { None } else { Some(now) };
                self.active = None;
            }
            None if hunger != Hunger::None
                && self.ended.is_none_or(|ended| now.since(ended) >= hunger.pause_us(self.failures)) =>
            {
                self.gain = match known {
                    Known { thin: true, .. } | Known { felt: true, .. } => FIRST_GAIN,
                    Known { starting: true, .. } => self.gain.max(START_GAIN),
                    _ => self.gain,
                };
                let excess_us = if known.thin { (THIN_EXCESS_US / (self.gain - 1.0)) as u64 } else { u64::MAX };
                self.fills_until = Micros(now.0 + known.takes_us.min(excess_us));
                self.active = Some((Micros(now.0 + known.takes_us), usable));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Micros {
        Micros(100_000_000 + ms * 1000)
    }

    fn known(usable: f64) -> Known {
        Known { usable, starting: false, thin: false, felt: false, takes_us: 300_000 }
    }

    #[test]
    fn success_leads_to_more_and_failure_to_a_pause() {
        let mut probe = Probe::default();
        probe.turn(Hunger::None, known(1e6), ms(0));
        assert!(!probe.is_active() && probe.gain(ms(0)) == 1.0);
        probe.turn(Hunger::Some, known(1e6), ms(0));
        assert!(probe.fills(ms(299)) && !probe.fills(ms(300)) && probe.gain(ms(0)) == FIRST_GAIN);
        probe.turn(Hunger::Some, known(1.3e6), ms(300));
        probe.turn(Hunger::Some, known(1.3e6), ms(310));
        assert!(probe.is_active() && probe.gain(ms(310)) > 1.8, "found more: on at once");
        probe.turn(Hunger::Some, known(1.3e6), ms(620));
        assert!(!probe.is_active());
        probe.turn(Hunger::Much, known(1.3e6), ms(5600));
        assert!(!probe.is_active(), "a pause");
        probe.turn(Hunger::Much, known(1.3e6), ms(5630));
        assert!(probe.gain(ms(5630)) == FIRST_GAIN);
        probe.stop(ms(5700));
        probe.turn(Hunger::Much, known(1.3e6), ms(5800));
        assert!(!probe.is_active());
        // Much was there once, and is not any more.
        let (mut probe, mut begun) = (Probe::default(), 0);
        for at in 0..36_000 {
            let was = probe.is_active();
            probe.turn(Hunger::Some, known(1e6), ms(at * 100));
            begun += u32::from(probe.is_active() && !was);
        }
        assert!((14..22).contains(&begun), "{begun} in an hour");
    }

    #[test]
    fn it_is_bold_on_a_new_path_and_careful_on_a_thin_one() {
        let mut fresh = Probe::default();
        fresh.turn(Hunger::Much, Known { starting: true, ..known(1e6) }, ms(0));
        assert!(fresh.gain(ms(0)) == START_GAIN);
        let mut thin = Probe::default();
        thin.turn(Hunger::Much, Known { thin: true, takes_us: 1_500_000, ..known(60e3) }, ms(0));
        assert!(thin.fills(ms(239)) && !thin.fills(ms(240)) && thin.is_active());
    }
}
