//! How much a path may be given: found by traffic, taken back when a queue grows or when more is lost than by chance.
//!
//! Radio links lose in bursts whatever is sent, so loss alone says little; they queue for long before they drop, so delay
//! says much. The estimate grows while the path is used to its limit and its quickest datagrams are quick; it falls to a
//! part of what really arrived when even those have waited. What is never tried is never claimed: it stays within
//! `CLAIM` times what arrived of late, enough for a source that uses four fifths to climb step by step.

use crate::time::Micros;

pub const INITIAL_BPS: f64 = 1_000_000.0;
pub const MIN_BPS: f64 = 24_000.0;
const MAX_BPS: f64 = 1_000_000_000.0;
/// Between two judgements.
const STEP_US: u64 = 100_000;
/// Queueing delay that is left alone, that stops growth, and that means too much.
const FINE_US: u64 = 25_000;
const FULL_US: u64 = 60_000;
/// How long sending less is tried before it is judged.
const TRIAL_US: u64 = 1_300_000;
const CLAIM: f64 = 1.6;
/// Growth each step: at first, and later.
const START: f64 = 1.5;
const STEADY: f64 = 1.04;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Same,
    /// What looks like a queue does not drain: take the path's delay for its own (`Delay::rebase`).
    Rebase,
}

#[derive(Debug, Clone)]
pub struct Rate {
    usable: f64,
    starting: bool,
    /// Something waited for this path since the last judgement.
    limited: bool,
    /// The last mark: bytes of the path that arrived, when (receiver's clock), and when we judged.
    mark: Option<(u32, u32)>,
    judged: Micros,
    delivered: f64,
    /// Most that arrived, in this span of ten seconds and the one before.
    peak: (f64, f64),
    span_began: Micros,
    chance: f64,
    /// Since when we hold back, and the queue at the last look.
    draining: Option<(Micros, u64)>,
    /// Whether sending less loses less is being tried: since when, and what was usable before.
    trial: Option<(Micros, f64)>,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            usable: INITIAL_BPS,
            starting: true,
            limited: false,
            mark: None,
            judged: Micros(0),
            delivered: 0.0,
            peak: (0.0, 0.0),
            span_began: Micros(0),
            chance: 0.0,
            draining: None,
            trial: None,
        }
    }
}

impl Rate {
    /// Bits per second that the path is thought to carry.
    pub fn usable_bps(&self) -> f64 {
        self.usable
    }

    /// Bits per second that arrived of late.
    pub fn delivered_bps(&self) -> f64 {
        self.delivered
    }

    /// Something waits because this path is full.
    pub fn note_limited(&mut self) {
        self.limited = true;
    }

    /// The path was away: begin anew, carefully, with half of what it was.
    pub fn restart(&mut self) {
        let usable = (self.usable / 2.0).clamp(MIN_BPS, INITIAL_BPS.max(self.usable / 2.0));
        *self = Self { usable, chance: self.chance, ..Self::default() };
    }

    /// A report: `bytes` of the path arrived in all by `arrived` (ticks of the receiver); `queue_us` and `loss` (of the last
    /// second, 0 to 1) as measured.
    pub fn report(&mut self, bytes: u32, arrived: u32, queue_us: u64, loss: f64, now: Micros) -> Verdict {
        let Some((mark_bytes, mark_at)) = self.mark else {
            (self.mark, self.judged) = (Some((bytes, arrived)), now);
            return Verdict::Same;
        };
        let over_us = u64::from(arrived.wrapping_sub(mark_at) & 0xff_ffff) * super::wire::TICK_US;
        if now.since(self.judged) < STEP_US || over_us < STEP_US / 2 {
            return Verdict::Same;
        }
        self.delivered = f64::from(bytes.wrapping_sub(mark_bytes)) * 8e6 / over_us.max(1) as f64;
        // A pause makes the arrivals look slow: what came after one says nothing.
        let steady = over_us < 4 * STEP_US;
        (self.mark, self.judged) = (Some((bytes, arrived)), now);
        if now.since(self.span_began) > 10_000_000 {
            (self.peak, self.span_began) = ((0.0, self.peak.0), now);
        }
        self.peak.0 = self.peak.0.max(self.delivered);
        let verdict = self.judge(queue_us, loss, steady, now);
        self.limited = false;
        self.chance += (loss.min(0.5) - self.chance) / 100.0;
        verdict
    }

    fn judge(&mut self, queue_us: u64, loss: f64, steady: bool, now: Micros) -> Verdict {
        if queue_us > FULL_US {
            (self.starting, self.trial) = (false, None);
            return self.drain(queue_us, now);
        }
        self.draining = None;
        let too_lossy = loss > (1.5 * self.chance + 0.2).max(0.3) && self.delivered < 0.9 * self.usable && steady;
        match self.trial {
            // The loss is that of the last second: give it time to show the difference.
            Some((since, _)) if now.since(since) < TRIAL_US => return Verdict::Same,
            Some((_, before)) => {
                self.trial = None;
                if too_lossy {
                    // As much is lost of less: it is the radio, not us.
                    self.chance = loss;
                    self.set(before);
                    return Verdict::Same;
                }
            }
            None if too_lossy => {
                self.starting = false;
                self.trial = Some((now, self.usable));
                self.set(self.usable.min(self.delivered * 0.95));
                return Verdict::Same;
            }
            None => {}
        }
        if queue_us <= FINE_US && self.limited && loss < self.chance + 0.1 {
            let claim = (CLAIM * self.peak.0.max(self.peak.1)).max(INITIAL_BPS);
            let grown = self.usable * if self.starting { START } else { STEADY } + 4_000.0;
            self.set(grown.min(claim.max(self.usable)));
        } else if queue_us > FINE_US {
            self.starting = false;
        }
        Verdict::Same
    }

    fn drain(&mut self, queue_us: u64, now: Micros) -> Verdict {
        let part = match queue_us {
            0..120_000 => 0.85,
            120_000..250_000 => 0.7,
            _ => 0.5,
        };
        self.set(self.usable.min(self.delivered.max(MIN_BPS) * part));
        match self.draining {
            None => self.draining = Some((now, queue_us)),
            Some((since, before)) if now.since(since) >= 1_000_000 => {
                // Sending `part` of what leaves, a queue shrinks by the rest each second. One that hardly does is none.
                let due = (now.since(since) as f64 * (1.0 - part) * 0.3) as u64;
                self.draining = Some((now, queue_us));
                if queue_us + due > before {
                    self.draining = None;
                    return Verdict::Rebase;
                }
            }
            Some(_) => {}
        }
        Verdict::Same
    }

    fn set(&mut self, bps: f64) {
        self.usable = bps.clamp(MIN_BPS, MAX_BPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link of `capacity` that is offered `offered` (or all that is usable), judged every 100 ms.
    struct Link {
        rate: Rate,
        capacity: f64,
        queue_bits: f64,
        bytes: f64,
        own_us: u64,
        now: u64,
    }

    impl Link {
        fn new(capacity: f64) -> Self {
            Self { rate: Rate::default(), capacity, queue_bits: 0.0, bytes: 0.0, own_us: 0, now: 1_000_000 }
        }

        fn step(&mut self, offered: f64, loss: f64) -> Verdict {
            self.lossy_step(offered, loss, loss)
        }

        fn lossy_step(&mut self, offered: f64, loss: f64, told: f64) -> Verdict {
            let sent = offered.min(self.rate.usable_bps());
            if offered >= self.rate.usable_bps() {
                self.rate.note_limited();
            }
            let bits = self.queue_bits + sent * 0.1;
            let out = bits.min(self.capacity * 0.1);
            self.queue_bits = bits - out;
            self.bytes += out / 8.0 * (1.0 - loss);
            self.now += 100_000;
            let queue_us = (self.queue_bits / self.capacity * 1e6) as u64 + self.own_us;
            let arrived = (self.now / 64) as u32 & 0xff_ffff;
            self.rate.report(self.bytes as u32, arrived, queue_us, told, Micros(self.now))
        }

        fn run(&mut self, seconds: u64, offered: f64, loss: f64) -> f64 {
            let mut sum = 0.0;
            for _ in 0..seconds * 10 {
                self.step(offered, loss);
                sum += self.rate.usable_bps();
            }
            sum / (seconds * 10) as f64
        }
    }

    #[test]
    fn it_finds_what_a_link_carries_and_keeps_the_queue_short() {
        for capacity in [64e3, 500e3, 2e6, 8e6, 50e6] {
            let mut link = Link::new(capacity);
            link.run(6, 1e9, 0.0);
            let mean = link.run(20, 1e9, 0.0);
            assert!(mean > 0.75 * capacity && mean < 1.25 * capacity, "{capacity}: {mean}");
            assert!(link.queue_bits / capacity < 0.15, "{capacity}: {}", link.queue_bits / capacity);
        }
    }

    #[test]
    fn loss_by_chance_is_no_reason() {
        let mut link = Link::new(8e6);
        for step in 0..300 {
            // bursts: a tenth of the time everything is lost
            link.step(1e9, if step % 10 == 0 { 0.3 } else { 0.08 });
        }
        assert!(link.rate.usable_bps() > 5e6, "{}", link.rate.usable_bps());
    }

    #[test]
    fn a_policer_is_felt_by_loss() {
        let mut link = Link::new(1e9);
        link.run(3, 4e6, 0.0);
        let mut loss = 0.0;
        for _ in 0..50 {
            let real = (1.0 - 1e6 / link.rate.usable_bps().min(4e6)).max(0.0);
            loss += (real - loss) / 5.0; // of the last second
            link.lossy_step(4e6, real, loss);
        }
        let usable = link.rate.usable_bps();
        assert!(usable > 0.5e6 && usable < 1.6e6, "{usable}");
    }

    #[test]
    fn a_bad_radio_is_not_starved() {
        let mut link = Link::new(8e6);
        link.run(5, 1e9, 0.0);
        link.run(10, 1e9, 0.35);
        assert!(link.rate.usable_bps() > 3e6, "{}", link.rate.usable_bps());
    }

    #[test]
    fn what_is_not_tried_is_not_claimed() {
        let mut link = Link::new(100e6);
        link.run(30, 800e3, 0.0);
        assert!(link.rate.usable_bps() <= INITIAL_BPS * CLAIM, "{}", link.rate.usable_bps());
        // A source that takes four fifths climbs.
        for _ in 0..100 {
            let offered = link.rate.usable_bps() * 0.8;
            link.rate.note_limited();
            link.step(offered, 0.0);
        }
        assert!(link.rate.usable_bps() > 10e6, "{}", link.rate.usable_bps());
    }

    #[test]
    fn a_sudden_drop_is_followed_at_once() {
        let mut link = Link::new(8e6);
        link.run(5, 1e9, 0.0);
        link.capacity = 64e3;
        link.queue_bits = 0.0;
        let steps = (0..100).take_while(|_| {
            link.step(1e9, 0.0);
            link.rate.usable_bps() > 100e3
        });
        assert!(steps.count() <= 5, "within half a second");
    }

    #[test]
    fn a_longer_way_is_not_a_queue_for_ever() {
        let mut link = Link::new(8e6);
        link.run(5, 3e6, 0.0);
        link.own_us = 90_000; // handed over to a farther cell
        let mut rebased = false;
        for _ in 0..40 {
            if link.step(3e6, 0.0) == Verdict::Rebase {
                (link.own_us, rebased) = (0, true);
            }
        }
        assert!(rebased && link.rate.usable_bps() > 0.2e6);
        link.run(5, 3e6, 0.0);
        assert!(link.rate.usable_bps() > 2.5e6, "{}", link.rate.usable_bps());
    }

    #[test]
    fn after_an_absence_it_begins_with_half() {
        let mut link = Link::new(8e6);
        link.run(10, 1e9, 0.0);
        let before = link.rate.usable_bps();
        link.rate.restart();
        assert!((link.rate.usable_bps() - before / 2.0).abs() < 1.0);
    }
}
