//! Made-up sound in place of what was lost, for codecs that have no concealment of their own: the last pitch period
//! goes on and fades (as ITU-T G.711 Appendix I does in spirit; no delay is added here).

use super::pitch::{find_pitch, PITCH_MAX_MS, SPAN_MS};

/// Full level for this long, …
const HOLD_MS: usize = 10;
/// … silent after this long.
const FADE_MS: usize = 60;
/// Blending back into what comes after the loss.
const BLEND_MS: usize = 5;
/// Less like itself than this is no voice: then a long stretch is repeated, which does not buzz.
const VOICED: f32 = 0.5;

/// Remembers what was heard last, and goes on from it.
#[derive(Debug, Clone)]
pub struct Concealer {
    rate_khz: usize,
    /// The last 30 ms and a bit.
    history: Vec<i16>,
    /// One period whose end joins its begin; empty: nothing is being made up.
    period: Vec<i16>,
    at: usize,
    /// Step between what was heard last and the period's begin: it fades within the first milliseconds.
    step: i32,
    made: usize,
    blend: Vec<i16>,
}

impl Concealer {
    pub fn new(rate_hz: u32) -> Self {
        let rate_khz = (rate_hz / 1000) as usize;
        Self {
            rate_khz,
            history: vec![0; rate_khz * (SPAN_MS + 5)],
            period: Vec::new(),
            at: 0,
            step: 0,
            made: 0,
            blend: Vec::new(),
        }
    }

    /// `fresh` was decoded: blend it with what was made up, and remember it.
    pub fn heard(&mut self, fresh: &mut [i16]) {
        if !self.period.is_empty() {
            let len = (BLEND_MS * self.rate_khz).min(fresh.len());
            let mut tail = std::mem::take(&mut self.blend);
            tail.clear();
            self.go_on(len, &mut tail);
            let whole = len as i32 + 1;
            for (weight, (new, old)) in (1..).zip(fresh.iter_mut().zip(&tail)) {
                *new = ((i32::from(*old) * (whole - weight) + i32::from(*new) * weight) / whole) as i16;
            }
            self.blend = tail;
            self.period.clear();
        }
        self.remember(fresh);
    }

    /// Append `samples` of what was probably said.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        if self.period.is_empty() {
            self.begin();
        }
        let start = out.len();
        self.go_on(samples, out);
        self.remember(&out[start..]);
    }

    fn remember(&mut self, samples: &[i16]) {
        let len = self.history.len();
        if samples.len() >= len {
            self.history.copy_from_slice(&samples[samples.len() - len..]);
        } else {
            self.history.copy_within(samples.len().., 0);
            self.history[len - samples.len()..].copy_from_slice(samples);
        }
    }

    fn begin(&mut self) {
        let len = self.history.len();
        let pitch = find_pitch(&self.history, self.rate_khz);
        let period = pitch.filter(|p| p.likeness >= VOICED).map_or(PITCH_MAX_MS * self.rate_khz, |p| p.period);
        self.period.extend_from_slice(&self.history[len - period..]);
        // The last quarter bends into what led to the period's begin, so that it can be repeated without a step.
        let quarter = (period / 4).max(1);
        let lead = &self.history[len - period - quarter..len - period];
        for (weight, (sample, &before)) in (1..).zip(self.period[period - quarter..].iter_mut().zip(lead)) {
            let whole = quarter as i32;
            *sample = ((i32::from(*sample) * (whole - weight) + i32::from(before) * weight) / whole) as i16;
        }
        self.step = i32::from(self.history[len - 1]) - i32::from(self.history[len - period - 1]);
        self.at = 0;
        self.made = 0;
    }

    fn go_on(&mut self, samples: usize, out: &mut Vec<i16>) {
        let (hold, fade) = ((HOLD_MS * self.rate_khz) as i32, (FADE_MS * self.rate_khz) as i32);
        let settle = (self.period.len() / 4).max(1) as i32;
        for _ in 0..samples {
            let made = self.made as i32;
            if made >= fade {
                out.push(0);
                continue;
            }
            let mut sample = i32::from(self.period[self.at]);
            if made < settle {
                sample += self.step * (settle - made) / settle;
            }
            if made > hold {
                sample = (i64::from(sample) * i64::from(fade - made) / i64::from(fade - hold)) as i32;
            }
            out.push(sample.clamp(-32_768, 32_767) as i16);
            self.made += 1;
            self.at = (self.at + 1) % self.period.len();
        }
    }
}
