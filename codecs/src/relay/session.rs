//! Sessions on their home worker: keys both ways, what they watch, what they send, what voice they carry. WebRTC sessions
//! share the ports of worker 0; those with sockets of their own are `rtp_session`'s.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::choice::Side;
use super::event::*;
use super::order::{PortSocket, Subscribe};
use super::path::Path;
use super::rtp_session::OwnSockets;
use super::subscriber::Ground;
use super::sys::SockAddr;
use super::worker::{Alarm, Worker};
use crate::rtp::header::is_rtcp;
use crate::rtp::rtcp;
use crate::rtp::srtp::{Sealer, SrtpKey};
use crate::rtp::srtp_open::Opener;
use crate::time::Micros;
use crate::voice::outlet::Start;

const SILENT_US: u64 = 15_000_000;
const TICK_US: u64 = 1_000_000;
/// Between two NACKs for the same gaps.
const NACK_US: u64 = 20_000;
/// Largest bit rate a WHIP source is told (REMB), and the least.
const REMB_MAX_BPS: f64 = 20e6;
const REMB_MIN_BPS: f64 = 500e3;

pub struct Session {
    pub id: SessionId,
    pub(super) path: Option<Rc<Path>>,
    pub(super) opener: Option<Opener>,
    pub(super) to: Option<SocketAddr>,
    pub subs: Vec<SubId>,
    pub leg: Option<LegId>,
    pub voice: Option<VoiceId>,
    /// A peer without ICE.
    pub(super) own: Option<Box<OwnSockets>>,
    pub(super) heard: Micros,
    told_silent: bool,
    pub(super) told_address: Option<SocketAddr>,
    pub(super) timer_at: Micros,
    nacked: Micros,
    /// Bytes of media since the last tick.
    received: u64,
    received_bps: f64,
    /// Where voices that are gone stopped counting, by SSRC: no index is used twice under one key.
    left: Vec<(u32, Start)>,
}

/// SSRCs whose numbers are remembered.
const MAX_LEFT: usize = 16;

impl Session {
    pub(super) fn new(id: SessionId, now: Micros) -> Self {
        Self {
            id,
            path: None,
            opener: None,
            to: None,
            subs: Vec::new(),
            leg: None,
            voice: None,
            own: None,
            heard: now,
            told_silent: false,
            told_address: None,
            timer_at: Micros(u64::MAX),
            nacked: now,
            received: 0,
            received_bps: 0.0,
            left: Vec::new(),
        }
    }

    pub(super) fn left_numbers(&mut self, ssrc: u32, at: Start) {
        self.left.retain(|(s, _)| *s != ssrc);
        if self.left.len() == MAX_LEFT {
            self.left.remove(0);
        }
        self.left.push((ssrc, at));
    }

    pub(super) fn numbers_left(&self, ssrc: u32) -> Option<Start> {
        self.left.iter().find(|(s, _)| *s == ssrc).map(|(_, at)| *at)
    }

    /// Under other keys the roll-over counters begin at 0 again.
    pub(super) fn rebase_left(&mut self) {
        for (_, at) in &mut self.left {
            at.index &= 0xffff;
        }
    }

    pub fn path(&self) -> Option<&Rc<Path>> {
        self.path.as_ref()
    }

    pub fn own_fds(&self) -> Option<&OwnSockets> {
        self.own.as_deref()
    }

    /// Our SSRC in feedback: we send no media under it.
    fn reporter(&self) -> u32 {
        1 + (self.id as u32 & 0xffff)
    }
}

impl Worker {
    /// The session, made when an order is the first to name it here.
    pub fn session(&mut self, id: SessionId) -> &mut Session {
        let now = self.now;
        self.sessions.entry(id).or_insert_with(|| Session::new(id, now))
    }

    pub fn arm_session(&mut self, id: SessionId, socket: &Arc<PortSocket>, to: SocketAddr, tx: &SrtpKey, rx: &SrtpKey) {
        let now = self.now;
        let session = self.session(id);
        let address = SockAddr::new(to, socket.v6);
        let path = Rc::new(Path::new(socket.fd.clone(), address, address, Some(Sealer::new(tx))));
        session.path = Some(path.clone());
        session.opener = Some(Opener::new(rx));
        session.to = Some(to);
        session.heard = now;
        session.timer_at = Micros(now.0 + TICK_US);
        let at = session.timer_at;
        let voice = session.voice;
        self.alarm(at, Alarm::Session(id));
        self.arm_subscribers(id, false);
        if let Some(voice) = voice {
            self.voice_rekeyed(voice, false);
        }
    }

    /// Media may flow to those who wait for it. `rekeyed`: under other keys than before.
    pub(super) fn arm_subscribers(&mut self, id: SessionId, rekeyed: bool) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(path) = session.path.clone() else { return };
        for sub in session.subs.clone() {
            self.guard_sub(sub, |w| {
                let Some(mut live) = w.subs.get(&sub).copied().and_then(|s| w.take(s)) else { return };
                if let Some(s) = live.subscribers.iter_mut().find(|s| s.id == sub) {
                    s.arm(path.clone(), rekeyed);
                }
                w.pump_one(&mut live, sub);
                w.put(live);
            });
        }
    }

    pub fn move_session(&mut self, id: SessionId, socket: &Arc<PortSocket>, to: SocketAddr) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.to = Some(to);
            session.told_address = None;
            if let Some(path) = &session.path {
                path.redirect(socket.fd.clone(), SockAddr::new(to, socket.v6));
            }
        }
    }

    pub fn subscribe_session(&mut self, sub: SubId, id: SessionId, order: Subscribe) {
        if !self.streams.contains_key(&order.stream) {
            return;
        }
        let session = self.session(id);
        let side = if session.own.is_some() { Side::Phone } else { Side::Browser };
        let mut subscriber = Self::new_subscriber(sub, Some(id), side, order);
        session.subs.push(sub);
        if let Some(path) = session.path.clone() {
            subscriber.arm(path, false);
        }
        self.subscribe(subscriber);
    }

    /// It lives on another worker from now on; nothing was bound to it here.
    pub fn forget_session(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    /// BYE, then nothing more: its subscriptions and legs end with it.
    pub fn close_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        for sub in &session.subs {
            self.unsubscribe(*sub);
        }
        if let Some(voice) = session.voice {
            self.close_voice_of(voice, session.path.as_deref());
        }
        if let Some(leg) = session.leg {
            self.close_leg(leg);
            if let Some(path) = &session.path {
                let mut compound = Vec::new();
                rtcp::write_receiver_report(&mut compound, session.reporter(), &[]);
                rtcp::write_bye(&mut compound, session.reporter());
                self.outbox.send_rtcp(path, compound);
            }
        }
        if let Some(own) = session.own {
            self.drop_own_sockets(*own);
        }
    }

    /// SRTP or SRTCP from an address that is the session's.
    pub fn session_packet(&mut self, id: SessionId, data: &mut [u8], from: SocketAddr) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let control = is_rtcp(data);
        let opened = match (session.opener.as_mut(), &session.own) {
            (Some(opener), _) if control => opener.open_rtcp(data),
            (Some(opener), _) => opener.open_rtp(data),
            (None, Some(own)) if own.plain => Ok(data.len()),
            (None, _) => return,
        };
        let Ok(len) = opened else {
            self.unauthentic += 1;
            let voice = session.voice;
            if let Some(own) = session.own.as_mut() {
                own.unauthentic += 1;
            }
            if let Some(voice) = voice {
                self.voice_unauthentic(voice, from);
            }
            return;
        };
        if !self.session_source(id, data, len, from, control) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.heard = now;
        session.told_silent = false;
        if (!control || session.own.is_none()) && session.to != Some(from) && session.told_address != Some(from) {
            session.told_address = Some(from);
            self.events.push(Event::Session { session: id, state: SessionState::Address, address: Some(from) });
        }
        let (leg, voice, plain) = (session.leg, session.voice, &mut data[..len]);
        if control {
            self.session_rtcp(id, leg, plain);
            if let Some(voice) = voice {
                self.guard_voice(voice, |w| w.voice_rtcp(voice, plain));
            }
        } else if let Some(voice) = voice {
            self.guard_voice(voice, |w| w.voice_rtp(voice, plain, from));
        } else if let Some((leg, stream)) = leg.and_then(|l| Some((l, self.legs.get(&l)?.stream))) {
            session.received += len as u64;
            self.guard(stream, |w| w.leg_session_rtp(leg, plain));
            self.session_nack(id);
        }
    }

    /// A STUN check that was authentic shows that the peer lives.
    pub fn session_heard(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.heard = self.now;
            session.told_silent = false;
        }
    }

    fn session_rtcp(&mut self, id: SessionId, leg: Option<LegId>, compound: &[u8]) {
        let subs = self.sessions.get(&id).map(|s| s.subs.clone()).unwrap_or_default();
        for sub in subs {
            self.guard_sub(sub, |w| w.rtcp_to_sub(sub, compound));
        }
        if let Some(leg) = leg {
            self.leg_session_rtcp(leg, compound);
        }
        let mut bye = false;
        for packet in rtcp::packets(compound).map_while(Result::ok) {
            let rtcp::Rtcp::Bye { ssrcs } = packet else { continue };
            match leg.and_then(|l| self.legs.get_mut(&l)) {
                None if self.sessions.get(&id).is_some_and(|s| s.voice.is_some() && s.own.is_some()) => {}
                None => bye = true,
                Some(leg) => {
                    leg.gone.extend(rtcp::ssrcs(ssrcs).take(31));
                    leg.gone.truncate(64);
                    bye = leg.sources().iter().all(|s| leg.gone.contains(s));
                }
            }
        }
        if bye {
            self.events.push(Event::Session { session: id, state: SessionState::Bye, address: None });
        }
    }

    /// A compound for one subscriber; also of plain RTP peers.
    pub fn rtcp_to_sub(&mut self, sub: SubId, compound: &[u8]) {
        let Some(mut live) = self.subs.get(&sub).copied().and_then(|s| self.take(s)) else { return };
        let mut wish = None;
        if let Some(s) = live.subscribers.iter_mut().find(|s| s.id == sub) {
            let mut ground = Ground { outbox: &mut self.outbox, events: &self.events, now: self.now, wish: None };
            for packet in rtcp::packets(compound).map_while(Result::ok) {
                s.on_rtcp(&packet, &live.hub, &mut ground);
            }
            wish = ground.wish;
        }
        if let Some(cause) = wish {
            self.wish(&mut live, cause);
        }
        self.put(live);
    }

    fn session_nack(&mut self, id: SessionId) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if now.since(session.nacked) < NACK_US {
            return;
        }
        session.nacked = now;
        let (Some(path), Some(leg)) = (&session.path, session.leg.and_then(|l| self.legs.get(&l))) else { return };
        // Video only: voice that comes again comes too late.
        let missing = leg.ingest.missing(64);
        let Some((media, _)) = missing.first().copied() else { return };
        let seqs: Vec<u16> = missing.iter().filter(|(ssrc, _)| *ssrc == media).map(|(_, seq)| *seq).collect();
        let mut compound = Vec::with_capacity(64);
        rtcp::write_receiver_report(&mut compound, session.reporter(), &[]);
        rtcp::write_nack(&mut compound, session.reporter(), media, &seqs);
        self.outbox.send_rtcp(path, compound);
    }

    pub fn session_pli(&mut self, id: SessionId, media: u32) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(path) = &session.path else { return };
        let mut compound = Vec::with_capacity(32);
        rtcp::write_receiver_report(&mut compound, session.reporter(), &[]);
        rtcp::write_pli(&mut compound, session.reporter(), media);
        self.outbox.send_rtcp(path, compound);
    }

    pub fn session_timer(&mut self, id: SessionId, at: Micros) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id).filter(|s| s.timer_at == at) else { return };
        session.timer_at = Micros(now.0 + TICK_US);
        let next = session.timer_at;
        if now.since(session.heard) >= SILENT_US && !session.told_silent {
            session.told_silent = true;
            self.events.push(Event::Session { session: id, state: SessionState::Silent, address: None });
        }
        self.session_feedback(id);
        self.alarm(next, Alarm::Session(id));
    }

    /// Receiver report and REMB to a WHIP source, each second.
    fn session_feedback(&mut self, id: SessionId) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(leg) = session.leg.and_then(|l| self.legs.get_mut(&l)) else { return };
        let Some(path) = session.path.clone() else { return };
        let own = session.own.is_some();
        let blocks = leg.report_blocks(now);
        let lost = blocks.iter().map(|b| b.fraction_lost).max().unwrap_or(0);
        session.received_bps = session.received as f64 * 8.0;
        session.received = 0;
        // Room to grow while nothing is lost, a step back when a tenth is (as draft-ietf-rmcat-gcc §6 does).
        let factor = if lost > 25 { 0.85 } else { 1.5 };
        let bps = (session.received_bps * factor).max(REMB_MIN_BPS * 4.0 * factor).clamp(REMB_MIN_BPS, REMB_MAX_BPS);
        let sources: Vec<u32> = blocks.iter().map(|b| b.ssrc).collect();
        let mut compound = Vec::with_capacity(160);
        rtcp::write_receiver_report(&mut compound, session.reporter(), &blocks);
        rtcp::write_sdes(&mut compound, session.reporter(), "fieldgate");
        // Phones know no REMB.
        if !sources.is_empty() && !own {
            rtcp::write_remb(&mut compound, session.reporter(), bps as u64, &sources);
        }
        self.outbox.send_rtcp(&path, compound);
    }
}
