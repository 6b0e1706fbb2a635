//! A connection with whatever is spoken over it, the same for wires, legs and subscriptions: bytes in become tracks,
//! units and messages, units out become bytes. Implementations: a plain stream (`bytes_in`), datagrams (`ts_udp`), RTMP
//! (`wire_rtmp`), SRT (`wire_srt`).

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::RawFd;

use bytes::{Buf, Bytes};

use super::event::WireTold;
use super::order::Figures;
use super::sys::{self, Epoll};
use super::OrderError;
use crate::container::{Found, Writer};
use crate::time::Micros;

/// Why a line ended: a reason code, and words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    pub code: &'static str,
    pub detail: String,
}

impl Over {
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub fn io(error: &io::Error) -> Self {
        Self::new("link-down", error.to_string())
    }
}

/// What one turn of work brought.
#[derive(Default)]
pub struct Brought {
    /// Media, when the line is bound to a stream that it feeds.
    pub found: Vec<Found>,
    /// Messages for Python. `wire` is filled in by who holds the line.
    pub told: Vec<WireTold>,
    pub packets: u64,
    pub bytes: u64,
    /// Who sent it, when that is learnt of the packets.
    pub from: Option<SocketAddr>,
    /// More waits than one turn takes: work again before anything new is signalled.
    pub more: bool,
}

/// An order of Python's to whatever is spoken on the line; lines that do not know it ignore it.
#[derive(Debug)]
pub enum LineOrder {
    Rtmp { type_id: u8, stream_id: u32, chunk_stream: u32, data: Vec<u8> },
}

/// How a line shall carry a stream outward.
#[derive(Debug, Clone, Copy)]
pub struct Outward {
    pub message_stream: u32,
    pub enhanced: bool,
}

pub trait Line: Send {
    /// "tcp", "udp", "srt", "rtmp": for figures.
    fn transport(&self) -> &'static str;

    /// What epoll watches. `None`: somebody else says when there is work (`LineCommand::Ready`).
    fn fd(&self) -> Option<RawFd>;

    fn address(&self) -> Option<SocketAddr> {
        None
    }

    /// Read what has come and send what waits, neither for long. `scratch` is a buffer of no meaning between calls.
    fn work(&mut self, now: Micros, scratch: &mut Vec<u8>, brought: &mut Brought) -> Result<(), Over>;

    /// What was kept back for more that will not come.
    fn flush(&mut self, _now: Micros, _found: &mut Vec<Found>) {}

    /// From now on media is wanted; what was kept for it comes with the next `work`.
    fn bind_in(&mut self, _program: u16) -> Result<(), OrderError> {
        Err(OrderError::new("nothing comes in over this connection"))
    }

    /// From now on units go out: what makes them bytes.
    fn bind_out(&mut self, _how: Outward) -> Result<Box<dyn Writer>, OrderError> {
        Err(OrderError::new("nothing goes out over this connection"))
    }

    /// Take a whole piece that the writer made, to be sent as the peer takes it. False: not now, too much waits.
    fn put(&mut self, _piece: Bytes, _now: Micros) -> Result<bool, Over> {
        Ok(true)
    }

    /// Something waits for the socket to take it.
    fn waits(&self) -> bool {
        false
    }

    /// When to `work` again though nothing came.
    fn next_timer(&self) -> Option<Micros> {
        None
    }

    /// An RTP packet of a voice that talks back to the one who sends.
    fn talk(&mut self, _packet: &[u8]) -> Result<(), Over> {
        Ok(())
    }

    fn order(&mut self, _order: LineOrder) {}

    /// Who holds it now: for lines whose readiness somebody else signals.
    fn held_by(&mut self, _handle: u64) {}

    /// Counters of its own, as gateway/codecs.pyi names them for its kind.
    fn figures(&self) -> Figures {
        Vec::new()
    }
}

/// A line under watch.
pub struct Held {
    pub line: Box<dyn Line>,
    pub token: Option<usize>,
    /// What is watched now.
    watched: u32,
}

impl Held {
    pub fn new(line: Box<dyn Line>, token: Option<usize>) -> Self {
        Self { line, token, watched: 0 }
    }

    /// Watch for what is wanted now. Nothing wanted: out of epoll, which would go on to signal a hang-up.
    pub fn watch(&mut self, epoll: &Epoll, reading: bool) {
        let (Some(fd), Some(token)) = (self.line.fd(), self.token) else { return };
        let wanted = if reading { sys::READ } else { 0 } | if self.line.waits() { sys::WRITE } else { 0 };
        match (self.watched, wanted) {
            (before, now) if before == now => {}
            (0, _) => drop(epoll.add(fd, wanted, token as u64)),
            (_, 0) => epoll.remove(fd),
            _ => epoll.change(fd, wanted, token as u64),
        }
        self.watched = wanted;
    }
}

/// Bytes on their way into a stream socket or pipe.
#[derive(Debug, Default)]
pub struct OutBuffer {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

/// Past this a line takes no further piece; one piece may be larger.
const ENOUGH_BYTES: usize = 256 << 10;

impl OutBuffer {
    pub fn has_room(&self) -> bool {
        self.bytes < ENOUGH_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Write what the descriptor takes.
    pub fn flush(&mut self, fd: RawFd) -> Result<(), Over> {
        while let Some(piece) = self.pieces.front_mut() {
            match sys::write_bytes(fd, piece) {
                Ok(n) => {
                    self.bytes -= n;
                    piece.advance(n);
                    if piece.is_empty() {
                        self.pieces.pop_front();
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Over::io(&e)),
            }
        }
        Ok(())
    }
}
