//! What a session has to send, by runs of one path and size: to a kit's own sockets, or by the door's.

use super::bundle_ground::Ground;
use super::bundle_held::{Held, Wire};
use super::bundle_wires::Run;
use super::sys;
use crate::bundle::session::MAX_DATAGRAM_BYTES;
use crate::bundle::types::Remote;

/// Datagrams sent in one turn; a session that has more is asked again after the others.
const MAX_TURN: usize = 1024;

impl Held {
    /// Datagrams by runs. True: there is more.
    pub fn transmit(&mut self, ground: &mut Ground) -> bool {
        let mut out = std::mem::take(&mut ground.out);
        let (mut run, mut to, mut count) = (Run::default(), None, 0);
        while count < MAX_TURN {
            let at = run.bytes;
            let Some(next) = self.session.transmit(ground.now, &mut out[at..at + MAX_DATAGRAM_BYTES]) else { break };
            count += 1;
            let place = (next.path, next.to);
            if to != Some(place) || !run.add(next.len) {
                self.send(&out[..run.bytes], &run, to, ground);
                out.copy_within(at..at + next.len, 0);
                (run, to) = (Run::default(), Some(place));
                run.add(next.len);
            }
        }
        self.send(&out[..run.bytes], &run, to, ground);
        ground.out = out;
        count == MAX_TURN
    }

    fn send(&mut self, data: &[u8], run: &Run, to: Option<(u8, Option<Remote>)>, ground: &mut Ground) {
        let Some((path, remote)) = to.filter(|_| run.count > 0) else { return };
        if let Some(remote) = remote.filter(|_| self.door != 0) {
            // Taken out: its streams are watched on the ground that it stands on.
            let Some(mut door) = ground.doors.remove(&self.door) else { return };
            let fine = door.send(data, run, &remote, ground);
            if let (false, Remote::Stream(number)) = (fine, remote) {
                door.close_stream(number, ground);
                self.session.lost(remote, ground.now);
            }
            ground.doors.insert(self.door, door);
            return;
        }
        let Some(held) = self.paths.get_mut(&path) else { return };
        match &mut held.wire {
            Wire::Udp(udp, to) => udp.send(data, run, to),
            Wire::Stream(stream) => {
                let fine = stream.send(data, run);
                held.watch.want(&ground.epoll, if stream.is_full() { sys::READ | sys::WRITE } else { sys::READ });
                if !fine {
                    self.path_broke(path, ground);
                }
            }
        }
    }
}
