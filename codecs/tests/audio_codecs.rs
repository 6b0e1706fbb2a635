//! Codecs: known values, vectors of another implementation, round trips with bounds.

use codecs::audio::codec::{Decoder, Encoder, EncoderConfig};
use codecs::audio::format::Format;
use codecs::audio::frame_samples;
use codecs::audio::g711::{alaw_of, decode_alaw, decode_ulaw, ulaw_of};
use codecs::audio::g722::{G722Decoder, G722Encoder};
use codecs::audio::level::rms_db;
use codecs::audio::tone::{tone_db, Sine};

fn format(name: &str, clock: u32, channels: u8) -> Format {
    Format::new(name, clock, channels).expect("a format of ours")
}

fn pair(name: &str, clock: u32, channels: u8) -> (Encoder, Decoder) {
    let format = format(name, clock, channels);
    (Encoder::new(format, EncoderConfig::default()).unwrap(), Decoder::new(format).unwrap())
}

/// dB of `wanted` over what differs from it.
fn snr_db(wanted: &[i16], got: &[i16]) -> f64 {
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let signal = power(&mut wanted.iter().map(|&s| f64::from(s)));
    let noise = power(&mut wanted.iter().zip(got).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    10.0 * (signal / noise.max(1e-9)).log10()
}

/// The best over all delays: codecs with filters shift by a few samples.
fn aligned_snr_db(wanted: &[i16], got: &[i16], most: usize) -> f64 {
    (0..most).map(|d| snr_db(&wanted[..wanted.len() - most], &got[d..])).fold(f64::MIN, f64::max)
}

/// Something like a voice: a buzz with formants, louder and softer.
fn speech(samples: usize, rate: u32) -> Vec<i16> {
    let tones: Vec<Vec<i16>> = [(140.0, -14.0), (280.0, -17.0), (560.0, -20.0), (1120.0, -26.0), (2240.0, -32.0)]
        .iter()
        .map(|&(hz, db)| Sine::new(hz, rate, db).take(samples))
        .collect();
    (0..samples)
        .map(|i| {
            let syllable = (i as f64 * 4.0 / f64::from(rate) * std::f64::consts::TAU).sin() * 0.4 + 0.6;
            (tones.iter().map(|t| f64::from(t[i])).sum::<f64>() * syllable) as i16
        })
        .collect()
}

#[test]
fn alaw_values_of_the_recommendation() {
    // G.711 table 1: decision values and characters (even bits inverted on the line), scaled to 16 bits.
    for (code, value) in [(0xd5, 8), (0x55, -8), (0xd4, 24), (0xaa, 32_256), (0x2a, -32_256), (0xc5, 264), (0xf5, 528)]
    {
        let mut out = Vec::new();
        decode_alaw(&[code], &mut out);
        assert_eq!(out, [value], "{code:#x}");
    }
    assert_eq!((alaw_of(0), alaw_of(-1), alaw_of(i16::MAX), alaw_of(i16::MIN)), (0xd5, 0x55, 0xaa, 0x2a));
}

#[test]
fn ulaw_values_of_the_recommendation() {
    for (code, value) in [(0xff, 0), (0x7f, 0), (0xfe, 8), (0x80, 32_124), (0x00, -32_124), (0xef, 132), (0x8f, 16_764)]
    {
        let mut out = Vec::new();
        decode_ulaw(&[code], &mut out);
        assert_eq!(out, [value], "{code:#x}");
    }
    assert_eq!((ulaw_of(0), ulaw_of(i16::MAX), ulaw_of(i16::MIN)), (0xff, 0x80, 0x00));
}

#[test]
fn g711_codes_survive_and_quantize_within_half_a_step() {
    type Law = (fn(i16) -> u8, fn(&[u8], &mut Vec<i16>));
    for (encode, decode) in
        [(alaw_of as fn(i16) -> u8, decode_alaw as fn(&[u8], &mut Vec<i16>)), (ulaw_of, decode_ulaw)] as [Law; 2]
    {
        let mut values = Vec::new();
        decode(&(0..=255).collect::<Vec<u8>>(), &mut values);
        for (code, &value) in (0..=255u8).zip(&values) {
            let again = encode(value);
            assert!(again == code || value == 0, "{code:#x} → {value} → {again:#x}");
        }
        for sample in (i16::MIN..=i16::MAX).step_by(3) {
            let error = i32::from(values[usize::from(encode(sample))]) - i32::from(sample);
            // Half a step of the segment, which is a 32nd of the value at its begin.
            assert!(error.abs() <= i32::from(sample).abs() / 32 + 20, "{sample}: off by {error}");
        }
    }
}

#[test]
fn g711_and_l16_round_trips() {
    for (name, clock, channels, bound) in [
        ("pcma", 8000, 1, 33.0),
        ("pcmu", 8000, 1, 33.0),
        ("l16", 8000, 1, 90.0),
        ("l16", 16_000, 1, 90.0),
        ("l16", 48_000, 2, 90.0),
    ] {
        let (mut encoder, mut decoder) = pair(name, clock, channels);
        let source = speech(clock as usize, clock);
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        for frame in source.chunks_exact(frame_samples(clock)) {
            payload.clear();
            assert_eq!(encoder.encode(frame, &mut payload), payload.len());
            assert_eq!(decoder.samples_in(&payload), Some(frame.len()));
            assert_eq!(decoder.decode(&payload, &mut out), Ok(frame.len()));
        }
        let snr = snr_db(&source, &out);
        assert!(snr > bound, "{name}/{clock}: {snr}");
    }
}

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/../tests/vectors/audio/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn pcm(name: &str) -> Vec<i16> {
    vector(name).chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

#[test]
fn g722_decodes_what_another_implementation_encoded_to_the_same_samples() {
    let mut out = Vec::new();
    G722Decoder::new().decode(&vector("g722.g722"), &mut out);
    let wanted = pcm("g722-decoded.s16le");
    assert_eq!(out.len(), wanted.len());
    let wrong = out.iter().zip(&wanted).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "first sample that differs");
}

#[test]
fn g722_encodes_to_the_same_bits_as_another_implementation() {
    let mut out = Vec::new();
    G722Encoder::new().encode(&pcm("g722-input.s16le"), &mut out);
    let wanted = vector("g722.g722");
    let wrong = out.iter().zip(&wanted).position(|(a, b)| a != b);
    assert_eq!((out.len(), wrong), (wanted.len(), None), "first byte that differs");
}

#[test]
fn g722_round_trip_and_its_odd_clock() {
    let (mut encoder, mut decoder) = pair("g722", 8000, 1);
    assert_eq!((decoder.rate_hz(), decoder.format().frame_ticks()), (16_000, 160));
    let source = speech(16_000, 16_000);
    let (mut payload, mut out) = (Vec::new(), Vec::new());
    for frame in source.chunks_exact(320) {
        payload.clear();
        assert_eq!(encoder.encode(frame, &mut payload), 160);
        assert_eq!(decoder.decode(&payload, &mut out), Ok(320));
    }
    let snr = aligned_snr_db(&source, &out, 40);
    assert!(snr > 20.0, "{snr}");
}

fn opus_packets(source: &[i16], frame: usize, config: EncoderConfig) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(format("opus", 48_000, 2), config).unwrap();
    source
        .chunks_exact(frame)
        .map(|pcm| {
            let mut payload = Vec::new();
            encoder.encode(pcm, &mut payload);
            payload
        })
        .collect()
}

#[test]
fn opus_carries_tones_in_each_packet_length() {
    let source = Sine::new(1000.0, 48_000, -10.0).take(48_000);
    for frame in [960, 1920, 2880] {
        let mut decoder = Decoder::new(format("opus", 48_000, 2)).unwrap();
        let mut out = Vec::new();
        for payload in opus_packets(&source, frame, EncoderConfig::default()) {
            assert_eq!(decoder.samples_in(&payload), Some(frame));
            assert_eq!(decoder.decode(&payload, &mut out), Ok(frame));
        }
        let (tone, all) = (tone_db(&out[9600..], 1000.0, 48_000), f64::from(rms_db(&out[9600..])));
        assert!(tone > -16.0 && all - tone < 1.0, "{frame}: {tone} of {all}");
    }
}

#[test]
fn opus_takes_and_gives_pcm_of_each_rate() {
    for (from, to) in [(8000, 48_000), (16_000, 16_000), (48_000, 8000)] {
        let opus = format("opus", 48_000, 2);
        let mut encoder = Encoder::new(opus.at_rate(from).unwrap(), EncoderConfig::default()).unwrap();
        let mut decoder = Decoder::new(opus.at_rate(to).unwrap()).unwrap();
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        for frame in Sine::new(1000.0, from, -10.0).take(from as usize).chunks_exact(frame_samples(from)) {
            payload.clear();
            assert!(encoder.encode(frame, &mut payload) > 0);
            assert_eq!(decoder.decode(&payload, &mut out), Ok(frame_samples(to)));
        }
        let tone = tone_db(&out[to as usize / 5..], 1000.0, to);
        assert!(tone > -16.0, "{from} → {to}: {tone}");
        out.clear();
        decoder.conceal(frame_samples(to) + 3, &mut out);
        assert_eq!(out.len(), frame_samples(to) + 3);
    }
}

#[test]
fn opus_dtx_sends_nearly_nothing_for_silence() {
    let config = EncoderConfig { dtx: true, ..EncoderConfig::default() };
    let mut source = speech(48_000, 48_000);
    source.extend(vec![0; 2 * 48_000]);
    let packets = opus_packets(&source, 960, config);
    let sent = packets[75..].iter().filter(|p| !p.is_empty()).count();
    assert!(packets[..50].iter().all(|p| !p.is_empty()) && sent <= 15, "{sent} of 75 packets of silence");
}

#[test]
fn opus_fec_is_nearer_to_what_was_lost_than_concealment() {
    let source = speech(96_000, 48_000);
    let packets = opus_packets(&source, 960, EncoderConfig { loss_percent: 20, ..EncoderConfig::default() });
    let run = |fec: bool| {
        let mut decoder = Decoder::new(format("opus", 48_000, 2)).unwrap();
        let (mut whole, mut out) = (Vec::new(), Vec::new());
        let mut reference = Decoder::new(format("opus", 48_000, 2)).unwrap();
        let (mut error, mut signal) = (0.0, 0.0);
        for (i, payload) in packets.iter().enumerate() {
            reference.decode(payload, &mut whole).unwrap();
            let start = out.len();
            if i % 10 != 9 {
                decoder.decode(payload, &mut out).unwrap();
                continue;
            }
            match packets.get(i + 1) {
                Some(next) if fec => decoder.decode_fec(next, 960, &mut out),
                _ => decoder.conceal(960, &mut out),
            }
            assert_eq!(out.len(), start + 960);
            for (a, b) in whole[start..].iter().zip(&out[start..]) {
                error += (f64::from(*a) - f64::from(*b)).powi(2);
                signal += f64::from(*a).powi(2);
            }
        }
        10.0 * (signal / error).log10()
    };
    let (fec, plc) = (run(true), run(false));
    assert!(fec > plc + 1.0, "FEC {fec} dB, concealment {plc} dB");
}

#[test]
fn concealment_is_nearer_to_the_voice_than_silence_is() {
    for (name, clock) in [("pcma", 8000), ("g722", 8000), ("l16", 16_000)] {
        let (mut encoder, mut decoder) = pair(name, clock, 1);
        let rate = decoder.rate_hz();
        let mut reference = Decoder::new(format(name, clock, 1)).unwrap();
        let (mut whole, mut out, mut payload) = (Vec::new(), Vec::new(), Vec::new());
        let (mut made, mut wanted) = (Vec::new(), Vec::new());
        for (i, frame) in speech(4 * rate as usize, rate).chunks_exact(frame_samples(rate)).enumerate() {
            payload.clear();
            encoder.encode(frame, &mut payload);
            let start = whole.len();
            reference.decode(&payload, &mut whole).unwrap();
            if i % 10 == 9 {
                decoder.conceal(frame.len(), &mut out);
                made.extend_from_slice(&out[start..]);
                wanted.extend_from_slice(&whole[start..]);
            } else {
                decoder.decode(&payload, &mut out).unwrap();
            }
        }
        // Silence has 0 dB here.
        let snr = snr_db(&wanted, &made);
        assert!(snr > 5.0, "{name}: {snr} dB");
    }
}

#[test]
fn wrong_lengths_are_refused_and_leave_nothing() {
    for (name, clock, channels) in
        [("pcma", 8000, 1), ("pcmu", 8000, 1), ("g722", 8000, 1), ("l16", 8000, 2), ("opus", 48_000, 2)]
    {
        let (mut encoder, mut decoder) = pair(name, clock, channels);
        let (mut payload, mut out) = (vec![1], vec![7]);
        assert_eq!(encoder.encode(&[0; 7], &mut payload), 0);
        assert_eq!(encoder.encode(&[], &mut payload), 0);
        assert!(decoder.decode(&[], &mut out).is_err());
        assert!(decoder.decode(&vec![0xff; 9000], &mut out).is_err());
        assert_eq!((payload, out), (vec![1], vec![7]), "{name}");
    }
}

#[test]
fn stereo_is_averaged() {
    let mut decoder = Decoder::new(format("l16", 8000, 2)).unwrap();
    let mut out = Vec::new();
    decoder.decode(&[0x10, 0, 0, 0, 0x7f, 0xff, 0x7f, 0xff], &mut out).unwrap();
    assert_eq!(out, [0x0800, 0x7fff]);
}
