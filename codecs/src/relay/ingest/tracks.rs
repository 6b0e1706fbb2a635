//! The two tracks a leg can have, and how what a container holds is dealt to them.

use bytes::Bytes;

use super::audio::AudioTrack;
use super::jpeg::JpegTrack;
use super::mpeg2::Mpeg2Track;
use super::timeline::{Mapping, SourceTime};
use super::video::{Origin, VideoTrack};
use super::Sink;
use crate::hub::unit::Codec;
use crate::mpeg::{stream_type, EsChunk};
use crate::packet::sync_frames::Splitter;
use crate::packet::{aac, annexb, latm, nalus::MAX_NALUS};
use crate::time::Micros;

#[derive(Debug, Default)]
pub struct Tracks {
    pub video: VideoTrack,
    pub audio: AudioTrack,
    /// In place of `video` where the source sends MJPEG.
    pub jpeg: JpegTrack,
    /// The same for MPEG-2.
    pub mpeg2: Mpeg2Track,
    latm: latm::Depacketizer,
    splitter: Splitter,
}

impl Tracks {
    pub fn dropped_units(&self) -> u64 {
        self.video.dropped_units + self.audio.dropped_units + self.mpeg2.dropped_units
    }

    pub fn restart(&mut self) {
        self.video.restart();
        self.jpeg.loss();
        self.mpeg2.loss();
        self.splitter.clear();
        self.audio.loss();
    }

    /// The source's clock jumped: both tracks go on together, on what it says now.
    pub fn rebase(&mut self, out: &mut Sink) {
        self.video.rebase();
        self.jpeg.rebase();
        self.mpeg2.rebase();
        self.audio.rebase();
        out.mapping = Mapping::default();
    }

    pub fn raw_video(
        &mut self,
        nalus: Vec<Bytes>,
        time: SourceTime,
        damaged: bool,
        capture: Option<i64>,
        now: Micros,
        out: &mut Sink,
    ) {
        let damaged = damaged || nalus.is_empty();
        self.video.push(nalus, Origin { time, damaged, capture_unix_us: capture, now }, out);
    }

    /// `rtp`: the RTP timestamp in 90 kHz of the packets that carried it.
    pub fn chunk(&mut self, chunk: EsChunk, rtp: Option<i64>, capture: Option<i64>, now: Micros, out: &mut Sink) {
        let time = SourceTime { pts: chunk.pts, dts: chunk.dts, rtp };
        if !chunk.is_video() {
            return self.audio_chunk(chunk, time, capture, now, out);
        }
        let mpeg2 = matches!(chunk.stream_type, stream_type::MPEG1_VIDEO | stream_type::MPEG2_VIDEO);
        if mpeg2 && !self.video.known() && self.mpeg2.recognises(&chunk.data) {
            let origin = Origin { time, damaged: chunk.damaged, capture_unix_us: capture, now };
            return self.mpeg2.push(chunk.data, origin, out);
        }
        if (mpeg2 || matches!(chunk.stream_type, stream_type::SVAC_VIDEO | stream_type::MPEG4_VIDEO))
            && !self.video.known()
        {
            let name = match chunk.stream_type {
                stream_type::SVAC_VIDEO => "SVAC",
                stream_type::MPEG4_VIDEO => "MPEG-4 part 2",
                _ => "?",
            };
            let detail = format!("{name} (stream_type 0x{:02x})", chunk.stream_type);
            out.problem("codec-unsupported", detail, now);
        }
        if chunk.damaged {
            // Where bytes are missing NAL units run into each other: not even parameter sets are believed.
            return self.video.push(Vec::new(), Origin { time, damaged: true, capture_unix_us: capture, now }, out);
        }
        let nalus = annexb::nalus(&chunk.data).take(MAX_NALUS).map(|r| chunk.data.slice(r)).collect::<Vec<_>>();
        let damaged = nalus.is_empty();
        self.video.push(nalus, Origin { time, damaged, capture_unix_us: capture, now }, out);
    }

    fn audio_chunk(&mut self, chunk: EsChunk, time: SourceTime, capture: Option<i64>, now: Micros, out: &mut Sink) {
        if chunk.damaged {
            self.splitter.clear();
            return self.audio.loss();
        }
        let framed = match chunk.stream_type {
            stream_type::MPEG1_AUDIO | stream_type::MPEG2_AUDIO => Some(Codec::Mp2),
            stream_type::AC3 => Some(Codec::Ac3),
            stream_type::EAC3 => Some(Codec::Eac3),
            _ => None,
        };
        if let Some(codec) = framed {
            return self.framed(codec, &chunk.data, time, capture, now, out);
        }
        if chunk.stream_type == stream_type::AAC_LATM {
            return self.latm(&chunk.data, time, capture, now, out);
        }
        if let Some((config, frames)) = adts_only(&chunk.data) {
            let frames = frames.into_iter().map(|f| chunk.data.slice_ref(f));
            return self.audio.push_aac(config, frames, time, capture, now, out);
        }
        let codec = match chunk.stream_type {
            // Nothing told, or a map that lies: G.711 A-law is what devices send (quirk 27).
            0 | stream_type::G711A => Codec::Pcma,
            stream_type::G711U => Codec::Pcmu,
            stream_type::OPUS => Codec::Opus,
            other => {
                let name = match other {
                    stream_type::AAC_ADTS => "AAC (raw)",
                    stream_type::G722_1 => "G.722.1",
                    stream_type::G723_1 => "G.723.1",
                    stream_type::G729 => "G.729",
                    stream_type::SVAC_AUDIO => "SVAC",
                    _ => "?",
                };
                let detail = format!("{name} (stream_type 0x{other:02x})");
                return out.problem("audio-unsupported", detail, now);
            }
        };
        self.audio.push(codec, chunk.data, time, capture, now, out);
    }
}

impl Tracks {
    /// Frames that tell their length themselves, as they come.
    pub fn framed(
        &mut self,
        codec: Codec,
        data: &[u8],
        time: SourceTime,
        capture: Option<i64>,
        now: Micros,
        out: &mut Sink,
    ) {
        let (frames, early) = self.splitter.push(codec, data);
        self.audio.push_framed(codec, frames, early, time, capture, now, out);
    }

    /// A piece of such frames is missing.
    pub fn framed_lost(&mut self) {
        self.splitter.clear();
        self.audio.loss();
    }

    /// AudioSyncStream frames, one behind the other.
    fn latm(&mut self, data: &[u8], time: SourceTime, capture: Option<i64>, now: Micros, out: &mut Sink) {
        let (mut at, mut time) = (0, time);
        while let Some(n) = latm::frame_bytes(&data[at..]).filter(|n| at + n <= data.len()) {
            match self.latm.push(&data[at..at + n]) {
                Ok(Some((config, frames))) => {
                    let time = std::mem::take(&mut time);
                    self.audio.push_aac(config, frames.into_iter(), time, capture, now, out);
                }
                Ok(None) => {}
                Err(error) => {
                    out.problem("audio-unsupported", format!("LATM: {}", error.what), now);
                    self.audio.loss();
                }
            }
            at += n;
        }
    }
}

/// Nothing but ADTS frames: one header alone may be chance.
fn adts_only(data: &[u8]) -> Option<(aac::Config, Vec<&[u8]>)> {
    let (config, frames) = aac::split_adts(data);
    let config = config?;
    let last = frames.last()?;
    let used = last.as_ptr() as usize + last.len() - data.as_ptr() as usize;
    (used == data.len() || frames.len() > 1).then_some((config, frames))
}
