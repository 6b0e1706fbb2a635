//! A reliable stream and its socket: bytes both ways, each way held up by whoever reads it slowly.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};

use super::bundle_ground::{Ground, Watch};
use super::sys::{self, Epoll};
use crate::bundle::session::Session;

/// Bytes moved each way before others have their turn.
const TURN_BYTES: usize = 256 << 10;
const CHUNK_BYTES: usize = 64 << 10;

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    Open,
    /// Both sides finished.
    Done,
    /// The socket broke; the peer was told.
    Broken,
}

pub struct StreamHeld {
    pub id: u32,
    fd: OwnedFd,
    pub watch: Watch,
    /// Read and not yet taken by the session, from `taken` on.
    outward: Vec<u8>,
    taken: usize,
    /// Of the session and not yet written, from `written` on.
    inward: Vec<u8>,
    written: usize,
    /// The session has more for it: after the others' turn.
    more: bool,
    /// Nothing more is read.
    ended: bool,
    pub peer_finished: bool,
    shut: bool,
    pub bytes_out: u64,
    pub bytes_in: u64,
}

impl StreamHeld {
    pub fn new(id: u32, fd: OwnedFd, watch: Watch) -> Self {
        Self {
            id,
            fd,
            watch,
            outward: Vec::new(),
            taken: 0,
            inward: Vec::new(),
            written: 0,
            more: false,
            ended: false,
            peer_finished: false,
            shut: false,
            bytes_out: 0,
            bytes_in: 0,
        }
    }

    /// Move what can be moved.
    pub fn turn(&mut self, session: &mut Session, scratch: &mut [u8], epoll: &Epoll) -> Turned {
        if !self.inward(session) || !self.outward(session, scratch) {
            session.stream_reset(self.id);
            return Turned::Broken;
        }
        let read = if self.ended || self.taken < self.outward.len() { 0 } else { sys::READ };
        let write = if self.more || self.written < self.inward.len() { sys::WRITE } else { 0 };
        self.watch.want(epoll, read | write);
        if self.ended && self.shut {
            return Turned::Done;
        }
        Turned::Open
    }

    pub fn close(self, ground: &mut Ground) {
        ground.unwatch(self.watch);
    }

    fn inward(&mut self, session: &mut Session) -> bool {
        let mut moved = 0;
        loop {
            if self.written == self.inward.len() {
                self.inward.clear();
                self.written = 0;
                self.more = moved >= TURN_BYTES;
                if self.more || session.stream_read(self.id, &mut self.inward, CHUNK_BYTES) == 0 {
                    break;
                }
            }
            match sys::write_bytes(self.fd.as_raw_fd(), &self.inward[self.written..]) {
                Ok(n) => {
                    self.written += n;
                    moved += n;
                    self.bytes_in += n as u64;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        if self.peer_finished && !self.more && !self.shut {
            self.shut = true;
            sys::shut_write(self.fd.as_raw_fd());
        }
        true
    }

    fn outward(&mut self, session: &mut Session, scratch: &mut [u8]) -> bool {
        let mut moved = 0;
        loop {
            if self.taken < self.outward.len() {
                self.taken += session.stream_write(self.id, &self.outward[self.taken..]);
                if self.taken < self.outward.len() {
                    return true;
                }
                self.outward.clear();
                self.taken = 0;
            }
            if self.ended || moved >= TURN_BYTES {
                return true;
            }
            let len = scratch.len().min(CHUNK_BYTES);
            match sys::read(self.fd.as_raw_fd(), &mut scratch[..len]) {
                Ok(0) => {
                    self.ended = true;
                    session.stream_finish(self.id);
                    return true;
                }
                Ok(n) => {
                    moved += n;
                    self.bytes_out += n as u64;
                    let took = session.stream_write(self.id, &scratch[..n]);
                    self.outward.extend_from_slice(&scratch[took.min(n)..n]);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}
