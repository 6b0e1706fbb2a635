//! A stream's sound in another codec, for subscribers that take none of its own: converted once for all of them.

use bytes::Bytes;

use super::track::Track;
use super::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::audio::codec::{Decoder, Encoder, EncoderConfig};
use crate::audio::format::{AudioCodec, Format};
use crate::audio::frame_samples;
use crate::audio::resample::Resampler;
use crate::time::Micros;

/// Many seconds of it.
const BYTES: usize = 128 * 1024;
/// Of a source that says more than this at once the rest is dropped: 1 s.
const MAX_PENDING_SAMPLES: usize = 48_000;
/// The source's timestamps may stray from ours by this (loss, restart) before ours follow.
const JUMP_MS: i64 = 100;

/// The format of a track that can be converted.
pub fn source_format(params: &TrackParams) -> Option<Format> {
    Format::new(params.codec.name(), params.clock_hz, params.channels)
}

fn codec_of(format: Format) -> Codec {
    match format.codec() {
        AudioCodec::Pcma => Codec::Pcma,
        AudioCodec::Pcmu => Codec::Pcmu,
        AudioCodec::G722 => Codec::G722,
        AudioCodec::Opus => Codec::Opus,
        AudioCodec::L16 => Codec::L16,
    }
}

pub struct Derived {
    /// Tells it from every other track that this stream has had.
    pub id: u64,
    pub target: Format,
    pub track: Track,
    source: Format,
    decoder: Decoder,
    encoder: Encoder,
    resampler: Option<Resampler>,
    pcm: Vec<i16>,
    pending: Vec<i16>,
    payload: Vec<u8>,
    /// Timestamp of the first pending sample.
    next_ts: Option<i64>,
}

impl Derived {
    /// `None`: can not be converted, or libopus has no memory.
    pub fn new(id: u64, params: &TrackParams, target: Format) -> Option<Self> {
        let source = source_format(params)?;
        // Opus is decoded at the rate that the other side has, and encoded at no more than the source has.
        let decoded = if source.codec() == AudioCodec::Opus { source.at_rate(target.rate_hz())? } else { source };
        let encoded = match target.codec() {
            AudioCodec::Opus => target.at_rate(decoded.rate_hz().min(target.rate_hz()))?,
            _ => target,
        };
        let (from, to) = (decoded.rate_hz(), encoded.rate_hz());
        let resampler = if from == to { None } else { Some(Resampler::new(from, to)?) };
        let made = TrackParams {
            codec: codec_of(target),
            clock_hz: target.clock_hz(),
            channels: 1,
            sample_rate_hz: to,
            parameter_sets: Vec::new(),
            ..params.clone()
        };
        Some(Self {
            id,
            target,
            track: Track::new(made, BYTES),
            source,
            decoder: Decoder::new(decoded).ok()?,
            encoder: Encoder::new(encoded, EncoderConfig::default()).ok()?,
            resampler,
            pcm: Vec::new(),
            pending: Vec::new(),
            payload: Vec::new(),
            next_ts: None,
        })
    }

    pub fn is_of(&self, params: &TrackParams) -> bool {
        source_format(params) == Some(self.source)
    }

    /// A unit of the source. `ts`: its place on the stream's time line, in the source's clock.
    pub fn push(&mut self, unit: &AccessUnit, ts: i64, now: Micros) {
        let clock = i64::from(self.target.clock_hz());
        let rate = self.encoder.format().rate_hz();
        let place = (i128::from(ts) * i128::from(clock) / i128::from(self.source.clock_hz().max(1))) as i64;
        let waiting = self.pending.len() as i64 * clock / i64::from(rate);
        let strays = |next: i64| (next + waiting - place).abs() > JUMP_MS * clock / 1000;
        if self.next_ts.is_none_or(strays) {
            self.pending.clear();
            // Never back: what was sent keeps its order.
            let after = self.track.newest().map_or(i64::MIN, |f| f.ts + 1);
            self.next_ts = Some(place.max(after));
        }
        for part in &unit.nalus {
            self.pcm.clear();
            if self.decoder.decode(part, &mut self.pcm).is_err() {
                continue;
            }
            match &mut self.resampler {
                Some(resampler) => resampler.process(&self.pcm, &mut self.pending),
                None => self.pending.extend_from_slice(&self.pcm),
            }
            self.pending.truncate(MAX_PENDING_SAMPLES);
        }
        self.encode(unit, now);
    }

    fn encode(&mut self, unit: &AccessUnit, now: Micros) {
        let samples = frame_samples(self.encoder.format().rate_hz());
        let ticks = i64::from(self.target.frame_ticks());
        let mut done = 0;
        while self.pending.len() - done >= samples {
            let ts = self.next_ts.unwrap_or(0);
            self.next_ts = Some(ts + ticks);
            self.payload.clear();
            self.encoder.encode(&self.pending[done..done + samples], &mut self.payload);
            done += samples;
            let made = AccessUnit {
                kind: Kind::Audio,
                nalus: vec![Bytes::copy_from_slice(&self.payload)],
                pts: ts,
                dts: ts,
                ..unit.clone()
            };
            if !self.payload.is_empty() {
                self.track.push(&made, ts, now);
            }
        }
        self.pending.drain(..done);
    }
}
