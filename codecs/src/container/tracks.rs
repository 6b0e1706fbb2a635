//! What every reader ends in: pictures and sound as a container stored them go in, tracks and access units come out.
//! Where pictures begin, parameter sets, key frames, B-frames, loss and one continuous time are seen to here, the same
//! way as for RTP.
//!
//! A reader calls, for each sample in the order of the bytes, one of `annexb`, `length_prefixed`, `nalus` (video), `aac`
//! or `audio`; before that `parameter_sets` where the container has them apart (avcC, hvcC, sequence headers). Units of
//! a track never come before its `Found::Track`; video begins at a key frame; what is damaged never comes.

use bytes::Bytes;

use super::Found;
use crate::error::ParseError;
use crate::hub::unit::Codec;
use crate::mpeg::EsChunk;
use crate::packet::nalus::{MAX_NALUS, MAX_UNIT_BYTES};
use crate::packet::{aac, annexb};
use crate::relay::ingest::timeline::SourceTime;
use crate::relay::ingest::tracks::Tracks as Inner;
use crate::relay::ingest::{IngestOutput, Sink};
use crate::time::Micros;

/// The time of one sample as its container told it: 90 kHz ticks from any origin, never wrapping or wrapping at 33 bits.
/// `None`: not told. Say `dts` wherever the container has it, also where it equals `pts`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    pub pts: Option<i64>,
    pub dts: Option<i64>,
}

impl Stamp {
    /// Presentation and decoding time are the same.
    pub fn at(ticks: i64) -> Self {
        Self { pts: Some(ticks), dts: Some(ticks) }
    }

    pub fn new(pts: i64, dts: i64) -> Self {
        Self { pts: Some(pts), dts: Some(dts) }
    }

    /// `ticks` of a clock of `clock_hz`, in 90 kHz.
    pub fn to_90k(ticks: i64, clock_hz: u32) -> i64 {
        (i128::from(ticks) * 90_000 / i128::from(clock_hz.max(1))) as i64
    }

    fn source(self) -> SourceTime {
        let bits33 = |t: i64| t as u64 & ((1 << 33) - 1);
        SourceTime { pts: self.pts.or(self.dts).map(bits33), dts: self.dts.map(bits33), rtp: None }
    }
}

/// The one video and one audio track that a leg has.
#[derive(Debug, Default)]
pub struct Tracks {
    inner: Inner,
    sink: Sink,
}

impl Tracks {
    pub fn new() -> Self {
        Self::default()
    }

    /// (VPS,) SPS and PPS without start codes, from outside the samples. Also tells the codec, which may thereby change.
    /// They are used from the next key frame on.
    pub fn parameter_sets(&mut self, codec: Codec, sets: impl IntoIterator<Item = Bytes>) {
        self.inner.video.become_codec(codec);
        self.inner.video.preset(codec, sets.into_iter());
    }

    /// One picture in the byte stream format, or a piece of it. `codec` is what the container calls it; parameter sets in
    /// band overrule that. `damaged`: bytes of it are missing.
    pub fn annexb(
        &mut self,
        codec: Codec,
        data: &Bytes,
        stamp: Stamp,
        damaged: bool,
        now: Micros,
        out: &mut Vec<Found>,
    ) {
        let nalus = annexb::nalus(data).take(MAX_NALUS).map(|r| data.slice(r)).collect();
        self.nalus(codec, nalus, stamp, damaged, now, out);
    }

    /// One picture of length-prefixed NAL units (ISO/IEC 14496-15), `length_bytes` 1, 2 or 4. `Err`: the lengths do not
    /// fit; the picture counts as lost, the reader may go on.
    pub fn length_prefixed(
        &mut self,
        codec: Codec,
        data: &Bytes,
        length_bytes: usize,
        stamp: Stamp,
        now: Micros,
        out: &mut Vec<Found>,
    ) -> Result<(), ParseError> {
        match split_length_prefixed(data, length_bytes) {
            Ok(nalus) => {
                self.nalus(codec, nalus, stamp, false, now, out);
                Ok(())
            }
            Err(error) => {
                self.lost(now, out);
                Err(error)
            }
        }
    }

    /// One picture as NAL units without start codes; slices of one buffer.
    pub fn nalus(
        &mut self,
        codec: Codec,
        nalus: Vec<Bytes>,
        stamp: Stamp,
        damaged: bool,
        now: Micros,
        out: &mut Vec<Found>,
    ) {
        self.inner.video.suggest(codec);
        self.inner.raw_video(nalus, stamp.source(), damaged, None, now, &mut self.sink);
        self.give(out);
    }

    /// Raw AAC frames (no ADTS) that follow each other; `stamp` is the first one's.
    pub fn aac(
        &mut self,
        config: aac::Config,
        frames: impl IntoIterator<Item = Bytes>,
        stamp: Stamp,
        now: Micros,
        out: &mut Vec<Found>,
    ) {
        self.inner.audio.push_aac(config, frames.into_iter(), stamp.source(), None, now, &mut self.sink);
        self.give(out);
    }

    /// G.711, G.722 or one Opus packet. AAC goes through `aac`.
    pub fn audio(&mut self, codec: Codec, data: Bytes, stamp: Stamp, now: Micros, out: &mut Vec<Found>) {
        if !data.is_empty() {
            self.inner.audio.push(codec, data, stamp.source(), None, now, &mut self.sink);
            self.give(out);
        }
    }

    /// One JPEG file, from SOI to EOI.
    pub fn jpeg(&mut self, file: &Bytes, stamp: Stamp, now: Micros, out: &mut Vec<Found>) {
        self.inner.jpeg.push(file, stamp.source(), None, now, &mut self.sink);
        self.give(out);
    }

    /// A picture, or part of one, is missing before the next: what follows is marked up to the next key frame.
    pub fn lost(&mut self, now: Micros, out: &mut Vec<Found>) {
        self.inner.video.loss(now, &mut self.sink);
        self.give(out);
    }

    /// The same for sound.
    pub fn lost_audio(&mut self) {
        self.inner.audio.loss();
    }

    /// The container's clock jumped, or it began anew: the times to come lie behind the ones given out. Video goes on at
    /// its next key frame when `anew`.
    pub fn discontinuity(&mut self, anew: bool, out: &mut Vec<Found>) {
        if anew {
            self.inner.restart();
        }
        self.inner.rebase(&mut self.sink);
        out.push(Found::Discontinuity);
    }

    /// A frame, or a run of sound, as the demultiplexers of MPEG systems give it.
    pub fn chunk(&mut self, chunk: EsChunk, now: Micros, out: &mut Vec<Found>) {
        self.inner.chunk(chunk, None, None, now, &mut self.sink);
        self.give(out);
    }

    /// A `Found::Problem`, at most once a second and code.
    pub fn problem(&mut self, code: &'static str, detail: String, now: Micros, out: &mut Vec<Found>) {
        self.sink.problem(code, detail, now);
        self.give(out);
    }

    /// What was left out: pictures that are damaged or come before the first key frame, sound with nothing in it.
    pub fn dropped_units(&self) -> u64 {
        self.inner.dropped_units()
    }

    fn give(&mut self, out: &mut Vec<Found>) {
        for output in self.sink.queue.drain(..) {
            match output {
                IngestOutput::Track(params) => out.push(Found::Track(params)),
                IngestOutput::Unit(unit) => out.push(Found::Unit(unit)),
                IngestOutput::Problem { code, detail } => out.push(Found::Problem { code, detail }),
                IngestOutput::Klv(packet) => out.push(Found::Klv(packet)),
                IngestOutput::Programs(list) => out.push(Found::Programs(list)),
                IngestOutput::NeedKeyFrame | IngestOutput::FirstMedia { .. } => {}
            }
        }
    }
}

/// NAL units out of their length-prefixed form, without copying.
pub fn split_length_prefixed(data: &Bytes, length_bytes: usize) -> Result<Vec<Bytes>, ParseError> {
    let (mut nalus, mut at) = (Vec::new(), 0);
    if !matches!(length_bytes, 1 | 2 | 4) || data.len() > MAX_UNIT_BYTES {
        return Err(ParseError::new("NAL unit length size, or picture too large", 0));
    }
    while at < data.len() {
        let prefix = data.get(at..at + length_bytes).ok_or(ParseError::new("NAL unit length truncated", at))?;
        let len = prefix.iter().fold(0usize, |len, b| len << 8 | usize::from(*b));
        let start = at + length_bytes;
        let end = start.checked_add(len).filter(|end| *end <= data.len());
        at = end.ok_or(ParseError::new("NAL unit longer than its sample", at))?;
        if len > 0 {
            if nalus.len() == MAX_NALUS {
                return Err(ParseError::new("too many NAL units", start));
            }
            nalus.push(data.slice(start..at));
        }
    }
    Ok(nalus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_prefixed_is_split_or_refused() {
        let data = Bytes::from_static(&[0, 0, 0, 2, 0x65, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9]);
        let nalus = split_length_prefixed(&data, 4).unwrap();
        assert_eq!(nalus, [Bytes::from_static(&[0x65, 1]), Bytes::from_static(&[9])]);
        for cut in [1, 5, 11, 14] {
            assert!(split_length_prefixed(&data.slice(..cut), 4).is_err());
        }
        assert!(split_length_prefixed(&data, 3).is_err());
        assert!(split_length_prefixed(&Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1]), 4).is_err());
    }

    #[test]
    fn b_frames_of_a_container_keep_their_times() {
        // An SPS of 320x240 High, its PPS, an I picture and what follows: only slice types matter here.
        let sps = Bytes::from_static(&[
            0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
            0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
        ]);
        let pps = Bytes::from_static(&[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0]);
        // first_mb 0 ("1"), slice_type, pps id 0
        let idr = Bytes::from_static(&[0x65, 0x88, 0x84, 0x21]);
        let (p, b) = (Bytes::from_static(&[0x41, 0x9a, 0x24]), Bytes::from_static(&[0x01, 0x9e, 0x41]));
        let mut tracks = Tracks::new();
        tracks.parameter_sets(Codec::H264, [sps, pps]);
        let mut out = Vec::new();
        let times = [(7200, 0), (18_000, 3600), (10_800, 7200), (10_800 + 3600, 10_800), (28_800, 14_400)];
        for (nalu, (pts, dts)) in [&idr, &p, &b, &b, &p].into_iter().zip(times) {
            // As a PES packet says it: no DTS where it is the same.
            let stamp = Stamp { pts: Some(pts), dts: (pts != dts).then_some(dts) };
            tracks.nalus(Codec::H264, vec![nalu.clone()], stamp, false, Micros(50_000_000), &mut out);
        }
        let units = out.iter().filter_map(|f| if let Found::Unit(u) = f { Some((u.pts, u.dts)) } else { None });
        let base = 50 * 90_000;
        assert_eq!(units.collect::<Vec<_>>(), times.map(|(p, d)| (base + p, base + d)));
        let tracks = out.iter().filter_map(|f| if let Found::Track(t) = f { Some(t.b_frames) } else { None });
        assert_eq!(tracks.collect::<Vec<_>>(), [false, true]);
    }
}
