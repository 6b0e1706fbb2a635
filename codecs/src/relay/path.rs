//! The way to one peer: socket, address, keys, and the one place where packets leave.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;

use super::egress::{Moving, Outlet, Run};
use super::rtsp_connection::Connection;
use super::sys::{self, Outcome, SockAddr};
use crate::hub::track::Track;
use crate::rtp::srtp::{Sealer, MAX_SRTCP_TRAILER_BYTES};

/// Where a session's or a plain subscriber's packets go. One per peer, shared by its tracks on one worker.
pub struct Path {
    fd: RefCell<Arc<OwnedFd>>,
    /// Another socket for RTCP, where the peer has one (RFC 3550 §11).
    rtcp_fd: Option<Arc<OwnedFd>>,
    to: Cell<SockAddr>,
    rtcp_to: Cell<SockAddr>,
    /// Where the peer is is not known, or it is on hold: what is sent is made, and dropped here.
    muted: Cell<bool>,
    pub sealer: Option<Sealer>,
    srtcp_index: Cell<u32>,
    pub moving: Cell<Moving>,
    /// False once the kernel refused UDP_SEGMENT on this socket.
    segments: Cell<bool>,
    /// RTSP: frames on this channel of a connection, and nothing by datagram.
    interleaved: Option<(Rc<RefCell<Connection>>, u8)>,
}

impl Path {
    pub fn new(fd: Arc<OwnedFd>, to: SockAddr, rtcp_to: SockAddr, sealer: Option<Sealer>) -> Self {
        Self {
            fd: RefCell::new(fd),
            rtcp_fd: None,
            to: Cell::new(to),
            rtcp_to: Cell::new(rtcp_to),
            muted: Cell::new(false),
            sealer,
            srtcp_index: Cell::new(0),
            moving: Cell::new(Moving::default()),
            segments: Cell::new(true),
            interleaved: None,
        }
    }

    pub fn interleaved(connection: Rc<RefCell<Connection>>, channel: u8) -> Self {
        let fd = connection.borrow().shared_fd();
        let nowhere = SockAddr::new(SocketAddr::from(([0, 0, 0, 0], 0)), false);
        Self { interleaved: Some((connection, channel)), ..Self::new(fd, nowhere, nowhere, None) }
    }

    /// Room in it is told: there is no need to try again.
    pub fn tells_of_room(&self) -> bool {
        self.interleaved.is_some()
    }

    pub fn with_rtcp(mut self, fd: Option<Arc<OwnedFd>>) -> Self {
        self.rtcp_fd = fd;
        self
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.borrow().as_raw_fd()
    }

    pub fn redirect(&self, fd: Arc<OwnedFd>, to: SockAddr) {
        *self.fd.borrow_mut() = fd;
        self.to.set(to);
        self.rtcp_to.set(to);
        self.segments.set(true);
    }

    /// The same sockets, another address; `None`: nothing leaves.
    pub fn aim(&self, to: Option<(SockAddr, SockAddr)>) {
        self.muted.set(to.is_none());
        if let Some((to, rtcp_to)) = to {
            self.to.set(to);
            self.rtcp_to.set(rtcp_to);
        }
    }

    pub fn is_muted(&self) -> bool {
        self.muted.get()
    }
}

/// The send buffer of a worker, shared by all its subscribers, and what went out of it.
pub struct Outbox {
    pub buffer: Box<[u8]>,
    pub packets: u64,
    pub bytes: u64,
    pub gso_sends: u64,
    pub plain_sends: u64,
    pub errors: u64,
    /// Unix less monotonic time at start: sender reports keep to it over clock jumps.
    unix_offset_us: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            // The largest datagram, or a run of sixteen that fit the MTU.
            buffer: vec![0; 64 * 1024].into(),
            packets: 0,
            bytes: 0,
            gso_sends: 0,
            plain_sends: 0,
            errors: 0,
            unix_offset_us: sys::unix_us().saturating_sub(sys::monotonic_us()),
        }
    }
}

/// Seconds from 1900 to 1970.
const NTP_EPOCH_S: u64 = 2_208_988_800;

impl Outbox {
    pub fn unix_us(&self, now_us: u64) -> u64 {
        self.unix_offset_us + now_us
    }

    /// 32.32 NTP time (RFC 3550 §4).
    pub fn ntp(&self, now_us: u64) -> u64 {
        let unix = self.unix_us(now_us);
        let fraction = (u128::from(unix % 1_000_000) << 32) / 1_000_000;
        (unix / 1_000_000 + NTP_EPOCH_S) << 32 | fraction as u64
    }

    /// The 24 bits of abs-send-time: 6.18 fixed point seconds.
    pub fn abs_send_time(&self, now_us: u64) -> u32 {
        (self.ntp(now_us) >> 14) as u32 & 0xff_ffff
    }

    /// Make the next run of packets, and send it. `None`: there is none.
    pub fn send_next(
        &mut self,
        path: &Path,
        outlet: &mut Outlet,
        track: &Track,
        moving: &mut Moving,
        most: usize,
    ) -> Option<(Run, Outcome)> {
        let Some((connection, channel)) = path.interleaved.as_ref().filter(|_| !path.muted.get()) else {
            let run = outlet.fill(track, &mut self.buffer, path.sealer.as_ref(), moving, most)?;
            let outcome = self.send_run(path, &run);
            return Some((run, outcome));
        };
        let frames = outlet.fill_frames(track, *channel, &mut self.buffer, moving, most)?;
        let outcome = connection.borrow_mut().send_parts(frames.parts(&self.buffer));
        self.plain_sends += 1;
        self.count(outcome, frames.run.packets, frames.run.len);
        Some((frames.run, outcome))
    }

    /// Send the run at the start of the buffer.
    pub fn send_run(&mut self, path: &Path, run: &Run) -> Outcome {
        if path.muted.get() {
            return Outcome::Sent;
        }
        if let Some((connection, channel)) = &path.interleaved {
            let outcome = connection.borrow_mut().send_frames(*channel, &self.buffer[..run.len], run.segment);
            self.plain_sends += 1;
            self.count(outcome, run.packets, run.len);
            return outcome;
        }
        let fd = path.raw_fd();
        let (data, to) = (&self.buffer[..run.len], path.to.get());
        let mut outcome = None;
        if run.packets > 1 && path.segments.get() {
            outcome = sys::send_segmented(fd, data, run.segment, &to);
            match outcome {
                None => path.segments.set(false),
                Some(_) => self.gso_sends += 1,
            }
        }
        let outcome = outcome.unwrap_or_else(|| {
            self.plain_sends += run.packets as u64;
            sys::send_plain(fd, data, run.segment, &to)
        });
        self.count(outcome, run.packets, run.len);
        outcome
    }

    /// Send one packet that stands at the start of the buffer.
    pub fn send_one(&mut self, path: &Path, len: usize) -> Outcome {
        if path.muted.get() {
            return Outcome::Sent;
        }
        if let Some((connection, channel)) = &path.interleaved {
            let outcome = connection.borrow_mut().send_frame(*channel, &self.buffer[..len]);
            self.count(outcome, 1, len);
            return outcome;
        }
        let fd = path.raw_fd();
        let outcome = sys::send_to(fd, &self.buffer[..len], &path.to.get());
        self.plain_sends += 1;
        self.count(outcome, 1, len);
        outcome
    }

    /// Seal a compound RTCP packet where the path has keys, and send it.
    pub fn send_rtcp(&mut self, path: &Path, mut compound: Vec<u8>) {
        if compound.len() < 8 || path.muted.get() {
            return;
        }
        if let Some((connection, channel)) = &path.interleaved {
            let outcome = connection.borrow_mut().send_frame(channel + 1, &compound);
            return self.count(outcome, 1, compound.len());
        }
        if let Some(sealer) = &path.sealer {
            let len = compound.len();
            compound.resize(len + MAX_SRTCP_TRAILER_BYTES, 0);
            // One running index for all of the session's sources: none is ever used twice (RFC 3711 §3.4).
            let index = path.srtcp_index.get();
            path.srtcp_index.set((index + 1) & 0x7fff_ffff);
            let end = sealer.seal_rtcp(&mut compound, len, index);
            compound.truncate(end);
        }
        let fd = path.rtcp_fd.as_ref().map_or_else(|| path.raw_fd(), |fd| fd.as_raw_fd());
        let outcome = sys::send_to(fd, &compound, &path.rtcp_to.get());
        self.plain_sends += 1;
        self.count(outcome, 1, compound.len());
    }

    fn count(&mut self, outcome: Outcome, packets: usize, len: usize) {
        match outcome {
            Outcome::Sent => {
                self.packets += packets as u64;
                self.bytes += len as u64;
            }
            Outcome::Full => {}
            Outcome::Failed => self.errors += 1,
        }
    }
}
