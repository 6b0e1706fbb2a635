//! A frame port as source: units that a worker process wrote.

use std::os::fd::{AsRawFd, OwnedFd};

use super::event::*;
use super::frame_port::FrameReader;
use super::ingest::{Ingest, IngestConfig, IngestOutput};
use super::leg::{Leg, Source, Watched};
use super::sys;
use super::worker::{Sock, Worker};

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
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let Some(mut live) = self.take(leg.stream) else { return };
        let Source::Frames { socket, reader, .. } = &mut leg.source else { return };
        let mut out = Vec::new();
        let open = reader.read(socket.fd.as_raw_fd(), self.now, &mut out);
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
