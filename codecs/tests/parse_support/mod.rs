//! Bitstreams made by hand, real ones from tests/vectors/media, and small helpers for the parser tests.
#![allow(dead_code)]

use bytes::Bytes;
use codecs::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use codecs::relay::ingest::{Ingest, IngestOutput};
use codecs::rtp::header::RtpHeader;
use codecs::time::Micros;

/// xorshift64*: the same numbers every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.u64() % n.max(1) as u64) as usize
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.u64() as u8).collect()
    }
}

pub fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/../tests/vectors/media/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// NAL units of an Annex B vector.
pub fn nalus(data: &[u8]) -> Vec<Bytes> {
    codecs::packet::annexb::nalus(data).map(|r| Bytes::copy_from_slice(&data[r])).collect()
}

/// Access units of a vector with one slice per picture.
pub fn pictures(codec: Codec, data: &[u8]) -> Vec<Vec<Bytes>> {
    let mut out = vec![Vec::new()];
    for nalu in nalus(data) {
        let vcl = match codec {
            Codec::H264 => matches!(nalu[0] & 31, 1..=5),
            _ => nalu[0] >> 1 & 63 < 32,
        };
        out.last_mut().unwrap().push(nalu);
        if vcl {
            out.push(Vec::new());
        }
    }
    out.retain(|p| !p.is_empty());
    out
}

#[derive(Default)]
pub struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    pub fn u(&mut self, count: u32, value: u32) -> &mut Self {
        (0..count).rev().for_each(|i| self.bits.push(value >> i & 1 == 1));
        self
    }

    pub fn ue(&mut self, value: u32) -> &mut Self {
        let code = u64::from(value) + 1;
        let len = 63 - code.leading_zeros();
        self.u(len, 0);
        (0..=len).rev().for_each(|i| self.bits.push(code >> i & 1 == 1));
        self
    }

    pub fn se(&mut self, value: i32) -> &mut Self {
        self.ue(if value > 0 { value as u32 * 2 - 1 } else { (-value) as u32 * 2 })
    }

    /// With stop bit and emulation prevention.
    pub fn nalu(&self, header: &[u8]) -> Bytes {
        let mut bits = self.bits.clone();
        bits.push(true);
        bits.resize(bits.len().div_ceil(8) * 8, false);
        let raw = bits.chunks(8).map(|b| b.iter().fold(0u8, |v, bit| v << 1 | u8::from(*bit)));
        let (mut out, mut zeros) = (header.to_vec(), 0);
        for byte in raw {
            if zeros >= 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            out.push(byte);
            zeros = if byte == 0 { zeros + 1 } else { 0 };
        }
        out.into()
    }
}

/// Baseline or high, 4:2:0, frame_num of 4 bits, POC type 2 or, interlaced, 0.
pub fn h264_sps(profile: u8, level: u8, width: u32, height: u32, interlaced: bool) -> Bytes {
    let mut w = BitWriter::default();
    w.u(8, profile.into()).u(8, 0).u(8, level.into()).ue(0);
    if profile == 100 {
        w.ue(1).ue(0).ue(0).u(2, 0);
    }
    let fields = if interlaced { 2 } else { 1 };
    let (mbs_x, mbs_y) = (width.div_ceil(16), height.div_ceil(16 * fields));
    w.ue(0).ue(2).ue(1).u(1, 0).ue(mbs_x - 1).ue(mbs_y - 1).u(1, u32::from(!interlaced));
    if interlaced {
        w.u(1, 0);
    }
    let (right, bottom) = ((mbs_x * 16 - width) / 2, (mbs_y * 16 * fields - height) / (2 * fields));
    w.u(1, 1).u(1, 1).ue(0).ue(right).ue(0).ue(bottom).u(1, 0);
    w.nalu(&[0x67])
}

pub fn h264_pps() -> Bytes {
    BitWriter::default().ue(0).ue(0).u(2, 0).ue(0).nalu(&[0x68])
}

/// A slice whose header is right and whose body is noise of `len` bytes without zeros.
pub fn h264_slice(idr: bool, first_mb: u32, slice_type: u32, frame_num: u32, len: usize) -> Bytes {
    let mut w = BitWriter::default();
    w.ue(first_mb).ue(slice_type).ue(0).u(4, frame_num & 15);
    body(&mut w, len, frame_num.wrapping_mul(31).wrapping_add(first_mb));
    w.nalu(&[if idr { 0x65 } else { 0x41 }])
}

fn body(w: &mut BitWriter, len: usize, seed: u32) {
    for i in 0..len as u32 {
        w.u(8, 1 + (i.wrapping_mul(7).wrapping_add(seed)) % 255);
    }
}

/// One I or P picture with its parameter sets.
pub fn h264_picture(key: bool, number: u32, len: usize) -> Vec<Bytes> {
    if key {
        return vec![h264_sps(66, 31, 640, 480, false), h264_pps(), h264_slice(true, 0, 7, number, len)];
    }
    vec![h264_slice(false, 0, 5, number, len)]
}

pub fn annexb(nalus: &[Bytes]) -> Vec<u8> {
    nalus.iter().flat_map(|n| [0u8, 0, 0, 1].into_iter().chain(n.iter().copied())).collect()
}

pub fn params(codec: Codec, parameter_sets: Vec<Bytes>) -> TrackParams {
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
        parameter_sets,
    }
}

pub fn unit(nalus: Vec<Bytes>, key: bool) -> AccessUnit {
    AccessUnit {
        kind: Kind::Video,
        nalus,
        pts: 0,
        dts: 0,
        key,
        after_loss: false,
        arrival: Micros(0),
        capture_unix_us: None,
    }
}

/// Makes RTP packets with one sequence.
pub struct Sender {
    pub seq: u16,
    pub ssrc: u32,
    pub pt: u8,
}

impl Sender {
    pub fn new(ssrc: u32) -> Self {
        Self { seq: 65_500, ssrc, pt: 96 }
    }

    pub fn packet(&mut self, ts: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
        let header = RtpHeader { marker, pt: self.pt, seq: self.seq, ts, ssrc: self.ssrc };
        self.seq = self.seq.wrapping_add(1);
        header.packet(payload)
    }

    /// `data` in packets of at most `size`, the last one marked if `marker`.
    pub fn pieces(&mut self, ts: u32, data: &[u8], size: usize, marker: bool) -> Vec<Vec<u8>> {
        let count = data.chunks(size).len();
        data.chunks(size).enumerate().map(|(i, p)| self.packet(ts, marker && i + 1 == count, p)).collect()
    }
}

#[derive(Default)]
pub struct Outputs {
    pub tracks: Vec<TrackParams>,
    pub video: Vec<AccessUnit>,
    pub audio: Vec<AccessUnit>,
    pub problems: Vec<&'static str>,
    pub wishes: usize,
    pub first_media: Vec<&'static str>,
}

impl Outputs {
    pub fn take(&mut self, ingest: &mut Ingest) {
        while let Some(output) = ingest.poll() {
            match output {
                IngestOutput::Track(t) => self.tracks.push(t),
                IngestOutput::Unit(u) if u.kind == Kind::Video => self.video.push(u),
                IngestOutput::Unit(u) => self.audio.push(u),
                IngestOutput::Klv(_) | IngestOutput::Programs(_) => {}
                IngestOutput::NeedKeyFrame => self.wishes += 1,
                IngestOutput::Problem { code, .. } => self.problems.push(code),
                IngestOutput::FirstMedia { payload } => self.first_media.push(payload),
            }
        }
    }
}
