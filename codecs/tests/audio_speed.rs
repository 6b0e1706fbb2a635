//! Cost of audio: µs of one core per 20 ms frame and leg. `cargo test --release --no-default-features --test audio_speed
//! -- --ignored --nocapture`

#[path = "audio_support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Instant;

use codecs::audio::codec::{Decoder, Encoder, EncoderConfig};
use codecs::audio::gain::Scale;
use codecs::audio::level::Meter;
use codecs::audio::mix::Mix;
use codecs::audio::playout::{Arrived, Playout, PlayoutConfig};
use codecs::audio::resample::Resampler;
use codecs::audio::vox::Vox;
use codecs::time::Micros;
use support::{format, Talker};

const FRAMES: usize = 20_000;

fn per_frame(name: &str, frames: usize, mut work: impl FnMut(usize)) {
    (0..frames / 10).for_each(&mut work);
    let start = Instant::now();
    (0..frames).for_each(&mut work);
    println!("{name:44} {:8.2} µs", start.elapsed().as_secs_f64() * 1e6 / frames as f64);
}

#[test]
#[ignore = "a measurement"]
fn costs_per_frame_and_leg() {
    for (codec, clock, frames) in
        [("pcma", 8000, FRAMES), ("g722", 8000, FRAMES), ("opus", 48_000, FRAMES / 10), ("opus16", 48_000, FRAMES / 10)]
    {
        let format = format(codec, clock);
        let rate = format.rate_hz();
        let mut talker = Talker::new(codec, clock, 20);
        let payloads: Vec<Vec<u8>> = (0..50).map(|_| talker.payload()).collect();
        let pcm = codecs::audio::tone::Sine::new(400.0, rate, -10.0).take(rate as usize);
        let frame = rate as usize / 50;
        let (mut out, mut bytes) = (Vec::new(), Vec::new());

        let mut decoder = Decoder::new(format).unwrap();
        per_frame(&format!("{codec}: decode"), frames, |i| {
            out.clear();
            decoder.decode(&payloads[i % 50], &mut out).unwrap();
        });
        let mut encoder = Encoder::new(format, EncoderConfig::default()).unwrap();
        per_frame(&format!("{codec}: encode"), frames, |i| {
            bytes.clear();
            black_box(encoder.encode(&pcm[i % 50 * frame..][..frame], &mut bytes));
        });
        let mut playout = Playout::new(format, PlayoutConfig::default()).unwrap();
        let (mut meter, mut vox) = (Meter::new(), Vox::new(-40.0, 500));
        let mut n = 0usize;
        per_frame(&format!("{codec}: playout with decode"), frames, |_| {
            let now = n as u64 * 20_000;
            playout.insert(Arrived {
                ssrc: 1,
                seq: n as u16,
                ts: (n as u32).wrapping_mul(format.frame_ticks()),
                marker: false,
                arrival: Micros(now),
                comfort_noise: false,
                payload: &payloads[n % 50],
            });
            playout.pull(Micros(now + 5000), &mut out);
            n += 1;
        });
        per_frame(&format!("{codec}: a whole leg (playout, level, vox, encode)"), frames, |_| {
            let now = n as u64 * 20_000;
            playout.insert(Arrived {
                ssrc: 1,
                seq: n as u16,
                ts: (n as u32).wrapping_mul(format.frame_ticks()),
                marker: false,
                arrival: Micros(now),
                comfort_noise: false,
                payload: &payloads[n % 50],
            });
            playout.pull(Micros(now + 5000), &mut out);
            meter.push(&out);
            black_box(vox.push(&out));
            bytes.clear();
            black_box(encoder.encode(&out, &mut bytes));
            n += 1;
        });
        per_frame(&format!("{codec}: conceal"), frames / 4, |_| {
            out.clear();
            decoder.decode(&payloads[0], &mut out).unwrap();
            decoder.conceal(frame, &mut out);
        });
    }
    let frames: Vec<Vec<i16>> = (0..5).map(|_| vec![1000i16; 160]).collect();
    let (mut mix, mut out) = (Mix::new(), Vec::new());
    per_frame("mix of five at 8 kHz, all five together", FRAMES, |_| {
        mix.clear(160);
        for frame in &frames {
            mix.add(frame, Scale::UNITY);
        }
        for frame in &frames {
            mix.minus(frame, Scale::UNITY, &mut out);
            black_box(&out);
        }
    });
    for (from, to) in
        [(8000, 16_000), (16_000, 8000), (8000, 48_000), (48_000, 8000), (16_000, 48_000), (48_000, 16_000)]
    {
        let mut resampler = Resampler::new(from, to).unwrap();
        let frame = vec![1000i16; from as usize / 50];
        per_frame(&format!("resample {from} → {to}"), FRAMES, |_| {
            out.clear();
            resampler.process(&frame, &mut out);
        });
    }
}
