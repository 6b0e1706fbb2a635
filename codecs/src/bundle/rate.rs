//! How much a path may be given: found by traffic, taken back when a queue grows or when more is lost than by chance.
//!
//! Radio links lose in bursts whatever is sent, so loss alone says little; they queue for long before they drop, so delay
//! says much. The estimate grows while the path is used to its limit and its quickest datagrams are quick; it falls to a
//! part of what really arrived when even those have waited. What is never tried is never claimed: it stays within
//! `CLAIM` times what arrived of late, enough for a source that uses four fifths to climb step by step.

use crate::time::Micros;

use super::probe::{Hunger, Known, Probe};
use super::trial::{Act, Trial};

pub const INITIAL_BPS: f64 = 1_500_000.0;
pub const MIN_BPS: f64 = 24_000.0;
const MAX_BPS: f64 = 1_000_000_000.0;
/// Between two judgements.
const STEP_US: u64 = 100_000;
const LONGEST_STEP_US: u64 = 600_000;
/// Eight small datagrams, and two.
const STEP_BITS: f64 = 8.0 * 2400.0;
const SLACK_BITS: f64 = 2.0 * 2400.0;
/// Queueing delay that is left alone, that stops growth, and that means too much.
const FINE_US: u64 = 25_000;
const FULL_US: u64 = 60_000;
/// Neither a burst nor a moment in which something stood still leaves such a queue.
const SURE_US: u64 = 220_000;
const CLAIM: f64 = 1.35;
const CLAIM_AT_FIRST: f64 = 1.6;
/// Growth each step: at first, later, and while more is looked for.
const START: f64 = 2.0;
const STEADY: f64 = 1.07;
const PROBED: f64 = 1.2;
const THIN_BPS: f64 = 150_000.0;
/// The first growth is over after so many steps with something waiting: what limits by then is none of the path.
const START_STEPS: u32 = 60;
/// As long as no limit was felt the estimate is caution and no measure: so many times as much may be hoped for.
const HOPE: f64 = 3.0;
const BACK: f64 = 1.5;
/// A queue this many steps long that a small load stands in is its own, on the only path; so much more it may carry.
const QUEUED_STEPS: u32 = 5;
const CALL_CLAIM: f64 = 2.0;
/// This part of what was sent arrives: nothing to speak of was lost beside it.
const CLEAN: f64 = 0.9;
const COLLAPSE: f64 = 0.15;
/// Links that stand still for a moment look so once.
const COLLAPSED_STEPS: u32 = 2;
/// Bursts of a radio that come close together are over after so many steps; losses that go on longer are the queue's.
const DOUBT_STEPS: u32 = 4;
const THROUGH_FADE: f64 = 0.8;
const FELT_US: u64 = 120_000_000;
/// Of what a path was found to carry, so that its queue goes down.
const EASE: f64 = 0.95;
const NEARLY: f64 = 0.8;
/// Of the most that was usable, at each look (100 a second at most): half of it in two hours.
const FADE: f64 = 0.999_999;
/// What was told that long ago is no mark to reckon from: the receiver's clock on the wire wraps after 18 minutes.
pub const LONG_AGO_US: u64 = 60_000_000;

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
    /// Bytes that we sent in all, and up to the last datagram that arrived.
    pub sent: u64,
    pub passed: u64,
    pub queue_us: u64,
    /// Of the last second that is known, 0 to 1.
    pub loss: f64,
}

/// What is wanted of all paths, and whether this one is the only one.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    pub wanted: bool,
    /// They are thought to carry less.
    pub short: bool,
    pub alone: bool,
}

#[derive(Debug, Clone)]
pub struct Rate {
    usable: f64,
    /// Steps that are left of the first growth; none once a limit was felt.
    starting: u32,
    /// Something waited for this path since the last judgement.
    limited: bool,
    /// What was seen at the last judgement, and when that was.
    mark: Option<Seen>,
    judged: Micros,
    delivered: f64,
    /// Of some steps.
    mean: f64,
    /// Most that arrived, in this span of ten seconds and the one before.
    peak: (f64, f64),
    span_began: Micros,
    /// Since when we hold back, and the queue at the last look.
    draining: Option<(Micros, u64)>,
    /// Judgements in a row that found a queue.
    queued: u32,
    /// Judgements in a row that found next to nothing arriving.
    collapsed: u32,
    /// The least queue since the last judgement, that one's too: what stood still for a moment comes late all at once, and
    /// there is no queue before it.
    least_us: u64,
    /// The most that a queue of now was seen to let through, fading.
    through: f64,
    /// What the path was found to carry by its queue, and when.
    felt: Option<(f64, Micros)>,
    /// How long it takes to hear of what was sent, and when the estimate grew last.
    answer_us: u64,
    grew: Micros,
    alone: bool,
    trial: Trial,
    probe: Probe,
    /// The most that was usable, fading over the hours.
    most: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            usable: INITIAL_BPS,
            starting: START_STEPS,
            limited: false,
            mark: None,
            judged: Micros(0),
            delivered: 0.0,
            mean: 0.0,
            peak: (0.0, 0.0),
            span_began: Micros(0),
            draining: None,
            queued: 0,
            collapsed: 0,
            least_us: 0,
            through: 0.0,
            felt: None,
            answer_us: 0,
            grew: Micros(0),
            alone: false,
            trial: Trial::default(),
            probe: Probe::default(),
            most: 0.0,
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

    /// What may be put on the path now; more than is usable while more is looked for.
    pub fn pace_bps(&self, now: Micros) -> f64 {
        self.usable * self.probe.gain(now)
    }

    /// What it may turn out to carry.
    pub fn hoped_bps(&self) -> f64 {
        self.usable * if self.starting > 0 { HOPE } else { 1.0 }
    }

    /// Filling is wanted to look for more.
    pub fn fills(&self, now: Micros) -> bool {
        self.probe.fills(now)
    }

    /// It carries so little that headers weigh.
    pub fn is_thin(&self) -> bool {
        self.usable < THIN_BPS
    }

    /// Time passes: look for more, if something is wanted and all paths are too short for it, or this one was better once.
    /// `answer_us`: how long it takes to hear of what was sent.
    pub fn turn(&mut self, demand: Demand, answer_us: u64, now: Micros) {
        let Demand { wanted, short, alone } = demand;
        (self.alone, self.answer_us) = (alone, answer_us);
        self.most = (self.most * FADE).max(self.usable);
        let hunger = match (wanted, short) {
            (true, true) => Hunger::Much,
            (true, false) if self.usable < 0.7 * self.most => Hunger::Some,
            _ => Hunger::None,
        };
        let takes_us = answer_us + 3 * self.step_us();
        let (usable, starting, thin) = (self.usable, self.starting > 0, self.is_thin());
        let felt = self.felt(now).is_some_and(|bps| usable > NEARLY * bps);
        self.probe.turn(hunger, Known { usable, starting, thin, felt, takes_us }, now);
    }

    /// Something waits because this path is full.
    pub fn note_limited(&mut self) {
        self.limited = true;
    }

    /// The path was away: begin anew, carefully, with half of what it was.
    pub fn restart(&mut self) {
        let usable = (self.usable / 2.0).max(INITIAL_BPS / 2.0);
        *self = Self { usable, trial: self.trial.knowing(), most: self.most, ..Self::default() };
    }

    /// A report came.
    pub fn report(&mut self, seen: &Seen, now: Micros) -> Verdict {
        let Some(mark) = self.mark else {
            (self.mark, self.judged) = (Some(*seen), now);
            return Verdict::Same;
        };
        if seen.queue_us > FINE_US + self.slack_us() {
            self.probe.stop(now);
        }
        self.least_us = self.least_us.min(seen.queue_us);
        // Nor is one of a count that began anew.
        let bytes = seen.bytes.wrapping_sub(mark.bytes);
        if bytes > u32::MAX / 2 || now.since(self.judged) > LONG_AGO_US {
            (self.mark, self.judged) = (Some(*seen), now);
            return Verdict::Same;
        }
        let over_us = u64::from(seen.arrived.wrapping_sub(mark.arrived) & 0xff_ffff) * super::wire::TICK_US;
        let ours_us = now.since(self.judged);
        if ours_us < self.step_us() || over_us < self.step_us() / 2 {
            return Verdict::Same;
        }
        self.delivered = f64::from(bytes) * 8e6 / over_us.max(1) as f64;
        let passed = seen.passed.saturating_sub(mark.passed) as f64 * 8e6 / over_us.max(1) as f64;
        let sent = (seen.sent - mark.sent) as f64 * 8e6 / ours_us as f64;
        // A pause makes the arrivals look slow: what came after one says nothing.
        let steady = over_us < 4 * self.step_us();
        (self.mark, self.judged) = (Some(*seen), now);
        if now.since(self.span_began) > 10_000_000 {
            (self.peak, self.span_began) = ((0.0, self.peak.0), now);
        }
        self.peak.0 = self.peak.0.max(self.delivered);
        // Whatever happens to a path that we hardly use is not our doing.
        let used = steady && (self.limited || sent > 0.5 * self.usable);
        let grows = steady && self.delivered < 0.8 * sent * (1.0 - seen.loss);
        self.mean += (self.delivered - self.mean) / 6.0;
        // Hardly anything of what is sent comes, and nothing of it was lost on the way: it stands in the queue.
        let collapsed = steady && self.delivered < COLLAPSE * sent && self.delivered > CLEAN * passed;
        self.collapsed = if collapsed { self.collapsed + 1 } else { 0 };
        let verdict = self.judge(seen.queue_us, seen.loss, passed, used || grows, now);
        self.limited = false;
        // On a thin link a judgement takes longer than such a moment.
        self.least_us = if self.is_thin() { u64::MAX } else { seen.queue_us };
        self.trial.learn(seen.loss);
        verdict
    }

    /// On a thin link a judgement takes some datagrams' time, or chance would judge.
    fn step_us(&self) -> u64 {
        ((STEP_BITS * 1e6 / self.usable) as u64).clamp(STEP_US, LONGEST_STEP_US)
    }

    /// There a datagram or two waiting are no queue.
    fn slack_us(&self) -> u64 {
        (SLACK_BITS * 1e6 / self.usable) as u64
    }

    fn judge(&mut self, queue_us: u64, loss: f64, passed: f64, used: bool, now: Micros) -> Verdict {
        let queue_us = queue_us.saturating_sub(self.slack_us());
        self.queued = if queue_us > FULL_US { self.queued + 1 } else { 0 };
        if queue_us > FULL_US {
            if used {
                self.trial.cancel();
                self.probe.stop(now);
                // Only a queue that stood all the time shows by what leaves it what the path carries.
                let sure = queue_us > SURE_US || self.collapsed >= COLLAPSED_STEPS;
                let stood = self.least_us.saturating_sub(self.slack_us()) > FULL_US;
                if !sure && (!stood || self.collapsed > 0) {
                    return Verdict::Same;
                }
                self.starting = 0;
                let carries = if sure { self.delivered } else { self.carries(passed, now) };
                return self.drain(carries, queue_us, now);
            }
            // A call is little beside what the path once carried, and yet all that it carries now. Of one path among others
            // that is not believed: it may be needed for a picture at once, and its queue be made by somebody else.
            if self.alone && self.queued >= QUEUED_STEPS && self.delivered > MIN_BPS {
                self.peak = (CALL_CLAIM * self.delivered, 0.0);
                self.set(self.usable.min(self.peak.0));
            }
            return Verdict::Same;
        }
        self.draining = None;
        match self.trial.look(loss, used, self.usable, (self.delivered, self.mean), now) {
            Act::Nothing => {}
            Act::Hold => return Verdict::Same,
            Act::Lower(bps) => {
                self.starting = 0;
                self.set(self.usable.min(bps));
                return Verdict::Same;
            }
            Act::Restore(bps) => {
                self.set(bps);
                return Verdict::Same;
            }
            Act::Keep => self.peak = (self.mean, self.mean),
        }
        if queue_us > FINE_US {
            if used && !self.is_thin() && self.least_us.saturating_sub(self.slack_us()) > FINE_US {
                let carries = self.carries(passed, now);
                self.set(self.usable.min(EASE * carries.max(MIN_BPS)));
            }
            return Verdict::Same;
        }
        if self.usable < self.peak() && !(self.limited && self.is_thin()) && !self.trial.is_high(loss) {
            // So much arrived not long ago: it need not be found anew.
            self.set((self.usable * BACK).min(self.peak()));
        } else if self.limited && !self.trial.is_high(loss) {
            let starting = self.starting > 0;
            // What came of the last step is not known yet.
            if !starting && now.since(self.grew) < self.answer_us {
                return Verdict::Same;
            }
            self.grew = now;
            let (step, claim) = match (starting, self.probe.is_active()) {
                (true, _) => (START, CLAIM_AT_FIRST),
                (false, true) => (PROBED, CLAIM),
                (false, false) => (STEADY, CLAIM),
            };
            let floor = if starting { INITIAL_BPS } else { 2.0 * MIN_BPS };
            // What was felt of late is not tried again at once, unless more is wanted.
            let felt = self.felt(now).filter(|_| !self.probe.is_active());
            let claimed = (claim * self.peak()).max(floor).min(felt.unwrap_or(f64::MAX));
            let most = claimed.max(self.usable);
            self.starting = self.starting.saturating_sub(1);
            self.set((self.usable * step + 4_000.0).min(most));
        }
        Verdict::Same
    }

    /// What the path was found to carry of late.
    fn felt(&self, now: Micros) -> Option<f64> {
        self.felt.filter(|(_, at)| now.since(*at) < FELT_US).map(|(bps, _)| bps)
    }

    fn peak(&self) -> f64 {
        self.peak.0.max(self.peak.1)
    }

    /// What the path carries by what left its queue since the last judgement. A burst of a radio takes most of what left, and
    /// is none of the queue's doing; a full queue also loses, and goes on with it.
    fn carries(&mut self, passed: f64, now: Micros) -> f64 {
        self.through = self.delivered.max(if self.queued > 1 { self.through * THROUGH_FADE } else { 0.0 });
        let carries = match self.queued {
            _ if self.delivered > CLEAN * passed => self.delivered,
            0..=DOUBT_STEPS => passed.max(self.through),
            _ => self.through,
        };
        // Of a thin link some datagrams say little.
        self.felt = (carries > THIN_BPS).then_some((carries, now));
        carries
    }

    fn drain(&mut self, carries: f64, queue_us: u64, now: Micros) -> Verdict {
        self.peak = (carries, carries);
        let part = match queue_us {
            0..120_000 => 0.85,
            120_000..250_000 => 0.7,
            _ => 0.5,
        };
        self.set(self.usable.min(carries.max(MIN_BPS) * part));
        match self.draining {
            None => self.draining = Some((now, queue_us)),
            Some((since, before)) if now.since(since) >= 1_000_000 => {
                // Sending `part` of what leaves, a queue shrinks by the rest each second. One that hardly does is none.
                let due = (now.since(since) as f64 * (1.0 - part) * 0.3) as u64;
                self.draining = Some((now, queue_us));
                if queue_us + due > before {
                    (self.draining, self.felt) = (None, None);
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
