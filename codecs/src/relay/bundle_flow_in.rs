//! A flow that comes in: units to a frame port or to datagrams. Whoever reads too slowly loses whole units; what comes before
//! anybody takes the flow waits, within a bound.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};

use bytes::Bytes;

use super::bundle_frames::{holds_picture, Scatter};
use super::bundle_ground::{Ground, Watch};
use super::event::LegId;
use super::frame_port;
use super::frame_queue::{FrameQueue, MAX_QUEUE_BYTES};
use super::order_bundle::Carries;
use super::sys::{self, Epoll, Outcome};
use crate::bundle::flow::FlowOptions;

/// Of a flow that nobody took yet.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// What keeping a unit takes besides its bytes.
const UNIT_COST: usize = 64;
/// Of all flows of a session that nobody took yet.
pub const MAX_ALL_WAITING_BYTES: usize = 16 << 20;
/// Datagrams that wait for their reader; full, the oldest goes.
const MAX_DATAGRAMS: usize = 512;
const MAX_DATAGRAM_BYTES: usize = 4 << 20;

/// A unit that nobody took yet.
struct Waiting {
    bytes: Bytes,
    key: bool,
    after_loss: bool,
}

struct Reader {
    fd: OwnedFd,
    watch: Watch,
    carries: Carries,
    /// The end of its socket is told by a read of nothing.
    ends: bool,
    /// The leg of this thread that takes its frames without their socket.
    leg: Option<LegId>,
}

pub struct FlowIn {
    pub options: FlowOptions,
    reader: Option<Reader>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    frames: FrameQueue,
    scatter: Scatter,
    datagrams: VecDeque<Bytes>,
    datagram_bytes: usize,
    /// Pictures are left out up to the next key picture.
    waits: bool,
    wants_key: bool,
    pub units: u64,
    pub bytes: u64,
    pub dropped: u64,
    pub unreadable: u64,
}

impl FlowIn {
    pub fn new(options: FlowOptions) -> Self {
        Self {
            options,
            reader: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            frames: FrameQueue::default(),
            scatter: Scatter::default(),
            datagrams: VecDeque::new(),
            datagram_bytes: 0,
            waits: false,
            wants_key: false,
            units: 0,
            bytes: 0,
            dropped: 0,
            unreadable: 0,
        }
    }

    /// A reader takes it, instead of the one before: that one's watch is to be ended, then its descriptor closed.
    pub fn taken(&mut self, fd: OwnedFd, watch: Watch, carries: Carries, ends: bool) -> Option<(Watch, OwnedFd)> {
        if carries == Carries::Frames {
            // The leg that reads it may ask for key frames: we pass that on.
            sys::write_record(fd.as_raw_fd(), &frame_port::wish(false), &[]);
        }
        let old = self.reader.replace(Reader { fd, watch, carries, ends, leg: None });
        if old.is_some() {
            self.frames = FrameQueue::default();
            self.scatter.forget();
            (self.waits, self.wants_key) = (true, true);
        }
        for unit in std::mem::take(&mut self.waiting) {
            self.put(unit);
        }
        self.waiting_bytes = 0;
        old.map(|r| (r.watch, r.fd))
    }

    /// Bytes that wait for somebody to take it.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// `others`: what waits in the session's other flows.
    pub fn unit(&mut self, bytes: Bytes, key: bool, after_loss: bool, others: usize) {
        self.units += 1;
        self.bytes += bytes.len() as u64;
        let unit = Waiting { bytes, key, after_loss };
        if self.reader.is_some() {
            return self.put(unit);
        }
        let cost = UNIT_COST + unit.bytes.len();
        let after = self.waiting_bytes + cost;
        if after > MAX_WAITING_BYTES || after + others > MAX_ALL_WAITING_BYTES {
            self.dropped += self.waiting.len() as u64;
            self.waiting.clear();
            self.waiting_bytes = 0;
            (self.waits, self.wants_key) = (true, true);
        }
        if cost + others > MAX_ALL_WAITING_BYTES {
            self.dropped += 1;
            return;
        }
        self.waiting_bytes += cost;
        self.waiting.push_back(unit);
    }

    fn put(&mut self, unit: Waiting) {
        match self.reader.as_ref().map(|r| r.carries) {
            Some(Carries::Frames) => self.frame(&unit),
            Some(Carries::Datagrams) => self.datagram(unit.bytes),
            None => {}
        }
    }

    fn frame(&mut self, unit: &Waiting) {
        if self.frames.bytes() + unit.bytes.len() > MAX_QUEUE_BYTES {
            self.dropped += self.frames.drop_units();
            (self.waits, self.wants_key) = (true, true);
        }
        if self.waits && holds_picture(&unit.bytes) {
            if !unit.key {
                self.dropped += 1;
                return;
            }
            self.waits = false;
        }
        if self.scatter.push(&unit.bytes, unit.after_loss, &mut self.frames).is_err() {
            self.unreadable += 1;
        }
    }

    fn datagram(&mut self, bytes: Bytes) {
        self.datagram_bytes += bytes.len();
        self.datagrams.push_back(bytes);
        while self.datagrams.len() > MAX_DATAGRAMS || self.datagram_bytes > MAX_DATAGRAM_BYTES {
            let Some(oldest) = self.datagrams.pop_front() else { return };
            self.datagram_bytes -= oldest.len();
            self.dropped += 1;
        }
    }

    /// Write what its reader takes, unless that is a leg of this thread. False: nobody reads any more.
    pub fn flush(&mut self, epoll: &Epoll) -> bool {
        let Some(reader) = &mut self.reader else { return true };
        let fd = reader.fd.as_raw_fd();
        let mut outcome = Outcome::Sent;
        if reader.carries == Carries::Frames && reader.leg.is_none() {
            outcome = self.frames.flush(fd, &mut 0);
        }
        while let Some(datagram) = self.datagrams.front() {
            outcome = sys::write_record(fd, datagram, &[]);
            if outcome == Outcome::Full || outcome == Outcome::Failed && reader.ends {
                break;
            }
            // Nobody there for a datagram now is no end.
            self.dropped += u64::from(outcome == Outcome::Failed);
            outcome = Outcome::Sent;
            self.datagram_bytes -= datagram.len();
            self.datagrams.pop_front();
        }
        let waits = if outcome == Outcome::Full { sys::WRITE } else { 0 };
        // Nothing is written back for datagrams, and what can be read there is another's: a voice's two flows share its
        // socket. That their reader is gone the next write tells.
        let looks = if reader.carries == Carries::Frames { sys::READ } else { 0 };
        reader.watch.want(epoll, looks | waits);
        outcome != Outcome::Failed
    }

    /// From now on its frames are for that leg. False: nobody has taken it, or it is of another kind.
    pub fn join(&mut self, leg: LegId) -> bool {
        let Some(reader) = self.reader.as_mut().filter(|r| r.carries == Carries::Frames) else { return false };
        reader.leg = Some(leg);
        true
    }

    /// What is there for a leg of this thread.
    pub fn for_leg(&mut self) -> Option<(LegId, FrameQueue)> {
        let leg = self.reader.as_ref()?.leg?;
        (!self.frames.is_empty()).then(|| (leg, std::mem::take(&mut self.frames)))
    }

    pub fn is_joined(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.leg.is_some())
    }

    /// Something was written back: a wish, or the end. False: nobody reads any more.
    pub fn look(&mut self, scratch: &mut [u8]) -> bool {
        let Some(reader) = self.reader.as_ref().filter(|r| r.carries == Carries::Frames) else { return true };
        for _ in 0..16 {
            match sys::read(reader.fd.as_raw_fd(), scratch) {
                Ok(0) if reader.ends => return false,
                Ok(n) => self.wants_key |= frame_port::read_wish(&scratch[..n]).is_some(),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return true,
                Err(_) => return !reader.ends,
            }
        }
        true
    }

    /// A key frame is to be asked of the sender.
    pub fn take_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_key)
    }

    pub fn close(self, ground: &mut Ground) {
        if let Some(reader) = self.reader {
            ground.unwatch(reader.watch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::flow::{Class, Mode};

    fn flow() -> FlowIn {
        FlowIn::new(FlowOptions { class: Class::Bulk, mode: Mode::Best, playout_ms: 0 })
    }

    #[test]
    fn what_nobody_takes_is_bounded_however_small_it_is() {
        let mut untaken = flow();
        (0..200_000).for_each(|_| untaken.unit(Bytes::new(), false, false, 0));
        assert!(untaken.waiting.len() <= MAX_WAITING_BYTES / UNIT_COST && untaken.dropped > 100_000);
    }

    #[test]
    fn flows_that_nobody_takes_share_one_bound() {
        let mut flows: Vec<FlowIn> = (0..64).map(|_| flow()).collect();
        for turn in 0..64 * 40 {
            let others = |but: usize| {
                flows.iter().enumerate().filter(|(at, _)| *at != but).map(|(_, flow)| flow.waiting_bytes()).sum()
            };
            let others = others(turn % 64);
            flows[turn % 64].unit(Bytes::from(vec![0; 100_000]), true, false, others);
        }
        let all: usize = flows.iter().map(FlowIn::waiting_bytes).sum();
        assert!(all <= MAX_ALL_WAITING_BYTES && all > MAX_ALL_WAITING_BYTES / 2, "{all}");
    }
}
