//! One time line per stream. Every leg's timestamps are laid onto it once, so that what subscribers see goes on over
//! a restart or change of the source, and audio and video keep their distance.

use super::unit::{AccessUnit, Kind};
use crate::time::Micros;

/// Two tracks whose timestamps agree with their arrival this closely share one clock (PS, TS).
const SAME_CLOCK_US: i64 = 2_000_000;
/// Capture times (RTCP SR) move audio only when it is off by more than this.
const SYNC_US: i64 = 20_000;
/// Tracks whose sender reports say that they lie further apart lie: such a source is shown as it arrives.
const MAX_SYNC_US: i64 = 5_000_000;
const VIDEO_HZ: u32 = 90_000;

#[derive(Debug, Clone, Copy)]
struct Anchor {
    /// Added to a unit's pts, in its clock.
    ticks: i64,
    /// The same in microseconds, before rounding.
    us: i64,
    /// Capture time less pts, in microseconds, where the source told it.
    capture: Option<i64>,
}

/// How one leg's timestamps lie on the stream's time line.
#[derive(Debug, Default, Clone)]
pub struct LegClock {
    anchors: [Option<Anchor>; 2],
    shared: bool,
    begun: [bool; 2],
    /// The tracks have clocks of their own, however close they lie: only capture times bring them together.
    apart: bool,
    /// Its times lie on a time line already, so far from this one in microseconds: when they arrive says nothing.
    line_us: Option<i64>,
}

impl LegClock {
    pub fn apart() -> Self {
        Self { apart: true, ..Self::default() }
    }

    /// What is made of another stream, with that one's times.
    pub fn on_line(us: i64) -> Self {
        Self { line_us: Some(us), ..Self::default() }
    }

    /// Units of this kind have been placed.
    pub fn has(&self, kind: Kind) -> bool {
        self.begun[at(kind)]
    }

    /// The source's time jumped: the next units fix anew how it lies.
    pub fn renew(&mut self) {
        self.anchors = [None; 2];
        self.shared = false;
    }
}

/// The stream's own time line: microseconds since `epoch`; per track the last timestamp given out.
#[derive(Debug)]
pub struct Timeline {
    epoch: Micros,
    /// (largest timestamp given, clock).
    last: [Option<(i64, u32)>; 2],
}

fn at(kind: Kind) -> usize {
    usize::from(kind == Kind::Audio)
}

pub fn to_us(ticks: i64, clock_hz: u32) -> i64 {
    (i128::from(ticks) * 1_000_000 / i128::from(clock_hz.max(1))) as i64
}

pub fn to_ticks(us: i64, clock_hz: u32) -> i64 {
    (i128::from(us) * i128::from(clock_hz) / 1_000_000) as i64
}

impl Timeline {
    pub fn new(epoch: Micros) -> Self {
        Self { epoch, last: [None; 2] }
    }

    pub fn epoch(&self) -> Micros {
        self.epoch
    }

    /// Stream time of `now` in ticks of `clock_hz`: the one mapping behind the sender reports of all tracks.
    pub fn ticks_at(&self, now: Micros, clock_hz: u32) -> i64 {
        to_ticks(now.0 as i64 - self.epoch.0 as i64, clock_hz)
    }

    /// A track changed its clock (another audio codec): its old timestamps say nothing any more.
    pub fn reset(&mut self, kind: Kind) {
        self.last[at(kind)] = None;
    }

    /// The unit's timestamp on the time line. First units of a leg fix how it lies there. `None`: sound that was there
    /// before, of a leg that was begun anew with what is cached.
    pub fn place(&mut self, leg: &mut LegClock, unit: &AccessUnit, clock_hz: u32) -> Option<i64> {
        let k = at(unit.kind);
        let pts_us = to_us(unit.pts, clock_hz);
        let capture = unit.capture_unix_us.map(|c| c - pts_us);
        let anchor = match leg.anchors[k] {
            Some(mut a) => {
                a.capture = capture.or(a.capture);
                a
            }
            None => self.anchor(leg, unit, pts_us, capture, clock_hz),
        };
        leg.anchors[k] = Some(anchor);
        leg.begun[k] = true;
        if unit.kind == Kind::Audio && !leg.shared {
            self.sync(leg, unit.pts, clock_hz);
        }
        let ticks = leg.anchors[k].map_or(0, |a| a.ticks);
        let ts = unit.pts + ticks;
        if k == 1 && leg.line_us.is_some() && self.last[k].is_some_and(|(last, _)| ts <= last) {
            return None;
        }
        let last = self.last[k].map_or(ts, |(last, _)| last.max(ts));
        self.last[k] = Some((last, clock_hz));
        Some(ts)
    }

    fn anchor(
        &self,
        leg: &mut LegClock,
        unit: &AccessUnit,
        pts_us: i64,
        capture: Option<i64>,
        clock_hz: u32,
    ) -> Anchor {
        let k = at(unit.kind);
        let by_arrival = leg.line_us.unwrap_or(unit.arrival.0 as i64 - self.epoch.0 as i64 - pts_us);
        let mut us = by_arrival;
        if let Some(other) = leg.anchors[1 - k] {
            if leg.line_us.is_some() || (!leg.apart && (other.us - by_arrival).abs() < SAME_CLOCK_US) {
                us = other.us;
                leg.shared = true;
            }
        }
        // Never back: behind whatever either track gave out before this leg.
        if leg.anchors == [None, None] {
            for (last, clock) in self.last.iter().flatten() {
                us = us.max(to_us(*last, *clock) + 1_000 - pts_us);
            }
        }
        let mut ticks = to_ticks(us, clock_hz);
        if let Some((last, _)) = self.last[k].filter(|_| k == 0 || !leg.shared || leg.line_us.is_none()) {
            ticks = ticks.max(last + 1 - unit.pts);
        }
        Anchor { ticks, us, capture }
    }

    /// Audio from its own RTP clock: lay it beside video by the capture times of both (RFC 3550 §6.4.1).
    fn sync(&self, leg: &mut LegClock, pts: i64, clock_hz: u32) {
        let (Some(video), Some(audio)) = (leg.anchors[0], leg.anchors[1]) else { return };
        let (Some(video_capture), Some(audio_capture)) = (video.capture, audio.capture) else { return };
        let us = video.us - video_capture + audio_capture;
        let off = us - audio.us;
        if off.abs() <= SYNC_US || (leg.apart && off.abs() > MAX_SYNC_US) {
            return;
        }
        let floor = self.last[1].map_or(i64::MIN, |(last, _)| last + 1 - pts);
        if to_ticks(us, clock_hz) >= floor {
            leg.anchors[1] = Some(Anchor { ticks: to_ticks(us, clock_hz), us, ..audio });
        } else if leg.apart && -off > 2 * SYNC_US {
            // Sound that was given out can not be taken back: the picture steps forward instead.
            let us = video.us - off;
            leg.anchors[0] = Some(Anchor { ticks: to_ticks(us, VIDEO_HZ), us, ..video });
        }
    }
}

impl PartialEq for Anchor {
    fn eq(&self, other: &Self) -> bool {
        self.ticks == other.ticks
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::tests::{newest, push};
    use super::super::stream::{Pushed, Stream};
    use super::super::track::tests::params;
    use super::super::unit::Codec;
    use super::*;

    #[test]
    fn what_is_made_of_a_stream_keeps_its_times_however_late_it_comes() {
        let mut source = Stream::new("s".into(), 1_000_000, Micros(7_000_000));
        let mut made = Stream::new("made".into(), 1_000_000, Micros(9_500_000));
        source.add_leg(1);
        source.set_track(1, params(Codec::H264));
        // Its first picture came late: what follows runs two seconds ahead of the machine's time.
        push(&mut source, 1, Codec::H264, true, 0, 10_000);
        push(&mut source, 1, Codec::H264, false, 2 * 90_000, 10_001);
        made.add_leg_of(2, source.epoch());
        made.set_track(2, params(Codec::H264));
        made.set_track(2, params(Codec::Pcma));
        let of_source = |s: &Stream, kind, hz: i64| newest(s, kind) + 25 * hz / 10;
        // The picture comes five seconds late, sound of the same time two seconds after it.
        let pts = newest(&source, Kind::Video);
        push(&mut made, 2, Codec::H264, true, pts, 15_001);
        push(&mut made, 2, Codec::Pcma, true, pts * 8 / 90, 17_500);
        assert_eq!(of_source(&made, Kind::Video, 90_000), pts);
        assert_eq!(of_source(&made, Kind::Audio, 8_000), pts * 8 / 90);
        // After an outage the source begins by its arrival, and what is made of it with it.
        source.remove_leg(1);
        source.add_leg(3);
        source.set_track(3, params(Codec::H264));
        push(&mut source, 3, Codec::H264, true, 77, 20_000);
        let pts = newest(&source, Kind::Video);
        push(&mut made, 2, Codec::H264, true, pts, 20_001);
        assert_eq!(of_source(&made, Kind::Video, 90_000), pts);
    }

    #[test]
    fn what_is_made_anew_goes_on_and_sound_that_was_there_is_left_out() {
        let mut made = Stream::new("made".into(), 1_000_000, Micros(0));
        let begin = |made: &mut Stream, leg| {
            made.add_leg_of(leg, Micros(0));
            made.set_track(leg, params(Codec::H264));
            made.set_track(leg, params(Codec::Pcma));
        };
        begin(&mut made, 1);
        push(&mut made, 1, Codec::H264, true, 90_000, 1_000);
        push(&mut made, 1, Codec::Pcma, true, 8_000, 1_000);
        push(&mut made, 1, Codec::Pcma, true, 9_600, 1_200);
        let before = (newest(&made, Kind::Video), newest(&made, Kind::Audio));
        made.remove_leg(1);
        begin(&mut made, 2);
        // The group of pictures once more, with the sound beside it, a little of which is older.
        push(&mut made, 2, Codec::H264, true, 90_000, 1_500);
        assert!(newest(&made, Kind::Video) > before.0);
        assert_eq!(push(&mut made, 2, Codec::Pcma, true, 7_840, 1_500), Pushed::Ignored);
        assert_eq!(push(&mut made, 2, Codec::Pcma, true, 8_000, 1_500), Pushed::Frame);
        assert!(newest(&made, Kind::Audio) > before.1);
        // They lie beside each other as they did.
        assert!((newest(&made, Kind::Video) / 90 - newest(&made, Kind::Audio) / 8).abs() <= 1);
    }
}
