//! What each fuzz target does with its bytes. Beyond "no panic" each asserts what must hold for any input.
//! codecs/tests/parse_fuzz.rs includes this file and runs it over the corpus and mutations of it on stable Rust.

use codecs::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use codecs::mpeg::ps_demux::PsDemux;
use codecs::mpeg::ts_demux::{TsDemux, TsOutput};
use codecs::packet::nalus::{NaluSink, MAX_UNIT_BYTES};
use codecs::packet::probe::probe as probe_payload;
use codecs::packet::{h264, h264_params, h265, h265_params, Packetizer};
use codecs::relay::framing::{Deframer, Framed};
use codecs::relay::ingest::{Ingest, IngestConfig, IngestOutput, PayloadMap};
use codecs::relay::rtsp_framing::{Piece, RtspDeframer, MAX_TEXT_BYTES};
use codecs::rtp::header::{RtpHeader, RtpView};
use codecs::rtp::jitter::{JitterBuffer, Offer};
use codecs::rtp::reception::{sender_reports, Reception};
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] = &[
    ("rtp_header", rtp_header),
    ("jitter", jitter),
    ("h264_depacketize", h264_depacketize),
    ("h265_depacketize", h265_depacketize),
    ("sps", sps),
    ("aac", aac),
    ("latm_rtp", latm_rtp),
    ("mpeg_rtp", mpeg_rtp),
    ("ps_demux", ps_demux),
    ("ts_demux", ts_demux),
    ("probe", probe),
    ("deframer", deframer),
    ("ingest", ingest),
    ("rtsp_deframer", rtsp_deframer),
];

/// Pieces of an input, each preceded by its length in two bytes: so that the fuzzer can move packet borders.
fn pieces(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let [hi, lo, rest @ ..] = data else { return None };
        let len = usize::from(u16::from_be_bytes([*hi, *lo]) & 0x0fff).min(rest.len());
        let (piece, tail) = rest.split_at(len);
        data = tail;
        Some(piece)
    })
}

pub fn rtp_header(data: &[u8]) {
    let _ = sender_reports(data);
    let Ok(view) = RtpView::parse(data) else { return };
    assert!(view.payload_range().end <= data.len() && view.header_len() >= 12);
    let _ = (view.csrcs().count(), view.extension(), view.extension_element(1), view.extension_element(15));
    let plain = RtpHeader { marker: view.marker, pt: view.pt, seq: view.seq, ts: view.ts, ssrc: view.ssrc };
    let written = plain.packet(view.payload());
    let again = RtpView::parse(&written).expect("what was read can be written");
    assert_eq!((again.seq, again.ts, again.payload()), (view.seq, view.ts, view.payload()));
}

pub fn jitter(data: &[u8]) {
    let window = 1 + usize::from(data.first().copied().unwrap_or(8)) % 64;
    let mut buffer = JitterBuffer::new(window, 20);
    let mut reception = Reception::new(1, 90_000, 0);
    let mut now = 0u64;
    let (mut offered, mut given) = (0, 0);
    for step in data.get(1..).unwrap_or_default().chunks_exact(3) {
        now += u64::from(step[2]) * 200;
        let seq = u16::from_be_bytes([step[0], step[1]]);
        offered += 1;
        reception.received(seq, u32::from(seq) * 3000, Micros(now));
        given += usize::from(matches!(buffer.offer(seq, &step[..2], Micros(now)), Offer::InOrder { .. }));
        if step[2] % 4 > 0 {
            while let Some(popped) = buffer.pop(Micros(now)) {
                assert_eq!(popped.packet.len(), 2);
                given += 1;
                buffer.recycle(popped.packet);
            }
            if let Some(at) = buffer.next_timer() {
                assert!(at > Micros(now), "a due timer was left behind");
            }
        }
        assert!(buffer.len() <= 2 * window + 1 && given <= offered);
        let _ = (buffer.missing().count(), reception.report(Micros(now)), reception.jitter_ms());
    }
}

fn unit(nalus: Vec<bytes::Bytes>) -> AccessUnit {
    let arrival = Micros(0);
    let (pts, dts) = (0, 0);
    AccessUnit { kind: Kind::Video, nalus, pts, dts, key: false, after_loss: false, arrival, capture_unix_us: None }
}

fn params(codec: Codec) -> TrackParams {
    TrackParams {
        codec,
        clock_hz: 90_000,
        generation: 0,
        width: 0,
        height: 0,
        profile: String::new(),
        profile_level_id: 0,
        b_frames: false,
        channels: 0,
        sample_rate_hz: 0,
        parameter_sets: Vec::new(),
    }
}

/// Whatever was depacketized can be packetized, within the limit, and comes back the same.
fn round_trip(codec: Codec, nalus: Vec<bytes::Bytes>, read: impl Fn(&[u8], &mut NaluSink) -> bool) {
    let max = 200;
    let keep = |n: &&bytes::Bytes| match codec {
        Codec::H264 => !matches!(h264::nal_type(n), 0 | h264::AUD..=h264::FILLER | 24..) && n.len() > 1,
        _ => n.len() > 3 && h265::nal_type(n) < 48 && !(h265::AUD..=h265::FILLER).contains(&h265::nal_type(n)),
    };
    let start_codes = |n: &bytes::Bytes| n.starts_with(&[0, 0, 1]) || n.starts_with(&[0, 0, 0, 1]);
    let kept = nalus.iter().filter(keep).filter(|n| !start_codes(n)).cloned().collect::<Vec<_>>();
    let payloads = Packetizer::new(&params(codec), max).packetize(&unit(kept.clone()));
    let mut sink = NaluSink::new();
    for (payload, _) in payloads.iter() {
        assert!(payload.len() <= max);
        assert!(read(payload, &mut sink), "own payload refused");
    }
    assert_eq!(sink.take(), kept);
    if codec == Codec::H264 {
        assert_eq!(h264::unpack(&payloads), kept);
        let single = Packetizer::single_nal_units(&params(codec)).packetize(&unit(kept.clone()));
        assert!(single.is_empty() || single.iter().map(|(p, _)| p).eq(kept.iter().map(|n| &n[..])));
    }
}

pub fn h264_depacketize(data: &[u8]) {
    let (mut depacketizer, mut sink) = (h264::Depacketizer::new(), NaluSink::new());
    for piece in pieces(data) {
        match piece.first() {
            Some(0xff) => depacketizer.lost(&mut sink),
            Some(0xfe) => depacketizer.end_of_unit(&mut sink),
            _ => drop(depacketizer.push(piece, &mut sink)),
        }
    }
    depacketizer.end_of_unit(&mut sink);
    let nalus = sink.take();
    assert!(nalus.iter().all(|n| !n.is_empty()));
    let state = std::cell::RefCell::new(h264::Depacketizer::new());
    round_trip(Codec::H264, nalus, |p, sink| state.borrow_mut().push(p, sink).is_ok());
}

pub fn h265_depacketize(data: &[u8]) {
    let (mut depacketizer, mut sink) = (h265::Depacketizer::new(), NaluSink::new());
    for piece in pieces(data) {
        match piece.first() {
            Some(0xff) => depacketizer.lost(&mut sink),
            Some(0xfe) => depacketizer.end_of_unit(&mut sink),
            _ => drop(depacketizer.push(piece, &mut sink)),
        }
    }
    depacketizer.end_of_unit(&mut sink);
    let nalus = sink.take();
    let state = std::cell::RefCell::new(h265::Depacketizer::new());
    round_trip(Codec::H265, nalus, |p, sink| state.borrow_mut().push(p, sink).is_ok());
}

pub fn sps(data: &[u8]) {
    if let Ok(sps) = h264_params::Sps::parse(data) {
        assert!(sps.width > 0 && sps.height > 0 && sps.width <= h264_params::MAX_SIDE + 16);
        let _ = (sps.profile(), sps.profile_level_id(), h264_params::Slice::parse(data, Some(&sps)));
    }
    let _ = (h264_params::pps_ids(data), h264_params::Slice::parse(data, None), h264_params::recovery_frames(data));
    let (first, second) = data.split_at(data.len() / 2);
    let pps = h265_params::Pps::parse(second).unwrap_or_default();
    let sps = h265_params::Sps::parse(first).unwrap_or_default();
    let _ = (sps.profile(), h265_params::Slice::pps_id(data));
    let mut watch = h265_params::ReorderWatch::default();
    for piece in pieces(second) {
        if let Ok(Some(slice)) = h265_params::Slice::parse(piece, &sps, &pps) {
            watch.picture(h265::nal_type(piece), &slice, &sps);
        }
    }
    if let Ok(sps) = h265_params::Sps::parse(data) {
        assert!(sps.width > 0 && sps.height > 0 && sps.width <= h265_params::MAX_SIDE);
    }
}

pub fn aac(data: &[u8]) {
    let mut depacketizer = codecs::packet::aac::Depacketizer::new();
    for piece in pieces(data) {
        if piece.first() == Some(&0xfe) {
            depacketizer.lost();
        }
        if let Ok((_, frames)) = depacketizer.push(piece) {
            assert!(frames.iter().all(|f| !f.is_empty() && f.len() <= codecs::packet::aac::MAX_FRAME_BYTES));
        }
    }
    if let Ok(config) = codecs::packet::aac::Config::parse(data) {
        let asc = config.to_asc();
        assert!(asc.is_empty() || codecs::packet::aac::Config::parse(&asc) == Ok(config));
    }
    let _ = (codecs::packet::aac::split_adts(data), codecs::packet::opus::duration_48k(data));
}

/// Byte 0: how the configuration comes. Each piece: a packet, its first byte the marker.
pub fn latm_rtp(data: &[u8]) {
    use codecs::packet::{aac, latm, latm_rtp};
    let Some((&mode, rest)) = data.split_first() else { return };
    let mux = latm::Mux::parse(rest).ok().or(latm::Mux::parse(&[0x40, 0x00, 0x24, 0x10, 0x3f, 0xc0]).ok());
    let in_band = [None, Some(false), Some(true)][usize::from(mode) % 3];
    let mut depacketizer = latm_rtp::Depacketizer::new(mux.filter(|_| mode & 4 == 0), in_band);
    for piece in pieces(rest) {
        let Some((&control, payload)) = piece.split_first() else { continue };
        if control & 2 == 2 {
            depacketizer.lost();
        }
        if let Ok(Some((config, frames))) = depacketizer.push(payload, control & 1 == 1) {
            assert!(config.sample_rate_hz > 0 && control & 1 == 1);
            assert!(frames.iter().all(|f| !f.is_empty() && f.len() <= aac::MAX_FRAME_BYTES));
        }
        assert!(depacketizer.held_bytes() <= latm_rtp::MAX_ELEMENT_BYTES);
    }
}

/// Each piece: a packet, its first byte the marker, loss, another time; and the same as sound.
pub fn mpeg_rtp(data: &[u8]) {
    use codecs::packet::{mpeg_rtp, sync_frames};
    let mut depacketizer = mpeg_rtp::Depacketizer::default();
    let mut splitters = [(); 3].map(|()| sync_frames::Splitter::default());
    for piece in pieces(data) {
        let Some((&control, payload)) = piece.split_first() else { continue };
        if control & 2 == 2 {
            depacketizer.lost();
        }
        let ended = if control & 4 == 4 { depacketizer.end() } else { None };
        let pushed = depacketizer.push(payload, control & 1 == 1).ok().flatten();
        assert!(ended.into_iter().chain(pushed).all(|p| p.damaged || !p.data.is_empty()));
        assert!(depacketizer.held_bytes() <= MAX_UNIT_BYTES);
        let _ = mpeg_rtp::begins_picture(payload);
        let Some(sound) = mpeg_rtp::sound(payload) else { continue };
        for (splitter, codec) in splitters.iter_mut().zip([Codec::Mp2, Codec::Ac3, Codec::Eac3]) {
            let (frames, _) = splitter.push(codec, sound);
            assert!(frames.iter().all(|(f, bytes)| f.bytes == bytes.len() && f.samples > 0 && f.sample_rate_hz > 0));
        }
    }
}

pub fn ps_demux(data: &[u8]) {
    let mut demux = PsDemux::new();
    let mut total = 0;
    for (i, piece) in pieces(data).enumerate() {
        demux.push(piece);
        match data[i % data.len()] % 16 {
            0 => demux.lost(),
            1..=4 => demux.end_hint(),
            5 => drop(demux.flush_hinted()),
            _ => {}
        }
        while let Some(chunk) = demux.poll() {
            total += chunk.data.len();
            assert!(chunk.data.len() <= MAX_UNIT_BYTES);
        }
    }
    demux.finish();
    while let Some(chunk) = demux.poll() {
        total += chunk.data.len();
    }
    assert!(total <= data.len(), "more came out than went in");
}

pub fn ts_demux(data: &[u8]) {
    let mut demux = TsDemux::new();
    let mut total = 0;
    for (i, piece) in pieces(data).enumerate() {
        demux.push(piece);
        if data[i % data.len()] % 16 == 0 {
            demux.lost();
        }
        while let Some(output) = demux.poll() {
            total += bytes_of(&output);
        }
    }
    demux.finish();
    while let Some(output) = demux.poll() {
        total += bytes_of(&output);
    }
    assert!(total <= data.len(), "more came out than went in");
}

fn bytes_of(output: &TsOutput) -> usize {
    match output {
        TsOutput::Chunk(chunk) => chunk.data.len(),
        TsOutput::Klv(packet) => packet.len(),
        _ => 0,
    }
}

pub fn probe(data: &[u8]) {
    let (pt, payload) = data.split_first().map_or((0, data), |(pt, rest)| (*pt & 0x7f, rest));
    for hint in ["", "ps", "h264", "h265", "aac", "opus", "pcma"] {
        let _ = probe_payload(payload, pt, hint).name();
    }
    for data in [data, payload] {
        let _ = codecs::packet::probe_bytes::probe_bytes(data);
    }
}

pub fn deframer(data: &[u8]) {
    let mut deframer = Deframer::new();
    let mut total = 0;
    for piece in pieces(data) {
        deframer.push(piece);
        while let Some(framed) = deframer.next() {
            let (Framed::Rtp(packet) | Framed::Rtcp(packet)) = framed;
            total += packet.len() + 2;
        }
    }
    assert!(total <= data.len());
}

/// Byte 0 chooses whether channels are known. However the bytes are cut, the same comes out.
pub fn rtsp_deframer(data: &[u8]) {
    let Some((&mode, bytes)) = data.split_first() else { return };
    let channels = if mode & 1 == 1 { vec![0, 2] } else { Vec::new() };
    let run = |step: usize| {
        let mut deframer = RtspDeframer::new(channels.clone());
        let (mut from, mut to, mut got) = (0, 0, Vec::new());
        while to < bytes.len() {
            to = (to + step).min(bytes.len());
            loop {
                from += match deframer.next(&bytes[from..to]) {
                    Piece::More => break,
                    Piece::Hopeless => return got,
                    Piece::Junk(n) => {
                        assert!(n > 0);
                        n
                    }
                    Piece::Frame { channel, end } => {
                        got.push((usize::from(channel), from..from + end));
                        end
                    }
                    Piece::Text { start, end } => {
                        assert!(start < end && end <= MAX_TEXT_BYTES);
                        got.push((256, from + start..from + end));
                        end
                    }
                };
                assert!(from <= to);
            }
        }
        got
    };
    let whole = run(bytes.len().max(1));
    assert_eq!(whole, run(1 + usize::from(mode >> 1)));
}

/// Byte 0 chooses the configuration. Each piece: one control byte (time, kind), then a packet.
pub fn ingest(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else { return };
    let map = |pt, codec, clock_hz, fmtp: &str| {
        let latm = pt == 100;
        PayloadMap { pt, codec, clock_hz, latm, fmtp: fmtp.into() }
    };
    let payloads = vec![
        map(98, Codec::H264, 90_000, "sprop-parameter-sets=Z0IAH9oCgPf0,aMw="),
        map(99, Codec::H265, 90_000, ""),
        map(97, Codec::Aac, 16_000, "config=1408"),
        map(100, Codec::Aac, 90_000, "config=400024103fc0"),
        map(111, Codec::Opus, 48_000, ""),
    ];
    let mut ingest = Ingest::new(IngestConfig {
        ssrc: (mode & 1 == 1).then_some(7),
        strict_ssrc: mode & 2 == 2,
        payloads: if mode & 4 == 4 { payloads } else { Vec::new() },
        hint: ["", "ps", "h264", "h265"][usize::from(mode >> 3 & 3)].into(),
        jitter_packets: 16,
        jitter_ms: 50,
        program: u16::from(mode >> 5),
    });
    let mut now = 1_000_000u64;
    let mut last_dts = i64::MIN;
    let mut told = [false; 2];
    for piece in pieces(rest) {
        let Some((&control, packet)) = piece.split_first() else { continue };
        now += u64::from(control >> 3) * 2_000;
        match control & 7 {
            0 => ingest.push_rtcp(packet, Micros(now)),
            1 => ingest.push_ts(packet, Micros(now)),
            2 => ingest.handle_timer(Micros(now)),
            _ => ingest.push_rtp(packet, Micros(now)),
        }
        while let Some(output) = ingest.poll() {
            match output {
                IngestOutput::Track(track) => told[usize::from(track.codec.kind() == Kind::Audio)] = true,
                IngestOutput::Unit(unit) => {
                    assert!(told[usize::from(unit.kind == Kind::Audio)], "a unit before its track");
                    assert!(!unit.is_empty());
                    if unit.kind == Kind::Video {
                        assert!(unit.dts > last_dts, "time went back");
                        last_dts = unit.dts;
                    }
                }
                _ => {}
            }
        }
        let _ = (ingest.next_timer(), ingest.missing(10));
    }
    let _ = (ingest.stats(), ingest.report_blocks(Micros(now)));
    // A timer that is due gets done: a caller that loops on it must not spin.
    for _ in 0..100 {
        let Some(at) = ingest.next_timer() else { return };
        ingest.handle_timer(at);
    }
    panic!("the timer never stops");
}
