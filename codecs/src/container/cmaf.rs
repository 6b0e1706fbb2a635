//! CMAF out for LL-HLS (ISO/IEC 23000-19, RFC 8216 bis): records of init segments, parts and segment ends, as
//! `open_container_out` of gateway/codecs.pyi lays them out. One moof holds both tracks.
//!
//! A picture's duration is known when the next one comes: a part goes out one frame after its end. Parts are never longer
//! than asked (a frame that lasts longer is a part alone); segments begin with a key frame, near the asked length, or
//! after ten times of it where none comes.

use bytes::{BufMut, Bytes, BytesMut};

use super::cmaf_boxes::{self as boxes, Run};
use super::Writer;
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::packet::{aac, h264, h265, opus};

/// A step between pictures that is longer, or goes back, is a gap: what follows begins anew.
const GAP: i64 = 5 * 90_000;
/// Sound that waits for a picture's end; then it goes without.
const AUDIO_WAITS: i64 = 90_000;
/// How long the second track is waited for at the beginning; a picture twice that.
const GATHER: i64 = 45_000;
const MAX_HELD: usize = 1000;
const MAX_HELD_BYTES: usize = 8 << 20;
/// A part ends here whatever its time: of a source whose time hardly moves.
const MAX_PART_BYTES: usize = 8 << 20;
/// Rounding of frame rates that do not divide the part.
const SLACK: i64 = 180;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    Init = 0,
    Part = 1,
    SegmentEnd = 2,
    Discontinuity = 3,
}

#[derive(Debug)]
struct Lane {
    params: TrackParams,
    run: Run,
    /// The newest picture: its duration is not known yet.
    open: Option<(AccessUnit, i64)>,
    usual: i64,
}

impl Lane {
    fn to_90k(&self, ticks: i64) -> i64 {
        to_90k(ticks, self.params.clock_hz)
    }
}

fn to_90k(ticks: i64, clock_hz: u32) -> i64 {
    (i128::from(ticks) * 90_000 / i128::from(clock_hz.max(1))) as i64
}

#[derive(Debug)]
pub struct CmafWriter {
    part: i64,
    segment: i64,
    lanes: [Option<Lane>; 2],
    /// What a key frame will bring in.
    coming: [Option<TrackParams>; 2],
    /// Where part and segment began, in 90 kHz; `None`: nothing in it yet.
    part_begin: Option<i64>,
    segment_begin: Option<i64>,
    part_is_key: bool,
    /// How far the sound had come, in 90 kHz, with the newest picture: it may lie ahead all the time.
    heard: Option<i64>,
    /// When a key frame was last asked for in this segment.
    asked: Option<i64>,
    sequence: u32,
    /// What came before it was clear which tracks there are; `None`: it is clear.
    held: Option<Vec<AccessUnit>>,
    /// Added to all times, in 90 kHz: pictures that refer to later ones are decoded before a time line's beginning, and
    /// a fragment's time has no sign (ISO/IEC 14496-12 §8.8.12).
    lead: i64,
}

impl CmafWriter {
    pub fn new(part_ms: u32, segment_ms: u32) -> Self {
        Self {
            part: i64::from(part_ms.clamp(20, 10_000)) * 90,
            segment: i64::from(segment_ms.clamp(200, 60_000)) * 90,
            lanes: [None, None],
            coming: [None, None],
            part_begin: None,
            segment_begin: None,
            part_is_key: false,
            heard: None,
            asked: None,
            sequence: 0,
            held: Some(Vec::new()),
            lead: 0,
        }
    }

    /// Tracks that are to come take the place of those that are; `None`: there is nothing that could be described.
    fn begin(&mut self, out: &mut BytesMut) -> Option<()> {
        let begun = self.lanes.iter().any(Option::is_some);
        for (lane, coming) in self.lanes.iter_mut().zip(&mut self.coming) {
            let known = |p: &TrackParams| boxes::sample_entry(p).is_some();
            if let Some(params) = coming.take_if(|p| known(p)) {
                let timescale = params.clock_hz;
                *lane = Some(Lane { params, run: Run::new(timescale), open: None, usual: 0 });
            }
        }
        let tracks = self.lanes.iter().flatten().map(|l| &l.params).collect::<Vec<_>>();
        if tracks.is_empty() {
            return None;
        }
        if begun {
            record(out, Record::Discontinuity, false, 0, 0, &[]);
        }
        record(out, Record::Init, false, 0, 0, &boxes::init_segment(&tracks));
        Some(())
    }

    /// Whether what is coming can be described: a picture whose parameter sets are not known yet waits.
    fn ready(&self) -> bool {
        self.coming.iter().flatten().any(|p| boxes::sample_entry(p).is_some())
    }

    fn has_video(&self) -> bool {
        self.lanes[0].is_some() || self.coming[0].is_some()
    }

    /// The part up to `end` (90 kHz) goes out with the sound before it.
    fn cut(&mut self, end: i64, out: &mut BytesMut) {
        let Some(begin) = self.part_begin.take() else { return };
        let key = std::mem::take(&mut self.part_is_key);
        let mut runs = Vec::new();
        for (k, lane) in self.lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            let until = if k == 0 { i64::MAX } else { end };
            let limit =
                (i128::from(until) * i128::from(lane.params.clock_hz) / 90_000).min(i128::from(i64::MAX)) as i64;
            let taken = lane.run.take_before(limit);
            if !taken.is_empty() {
                runs.push((lane.params.codec.kind(), taken));
            }
        }
        if runs.is_empty() {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = boxes::fragment(self.sequence, &runs);
        record(out, Record::Part, key, begin, end - begin, &bytes);
    }

    fn end_segment(&mut self, end: i64, out: &mut BytesMut) {
        self.cut(end, out);
        if let Some(begin) = self.segment_begin.take() {
            record(out, Record::SegmentEnd, false, begin, end - begin, &[]);
        }
    }

    /// What is open ends here: another init segment, or a gap.
    fn finish(&mut self, out: &mut BytesMut) {
        let Some(begin) = self.part_begin else {
            if let Some(begin) = self.segment_begin.take() {
                record(out, Record::SegmentEnd, false, begin, 0, &[]);
            }
            return;
        };
        let mut end = begin;
        if let Some(lane) = &mut self.lanes[0] {
            let usual = if lane.usual > 0 { lane.usual } else { 3600 };
            if let Some((unit, dts)) = lane.open.take() {
                end = dts + usual;
                lane.run.push(&unit, lane.params.codec, usual);
            }
        } else if let Some(lane) = &self.lanes[1] {
            end = lane.to_90k(lane.run.end());
        }
        self.end_segment(end.max(begin), out);
        if let Some(lane) = &mut self.lanes[1] {
            lane.run.clear();
        }
    }

    fn video(&mut self, unit: &AccessUnit, out: &mut BytesMut) {
        let renewed = unit.key && self.ready();
        if renewed {
            self.finish(out);
            if self.begin(out).is_none() {
                return;
            }
        }
        let Some(lane) = &mut self.lanes[0] else { return };
        let now = unit.dts;
        match lane.open.take() {
            Some((before, at)) if (1..=GAP).contains(&(now - at)) => {
                lane.usual = now - at;
                lane.run.push(&before, lane.params.codec, now - at);
            }
            Some(before) => {
                lane.open = Some(before);
                self.finish(out);
                record(out, Record::Discontinuity, false, 0, 0, &[]);
                if !unit.key {
                    return;
                }
            }
            None if !unit.key => return,
            None => {}
        }
        let (usual, bytes) = self.lanes[0].as_ref().map_or((0, 0), |l| (l.usual, l.run.bytes()));
        let since = |begin: Option<i64>| begin.map_or(0, |b| now - b);
        let segment = since(self.segment_begin);
        if (unit.key && segment * 4 >= self.segment * 3) || segment > self.segment * 10 {
            self.end_segment(now, out);
        } else if self.part_begin.is_some()
            && (since(self.part_begin) + usual > self.part + SLACK || bytes > MAX_PART_BYTES)
        {
            self.cut(now, out);
        }
        if self.part_begin.is_none() {
            (self.part_begin, self.part_is_key) = (Some(now), unit.key);
        }
        self.segment_begin.get_or_insert(now);
        self.heard = self.lanes[1].as_ref().filter(|l| l.run.end() != 0).map(|l| l.to_90k(l.run.end()));
        if let Some(lane) = &mut self.lanes[0] {
            lane.open = Some((unit.clone(), now));
        }
    }

    fn audio(&mut self, unit: &AccessUnit, out: &mut BytesMut) {
        let alone = !self.has_video();
        if alone && self.ready() {
            self.finish(out);
            self.begin(out);
        }
        // Sound of a new form waits for the key frame that brings its description.
        if self.coming[1].is_some() {
            return;
        }
        let (part_begin, has_video) = (self.part_begin, self.lanes[0].is_some());
        let Some(lane) = &mut self.lanes[1] else { return };
        let at = lane.to_90k(unit.pts);
        if has_video && part_begin.is_none_or(|begin| at < begin - AUDIO_WAITS) {
            return; // before the first picture
        }
        let gap = !lane.run.is_empty() && !(0..=GAP).contains(&(at - lane.to_90k(lane.run.last())));
        if alone && gap {
            self.finish(out);
            record(out, Record::Discontinuity, false, 0, 0, &[]);
        }
        let Some(lane) = &mut self.lanes[1] else { return };
        let data = unit.nalus.first().map_or(&[][..], |d| &d[..]);
        let ticks = match lane.params.codec {
            Codec::Opus => i64::from(opus::duration_48k(data).max(120)),
            _ => i64::from(aac::SAMPLES_PER_FRAME),
        };
        if !lane.run.push(unit, lane.params.codec, ticks) {
            return;
        }
        let (end, full) = (lane.to_90k(lane.run.end()), lane.run.bytes() > MAX_PART_BYTES);
        if !alone {
            // The picture stands still: its sound goes on.
            if part_begin.is_some_and(|begin| full || end - begin > self.part + AUDIO_WAITS) {
                self.sound_only(end, out);
            }
            return;
        }
        if self.segment_begin.is_some_and(|begin| at - begin >= self.segment) {
            self.sound_cut(at, true, out);
        } else if self.part_begin.is_some_and(|begin| full || end - begin > self.part + SLACK) {
            self.sound_cut(at, false, out);
        }
        if self.part_begin.is_none() {
            (self.part_begin, self.part_is_key) = (Some(at), true);
        }
        self.segment_begin.get_or_insert(at);
    }

    /// Of a stream without picture: everything before `at` is a part.
    fn sound_cut(&mut self, at: i64, segment: bool, out: &mut BytesMut) {
        if segment {
            self.end_segment(at, out);
        } else {
            self.cut(at, out);
        }
    }

    fn one(&mut self, unit: &AccessUnit, out: &mut BytesMut) {
        if self.lead == 0 {
            return self.placed(unit, out);
        }
        let clock_hz = self.clock_hz(unit.kind);
        let lead = (i128::from(self.lead) * i128::from(clock_hz) / 90_000) as i64;
        self.placed(&AccessUnit { pts: unit.pts + lead, dts: unit.dts + lead, ..unit.clone() }, out);
    }

    fn placed(&mut self, unit: &AccessUnit, out: &mut BytesMut) {
        match unit.kind {
            Kind::Video => self.video(unit, out),
            Kind::Audio => self.audio(unit, out),
        }
    }

    fn clock_hz(&self, kind: Kind) -> u32 {
        let k = usize::from(kind == Kind::Audio);
        let here = self.lanes[k].as_ref().map(|lane| &lane.params);
        here.or(self.coming[k].as_ref()).map_or(90_000, |params| params.clock_hz)
    }

    /// A part without picture in a stream that has one; the open picture stays for the next. Where none comes segments end
    /// all the same: no player waits for the end of one that has none.
    fn sound_only(&mut self, end: i64, out: &mut BytesMut) {
        let stands = self.heard.is_some_and(|heard| end - heard > AUDIO_WAITS);
        if stands && self.segment_begin.is_some_and(|begin| end - begin >= self.segment) {
            self.end_segment(end, out);
            self.segment_begin = Some(end);
        } else {
            self.cut(end, out);
        }
        // The picture that is open began before: time goes on from the end of the sound.
        self.part_begin = Some(end);
    }
}

impl Writer for CmafWriter {
    fn wants_key(&mut self) -> bool {
        let newest = self.lanes[0].as_ref().and_then(|lane| lane.open.as_ref()).map(|(_, at)| *at);
        let (Some(begin), Some(now)) = (self.segment_begin, newest) else { return false };
        // Asked within this segment: again after as long as one is to be.
        let since = self.asked.filter(|at| *at >= begin).unwrap_or(begin + self.segment);
        let wants = now - since >= self.segment;
        if wants {
            self.asked = Some(now);
        }
        wants
    }

    fn carries(&self, codec: Codec) -> bool {
        matches!(codec, Codec::H264 | Codec::H265 | Codec::Aac | Codec::Opus)
    }

    fn track(&mut self, params: &TrackParams, _out: &mut BytesMut) {
        let k = usize::from(params.codec.kind() == Kind::Audio);
        let same = self.lanes[k].as_ref().is_some_and(|l| boxes::same_description(&l.params, params));
        if self.carries(params.codec) {
            self.coming[k] = (!same).then(|| params.clone());
        }
    }

    fn unit(&mut self, unit: &AccessUnit, out: &mut BytesMut) {
        let Some(mut held) = self.held.take() else { return self.one(unit, out) };
        // A track that comes a moment after the other would need another init segment.
        let at = |unit: &AccessUnit| to_90k(unit.dts, self.clock_hz(unit.kind));
        let span = held.first().map_or(0, |first| at(unit) - at(first));
        held.push(unit.clone());
        let bytes = held.iter().map(AccessUnit::len).sum::<usize>();
        let clear = self.coming.iter().all(Option::is_some) && held.iter().any(|u| u.kind == Kind::Video);
        let most = if self.coming[0].is_some() { GATHER } else { 2 * GATHER };
        if !clear && (0..most).contains(&span) && held.len() < MAX_HELD && bytes < MAX_HELD_BYTES {
            self.held = Some(held);
            return;
        }
        let earliest = held.iter().map(at).min().unwrap_or(0);
        if earliest < 0 {
            // Sound that comes yet may lie as much before the first picture as it may wait for one.
            self.lead = AUDIO_WAITS - earliest;
        }
        held.iter().for_each(|unit| self.one(unit, out));
    }
}

fn record(out: &mut BytesMut, kind: Record, key: bool, begin: i64, length: i64, bytes: &[u8]) {
    out.reserve(20 + bytes.len());
    out.put_u32(16 + bytes.len() as u32);
    out.put_u8(kind as u8);
    out.put_u8(u8::from(key));
    out.put_u16(0);
    out.put_i64(begin);
    out.put_u32(length.clamp(0, i64::from(u32::MAX)) as u32);
    out.put_slice(bytes);
}

/// Whether a NAL unit stays in a sample: parameter sets stand in the sample entry, delimiters mean nothing.
pub(super) fn stays(codec: Codec, nalu: &Bytes) -> bool {
    match codec {
        Codec::H264 => !nalu.is_empty() && !(h264::SPS..=h264::FILLER).contains(&h264::nal_type(nalu)),
        _ => nalu.len() > 2 && !(h265::VPS..=h265::FILLER).contains(&h265::nal_type(nalu)),
    }
}
