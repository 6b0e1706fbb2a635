//! What goes next, and over which path: classes in their order, within a class what was lost, then what is new, then
//! second copies; flows of one class in turn, of pictures one whole picture after the other.

use std::ops::Range;

use super::choose::{Choice, Need};
use super::flow::{Class, FlowOptions, Mode};
use super::flow_out::{Lane, Turn};
use super::frame::STREAM_HEADER_BYTES;
use super::frame_write::piece_len;
use super::session::Session;
use super::stream_out::Part;
use super::types::StreamId;
use crate::time::Micros;

/// A second copy that has no second path goes behind the first over the same one, this much later: beyond most bursts.
const SHIFT_US: u64 = 60_000;
/// On a thin link words wait this long for each other: three in one datagram take two thirds of three alone. Only where
/// their play-out has the time.
const GATHER_US: u64 = 42_000;
const GATHER_PLAYOUT_MS: u32 = 150;
/// A twin waits so long for its path.
const TWIN_US: u64 = 20_000;
/// Loss that makes that worth while.
const SHIFT_LOSS: f64 = 0.005;
/// Streams have no deadline; a path slower than this is not for them as long as there is another.
const STREAM_LEFT_US: i64 = 10_000_000;
/// Less of a stream than this is not worth a frame at a packet's end.
const LEAST_PART: usize = 64;

#[derive(Debug, Clone, Copy)]
pub(super) enum Job {
    /// Of the flow at this place.
    Piece(usize, Turn),
    Part(StreamId, Part),
}

/// What a pick is made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling {
    /// The path of the packet that is being filled.
    pub path: usize,
    pub room: usize,
}

impl Session {
    /// The next thing to send and its path; of a packet that is being filled, only what takes the same path and fits.
    pub(super) fn pick(&mut self, filling: Option<Filling>, now: Micros) -> Option<(Job, usize)> {
        for class in self.classes() {
            let found = self.pick_piece(class, filling, now).or_else(|| self.pick_part(class, filling, now));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn pick_piece(&mut self, class: Class, filling: Option<Filling>, now: Micros) -> Option<(Job, usize)> {
        // Flows stand in the order of their classes.
        let first = self.flows_out.partition_point(|flow| flow.options.class < class);
        let count = self.flows_out[first..].iter().take_while(|flow| flow.options.class == class).count();
        for lane in [Lane::Again, Lane::Twin, Lane::First, Lane::Copy] {
            if lane == Lane::First && class == Class::Video {
                if let Some(found) = self.pick_picture(first..first + count, filling, now) {
                    return Some(found);
                }
                continue;
            }
            for step in 0..count {
                let place = first + (self.turn + step) % count;
                if !self.flows_out[place].has_work() {
                    continue;
                }
                if let Some(found) = self.pick_lane(place, lane, filling, now) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// New pictures go whole one after the other: if they took turns piece by piece over paths that are too short for all of
    /// them, none would be there in its time. `places`: whose turn it is first stands first (`Session::rank_flows`).
    fn pick_picture(&mut self, places: Range<usize>, filling: Option<Filling>, now: Micros) -> Option<(Job, usize)> {
        let mut begun: Option<Mode> = None;
        for place in places {
            let flow = &self.flows_out[place];
            let behind = begun == Some(flow.options.mode) && !flow.is_midway();
            if behind || !flow.has_work() {
                continue;
            }
            if let Some(found) = self.pick_lane(place, Lane::First, filling, now) {
                return Some(found);
            }
            let flow = &self.flows_out[place];
            begun = begun.or(flow.is_midway().then_some(flow.options.mode));
        }
        None
    }

    fn pick_lane(&mut self, place: usize, lane: Lane, filling: Option<Filling>, now: Micros) -> Option<(Job, usize)> {
        let cutting = self.cutting;
        // Copies and second sendings that have no way are left out; a few steps find what has one.
        for _ in 0..16 {
            let flow = &mut self.flows_out[place];
            let turn = flow.peek(lane, &cutting, now)?;
            let FlowOptions { class, mode, playout_ms } = flow.options;
            let single = flow.piece(&turn).is_some_and(|(head, _)| head.data == 1 && head.parity == 0);
            let need = Need {
                class,
                mode,
                lane,
                avoid: turn.avoid,
                bytes: piece_len(single, turn.len),
                left_us: flow.left_us(turn.at, 0, now),
                playout_us: i64::from(playout_ms) * 1000,
                urgent: class <= Class::Voice,
            };
            if filling.is_some_and(|filling| need.bytes > filling.room) {
                return None;
            }
            let gathered = Micros(turn.at.0 + GATHER_US);
            let gathers = class == Class::Voice && playout_ms >= GATHER_PLAYOUT_MS && self.paths.is_thin();
            if gathers && filling.is_none() && now < gathered {
                self.wake = Some(self.wake.map_or(gathered, |wake| wake.min(gathered)));
                return None;
            }
            match self.paths.choose(&need, now) {
                Choice::Go(path) => {
                    return filling.is_none_or(|f| f.path == path).then_some((Job::Piece(place, turn), path));
                }
                // A twin that must wait long is not worth it, and others wait behind it.
                Choice::Wait(at) if lane == Lane::Twin && at.since(now) > TWIN_US => self.flows_out[place].skip_twin(),
                Choice::Wait(at) => {
                    self.wake_at(at, now);
                    return None;
                }
                Choice::Never => match lane {
                    Lane::First | Lane::Again => return None,
                    Lane::Twin => self.flows_out[place].skip_twin(),
                    Lane::Copy => {
                        if let Some(found) = self.shifted_copy(place, &turn, mode, filling, now)? {
                            return Some(found);
                        }
                    }
                },
            }
        }
        None
    }

    /// A copy without a second path. `None`: not yet; `Some(None)`: left out.
    #[allow(clippy::option_option)]
    fn shifted_copy(
        &mut self,
        place: usize,
        turn: &Turn,
        mode: Mode,
        filling: Option<Filling>,
        now: Micros,
    ) -> Option<Option<(Job, usize)>> {
        let flow = &mut self.flows_out[place];
        let over = turn.avoid.and_then(|id| self.paths.position(id)).filter(|path| self.paths.list[*path].life.is_in());
        // On a thin path a copy would be half of what it carries, and make the queue that loses.
        let lossy =
            over.map(|path| &self.paths.list[path]).is_some_and(|path| path.lossy > SHIFT_LOSS && !path.rate.is_thin());
        let late = flow.left_us(turn.at, 0, now) < SHIFT_US as i64 / 2;
        let (Some(path), true, false, Mode::Duplicate) = (over, lossy && self.cutting.copies, late, mode) else {
            flow.skip_copy();
            return Some(None);
        };
        let ripe = now.since(turn.at) >= SHIFT_US;
        // It rides with others: a packet of its own would cost a thin link more than it helps.
        let rides = ripe && filling.is_some_and(|filling| filling.path == path);
        rides.then_some(Some((Job::Piece(place, *turn), path)))
    }

    fn pick_part(&mut self, class: Class, filling: Option<Filling>, now: Micros) -> Option<(Job, usize)> {
        if !matches!(class, Class::Stream | Class::Bulk) {
            return None;
        }
        let most = self.paths.body_bytes(STREAM_HEADER_BYTES);
        let room = filling.map_or(most, |filling| filling.room.saturating_sub(STREAM_HEADER_BYTES).min(most));
        if filling.is_some() && room < LEAST_PART {
            return None;
        }
        let (id, part) = self.streams.peek(class, room)?;
        let need = Need {
            class,
            mode: Mode::Best,
            lane: Lane::First,
            avoid: None,
            bytes: STREAM_HEADER_BYTES + part.len,
            left_us: STREAM_LEFT_US,
            playout_us: 0,
            urgent: false,
        };
        match self.paths.choose(&need, now) {
            Choice::Go(path) => filling.is_none_or(|f| f.path == path).then_some((Job::Part(id, part), path)),
            Choice::Wait(at) => {
                self.wake_at(at, now);
                None
            }
            Choice::Never => None,
        }
    }

    /// Something waits for its path until then.
    pub(super) fn wake_at(&mut self, at: Micros, now: Micros) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        // What waits shows that the paths are used to their limit.
        for index in 0..self.paths.list.len() {
            let path = &mut self.paths.list[index];
            if path.life.is_in() && path.free_at(false) > now {
                path.rate.note_limited();
            }
        }
    }
}
