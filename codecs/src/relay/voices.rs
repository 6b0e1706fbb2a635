//! The voice thread's part of a worker: the clock, the sockets of voices, and what comes in on them. Who hears whom is
//! `voice::bridge`'s.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::event::*;
use super::framing::Framed;
use super::path::Path;
use super::queue::{Passed, PassedHead};
use super::session::Session;
use super::sys::{self, Epoll, TimerFd};
use super::voice_line::{Line, Out};
use super::worker::Worker;
use super::OrderError;
use crate::audio::format::Format;
use crate::audio::playout::Arrived;
use crate::rtp::header::RtpView;
use crate::rtp::reception::SenderClock;
use crate::rtp::rtcp;
use crate::time::Micros;
use crate::voice::clock::{Figures, Schedule, TICK_US};
use crate::voice::inlet::Taken;
use crate::voice::{usrp, Bridge, Far, Sink, Tell};

/// Between two reports of a voice.
const REPORT_US: u64 = 2_500_000;
/// Records or reads of one socket before others have their turn.
const READS: usize = 16;
/// A PCM record is at most 20 ms of 48 kHz stereo; one longer is cut and, being of no known length, refused.
const RECORD_BYTES: usize = 4096;

pub struct Voices {
    pub bridge: Bridge,
    pub lines: HashMap<VoiceId, Line>,
    /// Sockets that are read when the clock ticks.
    pub calm: Epoll,
    pub figures: Figures,
    timer: TimerFd,
    schedule: Option<Schedule>,
    passed: Vec<Passed>,
    broken: Vec<VoiceId>,
    ready: Vec<u64>,
    reports: Vec<(Micros, VoiceId)>,
    scratch: Vec<u8>,
    pub(super) random: u64,
}

impl Voices {
    pub fn new() -> Result<Self, OrderError> {
        let mut seed = [0u8; 8];
        // Without chance the starts can be guessed: weaker against injection, no harm else.
        let _ = aws_lc_rs::rand::fill(&mut seed);
        Ok(Self {
            bridge: Bridge::default(),
            lines: HashMap::new(),
            calm: Epoll::new()?,
            figures: Figures::default(),
            timer: TimerFd::new()?,
            schedule: None,
            passed: Vec::with_capacity(64),
            broken: Vec::new(),
            ready: Vec::with_capacity(64),
            reports: Vec::new(),
            scratch: vec![0; 2 * RECORD_BYTES],
            random: u64::from_le_bytes(seed) | 1,
        })
    }

    pub fn timer_fd(&self) -> RawFd {
        self.timer.raw()
    }

    pub fn report_from(&mut self, voice: VoiceId, now: Micros) {
        // Spread over the interval, so that a hundred calls do not report in one tick.
        let at = now.0 + REPORT_US / 5 + (voice >> 8) * 97_000 % (REPORT_US / 2);
        self.reports.push((Micros(at), voice));
    }
}

impl Worker {
    /// The clock ticks while there is something that it serves.
    pub fn set_voice_clock(&mut self) {
        let Some(voices) = self.voices.as_mut() else { return };
        if voices.schedule.is_none() {
            let first = sys::monotonic_us() + TICK_US;
            voices.schedule = Some(Schedule::new(Micros(first)));
            voices.timer.set(first, TICK_US);
        }
    }

    fn rest_voice_clock(&mut self) {
        let idle = !self.sessions.values().any(|s| s.own_fds().is_some());
        if let Some(voices) = self.voices.as_mut().filter(|v| idle && v.lines.is_empty() && v.bridge.counts().0 == 0) {
            voices.schedule = None;
            voices.timer.set(0, 0);
        }
    }

    pub fn voice_clock_rings(&mut self) {
        let Some(voices) = self.voices.as_mut() else { return };
        voices.timer.clear();
        let Some(due) = voices.schedule.as_mut().map(|s| s.due(self.now)) else { return };
        if due.ticks == 0 {
            return;
        }
        voices.figures.late.add(due.late_us);
        voices.figures.skipped += due.skipped;
        self.read_calm();
        self.read_passed();
        let Some(voices) = self.voices.as_mut() else { return };
        if due.skipped > 0 {
            voices.bridge.skip(due.skipped);
        }
        let mut out = Out {
            outbox: &mut self.outbox,
            events: &self.events,
            lines: &mut voices.lines,
            broken: &mut voices.broken,
        };
        let newest = self.now.0.saturating_sub(due.late_us);
        for n in (0..due.ticks).rev() {
            voices.bridge.tick(&mut out, Micros(newest.saturating_sub(n * TICK_US)));
        }
        self.after_tick();
        let busy = sys::monotonic_us().saturating_sub(self.now.0);
        if let Some(voices) = self.voices.as_mut() {
            voices.figures.busy.add(busy);
        }
    }

    fn after_tick(&mut self) {
        let Some(voices) = self.voices.as_mut() else { return };
        let broken = std::mem::take(&mut voices.broken);
        let fallen = std::mem::take(&mut voices.bridge.fallen);
        for voice in broken {
            self.end_voice(voice, "link-down");
        }
        for voice in fallen {
            self.drop_line(voice, None);
        }
        self.voice_reports();
        if self.voices.as_ref().is_some_and(|v| v.lines.is_empty()) {
            self.rest_voice_clock();
        }
    }

    fn read_calm(&mut self) {
        for _ in 0..64 {
            let Some(voices) = self.voices.as_mut() else { return };
            let mut ready = std::mem::take(&mut voices.ready);
            ready.clear();
            voices.calm.wait(&mut ready, Some(0));
            for token in &ready {
                if let Some(sock) = self.sock(*token) {
                    self.on_ready(sock);
                }
            }
            let all = ready.len() < 64;
            if let Some(voices) = self.voices.as_mut() {
                voices.ready = ready;
            }
            if all {
                return;
            }
        }
    }

    fn read_passed(&mut self) {
        let Some(voices) = self.voices.as_mut() else { return };
        let mut list = std::mem::take(&mut voices.passed);
        self.commands.take_passed(&mut list);
        for passed in &mut list {
            match passed.head {
                PassedHead::Packet { session, from, at } => {
                    self.packets_in += 1;
                    self.arrival = at;
                    self.session_packet(session, &mut passed.data, from);
                }
                PassedHead::Unit { voice, format, ts, ticks, at } => {
                    self.arrival = at;
                    let data = &passed.data;
                    self.guard_voice(voice, |w| w.voice_unit(voice, format, ts, ticks, data));
                }
            }
        }
        if let Some(voices) = self.voices.as_mut() {
            voices.passed = list;
        }
    }

    /// Do a voice's work; if it panics, the voice ends and the thread goes on.
    pub fn guard_voice(&mut self, voice: VoiceId, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_ok() {
            return;
        }
        self.with_voices_out(|bridge, out| {
            let address = bridge.get(voice).and_then(|m| m.address);
            bridge.fall(voice, address, out);
        });
        if let Some(voices) = self.voices.as_mut() {
            voices.bridge.fallen.retain(|v| *v != voice);
        }
        self.drop_line(voice, None);
    }

    /// The bridge beside the way out.
    pub(super) fn with_voices_out<T>(&mut self, work: impl FnOnce(&mut Bridge, &mut Out<'_>) -> T) -> Option<T> {
        let voices = self.voices.as_mut()?;
        let mut out = Out {
            outbox: &mut self.outbox,
            events: &self.events,
            lines: &mut voices.lines,
            broken: &mut voices.broken,
        };
        Some(work(&mut voices.bridge, &mut out))
    }

    // ── what comes in ──

    /// When the kernel took a datagram, on our clock; now, where that is not known or can not be.
    pub(super) fn arrival_of(&self, unix_us: Option<u64>) -> Micros {
        /// Older than this is a jump of the wall clock.
        const OLDEST_US: u64 = 500_000;
        let Some(unix) = unix_us else { return self.now };
        let age = sys::unix_us().saturating_sub(unix).saturating_sub(sys::monotonic_us().saturating_sub(self.now.0));
        if age > OLDEST_US {
            return self.now;
        }
        Micros(self.now.0.saturating_sub(age))
    }

    /// A plain or decrypted RTP packet of the session that carries this voice.
    pub fn voice_rtp(&mut self, voice: VoiceId, data: &[u8], from: SocketAddr) {
        let Ok(view) = RtpView::parse(data) else { return };
        let (now, arrival) = (self.now, self.arrival);
        self.with_voices_out(|bridge, out| {
            let Some(member) = bridge.get_mut(voice) else { return };
            match member.inlet.packet(&view, arrival) {
                Taken::Audio => member.arrived(out, Some(from), now),
                Taken::Keys(keys) => {
                    member.arrived(out, Some(from), now);
                    for key in keys.into_iter().flatten() {
                        member.tell(out, VoiceState::Dtmf, "", key.to_owned());
                    }
                }
                Taken::Unknown(pt) => member.problem(out, "codec-unsupported", format!("payload type {pt}"), now),
            }
        });
    }

    /// A compound of the peer's: what it says of itself, and of us.
    pub fn voice_rtcp(&mut self, voice: VoiceId, compound: &[u8]) {
        let now = self.now;
        let ntp = (self.outbox.ntp(now.0) >> 16) as u32;
        let Some(voices) = self.voices.as_mut() else { return };
        let mut loss = None;
        let Some(member) = voices.bridge.get_mut(voice) else { return };
        let ours = match &member.far {
            Far::Rtp(outlet) => Some((outlet.config.ssrc, outlet.config.format.clock_hz())),
            _ => None,
        };
        for packet in rtcp::packets(compound).map_while(Result::ok) {
            let blocks = match packet {
                rtcp::Rtcp::SenderReport { ssrc, ntp, rtp_ts, blocks, .. } => {
                    member.inlet.sender_report(SenderClock { ssrc, ntp, rtp_ts }, now);
                    blocks
                }
                rtcp::Rtcp::ReceiverReport { blocks, .. } => blocks,
                _ => continue,
            };
            for block in rtcp::report_blocks(blocks).filter(|b| ours.is_some_and(|(ssrc, _)| ssrc == b.ssrc)) {
                member.peer.loss_ratio = f64::from(block.fraction_lost) / 256.0;
                let clock = ours.map_or(8_000, |(_, clock)| clock);
                member.peer.jitter_ms = f64::from(block.jitter) * 1000.0 / f64::from(clock);
                loss = Some((u32::from(block.fraction_lost) * 100 / 256) as u8);
                let rtt = ntp.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr) as i32;
                if block.last_sr != 0 && (0..65_536 * 30).contains(&rtt) {
                    member.peer.rtt_ms = f64::from(rtt) * 1000.0 / 65_536.0;
                }
            }
        }
        if let Some(percent) = loss {
            voices.bridge.set_loss(voice, percent);
        }
    }

    pub fn voice_stranger(&mut self, voice: VoiceId, from: SocketAddr) {
        self.with_voices_out(|bridge, out| {
            if bridge.get(voice).is_some() {
                out.tell(Tell {
                    voice,
                    state: VoiceState::Stranger,
                    code: "",
                    detail: String::new(),
                    address: Some(from),
                });
            }
        });
    }

    pub fn voice_unauthentic(&mut self, voice: VoiceId, from: SocketAddr) {
        let now = self.now;
        self.with_voices_out(|bridge, out| {
            if let Some(member) = bridge.get_mut(voice) {
                member.unauthentic += 1;
                member.problem(out, "srtp-unauthentic", from.to_string(), now);
            }
        });
    }

    fn voice_unit(&mut self, voice: VoiceId, format: Format, ts: u32, ticks: u32, data: &[u8]) {
        let (now, arrival) = (self.now, self.arrival);
        self.with_voices_out(|bridge, out| {
            let Some(Line::Tap { numbers, .. }) = out.lines.get_mut(&voice) else { return };
            let (seq, _, marker) = numbers.follow(ticks, format.clock_hz(), now);
            let Some(member) = bridge.get_mut(voice) else { return };
            let arrived = Arrived { ssrc: 1, seq, ts, marker, arrival, comfort_noise: false, payload: data };
            if member.inlet.insert_as(format, arrived) == Taken::Audio {
                member.arrived(out, None, now);
            }
        });
    }

    pub fn voice_usrp(&mut self, voice: VoiceId) {
        let Some(voices) = self.voices.as_mut() else { return };
        let Some(Line::Usrp { fd, .. }) = voices.lines.get(&voice) else { return };
        let fd = fd.as_raw_fd();
        let mut batch = self.batch.take().unwrap_or_default();
        batch.receive(fd, |got| {
            self.packets_in += 1;
            self.bytes_in += got.data.len() as u64;
            self.arrival = self.arrival_of(got.unix_us);
            self.usrp_datagram(voice, got.data, got.from);
        });
        self.batch = Some(batch);
    }

    fn usrp_datagram(&mut self, voice: VoiceId, data: &mut [u8], from: SocketAddr) {
        let (now, arrival) = (self.now, self.arrival);
        self.with_voices_out(|bridge, out| {
            let Some(Line::Usrp { host, numbers, .. }) = out.lines.get_mut(&voice) else { return };
            let Some(member) = bridge.get_mut(voice) else { return };
            if from.ip() != *host {
                member.strangers += 1;
                if member.may_tell("stranger", now) {
                    let address = Some(from);
                    out.tell(Tell { voice, state: VoiceState::Stranger, code: "", detail: String::new(), address });
                }
                return;
            }
            let packet = match usrp::parse(data) {
                Ok(packet) => packet,
                Err(error) => return member.problem(out, "protocol", error.to_string(), now),
            };
            let (seq, keyup, kind, body) = (packet.seq, packet.keyup, packet.kind, packet.body.len());
            match kind {
                usrp::Kind::Voice => {
                    if body > 0 && keyup {
                        let (number, ts, marker) =
                            numbers.next(seq as u16, usrp::SAMPLES as u32, usrp::RATE_HZ, arrival);
                        let pcm = &mut data[usrp::HEADER_BYTES..];
                        pcm.chunks_exact_mut(2).for_each(|s| s.swap(0, 1));
                        let Some(format) = Format::new("l16", usrp::RATE_HZ, 1) else { return };
                        let arrived =
                            Arrived { ssrc: 1, seq: number, ts, marker, arrival, comfort_noise: false, payload: pcm };
                        member.inlet.insert_as(format, arrived);
                        member.arrived(out, Some(from), now);
                    }
                    member.keyed(out, keyup);
                }
                usrp::Kind::Dtmf => {
                    let first = data[usrp::HEADER_BYTES..].first().map(|b| char::from(*b).to_string());
                    let known = first.and_then(|d| crate::audio::dtmf::digit_code(&d));
                    if let Some(name) = known.and_then(crate::audio::dtmf::digit_name) {
                        member.tell(out, VoiceState::Dtmf, "", name.to_owned());
                    }
                }
                usrp::Kind::Other => {}
            }
        });
    }

    pub fn voice_pcm(&mut self, voice: VoiceId) {
        let Some(voices) = self.voices.as_mut() else { return };
        let Some(Line::Pcm(line)) = voices.lines.get(&voice) else { return };
        let Some(fd) = line.socket.as_ref().map(|(fd, _)| fd.as_raw_fd()) else { return };
        let mut scratch = std::mem::take(&mut voices.scratch);
        scratch.resize(2 * RECORD_BYTES, 0);
        let mut end = None;
        for _ in 0..READS {
            match sys::read(fd, &mut scratch[..RECORD_BYTES]) {
                Ok(0) => {
                    end = Some("source-ended");
                    break;
                }
                Ok(n) => self.pcm_record(voice, &mut scratch[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => break,
                Err(_) => {
                    end = Some("link-down");
                    break;
                }
            }
        }
        if let Some(voices) = self.voices.as_mut() {
            voices.scratch = scratch;
        }
        if let Some(code) = end {
            self.end_voice(voice, code);
        }
    }

    fn pcm_record(&mut self, voice: VoiceId, record: &mut [u8]) {
        let now = self.now;
        self.with_voices_out(|bridge, out| {
            let Some(Line::Pcm(line)) = out.lines.get_mut(&voice) else { return };
            let Some(member) = bridge.get_mut(voice) else { return };
            let ticks = crate::audio::frame_samples(line.rate_hz);
            let format = Format::new("l16", line.rate_hz, line.channels);
            let Some(format) = format.filter(|_| record.len() == ticks * 2 * usize::from(line.channels)) else {
                return member.problem(out, "protocol", "a record is 20 ms of samples".to_owned(), now);
            };
            let (seq, ts, marker) = line.numbers.follow(ticks as u32, line.rate_hz, now);
            record.chunks_exact_mut(2).for_each(|s| s.swap(0, 1));
            let arrived = Arrived { ssrc: 1, seq, ts, marker, arrival: now, comfort_noise: false, payload: record };
            member.inlet.insert_as(format, arrived);
            member.arrived(out, None, now);
        });
    }

    pub fn voice_tcp(&mut self, voice: VoiceId) {
        let Some(voices) = self.voices.as_mut() else { return };
        let Some(Line::Tcp(line)) = voices.lines.get(&voice) else { return };
        let Some(fd) = line.socket.as_ref().map(|(fd, _)| fd.as_raw_fd()) else { return };
        let mut scratch = std::mem::take(&mut voices.scratch);
        scratch.resize(2 * RECORD_BYTES, 0);
        let mut end = None;
        for _ in 0..READS {
            match sys::read(fd, &mut scratch) {
                Ok(0) => {
                    end = Some("source-ended");
                    break;
                }
                Ok(n) => {
                    self.bytes_in += n as u64;
                    self.voice_tcp_bytes(voice, &scratch[..n]);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => break,
                Err(_) => {
                    end = Some("link-down");
                    break;
                }
            }
        }
        if let Some(voices) = self.voices.as_mut() {
            voices.scratch = scratch;
        }
        if let Some(code) = end {
            self.end_voice(voice, code);
        }
    }

    pub(super) fn voice_tcp_bytes(&mut self, voice: VoiceId, data: &[u8]) {
        let Some(Line::Tcp(line)) = self.voices.as_mut().and_then(|v| v.lines.get_mut(&voice)) else { return };
        let from = line.peer.unwrap_or_else(|| SocketAddr::new([0, 0, 0, 0].into(), 0));
        line.deframer.push(data);
        loop {
            let Some(Line::Tcp(line)) = self.voices.as_mut().and_then(|v| v.lines.get_mut(&voice)) else { return };
            let Some(framed) = line.deframer.next() else { return };
            self.packets_in += 1;
            match framed {
                Framed::Rtp(packet) => self.voice_rtp(voice, &packet, from),
                Framed::Rtcp(packet) => self.voice_rtcp(voice, &packet),
            }
        }
    }

    // ── reports ──

    fn voice_reports(&mut self) {
        let now = self.now;
        let Some(voices) = self.voices.as_mut() else { return };
        let mut reports = std::mem::take(&mut voices.reports);
        reports.retain_mut(|(at, voice)| {
            if *at > now {
                return true;
            }
            *at = Micros(now.0 + REPORT_US);
            self.voice_report(*voice)
        });
        if let Some(voices) = self.voices.as_mut() {
            reports.append(&mut voices.reports);
            voices.reports = reports;
        }
    }

    /// SR or RR with CNAME (RFC 3550 §6.4). False when the voice is gone.
    fn voice_report(&mut self, voice: VoiceId) -> bool {
        let now = self.now;
        let ntp = self.outbox.ntp(now.0);
        let Some(voices) = self.voices.as_mut() else { return false };
        let (Some(member), Some(line)) = (voices.bridge.get_mut(voice), voices.lines.get_mut(&voice)) else {
            return false;
        };
        let block = member.inlet.report(now);
        let Far::Rtp(outlet) = &member.far else { return true };
        let ssrc = outlet.config.ssrc;
        let mut compound = Vec::with_capacity(160);
        if outlet.packets > 0 {
            rtcp::write_sender_report(&mut compound, ssrc, ntp, outlet.ts(), outlet.packets, outlet.octets);
        }
        if block.is_some() || compound.is_empty() {
            rtcp::write_receiver_report(&mut compound, ssrc, block.as_slice());
        }
        match line {
            Line::Session { path: Some(path), cname, .. } => {
                rtcp::write_sdes(&mut compound, ssrc, cname);
                self.outbox.send_rtcp(path, compound);
            }
            Line::Tcp(line) => {
                rtcp::write_sdes(&mut compound, ssrc, &line.cname);
                line.send([&compound, &[]]);
            }
            _ => {}
        }
        true
    }

    // ── the end ──

    /// The carrier ended by itself: told, and the handle stays.
    pub(super) fn end_voice(&mut self, voice: VoiceId, code: &'static str) {
        let mut gone = None;
        self.with_voices_out(|bridge, out| {
            gone = match out.lines.get_mut(&voice) {
                Some(Line::Tcp(line)) => line.socket.take(),
                Some(Line::Pcm(line)) => line.socket.take(),
                _ => None,
            };
            if let Some(member) = bridge.get_mut(voice).filter(|m| !m.closed) {
                member.closed = true;
                member.tell(out, VoiceState::Closed, code, String::new());
            }
        });
        if let Some((fd, token)) = gone {
            self.unwatch(fd.as_raw_fd(), token);
        }
    }

    /// Close a voice: BYE, its sockets, its rooms. A session stays.
    pub fn close_voice(&mut self, voice: VoiceId) {
        self.close_voice_with(voice, None);
    }

    /// The session ends, and with it the voice: told, unless its owner asked for it.
    pub(super) fn close_voice_of(&mut self, voice: VoiceId, path: Option<&Path>) {
        self.close_voice_with(voice, path);
    }

    fn close_voice_with(&mut self, voice: VoiceId, path: Option<&Path>) {
        let Some(member) = self.voices.as_mut().and_then(|v| v.bridge.remove(voice)) else {
            self.drop_line(voice, path);
            return;
        };
        self.voice_bye(voice, &member, path);
        if let (Far::Rtp(outlet), Some(session)) = (&member.far, self.session_of_voice(voice)) {
            session.left_numbers(outlet.config.ssrc, outlet.end());
        }
        self.drop_line(voice, path);
        self.rest_voice_clock();
    }

    fn session_of_voice(&mut self, voice: VoiceId) -> Option<&mut Session> {
        let Some(Line::Session { session, .. }) = self.voices.as_ref()?.lines.get(&voice) else { return None };
        self.sessions.get_mut(session)
    }

    fn voice_bye(&mut self, voice: VoiceId, member: &crate::voice::Member, path: Option<&Path>) {
        let Far::Rtp(outlet) = &member.far else { return };
        if outlet.packets == 0 {
            return;
        }
        let ssrc = outlet.config.ssrc;
        let mut compound = Vec::with_capacity(64);
        rtcp::write_receiver_report(&mut compound, ssrc, &[]);
        let Some(line) = self.voices.as_mut().and_then(|v| v.lines.get_mut(&voice)) else { return };
        match line {
            Line::Session { path: own, cname, .. } => {
                rtcp::write_sdes(&mut compound, ssrc, cname);
                rtcp::write_bye(&mut compound, ssrc);
                if let Some(path) = path.or(own.as_deref()) {
                    self.outbox.send_rtcp(path, compound);
                }
            }
            Line::Tcp(line) => {
                rtcp::write_sdes(&mut compound, ssrc, &line.cname);
                rtcp::write_bye(&mut compound, ssrc);
                line.send([&compound, &[]]);
            }
            _ => {}
        }
    }

    /// Sockets and ties of a voice that is no longer in the bridge.
    fn drop_line(&mut self, voice: VoiceId, _path: Option<&Path>) {
        let Some(line) = self.voices.as_mut().and_then(|v| v.lines.remove(&voice)) else { return };
        match line {
            Line::Session { session, .. } => {
                if let Some(session) = self.sessions.get_mut(&session).filter(|s| s.voice == Some(voice)) {
                    session.voice = None;
                }
            }
            Line::Tcp(line) => {
                if let Some((fd, token)) = line.socket {
                    self.unwatch(fd.as_raw_fd(), token);
                }
            }
            Line::Pcm(line) => {
                if let Some((fd, token)) = line.socket {
                    self.unwatch(fd.as_raw_fd(), token);
                }
            }
            Line::Usrp { fd, token, .. } => self.unwatch(fd.as_raw_fd(), token),
            Line::Tap { stream, .. } => self.untap(stream, voice),
        }
    }
}
