//! Orders about voices, carried out by the voice thread.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::event::*;
use super::order::{Command, RtpMap, VoiceLine, VoiceRtp};
use super::sys::{self, SockAddr};
use super::voice_line::{Line, Numbers, PcmLine, TcpLine};
use super::worker::{Sock, Worker};
use super::OrderError;
use crate::audio::dtmf::digit_name;
use crate::audio::format::Format;
use crate::voice::inlet::{Accept, Inlet};
use crate::voice::member::Levels;
use crate::voice::outlet::{Outlet, OutletConfig, Start};
use crate::voice::{wideband, Far, Member};

/// The codec of a line of the peer's, where it is one of ours.
pub fn format_of(map: &RtpMap) -> Option<Format> {
    let channels = if map.codec == "l16" { map.channels.max(1) } else { 0 };
    Format::new(&map.codec, map.clock_hz, channels).map(wideband)
}

fn accepts(maps: &[RtpMap]) -> Vec<(u8, Accept)> {
    let one = |map: &RtpMap| match map.codec.as_str() {
        "telephone-event" => Some(Accept::Event),
        "cn" => Some(Accept::ComfortNoise),
        _ => format_of(map).map(Accept::Audio),
    };
    maps.iter().filter_map(|m| Some((m.pt, one(m)?))).collect()
}

/// What we send: the first codec that is ours. Checked before the order is posted.
pub fn outlet_config(rtp: &VoiceRtp) -> Result<OutletConfig, OrderError> {
    let found = rtp.send.iter().find_map(|m| Some((m.pt, format_of(m)?)));
    let (pt, format) =
        found.ok_or(OrderError::new("none of the codecs to send is one of opus, g722, pcma, pcmu, l16"))?;
    if rtp.receive.iter().all(|m| format_of(m).is_none()) {
        return Err(OrderError::new("none of the codecs to receive is one of opus, g722, pcma, pcmu, l16"));
    }
    let named = |name: &str, clock: u32| {
        let fitting = rtp.send.iter().filter(|m| m.codec == name);
        fitting.clone().find(|m| m.clock_hz == clock).or_else(|| fitting.clone().next())
    };
    Ok(OutletConfig {
        format,
        pt,
        event: named("telephone-event", format.clock_hz()).map(|m| (m.pt, m.clock_hz)),
        comfort_noise_pt: named("cn", 8_000).map(|m| m.pt),
        ssrc: rtp.ssrc,
        ptime_ms: rtp.ptime_ms,
        mid_ext: rtp.mid_ext,
        mid: rtp.mid.clone(),
    })
}

impl Worker {
    pub(super) fn obey_voice(&mut self, command: Command) {
        match command {
            Command::OpenVoice { id, line, levels } => self.open_voice(id, line, levels),
            Command::CloseVoice(id) => self.close_voice(id),
            Command::TapEnded(id) => self.end_voice(id, "source-ended"),
            Command::SetVoice { voice, settings } => self.bridge(|b| b.set(voice, settings)),
            Command::GuardEcho { microphone, loudspeaker, duck_db, hang_ms } => {
                self.bridge(|b| b.guard_echo(microphone, loudspeaker, duck_db, hang_ms));
            }
            Command::Cue { voice, samples, rate_hz, over } => self.bridge(|b| b.cue(voice, samples, rate_hz, over)),
            Command::SendDtmf { voice, event, duration_ms } => self.bridge(|b| {
                if let (Some(Far::Rtp(outlet)), Some(name)) = (b.get_mut(voice).map(|m| &mut m.far), digit_name(event))
                {
                    outlet.press(name, duration_ms);
                }
            }),
            Command::OpenRoom { id, name } => self.bridge(|b| b.open_room(id, name)),
            Command::CloseRoom(id) => self.bridge(|b| b.close_room(id)),
            Command::Route { room, voice, route } => self.bridge(|b| b.route(room, voice, route)),
            Command::Leave { room, voice } => self.bridge(|b| b.leave(room, voice)),
            Command::VoiceStats { voice, answer } => {
                let _ = answer.try_send(self.voice_figures(voice));
            }
            Command::VoiceClock { answer } => {
                let _ = answer.try_send(self.clock_figures());
            }
            Command::PanicVoice(voice) => self.bridge(|b| {
                if let Some(member) = b.get_mut(voice) {
                    member.panic_next = true;
                }
            }),
            _ => {}
        }
    }

    fn bridge(&mut self, work: impl FnOnce(&mut crate::voice::Bridge)) {
        if let Some(voices) = self.voices.as_mut() {
            work(&mut voices.bridge);
        }
    }

    fn start(&mut self) -> Start {
        let Some(voices) = self.voices.as_mut() else { return Start { index: 0, ts: 0 } };
        // xorshift64*: spreads the seed; secrecy comes from the seed alone.
        voices.random ^= voices.random >> 12;
        voices.random ^= voices.random << 25;
        voices.random ^= voices.random >> 27;
        let word = voices.random.wrapping_mul(0x2545_f491_4f6c_dd1d);
        // Below 2^15: a receiver that joins late must not guess the roll-over wrong (RFC 3711 §3.3.1).
        Start { index: word >> 48 & 0x7fff, ts: word as u32 }
    }

    fn open_voice(&mut self, id: VoiceId, line: VoiceLine, levels: Arc<Levels>) {
        if self.voices.is_none() {
            return;
        }
        match line {
            VoiceLine::Session { session, rtp } => self.open_voice_session(id, session, rtp, levels),
            VoiceLine::Tcp { fd, rtp, initial } => {
                let Ok(config) = outlet_config(&rtp) else { return };
                let start = self.start();
                sys::raise_buffers(&fd, 256 << 10, 64 << 10);
                let token = self.watch_calm(fd.as_raw_fd(), Sock::VoiceTcp(id));
                let line = TcpLine::new(fd, token, rtp.cname.clone());
                let mut member = Member::new(
                    id,
                    Far::Rtp(Box::new(Outlet::new(config, start))),
                    Inlet::new(accepts(&rtp.receive)),
                    levels,
                );
                member.address = line.peer;
                self.add_voice(member, Line::Tcp(Box::new(line)));
                if !initial.is_empty() {
                    self.guard_voice(id, |w| w.voice_tcp_bytes(id, &initial));
                }
            }
            VoiceLine::Usrp { fd, to, v6 } => {
                sys::raise_buffers(&fd, 256 << 10, 256 << 10);
                sys::stamp_arrivals(&fd);
                let token = self.watch_calm(fd.as_raw_fd(), Sock::VoiceUsrp(id));
                let far = Far::Usrp { seq: 0, keyed: false };
                let mut member = Member::new(id, far, Inlet::new(Vec::new()), levels);
                member.address = Some(to);
                let (host, to) = (to.ip(), SockAddr::new(to, v6));
                self.add_voice(member, Line::Usrp { fd, token, to, host, numbers: Numbers::default() });
            }
            VoiceLine::Pcm { fd, rate_hz, channels } => {
                sys::raise_buffers(&fd, 64 << 10, 16 << 10);
                let token = self.watch_calm(fd.as_raw_fd(), Sock::VoicePcm(id));
                let member = Member::new(id, Far::Pcm { rate_hz, channels }, Inlet::new(Vec::new()), levels);
                self.add_voice(member, Line::Pcm(Box::new(PcmLine::new(fd, token, rate_hz, channels))));
            }
            VoiceLine::Leg { leg, channel, rtp } => {
                let Ok(config) = outlet_config(&rtp) else { return };
                let Some(to) = self.all.get((leg & 0xff) as usize).cloned() else { return };
                let far = Far::Rtp(Box::new(Outlet::new(config, self.start())));
                to.push(Command::TalkBack { leg, voice: id, on: true });
                let member = Member::new(id, far, Inlet::new(Vec::new()), levels);
                self.add_voice(member, Line::Leg { leg, channel, cname: rtp.cname, to });
            }
            VoiceLine::Tap { stream } => {
                let member = Member::new(id, Far::None, Inlet::new(Vec::new()), levels);
                self.add_voice(member, Line::Tap { stream, numbers: Numbers::default() });
                if let Some(other) = self.all.get((stream & 0xff) as usize) {
                    other.push(Command::Tap { stream, voice: id, on: true });
                }
            }
        }
    }

    fn add_voice(&mut self, member: Member, line: Line) {
        let now = self.now;
        let Some(voices) = self.voices.as_mut() else { return };
        let id = member.id;
        if matches!(line, Line::Session { .. } | Line::Tcp(_) | Line::Leg { .. }) {
            voices.report_from(id, now);
        }
        voices.lines.insert(id, line);
        voices.bridge.add(member);
        self.set_voice_clock();
    }

    fn open_voice_session(&mut self, id: VoiceId, session: SessionId, rtp: VoiceRtp, levels: Arc<Levels>) {
        let Ok(config) = outlet_config(&rtp) else { return };
        let fresh = self.start();
        let now = self.now;
        let old = self.sessions.get(&session).and_then(|s| s.voice);
        if let Some(old) = old {
            self.replace_voice(old);
        }
        // A WebRTC session is known here from the order on that binds it; one with sockets was opened before.
        let entry = self.session(session);
        let start = entry.numbers_left(config.ssrc).unwrap_or(fresh);
        entry.voice = Some(id);
        let path = entry.path().cloned();
        if let Some(own) = entry.own.as_mut() {
            own.payloads = rtp.receive.iter().map(|m| m.pt).collect();
        }
        entry.heard = now;
        let member =
            Member::new(id, Far::Rtp(Box::new(Outlet::new(config, start))), Inlet::new(accepts(&rtp.receive)), levels);
        self.add_voice(member, Line::Session { session, path, cname: rtp.cname });
    }

    /// A newer voice takes the session: no good-bye, the source goes on.
    fn replace_voice(&mut self, old: VoiceId) {
        let Some(voices) = self.voices.as_mut() else { return };
        let member = voices.bridge.remove(old);
        let line = voices.lines.remove(&old);
        if let (Some(member), Some(Line::Session { session, .. })) = (member, line) {
            if let (Far::Rtp(outlet), Some(session)) = (&member.far, self.sessions.get_mut(&session)) {
                session.left_numbers(outlet.config.ssrc, outlet.end());
            }
        }
    }

    /// Keys or path of the session changed.
    pub(super) fn voice_rekeyed(&mut self, voice: VoiceId, rekeyed: bool) {
        let Some(voices) = self.voices.as_mut() else { return };
        let Some(Line::Session { session, path, .. }) = voices.lines.get_mut(&voice) else { return };
        *path = self.sessions.get(session).and_then(|s| s.path().cloned());
        if rekeyed {
            if let Some(Far::Rtp(outlet)) = voices.bridge.get_mut(voice).map(|m| &mut m.far) {
                outlet.rekeyed();
            }
        }
    }
}
