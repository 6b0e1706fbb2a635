//! MPEG transport stream out of units (ISO/IEC 13818-1): one programme with at most one picture and one sound.
//!
//! PAT and PMT every 100 ms and before key frames, SDT every second. PCR on the picture's PID with every picture, and
//! between pictures with sound, so that it comes every 40 ms where anything does. An access unit delimiter before each
//! picture, parameter sets before key frames. Output is whole packets.

use bytes::{Bytes, BytesMut};

use super::ts_packets::Packets;
use super::Writer;
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::mpeg::pes::PesHeader;
use crate::mpeg::sections::Section;
use crate::mpeg::stream_type;
use crate::packet::{aac, h264, h265};

const PMT_PID: u16 = 0x1000;
const SDT_PID: u16 = 0x11;
const PIDS: [u16; 2] = [0x100, 0x101];
const PROGRAM: u16 = 1;
/// 100 ms, less a picture.
const TABLES_EVERY: i64 = 5_400;
const SDT_EVERY: i64 = 90_000;
/// A picture's PCR is the only one where pictures come as often; else sound brings one in half that time, since its
/// frames are 20 ms and more.
const PCR_EVERY: i64 = 3_600;
/// Time stamps lie so far behind the PCR: what a decoder's buffer may hold, and what sound may lag the picture.
const DELAY: i64 = 27_000;
/// First PTS near this, so that nothing is negative.
const ORIGIN: i64 = 2 * 90_000;
/// A track that lags the other by more is late for its decoder.
const MAX_LAG: i64 = 5 * 90_000;

#[derive(Debug)]
pub struct TsWriter {
    tracks: [Option<TrackParams>; 2],
    /// Where each track is, in 90 kHz of the output.
    times: [Option<i64>; 2],
    origin: Option<i64>,
    packets: Packets,
    version: u8,
    service: String,
    last_tables: Option<i64>,
    last_sdt: Option<i64>,
    last_pcr: Option<i64>,
    /// Between the last two units of each track.
    steps: [i64; 2],
    /// How far one track's units lay behind the other's lately.
    lag: i64,
    now: i64,
}

impl Default for TsWriter {
    fn default() -> Self {
        Self::new("Fieldgate")
    }
}

impl TsWriter {
    /// `service`: its name in the SDT.
    pub fn new(service: &str) -> Self {
        Self {
            tracks: [None, None],
            times: [None; 2],
            origin: None,
            packets: Packets::default(),
            version: 0,
            service: service.chars().take(60).collect(),
            last_tables: None,
            last_sdt: None,
            last_pcr: None,
            steps: [PCR_EVERY; 2],
            lag: 0,
            now: 0,
        }
    }

    fn pcr_pid(&self) -> u16 {
        PIDS[usize::from(self.tracks[0].is_none())]
    }

    fn tables(&mut self, pcr: i64, force: bool, out: &mut BytesMut) {
        let due = |last: Option<i64>, every| last.is_none_or(|last| pcr - last >= every);
        if force || due(self.last_tables, TABLES_EVERY) {
            self.last_tables = Some(pcr);
            let pat = [PROGRAM.to_be_bytes(), (0xe000 | PMT_PID).to_be_bytes()].concat();
            let mut section = Vec::new();
            Section::write(&mut section, 0, 1, 0, &pat);
            self.packets.section(0, &section, out);
            section.clear();
            Section::write(&mut section, 2, PROGRAM, self.version, &self.map());
            self.packets.section(PMT_PID, &section, out);
        }
        if due(self.last_sdt, SDT_EVERY) {
            self.last_sdt = Some(pcr);
            let mut section = Vec::new();
            Section::write(&mut section, 0x42, 1, 0, &self.services());
            self.packets.section(SDT_PID, &section, out);
        }
    }

    fn map(&self) -> Vec<u8> {
        let mut out = (0xe000 | self.pcr_pid()).to_be_bytes().to_vec();
        out.extend_from_slice(&[0xf0, 0]);
        for (track, pid) in self.tracks.iter().zip(PIDS) {
            let Some(track) = track else { continue };
            let opus = [5, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80, track.channels.clamp(1, 2)];
            let (kind, descriptors): (u8, &[u8]) = match track.codec {
                Codec::H264 => (stream_type::H264, &[]),
                Codec::H265 => (stream_type::H265, &[5, 4, b'H', b'E', b'V', b'C']),
                Codec::Aac => (stream_type::AAC_ADTS, &[]),
                _ => (6, &opus),
            };
            out.push(kind);
            out.extend_from_slice(&(0xe000 | pid).to_be_bytes());
            out.extend_from_slice(&(0xf000 | descriptors.len() as u16).to_be_bytes());
            out.extend_from_slice(descriptors);
        }
        out
    }

    fn services(&self) -> Vec<u8> {
        let provider = b"Fieldgate";
        // 0x15: UTF-8 (EN 300 468 annex A.2)
        let name = [&[0x15], self.service.as_bytes()].concat();
        let (p, n) = (provider.len() as u8, name.len().min(200) as u8);
        let descriptor = [&[0x48, 3 + p + n, 1, p][..], provider, &[n], &name[..usize::from(n)]].concat();
        let head = [0, 1, 0xff, 0, PROGRAM as u8, 0xfc, 0x80, descriptor.len() as u8];
        [&head[..], &descriptor].concat()
    }

    /// What a PCR says with a unit of this time: behind every time stamp still to come, as far as the tracks lag each
    /// other. It goes with the pictures; between two of them sound moves it on.
    fn clock(&mut self, k: usize, dts: i64, step: i64) -> i64 {
        let newest = self.times.iter().flatten().max().copied().unwrap_or(dts);
        self.lag = (self.lag - self.lag / 1024).max(newest - dts).min(MAX_LAG);
        self.now = match (k, self.times[0]) {
            (1, Some(picture)) => (self.now + step).min(picture + self.steps[0]),
            _ => dts,
        };
        let at = self.now - DELAY.max(self.lag + DELAY / 3);
        self.last_pcr.map_or(at, |last| at.max(last + 1))
    }

    fn pes(&mut self, k: usize, body: &[Bytes], stamps: (i64, i64), key: bool, pcr: Option<i64>, out: &mut BytesMut) {
        let len: usize = body.iter().map(Bytes::len).sum();
        let opus = self.tracks[k].as_ref().is_some_and(|t| t.codec == Codec::Opus);
        let stream_id = if k == 0 {
            0xe0
        } else if opus {
            0xbd
        } else {
            0xc0
        };
        let bits33 = |t: i64| Some(t as u64 & ((1 << 33) - 1));
        let mut header = Vec::with_capacity(32);
        PesHeader::write(&mut header, stream_id, bits33(stamps.0), bits33(stamps.1), len);
        // data_alignment_indicator
        header[6] |= 4;
        let random = key && k == 0;
        self.packets.pes(PIDS[k], &header, body, random, pcr, out);
    }

    fn video(&mut self, unit: &AccessUnit) -> Vec<Bytes> {
        const CODE: Bytes = Bytes::from_static(&[0, 0, 0, 1]);
        let Some(track) = &self.tracks[0] else { return Vec::new() };
        let h264 = track.codec == Codec::H264;
        let delimiter = |n: &Bytes| match h264 {
            true => h264::nal_type(n) == h264::AUD,
            false => h265::nal_type(n) == h265::AUD,
        };
        let is_set = |n: &Bytes| match h264 {
            true => h264::nal_type(n) == h264::SPS,
            false => h265::nal_type(n) == h265::SPS,
        };
        let nalus = unit.nalus.iter().filter(|n| !n.is_empty());
        let mut out = Vec::with_capacity(2 * unit.nalus.len() + 8);
        let own = nalus.clone().next().filter(|n| delimiter(n)).cloned();
        out.push(CODE);
        // primary_pic_type, pic_type: any slice types
        let any: &'static [u8] = if h264 { &[0x09, 0xf0] } else { &[0x46, 0x01, 0x50] };
        out.push(own.unwrap_or(Bytes::from_static(any)));
        if unit.key && !nalus.clone().any(is_set) {
            out.extend(track.parameter_sets.iter().flat_map(|set| [CODE, set.clone()]));
        }
        out.extend(nalus.filter(|n| !delimiter(n)).flat_map(|n| [CODE, n.clone()]));
        out
    }

    fn audio(&self, unit: &AccessUnit) -> Vec<Bytes> {
        let Some(track) = &self.tracks[1] else { return Vec::new() };
        let frames = unit.nalus.iter().filter(|n| !n.is_empty());
        if track.codec == Codec::Opus {
            return frames.flat_map(|f| [opus_header(f.len()), f.clone()]).collect();
        }
        let config = track.parameter_sets.first().and_then(|asc| aac::Config::parse(asc).ok());
        let config = config.unwrap_or(aac::Config {
            object_type: 2,
            sample_rate_hz: track.sample_rate_hz,
            channels: track.channels,
        });
        frames.filter_map(|f| Some([config.adts_header(f.len())?, f.clone()])).flatten().collect()
    }
}

/// Control header of Opus in TS: prefix, and the size in runs of 255.
fn opus_header(mut size: usize) -> Bytes {
    let mut out = vec![0x7f, 0xe0];
    while size >= 255 {
        out.push(255);
        size -= 255;
    }
    out.push(size as u8);
    out.into()
}

impl Writer for TsWriter {
    fn carries(&self, codec: Codec) -> bool {
        matches!(codec, Codec::H264 | Codec::H265 | Codec::Aac | Codec::Opus)
    }

    /// FFmpeg's reader goes on to decode the first codec whatever the tables say of its PID.
    fn is_followed(&self) -> bool {
        false
    }

    fn track(&mut self, params: &TrackParams, _out: &mut BytesMut) {
        let k = usize::from(params.codec.kind() == Kind::Audio);
        let shape = |p: &TrackParams| (p.codec, p.channels);
        if self.tracks[k].as_ref().map(shape) != Some(shape(params)) {
            self.version = (self.version + 1) & 31;
            self.last_tables = None;
        }
        self.tracks[k] = Some(params.clone());
    }

    fn unit(&mut self, unit: &AccessUnit, out: &mut BytesMut) {
        let k = usize::from(unit.kind == Kind::Audio);
        let Some(track) = self.tracks[k].as_ref().filter(|t| self.carries(t.codec)) else { return };
        let hz = i128::from(track.clock_hz.max(1));
        let ticks = |t: i64| (i128::from(t) * 90_000 / hz) as i64;
        let origin = *self.origin.get_or_insert(ORIGIN - ticks(unit.dts));
        let (pts, dts) = (ticks(unit.pts) + origin, ticks(unit.dts) + origin);
        let body = if k == 0 { self.video(unit) } else { self.audio(unit) };
        if body.is_empty() {
            return;
        }
        let step = self.times[k].replace(dts).map_or(0, |last| (dts - last).clamp(0, SDT_EVERY));
        self.steps[k] = if step > 0 { step } else { self.steps[k] };
        let pcr = self.clock(k, dts, step);
        self.tables(pcr, k == 0 && unit.key, out);
        let own = self.pcr_pid() == PIDS[k];
        let every = if self.steps[0] <= PCR_EVERY { PCR_EVERY } else { PCR_EVERY / 2 - 100 };
        let due = self.last_pcr.is_none_or(|last| pcr - last >= every);
        if own || due {
            self.last_pcr = Some(pcr);
        }
        if due && !own {
            self.packets.clock(self.pcr_pid(), pcr, out);
        }
        self.pes(k, &body, (pts, dts), unit.key, own.then_some(pcr), out);
    }
}
