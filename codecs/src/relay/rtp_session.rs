//! Sessions of peers without ICE: a UDP socket of their own, plain RTP or SRTP, symmetric where the latch says so.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use super::event::*;
use super::latch::Latch;
use super::order::{ArmRtp, Home, OpenRtpSession};
use super::path::Path;
use super::session::Session;
use super::sys::{self, SockAddr};
use super::worker::{Alarm, Sock, Worker};
use crate::rtp::header::RtpView;
use crate::rtp::srtp::{Opener, Sealer, SrtpKey};
use crate::time::Micros;

/// Between two words about packets of strangers.
const TELL_US: u64 = 1_000_000;
const TICK_US: u64 = 1_000_000;
/// Batches read before other sockets have their turn.
const BATCHES: usize = 4;

/// What a session has that shares no port with others.
pub struct OwnSockets {
    rtp: Shared,
    rtcp: Option<Shared>,
    v6: bool,
    pub(super) plain: bool,
    keys: Option<Box<(SrtpKey, SrtpKey)>>,
    latch: Latch,
    /// Where signalling said that RTCP goes.
    rtcp_signalled: Option<SocketAddr>,
    /// Where the peer's RTCP came from.
    rtcp_heard: Option<SocketAddr>,
    /// Payload types that the peer may send; empty: any.
    pub(super) payloads: Vec<u8>,
    pub strangers: u64,
    pub unauthentic: u64,
    pub stun: u64,
    told_stranger: Micros,
}

struct Shared {
    fd: Arc<OwnedFd>,
    token: usize,
}

impl OwnSockets {
    pub fn source(&self) -> Option<SocketAddr> {
        self.latch.source()
    }

    /// Where RTP and RTCP go now.
    fn aim(&self) -> Option<(SockAddr, SockAddr)> {
        let to = self.latch.target()?;
        let beside = || match self.rtcp {
            None => to,
            Some(_) => SocketAddr::new(to.ip(), to.port().checked_add(1).unwrap_or(to.port())),
        };
        let rtcp = self.rtcp_heard.filter(|a| a.ip() == to.ip()).or(self.rtcp_signalled).unwrap_or_else(beside);
        Some((SockAddr::new(to, self.v6), SockAddr::new(rtcp, self.v6)))
    }
}

impl Worker {
    pub fn open_rtp_session(&mut self, id: SessionId, order: OpenRtpSession) {
        let home = order.home;
        let mut watch = |fd: OwnedFd, sock| {
            sys::raise_buffers(&fd, 1 << 20, 1 << 20);
            let fd = Arc::new(fd);
            let token = match home {
                Home::Media => self.watch(fd.as_raw_fd(), sys::READ, sock),
                // Read when the voice clock ticks: nothing is gained by waking for each packet.
                Home::Voice => {
                    sys::stamp_arrivals(&fd);
                    self.watch_calm(fd.as_raw_fd(), sock)
                }
            };
            Shared { fd, token }
        };
        let rtp = watch(order.rtp, Sock::SessionRtp(id));
        let rtcp = order.rtcp.map(|fd| watch(fd, Sock::SessionRtcp(id)));
        let mut session = Session::new(id, self.now);
        session.own = Some(Box::new(OwnSockets {
            rtp,
            rtcp,
            v6: order.v6,
            plain: false,
            keys: None,
            latch: Latch::new(super::latch::LatchMode::Strict, None),
            rtcp_signalled: None,
            rtcp_heard: None,
            payloads: Vec::new(),
            strangers: 0,
            unauthentic: 0,
            stun: 0,
            told_stranger: Micros(0),
        }));
        self.sessions.insert(id, session);
    }

    /// Address, latch and keys, the first time or again.
    pub fn arm_rtp_session(&mut self, id: SessionId, order: ArmRtp) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(own) = session.own.as_mut() else { return };
        let first = session.path.is_none();
        if first {
            own.latch = Latch::new(order.mode, order.to);
        } else {
            own.latch.rearm(order.mode, order.to);
        }
        own.rtcp_signalled = order.rtcp_to;
        own.rtcp_heard = None;
        let same = match (&own.keys, &order.keys) {
            (Some(old), Some(new)) => old.0.is_same(&new.0) && old.1.is_same(&new.1),
            (None, None) => true,
            _ => false,
        };
        own.plain = order.keys.is_none();
        if first || !same {
            session.opener = order.keys.as_ref().map(|k| Opener::new(&k.1));
            let sealer = order.keys.as_ref().map(|k| Sealer::new(&k.0));
            let nowhere = SockAddr::new(SocketAddr::new([127, 0, 0, 1].into(), 9), own.v6);
            let path = Path::new(own.rtp.fd.clone(), nowhere, nowhere, sealer);
            session.path = Some(Rc::new(path.with_rtcp(own.rtcp.as_ref().map(|s| s.fd.clone()))));
        }
        own.keys = order.keys;
        session.to = own.latch.target();
        session.told_address = None;
        let aim = own.aim();
        if let Some(path) = &session.path {
            path.aim(aim);
        }
        session.heard = now;
        let voice = session.voice;
        if !first && !same {
            session.rebase_left();
        }
        if first {
            session.timer_at = Micros(now.0 + TICK_US);
            let at = session.timer_at;
            self.alarm(at, Alarm::Session(id));
        }
        if first || !same {
            self.arm_subscribers(id, !first);
            if let Some(voice) = voice {
                self.voice_rekeyed(voice, !first);
            }
        }
    }

    /// DTLS of Python's, over the session's own socket.
    pub fn send_own_datagram(&mut self, id: SessionId, data: &[u8], to: SocketAddr) {
        let Some(own) = self.sessions.get(&id).and_then(|s| s.own.as_ref()) else { return };
        if sys::send_to(own.rtp.fd.as_raw_fd(), data, &SockAddr::new(to, own.v6)) != sys::Outcome::Sent {
            self.outbox.errors += 1;
        }
    }

    pub fn own_socket_ready(&mut self, id: SessionId, rtcp_socket: bool) {
        let Some(own) = self.sessions.get(&id).and_then(|s| s.own.as_ref()) else { return };
        let socket = if rtcp_socket { own.rtcp.as_ref() } else { Some(&own.rtp) };
        let Some(fd) = socket.map(|s| s.fd.as_raw_fd()) else { return };
        let mut batch = self.batch.take().unwrap_or_default();
        for _ in 0..BATCHES {
            let n = batch.receive(fd, |got| {
                self.packets_in += 1;
                self.bytes_in += got.data.len() as u64;
                self.arrival = self.arrival_of(got.unix_us);
                self.own_datagram(id, got.data, got.from);
            });
            if n < sys::RecvBatch::SLOTS {
                break;
            }
        }
        self.batch = Some(batch);
    }

    fn own_datagram(&mut self, id: SessionId, data: &mut [u8], from: SocketAddr) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (armed, voice) = (session.path.is_some(), session.voice);
        let Some(own) = session.own.as_mut() else { return };
        match data.first().copied() {
            Some(0..=3) => own.stun += 1,
            Some(20..=63) if data.len() <= sys::SLOT_BYTES => {
                self.events.push(Event::Datagram { session: id, port: 0, data: data.to_vec(), from });
            }
            Some(128..=191) if armed => {
                let control = crate::rtp::header::is_rtcp(data);
                let admitted = match control {
                    true => own.latch.admits_control(from),
                    false => own.latch.admits(from, now),
                };
                if admitted {
                    self.session_packet(id, data, from);
                    return;
                }
                own.strangers += 1;
                if now.since(own.told_stranger) >= TELL_US || own.told_stranger.0 == 0 {
                    own.told_stranger = now;
                    if let Some(voice) = voice {
                        self.voice_stranger(voice, from);
                    }
                }
            }
            _ => {}
        }
    }

    /// A packet whose authenticity is settled: is it valid, and is its source to be followed? Sessions on shared ports
    /// follow what ICE nominates.
    pub(super) fn session_source(
        &mut self,
        id: SessionId,
        data: &[u8],
        len: usize,
        from: SocketAddr,
        rtcp: bool,
    ) -> bool {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let Some(own) = session.own.as_mut() else { return true };
        if rtcp {
            if own.rtcp_heard != Some(from) {
                own.rtcp_heard = Some(from);
                let aim = own.aim();
                if let (Some(path), Some(aim)) = (&session.path, aim) {
                    path.aim(Some(aim));
                }
            }
            return true;
        }
        let Ok(view) = RtpView::parse(&data[..len]) else { return false };
        // In the clear the payload type is all that tells the peer from noise.
        if own.plain && !own.payloads.is_empty() && !own.payloads.contains(&view.pt) && own.source() != Some(from) {
            own.strangers += 1;
            return false;
        }
        if own.latch.heard(from, now) {
            let aim = own.aim();
            if let Some(path) = &session.path {
                path.aim(aim);
            }
        }
        true
    }

    pub(super) fn drop_own_sockets(&mut self, own: OwnSockets) {
        for socket in [Some(own.rtp), own.rtcp].into_iter().flatten() {
            self.unwatch(socket.fd.as_raw_fd(), socket.token);
        }
    }
}
