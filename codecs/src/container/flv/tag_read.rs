//! Bodies of audio and video tags in, tracks and units out. Plain FLV, Enhanced RTMP v1 and v2, and the codec id 12 that
//! Chinese encoders use for H.265.

use bytes::Bytes;

use super::enhanced::{modifiers, parts, Kind, Part};
use super::{fourcc, Unwrap32};
use crate::bytes::Reader;
use crate::container::records::{parse_asc, parse_avcc, parse_hvcc, VideoConfig};
use crate::container::tracks::{Stamp, Tracks};
use crate::container::Found;
use crate::error::ParseError;
use crate::hub::unit::Codec;
use crate::packet::aac;
use crate::time::Micros;

/// Ticks of 90 kHz in a millisecond.
const MS: i64 = 90;

/// PacketType of enhanced video (Enhanced RTMP v2, "Enhanced Video").
mod video {
    pub const SEQUENCE_START: u8 = 0;
    pub const CODED_FRAMES: u8 = 1;
    pub const CODED_FRAMES_X: u8 = 3;
    pub const METADATA: u8 = 4;
    pub const KIND: super::Kind = super::Kind { multitrack: 6, mod_ex: 7 };
    /// FrameType: no picture but an order to the player.
    pub const COMMAND_FRAME: u8 = 5;
}

/// AudioPacketType of enhanced audio.
mod audio {
    pub const SEQUENCE_START: u8 = 0;
    pub const CODED_FRAMES: u8 = 1;
    pub const KIND: super::Kind = super::Kind { multitrack: 5, mod_ex: 7 };
}

#[derive(Debug, Default)]
pub struct TagReader {
    tracks: Tracks,
    video: Option<VideoConfig>,
    aac: Option<aac::Config>,
    /// Of the first video and the first audio track that came; others are left out. What has no number is track 0.
    track_ids: [Option<u8>; 2],
    times: [Unwrap32; 2],
    said: [Option<&'static str>; 2],
}

impl TagReader {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn dropped_units(&self) -> u64 {
        self.tracks.dropped_units()
    }

    /// A video tag's body; `time` in milliseconds modulo 2³². What can't be read is told as a problem and left out.
    pub fn video(&mut self, time: u32, body: &Bytes, now: Micros, out: &mut Vec<Found>) {
        let at = self.times[0].unwrap(time) * MS;
        if self.read_video(at, body, now, out).is_err() {
            self.tracks.lost(now, out);
            self.tracks.problem("flv-broken-tag", "a video tag does not hold what it says".into(), now, out);
        }
    }

    /// The same for audio.
    pub fn audio(&mut self, time: u32, body: &Bytes, now: Micros, out: &mut Vec<Found>) {
        let at = self.times[1].unwrap(time) * MS;
        if self.read_audio(at, body, now, out).is_err() {
            self.tracks.lost_audio();
            self.tracks.problem("flv-broken-tag", "an audio tag does not hold what it says".into(), now, out);
        }
    }

    fn unsupported(&mut self, k: usize, name: &'static str, now: Micros, out: &mut Vec<Found>) {
        // Said once for each codec: the state lasts, and so does its word.
        if self.said[k].replace(name) == Some(name) {
            return;
        }
        let code = match (name, k) {
            ("AV1", _) => "av1",
            (_, 0) => "codec-unsupported",
            _ => "audio-unsupported",
        };
        self.tracks.problem(code, name.to_owned(), now, out);
    }

    /// The first track of its kind that came. Encoders send the first of several without a number, as plain FLV where
    /// it has the codec (Enhanced RTMP v2, "Multitrack": the default track is 0).
    fn takes(&mut self, k: usize, track: Option<u8>) -> bool {
        let track = track.unwrap_or(0);
        *self.track_ids[k].get_or_insert(track) == track
    }

    // ── video ──

    fn read_video(&mut self, at: i64, body: &Bytes, now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        let mut r = Reader::new(body);
        if r.is_empty() {
            return Ok(());
        }
        let first = r.u8()?;
        if first & 0x80 != 0 {
            return self.enhanced_video(at, first, r, body, now, out);
        }
        if first >> 4 == video::COMMAND_FRAME {
            return Ok(());
        }
        let codec = match first & 15 {
            7 => Codec::H264,
            // Not of Adobe: agreed among Chinese encoders and CDNs before Enhanced RTMP.
            12 => Codec::H265,
            other => {
                let name = match other {
                    2 => "Sorenson H.263",
                    3 | 6 => "Screen video",
                    4 | 5 => "VP6",
                    8 => "H.263",
                    9 => "MPEG-4 part 2",
                    13 => "AV1",
                    14 => "VP8",
                    15 => "VP9",
                    _ => "FLV: ?",
                };
                self.unsupported(0, name, now, out);
                return Ok(());
            }
        };
        if !self.takes(0, None) {
            return Ok(());
        }
        let kind = r.u8()?;
        let offset = signed_24(&mut r)?;
        match kind {
            0 => self.video_config(codec, &rest(&r, body)),
            1 => self.picture(codec, at, offset, rest(&r, body), now, out),
            _ => Ok(()),
        }
    }

    fn enhanced_video(
        &mut self,
        at: i64,
        first: u8,
        mut r: Reader,
        body: &Bytes,
        now: Micros,
        out: &mut Vec<Found>,
    ) -> Result<(), ParseError> {
        let frame_type = first >> 4 & 7;
        let packet = modifiers(&mut r, first & 15, video::KIND.mod_ex)?;
        if packet != video::METADATA && frame_type == video::COMMAND_FRAME {
            return Ok(());
        }
        for part in parts(&mut r, body, packet, &video::KIND)? {
            if self.takes(0, part.track) {
                self.enhanced_picture(at, part, now, out)?;
            }
        }
        Ok(())
    }

    fn enhanced_picture(&mut self, at: i64, part: Part, now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        let data = part.data;
        let codec = match part.codec {
            fourcc::AVC => Codec::H264,
            fourcc::HEVC => Codec::H265,
            other => {
                let name = match &other {
                    &fourcc::AV1 => "AV1",
                    b"vp08" => "VP8",
                    b"vp09" => "VP9",
                    b"vvc1" => "H.266",
                    _ => "Enhanced RTMP: ?",
                };
                self.unsupported(0, name, now, out);
                return Ok(());
            }
        };
        match part.packet {
            video::SEQUENCE_START => self.video_config(codec, &data),
            video::CODED_FRAMES => {
                let mut r = Reader::new(&data);
                let offset = signed_24(&mut r)?;
                self.picture(codec, at, offset, rest(&r, &data), now, out)
            }
            video::CODED_FRAMES_X => self.picture(codec, at, 0, data, now, out),
            _ => Ok(()),
        }
    }

    fn video_config(&mut self, codec: Codec, record: &Bytes) -> Result<(), ParseError> {
        // Some encoders send an empty one before the real one.
        if record.is_empty() {
            return Ok(());
        }
        let config = if codec == Codec::H264 { parse_avcc(record)? } else { parse_hvcc(record)? };
        self.said[0] = None;
        self.tracks.parameter_sets(codec, config.sets.iter().cloned());
        self.video = Some(config);
        Ok(())
    }

    fn picture(
        &mut self,
        codec: Codec,
        at: i64,
        offset_ms: i64,
        data: Bytes,
        now: Micros,
        out: &mut Vec<Found>,
    ) -> Result<(), ParseError> {
        if data.is_empty() {
            return Ok(());
        }
        let stamp = Stamp::new(at + offset_ms * MS, at);
        let length_bytes = self.video.as_ref().map_or(4, |c| c.length_bytes);
        // Byte stream format where lengths belong: 00 00 00 01 would be a NAL unit of one byte.
        if data.starts_with(&[0, 0, 0, 1]) {
            self.tracks.annexb(codec, &data, stamp, false, now, out);
            return Ok(());
        }
        self.tracks.length_prefixed(codec, &data, length_bytes, stamp, now, out)
    }

    // ── audio ──

    fn read_audio(&mut self, at: i64, body: &Bytes, now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        let mut r = Reader::new(body);
        if r.is_empty() {
            return Ok(());
        }
        let first = r.u8()?;
        let carried = matches!(first >> 4, 7 | 8 | 10 | 13);
        if carried && !self.takes(1, None) {
            return Ok(());
        }
        let name = match first >> 4 {
            9 => return self.enhanced_audio(at, first, r, body, now, out),
            10 => {
                let kind = r.u8()?;
                return self.aac(kind == 0, at, rest(&r, body), now, out);
            }
            7 => return self.sound(Codec::Pcma, at, rest(&r, body), now, out),
            8 => return self.sound(Codec::Pcmu, at, rest(&r, body), now, out),
            // Not of Adobe: Chinese CDNs' Opus, laid out as AAC is.
            13 => {
                let kind = r.u8()?;
                return if kind == 0 { Ok(()) } else { self.sound(Codec::Opus, at, rest(&r, body), now, out) };
            }
            0 | 3 => "PCM",
            1 => "ADPCM",
            2 | 14 => "MP3",
            4..=6 => "Nellymoser",
            11 => "Speex",
            _ => "FLV: ?",
        };
        self.unsupported(1, name, now, out);
        Ok(())
    }

    fn enhanced_audio(
        &mut self,
        at: i64,
        first: u8,
        mut r: Reader,
        body: &Bytes,
        now: Micros,
        out: &mut Vec<Found>,
    ) -> Result<(), ParseError> {
        let packet = modifiers(&mut r, first & 15, audio::KIND.mod_ex)?;
        for part in parts(&mut r, body, packet, &audio::KIND)? {
            if self.takes(1, part.track) {
                self.enhanced_sound(at, part, now, out)?;
            }
        }
        Ok(())
    }

    fn enhanced_sound(&mut self, at: i64, part: Part, now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        let begins = part.packet == audio::SEQUENCE_START;
        if !begins && part.packet != audio::CODED_FRAMES {
            return Ok(());
        }
        let data = part.data;
        match &part.codec {
            &fourcc::AAC => self.aac(begins, at, data, now, out),
            &fourcc::OPUS if begins => Ok(()),
            &fourcc::OPUS => self.sound(Codec::Opus, at, data, now, out),
            other => {
                let name = match other {
                    b".mp3" => "MP3",
                    b"fLaC" => "FLAC",
                    b"ac-3" => "AC-3",
                    b"ec-3" => "E-AC-3",
                    _ => "Enhanced RTMP: ?",
                };
                self.unsupported(1, name, now, out);
                Ok(())
            }
        }
    }

    fn aac(&mut self, config: bool, at: i64, data: Bytes, now: Micros, out: &mut Vec<Found>) -> Result<(), ParseError> {
        if data.is_empty() {
            return Ok(());
        }
        if config {
            self.aac = Some(parse_asc(&data)?);
            self.said[1] = None;
            return Ok(());
        }
        // ADTS where raw frames belong; it says its own configuration.
        if let (Some(config), frames) = aac::split_adts(&data) {
            let frames = frames.iter().map(|f| data.slice_ref(f)).collect::<Vec<_>>();
            self.tracks.aac(config, frames, Stamp::at(at), now, out);
            return Ok(());
        }
        match self.aac {
            Some(config) if data.len() <= aac::MAX_FRAME_BYTES => {
                self.tracks.aac(config, [data], Stamp::at(at), now, out);
                Ok(())
            }
            Some(_) => Err(ParseError::new("AAC frame too long", 0)),
            // Its configuration was missed or is still to come.
            None => Ok(()),
        }
    }

    fn sound(
        &mut self,
        codec: Codec,
        at: i64,
        data: Bytes,
        now: Micros,
        out: &mut Vec<Found>,
    ) -> Result<(), ParseError> {
        if data.len() > aac::MAX_FRAME_BYTES {
            return Err(ParseError::new("audio frame too long", 0));
        }
        self.said[1] = None;
        self.tracks.audio(codec, data, Stamp::at(at), now, out);
        Ok(())
    }
}

fn rest(r: &Reader, body: &Bytes) -> Bytes {
    body.slice(r.position()..)
}

/// SI24, a composition offset in milliseconds.
fn signed_24(r: &mut Reader) -> Result<i64, ParseError> {
    let b = r.take(3)?;
    Ok(i64::from(i32::from_be_bytes([b[0], b[1], b[2], 0]) >> 8))
}
