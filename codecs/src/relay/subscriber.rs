//! One subscriber of a stream over RTP: its tracks, pace, reports, and what its peer says.

use std::rc::Rc;

use super::choice::{choose, Choice, Side};
use super::egress::{Outlet, OutletConfig, Start};
use super::event::{Cause, Event, SessionId, StreamId, SubId, SubState};
use super::feedback::Peer;
use super::order::Subscribe;
use super::pacing::{Pacer, MAX_RUN};
use super::path::{Outbox, Path};
use super::queue::Events;
use super::rtsp_connection::MAX_PACKETS;
use super::sub_voice::pump_voice;
use super::sys::Outcome;
use super::voice_open::format_of;
use crate::audio::format::Format;
use crate::hub::derived::source_format;
use crate::hub::stream::Stream;
use crate::hub::track::Track;
use crate::hub::unit::{Kind, TrackParams};
use crate::packet::Form;
use crate::time::Micros;

/// How long after a full socket to try again.
const RETRY_US: u64 = 2_000;
/// Video this old is left out even if its queue has room: a viewer wants the present.
const MAX_AGE_US: u64 = 4_000_000;

pub struct Subscriber {
    pub id: SubId,
    pub stream: StreamId,
    pub session: Option<SessionId>,
    side: Side,
    /// `None` until the session is armed.
    pub path: Option<Rc<Path>>,
    /// Sound that goes another way than the picture (RTSP).
    pub(super) audio_path: Option<Rc<Path>>,
    /// Nothing is sent now: an RTSP reader pauses.
    pub(super) held: bool,
    /// By track: a sender report is still to go before its first packet, so that nothing is shown by another time.
    pub(super) reports_lead: [bool; 2],
    pub(super) order: Subscribe,
    pub outlets: [Option<Outlet>; 2],
    refused: [&'static str; 2],
    pub(super) start: [Start; 2],
    pub(super) form: Form,
    /// Pictures of the stream that its form can not carry, and whether that was told.
    oversized: u64,
    told_oversized: bool,
    /// Its sound is converted: to this, for this payload type.
    derived: Option<(Format, u8)>,
    /// Which track its sound comes from: 0 for the stream's own.
    audio_from: u64,
    pub pacer: Pacer,
    pub peer: Peer,
    pub congested: bool,
    told_first: bool,
    told_wait: bool,
    pub(super) next_report: Micros,
    /// When it came from another stream.
    moved: Micros,
    /// When it is to be looked at again.
    pub timer_at: Micros,
}

/// Where a subscriber's events and wishes go while it works.
pub struct Ground<'a> {
    pub outbox: &'a mut Outbox,
    pub events: &'a Events,
    pub now: Micros,
    /// A key frame is wanted.
    pub wish: Option<Cause>,
}

impl Subscriber {
    /// Pictures to `side` go the way that `match_tracks` finds.
    pub fn new(id: SubId, session: Option<SessionId>, side: Side, order: Subscribe, start: [Start; 2]) -> Self {
        Self {
            id,
            stream: order.stream,
            session,
            side,
            path: None,
            audio_path: None,
            held: false,
            reports_lead: [false; 2],
            order,
            outlets: [None, None],
            refused: [""; 2],
            start,
            form: Form::Fragments,
            oversized: 0,
            told_oversized: false,
            derived: None,
            audio_from: 0,
            pacer: Pacer::default(),
            peer: Peer::default(),
            congested: false,
            told_first: false,
            told_wait: false,
            next_report: Micros(0),
            moved: Micros(0),
            timer_at: Micros(u64::MAX),
        }
    }

    fn tell(&self, events: &Events, state: SubState, code: &'static str, detail: String) {
        events.push(Event::Subscription { subscription: self.id, stream: self.stream, state, code, detail });
    }

    /// The stream's tracks are known or changed: choose payload types anew.
    pub fn match_tracks(&mut self, hub: &Stream, events: &Events) {
        for (k, kind) in [(0, Kind::Video), (1, Kind::Audio)] {
            let Some(track) = hub.track(kind) else { continue };
            let maps = if k == 0 { &self.order.video } else { &self.order.audio };
            match choose(maps, &track.params, self.side) {
                Choice::NotWanted => {}
                Choice::Refused(code) => {
                    if k == 1 && self.convert(&track.params) {
                        continue;
                    }
                    // Its numbers are kept: under one key none of them is used twice.
                    self.outlets[k].iter_mut().for_each(Outlet::retarget);
                    if self.refused[k] != code {
                        self.refused[k] = code;
                        self.tell(events, SubState::Refused, code, track.params.codec.name().to_owned());
                    }
                }
                Choice::Take(map, form) => {
                    self.refused[k] = "";
                    let (pt, rtx_pt) = (map.pt, map.rtx_pt);
                    if k == 1 {
                        self.derived = None;
                    } else if std::mem::replace(&mut self.form, form) != form {
                        self.outlets[0].iter_mut().for_each(Outlet::retarget);
                    }
                    self.take_track(kind, track, pt, rtx_pt, 0);
                }
            }
        }
    }

    /// An outlet for this track, or the one that is there led over to it: one source has one numbering.
    fn take_track(&mut self, kind: Kind, track: &Track, pt: u8, rtx_pt: u8, from: u64) {
        let k = usize::from(kind == Kind::Audio);
        if let Some(outlet) = &mut self.outlets[k] {
            outlet.set_pt(pt, rtx_pt);
            if k == 1 && self.audio_from != from {
                outlet.retarget();
            }
        } else {
            let (ssrc, rtx_ssrc) = match kind {
                Kind::Video => (self.order.video_ssrc, self.order.video_rtx_ssrc),
                Kind::Audio => (self.order.audio_ssrc, 0),
            };
            let mut outlet = Outlet::new(&OutletConfig {
                kind,
                ssrc,
                pt,
                rtx: (rtx_ssrc != 0 && rtx_pt != 0).then_some((rtx_ssrc, rtx_pt)),
                extensions: &self.order.extensions,
                start: self.start[k],
            });
            // Beside a track that comes late after a move.
            outlet.put_off(self.outlets[1 - k].as_ref().map_or(0, |other| other.late_us));
            if kind == Kind::Audio {
                outlet.start_at(track, track.next_frame());
            }
            self.outlets[k] = Some(outlet);
        }
        if k == 1 {
            self.audio_from = from;
        }
    }

    /// The first of the peer's codecs that the track's sound can be made into.
    fn convert(&mut self, params: &TrackParams) -> bool {
        let found = self.order.audio.iter().find_map(|m| Some((format_of(m)?, m.pt)));
        self.derived = found.filter(|_| source_format(params).is_some());
        self.derived.is_some()
    }

    /// What its sound is to be converted to.
    pub fn wants_derived(&self) -> Option<Format> {
        self.derived.map(|(format, _)| format)
    }

    /// It takes a picture that is packetised so.
    pub fn wants(&self, form: Form) -> bool {
        self.form == form && self.outlets[0].is_some() && self.refused[0].is_empty()
    }

    /// It is of another stream from now on.
    pub fn move_to(&mut self, stream: StreamId, from: &Stream, to: &Stream, now: Micros) {
        let us = to.begins_after(from);
        self.stream = stream;
        self.moved = now;
        self.derived = None;
        self.audio_from = 0;
        self.refused = [""; 2];
        self.oversized = to.oversized();
        (self.told_wait, self.told_first) = (false, false);
        self.outlets.iter_mut().flatten().for_each(|o| o.moved(us));
    }

    /// The derived tracks are there: take the one that was asked for.
    pub fn take_derived(&mut self, hub: &Stream) {
        let Some((format, pt)) = self.derived else { return };
        if let Some(found) = hub.derived(format) {
            self.refused[1] = "";
            if self.audio_from != found.id || self.outlets[1].is_none() {
                self.take_track(Kind::Audio, &found.track, pt, 0, found.id);
            }
        }
    }

    /// The track that an outlet of this kind sends.
    pub(super) fn track<'h>(&self, hub: &'h Stream, kind: Kind) -> Option<&'h Track> {
        match (kind, self.derived) {
            (Kind::Video, _) => hub.video(self.form),
            (Kind::Audio, Some((format, _))) => hub.derived(format).map(|d| &d.track),
            (Kind::Audio, None) => hub.track(kind),
        }
    }

    /// Send what is due; sets `timer_at`.
    pub fn pump(&mut self, hub: &Stream, ground: &mut Ground<'_>) {
        let Some(path) = self.path.clone() else { return };
        if self.held {
            self.timer_at = Micros(u64::MAX);
            return;
        }
        if (0..2).any(|k| self.reports_lead[k] && self.outlets[k].is_some()) {
            self.report(hub, true, ground);
            self.reports_lead = [0, 1].map(|k| self.reports_lead[k] && self.outlets[k].is_none());
        }
        let mut again = Micros(u64::MAX);
        let audio = self.track(hub, Kind::Audio).filter(|_| self.refused[1].is_empty());
        if let (Some(outlet), Some(track)) = (self.outlets[1].as_mut(), audio) {
            pump_voice(outlet, track, self.audio_path.as_ref().unwrap_or(&path), ground);
        }
        if let Some(mut outlet) = self.outlets[0].take() {
            if let Some(track) = hub.video(self.form).filter(|_| self.refused[0].is_empty()) {
                self.tell_oversized(hub, ground.events);
                self.keep_up(&mut outlet, track, ground);
                again = self.pump_video(&mut outlet, track, &path, ground);
            }
            self.outlets[0] = Some(outlet);
        }
        if self.outlets.iter().flatten().any(|o| o.packets > 0) {
            if self.next_report <= ground.now {
                self.report(hub, false, ground);
            }
            again = again.min(self.next_report);
        }
        self.timer_at = again;
    }

    /// A slice that no datagram holds can not be sent in packetization-mode 0: the picture stands until a smaller one.
    fn tell_oversized(&mut self, hub: &Stream, events: &Events) {
        let before = std::mem::replace(&mut self.oversized, hub.oversized());
        if self.form == Form::SingleNalUnits && before < self.oversized && !self.told_oversized {
            self.told_oversized = true;
            let detail = "h264: a slice over 64 kB fits no packet of packetization-mode 0";
            self.tell(events, SubState::Refused, "codec-unsupported", detail.to_owned());
        }
    }

    /// Begin at a key frame; leave frames out when the queue is full.
    fn keep_up(&mut self, outlet: &mut Outlet, track: &Track, ground: &mut Ground<'_>) {
        if outlet.is_waiting() {
            let old = self.stands_before(outlet, track);
            // Left out or never begun: the cached group, if it starts with what was not sent yet.
            if !old && outlet.start_at_gop(track) {
                if self.congested {
                    self.congested = false;
                    self.tell(ground.events, SubState::Recovered, "", String::new());
                }
            } else if !self.told_wait {
                self.told_wait = true;
                ground.wish = Some(Cause::Join);
                self.tell(ground.events, SubState::KeyFrameWait, "waiting-key-frame", String::new());
            }
            return;
        }
        let old = !outlet.is_catching_up()
            && outlet.next_frame(track).is_some_and(|f| ground.now.since(f.arrival) > MAX_AGE_US);
        if !old && !outlet.fell_behind(track) && outlet.lag_bytes(track) <= self.order.queue_bytes as u64 {
            return;
        }
        let from = outlet.next_frame(track).map_or(0, |f| f.id);
        let target = track.gop_start().filter(|start| *start > from);
        // Only a key frame ahead is a place to go on; one already behind would be sent twice.
        outlet.skip_to(track, target);
        if !self.congested {
            self.congested = true;
            self.tell(ground.events, SubState::Congested, "viewer-slow", String::new());
        }
        if target.is_some() {
            self.congested = false;
            self.tell(ground.events, SubState::Recovered, "", String::new());
        } else {
            ground.wish = Some(Cause::Join);
        }
    }

    /// Whether the cached group lies before what the peer has had of another stream. One that came since then is only
    /// late: its time is shifted, and the sound's with it, so that neither goes back and they keep their distance.
    fn stands_before(&mut self, outlet: &mut Outlet, track: &Track) -> bool {
        let Some(frame) = track.gop_start().and_then(|start| track.frame(start)) else { return false };
        let Some(us) = outlet.before_floor(track, frame) else { return false };
        if frame.arrival <= self.moved {
            return true;
        }
        outlet.put_off(us + 1_000);
        self.outlets[1].iter_mut().for_each(|audio| audio.put_off(us + 1_000));
        false
    }

    fn pump_video(&mut self, outlet: &mut Outlet, track: &Track, path: &Path, ground: &mut Ground<'_>) -> Micros {
        let mut abs_send_time = None;
        // A connection takes longer runs than one UDP_SEGMENT call.
        let most = if path.tells_of_room() { MAX_PACKETS } else { MAX_RUN };
        loop {
            if outlet.next_frame(track).is_none() {
                return Micros(u64::MAX);
            }
            if let Some(at) = self.pacer.wait(ground.now).filter(|_| self.order.pace) {
                return at;
            }
            let mark = outlet.mark();
            let mut moving = path.moving.get();
            moving.abs_send_time = *abs_send_time.get_or_insert_with(|| ground.outbox.abs_send_time(ground.now.0));
            let Some((run, outcome)) = ground.outbox.send_next(path, outlet, track, &mut moving, most) else {
                return Micros(u64::MAX);
            };
            if outcome == Outcome::Full {
                outlet.rewind(&mark);
                if path.tells_of_room() {
                    return Micros(u64::MAX);
                }
                let at = Micros(ground.now.0 + RETRY_US);
                self.pacer.hold(at);
                return at;
            }
            path.moving.set(moving);
            self.pacer.sent(run.len, track.rate.estimate_bps(ground.now), ground.now);
            if run.ended.is_some() && !self.told_first {
                self.told_first = true;
                self.tell(ground.events, SubState::FirstFrame, "", String::new());
            }
            if run.ended == Some(true) && std::mem::take(&mut self.told_oversized) {
                self.tell(ground.events, SubState::Recovered, "", String::new());
            }
        }
    }

    /// Media may flow from `now` on.
    /// Under other keys the roll-over counter begins at 0 again (RFC 4568 §6.4).
    pub fn arm(&mut self, path: Rc<Path>, rekeyed: bool) {
        self.path = Some(path);
        if rekeyed {
            self.outlets.iter_mut().flatten().for_each(Outlet::rekeyed);
        }
        if let Some(voice) = &mut self.outlets[1] {
            voice.wait_for_key();
        }
    }

    /// The socket of a plain subscriber; a session's belongs to the port.
    pub fn own_fd(&self) -> Option<std::os::fd::RawFd> {
        if self.session.is_some() {
            return None;
        }
        self.path.as_ref().map(|p| p.raw_fd())
    }

    pub fn queue_bytes(&self, hub: &Stream) -> u64 {
        self.outlets.iter().flatten().filter_map(|o| Some(o.lag_bytes(self.track(hub, o.kind)?))).sum()
    }
}
