//! One subscriber of a stream over RTP: its tracks, pace, reports, and what its peer says.

use std::rc::Rc;

use super::choice::{choose, Choice};
use super::egress::{Outlet, OutletConfig, Start};
use super::event::{Cause, Event, SessionId, StreamId, SubId, SubState};
use super::order::Subscribe;
use super::pacing::{Pacer, MAX_RUN};
use super::path::{Outbox, Path};
use super::queue::Events;
use super::sys::Outcome;
use super::voice_open::format_of;
use crate::audio::format::Format;
use crate::hub::derived::source_format;
use crate::hub::stream::Stream;
use crate::hub::track::Track;
use crate::hub::unit::{Kind, TrackParams};
use crate::rtp::{reception::ReportBlock, rtcp};
use crate::time::Micros;

/// Sender reports, and how long after a full socket to try again.
const REPORT_US: u64 = 1_000_000;
const RETRY_US: u64 = 2_000;
/// Video this old is left out even if its queue has room: a viewer wants the present.
const MAX_AGE_US: u64 = 4_000_000;
/// Voice waits for nothing: of more frames than this the oldest go.
const MAX_VOICE_FRAMES: u64 = 25;

/// What the peer reports.
#[derive(Debug, Default, Clone, Copy)]
pub struct Peer {
    pub plis: u64,
    pub firs: u64,
    pub rtt_ms: f64,
    pub loss_ratio: f64,
    pub remb_bps: f64,
    pub twcc_bps: f64,
}

pub struct Subscriber {
    pub id: SubId,
    pub stream: StreamId,
    pub session: Option<SessionId>,
    /// `None` until the session is armed.
    pub path: Option<Rc<Path>>,
    order: Subscribe,
    pub outlets: [Option<Outlet>; 2],
    refused: [&'static str; 2],
    start: [Start; 2],
    /// Its sound is converted: to this, for this payload type.
    derived: Option<(Format, u8)>,
    /// Which track its sound comes from: 0 for the stream's own.
    audio_from: u64,
    pub pacer: Pacer,
    pub peer: Peer,
    pub congested: bool,
    told_first: bool,
    told_wait: bool,
    next_report: Micros,
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
    pub fn new(id: SubId, session: Option<SessionId>, order: Subscribe, start: [Start; 2]) -> Self {
        Self {
            id,
            stream: order.stream,
            session,
            path: None,
            order,
            outlets: [None, None],
            refused: [""; 2],
            start,
            derived: None,
            audio_from: 0,
            pacer: Pacer::default(),
            peer: Peer::default(),
            congested: false,
            told_first: false,
            told_wait: false,
            next_report: Micros(0),
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
            match choose(maps, &track.params, self.session.is_some()) {
                Choice::NotWanted => {}
                Choice::Refused(code) => {
                    if k == 1 && self.convert(&track.params) {
                        continue;
                    }
                    self.outlets[k] = None;
                    if self.refused[k] != code {
                        self.refused[k] = code;
                        self.tell(events, SubState::Refused, code, track.params.codec.name().to_owned());
                    }
                }
                Choice::Take(map) => {
                    self.refused[k] = "";
                    let (pt, rtx_pt) = (map.pt, map.rtx_pt);
                    if k == 1 {
                        self.derived = None;
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
    fn track<'h>(&self, hub: &'h Stream, kind: Kind) -> Option<&'h Track> {
        match self.derived.filter(|_| kind == Kind::Audio) {
            Some((format, _)) => hub.derived(format).map(|d| &d.track),
            None => hub.track(kind),
        }
    }

    /// Send what is due; sets `timer_at`.
    pub fn pump(&mut self, hub: &Stream, ground: &mut Ground<'_>) {
        let Some(path) = self.path.clone() else { return };
        let mut again = Micros(u64::MAX);
        let audio = self.track(hub, Kind::Audio);
        if let (Some(outlet), Some(track)) = (self.outlets[1].as_mut(), audio) {
            pump_voice(outlet, track, &path, ground);
        }
        if let Some(mut outlet) = self.outlets[0].take() {
            if let Some(track) = hub.track(Kind::Video) {
                self.keep_up(&mut outlet, track, ground);
                again = self.pump_video(&mut outlet, track, &path, ground);
            }
            self.outlets[0] = Some(outlet);
        }
        if self.outlets.iter().flatten().any(|o| o.packets > 0) {
            if self.next_report <= ground.now {
                self.report(hub, &path, ground);
            }
            again = again.min(self.next_report);
        }
        self.timer_at = again;
    }

    /// Begin at a key frame; leave frames out when the queue is full.
    fn keep_up(&mut self, outlet: &mut Outlet, track: &Track, ground: &mut Ground<'_>) {
        if outlet.is_waiting() {
            // Left out or never begun: the cached group, if it starts with what was not sent yet.
            if outlet.start_at_gop(track) {
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

    fn pump_video(&mut self, outlet: &mut Outlet, track: &Track, path: &Path, ground: &mut Ground<'_>) -> Micros {
        let mut abs_send_time = None;
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
            let buffer = &mut ground.outbox.buffer;
            let Some(run) = outlet.fill(track, buffer, path.sealer.as_ref(), &mut moving, MAX_RUN) else {
                return Micros(u64::MAX);
            };
            if ground.outbox.send_run(path, &run) == Outcome::Full {
                outlet.rewind(&mark);
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
        }
    }

    /// Sender reports of all tracks on the one time line, with the CNAME (RFC 3550 §6.4.1).
    fn report(&mut self, hub: &Stream, path: &Path, ground: &mut Ground<'_>) {
        self.next_report = Micros(ground.now.0 + REPORT_US);
        let ntp = ground.outbox.ntp(ground.now.0);
        for outlet in self.outlets.iter().flatten().filter(|o| o.packets > 0) {
            let Some(track) = self.track(hub, outlet.kind) else { continue };
            let ts = outlet.report_ts(hub.ticks_at(ground.now, track.params.clock_hz));
            let mut compound = Vec::with_capacity(128);
            rtcp::write_sender_report(&mut compound, outlet.ssrc, ntp, ts, outlet.packets, outlet.octets);
            rtcp::write_sdes(&mut compound, outlet.ssrc, &self.order.cname);
            ground.outbox.send_rtcp(path, compound);
        }
    }

    /// BYE for every source that has sent (RFC 3550 §6.6).
    pub fn bye(&mut self, outbox: &mut Outbox) {
        let Some(path) = self.path.take() else { return };
        for outlet in self.outlets.iter().flatten().filter(|o| o.packets > 0) {
            let mut compound = Vec::with_capacity(64);
            rtcp::write_receiver_report(&mut compound, outlet.ssrc, &[]);
            rtcp::write_sdes(&mut compound, outlet.ssrc, &self.order.cname);
            rtcp::write_bye(&mut compound, outlet.ssrc);
            outbox.send_rtcp(&path, compound);
        }
    }

    fn owns(&self, ssrc: u32) -> bool {
        self.outlets.iter().flatten().any(|o| o.ssrc == ssrc || o.rtx_ssrc() == Some(ssrc))
    }

    /// One packet of the peer's compound.
    pub fn on_rtcp(&mut self, packet: &rtcp::Rtcp<'_>, hub: &Stream, ground: &mut Ground<'_>) {
        match *packet {
            rtcp::Rtcp::SenderReport { blocks, .. } | rtcp::Rtcp::ReceiverReport { blocks, .. } => {
                for block in rtcp::report_blocks(blocks) {
                    self.on_report(&block, ground);
                }
            }
            rtcp::Rtcp::Pli { media } if self.owns(media) => {
                self.peer.plis += 1;
                ground.wish = Some(Cause::Pli);
            }
            rtcp::Rtcp::Fir { entries } if rtcp::fir_ssrcs(entries).any(|s| self.owns(s)) => {
                self.peer.firs += 1;
                ground.wish = Some(Cause::Fir);
            }
            rtcp::Rtcp::Remb { bps, ssrcs } if rtcp::ssrcs(ssrcs).any(|s| self.owns(s)) => {
                self.peer.remb_bps = bps as f64;
                self.pacer.estimate_bps = bps as f64;
            }
            rtcp::Rtcp::TransportCc { feedback } => self.on_transport_cc(feedback),
            rtcp::Rtcp::Nack { media, items } => self.on_nack(media, items, hub, ground),
            _ => {}
        }
    }

    fn on_report(&mut self, block: &ReportBlock, ground: &Ground<'_>) {
        // Of picture and sound the picture's report is shown.
        let main = self.outlets.iter().flatten().next();
        if main.is_none_or(|o| o.ssrc != block.ssrc) {
            return;
        }
        self.peer.loss_ratio = f64::from(block.fraction_lost) / 256.0;
        if block.last_sr != 0 {
            // RFC 3550 §6.4.1: in 1/65536 s of the middle NTP bits.
            let now = (ground.outbox.ntp(ground.now.0) >> 16) as u32;
            let rtt = now.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr) as i32;
            if (0..65_536 * 30).contains(&rtt) {
                self.peer.rtt_ms = f64::from(rtt) * 1000.0 / 65_536.0;
            }
        }
    }

    /// What arrived within the span of one feedback, as a rate: a floor for what the path carries.
    fn on_transport_cc(&mut self, feedback: &[u8]) {
        let (mut got, mut all, mut ticks) = (0u32, 0u32, 0i64);
        let read = rtcp::transport_cc(feedback, |_, delta| {
            all += 1;
            if let Some(delta) = delta {
                got += 1;
                ticks += if got > 1 { i64::from(delta) } else { 0 };
            }
        });
        let sent = self
            .outlets
            .iter()
            .flatten()
            .fold((0u64, 0u64), |(p, o), x| (p + u64::from(x.packets), o + u64::from(x.octets)));
        if read.is_err() || got < 8 || ticks < 20 || sent.0 == 0 {
            return;
        }
        let mean_bytes = sent.1 as f64 / sent.0 as f64 + 60.0;
        let bps = f64::from(got - 1) * mean_bytes * 8.0 / (ticks as f64 * 250e-6);
        self.peer.twcc_bps += (bps - self.peer.twcc_bps) * if self.peer.twcc_bps == 0.0 { 1.0 } else { 0.2 };
        // Only where packets are lost does what arrives say what can arrive.
        let lossy = got * 10 < all * 9;
        self.pacer.estimate_bps = if lossy { self.peer.twcc_bps } else { self.peer.remb_bps };
    }

    fn on_nack(&mut self, media: u32, items: &[u8], hub: &Stream, ground: &mut Ground<'_>) {
        let Some(path) = self.path.clone() else { return };
        let asked = self.outlets.iter().flatten().find(|o| o.ssrc == media).map(|o| o.kind);
        let Some(track) = asked.and_then(|kind| self.track(hub, kind)) else { return };
        let Some(outlet) = self.outlets.iter_mut().flatten().find(|o| o.ssrc == media) else { return };
        let mut moving = path.moving.get();
        moving.abs_send_time = ground.outbox.abs_send_time(ground.now.0);
        for seq in rtcp::nack_seqs(items) {
            outlet.nacks += 1;
            let buffer = &mut ground.outbox.buffer;
            let len = outlet.resend(track, seq, buffer, path.sealer.as_ref(), &mut moving, ground.now);
            if len > 0 && ground.outbox.send_one(&path, len) == Outcome::Full {
                break;
            }
        }
        path.moving.set(moving);
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

/// Voice goes at once; of too many frames the oldest are dropped.
fn pump_voice(outlet: &mut Outlet, track: &Track, path: &Path, ground: &mut Ground<'_>) {
    if outlet.is_waiting() {
        // From the newest frame on: old sound is of no use.
        outlet.start_at(track, track.next_frame().saturating_sub(1));
    }
    let lag = outlet.lag_frames(track);
    if lag > MAX_VOICE_FRAMES || outlet.fell_behind(track) {
        outlet.skip_to(track, Some(track.next_frame() - MAX_VOICE_FRAMES.min(lag)));
    }
    loop {
        let mark = outlet.mark();
        let mut moving = path.moving.get();
        moving.abs_send_time = ground.outbox.abs_send_time(ground.now.0);
        let buffer = &mut ground.outbox.buffer;
        let Some(run) = outlet.fill(track, buffer, path.sealer.as_ref(), &mut moving, MAX_RUN) else { return };
        if ground.outbox.send_run(path, &run) == Outcome::Full {
            outlet.rewind(&mark);
            return;
        }
        path.moving.set(moving);
    }
}
