//! A worker process that reads a stream's units over a frame port (its format: `frame_port`).

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::bundle_thread::Thread as Bundles;
use super::event::{BundleId, SubId};
use super::frame_port::*;
use super::frame_queue::{FrameQueue, MAX_QUEUE_BYTES};
use super::sys::{self, Outcome};
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};

/// What a reader's socket is watched for as long as it takes all.
pub const READS: u32 = sys::READ | libc::EPOLLET as u32;

/// A worker that reads a stream's units. Its queue is bounded: full, it is emptied and goes on at the next key frame.
pub struct FrameSubscriber {
    pub id: SubId,
    /// The flow of a bundle in this thread that takes its records without the socket.
    pub flow: Option<(BundleId, u16)>,
    socket: OwnedFd,
    key_frames_only: bool,
    codecs: [Option<(Codec, u16)>; 2],
    queue: FrameQueue,
    waits: bool,
    asked: bool,
    /// Its socket took not all: it is watched for room. Else each record that the reader takes would wake the thread.
    full: bool,
    watched: bool,
    pub closed: bool,
    pub frames: u64,
    pub frames_dropped: u64,
    pub bytes: u64,
}

impl FrameSubscriber {
    pub fn new(id: SubId, socket: OwnedFd, key_frames_only: bool) -> Self {
        Self {
            id,
            flow: None,
            socket,
            key_frames_only,
            codecs: [None, None],
            queue: FrameQueue::default(),
            waits: true,
            asked: false,
            full: false,
            watched: false,
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
        self.queue.bytes()
    }

    pub fn track(&mut self, p: &TrackParams) {
        self.codecs[usize::from(p.codec.kind() == Kind::Audio)] = Some((p.codec, p.generation as u16));
        let header = Header {
            kind: TRACK,
            codec: p.codec,
            flags: 0,
            generation: p.generation as u16,
            pts: 0,
            dts: 0,
            capture: i64::MIN,
            total: 0,
            offset: 0,
        };
        self.queue.push(header, &write_track(p));
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
        if self.queue.bytes() + unit.len() > MAX_QUEUE_BYTES {
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
            kind: UNIT,
            codec,
            flags,
            generation,
            pts: unit.pts,
            dts: unit.dts,
            capture: unit.capture_unix_us.unwrap_or(i64::MIN),
            total: 0,
            offset: 0,
        };
        self.queue.push(header, &write_unit(unit));
    }

    fn drop_queue(&mut self) {
        self.frames_dropped += self.queue.drop_units();
        self.waits = true;
        self.asked = false;
    }

    /// Write what the socket takes, or give it to the flow. True when a key frame should be asked for.
    pub fn flush(&mut self, bundles: Option<&mut Bundles>) -> bool {
        if let (Some(flow), Some(bundles)) = (self.flow, bundles) {
            if !bundles.give(self.id, flow, &mut self.queue, &mut self.bytes) {
                self.flow = None;
            }
        }
        let outcome = self.queue.flush(self.socket.as_raw_fd(), &mut self.bytes);
        self.full = outcome == Outcome::Full;
        if outcome == Outcome::Failed {
            self.closed = true;
            return false;
        }
        self.waits && !std::mem::replace(&mut self.asked, true)
    }

    /// What its socket is to be watched for from now on, if that is something else. By the edge.
    pub fn watch(&mut self) -> Option<u32> {
        let changed = self.full != std::mem::replace(&mut self.watched, self.full);
        changed.then_some(if self.full { READS | sys::WRITE } else { READS })
    }
}
