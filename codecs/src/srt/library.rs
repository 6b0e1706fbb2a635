//! libsrt as the system has it: loaded when it is first asked for, its errors and options.

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::mem;
use std::sync::OnceLock;

use super::socket::{Moved, State};
use super::table::{Sock, Table};

/// The names under which distributions have it.
const NAMES: [&CStr; 4] = [c"libsrt-gnutls.so.1.5", c"libsrt-openssl.so.1.5", c"libsrt.so.1.5", c"libsrt.so.1"];

/// Options (SRT_SOCKOPT).
pub(super) mod option {
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

pub struct Library {
    pub(super) table: Table,
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

pub(super) fn is_error(result: c_int) -> bool {
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
    pub(super) fn last_error(&self) -> (c_int, String) {
        // SAFETY: a null pointer is allowed; the text is the library's own, valid until this thread's next call.
        unsafe {
            let code = (self.table.srt_getlasterror)(std::ptr::null_mut());
            (code, CStr::from_ptr((self.table.srt_getlasterror_str)()).to_string_lossy().into_owned())
        }
    }

    pub(super) fn moved(&self, result: c_int) -> Moved {
        match usize::try_from(result) {
            Ok(n) => Moved::Bytes(n),
            Err(_) => match self.last_error().0 {
                ASYNC_SEND | ASYNC_RECEIVE => Moved::Wait,
                _ => Moved::Gone,
            },
        }
    }

    /// Why a connection was refused: SRT_REJECT_REASON, or a number over 1000 of the peer's own (1400 + as in HTTP).
    pub(super) fn reject_reason(&self, socket: Sock) -> (i32, String) {
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

    pub(super) fn set(&self, socket: Sock, option: i32, value: &[u8]) -> Result<(), String> {
        // SAFETY: value is readable for its length; the library copies it.
        let r = unsafe { (self.table.srt_setsockflag)(socket, option, value.as_ptr().cast(), value.len() as c_int) };
        if is_error(r) {
            return Err(self.last_error().1);
        }
        Ok(())
    }

    pub(super) fn set_int(&self, socket: Sock, option: i32, value: i32) -> Result<(), String> {
        self.set(socket, option, &value.to_ne_bytes())
    }

    pub(super) fn get_int(&self, socket: Sock, option: i32) -> i32 {
        let mut value = 0i32;
        let mut len = mem::size_of::<i32>() as c_int;
        // SAFETY: value has room for what len says.
        unsafe { (self.table.srt_getsockflag)(socket, option, (&raw mut value).cast(), &mut len) };
        value
    }
}

/// A passphrase that SRT takes (SRTO_PASSPHRASE).
pub fn is_passphrase(text: &str) -> bool {
    (10..=79).contains(&text.len()) && CString::new(text).is_ok()
}
