//! A center's door: who may come in, and to which session a datagram belongs.
#![allow(unused_variables, clippy::ptr_arg)] // bodies follow

use super::session::Session;
use super::types::{Identity, Remote};
use crate::time::Micros;

/// What to do about a datagram.
pub enum DoorAnswer {
    /// Send what is in `reply` back.
    Reply,
    /// A new session, not yet up. Keep it under `index` and let it transmit.
    New { index: u32, session: Box<Session> },
    /// Give the datagram to this session.
    Session(u32),
    /// Somebody was not taken in, for `code`; `gateway` is whom it claims to be, if that could be read. Send `reply`, if it is not empty.
    Refused { code: &'static str, detail: String, peer_key: Option<[u8; 32]>, gateway: String },
    /// Nothing to say to that.
    Drop,
}

/// Admits kits by their keys. It holds no session: the engine does, under the index that the door gave.
pub struct Door {}

impl Door {
    pub fn new(identity: &Identity, now: Micros) -> Self {
        todo!()
    }

    /// The whole list of who may come in: (key, gateway id). Sessions of those who are no longer in it are returned, to be closed with `revoked`.
    pub fn admit(&mut self, peers: &[([u8; 32], String)]) -> Vec<u32> {
        todo!()
    }

    pub fn receive(&mut self, datagram: &mut [u8], from: Remote, now: Micros, reply: &mut Vec<u8>) -> DoorAnswer {
        todo!()
    }

    /// A session told `Event::Up`. The one that it replaces, to be closed with `replaced`.
    pub fn up(&mut self, index: u32, now: Micros) -> Option<u32> {
        todo!()
    }

    /// A session is over and dropped.
    pub fn down(&mut self, index: u32) {
        todo!()
    }
}
