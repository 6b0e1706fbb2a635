//! The engine's face for peers without ICE, voices and rooms.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{sync_channel, Receiver};
use std::sync::Arc;

use super::engine::{worker_of, Done, Engine, SessionEntry};
use super::event::*;
use super::order::*;
use super::queue::lock;
use super::voice_open::outlet_config;
use super::{sys, OrderError};
use crate::voice::member::Levels;
use crate::voice::{Route, Settings};

impl Engine {
    fn voice_worker(&self) -> usize {
        self.media
    }

    /// On the thread of `stream`, or where voices live.
    pub fn open_rtp_session(&self, rtp: OwnedFd, rtcp: Option<OwnedFd>, stream: Option<StreamId>) -> Done<SessionId> {
        let v6 = sys::check_socket(&rtp, libc::SOCK_DGRAM)?;
        if let Some(rtcp) = &rtcp {
            if sys::check_socket(rtcp, libc::SOCK_DGRAM)? != v6 {
                return Err(OrderError::new("RTP and RTCP sockets are of one family"));
            }
        }
        let mut registry = lock(&self.registry);
        if stream.is_some_and(|s| !registry.streams.contains_key(&s)) {
            return Err(OrderError::new("no such stream"));
        }
        let worker = stream.map_or(self.voice_worker(), worker_of);
        let id = self.new_id(&mut registry, worker)?;
        let entry = SessionEntry { ufrag: String::new(), home: Some(worker), bound: true, own: true, arm: None };
        registry.sessions.insert(id, entry);
        drop(registry);
        let home = if worker == self.voice_worker() { Home::Voice } else { Home::Media };
        self.post(id, Command::OpenRtpSession { id, order: OpenRtpSession { rtp, rtcp, v6, home } });
        Ok(id)
    }

    pub fn arm_rtp_session(&self, session: SessionId, order: ArmRtp) -> Done<()> {
        let registry = lock(&self.registry);
        let entry = registry.sessions.get(&session).ok_or(OrderError::new("no such session"))?;
        if !entry.own {
            return Err(OrderError::new("a session of a shared port is armed by arm_session"));
        }
        drop(registry);
        self.post(session, Command::ArmRtpSession { session, order });
        Ok(())
    }

    pub fn open_voice(&self, line: VoiceLine) -> Done<VoiceId> {
        match &line {
            VoiceLine::Session { session, rtp } => {
                outlet_config(rtp)?;
                self.bind(*session, self.voice_worker())?;
            }
            VoiceLine::Tcp { fd, rtp, .. } => {
                outlet_config(rtp)?;
                sys::check_socket(fd, libc::SOCK_STREAM)?;
            }
            VoiceLine::Pcm { fd, .. } => {
                sys::check_socket(fd, libc::SOCK_SEQPACKET)?;
            }
            VoiceLine::Tap { stream } if !lock(&self.registry).streams.contains_key(stream) => {
                return Err(OrderError::new("no such stream"));
            }
            VoiceLine::Leg { rtp, .. } => {
                outlet_config(rtp)?;
            }
            VoiceLine::Tap { .. } | VoiceLine::Usrp { .. } => {}
        }
        let levels = Arc::new(Levels::default());
        let mut registry = lock(&self.registry);
        let id = self.new_id(&mut registry, self.voice_worker())?;
        registry.voices.insert(id, levels.clone());
        drop(registry);
        self.post(id, Command::OpenVoice { id, line, levels });
        Ok(id)
    }

    pub fn open_voice_usrp(&self, fd: OwnedFd, to: SocketAddr) -> Done<VoiceId> {
        let v6 = sys::check_socket(&fd, libc::SOCK_DGRAM)?;
        if to.is_ipv6() && !v6 {
            return Err(OrderError::new("an IPv4 socket can not send to an IPv6 address"));
        }
        self.open_voice(VoiceLine::Usrp { fd, to, v6 })
    }

    pub fn close_voice(&self, voice: VoiceId) {
        if lock(&self.registry).voices.remove(&voice).is_some() {
            self.post(voice, Command::CloseVoice(voice));
        }
    }

    pub fn set_voice(&self, voice: VoiceId, settings: Settings) {
        self.post(voice, Command::SetVoice { voice, settings });
    }

    pub fn guard_echo(&self, microphone: VoiceId, loudspeaker: Option<VoiceId>, duck_db: f32, hang_ms: u32) {
        self.post(microphone, Command::GuardEcho { microphone, loudspeaker, duck_db, hang_ms });
    }

    pub fn cue(&self, voice: VoiceId, samples: Vec<i16>, rate_hz: u32, over: bool) {
        self.post(voice, Command::Cue { voice, samples, rate_hz, over });
    }

    pub fn send_dtmf(&self, voice: VoiceId, event: u8, duration_ms: u32) {
        self.post(voice, Command::SendDtmf { voice, event, duration_ms });
    }

    pub fn open_room(&self, name: String) -> Done<RoomId> {
        let id = self.new_id(&mut lock(&self.registry), self.voice_worker())?;
        self.post(id, Command::OpenRoom { id, name });
        Ok(id)
    }

    pub fn close_room(&self, room: RoomId) {
        self.post(room, Command::CloseRoom(room));
    }

    pub fn route(&self, room: RoomId, voice: VoiceId, route: Route) {
        self.post(room, Command::Route { room, voice, route });
    }

    pub fn leave(&self, room: RoomId, voice: VoiceId) {
        self.post(room, Command::Leave { room, voice });
    }

    /// Those that are open, of what was asked for.
    pub fn levels(&self, voices: &[VoiceId]) -> Vec<(VoiceId, (f32, f32))> {
        let registry = lock(&self.registry);
        voices.iter().filter_map(|v| Some((*v, registry.voices.get(v)?.get()))).collect()
    }

    pub fn voice_stats(&self, voice: VoiceId) -> Done<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(voice, Command::VoiceStats { voice, answer });
        self.wait(&got)?.ok_or(OrderError::new("no such voice"))
    }

    pub fn voice_clock(&self) -> Done<Figures> {
        self.wait(&self.ask_voice_clock())
    }

    pub(super) fn ask_voice_clock(&self) -> Receiver<Figures> {
        let (answer, got) = sync_channel(1);
        self.post(self.voice_worker() as u64, Command::VoiceClock { answer });
        got
    }

    /// For tests of the isolation.
    pub fn panic_voice(&self, voice: VoiceId) {
        self.post(voice, Command::PanicVoice(voice));
    }
}
