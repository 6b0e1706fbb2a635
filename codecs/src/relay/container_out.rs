//! A subscriber that takes a container: units wait here, uncut, and become bytes when the line takes them. So what is
//! left out for a slow reader never leaves a container with a hole in its own syntax.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::event::*;
use super::line::{Brought, Held, Line, Over};
use super::order::Command;
use super::queue::Events;
use super::wires::LineCommand;
use super::worker::{Alarm, Live, Worker};
use crate::container::Writer;
use crate::hub::recall;
use crate::hub::stream::Stream;
use crate::hub::timeline::to_ticks;
use crate::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use crate::time::Micros;

/// What has waited so long is left out even if the queue has room: a viewer wants the present.
const MAX_WAIT_US: u64 = 4_000_000;

enum Item {
    Track(TrackParams),
    Unit(AccessUnit, Micros),
}

pub struct LineOut {
    pub id: SubId,
    stream: StreamId,
    pub held: Held,
    writer: Box<dyn Writer>,
    wire: bool,
    queue: VecDeque<Item>,
    queue_bytes: usize,
    max_bytes: usize,
    /// What is carried of each kind; `None`: no such track, or the container has no place for it.
    codecs: [Option<Codec>; 2],
    refused: [Option<Codec>; 2],
    /// What went out last of each kind.
    begun: [Option<Codec>; 2],
    /// Decoding times given out last, in each track's clock.
    last: [Option<i64>; 2],
    clocks: [u32; 2],
    /// Its first stream's time line began so much earlier than the present one's.
    shift_us: i64,
    waits_for_key: bool,
    asked: bool,
    congested: bool,
    told_first: bool,
    buffer: BytesMut,
    over: Option<Over>,
    timer_at: Option<Micros>,
    pub frames: u64,
    pub frames_dropped: u64,
    pub bytes: u64,
}

pub struct LineOutOrder {
    pub id: SubId,
    pub stream: StreamId,
    pub line: Box<dyn Line>,
    pub writer: Box<dyn Writer>,
    pub queue_bytes: usize,
    pub wire: bool,
}

fn at(kind: Kind) -> usize {
    usize::from(kind == Kind::Audio)
}

impl LineOut {
    fn new(id: SubId, stream: StreamId, held: Held, writer: Box<dyn Writer>) -> Self {
        Self {
            id,
            stream,
            held,
            writer,
            wire: false,
            queue: VecDeque::new(),
            queue_bytes: 0,
            max_bytes: 0,
            codecs: [None; 2],
            refused: [None; 2],
            begun: [None; 2],
            last: [None; 2],
            clocks: [0; 2],
            shift_us: 0,
            waits_for_key: true,
            asked: false,
            congested: false,
            told_first: false,
            buffer: BytesMut::new(),
            over: None,
            timer_at: None,
            frames: 0,
            frames_dropped: 0,
            bytes: 0,
        }
    }

    pub fn queue_bytes(&self) -> usize {
        self.queue_bytes
    }

    pub fn is_congested(&self) -> bool {
        self.congested
    }

    fn tell(&self, events: &Events, state: SubState, code: &'static str, detail: String) {
        events.push(Event::Subscription { subscription: self.id, stream: self.stream, state, code, detail });
    }

    /// A track of the stream is known or changed.
    pub fn track(&mut self, params: &TrackParams, events: &Events) {
        let k = at(params.codec.kind());
        // H.265 is made of nothing: what was begun in it may change.
        let held = self.begun[k].filter(|c| !self.writer.is_followed() && *c != Codec::H265);
        if !self.writer.carries(params.codec) || held.is_some_and(|codec| codec != params.codec) {
            self.codecs[k] = None;
            if self.refused[k].replace(params.codec) != Some(params.codec) {
                self.tell(events, SubState::Refused, "codec-unsupported", params.codec.name().to_owned());
            }
            return;
        }
        self.refused[k] = None;
        self.clocks[k] = params.clock_hz;
        if self.codecs[k].replace(params.codec).is_some_and(|before| before != params.codec) {
            self.last[k] = None;
        }
        if self.queue_bytes == 0 {
            // No unit waits that was made with the ones before: only the newest is of use to whoever takes nothing.
            self.queue.retain(|item| !matches!(item, Item::Track(before) if at(before.codec.kind()) == k));
        }
        self.queue.push_back(Item::Track(params.clone()));
    }

    /// With what the stream has already: its tracks, and the cached group of pictures.
    fn begin(&mut self, hub: &Stream, now: Micros, events: &Events) {
        for kind in [Kind::Video, Kind::Audio] {
            if let Some(track) = hub.track(kind) {
                self.track(&track.params, events);
            }
        }
        for unit in recall::cached(hub) {
            self.unit(&unit, now, events);
        }
        if self.waits_for_key && self.codecs[0].is_some() {
            self.tell(events, SubState::KeyFrameWait, "waiting-key-frame", String::new());
        }
    }

    /// A unit on the stream's time line.
    pub fn unit(&mut self, unit: &AccessUnit, now: Micros, events: &Events) {
        let k = at(unit.kind);
        if self.codecs[k].is_none() {
            return;
        }
        if self.queue_bytes + unit.len() > self.max_bytes {
            self.leave_out(events);
        }
        let begins = unit.kind == Kind::Video && unit.key;
        // Sound beside a picture begins, and goes on, with its key frame.
        if self.waits_for_key && !begins && self.codecs[0].is_some() {
            self.frames_dropped += u64::from(unit.kind == Kind::Video);
            return;
        }
        self.waits_for_key = false;
        if begins && std::mem::take(&mut self.congested) {
            self.tell(events, SubState::Recovered, "", String::new());
        }
        let mut unit = unit.clone();
        let shift = to_ticks(self.shift_us, self.clocks[k]);
        (unit.pts, unit.dts) = (unit.pts + shift, unit.dts + shift);
        if let Some(last) = self.last[k] {
            unit.dts = unit.dts.max(last + 1);
            unit.pts = unit.pts.max(unit.dts);
        }
        self.last[k] = Some(unit.dts);
        self.begun[k] = self.codecs[k];
        self.queue_bytes += unit.len();
        self.queue.push_back(Item::Unit(unit, now));
    }

    /// Another stream, whose time line begins so much later: what was given out keeps its place, and the other's
    /// pictures go on behind it.
    fn move_to(&mut self, stream: StreamId, begins_after_us: i64) {
        self.stream = stream;
        self.shift_us += begins_after_us;
        self.codecs = [None; 2];
        self.waits_for_key = true;
        self.asked = false;
    }

    /// Everything that waits goes, but what is said of the tracks; on at the next key frame.
    fn leave_out(&mut self, events: &Events) {
        let before = self.queue.len();
        self.queue.retain(|item| matches!(item, Item::Track(_)));
        self.frames_dropped += (before - self.queue.len()) as u64;
        self.queue_bytes = 0;
        self.waits_for_key = true;
        self.asked = false;
        if !std::mem::replace(&mut self.congested, true) {
            self.tell(events, SubState::Congested, "viewer-slow", String::new());
        }
    }

    /// Make bytes of what the line takes. True when a key frame should be asked for.
    pub fn pump(&mut self, now: Micros, events: &Events) -> bool {
        if self.over.is_none() {
            if let Err(over) = self.try_pump(now, events) {
                self.over = Some(over);
            }
        }
        let begins = self.waits_for_key && self.codecs[0].is_some() && !std::mem::replace(&mut self.asked, true);
        begins || self.writer.wants_key()
    }

    fn try_pump(&mut self, now: Micros, events: &Events) -> Result<(), Over> {
        loop {
            if !self.buffer.is_empty() {
                let piece = self.buffer.split().freeze();
                if !self.held.line.put(piece.clone(), now)? {
                    self.buffer = BytesMut::from(piece);
                    break;
                }
                self.bytes += piece.len() as u64;
            }
            match self.queue.pop_front() {
                None => break,
                Some(Item::Track(params)) => self.writer.track(&params, &mut self.buffer),
                Some(Item::Unit(unit, _)) => {
                    self.queue_bytes -= unit.len();
                    self.frames += u64::from(unit.kind == Kind::Video || self.codecs[0].is_none());
                    self.writer.unit(&unit, &mut self.buffer);
                    if !std::mem::replace(&mut self.told_first, true) {
                        self.tell(events, SubState::FirstFrame, "", String::new());
                    }
                }
            }
        }
        let oldest = self.queue.iter().find_map(|i| if let Item::Unit(_, since) = i { Some(*since) } else { None });
        if oldest.is_some_and(|since| now.since(since) > MAX_WAIT_US) {
            self.leave_out(events);
        }
        Ok(())
    }
}

impl Worker {
    pub fn open_line_out(&mut self, order: LineOutOrder) {
        let LineOutOrder { id, stream, line, writer, queue_bytes, wire } = order;
        if !self.streams.contains_key(&stream) {
            return;
        }
        self.guard(stream, |w| {
            let Some(mut live) = w.take(stream) else { return };
            let held = w.hold(line, id, true);
            let mut out = LineOut { wire, max_bytes: queue_bytes, ..LineOut::new(id, stream, held, writer) };
            w.subs.insert(id, stream);
            out.begin(&live.hub, w.now, &w.events);
            live.line_subscribers.push(out);
            w.pump_all(&mut live);
            w.put(live);
        });
    }

    /// The stream beside it has what this subscription needs now.
    pub(super) fn move_line(&mut self, id: SubId, from: &mut Live, to: StreamId) {
        let Some(at) = from.line_subscribers.iter().position(|s| s.id == id) else { return };
        let Some(mut live) = self.take(to) else { return };
        let mut out = from.line_subscribers.swap_remove(at);
        out.move_to(to, live.hub.begins_after(&from.hub));
        self.subs.insert(id, to);
        out.begin(&live.hub, self.now, &self.events);
        live.line_subscribers.push(out);
        self.pump_all(&mut live);
        self.put(live);
    }

    /// Units went in, or the lines take more.
    pub(super) fn pump_lines(&mut self, live: &mut Live) -> Option<Cause> {
        let mut wish = None;
        for out in &mut live.line_subscribers {
            if out.pump(self.now, &self.events) {
                wish = Some(Cause::Join);
            }
            out.held.watch(&self.epoll, true);
            let timer = out.held.line.next_timer();
            if out.over.is_some() {
                self.commands.push(Command::Line(LineCommand::Ready(out.id)));
            } else if std::mem::replace(&mut out.timer_at, timer) != timer {
                self.timers_of_lines.extend(timer.map(|at| (at, out.id)));
            }
        }
        while let Some((at, id)) = self.timers_of_lines.pop() {
            self.alarm(at, Alarm::Line(id));
        }
        wish
    }

    /// A subscription's line takes more, brought something, or ended.
    pub fn sub_line(&mut self, id: SubId) {
        let Some(mut live) = self.subs.get(&id).copied().and_then(|s| self.take(s)) else { return };
        let mut brought = Brought::default();
        let mut ended = None;
        if let Some(out) = live.line_subscribers.iter_mut().find(|s| s.id == id) {
            let result = out.held.line.work(self.now, &mut self.scratch, &mut brought);
            if let Err(over) = result {
                out.over.get_or_insert(over);
            }
            ended = out.over.take().map(|over| (over, out.wire));
        }
        for mut told in brought.told.drain(..) {
            told.wire = id;
            self.events.push(Event::Wire(told));
        }
        let stream = live.id;
        if ended.is_none() {
            if let Some(cause) = self.pump_lines(&mut live) {
                self.wish(&mut live, cause);
            }
        }
        self.put(live);
        if let Some((over, wire)) = ended {
            self.unsubscribe(id);
            let Over { code, detail } = over;
            let state = SubState::Refused;
            let told = WireTold { code, detail: detail.clone(), ..WireTold::new(id, WireState::Closed) };
            self.events.push(Event::Subscription { subscription: id, stream, state, code: "link-down", detail });
            if wire {
                self.events.push(Event::Wire(told));
            }
        } else if brought.more {
            self.work_again(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::container::ts_write::TsWriter;
    use crate::relay::bytes_in::StreamLine;

    /// A source whose encoder says something else with every picture, and a reader that takes nothing.
    #[test]
    fn what_is_said_of_tracks_does_not_pile_up() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let held = Held::new(Box::new(StreamLine::writing(OwnedFd::from(ours))), None);
        let mut out = LineOut::new(1, 1, held, Box::<TsWriter>::default());
        let events = Events::new(16).expect("events");
        let mut params = TrackParams {
            codec: Codec::H264,
            clock_hz: 90_000,
            generation: 0,
            width: 0,
            height: 0,
            profile: String::new(),
            profile_level_id: 0,
            b_frames: false,
            channels: 0,
            sample_rate_hz: 0,
            parameter_sets: Vec::new(),
        };
        for generation in 0..1000 {
            params.generation = generation;
            out.track(&params, &events);
        }
        assert_eq!(out.queue.len(), 1);
        assert!(matches!(&out.queue[0], Item::Track(kept) if kept.generation == 999));
    }
}
