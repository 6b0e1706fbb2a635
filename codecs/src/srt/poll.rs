//! What is ready among SRT sockets.

use std::ffi::c_int;

use super::library::{library, Library};

/// Readiness, as Linux's epoll numbers it.
pub const IN: i32 = 1;
pub const OUT: i32 = 4;
pub const ERR: i32 = 8;

/// SRT_EPOLL_EVENT.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    pub socket: i32,
    pub events: i32,
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
