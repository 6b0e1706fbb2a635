//! Socket addresses between Rust and the kernel. Like `sys`, all unsafe code behind safe functions.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

/// An address as the kernel takes it.
#[derive(Clone, Copy)]
pub struct SockAddr {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) len: libc::socklen_t,
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

    /// Call with it as C takes it.
    pub fn with<T>(&self, call: impl FnOnce(*const libc::sockaddr, libc::c_int) -> T) -> T {
        call((&raw const self.storage).cast(), self.len as libc::c_int)
    }

    /// What a C function fills in; `None` when it says that it did not.
    pub fn filled(ask: impl FnOnce(*mut libc::sockaddr, *mut libc::c_int) -> bool) -> Option<Self> {
        // SAFETY: all zeros is a valid sockaddr_storage.
        let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
        let mut len = mem::size_of::<libc::sockaddr_storage>() as libc::c_int;
        let done = ask((&raw mut storage).cast(), &mut len);
        done.then_some(Self { storage, len: len as libc::socklen_t })
    }

    /// A copy of what `address` points at.
    ///
    /// # Safety
    /// Null, or an address that is as long as its family says.
    pub unsafe fn copied(address: *const libc::sockaddr) -> Option<Self> {
        if address.is_null() {
            return None;
        }
        // SAFETY: the caller says that it is an address; the family tells its length.
        let len = match i32::from(unsafe { (*address).sa_family }) {
            libc::AF_INET => mem::size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => mem::size_of::<libc::sockaddr_in6>(),
            _ => return None,
        };
        // SAFETY: all zeros is valid, and it is larger than either form; `len` bytes are readable.
        unsafe {
            let mut storage: libc::sockaddr_storage = mem::zeroed();
            std::ptr::copy_nonoverlapping(address.cast::<u8>(), (&raw mut storage).cast(), len);
            Some(Self { storage, len: len as libc::socklen_t })
        }
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
