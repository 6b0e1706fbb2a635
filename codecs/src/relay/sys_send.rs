//! Sending system calls, each behind a safe function: single datagrams, UDP_SEGMENT runs, records, streams.

use std::io;
use std::mem;
use std::os::fd::RawFd;

use super::sys_address::SockAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// The socket is full; nothing left.
    Full,
    Failed,
}

fn outcome() -> Outcome {
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN | libc::ENOBUFS) => Outcome::Full,
        _ => Outcome::Failed,
    }
}

pub fn send_to(fd: RawFd, data: &[u8], to: &SockAddr) -> Outcome {
    // SAFETY: data and address are valid for the call.
    let n = unsafe {
        libc::sendto(
            fd,
            data.as_ptr().cast(),
            data.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            (&raw const to.storage).cast(),
            to.len,
        )
    };
    if n < 0 {
        outcome()
    } else {
        Outcome::Sent
    }
}

/// Room for one control message with a u16.
#[repr(C, align(8))]
struct Control([u8; 24]);

/// One call, the kernel cuts `data` every `segment` bytes (UDP_SEGMENT). `None`: this socket can't; send plainly.
pub fn send_segmented(fd: RawFd, data: &[u8], segment: usize, to: &SockAddr) -> Option<Outcome> {
    let mut iov = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let mut control = Control([0; 24]);
    // SAFETY: all zeros is a valid msghdr.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = (&raw const to.storage).cast_mut().cast();
    header.msg_namelen = to.len;
    header.msg_iov = &mut iov;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE(2) is 24 or less, so the first header and its data lie within `control`; sendmsg only reads.
    let n = unsafe {
        header.msg_controllen = libc::CMSG_SPACE(2) as _;
        let c = libc::CMSG_FIRSTHDR(&header);
        (*c).cmsg_level = libc::SOL_UDP;
        (*c).cmsg_type = libc::UDP_SEGMENT;
        (*c).cmsg_len = libc::CMSG_LEN(2) as _;
        libc::CMSG_DATA(c).cast::<u16>().write_unaligned(segment as u16);
        libc::sendmsg(fd, &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    if n >= 0 {
        return Some(Outcome::Sent);
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN | libc::ENOBUFS) => Some(Outcome::Full),
        // EIO: the interface can not checksum for it; the others: no UDP_SEGMENT, or not with this size.
        Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOPROTOOPT | libc::EMSGSIZE | libc::ENOSYS) => None,
        _ => Some(Outcome::Failed),
    }
}

/// Asked right after `send_segmented` gave `None`: it never will on that socket. Else only this run did not fit the way: a
/// probe of the MTU is longer than some routes carry.
pub fn never_segments() -> bool {
    let error = io::Error::last_os_error().raw_os_error();
    matches!(error, Some(libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT | libc::ENOSYS))
}

/// The same bytes as `send_segmented`, a datagram each. `Full` only when not even the first left.
pub fn send_plain(fd: RawFd, data: &[u8], segment: usize, to: &SockAddr) -> Outcome {
    for (i, packet) in data.chunks(segment.max(1)).enumerate() {
        match send_to(fd, packet, to) {
            Outcome::Sent => {}
            // What follows is lost to the peer as on any full link; it asks again.
            other => return if i == 0 { other } else { Outcome::Failed },
        }
    }
    Outcome::Sent
}

/// Write one record of a seqpacket socket.
pub fn write_record(fd: RawFd, head: &[u8], body: &[u8]) -> Outcome {
    let mut iov = [head, body].map(|b| libc::iovec { iov_base: b.as_ptr().cast_mut().cast(), iov_len: b.len() });
    // SAFETY: all zeros is a valid msghdr; both parts are readable over the call.
    let n = unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = iov.as_mut_ptr();
        header.msg_iovlen = iov.len() as _;
        libc::sendmsg(fd, &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    if n < 0 {
        outcome()
    } else {
        Outcome::Sent
    }
}

/// Parts that `write_many` takes.
pub const MAX_PARTS: usize = 64;

/// Write many parts one behind the other to a stream socket; how many bytes it took.
pub fn write_many(fd: RawFd, parts: &[&[u8]]) -> io::Result<usize> {
    // SAFETY: all zeros is a valid iovec; each part is readable over the call.
    let n = unsafe {
        let mut iov: [libc::iovec; MAX_PARTS] = mem::zeroed();
        for (slot, part) in iov.iter_mut().zip(parts) {
            *slot = libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() };
        }
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = iov.as_mut_ptr();
        header.msg_iovlen = parts.len().min(MAX_PARTS) as _;
        libc::sendmsg(fd, &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Write parts one behind the other to a stream socket; how many bytes it took.
pub fn write_parts(fd: RawFd, parts: &[&[u8]]) -> io::Result<usize> {
    // SAFETY: all zeros is a valid iovec; each part is readable over the call.
    let n = unsafe {
        let mut iov: [libc::iovec; 4] = mem::zeroed();
        for (slot, part) in iov.iter_mut().zip(parts) {
            *slot = libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() };
        }
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = iov.as_mut_ptr();
        header.msg_iovlen = parts.len().min(4) as _;
        libc::sendmsg(fd, &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Write to a non-blocking stream socket or pipe; how many bytes it took.
pub fn write_bytes(fd: RawFd, data: &[u8]) -> io::Result<usize> {
    // SAFETY: data is readable over the call. MSG_NOSIGNAL is for sockets only: a pipe's SIGPIPE is ignored by Python and
    // by Rust's own runtime.
    let mut n = unsafe { libc::send(fd, data.as_ptr().cast(), data.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if n < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOTSOCK) {
        // SAFETY: as above.
        n = unsafe { libc::write(fd, data.as_ptr().cast(), data.len()) };
    }
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Nothing more is written to a stream socket; the other way stays open.
pub fn shut_write(fd: RawFd) {
    // SAFETY: plain system call.
    unsafe { libc::shutdown(fd, libc::SHUT_WR) };
}
