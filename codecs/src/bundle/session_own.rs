//! Datagrams that are about the session and its paths: message 2, questions to addresses, probes, filling, the farewell.

use super::frame::Frame;
use super::frame_write::Writer;
use super::life::Standing;
use super::session::{Session, Stage};
use super::session_out::{Draft, FRAMES_AT};
use super::suite::TAG_BYTES;
use super::types::{Event, Transmit};
use super::wire::write_accept;
use crate::time::Micros;

impl Session {
    /// Message 2, to each address that the greeting came from.
    pub(super) fn next_accept(&mut self, buf: &mut [u8]) -> Option<Transmit> {
        let guest = self.guest.as_mut()?;
        let to = guest.accept_to.pop()?;
        let datagram = write_accept(self.keys.as_ref()?.receiver, &guest.accept);
        buf.get_mut(..datagram.len())?.copy_from_slice(&datagram);
        Some(Transmit { path: 0, to: Some(to), len: datagram.len() })
    }

    /// A kit's new address must answer.
    pub(super) fn next_question(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        for index in 0..self.paths.list.len() {
            let Some((nonce, to)) = self.paths.list[index].address_question(now) else { continue };
            let mut draft = Draft { path: index, end: FRAMES_AT, asks: true, urgent: true };
            self.put(&mut draft, buf, &Frame::Ping(nonce));
            return self.seal(draft, buf, Some(to), now);
        }
        None
    }

    /// A padded PING to find the path's MTU.
    pub(super) fn next_probe(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        for index in 0..self.paths.list.len() {
            let path = &mut self.paths.list[index];
            if !path.may_probe() {
                continue;
            }
            let Some(size) = path.mtu.due(now) else { continue };
            let nonce = path.ping(now);
            path.mtu.sent(nonce, size, now);
            let mut draft = Draft { path: index, end: FRAMES_AT, asks: false, urgent: true };
            self.put(&mut draft, buf, &Frame::Ping(nonce));
            let mut writer = Writer::new(buf, draft.end);
            writer.pad(usize::from(size) - TAG_BYTES);
            draft.end = writer.position();
            return self.seal(draft, buf, None, now);
        }
        None
    }

    /// Nothing is left to send, and a path is to be tried for more.
    pub(super) fn next_filling(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        for index in 0..self.paths.list.len() {
            let path = &self.paths.list[index];
            if !path.rate.fills(now) || !path.life.is_sound() || path.is_full() || !path.may_send(1500) {
                continue;
            }
            let at = path.free_at(false);
            if at > now {
                self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
                continue;
            }
            let mut draft = Draft { path: index, end: FRAMES_AT, asks: true, urgent: false };
            self.put(&mut draft, buf, &Frame::Fill);
            let mut writer = Writer::new(buf, draft.end);
            writer.pad(FRAMES_AT + self.paths.body_bytes(0));
            draft.end = writer.position();
            self.paths.list[index].rate.note_limited();
            return self.seal(draft, buf, None, now);
        }
        None
    }

    pub(super) fn next_farewell(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        let Stage::Closing { code, left, next } = self.stage else { return None };
        if now < next {
            return None;
        }
        if left == 0 {
            self.stage = Stage::Over;
            self.keys = None;
            self.event(Event::Down { code, detail: String::new() });
            return None;
        }
        self.stage = Stage::Closing { code, left: left - 1, next: Micros(now.0 + 50_000) };
        // In turn over the paths: one of them gets it through.
        let paths: Vec<usize> = (0..self.paths.list.len())
            .filter(|index| self.leads_somewhere(*index) && self.paths.list[*index].life.standing() != Standing::Out)
            .collect();
        let index = paths.get(usize::from(left) % paths.len().max(1)).copied()?;
        let mut draft = Draft { path: index, end: FRAMES_AT, asks: false, urgent: true };
        self.items.clear();
        self.put(&mut draft, buf, &Frame::Bye { code, detail: "" });
        self.seal(draft, buf, None, now)
    }
}
