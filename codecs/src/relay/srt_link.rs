//! One SRT connection between the SRT thread, which alone calls libsrt for it, and the worker that holds its line: what
//! came, what is to go, and why it ended. libsrt joins threads under its one lock when a connection is let go: a media
//! thread must never wait for that.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes, BytesMut};

use super::event::{WireId, WireState, WireTold};
use super::line::Over;
use super::order::{Figure, Figures};
use super::queue::lock;
use super::srt_door::Bell;
use crate::srt::poll::{Poll, ERR, IN, OUT};
use crate::srt::socket::{Moved, Socket, State};
use crate::srt::udp::BUSY;
use crate::time::Micros;

/// Seven transport packets: SRTO_PAYLOADSIZE of live mode.
pub const MESSAGE_BYTES: usize = 1316;
/// The largest message that a peer may send.
const MAX_MESSAGE_BYTES: usize = 1456;
/// Messages of one turn.
const MESSAGES: usize = 256;
/// What waits for the worker; more stays in libsrt, which drops what is late.
const MAX_INBOX_BYTES: usize = 4 << 20;
/// What waits for the socket before a line takes no more.
pub const ENOUGH_BYTES: usize = 128 << 10;
/// Packets that fill no message wait so long for more, and then for the SRT thread's next turn.
const REST_US: u64 = 8_000;
const FIGURES_US: u64 = 500_000;
/// libsrt takes a peer for lost after 5 s: one that said good-bye is gone sooner.
const LOST_US: u64 = 4_000_000;

#[derive(Default)]
pub struct Inbox {
    pub bytes: Vec<u8>,
    pub packets: u64,
    pub told: Vec<WireTold>,
    pub over: Option<Over>,
}

#[derive(Default)]
struct Outbox {
    /// Whole messages.
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// Packets that fill none yet, and since when.
    rest: BytesMut,
    rest_since: Micros,
    /// The line was told that it takes no more.
    refused: bool,
}

impl Outbox {
    fn put(&mut self, piece: &[u8], now: Micros) {
        self.rest_since = if self.rest.is_empty() { now } else { self.rest_since };
        self.rest.extend_from_slice(piece);
        let whole = self.rest.len() / MESSAGE_BYTES * MESSAGE_BYTES;
        if whole > 0 {
            self.bytes += whole;
            let whole = self.rest.split_to(whole).freeze();
            self.pieces.push_back(whole);
            self.rest_since = now;
        }
    }

    /// What is to be sent next: whole messages, or the rest that filled none, once it has waited long enough.
    fn next(&mut self, now: Micros) -> Option<Bytes> {
        if self.pieces.is_empty() && !self.rest.is_empty() && now.since(self.rest_since) >= REST_US {
            self.bytes += self.rest.len();
            let rest = self.rest.split().freeze();
            return Some(rest);
        }
        self.pieces.pop_front()
    }
}

/// The shared part.
pub struct Link {
    bell: Arc<Bell>,
    inbox: Mutex<Inbox>,
    outbox: Mutex<Outbox>,
    figures: Mutex<Figures>,
    address: Mutex<Option<SocketAddr>>,
    /// Who holds the line; 0 before anybody does.
    handle: AtomicU64,
    /// The worker was told that there is something.
    signalled: AtomicBool,
    /// Media is wanted of it, or comes to it.
    pub bound: AtomicBool,
    /// The line is gone.
    pub closed: AtomicBool,
}

impl Link {
    pub fn new(bell: Arc<Bell>) -> Self {
        Self {
            bell,
            inbox: Mutex::default(),
            outbox: Mutex::default(),
            figures: Mutex::default(),
            address: Mutex::default(),
            handle: AtomicU64::default(),
            signalled: AtomicBool::default(),
            bound: AtomicBool::default(),
            closed: AtomicBool::default(),
        }
    }

    pub fn held_by(&self, handle: u64) {
        self.handle.store(handle, Ordering::Release);
        self.signalled.store(false, Ordering::Release);
    }

    /// What came, by exchange with an empty one whose memory is used again.
    pub fn take(&self, with: &mut Inbox) {
        self.signalled.store(false, Ordering::Release);
        std::mem::swap(&mut *lock(&self.inbox), with);
    }

    /// Packets to be sent. False: too much waits.
    pub fn put(&self, piece: &[u8], now: Micros) -> bool {
        let mut out = lock(&self.outbox);
        out.refused |= out.bytes >= ENOUGH_BYTES;
        if out.refused {
            return false;
        }
        out.put(piece, now);
        let whole = !out.pieces.is_empty();
        drop(out);
        if whole {
            self.bell.hurry(now);
        }
        true
    }

    pub fn figures(&self) -> Figures {
        lock(&self.figures).clone()
    }

    pub fn address(&self) -> Option<SocketAddr> {
        *lock(&self.address)
    }

    pub fn set_address(&self, address: Option<SocketAddr>) {
        *lock(&self.address) = address;
    }
}

pub enum Phase {
    Connecting {
        rendezvous: bool,
    },
    /// Accepted by that listener; not told yet.
    Incoming(WireId),
    Open,
}

/// The SRT thread's part.
pub struct Peer {
    /// `None` once it is over.
    socket: Option<Socket>,
    pub link: Arc<Link>,
    /// The listener that took it in; 0: we called.
    pub door: WireId,
    phase: Phase,
    polled: i32,
    full: bool,
    last_us: u64,
    figures_at: u64,
}

impl Peer {
    pub fn new(socket: Socket, phase: Phase, link: Arc<Link>) -> Self {
        let door = if let Phase::Incoming(door) = phase { door } else { 0 };
        Self { socket: Some(socket), link, door, phase, polled: 0, full: false, last_us: 0, figures_at: 0 }
    }

    pub fn id(&self) -> i32 {
        self.socket.as_ref().map_or(-1, Socket::id)
    }

    /// What it waits for now.
    fn watch(&mut self, poll: &Poll) {
        let Some(socket) = &self.socket else { return };
        let wanted = match self.phase {
            Phase::Connecting { .. } => OUT | ERR,
            _ if self.link.bound.load(Ordering::Acquire) => IN | ERR | if self.full { OUT } else { 0 },
            _ => ERR,
        };
        if self.polled == 0 {
            poll.add(socket.id(), wanted);
        } else if self.polled != wanted {
            poll.change(socket.id(), wanted);
        }
        self.polled = wanted;
    }

    pub fn leave(&mut self, poll: &Poll) {
        if let Some(socket) = self.socket.take() {
            poll.remove(socket.id());
        }
    }

    /// Ready by the poll.
    pub fn ready(&mut self, now_us: u64, scratch: &mut Vec<u8>) -> Result<(), Over> {
        let Some(socket) = &self.socket else { return Ok(()) };
        if let Phase::Connecting { rendezvous } = self.phase {
            match socket.state() {
                State::Connecting => return Ok(()),
                State::Gone => return Err(refused(socket, rendezvous)),
                State::Connected => self.opened(WireState::Connected, 0),
            }
            return Ok(());
        }
        if self.link.bound.load(Ordering::Acquire) {
            return self.receive(now_us, scratch);
        }
        match socket.state() {
            State::Gone => Err(self.ended(now_us)),
            _ => Ok(()),
        }
    }

    fn opened(&mut self, state: WireState, parent: WireId) {
        self.phase = Phase::Open;
        let Some(socket) = &self.socket else { return };
        socket.wait(BUSY);
        if self.link.address().is_none() {
            self.link.set_address(socket.peer());
        }
        let told =
            WireTold { parent, detail: socket.stream_id(), address: self.link.address(), ..WireTold::new(0, state) };
        self.measure();
        lock(&self.link.inbox).told.push(told);
    }

    fn ended(&self, now_us: u64) -> Over {
        if self.last_us != 0 && now_us.saturating_sub(self.last_us) >= LOST_US {
            return Over::new("link-down", "nothing was heard of the SRT peer for 5 s");
        }
        Over::new("source-ended", "")
    }

    fn receive(&mut self, now_us: u64, scratch: &mut Vec<u8>) -> Result<(), Over> {
        let Some(socket) = &self.socket else { return Ok(()) };
        if lock(&self.link.inbox).bytes.len() >= MAX_INBOX_BYTES {
            return Ok(());
        }
        scratch.resize(MESSAGES * MAX_MESSAGE_BYTES, 0);
        let (mut at, mut packets, mut gone) = (0, 0, false);
        for _ in 0..MESSAGES {
            match socket.receive(&mut scratch[at..]) {
                Moved::Bytes(n) if n > 0 => {
                    at += n;
                    packets += 1;
                }
                Moved::Bytes(_) | Moved::Wait => break,
                Moved::Gone => {
                    gone = true;
                    break;
                }
            }
        }
        if at > 0 {
            self.last_us = now_us;
            let mut inbox = lock(&self.link.inbox);
            inbox.bytes.extend_from_slice(&scratch[..at]);
            inbox.packets += packets;
        }
        if gone {
            return Err(self.ended(now_us));
        }
        Ok(())
    }

    fn send(&mut self, now_us: u64) -> Result<(), Over> {
        let Some(socket) = &self.socket else { return Ok(()) };
        self.full = false;
        let next = || lock(&self.link.outbox).next(Micros(now_us));
        // Not under the lock that a media thread may wait for.
        while let Some(mut piece) = next() {
            let before = piece.len();
            let mut moved = Moved::Wait;
            while !piece.is_empty() {
                let n = piece.len().min(MESSAGE_BYTES);
                moved = socket.send(&piece[..n]);
                match moved {
                    Moved::Bytes(_) => piece.advance(n),
                    _ => break,
                }
            }
            let mut out = lock(&self.link.outbox);
            out.bytes -= before - piece.len();
            if moved == Moved::Gone {
                drop(out);
                return Err(self.ended(now_us));
            }
            if !piece.is_empty() {
                out.pieces.push_front(piece);
                self.full = true;
                break;
            }
        }
        Ok(())
    }

    fn measure(&mut self) {
        let Some(socket) = &self.socket else { return };
        let Some(s) = socket.stats() else { return };
        let int = |v: i64| Figure::Int(v);
        *lock(&self.link.figures) = vec![
            ("rtt_ms", Figure::Float((s.rtt_ms * 1000.0).round() / 1000.0)),
            ("bandwidth_bps", int((s.bandwidth_mbps * 1e6) as i64)),
            ("latency_ms", int(i64::from(s.receive_latency_ms.max(s.send_latency_ms)))),
            ("packets", int(s.sent_total.max(s.received_total))),
            ("lost", int(i64::from(s.send_lost_total.max(s.receive_lost_total)))),
            ("retransmitted", int(i64::from(s.retransmitted_total))),
            ("dropped", int(i64::from(s.send_dropped_total.max(s.receive_dropped_total)))),
            ("belated", int(s.belated)),
            ("send_queue_ms", int(i64::from(s.send_queue_ms))),
            ("receive_queue_ms", int(i64::from(s.receive_queue_ms))),
            ("encrypted", int(i64::from(socket.is_encrypted()))),
            ("peer_version", Figure::Text(socket.peer_version())),
        ];
    }

    /// It did not come about yet: no media can be late.
    pub fn is_calling(&self) -> bool {
        matches!(self.phase, Phase::Connecting { .. })
    }

    /// Every turn of the thread. The handle to tell, when there is something for the worker.
    pub fn turn(&mut self, poll: &Poll, now_us: u64, result: Result<(), Over>, scratch: &mut Vec<u8>) -> Option<u64> {
        // What was over before it was watched is never signalled: a connection to be is looked at each time, others now
        // and then.
        let look =
            matches!(self.phase, Phase::Connecting { .. }) || now_us.saturating_sub(self.figures_at) >= FIGURES_US;
        let result = if look { result.and_then(|()| self.ready(now_us, scratch)) } else { result };
        if let Phase::Incoming(parent) = self.phase {
            self.opened(WireState::Incoming, parent);
        }
        if let Err(over) = result.and_then(|()| self.send(now_us)) {
            self.measure();
            self.leave(poll);
            lock(&self.link.inbox).over = Some(over);
        } else if now_us.saturating_sub(self.figures_at) >= FIGURES_US
            && !matches!(self.phase, Phase::Connecting { .. })
        {
            self.figures_at = now_us;
            self.measure();
        }
        self.watch(poll);
        let something = {
            let inbox = lock(&self.link.inbox);
            !inbox.bytes.is_empty() || !inbox.told.is_empty() || inbox.over.is_some()
        };
        let room = {
            let mut out = lock(&self.link.outbox);
            out.refused && out.bytes < ENOUGH_BYTES / 2 && std::mem::take(&mut out.refused)
        };
        let handle = self.link.handle.load(Ordering::Acquire);
        let tell = (something || room) && handle != 0 && !self.link.signalled.swap(true, Ordering::AcqRel);
        tell.then_some(handle)
    }
}

fn refused(socket: &Socket, rendezvous: bool) -> Over {
    let (reason, text) = socket.reject_reason();
    match reason {
        // SRT_REJ_TIMEOUT, or nothing said: nobody answered.
        0 | 16 if rendezvous => Over::new("srt-rendezvous", ""),
        0 | 16 => Over::new("srt-timeout", ""),
        // SRT_REJ_BADSECRET, SRT_REJ_UNSECURE, and 401.
        10 | 11 | 1401 => Over::new("srt-passphrase", text),
        other => Over::new("srt-refused", format!("{text} ({other})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_no_message_waits_for_more_for_a_while() {
        let mut out = Outbox::default();
        out.put(&[1; MESSAGE_BYTES + 188], Micros(1000));
        assert_eq!(out.bytes, MESSAGE_BYTES);
        assert_eq!(out.next(Micros(1000)).map(|p| p.len()), Some(MESSAGE_BYTES));
        assert_eq!(out.next(Micros(1000 + REST_US - 1)), None);
        out.put(&[2; 188], Micros(1000 + REST_US));
        assert_eq!(out.next(Micros(1000 + REST_US)).map(|p| p.len()), Some(2 * 188));
        assert_eq!((out.next(Micros(u64::MAX)), out.bytes), (None, MESSAGE_BYTES + 2 * 188), "taken, not sent yet");
        out.put(&[3; MESSAGE_BYTES - 188], Micros(50_000));
        out.put(&[4; 376], Micros(60_000));
        let whole = out.next(Micros(60_000)).expect("a whole message");
        assert_eq!((whole.len(), whole[MESSAGE_BYTES - 1]), (MESSAGE_BYTES, 4));
        assert_eq!(out.next(Micros(60_000 + REST_US - 1)), None, "what came with the message waits from then on");
        assert_eq!(out.next(Micros(60_000 + REST_US)).map(|p| p.len()), Some(188));
    }
}
