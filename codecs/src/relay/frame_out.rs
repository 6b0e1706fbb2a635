//! A worker process that reads a stream's units over a frame port (its format: `frame_port`).

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use bytes::Bytes;

use super::event::SubId;
use super::frame_port::*;
use super::sys::{self, Outcome};
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};

/// What may wait for a slow worker.
const MAX_QUEUE_BYTES: usize = 8 << 20;

/// A worker that reads a stream's units. Its queue is bounded: full, it is emptied and goes on at the next key frame.
pub struct FrameSubscriber {
    pub id: SubId,
    socket: OwnedFd,
    key_frames_only: bool,
    codecs: [Option<(Codec, u16)>; 2],
    queue: VecDeque<([u8; HEADER_BYTES], Bytes)>,
    queue_bytes: usize,
    waits: bool,
    asked: bool,
    pub closed: bool,
    pub frames: u64,
    pub frames_dropped: u64,
    pub bytes: u64,
}

impl FrameSubscriber {
    pub fn new(id: SubId, socket: OwnedFd, key_frames_only: bool) -> Self {
        Self {
            id,
            socket,
            key_frames_only,
            codecs: [None, None],
            queue: VecDeque::new(),
            queue_bytes: 0,
            waits: true,
            asked: false,
            closed: false,
            frames: 0,
            frames_dropped: 0,
            bytes: 0,
        }
    }

    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub fn queue_bytes(&self) -> usize {
        self.queue_bytes
    }

    fn enqueue(&mut self, mut header: Header, data: &Bytes) {
        header.total = data.len() as u32;
        let mut at = 0;
        loop {
            let end = (at + FRAGMENT_BYTES).min(data.len());
            header.offset = at as u32;
            let edge = if at == 0 { FIRST } else { 0 } | if end == data.len() { LAST } else { 0 };
            let part = Header { flags: header.flags | edge, ..header };
            self.queue_bytes += HEADER_BYTES + end - at;
            self.queue.push_back((part.to_bytes(), data.slice(at..end)));
            at = end;
            if at == data.len() {
                return;
            }
        }
    }

    pub fn track(&mut self, p: &TrackParams) {
        self.codecs[usize::from(p.codec.kind() == Kind::Audio)] = Some((p.codec, p.generation as u16));
        let header = Header {
            kind: 0,
            codec: p.codec,
            flags: 0,
            generation: p.generation as u16,
            pts: 0,
            dts: 0,
            capture: i64::MIN,
            total: 0,
            offset: 0,
        };
        self.enqueue(header, &write_track(p));
    }

    /// What the stream has cached, before anything new: a decoder begins with it and is soon at the present picture.
    pub fn cached(&mut self, units: impl Iterator<Item = AccessUnit>) {
        for unit in units {
            self.take(&unit, CACHED);
        }
    }

    pub fn unit(&mut self, unit: &AccessUnit) {
        self.take(unit, 0);
    }

    fn take(&mut self, unit: &AccessUnit, flags: u16) {
        let Some((codec, generation)) = self.codecs[usize::from(unit.kind == Kind::Audio)] else { return };
        let video = unit.kind == Kind::Video;
        if self.key_frames_only && !(video && unit.key) {
            return;
        }
        if self.queue_bytes + unit.len() > MAX_QUEUE_BYTES {
            self.drop_queue();
        }
        if video && self.waits && !unit.key {
            self.frames_dropped += 1;
            return;
        }
        if video {
            self.waits = false;
        }
        self.frames += 1;
        let flags = flags | if unit.key { KEY } else { 0 } | if unit.after_loss { AFTER_LOSS } else { 0 };
        let header = Header {
            kind: 1,
            codec,
            flags,
            generation,
            pts: unit.pts,
            dts: unit.dts,
            capture: unit.capture_unix_us.unwrap_or(i64::MIN),
            total: 0,
            offset: 0,
        };
        self.enqueue(header, &write_unit(unit));
    }

    /// Units whose first fragment has not left go, tracks stay; a unit half sent is finished.
    fn drop_queue(&mut self) {
        let mut half = self.queue.front().is_some_and(|(h, _)| h[5] as u16 & FIRST == 0);
        let mut dropped = 0;
        self.queue.retain(|(h, _)| {
            let keep = half || h[2] == 0;
            if half && h[5] as u16 & LAST != 0 {
                half = false;
            }
            dropped += u64::from(!keep && h[5] as u16 & FIRST != 0);
            keep
        });
        self.queue_bytes = self.queue.iter().map(|(_, b)| HEADER_BYTES + b.len()).sum();
        self.frames_dropped += dropped;
        self.waits = true;
        self.asked = false;
    }

    /// Write what the socket takes. True when a key frame should be asked for.
    pub fn flush(&mut self) -> bool {
        while let Some((header, data)) = self.queue.front() {
            match sys::write_record(self.socket.as_raw_fd(), header, data) {
                Outcome::Sent => {
                    let len = HEADER_BYTES + data.len();
                    self.bytes += len as u64;
                    self.queue_bytes -= len;
                    self.queue.pop_front();
                }
                Outcome::Full => break,
                Outcome::Failed => {
                    self.closed = true;
                    self.queue.clear();
                    self.queue_bytes = 0;
                    return false;
                }
            }
        }
        self.waits && !std::mem::replace(&mut self.asked, true)
    }
}
