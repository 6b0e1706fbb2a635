//! Orders carried out by the worker that owns their thing. An order on a handle that is gone is ignored.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use super::choice::Side;
use super::event::*;
use super::frame_out::{self, FrameSubscriber};
use super::frame_port::{read_wish, HEADER_BYTES};
use super::order::{Command, Subscribe};
use super::path::Path;
use super::queue::Events;
use super::sys::{self, SockAddr};
use super::worker::{Sock, Worker};
use crate::hub::unit::Kind;
use crate::rtp::header::is_rtcp;
use crate::rtp::srtp::{Sealer, SrtpKey};

/// Records of one reader that are read at once.
const MAX_WISHES: usize = 64;

impl Worker {
    pub fn obey(&mut self, command: Command) {
        match command {
            Command::OpenStream { id, name, gop_bytes, beside } => self.open_stream(id, name, gop_bytes, beside),
            Command::CloseStream(id) => self.drop_stream(id),
            Command::OpenRtp { id, order } => self.open_rtp(id, order),
            Command::AttachTcp { leg, fd, initial } => self.attach_tcp(leg, fd, &initial),
            Command::OpenFramesIn { id, stream, fd, stall_ms, of } => {
                self.open_frames_in(id, stream, fd, stall_ms, of);
            }
            Command::OpenSessionIn { id, stream, session, video, audio } => {
                self.open_session_in(id, stream, session, &video, &audio);
            }
            Command::OpenRtspIn { id, order } => self.open_rtsp_in(id, *order),
            Command::SubscribeRtsp { id, order } => self.subscribe_rtsp(id, *order),
            Command::HoldRtsp { subscription, held } => self.hold_rtsp(subscription, held),
            Command::RtpInfo { subscription, answer } => {
                let _ = answer.try_send(self.rtp_info(subscription));
            }
            Command::TalkBack { leg, voice, on } => self.talk_back(leg, voice, on),
            Command::TalkBackPacket { leg, channel, packet } => self.leg_voice_packet(leg, channel, &packet),
            Command::SendText { handle, data } => self.send_text(handle, &data),
            Command::CloseLeg(id) => self.close_leg(id),
            Command::OpenPort { socket } => self.open_port(socket),
            Command::ClosePort(id) => self.close_port(id),
            Command::OpenSession { id, ufrag, pwd } => self.gates.open(id, ufrag, pwd),
            Command::SendDatagram { session, port, data, to } => self.send_datagram(session, port, &data, to),
            Command::Admit { session, port, to } => self.gates.admit(session, port, to),
            Command::Home { session, worker } => self.gates.set_home(session, worker),
            Command::SessionPacket { session, mut data, from } => self.session_packet(session, &mut data, from),
            Command::Arm { session, socket, to, tx, rx } => self.arm_session(session, &socket, to, &tx, &rx),
            Command::Move { session, socket, to } => self.move_session(session, &socket, to),
            Command::CloseSession { session, done } => {
                self.gates.close(session);
                self.close_session(session);
                let _ = done.try_send(());
            }
            Command::SubscribeSession { id, session, order } => self.subscribe_session(id, session, order),
            Command::SubscribeRtp { id, fd, to, key, order } => self.subscribe_rtp(id, fd, to, key.as_deref(), order),
            Command::OpenFramesOut { id, stream, fd, key_frames_only } => {
                self.open_frames_out(id, stream, fd, key_frames_only);
            }
            Command::Line(command) => self.obey_line(command),
            Command::Unsubscribe(id) => self.unsubscribe(id),
            Command::MoveSubscription { id, stream } => self.move_subscription(id, stream),
            Command::StreamStats { stream, answer } => {
                let _ = answer.try_send(self.stream_figures(stream));
            }
            Command::LegStats { leg, answer } => {
                let _ = answer.try_send(self.leg_figures(leg));
            }
            Command::SubStats { subscription, answer } => {
                let _ = answer.try_send(self.sub_figures(subscription));
            }
            Command::EngineStats { answer } => {
                let _ = answer.try_send(self.figures());
            }
            Command::AllStats { answer } => {
                let _ = answer.try_send(self.share());
            }
            Command::ForgetSession(id) => self.forget_session(id),
            Command::OpenRtpSession { id, order } => self.open_rtp_session(id, order),
            Command::ArmRtpSession { session, order } => self.arm_rtp_session(session, order),
            Command::SendOwnDatagram { session, data, to } => self.send_own_datagram(session, &data, to),
            Command::Tap { stream, voice, on } => self.tap(stream, voice, on),
            Command::Panic(stream) => self.panic_next(stream),
            Command::Bundles { queue, answer } => {
                let _ = answer.try_send(self.take_bundles(queue));
            }
            Command::Stop => self.running = false,
            voice => self.obey_voice(voice),
        }
    }

    fn subscribe_rtp(&mut self, id: SubId, fd: OwnedFd, to: SocketAddr, key: Option<&SrtpKey>, order: Subscribe) {
        if !self.streams.contains_key(&order.stream) {
            return;
        }
        sys::raise_buffers(&fd, 256 << 10, 4 << 20);
        let v6 = matches!(sys::check_socket(&fd, libc::SOCK_DGRAM), Ok(true));
        // RFC 3550 §11: RTCP on the next port.
        let rtcp_to = SocketAddr::new(to.ip(), to.port().checked_add(1).unwrap_or(to.port()));
        let token = self.watch(fd.as_raw_fd(), sys::READ, Sock::SubRtp(id));
        self.sub_socks.insert(id, token);
        let (to, rtcp_to) = (SockAddr::new(to, v6), SockAddr::new(rtcp_to, v6));
        let path = Path::new(Arc::new(fd), to, rtcp_to, key.map(Sealer::new));
        let mut subscriber = Self::new_subscriber(id, None, Side::Plain, order);
        subscriber.arm(Rc::new(path), false);
        self.subscribe(subscriber);
    }

    /// RTCP that comes back to a plain subscriber's socket.
    pub fn sub_rtcp(&mut self, id: SubId) {
        let found = self.subs.get(&id).and_then(|s| self.streams.get(s));
        let subscriber = found.and_then(|live| live.subscribers.iter().find(|s| s.id == id));
        let Some((fd, sealed)) = subscriber.and_then(|s| Some((s.own_fd()?, s.path.as_ref()?.sealer.is_some()))) else {
            return;
        };
        let mut batch = self.batch.take().unwrap_or_default();
        batch.receive(fd, |got| {
            // With SRTP we hold only the keys to send: what comes back can not be read, and is not trusted.
            if !sealed && is_rtcp(got.data) {
                self.rtcp_to_sub(id, got.data);
            }
        });
        self.batch = Some(batch);
    }

    fn open_frames_out(&mut self, id: SubId, stream: StreamId, fd: OwnedFd, key_frames_only: bool) {
        let Some(mut live) = self.take(stream) else { return };
        let token = self.watch(fd.as_raw_fd(), frame_out::READS, Sock::SubFrames(id));
        self.sub_socks.insert(id, token);
        self.subs.insert(id, stream);
        let mut subscriber = FrameSubscriber::new(id, fd, key_frames_only);
        for kind in [Kind::Video, Kind::Audio] {
            if let Some(track) = live.hub.track(kind) {
                subscriber.track(&track.params);
            }
        }
        if let Some(track) = live.hub.track(Kind::Video) {
            subscriber.cached(track.cached_units());
        }
        live.frame_subscribers.push(subscriber);
        self.pump_all(&mut live);
        self.put(live);
    }

    /// The worker's socket takes more, or was closed.
    pub fn sub_frames(&mut self, id: SubId) {
        let Some(stream) = self.subs.get(&id).copied() else { return };
        let Some(live) = self.streams.get_mut(&stream) else { return };
        let Some(s) = live.frame_subscribers.iter_mut().find(|s| s.id == id) else { return };
        let mut wished = s.flush(self.bundles.as_deref_mut()).then_some(Cause::Join);
        if let (Some(events), Some(token)) = (s.watch(), self.sub_socks.get(&id)) {
            self.epoll.change(s.fd(), events, *token as u64);
        }
        let mut record = [0u8; HEADER_BYTES];
        // By the edge: to the end of what is there. What a flood leaves is read with what comes next.
        for _ in 0..MAX_WISHES {
            match sys::read(s.fd(), &mut record) {
                Ok(n) if n > 0 => {
                    let found = read_wish(&record[..n]);
                    wished = found.map(|lost| if lost { Cause::Loss } else { Cause::Join }).or(wished);
                }
                Ok(_) => {
                    s.closed = true;
                    break;
                }
                Err(_) => break,
            }
        }
        if s.closed {
            tell_closed(&self.events, id, stream);
            self.unsubscribe(id);
        } else if let Some(cause) = wished {
            let Some(mut live) = self.take(stream) else { return };
            self.wish(&mut live, cause);
            self.put(live);
        }
    }
}

fn tell_closed(events: &Events, subscription: SubId, stream: StreamId) {
    let detail = "frame port closed".to_owned();
    events.push(Event::Subscription { subscription, stream, state: SubState::Refused, code: "link-down", detail });
}
