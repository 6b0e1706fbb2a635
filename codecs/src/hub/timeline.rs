//! One time line per stream. Every leg's timestamps are laid onto it once, so that what subscribers see goes on over
//! a restart or change of the source, and audio and video keep their distance.
//!
//! A leg is laid by when its first picture came. One whose first picture was late, or that begins with what its server
//! had cached, thereby runs ahead of the machine's time, by as much for as long as it lasts. That is no fault of what
//! viewers see: nobody compares the two. The next leg is laid by its own first picture again, and not by how far the
//! one before ran ahead: a source mostly begins each time as it did, and the leads would add up. They still would where
//! the outage is shorter than the lead, since time never goes back: there the leg comes down as its pictures show how
//! early they can come (`Timeline::come_down`).

use super::unit::{AccessUnit, Kind};
use crate::time::Micros;

/// Two tracks whose timestamps agree with their arrival this closely share one clock (PS, TS).
const SAME_CLOCK_US: i64 = 2_000_000;
/// Capture times (RTCP SR) move audio only when it is off by more than this.
const SYNC_US: i64 = 20_000;
/// Tracks whose sender reports say that they lie further apart lie: such a source is shown as it arrives.
const MAX_SYNC_US: i64 = 5_000_000;
const VIDEO_HZ: u32 = 90_000;
/// The least step between two pictures of a leg that comes down.
const STEP_US: i64 = 1_000;
/// Tracks of their own clocks are compared by their earliest arrivals after so long: what was cached is through.
const SETTLED_US: u64 = 3_000_000;
/// And moved when they lie further apart than arrivals tell: more than a key frame's way on a slow link.
const CACHED_US: i64 = 200_000;

#[derive(Debug, Clone, Copy)]
struct Anchor {
    /// Added to a unit's pts, in its clock.
    ticks: i64,
    /// The same in microseconds, before rounding.
    us: i64,
    /// Capture time less pts, in microseconds, where the source told it.
    capture: Option<i64>,
    /// As `us`, by the unit that came earliest for its pts.
    least: i64,
    since: Micros,
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
    /// It was laid later than it came, behind what was given out before it.
    pushed: bool,
    /// Capture times or earliest arrivals have said how its tracks lie to each other.
    settled: bool,
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
        (self.shared, self.pushed, self.settled) = (false, false, false);
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
                a.least = a.least.min(self.by_arrival(unit, pts_us));
                a
            }
            None => self.anchor(leg, unit, pts_us, capture, clock_hz),
        };
        leg.anchors[k] = Some(anchor);
        leg.begun[k] = true;
        if unit.kind == Kind::Audio && !leg.shared {
            self.sync(leg, unit.pts, clock_hz);
            self.settle(leg, unit.arrival, clock_hz);
        }
        if unit.kind == Kind::Video && leg.pushed {
            self.come_down(leg, unit, pts_us);
        }
        let ticks = leg.anchors[k].map_or(0, |a| a.ticks);
        let ts = unit.pts + ticks;
        if k == 1 && leg.shared && self.last[k].is_some_and(|(last, _)| ts <= last) {
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
        let least = self.by_arrival(unit, pts_us);
        let by_arrival = leg.line_us.unwrap_or(least);
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
                us = us.max(to_us(*last, *clock) + STEP_US - pts_us);
            }
            leg.pushed = us > by_arrival + CACHED_US && leg.line_us.is_none();
        }
        let mut ticks = to_ticks(us, clock_hz);
        // Sound beside a picture keeps its place: what of it was there before is left out.
        if let Some((last, _)) = self.last[k].filter(|_| k == 0 || !leg.shared) {
            ticks = ticks.max(last + 1 - unit.pts);
        }
        Anchor { ticks, us, capture, least, since: unit.arrival }
    }

    fn by_arrival(&self, unit: &AccessUnit, pts_us: i64) -> i64 {
        unit.arrival.0 as i64 - self.epoch.0 as i64 - pts_us
    }

    /// A leg that was laid behind what was given out: its pictures follow each other closely until they have come down
    /// to when they come; their sound is left out meanwhile.
    fn come_down(&self, leg: &mut LegClock, unit: &AccessUnit, pts_us: i64) {
        let (Some(video), Some((last, clock))) = (leg.anchors[0], self.last[0]) else { return };
        // Pictures that are reordered keep their order only on one mapping; sound of another clock stays where it is.
        if leg.apart || unit.pts != unit.dts || (leg.anchors[1].is_some() && !leg.shared) {
            return;
        }
        let us = video.least.max(to_us(last, clock) + STEP_US - pts_us);
        if us >= video.us {
            return;
        }
        leg.pushed = us > video.least;
        leg.anchors[0] = Some(Anchor { us, ticks: to_ticks(us, VIDEO_HZ), ..video });
        if let Some(audio) = &mut leg.anchors[1] {
            let hz = self.last[1].map_or(VIDEO_HZ, |(_, hz)| hz);
            (audio.us, audio.ticks) = (us, to_ticks(us, hz));
        }
    }

    /// Sound and picture of clocks of their own, without capture times: laid by their first arrivals they are apart by
    /// what a server had cached of one of them. Later arrivals tell how much: the one that lies behind steps forward.
    fn settle(&self, leg: &mut LegClock, now: Micros, clock_hz: u32) {
        let (Some(video), Some(audio)) = (leg.anchors[0], leg.anchors[1]) else { return };
        if leg.settled || now.0 < video.since.0.max(audio.since.0) + SETTLED_US {
            return;
        }
        leg.settled = true;
        if video.capture.is_some() && audio.capture.is_some() {
            return;
        }
        let ahead = (to_us(video.ticks, VIDEO_HZ) - video.least) - (to_us(audio.ticks, clock_hz) - audio.least);
        if ahead.abs() <= CACHED_US || ahead.abs() > MAX_SYNC_US {
            return;
        }
        let (k, one, hz) = if ahead > 0 { (1, audio, clock_hz) } else { (0, video, VIDEO_HZ) };
        let us = one.us + ahead.abs();
        leg.anchors[k] = Some(Anchor { us, ticks: one.ticks + to_ticks(ahead.abs(), hz), ..one });
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

    /// 40 ms apart: a connection whose server sends what it has cached first, `cached` pictures and their sound at once,
    /// then `live` of them as they are taken. Times of the source run on from `pts_ms`.
    fn connection(s: &mut Stream, leg: u64, pts_ms: i64, at_ms: u64, cached: u64, live: u64) {
        s.add_leg(leg);
        s.set_track(leg, params(Codec::H264));
        s.set_track(leg, params(Codec::Pcma));
        for i in 0..cached + live {
            let pts = pts_ms + 40 * i as i64;
            let at = at_ms + 40 * i.saturating_sub(cached);
            let before = s.track(Kind::Video).and_then(|t| t.newest()).map(|f| f.ts);
            let sound = s.track(Kind::Audio).and_then(|t| t.newest()).map(|f| f.ts);
            push(s, leg, Codec::H264, i % 50 == 0, pts * 90, at);
            assert!(before.is_none_or(|ts| newest(s, Kind::Video) > ts));
            if push(s, leg, Codec::Pcma, true, pts * 8, at) == Pushed::Frame {
                assert!(sound.is_none_or(|ts| newest(s, Kind::Audio) > ts));
            }
        }
        s.remove_leg(leg);
    }

    #[test]
    fn how_far_a_connection_ran_ahead_is_not_added_to_the_next() {
        let mut s = Stream::new("s".into(), 1_000_000, Micros(0));
        let ahead = |s: &Stream, ms: u64| newest(s, Kind::Video) / 90 - ms as i64;
        let mut at = 10_000;
        // Outages that are shorter than what is sent at once: the two seconds are no more than two seconds each time.
        for leg in 1..=20 {
            connection(&mut s, leg, 7_777 * leg as i64, at, 50, 200);
            at += 200 * 40;
            assert!(ahead(&s, at) <= 2_000, "leg {leg}: {} ms", ahead(&s, at));
            let (v, a) = (newest(&s, Kind::Video) / 90, newest(&s, Kind::Audio) / 8);
            assert!((v - a).abs() <= 1, "leg {leg}: {v} {a}");
            at += 500;
        }
        // After a longer one it begins by its arrival, and has its own two seconds.
        at += 5_000;
        connection(&mut s, 21, 0, at, 50, 200);
        assert!((1_900..=2_000).contains(&ahead(&s, at + 8_000)), "{}", ahead(&s, at + 8_000));
    }

    #[test]
    fn without_sender_reports_sound_lies_beside_a_picture_that_was_cached() {
        for (video_ms, audio_ms) in [(2_000i64, 0i64), (0, 1_200), (0, 0), (100, 0)] {
            let mut s = Stream::new("s".into(), 1_000_000, Micros(0));
            s.add_leg_apart(1);
            s.set_track(1, params(Codec::H264));
            s.set_track(1, params(Codec::Pcma));
            // Taken before the connection began, sent at once at 10 s; clocks of their own.
            for t in (-video_ms..=0).step_by(40) {
                push(&mut s, 1, Codec::H264, t == -video_ms, (500_000 + t) * 90, 10_000);
            }
            for t in (-audio_ms..=0).step_by(20) {
                push(&mut s, 1, Codec::Pcma, true, (900_000 + t) * 8, 10_000);
            }
            let mut last = (newest(&s, Kind::Video), newest(&s, Kind::Audio));
            for t in (20..8_000i64).step_by(20) {
                let at = 10_000 + t as u64;
                if t % 40 == 0 {
                    // Pictures take a while on their way, each another.
                    push(&mut s, 1, Codec::H264, false, (500_000 + t) * 90, at + t as u64 % 7);
                }
                push(&mut s, 1, Codec::Pcma, true, (900_000 + t) * 8, at);
                let now = (newest(&s, Kind::Video), newest(&s, Kind::Audio));
                assert!(now.0 >= last.0 && now.1 > last.1);
                last = now;
            }
            let off = last.0 / 90 - last.1 / 8;
            assert!((off + 20).abs() <= 120, "{video_ms} {audio_ms}: {off} ms");
        }
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
