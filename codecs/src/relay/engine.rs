//! The engine: threads, their command queues, and the one queue of events.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::event::*;
use super::order::*;
use super::OrderError;
use crate::rtp::srtp::SrtpKey;

pub const MAX_THREADS: usize = 64;

pub struct Engine {
    fd: OwnedFd,
}
type R<T> = Result<T, OrderError>;
fn no<T>() -> R<T> {
    Err(OrderError::new("not built yet"))
}
#[allow(unused_variables)]
impl Engine {
    pub fn start(threads: usize, event_capacity: usize) -> R<Self> {
        use std::os::fd::FromRawFd;
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(OrderError::system("eventfd"));
        }
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }
    pub fn event_fd(&self) -> i32 {
        use std::os::fd::AsRawFd;
        self.fd.as_raw_fd()
    }
    pub fn drain(&self, limit: usize) -> Vec<Event> {
        Vec::new()
    }
    pub fn close(&self) {}
    pub fn open_stream(&self, name: String, gop_bytes: usize) -> R<u64> {
        no()
    }
    pub fn close_stream(&self, stream: u64) {}
    pub fn open_rtp(&self, order: OpenRtp) -> R<u64> {
        no()
    }
    pub fn attach_tcp(&self, leg: u64, fd: OwnedFd, initial: Vec<u8>) -> R<()> {
        no()
    }
    pub fn open_frames_in(&self, stream: u64, fd: OwnedFd) -> R<u64> {
        no()
    }
    pub fn open_session_in(&self, stream: u64, session: u64, video: Vec<RtpMap>, audio: Vec<RtpMap>) -> R<u64> {
        no()
    }
    pub fn close_leg(&self, leg: u64) {}
    pub fn open_port(&self, fd: OwnedFd) -> R<u64> {
        no()
    }
    pub fn close_port(&self, port: u64) {}
    pub fn open_session(&self, ufrag: String, pwd: String) -> R<u64> {
        no()
    }
    pub fn send_datagram(&self, session: u64, port: u64, data: Vec<u8>, to: SocketAddr) {}
    pub fn arm_session(&self, session: u64, port: u64, to: SocketAddr, tx: SrtpKey, rx: SrtpKey) -> R<()> {
        no()
    }
    pub fn move_session(&self, session: u64, port: u64, to: SocketAddr) {}
    pub fn close_session(&self, session: u64) {}
    pub fn subscribe_session(&self, session: u64, order: Subscribe) -> R<u64> {
        no()
    }
    pub fn subscribe_rtp(&self, fd: OwnedFd, to: SocketAddr, key: Option<SrtpKey>, order: Subscribe) -> R<u64> {
        no()
    }
    pub fn open_frames_out(&self, stream: u64, fd: OwnedFd, key_frames_only: bool) -> R<u64> {
        no()
    }
    pub fn unsubscribe(&self, subscription: u64) {}
    pub fn stream_stats(&self, stream: u64) -> R<Figures> {
        no()
    }
    pub fn all_stream_stats(&self) -> R<Vec<(u64, Figures)>> {
        no()
    }
    pub fn leg_stats(&self, leg: u64) -> R<Figures> {
        no()
    }
    pub fn subscription_stats(&self, subscription: u64) -> R<Figures> {
        no()
    }
    pub fn engine_stats(&self) -> R<Figures> {
        no()
    }
}
