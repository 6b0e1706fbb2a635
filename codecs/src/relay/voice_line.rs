//! The far end of a voice as sockets: sessions, TCP (RFC 4571), USRP, PCM records, taps.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use super::event::{Event, LegId, SessionId, StreamId, VoiceId};
use super::framing::Deframer;
use super::order::Command;
use super::path::{Outbox, Path};
use super::queue::{Commands, Events};
use super::sys::{self, Outcome, SockAddr};
use crate::rtp::srtp::MAX_TAG_BYTES;
use crate::time::{seq_delta, Micros};
use crate::voice::outlet::Leaving;
use crate::voice::{Sink, Tell};

/// What a slow TCP reader may be behind; then whole packets are left out.
const MAX_BACKLOG_BYTES: usize = 16 * 1024;
/// Records that wait for a slow reader of a PCM port; the oldest go.
const MAX_RECORDS: usize = 10;

pub enum Line {
    Session {
        session: SessionId,
        path: Option<Rc<Path>>,
        cname: String,
    },
    Tcp(Box<TcpLine>),
    Usrp {
        fd: OwnedFd,
        token: usize,
        to: SockAddr,
        host: IpAddr,
        numbers: Numbers,
    },
    Pcm(Box<PcmLine>),
    Tap {
        stream: StreamId,
        numbers: Numbers,
    },
    /// Packets go to the thread that writes the leg's connection.
    Leg {
        leg: LegId,
        channel: u8,
        cname: String,
        to: Arc<Commands>,
    },
}

pub struct TcpLine {
    /// `None` once it has ended.
    pub socket: Option<(OwnedFd, usize)>,
    pub peer: Option<SocketAddr>,
    pub deframer: Deframer,
    pub cname: String,
    backlog: Vec<u8>,
}

impl TcpLine {
    pub fn new(fd: OwnedFd, token: usize, cname: String) -> Self {
        let peer = SockAddr::peer_of(&fd);
        Self { socket: Some((fd, token)), peer, deframer: Deframer::new(), cname, backlog: Vec::new() }
    }

    /// A packet with its length before it. False when the connection is broken.
    pub fn send(&mut self, parts: [&[u8]; 2]) -> bool {
        if !self.flush() {
            return false;
        }
        let Some(fd) = self.socket.as_ref().map(|(fd, _)| fd.as_raw_fd()) else { return true };
        let Ok(len) = u16::try_from(parts[0].len() + parts[1].len()) else { return true };
        if !self.backlog.is_empty() {
            if self.backlog.len() < MAX_BACKLOG_BYTES {
                self.keep(len, parts, 0);
            }
            return true;
        }
        match sys::write_parts(fd, &[&len.to_be_bytes(), parts[0], parts[1]]) {
            Ok(sent) if sent < usize::from(len) + 2 => self.keep(len, parts, sent),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => self.keep(len, parts, 0),
            Err(_) => return false,
        }
        true
    }

    fn keep(&mut self, len: u16, parts: [&[u8]; 2], sent: usize) {
        let start = self.backlog.len();
        self.backlog.extend_from_slice(&len.to_be_bytes());
        self.backlog.extend_from_slice(parts[0]);
        self.backlog.extend_from_slice(parts[1]);
        self.backlog.drain(start..start + sent);
    }

    fn flush(&mut self) -> bool {
        let Some((fd, _)) = &self.socket else { return true };
        while !self.backlog.is_empty() {
            match sys::write_parts(fd.as_raw_fd(), &[&self.backlog]) {
                Ok(sent) => {
                    self.backlog.drain(..sent);
                }
                Err(e) => return e.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

pub struct PcmLine {
    pub socket: Option<(OwnedFd, usize)>,
    pub numbers: Numbers,
    pub rate_hz: u32,
    pub channels: u8,
    waiting: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl PcmLine {
    pub fn new(fd: OwnedFd, token: usize, rate_hz: u32, channels: u8) -> Self {
        let waiting = VecDeque::with_capacity(MAX_RECORDS);
        Self { socket: Some((fd, token)), numbers: Numbers::default(), rate_hz, channels, waiting, spare: Vec::new() }
    }

    fn send(&mut self, record: &[u8]) {
        let Some((fd, _)) = &self.socket else { return };
        let fd = fd.as_raw_fd();
        while let Some(oldest) = self.waiting.front() {
            if sys::write_record(fd, &[], oldest) == Outcome::Full {
                break;
            }
            self.spare.extend(self.waiting.pop_front());
        }
        if self.waiting.is_empty() && sys::write_record(fd, &[], record) != Outcome::Full {
            return;
        }
        if self.waiting.len() == MAX_RECORDS {
            self.spare.extend(self.waiting.pop_front());
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(record);
        self.waiting.push_back(kept);
    }
}

/// Sequence and timestamps for sound whose carrier has none, or counts without regard to pauses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Numbers {
    started: bool,
    carrier: u16,
    seq: u16,
    ts: u32,
    last: Micros,
}

/// A longer pause than this is one of the speaker, not of the network.
const PAUSE_US: u64 = 150_000;

impl Numbers {
    /// The next in order: number, timestamp, and whether it begins anew. `carrier` counts packets of `ticks` each.
    pub fn next(&mut self, carrier: u16, ticks: u32, rate_hz: u32, now: Micros) -> (u16, u32, bool) {
        let step = seq_delta(self.carrier, carrier);
        let waited = now.since(self.last);
        if !self.started || waited >= PAUSE_US || !(-20..=50).contains(&step) {
            let passed =
                if self.started { (waited.min(60_000_000) * u64::from(rate_hz) / 1_000_000) as u32 } else { 0 };
            self.seq = self.seq.wrapping_add(1);
            self.ts = self.ts.wrapping_add(passed.max(ticks));
            *self = Self { started: true, carrier, last: now, ..*self };
            return (self.seq, self.ts, true);
        }
        let seq = self.seq.wrapping_add(step as u16);
        let ts = self.ts.wrapping_add((step as u32).wrapping_mul(ticks));
        if step > 0 {
            *self = Self { carrier, seq, ts, last: now, ..*self };
        }
        (seq, ts, false)
    }

    /// As `next`, for a carrier without numbers: nothing is lost on it.
    pub fn follow(&mut self, ticks: u32, rate_hz: u32, now: Micros) -> (u16, u32, bool) {
        self.next(self.carrier.wrapping_add(1), ticks, rate_hz, now)
    }
}

/// Where a tick's packets go: the sockets of the lines.
pub struct Out<'a> {
    pub outbox: &'a mut Outbox,
    pub events: &'a Events,
    pub lines: &'a mut HashMap<VoiceId, Line>,
    /// TCP connections that broke in sending.
    pub broken: &'a mut Vec<VoiceId>,
}

impl Sink for Out<'_> {
    fn rtp(&mut self, voice: VoiceId, leaving: Leaving<'_>) {
        match self.lines.get_mut(&voice) {
            Some(Line::Session { path: Some(path), .. }) => {
                let head = leaving.header.len();
                let end = head + leaving.payload.len();
                if end + MAX_TAG_BYTES > self.outbox.buffer.len() || path.is_muted() {
                    return;
                }
                let buffer = &mut self.outbox.buffer;
                buffer[..head].copy_from_slice(leaving.header);
                let len = match &path.sealer {
                    Some(sealer) => sealer.seal_rtp(buffer, head, leaving.payload, leaving.ssrc, leaving.index),
                    None => {
                        buffer[head..end].copy_from_slice(leaving.payload);
                        end
                    }
                };
                self.outbox.send_one(path, len);
            }
            Some(Line::Tcp(line)) => {
                if !line.send([leaving.header, leaving.payload]) {
                    self.broken.push(voice);
                }
                self.outbox.packets += 1;
            }
            Some(Line::Leg { leg, channel, to, .. }) => {
                let packet = [leaving.header, leaving.payload].concat();
                to.push(Command::TalkBackPacket { leg: *leg, channel: *channel, packet });
            }
            _ => {}
        }
    }

    fn record(&mut self, voice: VoiceId, header: &[u8], body: &[u8]) {
        match self.lines.get_mut(&voice) {
            Some(Line::Usrp { fd, to, .. }) => {
                let end = header.len() + body.len();
                self.outbox.buffer[..header.len()].copy_from_slice(header);
                self.outbox.buffer[header.len()..end].copy_from_slice(body);
                match sys::send_to(fd.as_raw_fd(), &self.outbox.buffer[..end], to) {
                    Outcome::Sent => self.outbox.packets += 1,
                    Outcome::Full => {}
                    Outcome::Failed => self.outbox.errors += 1,
                }
            }
            Some(Line::Pcm(line)) => line.send(body),
            _ => {}
        }
    }

    fn tell(&mut self, tell: Tell) {
        let Tell { voice, state, code, detail, address } = tell;
        self.events.push(Event::Voice { voice, state, code, detail, address });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_carrier_and_jump_over_pauses() {
        let mut n = Numbers::default();
        let (seq, ts, fresh) = n.next(100, 160, 8000, Micros(0));
        assert!(fresh);
        assert_eq!(n.next(101, 160, 8000, Micros(20_000)), (seq + 1, ts + 160, false));
        // One lost, then the lost one late.
        assert_eq!(n.next(103, 160, 8000, Micros(60_000)), (seq + 3, ts + 480, false));
        assert_eq!(n.next(102, 160, 8000, Micros(61_000)), (seq + 2, ts + 320, false));
        // A pause of a second.
        assert_eq!(n.next(104, 160, 8000, Micros(1_060_000)), (seq + 4, ts + 480 + 8000, true));
        // The sender began anew.
        assert!(n.next(0, 160, 8000, Micros(1_080_000)).2);
    }
}
