//! One SRT socket. It is closed when its owner lets go of it.

use std::ffi::{c_int, c_void};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::door::{hook, set_gate, Gate};
use super::library::{is_error, library, option, Library};
use super::stats::{Room, Stats};
use super::table::Sock;
use super::udp::{self, Udp};
use crate::relay::sys_address::SockAddr;
use crate::relay::sys_time::with_timer_slack;

/// What is known of a socket's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Connecting,
    Connected,
    /// Broken, closed, or never there.
    Gone,
}

/// What a call on a socket came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    Bytes(usize),
    /// Not now.
    Wait,
    Gone,
}

/// How a socket is made.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub latency_ms: i32,
    pub stream_id: String,
    pub passphrase: String,
    pub timeout_ms: i32,
    pub rendezvous: bool,
}

/// An SRT socket. Methods may be called from any thread.
pub struct Socket {
    library: &'static Library,
    socket: Sock,
    /// `None` of one that a door took in: it has the door's.
    udp: Option<Udp>,
}

impl Socket {
    fn new(options: &Options) -> Result<Self, String> {
        let library = library().ok_or("no libsrt on this system")?;
        // SAFETY: plain call.
        let socket = unsafe { (library.table.srt_create_socket)() };
        if socket < 0 {
            return Err(library.last_error().1);
        }
        let made = Self { library, socket, udp: None };
        let set = |name, value| library.set_int(socket, name, value);
        set(option::SNDSYN, 0)?;
        set(option::RCVSYN, 0)?;
        set(option::RCVLATENCY, options.latency_ms)?;
        set(option::PEERLATENCY, options.latency_ms)?;
        if options.timeout_ms > 0 {
            set(option::CONNTIMEO, options.timeout_ms)?;
        }
        if options.rendezvous {
            set(option::RENDEZVOUS, 1)?;
        }
        if !options.passphrase.is_empty() {
            library.set(socket, option::PASSPHRASE, options.passphrase.as_bytes())?;
        }
        if !options.stream_id.is_empty() {
            library.set(socket, option::STREAMID, options.stream_id.as_bytes())?;
        }
        Ok(made)
    }

    fn bind(&mut self, at: SocketAddr, wait: Duration) -> Result<(), String> {
        let udp = Udp::bind(at).map_err(|error| error.to_string())?;
        let shared = udp.share().map_err(|error| error.to_string())?;
        // libsrt begins its threads of this port here, and its others in those.
        let bound = with_timer_slack(udp::SLACK.as_nanos() as u32, || {
            // SAFETY: a descriptor of its own, which it closes; after a failure it may have, so nobody else does.
            unsafe { (self.library.table.srt_bind_acquire)(self.socket, shared) }
        });
        if is_error(bound) {
            return Err(self.library.last_error().1);
        }
        udp.wait(wait);
        self.udp = Some(udp);
        Ok(())
    }

    /// How long libsrt's thread may stay away from its timers (see `udp`).
    pub fn wait(&self, most: Duration) {
        if let Some(udp) = &self.udp {
            udp.wait(most);
        }
    }

    /// `tag`: what `gate` is told of it.
    pub fn listen(at: SocketAddr, options: &Options, backlog: i32, tag: u64, gate: Gate) -> Result<Self, String> {
        let mut made = Self::new(options)?;
        set_gate(gate);
        made.bind(at, udp::RESTING)?;
        let table = &made.library.table;
        // SAFETY: the hook lives for good, and its opaque value is a number.
        let failed = unsafe {
            is_error((table.srt_listen_callback)(made.socket, hook, tag as *mut c_void))
                || is_error((table.srt_listen)(made.socket, backlog))
        };
        if failed {
            return Err(made.library.last_error().1);
        }
        Ok(made)
    }

    /// Returns at once; whether it came about shows later.
    pub fn connect(to: SocketAddr, from: Option<SocketAddr>, options: &Options) -> Result<Self, String> {
        let mut made = Self::new(options)?;
        let any = if to.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        made.bind(from.unwrap_or(SocketAddr::new(any, 0)), udp::CALLING)?;
        let to = SockAddr::new(to, to.is_ipv6());
        // SAFETY: the address is valid for the call.
        if is_error(to.with(|p, len| unsafe { (made.library.table.srt_connect)(made.socket, p, len) })) {
            return Err(made.library.last_error().1);
        }
        Ok(made)
    }

    /// The next caller that was let in.
    pub fn accept(&self) -> Option<Self> {
        // SAFETY: null pointers are allowed: the address is asked for otherwise.
        let socket =
            unsafe { (self.library.table.srt_accept)(self.socket, std::ptr::null_mut(), std::ptr::null_mut()) };
        (socket >= 0).then_some(Self { library: self.library, socket, udp: None })
    }

    pub fn id(&self) -> i32 {
        self.socket
    }

    pub fn state(&self) -> State {
        self.library.state(self.socket)
    }

    pub fn reject_reason(&self) -> (i32, String) {
        self.library.reject_reason(self.socket)
    }

    pub fn local(&self) -> Option<SocketAddr> {
        self.name(self.library.table.srt_getsockname)
    }

    pub fn peer(&self) -> Option<SocketAddr> {
        self.name(self.library.table.srt_getpeername)
    }

    fn name(&self, ask: unsafe extern "C" fn(Sock, *mut libc::sockaddr, *mut c_int) -> c_int) -> Option<SocketAddr> {
        // SAFETY: the pointer has room for any address, and len says so.
        let found = SockAddr::filled(|place, len| unsafe { ask(self.socket, place, len) } >= 0)?;
        found.address()
    }

    pub fn stream_id(&self) -> String {
        let mut text = [0u8; 513];
        let mut len = text.len() as c_int;
        // SAFETY: text has room for what len says.
        let r = unsafe {
            let place = text.as_mut_ptr().cast();
            (self.library.table.srt_getsockflag)(self.socket, option::STREAMID, place, &mut len)
        };
        let len = usize::try_from(len).unwrap_or(0).min(512);
        if is_error(r) {
            return String::new();
        }
        String::from_utf8_lossy(&text[..len]).trim_end_matches('\0').to_owned()
    }

    /// One message into `buffer`.
    pub fn receive(&self, buffer: &mut [u8]) -> Moved {
        // SAFETY: buffer is writable for its length.
        let n =
            unsafe { (self.library.table.srt_recvmsg)(self.socket, buffer.as_mut_ptr().cast(), buffer.len() as c_int) };
        self.library.moved(n)
    }

    /// One message of at most 1316 bytes.
    pub fn send(&self, data: &[u8]) -> Moved {
        // SAFETY: data is readable for its length. No time to live, in order.
        let n =
            unsafe { (self.library.table.srt_sendmsg)(self.socket, data.as_ptr().cast(), data.len() as c_int, -1, 1) };
        self.library.moved(n)
    }

    pub fn stats(&self) -> Option<Stats> {
        let mut room = Room::new();
        // SAFETY: room for all that the library writes; no counter is cleared, instant values are asked for.
        let r = unsafe { (self.library.table.srt_bistats)(self.socket, room.0.as_mut_ptr().cast(), 0, 1) };
        (!is_error(r)).then(|| room.read())
    }

    /// "1.4.4"; "" when it did not say.
    pub fn peer_version(&self) -> String {
        match self.library.get_int(self.socket, option::PEERVERSION) {
            0 => String::new(),
            v => format!("{}.{}.{}", v >> 16 & 0xff, v >> 8 & 0xff, v & 0xff),
        }
    }

    /// Key material was exchanged, and it deciphers.
    pub fn is_encrypted(&self) -> bool {
        self.library.get_int(self.socket, option::RCVKMSTATE) == 2
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // libsrt joins its thread for it.
        self.wait(udp::BUSY);
        // SAFETY: closed once, here.
        unsafe { (self.library.table.srt_close)(self.socket) };
    }
}
