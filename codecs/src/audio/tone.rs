//! Sines, and how much of one there is: for cues, tests and benches.

use std::f64::consts::TAU;

/// A sine generator with continuous phase.
#[derive(Debug, Clone)]
pub struct Sine {
    phase: f64,
    step: f64,
    amplitude: f64,
}

impl Sine {
    /// `peak_dbfs`: 0 is full scale.
    pub fn new(hz: f64, rate_hz: u32, peak_dbfs: f64) -> Self {
        Self { phase: 0.0, step: TAU * hz / f64::from(rate_hz), amplitude: 32767.0 * 10f64.powf(peak_dbfs / 20.0) }
    }

    pub fn fill(&mut self, frame: &mut [i16]) {
        for sample in frame {
            *sample = (self.amplitude * self.phase.sin()).round() as i16;
            self.phase = (self.phase + self.step) % TAU;
        }
    }

    /// `samples` of it.
    pub fn take(&mut self, samples: usize) -> Vec<i16> {
        let mut frame = vec![0; samples];
        self.fill(&mut frame);
        frame
    }
}

/// Level in dBFS (RMS) of the sine of `hz` within `samples` (Goertzel, Hann window); −127 where there is none.
pub fn tone_db(samples: &[i16], hz: f64, rate_hz: u32) -> f64 {
    if samples.is_empty() {
        return -127.0;
    }
    let n = samples.len() as f64;
    let coefficient = 2.0 * (TAU * hz / f64::from(rate_hz)).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let window = 1.0 - (TAU * (i as f64 + 0.5) / n).cos();
        let s0 = f64::from(sample) * window + coefficient * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    let power = (s1 * s1 + s2 * s2 - coefficient * s1 * s2).max(0.0);
    // The window sums to n: |X| = amplitude · n / 2.
    let rms = power.sqrt() * 2.0 / n / 2f64.sqrt();
    (20.0 * (rms / 32768.0).max(1e-12).log10()).clamp(-127.0, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_own_tone_and_no_other() {
        let samples = Sine::new(1000.0, 8000, -10.0).take(1600);
        assert!((tone_db(&samples, 1000.0, 8000) + 13.01).abs() < 0.1);
        assert!(tone_db(&samples, 1200.0, 8000) < -70.0);
        assert_eq!(tone_db(&[], 1000.0, 8000), -127.0);
    }
}
