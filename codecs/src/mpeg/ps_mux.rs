//! Frames in, program stream out, as GB/T 28181-2022 annex C packs it: one pack a video frame; system header and map
//! before key frames; large frames split over PES packets of which only the first has a PTS.

use bytes::Bytes;

use super::pes::PesHeader;
use super::psi::{ProgramStreamMap, Stream};

pub const VIDEO_ID: u8 = 0xe0;
pub const AUDIO_ID: u8 = 0xc0;
/// What fits one PES packet with room for its header.
const MAX_PES_BODY: usize = 65_400;
/// program_mux_rate in units of 50 bytes/s: 50 Mb/s, informative only.
const MUX_RATE: u32 = 125_000;

#[derive(Debug, Clone)]
pub struct PsMux {
    streams: Vec<Stream>,
}

impl PsMux {
    /// stream_type of video and audio (`super::stream_type`); `None` when the program has none.
    pub fn new(video: Option<u8>, audio: Option<u8>) -> Self {
        let video = video.map(|stream_type| Stream { id: u16::from(VIDEO_ID), stream_type });
        let audio = audio.map(|stream_type| Stream { id: u16::from(AUDIO_ID), stream_type });
        Self { streams: video.into_iter().chain(audio).collect() }
    }

    /// One picture as one pack. `nalus` without start codes; times in 90 kHz, wrapped to 33 bits here.
    pub fn video(&self, nalus: &[Bytes], pts: i64, dts: i64, key: bool) -> Vec<u8> {
        let (pts, dts) = (wrap33(pts), wrap33(dts));
        let total: usize = nalus.iter().map(|n| n.len() + 4).sum();
        let mut body = Vec::with_capacity(total);
        for nalu in nalus {
            body.extend_from_slice(&[0, 0, 0, 1]);
            body.extend_from_slice(nalu);
        }
        let mut out = Vec::with_capacity(total + 128 + total / MAX_PES_BODY * 9);
        pack_header(&mut out, dts);
        if key {
            self.system_header(&mut out);
            ProgramStreamMap::write(&mut out, &self.streams);
        }
        for (i, piece) in body.chunks(MAX_PES_BODY).enumerate() {
            let first = i == 0;
            PesHeader::write(&mut out, VIDEO_ID, first.then_some(pts), first.then_some(dts), piece.len());
            out.extend_from_slice(piece);
        }
        out
    }

    /// Audio as PES packets, without a pack of their own.
    pub fn audio(&self, frame: &[u8], pts: i64) -> Vec<u8> {
        let mut out = Vec::with_capacity(frame.len() + 16);
        for (i, piece) in frame.chunks(MAX_PES_BODY).enumerate() {
            PesHeader::write(&mut out, AUDIO_ID, (i == 0).then_some(wrap33(pts)), None, piece.len());
            out.extend_from_slice(piece);
        }
        out
    }

    /// §2.5.3.5.
    fn system_header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 0, 1, 0xbb]);
        out.extend_from_slice(&(6 + self.streams.len() as u16 * 3).to_be_bytes());
        let rate = MUX_RATE << 1 | 1 << 23;
        out.extend_from_slice(&[(rate >> 16) as u8, (rate >> 8) as u8, rate as u8 | 1]);
        out.extend_from_slice(&[0x04, 0xe1, 0x7f]); // one audio, one video; no restriction
        for s in &self.streams {
            // buffer bound: video in KiB (0xe0 | scale), audio in 128 bytes
            let bound: u16 = if s.id == u16::from(VIDEO_ID) { 0xe000 | 4096 } else { 0xc000 | 128 };
            out.push(s.id as u8);
            out.extend_from_slice(&bound.to_be_bytes());
        }
    }
}

fn wrap33(t: i64) -> u64 {
    t.rem_euclid(1 << 33) as u64
}

/// §2.5.3.3, without stuffing; the SCR extension is 0.
fn pack_header(out: &mut Vec<u8>, scr: u64) {
    out.extend_from_slice(&[0, 0, 1, 0xba]);
    let bits = 1u64 << 46
        | (scr >> 30 & 7) << 43
        | 1 << 42
        | (scr >> 15 & 0x7fff) << 27
        | 1 << 26
        | (scr & 0x7fff) << 11
        | 1 << 10
        | 1;
    out.extend_from_slice(&bits.to_be_bytes()[2..]);
    let rate = MUX_RATE << 2 | 3;
    out.extend_from_slice(&[(rate >> 16) as u8, (rate >> 8) as u8, rate as u8, 0xf8]);
}
