//! How loud: RMS and peak of the last 100 ms in dBFS.

/// What digital silence is said to be.
pub const SILENCE_DB: f32 = -127.0;

/// Frames of 20 ms that are looked at.
const FRAMES: usize = 5;

/// RMS of one frame in dBFS (−127 … 0).
pub fn rms_db(frame: &[i16]) -> f32 {
    power_db(energy(frame), frame.len())
}

/// Sum of squares.
pub fn energy(frame: &[i16]) -> u64 {
    // Lanes of their own, so that the compiler makes vectors of it: 64 squares of 2^30 fit u64 easily, and u32 not.
    frame.iter().map(|&s| (i32::from(s) * i32::from(s)) as u64).sum()
}

fn power_db(energy: u64, samples: usize) -> f32 {
    if energy == 0 || samples == 0 {
        return SILENCE_DB;
    }
    let mean = energy as f32 / samples as f32;
    (10.0 * (mean / (32768.0 * 32768.0)).log10()).clamp(SILENCE_DB, 0.0)
}

/// A sliding window of five frames; pushing is a sum of squares, logarithms are taken only when asked.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    energies: [u64; FRAMES],
    peaks: [u16; FRAMES],
    samples: usize,
    at: usize,
}

impl Meter {
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame of 20 ms, always of the same rate.
    pub fn push(&mut self, frame: &[i16]) {
        self.energies[self.at] = energy(frame);
        self.peaks[self.at] = frame.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
        self.samples = frame.len();
        self.at = (self.at + 1) % FRAMES;
    }

    /// A frame of zeros, cheaper.
    pub fn push_silence(&mut self) {
        self.energies[self.at] = 0;
        self.peaks[self.at] = 0;
        self.at = (self.at + 1) % FRAMES;
    }

    /// dBFS over 100 ms.
    pub fn rms_db(&self) -> f32 {
        power_db(self.energies.iter().sum(), self.samples * FRAMES)
    }

    /// dBFS of the largest sample of 100 ms.
    pub fn peak_db(&self) -> f32 {
        let peak = self.peaks.iter().copied().max().unwrap_or(0);
        if peak == 0 {
            return SILENCE_DB;
        }
        (20.0 * (f32::from(peak) / 32768.0).log10()).min(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::Sine;

    #[test]
    fn a_full_scale_sine_is_minus_three() {
        let mut meter = Meter::new();
        assert_eq!((meter.rms_db(), meter.peak_db()), (SILENCE_DB, SILENCE_DB));
        let mut sine = Sine::new(1000.0, 8000, 0.0);
        let mut frame = vec![0; 160];
        for _ in 0..5 {
            sine.fill(&mut frame);
            meter.push(&frame);
        }
        assert!((meter.rms_db() + 3.01).abs() < 0.05 && meter.peak_db() > -0.1, "{}", meter.rms_db());
        for _ in 0..5 {
            meter.push_silence();
        }
        assert_eq!(meter.rms_db(), SILENCE_DB);
        meter.push(&[i16::MIN; 160]);
        assert_eq!(meter.peak_db(), 0.0);
    }
}
