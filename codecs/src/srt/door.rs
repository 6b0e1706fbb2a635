//! Who knocks at a listener, before libsrt lets him in: looked at, given a passphrase and a latency, or refused.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::net::SocketAddr;
use std::sync::OnceLock;

use super::library::{library, option};
use super::table::Sock;
use crate::relay::sys_address::SockAddr;

/// What a listener asks for each new caller: (socket, its address, its stream id) → whether it may go on.
pub type Gate = fn(listener: u64, socket: &Calling, from: Option<SocketAddr>, stream_id: &str) -> bool;

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

/// One for all listeners, the first that is given; `tag` tells them apart.
pub(super) fn set_gate(gate: Gate) {
    GATE.get_or_init(|| gate);
}

pub(super) unsafe extern "C" fn hook(
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
