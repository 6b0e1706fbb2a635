//! How much a path may be given: found by traffic, taken back when a queue grows or when more is lost than by chance.
//!
//! Radio links lose in bursts whatever is sent, so loss alone says little; they queue for long before they drop, so delay
//! says much. The estimate grows while the path is used to its limit and its quickest datagrams are quick; it falls to a
//! part of what really arrived when even those have waited. What is never tried is never claimed: it stays within
//! `CLAIM` times what arrived of late, enough for a source that uses four fifths to climb step by step.

use crate::time::Micros;

pub const INITIAL_BPS: f64 = 1_500_000.0;
pub const MIN_BPS: f64 = 24_000.0;
const MAX_BPS: f64 = 1_000_000_000.0;
/// Between two judgements.
const STEP_US: u64 = 100_000;
/// Queueing delay that is left alone, that stops growth, and that means too much.
const FINE_US: u64 = 25_000;
const FULL_US: u64 = 60_000;
/// How long sending less is tried before it is judged.
const TRIAL_US: u64 = 1_300_000;
const CLAIM: f64 = 1.35;
const CLAIM_AT_FIRST: f64 = 1.6;
/// Growth each step: at first, and later.
const START: f64 = 2.0;
const STEADY: f64 = 1.07;
/// The first growth is over by then.
const START_US: u64 = 6_000_000;
const BACK: f64 = 1.12;
/// Bursts may come close together for a second; what goes on longer is something else.
const LOSSY_STEPS: u32 = 12;
/// Two trials within this time are no chance.
const TRIALS_US: u64 = 6_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Same,
    /// What looks like a queue does not drain: take the path's delay for its own (`Delay::rebase`).
    Rebase,
}

/// What a report and our own counting say of a path.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Bytes that arrived in all, wrapping, by `arrived` (ticks of the receiver).
    pub bytes: u32,
    pub arrived: u32,
    /// Bytes that we sent in all.
    pub sent: u64,
    pub queue_us: u64,
    /// Of the last second that is known, 0 to 1.
    pub loss: f64,
}

#[derive(Debug, Clone)]
pub struct Rate {
    usable: f64,
    starting: bool,
    /// Something waited for this path since the last judgement.
    limited: bool,
    /// What was seen at the last judgement, and when that was.
    mark: Option<Seen>,
    judged: Micros,
    began: Micros,
    delivered: f64,
    /// Of some steps.
    mean: f64,
    /// Most that arrived, in this span of ten seconds and the one before.
    peak: (f64, f64),
    span_began: Micros,
    chance: f64,
    /// Since when we hold back, and the queue at the last look.
    draining: Option<(Micros, u64)>,
    /// Whether sending less loses less is being tried: since when, what was usable before, and what arrived then.
    trial: Option<(Micros, f64, f64)>,
    /// Judgements in a row that found more lost than by chance.
    lossy_steps: u32,
    /// When a trial ended last.
    tried: Option<Micros>,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            usable: INITIAL_BPS,
            starting: true,
            limited: false,
            mark: None,
            judged: Micros(0),
            began: Micros(0),
            delivered: 0.0,
            mean: 0.0,
            peak: (0.0, 0.0),
            span_began: Micros(0),
            chance: 0.0,
            draining: None,
            trial: None,
            lossy_steps: 0,
            tried: None,
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
        let usable = (self.usable / 2.0).max(INITIAL_BPS / 2.0);
        *self = Self { usable, chance: self.chance, ..Self::default() };
    }

    /// A report came.
    pub fn report(&mut self, seen: &Seen, now: Micros) -> Verdict {
        let Some(mark) = self.mark else {
            (self.mark, self.judged, self.began) = (Some(*seen), now, now);
            return Verdict::Same;
        };
        let over_us = u64::from(seen.arrived.wrapping_sub(mark.arrived) & 0xff_ffff) * super::wire::TICK_US;
        let ours_us = now.since(self.judged);
        if ours_us < STEP_US || over_us < STEP_US / 2 {
            return Verdict::Same;
        }
        self.delivered = f64::from(seen.bytes.wrapping_sub(mark.bytes)) * 8e6 / over_us.max(1) as f64;
        let sent = (seen.sent - mark.sent) as f64 * 8e6 / ours_us as f64;
        // A pause makes the arrivals look slow: what came after one says nothing.
        let steady = over_us < 4 * STEP_US;
        (self.mark, self.judged) = (Some(*seen), now);
        if now.since(self.span_began) > 10_000_000 {
            (self.peak, self.span_began) = ((0.0, self.peak.0), now);
        }
        self.peak.0 = self.peak.0.max(self.delivered);
        // Whatever happens to a path that we hardly use is not our doing.
        let used = steady && (self.limited || sent > 0.5 * self.usable);
        let grows = steady && self.delivered < 0.8 * sent * (1.0 - seen.loss);
        self.mean += (self.delivered - self.mean) / 6.0;
        let verdict = self.judge(seen.queue_us, seen.loss, used, grows, now);
        self.limited = false;
        self.chance += (seen.loss.min(0.5) - self.chance) / 50.0;
        verdict
    }

    fn judge(&mut self, queue_us: u64, loss: f64, used: bool, grows: bool, now: Micros) -> Verdict {
        if queue_us > FULL_US {
            if used || grows {
                (self.starting, self.trial) = (false, None);
                return self.drain(queue_us, now);
            }
            return Verdict::Same;
        }
        self.draining = None;
        let lossy = used && loss > (1.5 * self.chance + 0.2).max(0.3) && self.delivered < 0.9 * self.usable;
        self.lossy_steps = if lossy { self.lossy_steps + 1 } else { 0 };
        let too_lossy = if self.trial.is_some() { lossy } else { self.lossy_steps >= LOSSY_STEPS };
        match self.trial {
            // The loss is that of the last second: give it time to show the difference.
            Some((since, ..)) if now.since(since) < TRIAL_US => return Verdict::Same,
            Some((_, before, arrived)) => {
                self.trial = None;
                let again = self.tried.is_some_and(|at| now.since(at) < TRIALS_US);
                self.tried = Some(now);
                if too_lossy && self.mean < 0.8 * arrived {
                    // Less is sent and less arrives: it is the radio, not us.
                    self.chance = loss;
                    self.set(before);
                    return Verdict::Same;
                }
                if again {
                    // What arrived before we sent less was more than there is room for.
                    self.peak = (self.mean, self.mean);
                } else {
                    self.set(before);
                }
            }
            None if too_lossy => {
                self.starting = false;
                self.trial = Some((now, self.usable, self.mean));
                self.set(self.usable.min((self.mean * 0.95).max(self.usable * 0.3)));
                return Verdict::Same;
            }
            None => {}
        }
        if queue_us > FINE_US {
            return Verdict::Same;
        }
        if self.limited && loss < (self.chance + 0.15).max(0.2) {
            let (step, claim) = if self.starting { (START, CLAIM_AT_FIRST) } else { (STEADY, CLAIM) };
            let most = (claim * self.peak()).max(INITIAL_BPS).max(self.usable);
            self.starting &= now.since(self.began) < START_US;
            self.set((self.usable * step + 4_000.0).min(most));
        } else if self.usable < self.peak() && loss < (self.chance + 0.15).max(0.2) {
            // So much arrived not long ago: it need not be found anew.
            self.set((self.usable * BACK).min(self.peak()));
        }
        Verdict::Same
    }

    fn peak(&self) -> f64 {
        self.peak.0.max(self.peak.1)
    }

    fn drain(&mut self, queue_us: u64, now: Micros) -> Verdict {
        self.peak = (self.delivered, self.delivered);
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
        sent: f64,
        own_us: u64,
        now: u64,
    }

    impl Link {
        fn new(capacity: f64) -> Self {
            Self { rate: Rate::default(), capacity, queue_bits: 0.0, bytes: 0.0, sent: 0.0, own_us: 0, now: 1_000_000 }
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
            self.sent += sent * 0.1 / 8.0;
            self.now += 100_000;
            let queue_us = (self.queue_bits / self.capacity * 1e6) as u64 + self.own_us;
            let arrived = (self.now / 64) as u32 & 0xff_ffff;
            let seen = Seen { bytes: self.bytes as u32, arrived, sent: self.sent as u64, queue_us, loss: told };
            self.rate.report(&seen, Micros(self.now))
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
        for _ in 0..100 {
            let real = (1.0 - 1e6 / link.rate.usable_bps().min(4e6)).max(0.0);
            loss += (real - loss) / 5.0; // of the last second
            link.lossy_step(4e6, real, loss);
        }
        let usable = link.rate.usable_bps();
        assert!(usable > 0.5e6 && usable < 2.2e6, "{usable}");
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
        assert!(link.rate.usable_bps() <= INITIAL_BPS * 2.0, "{}", link.rate.usable_bps());
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
