//! Longer or shorter by one pitch period: speech keeps its pitch, and nobody hears the delay change.

use super::level::rms_db;
use super::pitch::{find_pitch, SPAN_MS};

/// Quieter than this, any length may be taken out or put in.
const QUIET_DB: f32 = -50.0;
/// Speech must be this much like itself one period on; when in a hurry, anything goes.
const ALIKE: f32 = 0.65;
/// Of silence, at once.
const QUIET_STEP_MS: usize = 10;

/// Samples that are needed to take some out.
pub fn span(rate_khz: usize) -> usize {
    SPAN_MS * rate_khz
}

/// Samples of the past that are needed to put some in; half a `span` of what comes is needed besides.
pub fn past(rate_khz: usize) -> usize {
    SPAN_MS * rate_khz / 2
}

/// Take at most `most` samples out of the first 30 ms of `pcm`; how many.
pub fn accelerate(pcm: &mut Vec<i16>, rate_khz: usize, most: usize, hurry: bool) -> usize {
    let Some(head) = pcm.get(..span(rate_khz)) else { return 0 };
    let Some(period) = joint(head, rate_khz, most, hurry).filter(|&p| p <= most) else { return 0 };
    // The first period fades into the second, which is then gone.
    for i in 0..period {
        pcm[i] = blend(pcm[i], pcm[period + i], i, period);
    }
    pcm.drain(period..2 * period);
    period
}

/// Put one period (in silence: up to `wanted` samples) between `before`, which was played, and `pcm`; how many samples.
pub fn expand(before: &[i16], pcm: &mut Vec<i16>, rate_khz: usize, wanted: usize, hurry: bool) -> usize {
    let half = past(rate_khz);
    if before.len() < half || pcm.len() < half {
        return 0;
    }
    let around = [&before[before.len() - half..], &pcm[..half]].concat();
    let Some(period) = joint(&around, rate_khz, wanted, hurry) else { return 0 };
    // What comes fades into what was one period ago, which leads to what comes.
    let len = pcm.len();
    pcm.resize(len + period, 0);
    pcm.copy_within(..len, period);
    for i in 0..period {
        pcm[i] = blend(pcm[period + i], around[half - period + i], i, period);
    }
    period
}

/// Where the signal is like itself: the period; in silence whatever is wanted.
fn joint(around: &[i16], rate_khz: usize, wanted: usize, hurry: bool) -> Option<usize> {
    if rms_db(around) < QUIET_DB {
        return Some(wanted.min(QUIET_STEP_MS * rate_khz)).filter(|&p| p > 0);
    }
    find_pitch(around, rate_khz).filter(|p| hurry || p.likeness >= ALIKE).map(|p| p.period)
}

fn blend(from: i16, to: i16, i: usize, len: usize) -> i16 {
    let (weight, whole) = (2 * i as i32 + 1, 2 * len as i32);
    ((i32::from(from) * (whole - weight) + i32::from(to) * weight) / whole) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::Sine;

    fn largest_step(pcm: &[i16]) -> i32 {
        pcm.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap()
    }

    #[test]
    fn a_tone_goes_on_without_a_step() {
        let tone = Sine::new(200.0, 8000, -10.0).take(400);
        let mut shorter = tone.clone();
        let taken = accelerate(&mut shorter, 8, 120, false);
        assert!(taken % 40 == 0 && taken > 0 && shorter.len() == 400 - taken);
        let mut longer = tone[160..].to_vec();
        let put = expand(&tone[..160], &mut longer, 8, 120, false);
        assert!(put % 40 == 0 && put > 0 && longer.len() == 240 + put);
        longer.splice(..0, tone[..160].iter().copied());
        let step = largest_step(&tone) + 20;
        assert!(largest_step(&shorter) < step && largest_step(&longer) < step);
    }

    #[test]
    fn silence_gives_what_is_asked_and_too_little_gives_nothing() {
        assert_eq!(accelerate(&mut vec![0; 320], 8, 33, false), 33);
        assert_eq!(expand(&[0; 120], &mut vec![0; 160], 8, 200, false), 80);
        assert_eq!(expand(&[0; 119], &mut vec![0; 160], 8, 200, false), 0);
        assert_eq!(accelerate(&mut vec![0; 200], 8, 33, false), 0);
        let mut tone = Sine::new(100.0, 8000, -10.0).take(400);
        assert_eq!(accelerate(&mut tone, 8, 30, true), 0, "a period is longer than what may go");
    }
}
