//! System calls, each behind a safe function: epoll, eventfd, socket options here; the rest in the `sys_` files.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::OrderError;

pub use super::sys_address::*;
pub use super::sys_receive::*;
pub use super::sys_send::*;
pub use super::sys_time::*;

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

/// Refuses what is neither a stream socket nor a pipe.
pub fn check_stream(fd: &OwnedFd) -> Result<(), OrderError> {
    // SAFETY: all zeros is a valid stat; it is only read where the call filled it in.
    let pipe = unsafe {
        let mut stat: libc::stat = mem::zeroed();
        libc::fstat(fd.as_raw_fd(), &mut stat) == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFIFO
    };
    if pipe {
        set_nonblocking(fd);
        return Ok(());
    }
    check_socket(fd, libc::SOCK_STREAM).map(drop)
}

/// A number that nobody can guess, of the kernel's chance; 0 where it has none to give.
pub fn chance() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: eight writable bytes.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    u64::from_ne_bytes(bytes)
}

/// Have the allocator give back what nobody uses. Takes some milliseconds: not for a media thread.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The other end of a pipe that we only write is gone.
pub fn is_broken(fd: RawFd) -> bool {
    let mut look = libc::pollfd { fd, events: 0, revents: 0 };
    // SAFETY: one pollfd, alive over the call, which does not wait.
    let n = unsafe { libc::poll(&mut look, 1, 0) };
    n > 0 && look.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0
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

/// No waiting for more to send (TCP_NODELAY): what is written belongs together already.
pub fn send_at_once(fd: &OwnedFd) {
    let on: libc::c_int = 1;
    // SAFETY: on is valid for the call; a socket that is no TCP refuses, and needs nothing.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            (&raw const on).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// A TCP connection whose peer takes nothing for so long is broken (TCP_USER_TIMEOUT).
pub fn give_up_after(fd: &OwnedFd, ms: u32) {
    // SAFETY: ms is valid for the call; a socket that is no TCP refuses.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_USER_TIMEOUT,
            (&raw const ms).cast(),
            mem::size_of::<u32>() as libc::socklen_t,
        );
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

    /// The same one once more, for somebody who lives in the same loop.
    pub fn share(&self) -> Result<Self, OrderError> {
        self.0.try_clone().map(Self).map_err(|_| OrderError::system("dup"))
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
