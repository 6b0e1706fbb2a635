//! A frame port as source: units that a worker process wrote.

use std::os::fd::{AsRawFd, OwnedFd};

use super::event::*;
use super::frame_port::FrameReader;
use super::frame_queue::FrameQueue;
use super::ingest::{Ingest, IngestConfig, IngestOutput};
use super::leg::{Leg, Source, Watched};
use super::sys;
use super::worker::{Sock, Worker};
use crate::time::Micros;

impl Leg {
    pub(super) fn takes_frames(&self) -> bool {
        matches!(self.source, Source::Frames { .. })
    }
}

impl Worker {
    /// `of`: the units are made of that stream's, with its times.
    pub fn open_frames_in(&mut self, id: LegId, stream: StreamId, fd: OwnedFd, stall_ms: u64, of: Option<StreamId>) {
        if !self.streams.contains_key(&stream) {
            return;
        }
        let token = self.watch(fd.as_raw_fd(), sys::READ, Sock::LegFrames(id));
        let source = Source::Frames { socket: Watched { fd, token }, reader: FrameReader::default(), of };
        self.add_leg(Leg::new(id, stream, Ingest::new(IngestConfig::default()), source, stall_ms * 1000, self.now));
    }

    /// Units that a worker process wrote.
    pub fn leg_frames(&mut self, id: LegId) {
        self.leg_frames_by(id, |socket, reader, now, out| reader.read(socket.fd.as_raw_fd(), now, out));
    }

    /// Those of a flow in this thread.
    pub(super) fn leg_records(&mut self, id: LegId, queue: &mut FrameQueue) {
        self.leg_frames_by(id, |_, reader, now, out| {
            reader.take(queue, now, out);
            true
        });
    }

    fn leg_frames_by(
        &mut self,
        id: LegId,
        read: impl FnOnce(&Watched, &mut FrameReader, Micros, &mut Vec<IngestOutput>) -> bool,
    ) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let Some(mut live) = self.take(leg.stream) else { return };
        let Source::Frames { socket, reader, .. } = &mut leg.source else { return };
        let mut out = Vec::new();
        let open = read(socket, reader, self.now, &mut out);
        let problem = reader.take_problem();
        for output in out {
            if matches!(output, IngestOutput::Unit(_)) {
                self.leg_heard(&mut leg, "frames");
            }
            self.leg_output(&mut live, &mut leg, output);
        }
        if let Some(detail) = problem {
            self.events.push(leg.event(LegState::Problem, "protocol", detail.to_owned()));
        }
        self.pump_all(&mut live);
        self.put(live);
        self.set_leg_timer(&mut leg);
        if !open {
            self.events.push(leg.event(LegState::Closed, "source-ended", String::new()));
        }
        self.legs.insert(id, leg);
        if !open {
            self.close_leg(id);
        }
    }
}
