//! A stream: its tracks, and which of its legs writes them now.

use super::derived::Derived;
use super::singles::Singles;
use super::timeline::{LegClock, Timeline};
use super::track::Track;
use super::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::audio::format::Format;
use crate::packet::Form;
use crate::time::Micros;

/// What became of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// A frame was added to this track.
    Frame,
    /// The leg waits for its first key frame.
    WaitsForKey,
    /// Another leg writes the stream, or there was nothing in it.
    Ignored,
}

struct LegSlot {
    id: u64,
    clock: LegClock,
    tracks: [Option<TrackParams>; 2],
}

/// Legs are numbered as they open; a newer one takes over at its first key frame.
pub struct Stream {
    pub name: String,
    tracks: [Option<Track>; 2],
    timeline: Timeline,
    legs: Vec<LegSlot>,
    active: Option<u64>,
    gop_bytes: usize,
    pub units_dropped: u64,
    /// Its sound in other codecs, while somebody takes them.
    derived: Vec<Derived>,
    derived_ever: u64,
    /// Its picture in packets of one NAL unit, while somebody takes it.
    singles: Option<Singles>,
}

/// Audio needs no group of pictures; this is many seconds of it.
const AUDIO_BYTES: usize = 256 * 1024;

fn at(kind: Kind) -> usize {
    usize::from(kind == Kind::Audio)
}

impl Stream {
    pub fn new(name: String, gop_bytes: usize, now: Micros) -> Self {
        Self {
            name,
            tracks: [None, None],
            timeline: Timeline::new(now),
            legs: Vec::new(),
            active: None,
            gop_bytes,
            units_dropped: 0,
            derived: Vec::new(),
            derived_ever: 0,
            singles: None,
        }
    }

    pub fn track(&self, kind: Kind) -> Option<&Track> {
        self.tracks[at(kind)].as_ref()
    }

    /// Its picture, packetised so.
    pub fn video(&self, form: Form) -> Option<&Track> {
        match form {
            Form::Fragments => self.track(Kind::Video),
            Form::SingleNalUnits => self.singles.as_ref().map(|s| &s.track),
        }
    }

    /// Pictures that fit into no single NAL unit packets, since those were asked for.
    pub fn oversized(&self) -> u64 {
        self.singles.as_ref().map_or(0, |s| s.oversized)
    }

    /// Whether single NAL unit packets are wanted.
    pub fn keep_singles(&mut self, wanted: bool) {
        let source = self.tracks[0].as_ref().filter(|_| wanted);
        match (source, &self.singles) {
            (None, _) => self.singles = None,
            (Some(source), None) => self.singles = Singles::beside(source, self.gop_bytes),
            (Some(_), Some(_)) => {}
        }
    }

    /// Its sound as that format, while it is kept.
    pub fn derived(&self, target: Format) -> Option<&Derived> {
        self.derived.iter().find(|d| d.target == target)
    }

    /// These are wanted, and no others.
    pub fn keep_derived(&mut self, wanted: &[Format]) {
        let Some(source) = &self.tracks[1] else { return self.derived.clear() };
        self.derived.retain(|d| wanted.contains(&d.target) && d.is_of(&source.params));
        for target in wanted {
            if !self.derived.iter().any(|d| d.target == *target) {
                self.derived_ever += 1;
                self.derived.extend(Derived::new(self.derived_ever, &source.params, *target));
            }
        }
    }

    /// How much later than another stream's the time line of this one begins, in microseconds.
    pub fn begins_after(&self, other: &Stream) -> i64 {
        self.epoch().0 as i64 - other.epoch().0 as i64
    }

    /// Stream time of `now` in ticks: for sender reports.
    pub fn ticks_at(&self, now: Micros, clock_hz: u32) -> i64 {
        self.timeline.ticks_at(now, clock_hz)
    }

    pub fn add_leg(&mut self, id: u64) {
        self.legs.push(LegSlot { id, clock: LegClock::default(), tracks: [None, None] });
    }

    /// As `add_leg`, for a source whose tracks have clocks of their own.
    pub fn add_leg_apart(&mut self, id: u64) {
        self.legs.push(LegSlot { id, clock: LegClock::apart(), tracks: [None, None] });
    }

    /// When its time line began.
    pub fn epoch(&self) -> Micros {
        self.timeline.epoch()
    }

    /// As `add_leg`, for what is made of another stream: its units have the times of that one, which began at `epoch`.
    pub fn add_leg_of(&mut self, id: u64, epoch: Micros) {
        let clock = LegClock::on_line(epoch.0 as i64 - self.epoch().0 as i64);
        self.legs.push(LegSlot { id, clock, tracks: [None, None] });
    }

    pub fn remove_leg(&mut self, id: u64) {
        self.legs.retain(|l| l.id != id);
        if self.active == Some(id) {
            self.active = None;
            for track in self.tracks.iter_mut().flatten() {
                track.end_gop();
            }
            if let Some(singles) = &mut self.singles {
                singles.track.end_gop();
            }
        }
    }

    /// The source's time jumped: what follows is laid onto the time line anew.
    pub fn renew_leg(&mut self, id: u64) {
        if let Some(slot) = self.legs.iter_mut().find(|l| l.id == id) {
            slot.clock.renew();
        }
    }

    /// A leg told its track. Returns the stream's parameters when they changed by it.
    pub fn set_track(&mut self, leg: u64, params: TrackParams) -> Option<TrackParams> {
        let k = at(params.codec.kind());
        let slot = self.legs.iter_mut().find(|l| l.id == leg)?;
        slot.tracks[k] = Some(params);
        if self.active.is_none_or(|active| active == leg) {
            self.adopt(leg, k)
        } else {
            None
        }
    }

    fn adopt(&mut self, leg: u64, k: usize) -> Option<TrackParams> {
        let mut params = self.legs.iter().find(|l| l.id == leg)?.tracks[k].clone()?;
        match &mut self.tracks[k] {
            Some(track) => {
                params.generation = track.params.generation;
                if params == track.params {
                    return None;
                }
                params.generation += 1;
                if params.clock_hz != track.params.clock_hz {
                    self.timeline.reset(params.codec.kind());
                }
                track.set_params(params.clone());
                if k == 0 {
                    self.singles = self.singles.take().filter(|_| params.codec == Codec::H264);
                    self.singles.iter_mut().for_each(|s| s.set_params(params.clone()));
                }
            }
            slot => {
                let bytes = if k == 0 { self.gop_bytes } else { AUDIO_BYTES };
                params.generation = 1;
                *slot = Some(Track::new(params.clone(), bytes));
            }
        }
        Some(params)
    }

    /// A unit of a leg. `changed` gets the parameters that a take-over changed.
    pub fn push(&mut self, leg: u64, unit: &AccessUnit, now: Micros, changed: &mut Vec<TrackParams>) -> Pushed {
        let k = at(unit.kind);
        if self.active != Some(leg) {
            if let Err(pushed) = self.may_take_over(leg, unit) {
                self.units_dropped += 1;
                return pushed;
            }
            self.active = Some(leg);
            changed.extend([0, 1].into_iter().filter_map(|k| self.adopt(leg, k)));
        }
        let Some(slot) = self.legs.iter_mut().find(|l| l.id == leg) else { return Pushed::Ignored };
        let Some(track) = self.tracks[k].as_mut() else { return Pushed::Ignored };
        // A leg that has begun with sound shows its picture from a key frame on.
        if unit.kind == Kind::Video && !unit.key && !slot.clock.has(Kind::Video) {
            self.units_dropped += 1;
            return Pushed::WaitsForKey;
        }
        let Some(ts) = self.timeline.place(&mut slot.clock, unit, track.params.clock_hz) else {
            self.units_dropped += 1;
            return Pushed::Ignored;
        };
        if track.push(unit, ts, now) {
            match unit.kind {
                Kind::Audio => self.derived.iter_mut().for_each(|d| d.push(unit, ts, now)),
                Kind::Video => self.singles.iter_mut().for_each(|s| s.push(unit, ts, now)),
            }
            Pushed::Frame
        } else {
            Pushed::Ignored
        }
    }

    fn may_take_over(&self, leg: u64, unit: &AccessUnit) -> Result<(), Pushed> {
        let slot = self.legs.iter().find(|l| l.id == leg).ok_or(Pushed::Ignored)?;
        if self.active.is_some_and(|active| active > leg) {
            return Err(Pushed::Ignored);
        }
        match unit.kind {
            Kind::Video if unit.key => Ok(()),
            Kind::Video => Err(Pushed::WaitsForKey),
            // Sound alone begins a stream that has no picture; beside a picture it comes with the key frame.
            Kind::Audio if self.active.is_none() && slot.tracks[0].is_none() => Ok(()),
            Kind::Audio => Err(Pushed::WaitsForKey),
        }
    }

    pub fn has_source(&self) -> bool {
        !self.legs.is_empty()
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::track::tests::{params, unit};
    use super::*;

    pub fn push(s: &mut Stream, leg: u64, codec: Codec, key: bool, pts: i64, ms: u64) -> Pushed {
        s.push(leg, &unit(codec, key, pts, 300, ms), Micros(ms * 1000), &mut Vec::new())
    }

    pub fn newest(s: &Stream, kind: Kind) -> i64 {
        s.track(kind).and_then(Track::newest).expect("pushed").ts
    }

    #[test]
    fn a_newer_leg_takes_over_at_its_key_frame_and_time_never_goes_back() {
        let mut s = Stream::new("s".into(), 1_000_000, Micros(0));
        s.add_leg(1);
        assert!(s.set_track(1, params(Codec::H264)).is_some());
        assert_eq!(push(&mut s, 1, Codec::H264, false, 500, 10), Pushed::WaitsForKey);
        assert_eq!(push(&mut s, 1, Codec::H264, true, 90_000_000, 20), Pushed::Frame);
        assert_eq!(push(&mut s, 1, Codec::H264, false, 90_003_000, 53), Pushed::Frame);
        let before = newest(&s, Kind::Video);
        s.add_leg(2);
        assert!(s.set_track(2, params(Codec::H264)).is_none());
        assert_eq!(push(&mut s, 2, Codec::H264, false, 100, 60), Pushed::WaitsForKey);
        assert_eq!(push(&mut s, 1, Codec::H264, false, 90_006_000, 86), Pushed::Frame);
        assert_eq!(push(&mut s, 2, Codec::H264, true, 3_100, 90), Pushed::Frame);
        assert!(newest(&s, Kind::Video) > before);
        assert_eq!(push(&mut s, 1, Codec::H264, true, 90_009_000, 119), Pushed::Ignored);
        let ts = newest(&s, Kind::Video);
        assert_eq!(push(&mut s, 2, Codec::H264, false, 6_100, 123), Pushed::Frame);
        assert_eq!(newest(&s, Kind::Video), ts + 3_000);
    }

    #[test]
    fn sound_and_picture_of_one_clock_keep_their_distance() {
        let mut s = Stream::new("s".into(), 1_000_000, Micros(0));
        s.add_leg(1);
        s.set_track(1, params(Codec::H264));
        s.set_track(1, params(Codec::Pcma));
        // Both pts count from the same 5 000 s; audio arrives 300 ms after its picture.
        push(&mut s, 1, Codec::H264, true, 5_000 * 90_000, 1_000);
        push(&mut s, 1, Codec::Pcma, true, 5_000 * 8_000, 1_300);
        let (v, a) = (newest(&s, Kind::Video), newest(&s, Kind::Audio));
        assert_eq!(v / 90, a / 8);
    }

    #[test]
    fn sound_of_another_clock_is_laid_by_capture_times() {
        let mut s = Stream::new("s".into(), 1_000_000, Micros(0));
        s.add_leg(1);
        s.set_track(1, params(Codec::H264));
        s.set_track(1, params(Codec::Pcma));
        push(&mut s, 1, Codec::H264, true, 5_000 * 90_000, 1_000);
        push(&mut s, 1, Codec::Pcma, true, 77, 1_150);
        let mut v = unit(Codec::H264, false, 5_001 * 90_000, 300, 2_000);
        v.capture_unix_us = Some(50_000_000);
        s.push(1, &v, Micros(2_000_000), &mut Vec::new());
        let mut a = unit(Codec::Pcma, true, 77 + 8_000, 160, 2_150);
        a.capture_unix_us = Some(50_100_000);
        s.push(1, &a, Micros(2_150_000), &mut Vec::new());
        // Captured 100 ms after the picture: that is how far it stands behind it.
        let (v, a) = (newest(&s, Kind::Video) / 90, newest(&s, Kind::Audio) / 8);
        assert!((a - v - 100).abs() <= 1, "{a} {v}");
    }

    #[test]
    fn tracks_that_come_apart_are_laid_by_capture_times_and_never_back() {
        let mut s = Stream::new("s".into(), 1_000_000, Micros(0));
        s.add_leg_apart(1);
        s.set_track(1, params(Codec::H264));
        s.set_track(1, params(Codec::Pcma));
        // The picture took 300 ms longer than the sound: both are counted by arrival at first.
        push(&mut s, 1, Codec::H264, true, 90_000, 1_300);
        push(&mut s, 1, Codec::Pcma, true, 8_000, 1_300);
        let at = |s: &Stream| (newest(s, Kind::Video) / 90, newest(s, Kind::Audio) / 8);
        assert_eq!(at(&s).0, at(&s).1);
        let mut last = at(&s);
        for i in 1..100i64 {
            let ms = 1_300 + 20 * i as u64;
            let mut v = unit(Codec::H264, false, 90_000 + i * 1_800, 300, ms);
            v.capture_unix_us = Some(50_000_000 + i * 20_000);
            let mut a = unit(Codec::Pcma, true, 8_000 + i * 160, 160, ms);
            a.capture_unix_us = Some(50_300_000 + i * 20_000 - 600_000);
            s.push(1, &v, Micros(ms * 1000), &mut Vec::new());
            s.push(1, &a, Micros(ms * 1000), &mut Vec::new());
            let now = at(&s);
            assert!(now.0 > last.0 && now.1 > last.1, "{last:?} {now:?}");
            last = now;
        }
        assert!((last.0 - last.1 - 300).abs() <= 41, "{last:?}");
    }

    #[test]
    fn a_new_generation_is_told_once() {
        let mut s = Stream::new("s".into(), 1_000_000, Micros(0));
        s.add_leg(1);
        assert_eq!(s.set_track(1, params(Codec::H264)).map(|p| p.generation), Some(1));
        assert_eq!(s.set_track(1, params(Codec::H264)), None);
        let mut wider = params(Codec::H264);
        wider.width = 640;
        assert_eq!(s.set_track(1, wider).map(|p| p.generation), Some(2));
    }
}
