//! Ingest legs: sockets and sessions on one side, the pure `Ingest` in the middle, the hub on the other.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::event::*;
use super::frame_port::FrameReader;
use super::framing::Deframer;
use super::ingest::{Ingest, IngestConfig, IngestOutput, PayloadMap};
use super::lines_in::LineIn;
use super::order::{OpenRtp, RtpMap};
use super::rtsp_in::RtspSource;
use super::sys::{self, SockAddr};
use super::worker::{Alarm, Live, Sock, Worker};
use crate::hub::unit::{AccessUnit, Codec, Kind};
use crate::rtp::header::is_rtcp;
use crate::rtp::reception::ReportBlock;
use crate::rtp::rtcp;
use crate::time::Micros;

/// A latched source that is silent for this long may be replaced by another address.
pub(super) const LATCH_US: u64 = 2_000_000;
/// Receiver reports of a plain leg.
pub(super) const REPORT_US: u64 = 5_000_000;

/// A socket under watch.
pub struct Watched {
    pub fd: OwnedFd,
    pub token: usize,
}

pub enum Source {
    Rtp {
        udp: Option<Watched>,
        rtcp: Option<Watched>,
        tcp: Option<Watched>,
        deframer: Box<Deframer>,
    },
    Frames {
        socket: Watched,
        reader: FrameReader,
        /// The stream that its units are made of.
        of: Option<StreamId>,
    },
    /// A container, RTMP, SRT: its reader stands in the line.
    Line(Box<LineIn>),
    /// Two pipelines: video and audio of a WebRTC peer come under SSRCs and clocks of their own.
    Session {
        session: SessionId,
        audio: Box<Ingest>,
        video_rtx: Vec<(u8, u8)>,
        audio_pts: Vec<u8>,
    },
    /// Tracks that come apart.
    Rtsp(Box<RtspSource>),
}

pub struct Leg {
    pub id: LegId,
    pub stream: StreamId,
    pub ingest: Ingest,
    pub source: Source,
    pub address: Option<SocketAddr>,
    rtcp_address: Option<SocketAddr>,
    pub(super) last_packet: Micros,
    last_unit: Micros,
    stall_us: u64,
    stalled: bool,
    heard: bool,
    shown: bool,
    next_report: Micros,
    pub timer_at: Micros,
    /// SSRCs that the peer said good-bye to.
    pub gone: Vec<u32>,
    /// Voices that talk back over it.
    pub(super) talkers: Vec<VoiceId>,
}

pub(super) fn payload_maps(maps: &[RtpMap]) -> Vec<PayloadMap> {
    let known = maps.iter().filter_map(|m| Some((m, m.known_codec()?)));
    known
        .map(|(m, codec)| PayloadMap {
            pt: m.pt,
            codec,
            clock_hz: m.clock_hz,
            latm: m.codec == "mp4a-latm",
            fmtp: m.fmtp.clone(),
        })
        .collect()
}

impl Leg {
    pub(super) fn new(id: LegId, stream: StreamId, ingest: Ingest, source: Source, stall_us: u64, now: Micros) -> Self {
        Self {
            id,
            stream,
            ingest,
            source,
            address: None,
            rtcp_address: None,
            last_packet: now,
            last_unit: now,
            stall_us,
            stalled: false,
            heard: false,
            shown: false,
            next_report: Micros(now.0 + REPORT_US),
            timer_at: Micros(u64::MAX),
            gone: Vec::new(),
            talkers: Vec::new(),
        }
    }

    pub(super) fn report_at(&mut self, at: Micros) {
        self.next_report = at;
    }

    pub(super) fn event(&self, state: LegState, code: &'static str, detail: String) -> Event {
        Event::Leg { leg: self.id, stream: self.stream, state, code, detail, address: self.address }
    }

    /// The first address is latched; another one is heard only when that has fallen silent.
    fn takes_from(&mut self, from: SocketAddr, now: Micros) -> bool {
        if self.heard && self.address != Some(from) && now.since(self.last_packet) < LATCH_US {
            return false;
        }
        // Until the first good packet nothing is latched: whoever sends it is the source.
        self.address = Some(from);
        self.last_packet = now;
        true
    }

    /// SSRCs that this leg takes media from.
    pub fn sources(&self) -> Vec<u32> {
        let mut list = vec![self.ingest.stats().ssrc];
        list.extend(self.others().iter().map(|i| i.stats().ssrc));
        list.retain(|ssrc| *ssrc != 0);
        list
    }

    pub fn report_blocks(&mut self, now: Micros) -> Vec<ReportBlock> {
        let mut blocks = self.ingest.report_blocks(now);
        for other in self.others_mut() {
            blocks.extend(other.report_blocks(now));
        }
        blocks
    }

    pub fn transport(&self) -> &'static str {
        match &self.source {
            Source::Rtp { tcp: Some(_), .. } => "tcp",
            Source::Rtp { .. } => "udp",
            Source::Frames { .. } => "frames",
            Source::Session { .. } => "srtp",
            Source::Line(l) => l.held.line.transport(),
            Source::Rtsp(rtsp) => rtsp.transport(),
        }
    }
}

impl Worker {
    pub fn open_rtp(&mut self, id: LegId, order: OpenRtp) {
        if !self.streams.contains_key(&order.stream) {
            return;
        }
        let config = IngestConfig {
            ssrc: order.ssrc,
            strict_ssrc: order.strict_ssrc,
            payloads: payload_maps(&order.payloads),
            hint: if order.hint.is_empty() { hint_of(&order.payloads) } else { order.hint },
            jitter_packets: order.jitter_packets,
            jitter_ms: order.jitter_ms,
            program: 0,
        };
        let mut watch = |fd: Option<OwnedFd>, sock| {
            let fd = fd?;
            sys::raise_buffers(&fd, 4 << 20, 1 << 20);
            let token = self.watch(fd.as_raw_fd(), sys::READ, sock);
            Some(Watched { fd, token })
        };
        let udp = watch(order.udp, Sock::LegRtp(id));
        let rtcp = watch(order.rtcp, Sock::LegRtcp(id));
        let source = Source::Rtp { udp, rtcp, tcp: None, deframer: Box::default() };
        self.add_leg(Leg::new(id, order.stream, Ingest::new(config), source, order.stall_ms * 1000, self.now));
    }

    pub(super) fn add_leg(&mut self, mut leg: Leg) {
        let line = match &leg.source {
            Source::Frames { of: Some(of), .. } => self.streams.get(of).map(|source| source.hub.epoch()),
            _ => None,
        };
        let Some(live) = self.streams.get_mut(&leg.stream) else { return };
        match (&leg.source, line) {
            (_, Some(epoch)) => live.hub.add_leg_of(leg.id, epoch),
            // Each track has a clock of its own: only sender reports say how they lie to each other.
            (Source::Rtsp(rtsp), _) if rtsp.tracks.len() > 1 => live.hub.add_leg_apart(leg.id),
            _ => live.hub.add_leg(leg.id),
        }
        live.legs.push(leg.id);
        leg.timer_at = Micros(self.now.0 + 100_000);
        self.alarm(leg.timer_at, Alarm::Leg(leg.id));
        self.legs.insert(leg.id, leg);
    }

    pub fn close_leg(&mut self, id: LegId) {
        let Some(leg) = self.legs.remove(&id) else { return };
        self.end_taps(&leg.talkers);
        match leg.source {
            Source::Rtp { udp, rtcp, tcp, .. } => {
                for w in [udp, rtcp, tcp].into_iter().flatten() {
                    self.unwatch(w.fd.as_raw_fd(), w.token);
                }
            }
            Source::Frames { socket, .. } => self.unwatch(socket.fd.as_raw_fd(), socket.token),
            Source::Line(l) => drop(self.let_go(l.held)),
            Source::Session { session, .. } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.leg = None;
                }
            }
            Source::Rtsp(rtsp) => rtsp.sockets().for_each(|(fd, token)| self.unwatch(fd, token)),
        }
        if let Some(live) = self.streams.get_mut(&leg.stream) {
            live.hub.remove_leg(id);
            live.legs.retain(|l| *l != id);
        }
    }

    pub fn leg_udp(&mut self, id: LegId, rtcp_socket: bool) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let fd = match &leg.source {
            Source::Rtp { udp: Some(w), .. } if !rtcp_socket => w.fd.as_raw_fd(),
            Source::Rtp { rtcp: Some(w), .. } if rtcp_socket => w.fd.as_raw_fd(),
            _ => return,
        };
        let now = self.now;
        let (mut packets, mut bytes) = (0, 0);
        let batch = self.batch.get_or_insert_default();
        batch.receive(fd, |got| {
            packets += 1;
            bytes += got.data.len() as u64;
            if rtcp_socket || is_rtcp(got.data) {
                leg.rtcp_address = Some(got.from);
                leg.ingest.push_rtcp(got.data, now);
            } else if leg.takes_from(got.from, now) {
                if got.data.first() == Some(&0x47) && got.data.len() % 188 == 0 {
                    leg.ingest.push_ts(got.data, now);
                } else {
                    leg.ingest.push_rtp(got.data, now);
                }
            }
        });
        self.packets_in += packets;
        self.bytes_in += bytes;
        self.leg_outputs(leg);
    }

    /// Poll the pipelines, feed the hub, send on; puts the leg back.
    pub(super) fn leg_outputs(&mut self, mut leg: Leg) {
        let Some(mut live) = self.take(leg.stream) else { return };
        let mut any = false;
        while let Some(output) = leg.ingest.poll() {
            any = true;
            self.leg_output(&mut live, &mut leg, output);
        }
        while let Some(output) = leg.others_mut().iter_mut().find_map(Ingest::poll) {
            any = true;
            self.leg_output(&mut live, &mut leg, output);
        }
        if any {
            self.pump_all(&mut live);
        }
        self.put(live);
        self.set_leg_timer(&mut leg);
        self.legs.insert(leg.id, leg);
    }

    pub(super) fn leg_output(&mut self, live: &mut Live, leg: &mut Leg, output: IngestOutput) {
        match output {
            IngestOutput::Track(params) => {
                let changed = live.hub.set_track(leg.id, params).into_iter().collect();
                self.tracks_changed(live, changed);
            }
            IngestOutput::Unit(unit) => self.leg_unit(live, leg, &unit),
            // Transport streams that carry them come over `open_ts_in` and `open_bytes_in`.
            IngestOutput::Klv(_) | IngestOutput::Programs(_) => {}
            IngestOutput::NeedKeyFrame => self.wish(live, Cause::Loss),
            IngestOutput::Problem { code, detail } => {
                self.events.push(leg.event(LegState::Problem, code, detail));
            }
            IngestOutput::FirstMedia { payload } => self.leg_heard(leg, payload),
        }
    }

    pub(super) fn leg_unit(&mut self, live: &mut Live, leg: &mut Leg, unit: &AccessUnit) {
        leg.last_unit = self.now;
        if std::mem::take(&mut leg.stalled) {
            self.events.push(leg.event(LegState::Resumed, "", String::new()));
        }
        if unit.kind == Kind::Video && unit.key && !std::mem::replace(&mut leg.shown, true) {
            // After the event of its track: who hears this knows what the source sends now.
            self.events.push(leg.event(LegState::Picture, "", String::new()));
        }
        self.unit(live, leg.id, unit);
    }

    pub(super) fn leg_heard(&mut self, leg: &mut Leg, payload: &str) {
        if !std::mem::replace(&mut leg.heard, true) {
            leg.last_unit = self.now;
            self.events.push(leg.event(LegState::Media, "", payload.to_owned()));
        }
    }

    pub(super) fn set_leg_timer(&mut self, leg: &mut Leg) {
        let mut at = leg.next_report;
        if leg.heard && !leg.stalled {
            at = at.min(Micros(leg.last_unit.0.max(self.now.0.saturating_sub(leg.stall_us)) + leg.stall_us));
        }
        let timers = leg.others().iter().filter_map(Ingest::next_timer);
        let timers = timers.chain(leg.ingest.next_timer()).chain(leg.line_timer());
        at = timers.fold(at, Micros::min).max(Micros(self.now.0 + 1_000));
        if at < leg.timer_at || leg.timer_at <= self.now {
            leg.timer_at = at;
            self.alarm(at, Alarm::Leg(leg.id));
        }
    }

    pub fn leg_timer(&mut self, id: LegId) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let now = self.now;
        leg.ingest.handle_timer(now);
        leg.others_mut().iter_mut().for_each(|i| i.handle_timer(now));
        if leg.heard && !leg.stalled && now.since(leg.last_unit) >= leg.stall_us {
            leg.stalled = true;
            self.events.push(leg.event(LegState::Stalled, "media-stopped", String::new()));
        }
        if leg.next_report <= now {
            leg.next_report = Micros(now.0 + REPORT_US);
            self.leg_report(&mut leg);
        }
        if self.leg_line_due(&leg) {
            self.legs.insert(id, leg);
            return self.leg_line(id);
        }
        self.leg_outputs(leg);
    }

    /// A receiver report to a plain source that spoke RTCP itself. Sessions report on their own.
    fn leg_report(&mut self, leg: &mut Leg) {
        if matches!(leg.source, Source::Rtsp(_)) {
            return self.rtsp_leg_report(leg);
        }
        let (Some(to), Source::Rtp { udp, rtcp, .. }) = (leg.rtcp_address, &leg.source) else { return };
        let Some(socket) = rtcp.as_ref().or(udp.as_ref()) else { return };
        let v6 = matches!(sys::check_socket(&socket.fd, libc::SOCK_DGRAM), Ok(true));
        let blocks = leg.ingest.report_blocks(self.now);
        if blocks.is_empty() {
            return;
        }
        let ssrc = 0x4647_0000 | (leg.id as u32 & 0xffff);
        let mut compound = Vec::with_capacity(96);
        rtcp::write_receiver_report(&mut compound, ssrc, &blocks);
        rtcp::write_sdes(&mut compound, ssrc, "fieldgate");
        sys::send_to(socket.fd.as_raw_fd(), &compound, &SockAddr::new(to, v6));
    }
}

impl Leg {
    /// Pipelines beside the first: the other tracks of sources whose tracks come apart.
    pub(super) fn others(&self) -> &[Ingest] {
        match &self.source {
            Source::Session { audio, .. } => std::slice::from_ref(audio),
            Source::Rtsp(rtsp) => &rtsp.others,
            _ => &[],
        }
    }

    fn others_mut(&mut self) -> &mut [Ingest] {
        match &mut self.source {
            Source::Session { audio, .. } => std::slice::from_mut(audio),
            Source::Rtsp(rtsp) => &mut rtsp.others,
            _ => &mut [],
        }
    }

    fn line_timer(&self) -> Option<Micros> {
        match &self.source {
            Source::Line(l) => l.next_timer(),
            _ => None,
        }
    }
}

/// A payload name that is no codec ("ps") is a hint.
pub(super) fn hint_of(payloads: &[RtpMap]) -> String {
    let found = payloads.iter().find(|m| m.known_codec().is_none_or(|c: Codec| c.kind() == Kind::Video));
    found.map(|m| m.codec.clone()).unwrap_or_default()
}
