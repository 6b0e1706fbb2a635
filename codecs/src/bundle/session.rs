//! One session between a kit and a center: the machine that ties paths, keys, flows and streams together.
//!
//! Its parts: `dial` (a kit finds its center), `session_in` (datagrams in), `session_out` and `session_pick` (datagrams out:
//! what goes next and over which path), `session_timer` (what time alone brings about). Here are the calls from outside.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::assemble::Due;
use super::budget::Budget;
use super::dial::Dial;
pub use super::figures::{Figures, FlowFigures, PathFigures};
use super::flow::{Class, Mode};
use super::flow_in::FlowIn;
use super::flow_out::{Cutting, FlowOut};
use super::guest::Guest;
use super::item::{Control, Item, Outcome};
use super::keys::Keys;
use super::path::Path;
use super::paths::{Paths, MAX_PATHS};
use super::rekey::Rekey;
use super::report::Report;
use super::sent::Sent;
use super::streams::Streams;
use super::types::{Event, FlowId, Hello, Identity, PathId, PathOptions, Remote, StreamId, Transmit};
use super::window::ReplayWindow;
use super::wire::FORMAT;
pub use super::wire::MAX_DATAGRAM_BYTES;
use crate::time::Micros;

/// Events that nobody fetches; units go first.
const MAX_EVENTS: usize = 16_384;
/// Events a second that the peer's frames bring about, and at once: all flows and streams opened and closed. All sessions
/// share one queue to whoever hears of it, and one must not hide the others.
const MOST_TOLD: u32 = 1024;
/// Frames that wait to be sent or repeated. A peer that acknowledges none of so many is broken.
pub(super) const MAX_CONTROL: usize = 4096;

pub(super) enum Stage {
    /// A kit without a session.
    Dialling(Box<Dial>),
    /// A center's, until the first packet under the new keys: a replayed greeting never gets past this.
    Greeted,
    Up,
    /// Saying farewell: so many are still to be sent, the next then.
    Closing {
        code: &'static str,
        left: u8,
        next: Micros,
    },
    Over,
}

/// One end of a bundle. A kit's lives as long as the pairing does and dials again by itself; a center's begins at its
/// `Door` and ends with `Event::Down`.
///
/// The engine's loop: `receive` what came, `handle_timer` when `next_timer` is due, then `next_event` until `None` and
/// `transmit` until `None`; `transmit` may have more to say after a timer only.
pub struct Session {
    pub(super) identity: Arc<Identity>,
    pub(super) peer: [u8; 32],
    /// A kit's own; a center's guest.
    pub(super) hello: Hello,
    /// That a kit greets in.
    pub(super) format: u8,
    pub(super) guest: Option<Guest>,
    /// Of this run, told in the greeting.
    pub(super) run: u64,
    pub(super) attempt: u32,
    pub(super) stage: Stage,
    pub(super) keys: Option<Keys>,
    /// The index that we receive under.
    pub(super) index: u32,
    /// A Reset with this token is the center's.
    pub(super) token: [u8; 16],
    /// When one came, if the center was not heard since; and when it last was, after one.
    pub(super) reset: Option<Micros>,
    pub(super) refuted: Option<Micros>,
    pub(super) rekey: Option<Rekey>,
    pub(super) paths: Paths,
    /// Ids that were a path in this session, and one above the highest packet number that came.
    pub(super) used_paths: Vec<PathId>,
    pub(super) highest: u64,
    pub(super) flows_out: Vec<FlowOut>,
    pub(super) flows_in: Vec<FlowIn>,
    pub(super) openings: super::openings::Openings,
    pub(super) streams: Streams,
    /// Frames to send, and those that still have their copy to go over another path.
    pub(super) control: VecDeque<Control>,
    pub(super) control_copies: Vec<Control>,
    pub(super) events: VecDeque<Event>,
    pub(super) reports: Vec<Report>,
    /// Over this path they went first; the copy takes another.
    pub(super) reported_over: Option<PathId>,
    pub(super) wants: Vec<(FlowId, u32, Vec<u16>)>,
    pub(super) cutting: Cutting,
    pub(super) turn: usize,
    pub(super) heard: Micros,
    pub(super) ticked: Micros,
    /// When the last `transmit` found that something may go.
    pub(super) wake: Option<Micros>,
    /// When it last found nothing.
    pub(super) idle: Micros,
    pub(super) meter: super::meter::Meter,
    pub(super) refused_packets: u64,
    /// What the peer's frames may have us tell our side: flows, streams and paths that come and go.
    pub(super) told: Budget,
    // Kept for their memory only.
    pub(super) items: Vec<Item>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) dues: Vec<Due>,
}

impl Session {
    pub(super) fn new(identity: Arc<Identity>, peer: [u8; 32], hello: Hello, stage: Stage, now: Micros) -> Self {
        let kit = matches!(stage, Stage::Dialling(_));
        Self {
            identity,
            peer,
            hello,
            format: FORMAT,
            guest: None,
            run: super::path::nonce(),
            attempt: 0,
            stage,
            keys: None,
            index: super::path::nonce() as u32,
            token: [0; 16],
            reset: None,
            refuted: None,
            rekey: None,
            paths: Paths::default(),
            used_paths: Vec::new(),
            highest: 0,
            flows_out: Vec::new(),
            flows_in: Vec::new(),
            openings: Default::default(),
            streams: Streams::new(kit),
            control: VecDeque::new(),
            control_copies: Vec::new(),
            events: VecDeque::new(),
            reports: Vec::with_capacity(MAX_PATHS),
            reported_over: None,
            wants: Vec::new(),
            cutting: Cutting { piece_bytes: 1100, parity: 0.0, copies: true, hoped_bps: 1e6 },
            turn: 0,
            heard: now,
            ticked: Micros(0),
            wake: None,
            idle: Micros(0),
            meter: Default::default(),
            refused_packets: 0,
            told: Budget::new(MOST_TOLD, now),
            items: Vec::with_capacity(64),
            outcomes: Vec::with_capacity(256),
            dues: Vec::new(),
        }
    }

    /// A kit's end. It dials as soon as it has a path. A suite that is not known counts as the first.
    pub fn new_initiator(identity: &Identity, peer: [u8; 32], hello: Hello, now: Micros) -> Self {
        let stage = Stage::Dialling(Box::new(Dial::new(now)));
        Self::new(Arc::new(identity.clone()), peer, hello, stage, now)
    }

    /// The same in the format of an earlier release: tests play such a kit.
    pub fn in_format(self, format: u8) -> Self {
        Self { format, ..self }
    }

    pub(super) fn is_kit(&self) -> bool {
        self.guest.is_none()
    }

    /// A kit's end: one more path; one of the same id is replaced.
    pub fn add_path(&mut self, options: PathOptions, now: Micros) {
        let known = self.paths.position(options.id);
        if known.is_none() && self.paths.list.len() >= MAX_PATHS {
            return;
        }
        if let Some(index) = known {
            self.take_path_out(index, "path-dropped", now);
        }
        let path = self.new_path(&options, None, now);
        match known {
            Some(index) => self.paths.list[index] = path,
            None => self.paths.list.push(path),
        }
        self.tell_peer(Control::Path(options.id));
        if let Stage::Dialling(dial) = &mut self.stage {
            dial.greet_over(options.id);
        }
    }

    /// A path object. Its numbers begin above all that went before, and what was sent to a path of this id before is old.
    pub(super) fn new_path(&mut self, options: &PathOptions, remote: Option<Remote>, now: Micros) -> Path {
        let mut path = Path::new(options, remote, now);
        path.sent = Sent::from(self.keys.as_ref().map_or(0, Keys::next_number));
        if self.used_paths.contains(&options.id) {
            path.window = ReplayWindow::above(self.highest);
        } else {
            self.used_paths.push(options.id);
        }
        path
    }

    /// A kit's end: the link is gone (its interface went away, a person took it out).
    pub fn drop_path(&mut self, path: PathId, now: Micros) {
        let Some(index) = self.paths.position(path) else { return };
        self.take_path_out(index, "path-dropped", now);
        self.paths.list.remove(index);
        self.paths.rank(now);
        self.tell_peer(Control::PathGone(path));
    }

    /// The connection that carries a path broke; at a kit call `drop_path` or `add_path` with the next one.
    pub fn lost(&mut self, remote: Remote, now: Micros) {
        if let Some(index) = self.paths.list.iter().position(|path| path.remote == Some(remote)) {
            self.take_path_out(index, "path-broken", now);
            if !self.is_kit() {
                (self.paths.list[index].remote, self.paths.list[index].candidate) = (None, None);
            }
        }
    }

    /// Neither dialling nor up: the object can be dropped.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    pub fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Up)
    }

    /// When something authentic came last; the beginning, before that.
    pub fn heard(&self) -> Micros {
        self.heard
    }

    /// A path leads there: something authentic came from it.
    pub fn leads_to(&self, remote: Remote) -> bool {
        self.paths.list.iter().any(|path| path.remote == Some(remote))
    }

    /// The center's index for it, which its datagrams are found by; a kit's own.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Take a datagram in; it is opened in place. `path` is known at a kit (whose socket it was), `from` at a center.
    pub fn receive(&mut self, path: Option<PathId>, from: Option<Remote>, datagram: &mut [u8], now: Micros) {
        self.take_in(path, from, datagram, now);
    }

    /// The next datagram, written to `buf` (`MAX_DATAGRAM_BYTES` at least). Consecutive ones of one path are mostly of one
    /// size: an engine may gather them for UDP_SEGMENT.
    pub fn transmit(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        self.next_datagram(now, buf)
    }

    /// When to call `handle_timer` and `transmit` next, should nothing come before.
    pub fn next_timer(&self) -> Option<Micros> {
        self.earliest_timer()
    }

    pub fn handle_timer(&mut self, now: Micros) {
        self.tick(now);
    }

    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            let unit = self.events.iter().position(|event| matches!(event, Event::Unit { .. }));
            self.events.remove(unit.unwrap_or(0));
        }
        self.events.push_back(event);
    }

    /// Tell the peer that we go, for `code`; what `transmit` gives from now on is the farewell. Ends with `Event::Down`.
    pub fn close(&mut self, code: &'static str, now: Micros) {
        match self.stage {
            Stage::Up => self.stage = Stage::Closing { code, left: 3, next: now },
            Stage::Closing { .. } | Stage::Over => {}
            Stage::Greeted => self.stage = Stage::Over,
            Stage::Dialling(_) => {
                self.stage = Stage::Over;
                self.event(Event::Down { code, detail: String::new() });
            }
        }
    }

    /// A frame for the peer, once; it is repeated until it came.
    pub(super) fn tell_peer(&mut self, control: Control) {
        if self.keys.is_some() && self.control.len() <= MAX_CONTROL && !self.control.contains(&control) {
            self.control.push_back(control);
        }
    }

    /// Ask the peer for a key unit of a flow of its: `KeyWanted` there.
    pub fn want_key(&mut self, flow: FlowId, now: Micros) {
        let Some(known) = self.flows_in.iter_mut().find(|known| known.id == flow) else { return };
        known.reader_wishes();
        if known.wishes_key(now) {
            self.tell_peer(Control::KeyWish(flow));
        }
    }

    /// Queue one unit of our flow. `false`: not taken (no session, no such flow, no room); it is counted, and `KeyWanted` may follow.
    pub fn send_unit(&mut self, flow: FlowId, unit: Bytes, key: bool, now: Micros) -> bool {
        if !self.is_up() {
            return false;
        }
        // What a slow path cannot take is not wanted of the quick one.
        let copies = self.paths.near().nth(1).is_some();
        let Some(flow) = self.flows_out.iter_mut().find(|known| known.id == flow) else { return false };
        let twice = copies && flow.options.mode == Mode::Duplicate;
        self.meter.add(unit.len() * if twice { 2 } else { 1 }, now);
        flow.give(unit, key, now)
    }

    /// Open a reliable stream; the peer is told its purpose. `None`: no session, or too many streams.
    pub fn stream_open(&mut self, purpose: &str) -> Option<StreamId> {
        self.is_up().then(|| self.streams.open(purpose)).flatten()
    }

    /// How much was taken; `StreamWritable` follows when it was not all.
    pub fn stream_write(&mut self, stream: StreamId, data: &[u8]) -> usize {
        self.streams.write(stream, data)
    }

    /// Read up to `max` bytes onto the end of `out`; how many. 0: nothing there now, or finished.
    pub fn stream_read(&mut self, stream: StreamId, out: &mut Vec<u8>, max: usize) -> usize {
        self.streams.read(stream, out, max, &mut self.events)
    }

    /// No more bytes from us; the other way stays open.
    pub fn stream_finish(&mut self, stream: StreamId) {
        self.streams.finish(stream);
    }

    /// Give the stream up both ways; what is under way is dropped.
    pub fn stream_reset(&mut self, stream: StreamId) {
        self.streams.reset(stream);
    }

    pub fn figures(&self, now: Micros) -> Figures {
        let paths = self.paths.list.iter().map(|path| path.figures(now));
        let flows = self.flows_out.iter().map(FlowOut::figures);
        Figures {
            paths: paths.collect(),
            flows: flows.chain(self.flows_in.iter().map(FlowIn::figures)).collect(),
            usable_bps: self.paths.pictures_bps() as u64,
            wanted_bps: self.meter.wanted_bps(now),
            refused_packets: self.refused_packets,
        }
    }

    /// Order of service: strict, but now and then files come first so that they never stand still.
    pub(super) fn classes(&self) -> [Class; 6] {
        let [a, b, c, d, e, bulk] = Class::ALL;
        if self.turn % 32 == 31 {
            [a, b, bulk, c, d, e]
        } else {
            Class::ALL
        }
    }
}
