//! Access units in, bodies of audio and video tags out, with the sequence headers that decoders want before them.

use bytes::{BufMut, Bytes, BytesMut};

use super::fourcc;
use crate::container::records::{asc, avcc, hvcc, opus_head};
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::packet::{h264, h265};

/// One tag: 8 audio, 9 video (as RTMP's message types).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    pub kind: u8,
    /// Milliseconds since the first unit.
    pub time: u32,
    pub body: Bytes,
}

pub const AUDIO: u8 = 8;
pub const VIDEO: u8 = 9;

#[derive(Debug)]
pub struct TagWriter {
    enhanced: bool,
    tracks: [Option<TrackParams>; 2],
    /// The sequence header is to be sent before the next unit.
    fresh: [bool; 2],
    /// Microseconds of the stream that are time 0 here.
    base_us: Option<i64>,
    last: [u32; 2],
}

impl TagWriter {
    /// `enhanced`: H.265 and Opus may be sent, by Enhanced RTMP.
    pub fn new(enhanced: bool) -> Self {
        Self { enhanced, tracks: [None, None], fresh: [false; 2], base_us: None, last: [0; 2] }
    }

    pub fn carries(&self, codec: Codec) -> bool {
        match codec {
            Codec::H264 | Codec::Aac | Codec::Pcma | Codec::Pcmu => true,
            Codec::H265 | Codec::Opus => self.enhanced,
            _ => false,
        }
    }

    pub fn track(&mut self, params: &TrackParams) {
        let k = usize::from(params.codec.kind() == Kind::Audio);
        if self.carries(params.codec) && self.tracks[k].as_ref() != Some(params) {
            self.tracks[k] = Some(params.clone());
            self.fresh[k] = true;
        }
    }

    pub fn params(&self, kind: Kind) -> Option<&TrackParams> {
        self.tracks[usize::from(kind == Kind::Audio)].as_ref()
    }

    /// The tags of one unit: its sequence header where that is due, and itself.
    pub fn unit(&mut self, unit: &AccessUnit, out: &mut Vec<Tag>) {
        let k = usize::from(unit.kind == Kind::Audio);
        let Some(params) = &self.tracks[k] else { return };
        let us = |ticks: i64| (i128::from(ticks) * 1_000_000 / i128::from(params.clock_hz.max(1))) as i64;
        let base = *self.base_us.get_or_insert(us(unit.dts));
        // Never back: sound that lies before the picture that began waits at 0.
        let time = ((us(unit.dts) - base).max(0) / 1000) as u32;
        let time = if time.wrapping_sub(self.last[k]) < 1 << 31 { time } else { self.last[k] };
        let offset = ((us(unit.pts) - us(unit.dts) + 500) / 1000).clamp(-0x80_0000, 0x7f_ffff);
        let kind = if k == 1 { AUDIO } else { VIDEO };
        if self.fresh[k] {
            // Parameter sets may still be to come: until then there is nothing a player could begin with.
            let Some(body) = header(params) else { return };
            self.fresh[k] = false;
            if !body.is_empty() {
                out.push(Tag { kind, time, body });
            }
        }
        self.last[k] = time;
        let body = if k == 1 { sound(params.codec, unit) } else { picture(params.codec, unit, offset as i32) };
        if let Some(body) = body {
            out.push(Tag { kind, time, body });
        }
    }
}

/// The sequence header: empty for codecs without, `None` while it can't be said.
fn header(params: &TrackParams) -> Option<Bytes> {
    let mut out = BytesMut::new();
    match params.codec {
        Codec::H264 => {
            out.put_slice(&[0x17, 0, 0, 0, 0]);
            out.put_slice(&avcc(params)?);
        }
        Codec::H265 => {
            out.put_u8(0x90);
            out.put_slice(&fourcc::HEVC);
            out.put_slice(&hvcc(params)?);
        }
        Codec::Aac => {
            out.put_slice(&[0xaf, 0]);
            out.put_slice(&asc(params)?);
        }
        Codec::Opus => {
            out.put_u8(0x90);
            out.put_slice(&fourcc::OPUS);
            out.put_slice(&opus_head(params));
        }
        _ => {}
    }
    Some(out.freeze())
}

/// Parameter sets stand in the sequence header and access unit delimiters mean nothing here: left out.
fn stays(codec: Codec, nalu: &[u8]) -> bool {
    match codec {
        Codec::H264 => !nalu.is_empty() && !(h264::SPS..=h264::FILLER).contains(&h264::nal_type(nalu)),
        _ => nalu.len() > 2 && !(h265::VPS..=h265::FILLER).contains(&h265::nal_type(nalu)),
    }
}

fn picture(codec: Codec, unit: &AccessUnit, offset_ms: i32) -> Option<Bytes> {
    let nalus = || unit.nalus.iter().filter(|n| stays(codec, n));
    let size: usize = nalus().map(|n| n.len() + 4).sum();
    if size == 0 {
        return None;
    }
    let mut out = BytesMut::with_capacity(size + 8);
    let frame_type = if unit.key { 1 } else { 2 };
    match (codec, offset_ms) {
        (Codec::H264, _) => out.put_slice(&[frame_type << 4 | 7, 1]),
        (_, 0) => out.put_u8(0x80 | frame_type << 4 | 3),
        _ => out.put_u8(0x80 | frame_type << 4 | 1),
    }
    if codec == Codec::H265 {
        out.put_slice(&fourcc::HEVC);
    }
    if codec == Codec::H264 || offset_ms != 0 {
        out.put_int(i64::from(offset_ms), 3);
    }
    for nalu in nalus() {
        out.put_u32(nalu.len() as u32);
        out.put_slice(nalu);
    }
    Some(out.freeze())
}

fn sound(codec: Codec, unit: &AccessUnit) -> Option<Bytes> {
    let data = unit.nalus.first().filter(|d| !d.is_empty())?;
    let mut out = BytesMut::with_capacity(data.len() + 5);
    match codec {
        Codec::Aac => out.put_slice(&[0xaf, 1]),
        Codec::Pcma => out.put_u8(0x72),
        Codec::Pcmu => out.put_u8(0x82),
        _ => {
            out.put_u8(0x91);
            out.put_slice(&fourcc::OPUS);
        }
    }
    out.put_slice(data);
    Some(out.freeze())
}
