//! An ingest leg whose tracks come apart: RTSP, pulled or recorded, interleaved on TCP or over pairs of UDP sockets.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::event::*;
use super::ingest::{Ingest, IngestConfig};
use super::leg::{payload_maps, Leg, Source, Watched};
use super::order::{OpenRtsp, RtspIn};
use super::rtsp_connection::{Came, Connection, Ended, SCRATCH_BYTES};
use super::rtsp_origin::Sender;
use super::sys::{self, Outcome, SockAddr};
use super::worker::{Sock, Worker};
use crate::rtp::header::is_rtcp;
use crate::rtp::rtcp;
use crate::time::Micros;

/// What is asked to know whether a peer is alive is answered early.
const FIRST_REPORT_US: u64 = 1_000_000;

pub struct RtspTrack {
    channel: Option<u8>,
    rtp: Option<Watched>,
    rtcp: Option<Watched>,
    v6: bool,
    sender: Sender,
    reports_to: Option<SocketAddr>,
}

pub struct RtspSource {
    pub tracks: Vec<RtspTrack>,
    /// Of the second track and so on; the first's is the leg's own.
    pub others: Vec<Ingest>,
    pub connection: Option<(Connection, usize)>,
    reports: bool,
    /// The loop watches for room to write.
    wants_room: bool,
}

impl RtspSource {
    pub fn transport(&self) -> &'static str {
        if self.connection.is_some() {
            "tcp"
        } else {
            "udp"
        }
    }

    pub fn sockets(&self) -> impl Iterator<Item = (RawFd, usize)> + '_ {
        let udp = self.tracks.iter().flat_map(|t| [&t.rtp, &t.rtcp]).flatten();
        let tcp = self.connection.iter().map(|(c, token)| (c.raw_fd(), *token));
        udp.map(|w| (w.fd.as_raw_fd(), w.token)).chain(tcp)
    }
}

impl Worker {
    pub fn open_rtsp_in(&mut self, id: LegId, order: OpenRtsp) {
        if !self.streams.contains_key(&order.stream) {
            return;
        }
        let interleaved = order.fd.is_some();
        let mut pipelines = Vec::with_capacity(order.tracks.len());
        let (mut tracks, mut channels) = (Vec::with_capacity(order.tracks.len()), Vec::new());
        for (k, track) in order.tracks.into_iter().enumerate() {
            let RtspIn { payloads, channel, rtp, rtcp, origin, ssrc } = track;
            pipelines.push(Ingest::new(IngestConfig {
                ssrc,
                program: 0,
                strict_ssrc: false,
                payloads: payload_maps(&payloads),
                hint: super::leg::hint_of(&payloads),
                jitter_packets: order.jitter_packets,
                // A gap in what TCP brought is one that the sender made: nothing fills it.
                jitter_ms: if interleaved { 0 } else { order.jitter_ms },
            }));
            let v6 = rtp.as_ref().is_some_and(|fd| matches!(sys::check_socket(fd, libc::SOCK_DGRAM), Ok(true)));
            // A connected socket says where the source is before the source has said anything.
            let reports_to = rtcp.as_ref().and_then(SockAddr::peer_of);
            let mut watch = |fd: Option<OwnedFd>, odd: u8, room| {
                let fd = fd?;
                sys::raise_buffers(&fd, room, 256 << 10);
                let token = self.watch(fd.as_raw_fd(), sys::READ, Sock::LegRtsp(id, 2 * k as u8 + odd));
                Some(Watched { fd, token })
            };
            let (rtp, rtcp) = (watch(rtp, 0, 4 << 20), watch(rtcp, 1, 64 << 10));
            channels.extend(channel);
            let sender = Sender::new(origin, self.now);
            tracks.push(RtspTrack { channel, rtp, rtcp, v6, sender, reports_to });
        }
        let others = pipelines.split_off(1);
        let Some(first) = pipelines.pop() else { return };
        let connection = order.fd.map(|fd| {
            let token = self.watch(fd.as_raw_fd(), sys::READ, Sock::LegRtspTcp(id));
            (Connection::new(fd, channels, order.initial), token)
        });
        let peer = connection.as_ref().and_then(|(c, _)| c.peer);
        let reports = order.reports;
        let source = RtspSource { tracks, others, connection, reports, wants_room: false };
        let source = Source::Rtsp(Box::new(source));
        let mut leg = Leg::new(id, order.stream, first, source, order.stall_ms * 1000, self.now);
        leg.address = peer;
        leg.report_at(Micros(self.now.0 + FIRST_REPORT_US));
        self.add_leg(leg);
        if interleaved {
            self.guard(order.stream, |w| w.rtsp_leg_bytes(id, |c, _, each| (0, c.take_initial(each), false)));
        }
    }

    pub(super) fn rtsp_leg_tcp(&mut self, id: LegId) {
        self.rtsp_leg_bytes(id, |c, scratch, each| c.read(scratch, false, each));
    }

    /// Bytes of the connection: packets to the pipelines, messages up.
    fn rtsp_leg_bytes(
        &mut self,
        id: LegId,
        read: impl FnOnce(&mut Connection, &mut [u8], &mut dyn FnMut(Came<'_>)) -> (u64, Option<Ended>, bool),
    ) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let now = self.now;
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.len() < SCRATCH_BYTES {
            scratch.resize(SCRATCH_BYTES, 0);
        }
        let mut ended = None;
        let mut resynced = false;
        if let Leg { source: Source::Rtsp(rtsp), ingest, .. } = &mut leg {
            let RtspSource { tracks, others, connection: Some((connection, _)), .. } = &mut **rtsp else {
                self.legs.insert(id, leg);
                return;
            };
            let before = connection.resyncs();
            connection.flush();
            let events = &self.events;
            let mut packets = 0;
            let (bytes, end, _) = read(connection, &mut scratch, &mut |came| match came {
                Came::Frame(channel, data) => {
                    let Some(k) = tracks.iter().position(|t| t.channel == Some(channel & !1)) else { return };
                    packets += 1;
                    let ingest = if k == 0 { &mut *ingest } else { &mut others[k - 1] };
                    // By what it holds: some senders put RTCP on the channel of RTP.
                    if is_rtcp(data) {
                        ingest.push_rtcp(data, now);
                    } else {
                        ingest.push_rtp(data, now);
                    }
                }
                Came::Text(data) => {
                    events.push(Event::Wire(WireTold { data: data.to_vec(), ..WireTold::new(id, WireState::Text) }));
                }
            });
            self.packets_in += packets;
            self.bytes_in += bytes;
            ended = end.or(connection.broken.then_some(("link-down", "the connection broke")));
            resynced = connection.resyncs() != before;
        }
        self.scratch = scratch;
        leg.last_packet = now;
        if resynced {
            self.events.push(leg.event(LegState::Problem, "framing-lost", String::new()));
        }
        self.watch_for_room(&mut leg);
        self.leg_outputs(leg);
        if let Some((code, why)) = ended {
            self.end_rtsp_leg(id, code, why);
        }
    }

    fn end_rtsp_leg(&mut self, id: LegId, code: &'static str, why: &'static str) {
        let Some(leg) = self.legs.get(&id) else { return };
        self.events.push(leg.event(LegState::Closed, code, why.to_owned()));
        self.events.push(Event::Wire(WireTold {
            code,
            detail: why.to_owned(),
            address: leg.address,
            ..WireTold::new(id, WireState::Closed)
        }));
        self.close_leg(id);
    }

    /// The loop tells of room in the socket only while something waits for it.
    fn watch_for_room(&mut self, leg: &mut Leg) {
        let Source::Rtsp(rtsp) = &mut leg.source else { return };
        let RtspSource { connection: Some((connection, token)), wants_room, .. } = &mut **rtsp else { return };
        let waits = connection.waits();
        if waits != std::mem::replace(wants_room, waits) {
            let events = if waits { sys::READ | sys::WRITE } else { sys::READ };
            self.epoll.change(connection.raw_fd(), events, *token as u64);
        }
    }

    /// A datagram socket of a track: RTP with even numbers, RTCP with odd ones.
    pub(super) fn rtsp_leg_udp(&mut self, id: LegId, which: u8) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let (k, rtcp_socket) = (usize::from(which / 2), which % 2 == 1);
        let now = self.now;
        let (mut packets, mut bytes) = (0, 0);
        let (mut address, mut elsewhere) = (leg.address, None);
        let mut heard = false;
        if let Leg { source: Source::Rtsp(rtsp), ingest, .. } = &mut leg {
            let RtspSource { tracks, others, .. } = &mut **rtsp;
            let Some(track) = tracks.get_mut(k) else { return };
            let ingest = if k == 0 { ingest } else { &mut others[k - 1] };
            let socket = if rtcp_socket { &track.rtcp } else { &track.rtp };
            let Some(fd) = socket.as_ref().map(|w| w.fd.as_raw_fd()) else { return };
            let batch = self.batch.get_or_insert_default();
            batch.receive(fd, |got| {
                packets += 1;
                bytes += got.data.len() as u64;
                let report = rtcp_socket || is_rtcp(got.data);
                if report && track.sender.takes_rtcp(got.from) {
                    track.reports_to = Some(got.from);
                    ingest.push_rtcp(got.data, now);
                    heard = true;
                } else if !report && track.sender.takes_rtp(got.from, now) {
                    address = Some(got.from);
                    ingest.push_rtp(got.data, now);
                    heard = true;
                } else if elsewhere.is_none() {
                    elsewhere = track.sender.stranger(got.from);
                }
            });
        }
        leg.address = address;
        if heard {
            leg.last_packet = now;
        }
        if let Some(words) = elsewhere {
            self.events.push(leg.event(LegState::Problem, "media-elsewhere", words));
        }
        self.packets_in += packets;
        self.bytes_in += bytes;
        self.leg_outputs(leg);
    }

    /// Receiver reports of each track, the way its media came.
    pub(super) fn rtsp_leg_report(&mut self, leg: &mut Leg) {
        let now = self.now;
        let Leg { id, source: Source::Rtsp(rtsp), ingest, .. } = leg else { return };
        let ssrc = 0x4647_0000 | (*id as u32 & 0xffff);
        let RtspSource { tracks, others, connection, reports, .. } = &mut **rtsp;
        if !*reports {
            return;
        }
        for (k, track) in tracks.iter_mut().enumerate() {
            let ingest = if k == 0 { &mut *ingest } else { &mut others[k - 1] };
            let blocks = ingest.report_blocks(now);
            if blocks.is_empty() && connection.is_some() {
                continue;
            }
            let mut compound = Vec::with_capacity(96);
            rtcp::write_receiver_report(&mut compound, ssrc, &blocks);
            rtcp::write_sdes(&mut compound, ssrc, "fieldgate");
            match (&mut *connection, track.channel, track.reports_to, &track.rtcp) {
                (Some((connection, _)), Some(channel), _, _) => {
                    connection.send_frame(channel + 1, &compound);
                }
                (None, _, Some(to), Some(socket)) => {
                    sys::send_to(socket.fd.as_raw_fd(), &compound, &SockAddr::new(to, track.v6));
                }
                _ => {}
            }
        }
        self.watch_for_room(leg);
    }

    /// One message on the connection of a leg or a subscription.
    pub(super) fn send_text(&mut self, handle: u64, data: &[u8]) {
        if self.readers.contains_key(&handle) {
            return self.reader_text(handle, data);
        }
        let Some(mut leg) = self.legs.remove(&handle) else { return };
        let mut outcome = Outcome::Sent;
        if let Source::Rtsp(rtsp) = &mut leg.source {
            if let Some((connection, _)) = &mut rtsp.connection {
                outcome = connection.send_text(data);
            }
        }
        self.watch_for_room(&mut leg);
        self.legs.insert(handle, leg);
        if outcome != Outcome::Sent {
            self.end_rtsp_leg(handle, "link-down", "the other side takes no messages");
        }
    }

    /// A voice talks back over the leg, or no longer; it ends with the leg.
    pub(super) fn talk_back(&mut self, id: LegId, voice: VoiceId, on: bool) {
        let leg = self.legs.get_mut(&id);
        if leg.is_none() && on {
            return self.end_taps(&[voice]);
        }
        if let Some(leg) = leg {
            leg.talkers.retain(|v| *v != voice);
            leg.talkers.extend(on.then_some(voice));
        }
    }

    /// A packet of the back channel's voice, with its RTCP on the channel beside it.
    pub(super) fn leg_voice_packet(&mut self, id: LegId, channel: u8, packet: &[u8]) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        match &mut leg.source {
            Source::Rtsp(rtsp) => {
                if let Some((connection, _)) = &mut rtsp.connection {
                    connection.send_frame(channel, packet);
                }
            }
            // An end is seen by the next reading too.
            Source::Line(l) if channel == 0 => {
                let _ = l.held.line.talk(packet);
                l.watch(&self.epoll);
            }
            _ => {}
        }
        self.watch_for_room(&mut leg);
        self.legs.insert(id, leg);
    }
}
