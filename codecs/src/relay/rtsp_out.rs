//! RTSP readers, and servers that we record to: a subscriber whose tracks go their own ways, interleaved on one TCP
//! connection or from pairs of UDP sockets.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;

use super::choice::Side;
use super::event::*;
use super::order::{RtpInfo, RtspOut, SubscribeRtsp};
use super::path::Path;
use super::rtsp_connection::{Came, Connection, Ended, SCRATCH_BYTES};
use super::subscriber::Subscriber;
use super::sys::{self, Outcome, SockAddr};
use super::worker::{Sock, Worker};
use crate::hub::stream::Stream;
use crate::hub::unit::Kind;
use crate::rtp::header::is_rtcp;
use crate::time::Micros;

/// RTCP of one read; a reader that sends more at once is not heard out.
const MAX_REPORTS: usize = 64;
/// Read and write, told when they become possible: a slow reader's loop rests meanwhile.
const EDGE: u32 = sys::READ | sys::WRITE | libc::EPOLLET as u32;

/// The sockets of one reader.
pub struct Reader {
    connection: Option<(Rc<RefCell<Connection>>, usize)>,
    /// RTCP sockets, by track.
    reports: Vec<(Arc<OwnedFd>, usize)>,
}

impl Reader {
    fn sockets(&self) -> impl Iterator<Item = (RawFd, usize)> + '_ {
        let udp = self.reports.iter().map(|(fd, token)| (fd.as_raw_fd(), *token));
        udp.chain(self.connection.iter().map(|(c, token)| (c.borrow().raw_fd(), *token)))
    }
}

impl Worker {
    pub fn subscribe_rtsp(&mut self, id: SubId, order: SubscribeRtsp) {
        if !self.streams.contains_key(&order.order.stream) {
            return;
        }
        let channels = order.tracks.iter().filter_map(|t| t.channel).collect();
        let interleaved = order.fd.is_some();
        let connection = order.fd.map(|fd| {
            let token = self.watch(fd.as_raw_fd(), EDGE, Sock::SubRtspTcp(id));
            (Rc::new(RefCell::new(Connection::new(fd, channels, order.initial))), token)
        });
        let mut reader = Reader { connection, reports: Vec::new() };
        let mut paths = [None, None];
        for track in order.tracks {
            let k = usize::from(track.kind == Kind::Audio);
            paths[k] = self.reader_path(id, track, &mut reader);
        }
        let order_held = order.held;
        let mut order = order.order;
        // TCP has a pace of its own.
        order.pace &= !interleaved;
        let stream = order.stream;
        let mut subscriber = Self::new_subscriber(id, None, Side::Plain, order);
        subscriber.arm_reader(paths, order_held);
        self.readers.insert(id, reader);
        self.subscribe(subscriber);
        if interleaved {
            self.guard(stream, |w| w.reader_bytes(id, |c, _, each| (0, c.take_initial(each), false)));
        }
    }

    fn reader_path(&mut self, id: SubId, track: RtspOut, reader: &mut Reader) -> Option<Rc<Path>> {
        if let (Some((connection, _)), Some(channel)) = (&reader.connection, track.channel) {
            return Some(Rc::new(Path::interleaved(connection.clone(), channel)));
        }
        let ((to, rtcp_to), rtp) = (track.to?, track.rtp?);
        let v6 = matches!(sys::check_socket(&rtp, libc::SOCK_DGRAM), Ok(true));
        sys::raise_buffers(&rtp, 16 << 10, 2 << 20);
        let rtcp = track.rtcp.map(Arc::new);
        if let Some(fd) = &rtcp {
            let which = u8::from(track.kind == Kind::Audio);
            let token = self.watch(fd.as_raw_fd(), sys::READ, Sock::SubRtsp(id, which));
            reader.reports.push((fd.clone(), token));
        }
        let (to, rtcp_to) = (SockAddr::new(to, v6), SockAddr::new(rtcp_to, v6));
        Some(Rc::new(Path::new(Arc::new(rtp), to, rtcp_to, None).with_rtcp(rtcp)))
    }

    /// Reports that come back over UDP.
    pub(super) fn rtsp_sub_rtcp(&mut self, id: SubId, which: u8) {
        let Some(reader) = self.readers.get(&id) else { return };
        let found = reader.reports.iter().find(|(_, t)| self.sock(*t as u64) == Some(Sock::SubRtsp(id, which)));
        let Some(fd) = found.map(|(fd, _)| fd.as_raw_fd()) else { return };
        let mut batch = self.batch.take().unwrap_or_default();
        batch.receive(fd, |got| {
            if is_rtcp(got.data) {
                self.rtcp_to_sub(id, got.data);
            }
        });
        self.batch = Some(batch);
    }

    /// The connection has bytes or room.
    pub(super) fn rtsp_sub_tcp(&mut self, id: SubId) {
        self.reader_bytes(id, |c, scratch, each| c.read(scratch, true, each));
        let Some(mut live) = self.subs.get(&id).copied().and_then(|s| self.take(s)) else { return };
        self.pump_one(&mut live, id);
        self.put(live);
    }

    fn reader_bytes(
        &mut self,
        id: SubId,
        read: impl FnOnce(&mut Connection, &mut [u8], &mut dyn FnMut(Came<'_>)) -> (u64, Option<Ended>, bool),
    ) {
        let Some((connection, token)) = self.readers.get(&id).and_then(|r| r.connection.clone()) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.len() < SCRATCH_BYTES {
            scratch.resize(SCRATCH_BYTES, 0);
        }
        let mut reports: Vec<Vec<u8>> = Vec::new();
        let (ended, fd) = {
            let mut connection = connection.borrow_mut();
            connection.flush();
            let events = &self.events;
            let (bytes, ended, more) = read(&mut connection, &mut scratch, &mut |came| match came {
                Came::Frame(_, data) if is_rtcp(data) && reports.len() < MAX_REPORTS => reports.push(data.to_vec()),
                Came::Frame(..) => {}
                Came::Text(data) => {
                    events.push(Event::Wire(WireTold { data: data.to_vec(), ..WireTold::new(id, WireState::Text) }));
                }
            });
            self.bytes_in += bytes;
            if more {
                // Others have their turn; being told anew brings the rest.
                self.epoll.change(connection.raw_fd(), EDGE, token as u64);
            }
            (ended.or(connection.broken.then_some(("link-down", "the connection broke"))), connection.peer)
        };
        self.scratch = scratch;
        for report in reports {
            self.rtcp_to_sub(id, &report);
        }
        if let Some((code, why)) = ended {
            let told = WireTold { code, detail: why.to_owned(), address: fd, ..WireTold::new(id, WireState::Closed) };
            self.events.push(Event::Wire(told));
            self.unsubscribe(id);
        }
    }

    pub(super) fn reader_text(&mut self, id: SubId, data: &[u8]) {
        let Some((connection, _)) = self.readers.get(&id).and_then(|r| r.connection.clone()) else { return };
        let outcome = connection.borrow_mut().send_text(data);
        if outcome != Outcome::Sent {
            let detail = "the reader takes no messages".to_owned();
            let told = WireTold { code: "link-down", detail, ..WireTold::new(id, WireState::Closed) };
            self.events.push(Event::Wire(told));
            self.unsubscribe(id);
        }
    }

    /// A reader pauses, or goes on from the newest group of pictures.
    pub(super) fn hold_rtsp(&mut self, id: SubId, held: bool) {
        let Some(mut live) = self.subs.get(&id).copied().and_then(|s| self.take(s)) else { return };
        if let Some(subscriber) = live.subscribers.iter_mut().find(|s| s.id == id) {
            subscriber.hold(&live.hub, held);
        }
        self.pump_one(&mut live, id);
        self.put(live);
    }

    pub(super) fn rtp_info(&self, id: SubId) -> Option<RtpInfo> {
        let live = self.streams.get(self.subs.get(&id)?)?;
        let subscriber = live.subscribers.iter().find(|s| s.id == id)?;
        Some(subscriber.rtp_info(&live.hub, self.now))
    }

    /// The sockets of a reader that is gone, and what they stood under watch for.
    pub(super) fn drop_reader(&mut self, id: SubId) {
        let Some(reader) = self.readers.remove(&id) else { return };
        for (fd, token) in reader.sockets().collect::<Vec<_>>() {
            self.unwatch(fd, token);
        }
    }
}

impl Subscriber {
    /// An RTSP reader: its tracks go ways of their own.
    pub(super) fn arm_reader(&mut self, [video, audio]: [Option<Rc<Path>>; 2], held: bool) {
        self.path = video.or_else(|| audio.clone());
        self.audio_path = audio;
        self.held = held;
        self.reports_lead = [true; 2];
    }

    /// Pause, or go on: from the newest group of pictures that was not begun before, and sound of now.
    pub(super) fn hold(&mut self, hub: &Stream, held: bool) {
        if held && !self.held {
            if let (Some(outlet), Some(track)) = (self.outlets[0].as_mut(), hub.video(self.form)) {
                outlet.skip_to(track, None);
            }
        }
        if let Some(voice) = &mut self.outlets[1] {
            voice.wait_for_key();
        }
        self.held = held;
    }

    /// What is sent next of each track that was asked for.
    pub(super) fn rtp_info(&self, hub: &Stream, now: Micros) -> RtpInfo {
        let wanted = [(Kind::Video, "video", &self.order.video), (Kind::Audio, "audio", &self.order.audio)];
        let wanted = wanted.into_iter().filter(|(_, _, maps)| !maps.is_empty());
        wanted
            .map(|(kind, name, maps)| {
                let k = usize::from(kind == Kind::Audio);
                let next = match (&self.outlets[k], self.track(hub, kind)) {
                    (Some(outlet), Some(track)) => outlet.next_numbers(track, hub.ticks_at(now, track.params.clock_hz)),
                    _ => {
                        let ts = hub.ticks_at(now, maps[0].clock_hz) as u32;
                        (self.start[k].seq & 0x7fff, self.start[k].ts.wrapping_add(ts))
                    }
                };
                (name, next)
            })
            .collect()
    }
}
