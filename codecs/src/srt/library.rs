//! libsrt's C functions behind safe ones (its API.md and srt.h of 1.5). A socket is closed when its owner lets go of it.

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use super::udp::{self, Udp};
use crate::relay::sys_address::SockAddr;

/// The names under which distributions have it.
const NAMES: [&CStr; 4] = [c"libsrt-gnutls.so.1.5", c"libsrt-openssl.so.1.5", c"libsrt.so.1.5", c"libsrt.so.1"];

/// Readiness, as Linux's epoll numbers it.
pub const IN: i32 = 1;
pub const OUT: i32 = 4;
pub const ERR: i32 = 8;

/// Options (SRT_SOCKOPT).
mod option {
    pub const SNDSYN: i32 = 1;
    pub const RCVSYN: i32 = 2;
    pub const RENDEZVOUS: i32 = 12;
    pub const PASSPHRASE: i32 = 26;
    pub const PEERVERSION: i32 = 35;
    pub const CONNTIMEO: i32 = 36;
    pub const RCVKMSTATE: i32 = 41;
    pub const RCVLATENCY: i32 = 43;
    pub const PEERLATENCY: i32 = 44;
    pub const STREAMID: i32 = 46;
}

const ASYNC_SEND: c_int = 6001;
const ASYNC_RECEIVE: c_int = 6002;

type Sock = c_int;
type Hook = unsafe extern "C" fn(*mut c_void, Sock, c_int, *const libc::sockaddr, *const c_char) -> c_int;

/// What a listener asks for each new caller: (socket, its address, its stream id) → whether it may go on.
pub type Gate = fn(listener: u64, socket: &Calling, from: Option<SocketAddr>, stream_id: &str) -> bool;

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

macro_rules! functions {
    ($($name:ident: fn($($arg:ty),*) -> $out:ty;)*) => {
        /// The entry points, looked up once.
        struct Table { $($name: unsafe extern "C" fn($($arg),*) -> $out,)* }

        impl Table {
            /// `None`: one is missing, the library is too old.
            fn of(handle: *mut c_void) -> Option<Self> {
                $(
                    let name = concat!(stringify!($name), "\0");
                    // SAFETY: handle is of dlopen, and the name ends in zero.
                    let $name = unsafe { libc::dlsym(handle, name.as_ptr().cast()) };
                    if $name.is_null() {
                        return None;
                    }
                )*
                // SAFETY: the types are those of srt.h for these names.
                Some(unsafe { Self { $($name: mem::transmute::<*mut c_void, unsafe extern "C" fn($($arg),*) -> $out>($name),)* } })
            }
        }
    };
}

functions! {
    srt_startup: fn() -> c_int;
    srt_getversion: fn() -> u32;
    srt_setloghandler: fn(*mut c_void, unsafe extern "C" fn(*mut c_void, c_int, *const c_char, c_int, *const c_char, *const c_char)) -> ();
    srt_create_socket: fn() -> Sock;
    srt_bind_acquire: fn(Sock, c_int) -> c_int;
    srt_listen: fn(Sock, c_int) -> c_int;
    srt_listen_callback: fn(Sock, Hook, *mut c_void) -> c_int;
    srt_accept: fn(Sock, *mut libc::sockaddr, *mut c_int) -> Sock;
    srt_connect: fn(Sock, *const libc::sockaddr, c_int) -> c_int;
    srt_close: fn(Sock) -> c_int;
    srt_getsockname: fn(Sock, *mut libc::sockaddr, *mut c_int) -> c_int;
    srt_getpeername: fn(Sock, *mut libc::sockaddr, *mut c_int) -> c_int;
    srt_getsockstate: fn(Sock) -> c_int;
    srt_getsockflag: fn(Sock, c_int, *mut c_void, *mut c_int) -> c_int;
    srt_setsockflag: fn(Sock, c_int, *const c_void, c_int) -> c_int;
    srt_sendmsg: fn(Sock, *const c_char, c_int, c_int, c_int) -> c_int;
    srt_recvmsg: fn(Sock, *mut c_char, c_int) -> c_int;
    srt_getlasterror: fn(*mut c_int) -> c_int;
    srt_getlasterror_str: fn() -> *const c_char;
    srt_getrejectreason: fn(Sock) -> c_int;
    srt_setrejectreason: fn(Sock, c_int) -> c_int;
    srt_rejectreason_str: fn(c_int) -> *const c_char;
    srt_bistats: fn(Sock, *mut c_void, c_int, c_int) -> c_int;
    srt_epoll_create: fn() -> c_int;
    srt_epoll_set: fn(c_int, c_int) -> c_int;
    srt_epoll_add_usock: fn(c_int, Sock, *const c_int) -> c_int;
    srt_epoll_update_usock: fn(c_int, Sock, *const c_int) -> c_int;
    srt_epoll_remove_usock: fn(c_int, Sock) -> c_int;
    srt_epoll_uwait: fn(c_int, *mut Ready, c_int, i64) -> c_int;
    srt_epoll_release: fn(c_int) -> c_int;
}

/// SRT_EPOLL_EVENT.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    pub socket: i32,
    pub events: i32,
}

/// The beginning of SRT_TRACEBSTATS, which later versions only add to.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    pub since_ms: i64,
    pub sent_total: i64,
    pub received_total: i64,
    pub send_lost_total: i32,
    pub receive_lost_total: i32,
    pub retransmitted_total: i32,
    acks: [i32; 4],
    busy_us: i64,
    pub send_dropped_total: i32,
    pub receive_dropped_total: i32,
    pub undecrypted_total: i32,
    pub sent_bytes_total: u64,
    pub received_bytes_total: u64,
    bytes: [u64; 5],
    interval_packets: [i64; 2],
    interval: [i32; 8],
    rates: [f64; 2],
    interval_busy_us: i64,
    reorder: i32,
    belated_ms: f64,
    pub belated: i64,
    interval_drops: [i32; 3],
    interval_bytes: [u64; 7],
    period_us: f64,
    windows: [i32; 3],
    pub rtt_ms: f64,
    pub bandwidth_mbps: f64,
    buffers: [i32; 2],
    ceiling_mbps: f64,
    mss: i32,
    send_buffer: [i32; 2],
    pub send_queue_ms: i32,
    pub send_latency_ms: i32,
    receive_buffer: [i32; 2],
    pub receive_queue_ms: i32,
    pub receive_latency_ms: i32,
}

/// Room for all that any version writes.
#[repr(C, align(8))]
struct StatsRoom([u8; 2048]);

pub struct Library {
    table: Table,
    /// "1.5.1"
    pub version: String,
}

unsafe extern "C" fn quiet(
    _opaque: *mut c_void,
    _level: c_int,
    _file: *const c_char,
    _line: c_int,
    _area: *const c_char,
    _message: *const c_char,
) {
}

/// The library, started; `None` where the system has none that is new enough.
pub fn library() -> Option<&'static Library> {
    static LOADED: OnceLock<Option<Library>> = OnceLock::new();
    LOADED.get_or_init(Library::load).as_ref()
}

fn is_error(result: c_int) -> bool {
    result < 0
}

impl Library {
    fn load() -> Option<Self> {
        // SAFETY: names end in zero; the library stays loaded for good, as its threads may.
        let handles =
            NAMES.iter().map(|name| unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) });
        let table = handles.into_iter().filter(|h| !h.is_null()).find_map(Table::of)?;
        // SAFETY: srt_startup may be called by any thread, once here. The handler is a function that lives for good.
        let version = unsafe {
            if is_error((table.srt_startup)()) {
                return None;
            }
            (table.srt_setloghandler)(std::ptr::null_mut(), quiet);
            (table.srt_getversion)()
        };
        let version = format!("{}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff);
        Some(Self { table, version })
    }

    /// What the last call of this thread failed of.
    fn last_error(&self) -> (c_int, String) {
        // SAFETY: a null pointer is allowed; the text is the library's own, valid until this thread's next call.
        unsafe {
            let code = (self.table.srt_getlasterror)(std::ptr::null_mut());
            (code, CStr::from_ptr((self.table.srt_getlasterror_str)()).to_string_lossy().into_owned())
        }
    }

    fn moved(&self, result: c_int) -> Moved {
        match usize::try_from(result) {
            Ok(n) => Moved::Bytes(n),
            Err(_) => match self.last_error().0 {
                ASYNC_SEND | ASYNC_RECEIVE => Moved::Wait,
                _ => Moved::Gone,
            },
        }
    }

    /// Why a connection was refused: SRT_REJECT_REASON, or a number over 1000 of the peer's own (1400 + as in HTTP).
    fn reject_reason(&self, socket: Sock) -> (i32, String) {
        // SAFETY: plain calls; the text is a constant of the library's.
        unsafe {
            let code = (self.table.srt_getrejectreason)(socket);
            let text = (self.table.srt_rejectreason_str)(code);
            let text = if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() };
            (code, text)
        }
    }

    /// Of any socket, by its number.
    pub fn state(&self, socket: i32) -> State {
        // SAFETY: any number may be asked for.
        match unsafe { (self.table.srt_getsockstate)(socket) } {
            1..=4 => State::Connecting,
            5 => State::Connected,
            _ => State::Gone,
        }
    }

    fn set(&self, socket: Sock, option: i32, value: &[u8]) -> Result<(), String> {
        // SAFETY: value is readable for its length; the library copies it.
        let r = unsafe { (self.table.srt_setsockflag)(socket, option, value.as_ptr().cast(), value.len() as c_int) };
        if is_error(r) {
            return Err(self.last_error().1);
        }
        Ok(())
    }

    fn set_int(&self, socket: Sock, option: i32, value: i32) -> Result<(), String> {
        self.set(socket, option, &value.to_ne_bytes())
    }

    fn get_int(&self, socket: Sock, option: i32) -> i32 {
        let mut value = 0i32;
        let mut len = mem::size_of::<i32>() as c_int;
        // SAFETY: value has room for what len says.
        unsafe { (self.table.srt_getsockflag)(socket, option, (&raw mut value).cast(), &mut len) };
        value
    }
}

/// A caller that is at the door: only to be looked at and given a passphrase.
pub struct Calling {
    socket: Sock,
}

impl Calling {
    pub fn id(&self) -> i32 {
        self.socket
    }

    /// 10 to 79 characters.
    pub fn passphrase(&self, phrase: &str) -> bool {
        library().is_some_and(|l| l.set(self.socket, option::PASSPHRASE, phrase.as_bytes()).is_ok())
    }

    /// Not less than what the caller asks for is used.
    pub fn latency(&self, ms: i32) -> bool {
        library().is_some_and(|l| l.set_int(self.socket, option::RCVLATENCY, ms).is_ok())
    }

    pub fn refuse(&self, code: i32) {
        if let Some(l) = library() {
            // SAFETY: plain call.
            unsafe { (l.table.srt_setrejectreason)(self.socket, code) };
        }
    }
}

static GATE: OnceLock<Gate> = OnceLock::new();

unsafe extern "C" fn hook(
    opaque: *mut c_void,
    socket: Sock,
    _version: c_int,
    from: *const libc::sockaddr,
    stream_id: *const c_char,
) -> c_int {
    let Some(gate) = GATE.get() else { return -1 };
    // SAFETY: the library gives a string that ends in zero, or null.
    let id = if stream_id.is_null() { "".into() } else { unsafe { CStr::from_ptr(stream_id) }.to_string_lossy() };
    // SAFETY: the library gives an address of a known family.
    let from = unsafe { SockAddr::copied(from) }.and_then(|a| a.address());
    // A panic must not pass into C.
    let taken = std::panic::catch_unwind(|| gate(opaque as u64, &Calling { socket }, from, &id));
    if taken.unwrap_or(false) {
        0
    } else {
        -1
    }
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
        // SAFETY: a descriptor of its own, which it closes; after a failure it may have, so nobody else does.
        if is_error(unsafe { (self.library.table.srt_bind_acquire)(self.socket, shared) }) {
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
        GATE.get_or_init(|| gate);
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
        let mut room = StatsRoom([0; 2048]);
        // SAFETY: room for all that the library writes; no counter is cleared, instant values are asked for.
        let r = unsafe { (self.library.table.srt_bistats)(self.socket, room.0.as_mut_ptr().cast(), 0, 1) };
        // SAFETY: Stats is plain numbers, smaller than the room and no more aligned.
        (!is_error(r)).then(|| unsafe { room.0.as_ptr().cast::<Stats>().read() })
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

/// An SRT epoll set.
pub struct Poll {
    library: &'static Library,
    id: c_int,
}

impl Poll {
    pub fn new() -> Option<Self> {
        let library = library()?;
        // SAFETY: plain calls. 1: waiting with nothing to wait for is allowed.
        let id = unsafe { (library.table.srt_epoll_create)() };
        if id < 0 {
            return None;
        }
        unsafe { (library.table.srt_epoll_set)(id, 1) };
        Some(Self { library, id })
    }

    pub fn add(&self, socket: i32, events: i32) {
        // SAFETY: events is read in the call.
        unsafe { (self.library.table.srt_epoll_add_usock)(self.id, socket, &events) };
    }

    pub fn change(&self, socket: i32, events: i32) {
        // SAFETY: as above.
        unsafe { (self.library.table.srt_epoll_update_usock)(self.id, socket, &events) };
    }

    pub fn remove(&self, socket: i32) {
        // SAFETY: plain call.
        unsafe { (self.library.table.srt_epoll_remove_usock)(self.id, socket) };
    }

    /// What is ready within `ms`.
    pub fn wait<'a>(&self, room: &'a mut [Ready], ms: i64) -> &'a [Ready] {
        // SAFETY: room is writable for its length.
        let n = unsafe { (self.library.table.srt_epoll_uwait)(self.id, room.as_mut_ptr(), room.len() as c_int, ms) };
        let n = usize::try_from(n).unwrap_or(0).min(room.len());
        &room[..n]
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        // SAFETY: released once, here.
        unsafe { (self.library.table.srt_epoll_release)(self.id) };
    }
}

/// A passphrase that SRT takes (SRTO_PASSPHRASE).
pub fn is_passphrase(text: &str) -> bool {
    (10..=79).contains(&text.len()) && CString::new(text).is_ok()
}
