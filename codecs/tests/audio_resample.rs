//! Resampling by tones: flat where voice is, silent where it must not alias, no delay to speak of.

use codecs::audio::level::rms_db;
use codecs::audio::resample::Resampler;
use codecs::audio::tone::{tone_db, Sine};

const RATES: [u32; 3] = [8000, 16_000, 48_000];

/// A second, in frames of 20 ms.
fn converted(from: u32, to: u32, source: &[i16]) -> Vec<i16> {
    let mut resampler = Resampler::new(from, to).expect("rates of ours");
    let mut out = Vec::new();
    for frame in source.chunks_exact(from as usize / 50) {
        let before = out.len();
        resampler.process(frame, &mut out);
        assert_eq!(out.len() - before, to as usize / 50, "20 ms in, 20 ms out");
    }
    out
}

#[test]
fn the_passband_is_flat_and_clean() {
    for from in RATES {
        for to in RATES {
            let half = f64::from(from.min(to)) / 2.0;
            for part in [0.03, 0.25, 0.5, 0.75, 0.82] {
                let hz = part * half;
                let out = converted(from, to, &Sine::new(hz, from, -6.0).take(from as usize));
                let settled = &out[to as usize / 10..];
                let (tone, all) = (tone_db(settled, hz, to), f64::from(rms_db(settled)));
                assert!((tone + 9.01).abs() < 0.3, "{from}→{to} at {hz} Hz: {tone}");
                assert!((all - tone).abs() < 0.05, "{from}→{to} at {hz} Hz: {all} in all");
            }
        }
    }
}

#[test]
fn the_stopband_does_not_alias_downwards() {
    for (from, to) in [(16_000, 8000), (48_000, 8000), (48_000, 16_000)] {
        let half = f64::from(to) / 2.0;
        for part in [1.16, 1.3, 1.6, 1.95] {
            let source = Sine::new(part * half, from, -6.0).take(from as usize);
            let out = converted(from, to, &source);
            let left = rms_db(&out[to as usize / 10..]);
            assert!(left < -66.0, "{from}→{to} at {} Hz: {left}", part * half);
        }
    }
}

#[test]
fn no_image_upwards() {
    for (from, to) in [(8000, 16_000), (8000, 48_000), (16_000, 48_000)] {
        let hz = 0.4 * f64::from(from);
        let out = converted(from, to, &Sine::new(hz, from, -6.0).take(from as usize));
        let image = tone_db(&out[to as usize / 10..], f64::from(from) - hz, to);
        assert!(image < -66.0, "{from}→{to}: {image}");
    }
}

#[test]
fn delay_is_under_three_milliseconds() {
    for (from, to) in
        [(8000, 16_000), (8000, 48_000), (16_000, 48_000), (16_000, 8000), (48_000, 8000), (48_000, 16_000)]
    {
        let mut source = vec![0i16; from as usize / 10];
        source[0] = 20_000;
        source[1] = 20_000;
        let out = converted(from, to, &source);
        let peak = (0..out.len()).max_by_key(|&i| out[i].unsigned_abs()).unwrap();
        let ms = peak as f64 * 1000.0 / f64::from(to);
        assert!(ms > 0.3 && ms < 3.0, "{from}→{to}: {ms} ms");
    }
}

#[test]
fn full_scale_saturates_and_odd_pieces_join() {
    let source: Vec<i16> = (0..960).map(|i| if i / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let whole = converted(48_000, 8000, &source);
    let mut pieces = Vec::new();
    let mut resampler = Resampler::new(48_000, 8000).unwrap();
    for piece in source.chunks(7) {
        resampler.process(piece, &mut pieces);
    }
    assert_eq!(whole, pieces);
    assert!(Resampler::new(44_100, 8000).is_none() && Resampler::new(0, 8000).is_none());
}
