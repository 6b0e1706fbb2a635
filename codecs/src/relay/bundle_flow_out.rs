//! A flow that goes out: units read from a frame port or from datagrams, given to the session at once. Its reader is never
//! held up: what the session does not take is left out.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};

use bytes::Bytes;

use super::bundle_frames::{Gather, Gathered};
use super::bundle_ground::{Ground, Watch};
use super::event::SubId;
use super::frame_port::{self, Header};
use super::frame_queue::FrameQueue;
use super::order_bundle::Carries;
use super::sys;
use crate::bundle::flow::FlowOptions;
use crate::bundle::session::Session;
use crate::error::ParseError;
use crate::time::Micros;

/// Records read before others have their turn.
const READS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// There may be more.
    More,
    Nothing,
    /// Nobody writes any more.
    End,
}

pub struct FlowOut {
    pub flow: u16,
    pub options: FlowOptions,
    fd: OwnedFd,
    pub watch: Watch,
    carries: Carries,
    /// The end of its socket is told by a read of nothing.
    ends: bool,
    gather: Gather,
    /// The subscription of this thread that feeds it without its socket.
    pub of: Option<SubId>,
    pub units: u64,
    pub bytes: u64,
    pub not_taken: u64,
    pub unreadable: u64,
}

impl FlowOut {
    pub fn new(flow: u16, options: FlowOptions, fd: OwnedFd, watch: Watch, carries: Carries, ends: bool) -> Self {
        Self {
            flow,
            options,
            fd,
            watch,
            carries,
            ends,
            gather: Gather::default(),
            of: None,
            units: 0,
            bytes: 0,
            not_taken: 0,
            unreadable: 0,
        }
    }

    /// Read what is there.
    pub fn read(&mut self, session: &mut Session, ground: &mut Ground) -> Read {
        let mut left = Read::More;
        for _ in 0..READS {
            let n = match sys::read(self.fd.as_raw_fd(), &mut ground.scratch) {
                Ok(0) if self.ends => return Read::End,
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    left = Read::Nothing;
                    break;
                }
                // A peer of UDP that is not there yet is no end (ICMP).
                Err(_) => return if self.ends { Read::End } else { Read::Nothing },
            };
            let record = &ground.scratch[..n];
            let unit = match self.carries {
                Carries::Datagrams => Ok(Some(Gathered { bytes: Bytes::copy_from_slice(record), key: false })),
                Carries::Frames => self.gather.push(record),
            };
            self.give(unit, session, ground.now);
        }
        self.pass_wish();
        left
    }

    /// What a stream in the same thread has for it; `sent` grows by it.
    pub(super) fn take(&mut self, queue: &mut FrameQueue, sent: &mut u64, session: &mut Session, now: Micros) {
        while let Some((header, data)) = queue.pop() {
            *sent += (header.len() + data.len()) as u64;
            let unit = Header::parse(&header).and_then(|header| self.gather.put(&header, &data));
            self.give(unit, session, now);
        }
        self.pass_wish();
    }

    fn give(&mut self, unit: Result<Option<Gathered>, ParseError>, session: &mut Session, now: Micros) {
        let unit = unit.unwrap_or_else(|_| {
            self.unreadable += 1;
            None
        });
        let Some(unit) = unit else { return };
        let len = unit.bytes.len() as u64;
        if session.send_unit(self.flow, unit.bytes, unit.key, now) {
            self.units += 1;
            self.bytes += len;
        } else {
            // The session leaves out what hangs on it too, knows by that what is wanted, and asks for a key picture when
            // one may help.
            self.not_taken += 1;
        }
    }

    fn pass_wish(&mut self) {
        if self.gather.take_wish() {
            self.wish();
        }
    }

    /// A key frame helps: ask whoever feeds the frame port. Full: the last wish has not been read yet.
    pub fn wish(&self) {
        if self.carries == Carries::Frames {
            sys::write_record(self.fd.as_raw_fd(), &frame_port::wish(true), &[]);
        }
    }

    pub fn left_out(&self) -> u64 {
        self.not_taken + self.gather.left_out()
    }

    pub fn close(self, ground: &mut Ground) {
        ground.unwatch(self.watch);
    }
}
