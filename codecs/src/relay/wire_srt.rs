//! An SRT connection: a transport stream comes in, or one goes out, in messages of seven packets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::bytes_in::writer;
use super::event::{WireId, WireState, WireTold};
use super::line::{Brought, Line, Outward, Over};
use super::order::{Figure, Figures};
use super::srt_hub::SrtHub;
use super::OrderError;
use crate::container::ts_read::TsReader;
use crate::container::{Found, Reader, Writer};
use crate::srt::library::{Moved, Options, Socket, State, ERR, IN, OUT};
use crate::time::Micros;

/// Seven transport packets: SRTO_PAYLOADSIZE of live mode.
const MESSAGE_BYTES: usize = 1316;
/// The largest message that a peer may send.
const MAX_MESSAGE_BYTES: usize = 1456;
/// Messages of one turn.
const MESSAGES: usize = 64;
/// Kept for a socket that takes nothing now.
const ENOUGH_BYTES: usize = 128 << 10;
/// Packets that fill no message wait this long for more.
const REST_US: u64 = 20_000;
/// After so long without a packet the last picture is taken as whole.
const QUIET_US: u64 = 100_000;
/// libsrt takes a peer for lost after 5 s: one that said good-bye is gone sooner.
const LOST_US: u64 = 4_000_000;

enum Phase {
    Connecting {
        rendezvous: bool,
    },
    /// Accepted by that listener; not told yet.
    Incoming(WireId),
    Open,
}

pub struct SrtLine {
    hub: Arc<SrtHub>,
    /// `None` only when it is being dropped.
    socket: Option<Socket>,
    /// Whom we called: libsrt knows no peer of a caller.
    to: Option<SocketAddr>,
    signalled: Arc<AtomicBool>,
    phase: Phase,
    polled: i32,
    reader: Option<TsReader>,
    writing: bool,
    out: VecDeque<Bytes>,
    rest: BytesMut,
    out_bytes: usize,
    rest_since: Micros,
    full: bool,
    last: Micros,
}

impl SrtLine {
    fn new(hub: Arc<SrtHub>, socket: Socket, phase: Phase) -> Self {
        let polled = match phase {
            Phase::Connecting { .. } => OUT | ERR,
            _ => ERR,
        };
        Self {
            hub,
            socket: Some(socket),
            to: None,
            signalled: Arc::default(),
            phase,
            polled,
            reader: None,
            writing: false,
            out: VecDeque::new(),
            rest: BytesMut::new(),
            out_bytes: 0,
            rest_since: Micros(0),
            full: false,
            last: Micros(0),
        }
    }

    pub fn incoming(hub: Arc<SrtHub>, socket: Socket, parent: WireId) -> Self {
        Self::new(hub, socket, Phase::Incoming(parent))
    }

    pub fn connecting(
        hub: Arc<SrtHub>,
        to: SocketAddr,
        from: Option<SocketAddr>,
        options: &Options,
    ) -> Result<Self, OrderError> {
        let socket = Socket::connect(to, from, options);
        let socket = socket.map_err(|why| OrderError::new(format!("connecting by SRT to {to}: {why}")))?;
        let mut made = Self::new(hub, socket, Phase::Connecting { rendezvous: options.rendezvous });
        made.to = Some(to);
        Ok(made)
    }

    fn poll(&mut self, events: i32) {
        if let (Some(socket), true) = (&self.socket, self.polled != events) {
            self.polled = events;
            self.hub.poll.change(socket.id(), events);
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

    fn ended(&self, now: Micros) -> Over {
        if self.last.0 != 0 && now.since(self.last) >= LOST_US {
            return Over::new("link-down", "nothing was heard of the SRT peer for 5 s");
        }
        Over::new("source-ended", "")
    }

    fn told(&self, state: WireState, parent: WireId) -> WireTold {
        let socket = self.socket.as_ref();
        let detail = socket.map(Socket::stream_id).unwrap_or_default();
        WireTold { parent, detail, address: self.address(), ..WireTold::new(0, state) }
    }

    fn receive(&mut self, now: Micros, scratch: &mut Vec<u8>, brought: &mut Brought) -> Result<(), Over> {
        let Some(socket) = &self.socket else { return Ok(()) };
        scratch.resize(MESSAGES * MAX_MESSAGE_BYTES, 0);
        let mut at = 0;
        let mut gone = false;
        brought.more = true;
        for _ in 0..MESSAGES {
            match socket.receive(&mut scratch[at..]) {
                Moved::Bytes(n) if n > 0 => {
                    at += n;
                    brought.packets += 1;
                }
                Moved::Bytes(_) | Moved::Wait => {
                    brought.more = false;
                    break;
                }
                Moved::Gone => {
                    (brought.more, gone) = (false, true);
                    break;
                }
            }
        }
        if at > 0 {
            self.last = now;
            brought.bytes += at as u64;
        }
        if let Some(reader) = &mut self.reader {
            let _ = reader.push(&scratch[..at], now, &mut brought.found);
            if reader.waits() && now.since(self.last) >= QUIET_US {
                reader.flush(now, &mut brought.found);
            }
        }
        if gone {
            return Err(self.ended(now));
        }
        Ok(())
    }

    fn send(&mut self, now: Micros) -> Result<(), Over> {
        if self.out.is_empty() && !self.rest.is_empty() && now.since(self.rest_since) >= REST_US {
            self.out.push_back(self.rest.split().freeze());
        }
        let Some(socket) = &self.socket else { return Ok(()) };
        self.full = false;
        while let Some(piece) = self.out.front_mut() {
            let n = piece.len().min(MESSAGE_BYTES);
            match socket.send(&piece[..n]) {
                Moved::Bytes(_) => {
                    self.out_bytes -= n;
                    piece.advance(n);
                    if piece.is_empty() {
                        self.out.pop_front();
                    }
                }
                Moved::Wait => {
                    self.full = true;
                    break;
                }
                Moved::Gone => return Err(self.ended(now)),
            }
        }
        let wanted = IN | ERR | if self.full { OUT } else { 0 };
        self.poll(wanted);
        Ok(())
    }
}

impl Drop for SrtLine {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.hub.close(socket);
        }
    }
}

impl Line for SrtLine {
    fn transport(&self) -> &'static str {
        "srt"
    }

    fn fd(&self) -> Option<RawFd> {
        None
    }

    fn address(&self) -> Option<SocketAddr> {
        self.to.or_else(|| self.socket.as_ref().and_then(Socket::peer))
    }

    fn held_by(&mut self, handle: u64) {
        let Some(socket) = &self.socket else { return };
        self.signalled.store(false, Ordering::Release);
        self.hub.route(socket.id(), handle, &self.signalled);
        self.hub.poll.add(socket.id(), self.polled);
    }

    fn work(&mut self, now: Micros, scratch: &mut Vec<u8>, brought: &mut Brought) -> Result<(), Over> {
        self.signalled.store(false, Ordering::Release);
        let Some(socket) = &self.socket else { return Ok(()) };
        match self.phase {
            Phase::Connecting { rendezvous } => match socket.state() {
                State::Connecting => return Ok(()),
                State::Gone => return Err(Self::refused(socket, rendezvous)),
                State::Connected => {
                    self.phase = Phase::Open;
                    brought.told.push(self.told(WireState::Connected, 0));
                    self.poll(ERR);
                }
            },
            Phase::Incoming(parent) => {
                self.phase = Phase::Open;
                brought.told.push(self.told(WireState::Incoming, parent));
            }
            Phase::Open => {}
        }
        if self.writing {
            self.send(now)?;
        }
        if self.reader.is_some() || self.writing {
            return self.receive(now, scratch, brought);
        }
        match self.socket.as_ref().map(Socket::state) {
            Some(State::Gone) | None => Err(self.ended(now)),
            _ => Ok(()),
        }
    }

    fn flush(&mut self, now: Micros, found: &mut Vec<Found>) {
        if let Some(reader) = &mut self.reader {
            reader.flush(now, found);
        }
    }

    fn bind_in(&mut self, program: u16) -> Result<(), OrderError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(OrderError::new("not connected yet"));
        }
        self.reader = Some(TsReader::new(program));
        self.poll(IN | ERR);
        Ok(())
    }

    fn bind_out(&mut self, _how: Outward) -> Result<Box<dyn Writer>, OrderError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(OrderError::new("not connected yet"));
        }
        let made = writer("ts", 0, 0)?;
        self.writing = true;
        self.poll(IN | ERR);
        Ok(made)
    }

    fn put(&mut self, piece: Bytes, now: Micros) -> Result<bool, Over> {
        if self.out_bytes >= ENOUGH_BYTES {
            return Ok(false);
        }
        self.out_bytes += piece.len();
        self.rest_since = if self.rest.is_empty() { now } else { self.rest_since };
        self.rest.extend_from_slice(&piece);
        let whole = self.rest.len() / MESSAGE_BYTES * MESSAGE_BYTES;
        if whole > 0 {
            self.out.push_back(self.rest.split_to(whole).freeze());
            self.rest_since = now;
        }
        self.send(now)?;
        Ok(true)
    }

    fn next_timer(&self) -> Option<Micros> {
        let quiet = self.reader.as_ref().filter(|r| r.waits()).map(|_| Micros(self.last.0 + QUIET_US));
        let rest = (!self.rest.is_empty() && !self.full).then_some(Micros(self.rest_since.0 + REST_US));
        quiet.into_iter().chain(rest).min()
    }

    fn figures(&self) -> Figures {
        let Some(socket) = &self.socket else { return Vec::new() };
        let Some(s) = socket.stats() else { return Vec::new() };
        let int = |v: i64| Figure::Int(v);
        let (sent, got) = (s.sent_total, s.received_total);
        vec![
            ("rtt_ms", Figure::Float((s.rtt_ms * 1000.0).round() / 1000.0)),
            ("bandwidth_bps", int((s.bandwidth_mbps * 1e6) as i64)),
            ("latency_ms", int(i64::from(s.receive_latency_ms.max(s.send_latency_ms)))),
            ("packets", int(sent.max(got))),
            ("lost", int(i64::from(s.send_lost_total.max(s.receive_lost_total)))),
            ("retransmitted", int(i64::from(s.retransmitted_total))),
            ("dropped", int(i64::from(s.send_dropped_total.max(s.receive_dropped_total)))),
            ("belated", int(s.belated)),
            ("send_queue_ms", int(i64::from(s.send_queue_ms))),
            ("receive_queue_ms", int(i64::from(s.receive_queue_ms))),
            ("encrypted", int(i64::from(socket.is_encrypted()))),
            ("peer_version", Figure::Text(socket.peer_version())),
        ]
    }
}
