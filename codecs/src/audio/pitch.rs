//! How long one period of the voice is: normalised autocorrelation, at 8 kHz first, then exactly.

/// 400 Hz … 66 Hz.
const PITCH_MIN_US: usize = 2500;
pub const PITCH_MAX_MS: usize = 15;
/// What is compared.
const WINDOW_MS: usize = 15;
/// Samples that are looked at, in ms.
pub const SPAN_MS: usize = PITCH_MAX_MS + WINDOW_MS;
const COARSE_KHZ: usize = 8;
const COARSE: usize = SPAN_MS * COARSE_KHZ;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pitch {
    /// In samples.
    pub period: usize,
    /// 1: exactly periodic; 0: not at all.
    pub likeness: f32,
}

/// Of the last 30 ms of `samples`; `None` when there are fewer.
pub fn find_pitch(samples: &[i16], rate_khz: usize) -> Option<Pitch> {
    let span = samples.len().checked_sub(SPAN_MS * rate_khz)?;
    let samples = &samples[span..];
    let factor = rate_khz / COARSE_KHZ;
    let mut coarse = [0f32; COARSE];
    for (slot, group) in coarse.iter_mut().zip(samples.chunks_exact(factor)) {
        *slot = group.iter().map(|&s| f32::from(s)).sum();
    }
    let lags = PITCH_MIN_US * COARSE_KHZ / 1000..=PITCH_MAX_MS * COARSE_KHZ;
    let window = WINDOW_MS * COARSE_KHZ;
    let (lag, likeness) = best(&coarse, window, lags);
    if factor == 1 {
        return Some(Pitch { period: lag, likeness });
    }
    let centre = lag * factor;
    let lags = centre - factor..=(centre + factor).min(PITCH_MAX_MS * rate_khz);
    let window = WINDOW_MS * rate_khz / 2;
    let mut period = (centre, f32::MIN);
    for lag in lags {
        let end = samples.len();
        let dot: i64 = samples[end - window..]
            .iter()
            .zip(&samples[end - window - lag..])
            .map(|(&a, &b)| i64::from(i32::from(a) * i32::from(b)))
            .sum();
        if dot as f32 > period.1 {
            period = (lag, dot as f32);
        }
    }
    Some(Pitch { period: period.0, likeness })
}

/// The lag whose window is most like the last one. Of nearly equal ones the shortest: a double period is one as well.
fn best(samples: &[f32], window: usize, lags: std::ops::RangeInclusive<usize>) -> (usize, f32) {
    let end = samples.len();
    let last = &samples[end - window..];
    let energy = dot(last, last);
    let mut best = (*lags.end(), 0f32);
    for lag in lags {
        let earlier = &samples[end - window - lag..end - lag];
        let likeness = dot(last, earlier) / (energy * dot(earlier, earlier)).sqrt().max(1.0);
        // Up the same hill, or a clearly higher one.
        if likeness > best.1 && (lag.abs_diff(best.0) <= 2 || likeness > best.1 * 1.02 + 0.005) {
            best = (lag, likeness);
        }
    }
    (best.0, best.1.min(1.0))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::Sine;

    #[test]
    fn finds_the_period_of_a_buzz_at_each_rate() {
        for rate in [8000, 16_000, 48_000] {
            let mut samples = Sine::new(160.0, rate, -12.0).take(rate as usize / 20);
            let upper = Sine::new(480.0, rate, -14.0).take(samples.len());
            samples.iter_mut().zip(upper).for_each(|(s, u)| *s += u);
            let pitch = find_pitch(&samples, rate as usize / 1000).unwrap();
            let exact = rate as f32 / 160.0;
            assert!((pitch.period as f32 - exact).abs() <= 1.0 && pitch.likeness > 0.97, "{rate}: {pitch:?}");
        }
        assert_eq!(find_pitch(&[0; 100], 8), None);
        assert!(find_pitch(&[0; 240], 8).unwrap().likeness < 0.1);
    }
}
