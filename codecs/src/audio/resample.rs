//! 8 ↔ 16 ↔ 48 kHz by polyphase FIR, streaming.
//!
//! One windowed sinc at the higher rate, its −6 dB point at half the lower rate: flat to 0.85 of it, more than 60 dB
//! down from 1.15 of it on. 32 taps at the lower rate: delay 2 ms at 8 kHz, 1 ms at 16 kHz.

use std::f64::consts::PI;

/// Taps at the lower rate.
const TAPS: usize = 32;
/// Kaiser window: −70 dB.
const BETA: f64 = 6.8;
const LANES: usize = 8;

/// Converts one stream from one rate to another. Delay under 3 ms. Equal rates copy.
pub struct Resampler {
    up: usize,
    down: usize,
    /// Upwards `up` phases of TAPS each, downwards one of TAPS · down; oldest sample's first.
    taps: Vec<f32>,
    /// The last samples, then the new ones.
    line: Vec<f32>,
    /// Downwards: input samples still to come before the next output.
    skip: usize,
}

impl Resampler {
    /// Rates of 8000, 16000 and 48000 Hz; `None` for others.
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Self> {
        let known = |hz| matches!(hz, 8000 | 16_000 | 48_000);
        if !known(from_hz) || !known(to_hz) {
            return None;
        }
        let (up, down) = ((to_hz / from_hz).max(1) as usize, (from_hz / to_hz).max(1) as usize);
        let factor = up.max(down);
        let taps = if factor == 1 { Vec::new() } else { phases(&sinc(factor), up) };
        let mut resampler = Self { up, down, taps, line: Vec::new(), skip: 0 };
        resampler.reset();
        Some(resampler)
    }

    /// Append the converted samples to `out`. A 20 ms frame gives exactly 20 ms.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.up == self.down {
            out.extend_from_slice(input);
            return;
        }
        let history = TAPS * self.down - 1;
        self.line.extend(input.iter().map(|&s| f32::from(s)));
        if self.down == 1 {
            out.reserve(input.len() * self.up);
            for window in self.line.windows(TAPS) {
                out.extend(self.taps.chunks_exact(TAPS).map(|phase| rounded(dot(window, phase))));
            }
        } else {
            let mut at = self.skip;
            while at < input.len() {
                out.push(rounded(dot(&self.line[at..at + history + 1], &self.taps)));
                at += self.down;
            }
            self.skip = at - input.len();
        }
        self.line.drain(..input.len());
    }

    /// Forget what was before: a new source.
    pub fn reset(&mut self) {
        self.line.clear();
        self.line.resize(if self.up == self.down { 0 } else { TAPS * self.down - 1 }, 0.0);
        self.skip = self.down - 1;
    }
}

fn rounded(value: f32) -> i16 {
    // `as` saturates.
    (value + 0.5f32.copysign(value)) as i16
}

/// In lanes, so that the compiler may use vectors: it must not reorder a plain sum of floats.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    for (x, y) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum()
}

/// Low pass of unit gain at the higher rate, TAPS · factor long.
fn sinc(factor: usize) -> Vec<f64> {
    let n = TAPS * factor;
    let middle = (n as f64 - 1.0) / 2.0;
    let mut taps: Vec<f64> = (0..n)
        .map(|i| {
            let x = (i as f64 - middle) / factor as f64;
            let wave = if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
            let edge = (i as f64 - middle) / (middle + 1.0);
            wave * bessel(BETA * (1.0 - edge * edge).sqrt())
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|t| *t /= sum);
    taps
}

/// Modified Bessel function I0 (a common factor does not matter: taps are normalised).
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

/// Upwards: phase p has taps p, p+up, …, times `up`, as only every up-th sample is not zero. Reversed: a window lies
/// oldest first. Each phase gets exactly unit gain, else there is a tone at the lower rate.
fn phases(taps: &[f64], up: usize) -> Vec<f32> {
    let mut all = Vec::with_capacity(taps.len());
    for phase in 0..up {
        let mut own: Vec<f64> = taps.iter().skip(phase).step_by(up).copied().collect();
        let sum: f64 = own.iter().sum();
        own.iter_mut().for_each(|t| *t /= sum);
        all.extend(own.iter().rev().map(|&t| t as f32));
    }
    all
}
