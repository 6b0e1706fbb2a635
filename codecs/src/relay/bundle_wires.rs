//! The sockets that carry a bundle's datagrams: UDP, by runs of equal ones where the kernel cuts them (UDP_SEGMENT), and
//! stream connections with a length of two bytes before each (RFC 4571 §2).

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use bytes::{Buf, BytesMut};

use super::sys::{self, Outcome, SockAddr};

/// Bytes of datagrams that wait for a stream connection; more are dropped, as by a full link: what is late is of no use.
const MAX_STREAM_QUEUE: usize = 96 << 10;
/// The kernel's own queue of such a connection.
const STREAM_SEND_BUFFER: i32 = 64 << 10;
const STREAM_RECEIVE_BUFFER: i32 = 512 << 10;
/// A connection that takes nothing for so long is broken.
const STREAM_PATIENCE_MS: u32 = 10_000;
/// Datagrams of one run: the kernel takes 64 segments and 64 KiB.
pub const MAX_RUN: usize = 40;

/// Equal datagrams to one address, the last may be shorter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    pub bytes: usize,
    pub segment: usize,
    pub count: usize,
    /// A shorter one was the last.
    ended: bool,
}

impl Run {
    /// Whether one of `len` bytes may follow; it is counted then.
    pub fn add(&mut self, len: usize) -> bool {
        if self.count == 0 {
            *self = Self { bytes: len, segment: len, count: 1, ended: false };
            return true;
        }
        if self.ended || len > self.segment || self.count == MAX_RUN {
            return false;
        }
        self.ended = len < self.segment;
        self.bytes += len;
        self.count += 1;
        true
    }
}

/// A UDP socket; what it could not send is lost as on any link.
pub struct UdpWire {
    fd: OwnedFd,
    pub v6: bool,
    /// False once the kernel refused UDP_SEGMENT on it, whatever the size.
    segments: bool,
    pub unsent: u64,
}

impl UdpWire {
    pub fn new(fd: OwnedFd, v6: bool) -> Self {
        sys::raise_buffers(&fd, 4 << 20, 1 << 20);
        sys::join_arrivals(&fd);
        Self { fd, v6, segments: true, unsent: 0 }
    }

    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn send(&mut self, data: &[u8], run: &Run, to: &SockAddr) {
        let fd = self.fd.as_raw_fd();
        let mut outcome = None;
        if run.count > 1 && self.segments {
            outcome = sys::send_segmented(fd, data, run.segment, to);
            self.segments = outcome.is_some() || !sys::never_segments();
        }
        let outcome = outcome.unwrap_or_else(|| sys::send_plain(fd, data, run.segment, to));
        if outcome != Outcome::Sent {
            self.unsent += run.count as u64;
        }
    }
}

/// A stream connection.
pub struct StreamWire {
    fd: OwnedFd,
    /// Framed datagrams that wait.
    queue: VecDeque<u8>,
    buffer: BytesMut,
    pub unsent: u64,
}

impl StreamWire {
    pub fn new(fd: OwnedFd, initial: &[u8]) -> Self {
        sys::raise_buffers(&fd, STREAM_RECEIVE_BUFFER, STREAM_SEND_BUFFER);
        sys::send_at_once(&fd);
        sys::give_up_after(&fd, STREAM_PATIENCE_MS);
        Self { fd, queue: VecDeque::new(), buffer: BytesMut::from(initial), unsent: 0 }
    }

    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// It waits for room.
    pub fn is_full(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The datagrams of a run. False: the connection is broken.
    pub fn send(&mut self, data: &[u8], run: &Run) -> bool {
        for datagram in data.chunks(run.segment.max(1)) {
            if self.queue.len() + 2 + datagram.len() > MAX_STREAM_QUEUE {
                self.unsent += 1;
                continue;
            }
            self.queue.extend((datagram.len() as u16).to_be_bytes());
            self.queue.extend(datagram);
        }
        self.flush()
    }

    /// Write what it takes. False: the connection is broken.
    pub fn flush(&mut self) -> bool {
        while !self.queue.is_empty() {
            let (head, tail) = self.queue.as_slices();
            match sys::write_parts(self.fd.as_raw_fd(), &[head, tail]) {
                Ok(n) => drop(self.queue.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Read what is there (bounded) into its buffer; `next` takes datagrams out. False: it ended.
    pub fn read(&mut self, scratch: &mut [u8]) -> bool {
        match sys::read(self.fd.as_raw_fd(), scratch) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&scratch[..n]);
                true
            }
            Err(e) => matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// The next whole datagram. Its length is bounded by its two bytes, and so is what waits.
    pub fn next(&mut self) -> Option<BytesMut> {
        loop {
            let len = usize::from(u16::from_be_bytes([*self.buffer.first()?, *self.buffer.get(1)?]));
            if self.buffer.len() < 2 + len {
                return None;
            }
            self.buffer.advance(2);
            if len > 0 {
                return Some(self.buffer.split_to(len));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::FromRawFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        let mut fds = [0; 2];
        // SAFETY: room for two, and both are owned from here on.
        unsafe {
            let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
            assert_eq!(libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()), 0);
            (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
        }
    }

    #[test]
    fn a_run_is_of_equal_datagrams_and_one_shorter() {
        let mut run = Run::default();
        assert!(run.add(1200) && run.add(1200) && run.add(300));
        assert!(!run.add(300) && !run.add(1200));
        assert_eq!((run.bytes, run.segment, run.count), (2700, 1200, 3));
        let mut run = Run::default();
        assert!(run.add(300) && !run.add(1200));
        assert_eq!((0..50).filter(|_| run.add(300)).count(), MAX_RUN - 1);
    }

    #[test]
    fn datagrams_cross_a_stream_whole_and_a_full_one_loses_the_newest() {
        let (ours, theirs) = pair();
        let (mut from, mut to) = (StreamWire::new(ours, &[]), StreamWire::new(theirs, &[0, 0, 0, 1, 9]));
        assert_eq!(to.next().as_deref(), Some(&[9u8][..]));
        let mut run = Run::default();
        let mut sent = Vec::new();
        for len in [1000usize, 1000, 10] {
            assert!(run.add(len));
            sent.extend(std::iter::repeat_n(len as u8, len));
        }
        assert!(from.send(&sent, &run));
        let mut scratch = vec![0; 700];
        let mut got = Vec::new();
        while got.len() < 3 {
            assert!(to.read(&mut scratch));
            while let Some(datagram) = to.next() {
                got.push(datagram.len());
            }
        }
        assert_eq!(got, [1000, 1000, 10]);
        for _ in 0..2000 {
            assert!(from.send(&sent, &run));
        }
        assert!(from.is_full() && from.unsent > 0 && from.queue.len() <= MAX_STREAM_QUEUE);
        drop(to);
        assert!(!from.flush());
    }
}
