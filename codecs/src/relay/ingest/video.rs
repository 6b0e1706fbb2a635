//! NAL units in, access units of one video track out: where pictures begin, parameter sets, key frames, B-frames, loss.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::nal_order::{classify, named_codec};
use super::timeline::{SourceTime, VideoClock};
use super::{IngestOutput, Sink};
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::packet::{h264, h264_params, h265, h265_params};
use crate::time::Micros;

/// A wish for a key frame is repeated at most so often.
const KEY_FRAME_WISH_MS: u64 = 500;
/// Parameter sets kept of each kind; ids above are not used by any device.
const MAX_SETS: usize = 16;

/// What came with a run of NAL units.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    pub time: SourceTime,
    pub damaged: bool,
    pub capture_unix_us: Option<i64>,
    pub now: Micros,
}

#[derive(Debug, Default)]
pub struct VideoTrack {
    codec: Option<Codec>,
    vps: BTreeMap<u32, Bytes>,
    sps: BTreeMap<u32, Bytes>,
    pps: BTreeMap<u32, Bytes>,
    active264: Option<h264_params::Sps>,
    active265: Option<(h265_params::Sps, h265_params::Pps)>,
    reorder: h265_params::ReorderWatch,
    params: Option<TrackParams>,
    generation: u32,
    b_frames: bool,
    sets_changed: bool,
    /// NAL units before the first slice of the next picture.
    prefix: Vec<Bytes>,
    /// Slices of one picture come in several chunks: wait for the next picture before giving one out.
    sliced: bool,
    held: Option<(Vec<Bytes>, Origin)>,
    clock: VideoClock,
    started: bool,
    after_loss: bool,
    last_wish: Option<Micros>,
    pub dropped_units: u64,
}

/// What one picture's slices say.
struct Picture {
    key: bool,
    whole_start: bool,
}

impl VideoTrack {
    /// The codec that SDP, map or probe named. Content overrules it.
    pub fn suggest(&mut self, codec: Codec) {
        if self.codec.is_none() {
            self.codec = Some(codec);
        }
    }

    /// What a container that can't be mistaken says it is from now on.
    pub fn become_codec(&mut self, codec: Codec) {
        if self.codec != Some(codec) {
            self.codec = Some(codec);
            self.vps.clear();
            self.sps.clear();
            self.pps.clear();
            self.active264 = None;
            self.active265 = None;
            self.b_frames = false;
            self.restart();
        }
    }

    /// The source's clock jumped: the next picture comes right after the last.
    pub fn rebase(&mut self) {
        self.clock.rebase();
    }

    /// Its parameter sets or SDP told what it is.
    pub fn known(&self) -> bool {
        self.codec.is_some()
    }

    /// Out-of-band parameter sets (SDP's sprop-*).
    pub fn preset(&mut self, codec: Codec, sets: impl Iterator<Item = Bytes>) {
        self.suggest(codec);
        for set in sets {
            self.keep_set(&set);
        }
    }

    /// Packets are missing: what follows is marked until the next key frame.
    pub fn loss(&mut self, now: Micros, out: &mut Sink) {
        self.after_loss = true;
        self.wish(now, out);
    }

    /// Another sender, or the same one anew.
    pub fn restart(&mut self) {
        self.prefix.clear();
        self.held = None;
        self.reorder = h265_params::ReorderWatch::default();
        self.started = false;
    }

    fn wish(&mut self, now: Micros, out: &mut Sink) {
        if self.last_wish.is_none_or(|at| now.since(at) >= KEY_FRAME_WISH_MS * 1000) {
            self.last_wish = Some(now);
            out.push(IngestOutput::NeedKeyFrame);
        }
    }

    /// NAL units that a frame of the container, or one RTP timestamp, held: usually one picture.
    pub fn push(&mut self, nalus: Vec<Bytes>, origin: Origin, out: &mut Sink) {
        self.judge_codec(&nalus);
        let Some(codec) = self.codec else {
            self.dropped_units += 1;
            self.wish(origin.now, out);
            return;
        };
        if origin.damaged && nalus.is_empty() {
            self.prefix.clear();
            if let Some((_, held)) = &mut self.held {
                held.damaged = true; // its rest may be what is missing
            }
            self.dropped_units += 1;
            self.loss(origin.now, out);
            return;
        }
        if self.active264.is_none() && codec == Codec::H264 {
            let sps = nalus.iter().find(|n| h264::nal_type(n) == h264::SPS);
            self.active264 = sps.and_then(|n| h264_params::Sps::parse(n).ok());
        }
        // `between`: what came since the last slice. It belongs to the next picture if one begins, else to this one:
        // some senders repeat parameter sets before every slice.
        let (mut unit, mut between) = (Vec::new(), std::mem::take(&mut self.prefix));
        let mut last_field = None;
        let mut origin = origin;
        for nalu in nalus {
            let (vcl, begins) = classify(codec, &nalu);
            if !vcl {
                between.push(nalu);
                continue;
            }
            let field = if codec == Codec::H264 { self.field_of(&nalu) } else { None };
            let second_field = matches!((last_field, field), (Some((n, a)), Some((m, b))) if n == m && a != b);
            if !unit.is_empty() && begins && !second_field {
                self.unit(codec, std::mem::take(&mut unit), origin, out);
                // Only the first picture of a run has the time that came with it.
                origin.time = SourceTime::default();
            }
            last_field = field;
            unit.append(&mut between);
            unit.push(nalu);
        }
        if unit.is_empty() && !origin.damaged {
            between.truncate(MAX_SETS * 3);
            self.prefix = between;
            return;
        }
        let next = between.iter().position(|n| classify(codec, n).1).unwrap_or(between.len());
        self.prefix = between.split_off(next);
        self.prefix.truncate(MAX_SETS * 3);
        unit.append(&mut between);
        self.unit(codec, unit, origin, out);
    }

    fn field_of(&self, nalu: &[u8]) -> Option<(u32, bool)> {
        let sps = self.active264.as_ref().filter(|s| !s.frame_mbs_only)?;
        let slice = h264_params::Slice::parse(nalu, Some(sps)).ok()?;
        slice.frame_num.zip(slice.field)
    }

    fn judge_codec(&mut self, nalus: &[Bytes]) {
        if let Some(found) = named_codec(nalus) {
            self.become_codec(found);
        }
    }

    fn keep_set(&mut self, nalu: &Bytes) {
        let kept = if self.codec == Some(Codec::H264) {
            match h264::nal_type(nalu) {
                h264::SPS => h264_params::Sps::parse(nalu).ok().map(|s| (&mut self.sps, s.id)),
                h264::PPS => h264_params::pps_ids(nalu).ok().map(|ids| (&mut self.pps, ids.0)),
                _ => None,
            }
        } else {
            match h265::nal_type(nalu) {
                h265::VPS => nalu.get(2).map(|b| (&mut self.vps, u32::from(b >> 4))),
                h265::SPS => h265_params::Sps::parse(nalu).ok().map(|s| (&mut self.sps, s.id)),
                h265::PPS => h265_params::Pps::parse(nalu).ok().map(|p| (&mut self.pps, p.id)),
                _ => None,
            }
        };
        let Some((sets, id)) = kept else { return };
        if sets.get(&id) == Some(nalu) || (sets.len() >= MAX_SETS && !sets.contains_key(&id)) {
            return;
        }
        // A copy: a slice would keep the whole frame alive.
        sets.insert(id, Bytes::copy_from_slice(nalu));
        self.sets_changed = true;
    }

    /// One picture with everything before it.
    fn unit(&mut self, codec: Codec, nalus: Vec<Bytes>, origin: Origin, out: &mut Sink) {
        nalus.iter().for_each(|n| self.keep_set(n));
        let begins = nalus.iter().map(|n| classify(codec, n)).find(|(vcl, _)| *vcl).is_some_and(|(_, b)| b);
        if !self.sliced {
            if !begins && !origin.damaged && !self.after_loss && self.started {
                // The rest of a picture that was given out: from now on wait for the whole.
                self.sliced = true;
            }
            self.emit(codec, nalus, origin, out);
            return;
        }
        match &mut self.held {
            Some((held, first)) if !begins => {
                held.extend(nalus);
                first.damaged |= origin.damaged;
            }
            _ => {
                let done = self.held.replace((nalus, origin));
                if let Some((held, first)) = done {
                    self.emit(codec, held, first, out);
                }
            }
        }
    }

    fn emit(&mut self, codec: Codec, nalus: Vec<Bytes>, origin: Origin, out: &mut Sink) {
        let picture = match codec {
            Codec::H264 => self.look264(&nalus),
            _ => self.look265(&nalus),
        };
        let usable = picture.filter(|p| p.whole_start && !origin.damaged);
        let Some(picture) = usable else {
            self.dropped_units += 1;
            self.loss(origin.now, out);
            return;
        };
        if !self.started && !picture.key {
            self.dropped_units += 1;
            self.wish(origin.now, out);
            return;
        }
        self.started = true;
        if picture.key {
            self.after_loss = false;
        }
        self.announce(codec, picture.key, out);
        let (pts, dts) = self.clock.map(origin.time, self.b_frames, origin.now, &mut out.mapping);
        out.push(IngestOutput::Unit(AccessUnit {
            kind: Kind::Video,
            nalus,
            pts,
            dts,
            key: picture.key,
            after_loss: self.after_loss,
            arrival: origin.now,
            capture_unix_us: origin.capture_unix_us,
        }));
    }

    /// `None`: no slice, or none that can be read, or no parameter sets for it.
    fn look264(&mut self, nalus: &[Bytes]) -> Option<Picture> {
        let mut first: Option<h264_params::Slice> = None;
        let (mut idr, mut intra, mut recovers, mut sps_in_band) = (false, true, false, false);
        for nalu in nalus {
            match h264::nal_type(nalu) {
                kind @ (h264::SLICE | h264::IDR | 2) => {
                    let Ok(slice) = h264_params::Slice::parse(nalu, None) else { continue };
                    idr |= kind == h264::IDR;
                    intra &= slice.is_intra();
                    self.b_frames |= slice.is_b() && kind == h264::SLICE;
                    first.get_or_insert(slice);
                }
                h264::SEI => recovers |= h264_params::recovery_frames(nalu) == Some(0),
                h264::SPS => sps_in_band = true,
                _ => {}
            }
        }
        let first = first?;
        let (_, sps_id) = h264_params::pps_ids(self.pps.get(&first.pps_id)?).ok()?;
        let sps = self.sps.get(&sps_id)?;
        // Encoders without IDR (open GOP, gradual refresh): an intra picture that says so is a place to start.
        let key = idr || (intra && (recovers || sps_in_band));
        if key || self.active264.is_none() {
            self.active264 = h264_params::Sps::parse(sps).ok();
        }
        Some(Picture { key, whole_start: first.first_mb == 0 })
    }

    fn look265(&mut self, nalus: &[Bytes]) -> Option<Picture> {
        let first = nalus.iter().find(|n| h265::is_vcl(h265::nal_type(n)))?;
        let kind = h265::nal_type(first);
        let key = h265::IRAP.contains(&kind);
        if key || self.active265.is_none() {
            // The PPS id stands before anything that needs the PPS.
            let id = h265_params::Slice::pps_id(first)?;
            let pps = h265_params::Pps::parse(self.pps.get(&id)?).ok()?;
            let sps = h265_params::Sps::parse(self.sps.get(&pps.sps_id)?).ok()?;
            self.active265 = Some((sps, pps));
        }
        let (sps, pps) = self.active265.as_ref()?;
        if let Ok(Some(slice)) = h265_params::Slice::parse(first, sps, pps) {
            self.b_frames |= self.reorder.picture(kind, &slice, sps);
        }
        Some(Picture { key, whole_start: h265_params::begins_picture(first) })
    }

    /// A Track when anything in it changed; other sets take effect at a key frame only.
    fn announce(&mut self, codec: Codec, key: bool, out: &mut Sink) {
        let known = self.params.as_ref();
        let same_b = known.is_some_and(|p| p.b_frames == self.b_frames && p.codec == codec);
        if same_b && !(key && self.sets_changed) {
            return;
        }
        self.sets_changed &= !key;
        let mut params = match (codec, &self.active264, &self.active265) {
            (Codec::H264, Some(sps), _) => self.params264(sps),
            (Codec::H265, _, Some((sps, pps))) => self.params265(sps, pps),
            _ => return,
        };
        params.generation = self.generation;
        if self.params.as_ref() == Some(&params) {
            return;
        }
        if self.params.is_some() {
            self.generation += 1;
            params.generation = self.generation;
        }
        self.params = Some(params.clone());
        out.push(IngestOutput::Track(params));
    }

    fn params264(&self, sps: &h264_params::Sps) -> TrackParams {
        let of_sps = |n: &&Bytes| h264_params::pps_ids(n).is_ok_and(|(_, id)| id == sps.id);
        let sets = self.sps.get(&sps.id).into_iter().chain(self.pps.values().filter(of_sps)).cloned().collect();
        self.video_params(Codec::H264, sps.width, sps.height, sps.profile(), sps.profile_level_id(), sets)
    }

    fn params265(&self, sps: &h265_params::Sps, pps: &h265_params::Pps) -> TrackParams {
        let own = [self.sps.get(&sps.id), self.pps.get(&pps.id)];
        let sets = self.vps.values().chain(own.into_iter().flatten()).cloned().collect();
        self.video_params(Codec::H265, sps.width, sps.height, sps.profile(), 0, sets)
    }

    fn video_params(
        &self,
        codec: Codec,
        width: u32,
        height: u32,
        profile: String,
        plid: u32,
        parameter_sets: Vec<Bytes>,
    ) -> TrackParams {
        TrackParams {
            codec,
            clock_hz: 90_000,
            generation: 0,
            width,
            height,
            profile,
            profile_level_id: plid,
            b_frames: self.b_frames,
            channels: 0,
            sample_rate_hz: 0,
            parameter_sets,
        }
    }
}
