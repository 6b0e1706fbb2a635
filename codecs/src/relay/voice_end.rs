//! What a voice reports (RTCP) and how it ends.

use std::os::fd::AsRawFd;

use super::event::*;
use super::order::Command;
use super::path::Path;
use super::session::Session;
use super::voice_line::Line;
use super::voices::REPORT_US;
use super::worker::Worker;
use crate::rtp::rtcp;
use crate::time::Micros;
use crate::voice::Far;

impl Worker {
    pub(super) fn voice_reports(&mut self) {
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
            Line::Leg { leg, channel, cname, to } => {
                rtcp::write_sdes(&mut compound, ssrc, cname);
                to.push(Command::TalkBackPacket { leg: *leg, channel: *channel + 1, packet: compound });
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
            self.drop_line(voice);
            return;
        };
        self.voice_bye(voice, &member, path);
        if let (Far::Rtp(outlet), Some(session)) = (&member.far, self.session_of_voice(voice)) {
            session.left_numbers(outlet.config.ssrc, outlet.end());
        }
        self.drop_line(voice);
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
            Line::Leg { leg, channel, cname, to } => {
                rtcp::write_sdes(&mut compound, ssrc, cname);
                rtcp::write_bye(&mut compound, ssrc);
                to.push(Command::TalkBackPacket { leg: *leg, channel: *channel + 1, packet: compound });
            }
            _ => {}
        }
    }

    /// Sockets and ties of a voice that is no longer in the bridge.
    pub(super) fn drop_line(&mut self, voice: VoiceId) {
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
            Line::Leg { leg, to, .. } => to.push(Command::TalkBack { leg, voice, on: false }),
        }
    }
}
