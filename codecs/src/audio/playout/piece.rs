//! One piece of sound: the next packet, what stands in for it, or a gap.

use super::*;

impl Playout {
    /// In a gap: whether the first packet that waits has waited for long enough.
    pub(super) fn wakes(&mut self, now: Micros) -> bool {
        while let Some(slot) = self.packets.first_from(self.next_seq) {
            let (seq, ts, kind) = (slot.seq, slot.ts, slot.kind);
            if kind == Kind::Audio && self.age(now, ts) + EARLY_US < self.target_us {
                return false;
            }
            if kind == Kind::ComfortNoise {
                self.noise_dbov = Some(cn_level(&slot.payload));
            }
            if !self.fresh {
                self.stats.lost += (seq - self.next_seq) as u64;
            }
            self.fresh = false;
            self.next_seq = seq;
            if kind == Kind::Audio {
                self.end_ts = ts;
                self.playing = true;
                self.slack_count = 0;
                (self.held, self.advanced) = (0, 0);
                return true;
            }
            self.consume();
        }
        false
    }

    fn consume(&mut self) {
        self.packets.remove(self.next_seq);
        self.next_seq += 1;
    }

    pub(super) fn fill_gap(&mut self, samples: usize) {
        let fades = self.fading && self.made_up < CONCEAL_MS * self.rate_khz;
        if let Some(dbov) = self.noise_dbov {
            self.noise.append(dbov, samples, &mut self.pending);
            self.made.noise = true;
        } else if self.dtx || fades {
            // libopus makes the comfort noise itself.
            self.decoder.conceal(samples, &mut self.pending);
            self.made.noise |= self.dtx;
            self.made.concealed |= !self.dtx;
            self.made_up += samples;
        } else {
            self.pending.resize(self.pending.len() + samples, 0);
        }
    }

    /// Append something to `pending`, or leave off playing.
    pub(super) fn next_piece(&mut self, now: Micros, missing: usize) {
        match self.packets.get(self.next_seq) {
            Some(slot) if slot.kind == Kind::ComfortNoise => {
                self.noise_dbov = Some(cn_level(&slot.payload));
                self.consume();
                self.pause(false);
            }
            Some(slot) if slot.kind == Kind::Other => {
                // A key in place of the voice: the voice fades.
                self.consume();
                self.pause(true);
            }
            Some(slot) => {
                let ahead = slot.ts - self.end_ts;
                if ahead > (self.packet_samples / 4) as i64 {
                    // No loss, yet time went on: the sender had nothing to say.
                    self.pause(false);
                } else {
                    let slack = self.age(now, slot.ts);
                    self.note_slack(slack);
                    self.decode(ahead);
                }
            }
            None => self.bridge(now, missing),
        }
    }

    fn pause(&mut self, fading: bool) {
        self.playing = false;
        self.fading = fading;
    }

    /// Decode the next packet; `ahead` of what was played, or behind where it was made up already.
    pub(super) fn decode(&mut self, ahead: i64) {
        let Some(slot) = self.packets.get(self.next_seq) else { return };
        let overlap = if -ahead <= self.advanced { (-ahead).max(0) as usize } else { 0 };
        let samples = self.decoder.samples_in(&slot.payload).unwrap_or(self.packet_samples);
        if overlap >= samples {
            self.stats.late += 1;
            self.stats.lost += 1;
            self.advanced -= samples as i64;
            self.consume();
            return;
        }
        let start = self.pending.len();
        self.dtx = self.decoder.is_dtx(&slot.payload);
        match self.decoder.decode(&slot.payload, &mut self.pending) {
            Ok(decoded) => {
                self.end_ts = slot.ts + decoded as i64;
                self.packet_samples = decoded;
                self.pending.drain(start..start + overlap.min(decoded));
                self.made.speech = true;
                self.made_up = 0;
            }
            Err(_) => {
                self.stats.undecodable += 1;
                self.end_ts = slot.ts + self.packet_samples as i64;
                self.conceal(self.packet_samples);
            }
        }
        (self.held, self.advanced) = (0, 0);
        self.noise_dbov = None;
        self.fading = false;
        self.consume();
    }

    fn conceal(&mut self, samples: usize) {
        self.decoder.conceal(samples, &mut self.pending);
        self.count_concealed(samples);
    }

    fn count_concealed(&mut self, samples: usize) {
        self.made_up += samples;
        self.concealed += samples as u64;
        self.made.concealed = true;
    }

    /// The next packet is not there.
    fn bridge(&mut self, now: Micros, missing: usize) {
        if self.dtx || self.made_up >= CONCEAL_MS * self.rate_khz {
            return self.pause(!self.dtx);
        }
        let waits = self.age(now, self.end_ts) < self.target_us - PATIENCE_US;
        let later = self.packets.first_from(self.next_seq + 1).map(|slot| (slot.seq, slot.ts));
        match later {
            _ if waits => {
                // More delay is wanted anyway: make time, and the packet may come yet.
                self.held += missing as i64;
                self.conceal(missing);
            }
            Some((seq, ts)) => self.bridge_to(seq, ts),
            None => {
                self.advanced += missing as i64;
                self.end_ts += missing as i64;
                self.conceal(missing);
            }
        }
    }

    /// Packets are lost, and `seq` is the first after them.
    fn bridge_to(&mut self, seq: i64, ts: i64) {
        let lost = seq - self.next_seq;
        let covered = self.held.min(ts - self.end_ts).max(0);
        self.end_ts += covered;
        self.held -= covered;
        let gap = ts - self.end_ts;
        if gap <= 0 {
            self.stats.lost += lost as u64;
            self.next_seq = seq;
        } else if gap > 2 * lost * self.packet_samples as i64 + self.rate_khz as i64 * 20 {
            // Far more time than packets: most of it was silence.
            self.stats.lost += lost as u64;
            self.next_seq = seq;
            self.pause(true);
        } else {
            self.stats.lost += 1;
            self.next_seq += 1;
            let samples = if lost == 1 { gap as usize } else { self.packet_samples.min(gap as usize) };
            match self.packets.get(self.next_seq) {
                Some(next) if next.kind == Kind::Audio => {
                    self.decoder.decode_fec(&next.payload, samples, &mut self.pending);
                    self.count_concealed(samples);
                }
                _ => self.conceal(samples),
            }
            self.end_ts += samples as i64;
            // Made up in place of a packet that will be late if it comes.
            self.advanced = 0;
        }
    }
}
