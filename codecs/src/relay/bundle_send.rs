//! What a session has to send, by runs of one path and size: to a kit's own sockets, or by the door's.
//!
//! A session that spreads its datagrams takes its paths in turn; each path's run is gathered by itself, so that turns do not
//! cut it short.

use super::bundle_ground::Ground;
use super::bundle_held::{Held, Wire};
use super::bundle_wires::{Run, MAX_RUN};
use super::sys;
use crate::bundle::session::MAX_DATAGRAM_BYTES;
use crate::bundle::types::{PathId, Remote};

/// Datagrams sent in one turn; a session that has more is asked again after the others.
const MAX_TURN: usize = 1024;
/// Runs under way at once; a session that sends to more places than that sends what it has.
const MAX_LANES: usize = 8;

/// Where a run goes: over this path, and at a center to this address.
type Place = (PathId, Option<Remote>);

/// A run under way, and behind it room for the datagram that may not fit it.
pub struct Lane {
    place: Place,
    run: Run,
    data: Box<[u8]>,
}

impl Lane {
    fn new() -> Self {
        Self { place: (0, None), run: Run::default(), data: vec![0; (MAX_RUN + 1) * MAX_DATAGRAM_BYTES].into() }
    }
}

/// The lane of a place: the one that has its run, or one that is free. `None`: all are taken.
fn lane_of(lanes: &mut Vec<Lane>, place: Place) -> Option<usize> {
    let taken = lanes.iter().position(|lane| lane.run.count > 0 && lane.place == place);
    let free = || lanes.iter().position(|lane| lane.run.count == 0);
    let found = taken.or_else(free);
    if found.is_none() && lanes.len() < MAX_LANES {
        lanes.push(Lane::new());
        return Some(lanes.len() - 1);
    }
    found
}

/// Move a datagram of `len` bytes from behind the run of one lane to behind that of another.
fn hand_over(lanes: &mut [Lane], from: usize, to: usize, len: usize) {
    let (low, high) = lanes.split_at_mut(from.max(to));
    let (from, to) = if from < to { (&low[from], &mut high[0]) } else { (&high[0], &mut low[to]) };
    let (at, start) = (from.run.bytes, to.run.bytes);
    to.data[start..start + len].copy_from_slice(&from.data[at..at + len]);
}

impl Held {
    /// Datagrams by runs. True: there is more.
    pub fn transmit(&mut self, ground: &mut Ground) -> bool {
        let mut lanes = std::mem::take(&mut ground.lanes);
        if lanes.is_empty() {
            lanes.push(Lane::new());
        }
        // The next datagram is written behind the run that the last one joined: mostly it goes there too.
        let (mut last, mut count) = (0, 0);
        while count < MAX_TURN {
            let at = lanes[last].run.bytes;
            let buf = &mut lanes[last].data[at..at + MAX_DATAGRAM_BYTES];
            let Some(next) = self.session.transmit(ground.now, buf) else { break };
            count += 1;
            let place = (next.path, next.to);
            let own = lane_of(&mut lanes, place).unwrap_or_else(|| {
                // Not the one whose end holds the datagram.
                let other = usize::from(last == 0);
                self.send(&mut lanes[other], ground);
                other
            });
            if own != last {
                hand_over(&mut lanes, last, own, next.len);
            }
            let lane = &mut lanes[own];
            let at = lane.run.bytes;
            if !lane.run.add(next.len) {
                self.send(lane, ground);
                lane.data.copy_within(at..at + next.len, 0);
                lane.run.add(next.len);
            }
            (lane.place, last) = (place, own);
        }
        for lane in &mut lanes {
            self.send(lane, ground);
        }
        ground.lanes = lanes;
        count == MAX_TURN
    }

    /// Send a lane's run, if there is one; the lane is free then.
    fn send(&mut self, lane: &mut Lane, ground: &mut Ground) {
        let run = std::mem::take(&mut lane.run);
        if run.count > 0 {
            self.send_run(&lane.data[..run.bytes], &run, lane.place, ground);
        }
    }

    fn send_run(&mut self, data: &[u8], run: &Run, (path, remote): Place, ground: &mut Ground) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_lane_and_a_free_one_is_taken_before_a_new_one() {
        let mut lanes = vec![Lane::new()];
        for path in 0..MAX_LANES as u8 {
            let at = lane_of(&mut lanes, (path, None)).expect("there is room");
            assert_eq!(at, usize::from(path));
            lanes[at].place = (path, None);
            lanes[at].run.add(1000);
        }
        assert_eq!((lane_of(&mut lanes, (99, None)), lane_of(&mut lanes, (3, None))), (None, Some(3)));
        lanes[5].run = Run::default();
        assert_eq!((lane_of(&mut lanes, (99, None)), lanes.len()), (Some(5), MAX_LANES));
    }

    #[test]
    fn a_datagram_is_handed_over_whole() {
        let mut lanes = vec![Lane::new(), Lane::new()];
        (0..3).for_each(|_| assert!(lanes[0].run.add(1200)));
        lanes[1].run.add(700);
        lanes[0].data[3600..3605].copy_from_slice(b"bytes");
        hand_over(&mut lanes, 0, 1, 5);
        assert_eq!(&lanes[1].data[700..705], b"bytes");
        lanes[1].data[700..705].copy_from_slice(b"other");
        hand_over(&mut lanes, 1, 0, 5);
        assert_eq!(&lanes[0].data[3600..3605], b"other");
    }
}
