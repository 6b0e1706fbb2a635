//! The UDP socket under an SRT one, made by us so that we can say how often libsrt looks up from it.
//!
//! libsrt's receiver waits in `recvmsg` for 100 µs at a time (SO_RCVTIMEO, rounded up to a tick of the kernel: 4 to 8 ms)
//! and looks after its timers in between: a hundred wakings a second for a door at which nobody stands. A packet ends the
//! wait at once however long it may be, so only timers decide how long it can be; a door alone has none.
//!
//! libsrt closes its descriptor some seconds after the last connection of it has ended. Its port is to be had by us at
//! once all the same: what leaves lets itself be shared, and the newest socket of a port gets what comes.

use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::relay::queue::lock;
use crate::relay::sys_address::SockAddr;

/// What libsrt itself sets (srtcore/channel.cpp): while media moves, it must see to acknowledgements every 10 ms.
pub const BUSY: Duration = Duration::from_micros(100);
/// While there is nothing but a door. Also the longest that closing it may have to wait for libsrt's thread.
pub const RESTING: Duration = Duration::from_millis(250);
/// While a call of ours goes out: libsrt repeats its handshake every 250 ms.
pub const CALLING: Duration = Duration::from_millis(40);

/// By how much timers of libsrt's threads may ring late. The one that says when packets are due would be woken for each
/// of them, and the one that sends for each of a picture's but the first; what is due is read and sent together.
pub const SLACK: Duration = Duration::from_millis(4);

/// Longer than libsrt takes to close a socket whose last connection ended.
const LEAVES: Duration = Duration::from_secs(60);
/// Ports of ours that are closing.
static LEAVING: Mutex<Vec<(u16, Instant)>> = Mutex::new(Vec::new());

fn leaves(port: u16) {
    let mut list = lock(&LEAVING);
    list.retain(|(_, since)| since.elapsed() < LEAVES);
    list.push((port, Instant::now()));
}

fn leaving(port: u16) -> bool {
    lock(&LEAVING).iter().any(|(one, since)| *one == port && since.elapsed() < LEAVES)
}

/// Our hold on it; libsrt has a descriptor of its own for the same socket.
#[derive(Debug)]
pub struct Udp(OwnedFd);

impl Udp {
    /// Bound. The wildcard of IPv6 takes IPv4 too.
    pub fn bind(at: SocketAddr) -> std::io::Result<Self> {
        let family = if at.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
        // SAFETY: plain system call; the result is checked and owned.
        let fd = unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::IPPROTO_UDP) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: just made.
        let made = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        if at.is_ipv6() {
            let only = libc::c_int::from(!at.ip().is_unspecified());
            made.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &only);
        }
        match made.bind_to(at) {
            // Beside one that leaves, and beside no other program's: that one would have to allow it, and we do not.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && leaving(at.port()) => {
                made.share_port(true);
                let done = made.bind_to(at);
                made.share_port(false);
                done.map(|()| made)
            }
            done => done.map(|()| made),
        }
    }

    fn bind_to(&self, at: SocketAddr) -> std::io::Result<()> {
        let address = SockAddr::new(at, at.is_ipv6());
        // SAFETY: the address is valid for the call.
        let r = address.with(|p, len| unsafe { libc::bind(self.0.as_raw_fd(), p, len as libc::socklen_t) });
        if r < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(())
    }

    fn share_port(&self, on: bool) {
        self.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, &libc::c_int::from(on));
    }

    fn local(&self) -> Option<SocketAddr> {
        let ask = |place, len: *mut libc::c_int| {
            // SAFETY: place has room for any address, and len says so.
            unsafe { libc::getsockname(self.0.as_raw_fd(), place, len.cast()) == 0 }
        };
        SockAddr::filled(ask)?.address()
    }

    /// For libsrt, which closes it.
    pub fn share(&self) -> std::io::Result<RawFd> {
        self.0.try_clone().map(IntoRawFd::into_raw_fd)
    }

    /// How long one `recvmsg` waits, from the next one on.
    pub fn wait(&self, most: Duration) {
        let value = libc::timeval {
            tv_sec: most.as_secs() as libc::time_t,
            tv_usec: most.subsec_micros() as libc::suseconds_t,
        };
        self.set(libc::SOL_SOCKET, libc::SO_RCVTIMEO, &value);
    }

    fn set<T>(&self, level: libc::c_int, name: libc::c_int, value: &T) {
        let size = mem::size_of::<T>() as libc::socklen_t;
        // SAFETY: value is readable for its size; failure leaves things as they were.
        unsafe { libc::setsockopt(self.0.as_raw_fd(), level, name, (&raw const *value).cast(), size) };
    }
}

impl Drop for Udp {
    fn drop(&mut self) {
        let Some(local) = self.local() else { return };
        self.share_port(true);
        leaves(local.port());
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// The descriptor that libsrt has.
    fn theirs(udp: &Udp) -> UdpSocket {
        // SAFETY: just given to us.
        UdpSocket::from(unsafe { OwnedFd::from_raw_fd(udp.share().unwrap()) })
    }

    #[test]
    fn one_wait_for_all_who_hold_it() {
        let udp = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        udp.wait(RESTING);
        // The kernel counts in ticks of its own.
        let waits = theirs(&udp).read_timeout().unwrap().unwrap();
        assert!(waits >= RESTING && waits < 2 * RESTING, "{waits:?}");
    }

    #[test]
    fn a_port_is_had_once_and_at_once_again_when_it_was_left() {
        let udp = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let old = theirs(&udp);
        let at = old.local_addr().unwrap();
        let taken = std::io::ErrorKind::AddrInUse;
        assert_eq!(Udp::bind(at).unwrap_err().kind(), taken);
        drop(udp);
        assert_eq!(UdpSocket::bind(at).unwrap_err().kind(), taken, "libsrt still has it");
        let again = Udp::bind(at).unwrap();
        let new = theirs(&again);
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"to the newest", at).unwrap();
        assert_eq!(new.recv(&mut [0; 32]).unwrap(), 13);
        old.set_nonblocking(true).unwrap();
        assert!(old.recv(&mut [0; 32]).is_err());
        assert_eq!(Udp::bind(at).unwrap_err().kind(), taken, "nobody shares it with the new one");
    }

    #[test]
    fn the_wildcard_of_ipv6_takes_ipv4() {
        let Ok(udp) = Udp::bind("[::]:0".parse().unwrap()) else { return }; // a machine without IPv6
        let theirs = theirs(&udp);
        let port = theirs.local_addr().unwrap().port();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", ("127.0.0.1", port)).unwrap();
        assert_eq!(theirs.recv(&mut [0; 4]).unwrap(), 1);
    }
}
