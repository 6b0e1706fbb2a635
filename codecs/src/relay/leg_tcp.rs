//! TCP under an ingest leg: Python has done the handshake, the bytes come here.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};

use super::event::*;
use super::framing::{Deframer, Framed};
use super::leg::{Leg, Source, Watched};
use super::sys::{self, SockAddr};
use super::worker::{Sock, Worker};

/// Reads of one socket before others have their turn.
const READS: usize = 4;
const READ_BYTES: usize = 64 * 1024;

impl Worker {
    /// A connected socket for the leg; a newer one replaces it.
    pub fn attach_tcp(&mut self, id: LegId, fd: OwnedFd, initial: &[u8]) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let peer = SockAddr::peer_of(&fd);
        sys::raise_buffers(&fd, 2 << 20, 64 << 10);
        if let Source::Rtp { tcp, deframer, .. } = &mut leg.source {
            if let Some(old) = tcp.take() {
                self.unwatch(old.fd.as_raw_fd(), old.token);
            }
            **deframer = Deframer::new();
            let token = self.watch(fd.as_raw_fd(), sys::READ, Sock::LegTcp(id));
            *tcp = Some(Watched { fd, token });
            leg.address = peer;
            self.events.push(leg.event(LegState::Attached, "", String::new()));
        }
        let stream = leg.stream;
        self.legs.insert(id, leg);
        self.guard(stream, |w| w.leg_bytes(id, initial));
    }

    pub fn leg_tcp(&mut self, id: LegId) {
        let mut buffer = std::mem::take(&mut self.scratch);
        if buffer.len() < READ_BYTES {
            buffer.resize(READ_BYTES, 0);
        }
        self.read_tcp(id, &mut buffer[..READ_BYTES]);
        self.scratch = buffer;
    }

    fn read_tcp(&mut self, id: LegId, buffer: &mut [u8]) {
        for _ in 0..READS {
            let Some(Leg { source: Source::Rtp { tcp: Some(w), .. }, .. }) = self.legs.get(&id) else { return };
            match sys::read(w.fd.as_raw_fd(), buffer) {
                Ok(0) => return self.detach(id, "source-ended"),
                Ok(n) => {
                    self.bytes_in += n as u64;
                    self.leg_bytes(id, &buffer[..n]);
                    if n < buffer.len() {
                        return;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => return,
                Err(_) => return self.detach(id, "link-down"),
            }
        }
    }

    fn detach(&mut self, id: LegId, code: &'static str) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        if let Source::Rtp { tcp, .. } = &mut leg.source {
            if let Some(w) = tcp.take() {
                self.unwatch(w.fd.as_raw_fd(), w.token);
                self.events.push(leg.event(LegState::Detached, code, String::new()));
            }
        }
        self.legs.insert(id, leg);
    }

    fn leg_bytes(&mut self, id: LegId, data: &[u8]) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let now = self.now;
        let mut lost_framing = false;
        if let Source::Rtp { deframer, .. } = &mut leg.source {
            let before = deframer.stats().resyncs;
            deframer.push(data);
            while let Some(framed) = deframer.next() {
                self.packets_in += 1;
                match framed {
                    Framed::Rtp(packet) => leg.ingest.push_rtp(&packet, now),
                    Framed::Rtcp(packet) => leg.ingest.push_rtcp(&packet, now),
                }
            }
            lost_framing = deframer.stats().resyncs != before;
        }
        leg.last_packet = now;
        if lost_framing {
            self.events.push(leg.event(LegState::Problem, "framing-lost", String::new()));
        }
        self.leg_outputs(leg);
    }
}
