//! Receiving system calls, each behind a safe function: datagrams by the batch with their time of arrival, streams.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::sys_address::SockAddr;

const SLOTS: usize = RecvBatch::SLOTS;
/// Bytes of a slot; what a datagram has more goes to the slot's overflow, so that the usual ones lie close together.
pub const SLOT_BYTES: usize = 2048;
/// The largest datagram (a NAL unit in one packet, RFC 6184 §6.2). Memory that no datagram reaches is never touched.
const OVERFLOW_BYTES: usize = 64 * 1024;

/// Buffers for `recvmmsg`, one per worker.
pub struct RecvBatch {
    data: Box<[u8]>,
    overflow: Box<[u8]>,
    addresses: Box<[libc::sockaddr_storage; SLOTS]>,
    control: Box<[Notes; SLOTS]>,
}

/// Room for the control messages that tell when the kernel took a datagram, and how long each of several joined ones is.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Notes([u8; 64]);

/// Have the kernel note when each datagram came: for sockets that are not read at once.
pub fn stamp_arrivals(fd: &OwnedFd) {
    let on: libc::c_int = 1;
    // SAFETY: on is valid for the call; failure only means that the time of reading is taken.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// Have the kernel hand over several datagrams of one sender and size at once (UDP_GRO); `RecvBatch` takes them apart again.
pub fn join_arrivals(fd: &OwnedFd) {
    let on: libc::c_int = 1;
    // SAFETY: on is valid for the call; a kernel that can not do it hands over each by itself.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_GRO,
            (&raw const on).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// A received datagram: where it lies, and who sent it.
pub struct Received<'a> {
    pub data: &'a mut [u8],
    pub from: SocketAddr,
    /// Unix microseconds of its arrival, where the socket notes them (`stamp_arrivals`).
    pub unix_us: Option<u64>,
}

impl Default for RecvBatch {
    fn default() -> Self {
        // SAFETY: all zeros is a valid sockaddr_storage.
        Self {
            data: vec![0; SLOTS * SLOT_BYTES].into(),
            overflow: vec![0; SLOTS * OVERFLOW_BYTES].into(),
            addresses: Box::new(unsafe { mem::zeroed() }),
            control: Box::new([Notes([0; 64]); SLOTS]),
        }
    }
}

impl RecvBatch {
    pub const SLOTS: usize = 64;

    /// Read what waits, up to `SLOTS` datagrams (more where the kernel has joined some), and hand each to `each`. Returns
    /// how many reads there were.
    pub fn receive(&mut self, fd: RawFd, mut each: impl FnMut(Received<'_>)) -> usize {
        // SAFETY: all zeros is valid for both.
        let mut iov: [[libc::iovec; 2]; SLOTS] = unsafe { mem::zeroed() };
        let mut messages: [libc::mmsghdr; SLOTS] = unsafe { mem::zeroed() };
        let overflow = self.overflow.chunks_exact_mut(OVERFLOW_BYTES);
        for (i, (slot, more)) in self.data.chunks_exact_mut(SLOT_BYTES).zip(overflow).enumerate() {
            // The overflow leaves room for the slot's bytes before its own.
            let more = &mut more[SLOT_BYTES..];
            iov[i][0] = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: SLOT_BYTES };
            iov[i][1] = libc::iovec { iov_base: more.as_mut_ptr().cast(), iov_len: more.len() };
            let header = &mut messages[i].msg_hdr;
            header.msg_iov = iov[i].as_mut_ptr();
            header.msg_iovlen = 2;
            header.msg_name = (&raw mut self.addresses[i]).cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_control = (&raw mut self.control[i]).cast();
            header.msg_controllen = mem::size_of::<Notes>() as _;
        }
        // SAFETY: every header points at its own slot and address, all alive over the call.
        let n = unsafe {
            libc::recvmmsg(fd, messages.as_mut_ptr(), SLOTS as _, libc::MSG_DONTWAIT as _, std::ptr::null_mut())
        };
        let n = usize::try_from(n).unwrap_or(0);
        let overflow = self.overflow.chunks_exact_mut(OVERFLOW_BYTES);
        for (i, (slot, more)) in self.data.chunks_exact_mut(SLOT_BYTES).zip(overflow).take(n).enumerate() {
            let len = (messages[i].msg_len as usize).min(OVERFLOW_BYTES);
            if messages[i].msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                continue;
            }
            let from = SockAddr { storage: self.addresses[i], len: messages[i].msg_hdr.msg_namelen };
            if let Some(from) = from.address() {
                let (unix_us, joined) = notes(&messages[i].msg_hdr);
                let data = if len <= SLOT_BYTES {
                    &mut slot[..len]
                } else {
                    more[..SLOT_BYTES].copy_from_slice(slot);
                    &mut more[..len]
                };
                match joined.filter(|segment| *segment < len) {
                    None => each(Received { data, from, unix_us }),
                    Some(segment) => {
                        for data in data.chunks_mut(segment.max(1)) {
                            each(Received { data, from, unix_us });
                        }
                    }
                }
            }
        }
        n
    }
}

/// What a received datagram's control messages tell: its arrival, and the size of each of those that are joined in it.
fn notes(header: &libc::msghdr) -> (Option<u64>, Option<usize>) {
    let mut found = (None, None);
    // SAFETY: recvmmsg has filled in controllen bytes of a buffer that is still there; the macros keep within them.
    unsafe {
        let mut c = libc::CMSG_FIRSTHDR(header);
        while !c.is_null() {
            match ((*c).cmsg_level, (*c).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let spec = libc::CMSG_DATA(c).cast::<libc::timespec>().read_unaligned();
                    found.0 = Some(spec.tv_sec as u64 * 1_000_000 + spec.tv_nsec as u64 / 1000);
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size = libc::CMSG_DATA(c).cast::<libc::c_int>().read_unaligned();
                    found.1 = usize::try_from(size).ok();
                }
                _ => {}
            }
            c = libc::CMSG_NXTHDR(header, c);
        }
    }
    found
}

/// Read a non-blocking stream socket or pipe.
pub fn read_bytes(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: buffer is writable for its length.
    let n = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Read a stream socket: `Ok(0)` is its end, `WouldBlock` nothing now.
pub fn read(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: buffer is writable for its length.
    let n = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::sys_address::SockAddr;
    use super::super::sys_send::{send_plain, send_segmented};
    use super::*;

    #[test]
    fn joined_datagrams_come_apart_again() {
        let (to, from) =
            (UdpSocket::bind("127.0.0.1:0").expect("a port"), UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let at = SockAddr::new(to.local_addr().expect("bound"), false);
        let to = OwnedFd::from(to);
        join_arrivals(&to);
        let data: Vec<u8> = (0..10_300u32).map(|i| (i / 100) as u8).collect();
        for part in [&data[..], &data[..700]] {
            if send_segmented(from.as_raw_fd(), part, 1000, &at).is_none() {
                send_plain(from.as_raw_fd(), part, 1000, &at);
            }
        }
        let mut batch = RecvBatch::default();
        let mut got: Vec<Vec<u8>> = Vec::new();
        while got.len() < 12 {
            batch.receive(to.as_raw_fd(), |r| got.push(r.data.to_vec()));
        }
        let lens: Vec<usize> = got.iter().map(Vec::len).collect();
        assert_eq!(lens, [vec![1000; 10], vec![300, 700]].concat());
        assert_eq!(got[..11].concat(), data);
    }
}
