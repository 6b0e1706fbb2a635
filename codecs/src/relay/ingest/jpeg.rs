//! JPEG files in, access units of one MJPEG track out. Every picture stands for itself.

use bytes::Bytes;

use super::timeline::{SourceTime, VideoClock};
use super::{IngestOutput, Sink};
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::packet::jpeg::PLAIN_PROFILE;
use crate::packet::jpeg_file::{with_huffman, Picture};
use crate::time::Micros;

#[derive(Debug, Default)]
pub struct JpegTrack {
    params: Option<TrackParams>,
    generation: u32,
    clock: VideoClock,
    after_loss: bool,
}

impl JpegTrack {
    /// The next picture is not the one that came next.
    pub fn loss(&mut self) {
        self.after_loss = true;
    }

    /// The source's clock jumped.
    pub fn rebase(&mut self) {
        self.clock.rebase();
    }

    /// One file from SOI to EOI. One that can't be read is left out.
    pub fn push(&mut self, file: &Bytes, time: SourceTime, capture: Option<i64>, now: Micros, out: &mut Sink) {
        let Ok(picture) = Picture::parse(file) else {
            out.invalid += 1;
            self.after_loss = true;
            return;
        };
        self.announce(&picture, out);
        let (pts, dts) = self.clock.map(time, false, now, &mut out.mapping);
        out.push(IngestOutput::Unit(AccessUnit {
            kind: Kind::Video,
            nalus: vec![with_huffman(file, &picture)],
            pts,
            dts,
            key: true,
            after_loss: std::mem::take(&mut self.after_loss),
            arrival: now,
            capture_unix_us: capture,
        }));
    }

    fn announce(&mut self, picture: &Picture, out: &mut Sink) {
        let (width, height) = (u32::from(picture.width), u32::from(picture.height));
        let profile = if picture.plain.is_some() { PLAIN_PROFILE } else { "" };
        if let Some(p) = &self.params {
            if (p.width, p.height, p.profile.as_str()) == (width, height, profile) {
                return;
            }
            self.generation += 1;
        }
        let params = TrackParams {
            codec: Codec::Mjpeg,
            clock_hz: 90_000,
            generation: self.generation,
            width,
            height,
            profile: profile.into(),
            profile_level_id: 0,
            b_frames: false,
            channels: 0,
            sample_rate_hz: 0,
            parameter_sets: Vec::new(),
        };
        self.params = Some(params.clone());
        out.push(IngestOutput::Track(params));
    }
}
