//! System calls, each behind a safe function: epoll, eventfd, batched receiving, UDP_SEGMENT sending, clocks.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::OrderError;

pub use super::sys_time::*;

/// An address as the kernel takes it.
#[derive(Clone, Copy)]
pub struct SockAddr {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl SockAddr {
    /// `v6`: the socket is AF_INET6, so an IPv4 address goes in its mapped form (RFC 4291 §2.5.5.2).
    pub fn new(address: SocketAddr, v6: bool) -> Self {
        // SAFETY: all zeros is a valid sockaddr_storage, larger than and aligned for every other form.
        let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
        let place: *mut libc::sockaddr_storage = &mut storage;
        let len = match (address.ip(), v6) {
            (IpAddr::V4(ip), false) => {
                let a = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    sin_zero: [0; 8],
                };
                // SAFETY: as above.
                unsafe { place.cast::<libc::sockaddr_in>().write(a) };
                mem::size_of::<libc::sockaddr_in>()
            }
            (ip, _) => {
                let ip = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                let scope = if let SocketAddr::V6(a) = address { a.scope_id() } else { 0 };
                let a = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
                    sin6_scope_id: scope,
                };
                // SAFETY: as above.
                unsafe { place.cast::<libc::sockaddr_in6>().write(a) };
                mem::size_of::<libc::sockaddr_in6>()
            }
        };
        Self { storage, len: len as libc::socklen_t }
    }

    /// Whom a connected socket is connected to.
    pub fn peer_of(fd: &OwnedFd) -> Option<SocketAddr> {
        // SAFETY: all zeros is a valid sockaddr_storage, and len says how large it is.
        unsafe {
            let mut storage: libc::sockaddr_storage = mem::zeroed();
            let mut len = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            let r = libc::getpeername(fd.as_raw_fd(), (&raw mut storage).cast(), &mut len);
            (r == 0).then_some(SockAddr { storage, len })?.address()
        }
    }

    /// IPv4-mapped addresses come back as IPv4.
    pub fn address(&self) -> Option<SocketAddr> {
        let place: *const libc::sockaddr_storage = &self.storage;
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says which form the storage holds; it is large and aligned enough for all.
                let a = unsafe { place.cast::<libc::sockaddr_in>().read() };
                let ip = Ipv4Addr::from(a.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(a.sin_port)))
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let a = unsafe { place.cast::<libc::sockaddr_in6>().read() };
                let ip = IpAddr::V6(Ipv6Addr::from(a.sin6_addr.s6_addr)).to_canonical();
                Some(SocketAddr::new(ip, u16::from_be(a.sin6_port)))
            }
            _ => None,
        }
    }
}

/// Whether a socket is AF_INET6. Refuses what is no socket of `kind` (SOCK_DGRAM, …).
pub fn check_socket(fd: &OwnedFd, kind: libc::c_int) -> Result<bool, OrderError> {
    let get = |name| {
        let mut value: libc::c_int = 0;
        let mut len = mem::size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: value and len are valid for the call.
        let r = unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &mut len) };
        (r == 0).then_some(value)
    };
    let (Some(found), Some(domain)) = (get(libc::SO_TYPE), get(libc::SO_DOMAIN)) else {
        return Err(OrderError::system("the file descriptor is no socket"));
    };
    if found != kind {
        return Err(OrderError::new("the socket is of another type than this order takes"));
    }
    set_nonblocking(fd);
    Ok(domain == libc::AF_INET6)
}

fn set_nonblocking(fd: &OwnedFd) {
    // SAFETY: fcntl on a descriptor we own.
    unsafe {
        let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
        libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

/// Ask for larger buffers; the kernel gives what its limits allow.
pub fn raise_buffers(fd: &OwnedFd, receive: i32, send: i32) {
    for (name, value) in [(libc::SO_RCVBUF, receive), (libc::SO_SNDBUF, send)] {
        // SAFETY: value is valid for the call; failure only means that the old size stays.
        unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                name,
                (&raw const value).cast(),
                mem::size_of::<i32>() as libc::socklen_t,
            );
        }
    }
}

pub struct EventFd(OwnedFd);

impl EventFd {
    pub fn new() -> Result<Self, OrderError> {
        // SAFETY: plain system call; the result is checked and owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(OrderError::system("eventfd"));
        }
        // SAFETY: just made, nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn raise(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight readable bytes. Fails only when the counter is full, which is as good.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), 8) };
    }

    pub fn clear(&self) {
        let mut count = [0u8; 8];
        // SAFETY: eight writable bytes.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

pub struct Epoll(OwnedFd);

pub const READ: u32 = libc::EPOLLIN as u32;
pub const WRITE: u32 = libc::EPOLLOUT as u32;

impl Epoll {
    pub fn new() -> Result<Self, OrderError> {
        // SAFETY: plain system call; the result is checked and owned.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(OrderError::system("epoll_create1"));
        }
        // SAFETY: just made.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn control(&self, op: libc::c_int, fd: RawFd, events: u32, token: u64) -> bool {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: event is valid for the call.
        unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd, &mut event) == 0 }
    }

    pub fn add(&self, fd: RawFd, events: u32, token: u64) -> bool {
        self.control(libc::EPOLL_CTL_ADD, fd, events, token)
    }

    pub fn change(&self, fd: RawFd, events: u32, token: u64) {
        self.control(libc::EPOLL_CTL_MOD, fd, events, token);
    }

    pub fn remove(&self, fd: RawFd) {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    /// Wait at most `timeout_us` (`None`: for ever). Tokens of what is ready go to `ready`.
    pub fn wait(&self, ready: &mut Vec<u64>, timeout_us: Option<u64>) {
        // SAFETY: all zeros is a valid epoll_event.
        let mut events: [libc::epoll_event; 64] = unsafe { mem::zeroed() };
        let spec = timeout_us.map(|us| libc::timespec {
            tv_sec: (us / 1_000_000) as libc::time_t,
            tv_nsec: (us % 1_000_000 * 1000) as libc::c_long,
        });
        let timeout = spec.as_ref().map_or(std::ptr::null(), |s| s as *const libc::timespec);
        // SAFETY: pointers are valid for the call; epoll_pwait2 gives microseconds where epoll_wait rounds to 1 ms.
        let mut n = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as libc::c_int,
                timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        if n < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
            let ms = timeout_us.map_or(-1, |us| us.div_ceil(1000).min(60_000) as libc::c_int);
            // SAFETY: as above; kernels before 5.11.
            n = libc::c_long::from(unsafe {
                libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), events.len() as libc::c_int, ms)
            });
        }
        ready.extend(events.iter().take(usize::try_from(n).unwrap_or(0)).map(|e| e.u64));
    }
}

/// Slots of one receiving call, and bytes of each. A longer datagram is cut and, being no sound packet, dropped.
const SLOTS: usize = RecvBatch::SLOTS;
const SLOT_BYTES: usize = 2048;

/// Buffers for `recvmmsg`, one per worker.
pub struct RecvBatch {
    data: Box<[u8]>,
    addresses: Box<[libc::sockaddr_storage; SLOTS]>,
    control: Box<[Stamp; SLOTS]>,
}

/// Room for the control message that tells when the kernel took a datagram.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Stamp([u8; 32]);

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
            addresses: Box::new(unsafe { mem::zeroed() }),
            control: Box::new([Stamp([0; 32]); SLOTS]),
        }
    }
}

impl RecvBatch {
    pub const SLOTS: usize = 64;

    /// Read what waits, up to `SLOTS` datagrams, and hand each to `each`. Returns how many there were.
    pub fn receive(&mut self, fd: RawFd, mut each: impl FnMut(Received<'_>)) -> usize {
        // SAFETY: all zeros is valid for both.
        let mut iov: [libc::iovec; SLOTS] = unsafe { mem::zeroed() };
        let mut messages: [libc::mmsghdr; SLOTS] = unsafe { mem::zeroed() };
        for (i, slot) in self.data.chunks_exact_mut(SLOT_BYTES).enumerate() {
            iov[i] = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: SLOT_BYTES };
            let header = &mut messages[i].msg_hdr;
            header.msg_iov = &mut iov[i];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut self.addresses[i]).cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_control = (&raw mut self.control[i]).cast();
            header.msg_controllen = mem::size_of::<Stamp>() as _;
        }
        // SAFETY: every header points at its own slot and address, all alive over the call.
        let n = unsafe {
            libc::recvmmsg(fd, messages.as_mut_ptr(), SLOTS as _, libc::MSG_DONTWAIT as _, std::ptr::null_mut())
        };
        let n = usize::try_from(n).unwrap_or(0);
        for (i, slot) in self.data.chunks_exact_mut(SLOT_BYTES).take(n).enumerate() {
            let len = (messages[i].msg_len as usize).min(SLOT_BYTES);
            if messages[i].msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                continue;
            }
            let from = SockAddr { storage: self.addresses[i], len: messages[i].msg_hdr.msg_namelen };
            if let Some(from) = from.address() {
                let unix_us = arrival(&messages[i].msg_hdr);
                each(Received { data: &mut slot[..len], from, unix_us });
            }
        }
        n
    }
}

/// The time stamp among a received datagram's control messages.
fn arrival(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: recvmmsg has filled in controllen bytes of a buffer that is still there; the macros keep within them.
    unsafe {
        let c = libc::CMSG_FIRSTHDR(header);
        if c.is_null() || (*c).cmsg_level != libc::SOL_SOCKET || (*c).cmsg_type != libc::SCM_TIMESTAMPNS {
            return None;
        }
        let spec = libc::CMSG_DATA(c).cast::<libc::timespec>().read_unaligned();
        Some(spec.tv_sec as u64 * 1_000_000 + spec.tv_nsec as u64 / 1000)
    }
}

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

/// Read a stream socket: `Ok(0)` is its end, `WouldBlock` nothing now.
pub fn read(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: buffer is writable for its length.
    let n = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
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
