//! Fuzz targets of audio: what a caller's packets can do to the decoders, the playout and the keys reader.
//! codecs/tests/audio_fuzz.rs includes this file and runs it over the corpus and mutations of it on stable Rust.

use codecs::audio::codec::Decoder;
use codecs::audio::dtmf::{digit_code, DtmfReader};
use codecs::audio::format::Format;
use codecs::audio::frame_samples;
use codecs::audio::playout::{Arrived, Playout, PlayoutConfig};
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] = &[
    ("audio_playout", playout),
    ("audio_dtmf", dtmf),
    ("audio_g711", g711),
    ("audio_g722", g722),
    ("audio_l16", l16),
    ("audio_opus", opus),
];

const FORMATS: [(&str, u32, u8); 6] = [
    ("pcma", 8000, 1),
    ("pcmu", 8000, 1),
    ("g722", 8000, 1),
    ("l16", 8000, 2),
    ("l16", 48_000, 1),
    ("opus", 48_000, 2),
];

fn decoder(name: &str, clock_hz: u32, channels: u8) -> Decoder {
    Decoder::new(Format::new(name, clock_hz, channels).expect("a format of ours")).expect("memory")
}

/// Pieces of an input, each preceded by its length in two bytes.
fn pieces(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let [hi, lo, rest @ ..] = data else { return None };
        let len = usize::from(u16::from_be_bytes([*hi, *lo]) & 0x0fff).min(rest.len());
        let (piece, tail) = rest.split_at(len);
        data = tail;
        Some(piece)
    })
}

/// Each piece is a payload; between them losses. What is told beforehand is what comes out; an error leaves nothing.
fn decode(mut decoder: Decoder, data: &[u8]) {
    let mut out = Vec::new();
    let frame = frame_samples(decoder.rate_hz());
    for piece in pieces(data) {
        out.clear();
        let told = decoder.samples_in(piece);
        match decoder.decode(piece, &mut out) {
            Ok(samples) => assert!(told == Some(samples) && out.len() == samples && samples <= 6 * frame),
            Err(_) => assert!(out.is_empty()),
        }
        if piece.len() % 3 == 0 {
            out.clear();
            decoder.decode_fec(piece, frame, &mut out);
            decoder.conceal(7, &mut out);
            assert_eq!(out.len(), frame + 7);
        }
    }
}

pub fn g711(data: &[u8]) {
    decode(decoder("pcma", 8000, 1), data);
    decode(decoder("pcmu", 8000, 1), data);
}

pub fn g722(data: &[u8]) {
    decode(decoder("g722", 8000, 1), data);
}

pub fn l16(data: &[u8]) {
    decode(decoder("l16", 16_000, 1), data);
    decode(decoder("l16", 48_000, 2), data);
}

pub fn opus(data: &[u8]) {
    decode(decoder("opus", 48_000, 2), data);
    let low = Format::new("opus", 48_000, 2).and_then(|f| f.at_rate(16_000)).expect("a rate of Opus");
    decode(Decoder::new(low).expect("memory"), data);
}

/// Each piece: six bytes of what to do, then the payload. A frame is a frame whatever came, and figures are figures.
pub fn playout(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let format = |n: u8| {
        let (name, clock_hz, channels) = FORMATS[usize::from(n) % FORMATS.len()];
        Format::new(name, clock_hz, channels).expect("a format of ours")
    };
    let config = PlayoutConfig { min_ms: 20, max_ms: 40 + u32::from(choice) * 4 };
    let mut playout = Playout::new(format(choice), config).expect("memory");
    let (mut now, mut seq, mut ts, mut out) = (1_000_000u64, 0u16, 0u32, Vec::new());
    for piece in pieces(data) {
        let [flags, step, jump, time, wild, pulls, payload @ ..] = piece else { continue };
        seq = seq.wrapping_add(u16::from(step % 5));
        ts = ts.wrapping_add(u32::from(*step) * u32::from(*jump));
        if flags & 0x80 != 0 {
            seq = seq.wrapping_add(u16::from(*wild) << 8);
            ts = ts.wrapping_sub(u32::from(*wild) << 24);
        }
        if flags & 0x40 != 0 {
            playout.set_format(format(*wild)).expect("memory");
        }
        now += u64::from(*time) * 400;
        if flags & 0x10 != 0 {
            playout.insert_other(u32::from(flags & 0x20), seq, ts);
        }
        playout.insert(Arrived {
            ssrc: u32::from(flags & 0x20),
            seq,
            ts,
            marker: flags & 1 != 0,
            arrival: Micros(now),
            comfort_noise: flags & 2 != 0,
            payload,
        });
        for _ in 0..pulls % 4 {
            now += 20_000;
            playout.pull(Micros(now), &mut out);
            assert_eq!(out.len(), frame_samples(playout.rate_hz()));
        }
    }
    let stats = playout.stats();
    assert!(stats.jitter_ms.is_finite() && stats.drift_ppm.is_finite() && stats.buffer_ms.is_finite());
    assert!(stats.target_ms >= 20.0 && stats.target_ms <= f64::from(config.max_ms));
}

/// Every key that comes out is one, and a timestamp gives one key at most in a row.
pub fn dtmf(data: &[u8]) {
    let mut reader = DtmfReader::new();
    let mut given = 0;
    let mut packets = 0;
    for piece in pieces(data) {
        let [ts_hi, ts_lo, payload @ ..] = piece else {
            given += usize::from(reader.tick().is_some());
            continue;
        };
        packets += 1;
        let ts = u32::from(u16::from_be_bytes([*ts_hi, *ts_lo])) << 10;
        for key in reader.read(ts, payload).into_iter().flatten() {
            assert!(digit_code(key).is_some());
            given += 1;
        }
        assert_eq!(reader.read(ts, payload)[1], None, "a repetition gives nothing");
    }
    assert!(given <= packets);
}
