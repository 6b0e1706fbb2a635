//! Keeping the delay where it shall be: pitch periods taken out or put in, or a cut where that would take too long.

use super::*;

impl Playout {
    pub(super) fn note_slack(&mut self, slack: i64) {
        self.slacks[self.slack_count % SLACKS] = slack;
        self.slack_count += 1;
    }

    /// Bring the least slack of the last packets to where it shall be, by a pitch period.
    pub(super) fn correct(&mut self, now: Micros, frame: usize) {
        if self.slack_count < SLACKS_LEAST {
            return;
        }
        let known = self.slack_count.min(SLACKS);
        let slack = self.slacks[..known].iter().copied().min().unwrap_or(self.target_us);
        let leftover = self.leftovers.iter().copied().min().unwrap_or(0);
        let waste = self.media_us(leftover as i64);
        let excess = slack - self.target_us;
        if excess < -SHORT_US {
            let hurry = excess < -HURRY_US;
            let wanted = frame.saturating_sub(leftover);
            let added = stretch::expand(&self.past, &mut self.pending, self.rate_khz, wanted, hurry);
            self.expanded += added as u64;
            self.moved(added);
            return;
        }
        // Whole ticks above the target, and what waits without need.
        let ticks = ((excess - OVER_US) / TICK_US).max(0);
        let surplus = ticks * TICK_US + waste;
        if surplus < WASTE_US || !self.look_ahead(now, frame) {
            return;
        }
        let hurry = surplus > HURRY_US;
        let most = surplus as usize * self.rate_khz / 1000;
        let removed = stretch::accelerate(&mut self.pending, self.rate_khz, most, hurry);
        self.accelerated += removed as u64;
        self.moved(removed);
        // Shorter than a frame now: what follows is there, else it would not be too late.
        while self.pending.len() < frame {
            let missing = frame - self.pending.len();
            if self.playing {
                self.next_piece(now, missing);
            } else {
                self.fill_gap(missing);
            }
        }
    }

    /// After an operation the next one waits until its effect is seen; without one, the next tick may try again.
    fn moved(&mut self, samples: usize) {
        if samples > 0 {
            self.slack_count = 0;
            self.leftovers.fill(usize::MAX);
        }
    }

    /// Decode what follows without a gap until there is enough to work on.
    fn look_ahead(&mut self, now: Micros, frame: usize) -> bool {
        let enough = stretch::span(self.rate_khz).max(frame);
        while self.pending.len() < enough {
            let Some(slot) = self.packets.get(self.next_seq) else { return false };
            if slot.kind != Kind::Audio || slot.ts != self.end_ts {
                return false;
            }
            // It would have been decoded when its turn had come.
            let pulls = (self.pending.len() / frame).max(1) as i64;
            let slack = self.age(now, slot.ts) + pulls * 20_000;
            self.note_slack(slack);
            self.decode(0);
        }
        true
    }

    /// Far more delay than allowed (a stall that ended in a burst): on to what is due now.
    pub(super) fn cut_off(&mut self, now: Micros) {
        let head = self.end_ts - self.pending.len() as i64;
        if self.age(now, head) <= i64::from(self.config.max_ms.min(1000)) * 1000 + OVERDUE_US {
            return;
        }
        self.accelerated += self.pending.len() as u64;
        self.pending.clear();
        let (mut next, mut lost, mut skipped) = (self.next_seq, 0, 0);
        while let Some(slot) = self.packets.first_from(next) {
            let (seq, ts) = (slot.seq, slot.ts);
            if self.age(now, ts) <= self.target_us + 20_000 {
                break;
            }
            lost += (seq - next) as u64;
            next = seq + 1;
            skipped += self.packet_samples as u64;
            self.packets.remove(seq);
        }
        self.stats.lost += lost;
        self.accelerated += skipped;
        self.next_seq = next;
        self.playing = false;
        self.fading = true;
    }
}
