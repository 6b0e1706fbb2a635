//! Audio frames in, access units of one audio track out.

use bytes::Bytes;

use super::timeline::{AudioClock, SourceTime};
use super::{IngestOutput, Sink};
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::packet::sync_frames::Frame;
use crate::packet::{aac, opus};
use crate::time::Micros;

#[derive(Debug, Default)]
pub struct AudioTrack {
    params: Option<TrackParams>,
    generation: u32,
    clock: AudioClock,
    after_loss: bool,
    /// Frames with nothing in them.
    pub dropped_units: u64,
}

impl AudioTrack {
    pub fn loss(&mut self) {
        self.after_loss = true;
    }

    /// The source's clock jumped.
    pub fn rebase(&mut self) {
        self.clock.rebase();
    }

    /// G.711, G.722 or Opus as they came in one packet.
    pub fn push(
        &mut self,
        codec: Codec,
        data: Bytes,
        time: SourceTime,
        capture: Option<i64>,
        now: Micros,
        out: &mut Sink,
    ) {
        let (clock_hz, sample_rate_hz, channels, duration) = match codec {
            Codec::Opus => (48_000, 48_000, 2, opus::duration_48k(&data).max(120)),
            // RFC 3551 §4.5.2: G.722 samples at 16 kHz and counts at 8
            Codec::G722 => (8000, 16_000, 1, data.len() as u32),
            _ => (8000, 8000, 1, data.len() as u32),
        };
        self.announce(codec, clock_hz, sample_rate_hz, channels, Bytes::new(), out);
        self.unit(data, time, clock_hz, duration, capture, now, out);
    }

    /// Raw AAC frames that follow each other.
    pub fn push_aac(
        &mut self,
        config: aac::Config,
        frames: impl Iterator<Item = Bytes>,
        time: SourceTime,
        capture: Option<i64>,
        now: Micros,
        out: &mut Sink,
    ) {
        let clock = config.sample_rate_hz;
        self.announce(Codec::Aac, clock, clock, config.channels.clamp(1, 8), config.to_asc(), out);
        let mut time = time;
        for frame in frames {
            self.unit(frame, time, clock, aac::SAMPLES_PER_FRAME, capture, now, out);
            time = SourceTime::default();
        }
    }

    /// Frames that follow each other; the first of them `early`: it began before what `time` is of.
    #[allow(clippy::too_many_arguments)]
    pub fn push_framed(
        &mut self,
        codec: Codec,
        frames: Vec<(Frame, Bytes)>,
        early: bool,
        time: SourceTime,
        capture: Option<i64>,
        now: Micros,
        out: &mut Sink,
    ) {
        let mut time =
            [if early { SourceTime::default() } else { time }, if early { time } else { SourceTime::default() }]
                .into_iter();
        for (frame, data) in frames {
            self.announce(codec, frame.sample_rate_hz, frame.sample_rate_hz, frame.channels, Bytes::new(), out);
            self.unit(data, time.next().unwrap_or_default(), frame.sample_rate_hz, frame.samples, capture, now, out);
        }
    }

    fn announce(
        &mut self,
        codec: Codec,
        clock_hz: u32,
        sample_rate_hz: u32,
        channels: u8,
        config: Bytes,
        out: &mut Sink,
    ) {
        let same = |p: &TrackParams| {
            p.codec == codec
                && (p.clock_hz, p.sample_rate_hz, p.channels) == (clock_hz, sample_rate_hz, channels)
                && p.parameter_sets.first().map_or(config.is_empty(), |c| *c == config)
        };
        if self.params.as_ref().is_some_and(same) {
            return;
        }
        if self.params.as_ref().is_some_and(|p| p.clock_hz != clock_hz) {
            self.clock = AudioClock::default();
        }
        if self.params.is_some() {
            self.generation += 1;
        }
        let params = TrackParams {
            codec,
            clock_hz,
            generation: self.generation,
            width: 0,
            height: 0,
            profile: String::new(),
            profile_level_id: 0,
            b_frames: false,
            channels,
            sample_rate_hz,
            parameter_sets: if config.is_empty() { Vec::new() } else { vec![config] },
        };
        self.params = Some(params.clone());
        out.push(IngestOutput::Track(params));
    }

    #[allow(clippy::too_many_arguments)]
    fn unit(
        &mut self,
        data: Bytes,
        time: SourceTime,
        clock_hz: u32,
        duration: u32,
        capture: Option<i64>,
        now: Micros,
        out: &mut Sink,
    ) {
        let pts = self.clock.map(time, clock_hz, duration, now, &mut out.mapping);
        // Its time is counted, or what follows it in one packet would come too early; there is nothing to hear in it.
        if data.is_empty() {
            self.dropped_units += 1;
            self.after_loss = true;
            return;
        }
        out.push(IngestOutput::Unit(AccessUnit {
            kind: Kind::Audio,
            nalus: vec![data],
            pts,
            dts: pts,
            key: true,
            after_loss: std::mem::take(&mut self.after_loss),
            arrival: now,
            capture_unix_us: capture,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_frame_takes_its_time_and_is_no_unit() {
        let (mut track, mut out) = (AudioTrack::default(), Sink::default());
        let config = aac::Config { object_type: 2, sample_rate_hz: 48_000, channels: 1 };
        let frames = [&b"a"[..], b"", b"c"].map(Bytes::from_static);
        track.push_aac(config, frames.into_iter(), SourceTime::default(), None, Micros(1_000_000), &mut out);
        let units = out.queue.iter().filter_map(|o| match o {
            IngestOutput::Unit(unit) => Some((unit.nalus[0].clone(), unit.pts, unit.after_loss)),
            _ => None,
        });
        let units = units.collect::<Vec<_>>();
        assert_eq!(units, [(Bytes::from_static(b"a"), 48_000, false), (Bytes::from_static(b"c"), 50_048, true)]);
        assert_eq!(track.dropped_units, 1);
    }
}
