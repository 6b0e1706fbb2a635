//! libsrt's entry points, by the names and types of srt.h of 1.5.

use std::ffi::{c_char, c_int, c_void};
use std::mem;

use super::poll::Ready;

pub(super) type Sock = c_int;
pub(super) type Hook = unsafe extern "C" fn(*mut c_void, Sock, c_int, *const libc::sockaddr, *const c_char) -> c_int;

macro_rules! functions {
    ($($name:ident: fn($($arg:ty),*) -> $out:ty;)*) => {
        /// The entry points, looked up once.
        pub(super) struct Table { $(pub(super) $name: unsafe extern "C" fn($($arg),*) -> $out,)* }

        impl Table {
            /// `None`: one is missing, the library is too old.
            pub(super) fn of(handle: *mut c_void) -> Option<Self> {
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
