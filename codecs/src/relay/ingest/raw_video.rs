//! H.264 and H.265 in packets of their own (RFC 6184, RFC 7798): where one picture ends. A marker says so, and is believed
//! as long as it is right; else a new timestamp does, or that nothing follows.

use super::source::Packet;
use super::timeline::SourceTime;
use super::tracks::Tracks;
use super::Sink;
use crate::mpeg::Trust;
use crate::packet::nalus::NaluSink;
use crate::packet::{h264, h265};
use crate::time::Micros;

#[derive(Debug)]
enum Depacketizer {
    H264(h264::Depacketizer),
    H265(h265::Depacketizer),
}

/// Of what is being gathered: RTP timestamp, capture time, clock.
type Stamp = (i64, Option<i64>, u32);

#[derive(Debug)]
pub struct RawVideo {
    depacketizer: Depacketizer,
    sink: NaluSink,
    /// The last packet had the marker.
    marked: bool,
    /// The timestamp of a unit that went out at its marker.
    given: Option<i64>,
    trust: Trust,
    last: Option<Stamp>,
}

impl RawVideo {
    pub fn h264() -> Self {
        Self::of(Depacketizer::H264(h264::Depacketizer::new()))
    }

    pub fn h265() -> Self {
        Self::of(Depacketizer::H265(h265::Depacketizer::new()))
    }

    fn of(depacketizer: Depacketizer) -> Self {
        let sink = NaluSink::new();
        Self { depacketizer, sink, marked: false, given: None, trust: Trust::default(), last: None }
    }

    /// Packets are missing before the next one.
    pub fn lost(&mut self, tracks: &mut Tracks, now: Micros, out: &mut Sink) {
        match &mut self.depacketizer {
            Depacketizer::H264(d) => d.lost(&mut self.sink),
            Depacketizer::H265(d) => d.lost(&mut self.sink),
        }
        // What was marked as ended is whole; what was not has lost its end.
        if !self.marked && !self.sink.is_empty() {
            self.sink.mark_damaged();
        }
        tracks.video.loss(now, out);
    }

    /// Another sender, or the same anew. Whether markers are to be believed stays.
    pub fn restart(&mut self, tracks: &mut Tracks, now: Micros, out: &mut Sink) {
        if self.marked {
            self.end_unit(tracks, now, out);
        }
        let fresh = match self.depacketizer {
            Depacketizer::H264(_) => Self::h264(),
            Depacketizer::H265(_) => Self::h265(),
        };
        *self = Self { trust: self.trust, ..fresh };
    }

    pub fn push(&mut self, p: Packet, tracks: &mut Tracks, out: &mut Sink) {
        if self.last.is_some_and(|(ts, _, _)| ts != p.ts) {
            if self.marked {
                self.trust.confirm();
            }
            if !self.sink.is_empty() || self.sink.damaged() {
                self.end_unit(tracks, p.now, out);
            }
            self.given = None;
        } else if self.marked || self.given == Some(p.ts) {
            // A marker, and yet the same picture goes on.
            self.trust.deny();
            self.given = None;
        }
        self.marked = false;
        self.last = Some((p.ts, p.capture_unix_us, p.clock_hz));
        let pushed = match &mut self.depacketizer {
            Depacketizer::H264(d) => d.push(p.payload, &mut self.sink),
            Depacketizer::H265(d) => d.push(p.payload, &mut self.sink),
        };
        if pushed.is_err() {
            out.invalid += 1;
        }
        if !p.marker {
            return;
        }
        self.marked = true;
        if self.trust.trusted() {
            self.given = Some(p.ts);
            self.end_unit(tracks, p.now, out);
        }
    }

    /// A unit waits whose end was only hinted at.
    pub fn waits(&self) -> bool {
        self.marked && !self.sink.is_empty()
    }

    /// Nothing followed it for a while.
    pub fn flush(&mut self, tracks: &mut Tracks, now: Micros, out: &mut Sink) {
        self.given = self.last.map(|(ts, _, _)| ts);
        self.end_unit(tracks, now, out);
    }

    fn end_unit(&mut self, tracks: &mut Tracks, now: Micros, out: &mut Sink) {
        match &mut self.depacketizer {
            Depacketizer::H264(d) => d.end_of_unit(&mut self.sink),
            Depacketizer::H265(d) => d.end_of_unit(&mut self.sink),
        }
        if self.sink.is_empty() && !self.sink.damaged() {
            return;
        }
        let damaged = self.sink.damaged();
        let nalus = self.sink.take();
        let (ts, capture, clock_hz) = self.last.unwrap_or((0, None, 90_000));
        let rtp = ts.saturating_mul(90_000) / i64::from(clock_hz.max(1));
        self.marked &= self.given.is_some();
        let time = SourceTime { rtp: Some(rtp), ..SourceTime::default() };
        tracks.raw_video(nalus, time, damaged, capture, now, out);
    }
}
