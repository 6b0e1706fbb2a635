//! A line that feeds a stream: what its reader found goes to the hub, to people and to Python.

use super::event::*;
use super::ingest::{Ingest, IngestConfig};
use super::leg::{Leg, Source};
use super::line::{Brought, Held, Line, Over};
use super::pace_in::PaceIn;
use super::sys::Epoll;
use super::worker::{Live, Sock, Worker};
use crate::container::Found;
use crate::hub::unit::Codec;
use crate::time::Micros;

/// A problem is told at most once in so long, by its code; Python hears of the rest that was found in between.
const PROBLEM_US: u64 = 1_000_000;
/// SMPTE ST 336 packets for Python.
const KLV_BYTES: usize = 8 << 10;
const KLV_PER_SECOND: u32 = 10;

pub struct LineIn {
    pub held: Held,
    pace: Option<PaceIn>,
    /// It was a wire: messages and its end are told under the leg's handle.
    wire: bool,
    /// It is over; what is kept back goes on first.
    over: Option<Over>,
    reading: bool,
    told: Vec<(&'static str, Micros)>,
    klv: (Micros, u32),
    codec: Option<Codec>,
    pub packets: u64,
    pub bytes: u64,
}

/// How a line is made a leg.
pub struct LineInOrder {
    pub id: LegId,
    pub stream: StreamId,
    pub line: Box<dyn Line>,
    pub stall_ms: u64,
    pub paced: bool,
    pub wire: bool,
}

impl LineIn {
    pub fn next_timer(&self) -> Option<Micros> {
        let pace = self.pace.as_ref().and_then(PaceIn::next_timer);
        pace.into_iter().chain(self.held.line.next_timer()).min()
    }

    /// For what it wants now.
    pub(super) fn watch(&mut self, epoll: &Epoll) {
        self.held.watch(epoll, self.reading && self.over.is_none());
    }

    /// What its picture, or else its sound, is.
    pub fn payload(&self) -> &'static str {
        self.codec.map_or("", Codec::name)
    }

    fn may_tell(&mut self, code: &'static str, now: Micros) -> bool {
        match self.told.iter_mut().find(|(told, _)| *told == code) {
            Some((_, at)) if now.since(*at) < PROBLEM_US => return false,
            Some((_, at)) => *at = now,
            None => self.told.push((code, now)),
        }
        true
    }

    fn may_tell_klv(&mut self, bytes: usize, now: Micros) -> bool {
        if now.since(self.klv.0) >= 1_000_000 {
            self.klv = (now, 0);
        }
        self.klv.1 += 1;
        bytes <= KLV_BYTES && self.klv.1 <= KLV_PER_SECOND
    }
}

impl Worker {
    pub fn open_line_in(&mut self, order: LineInOrder) {
        let LineInOrder { id, stream, line, stall_ms, paced, wire } = order;
        if !self.streams.contains_key(&stream) {
            return;
        }
        let held = self.hold(line, id, true);
        let address = held.line.address();
        let source = Source::Line(Box::new(LineIn {
            held,
            pace: paced.then(PaceIn::default),
            wire,
            over: None,
            reading: true,
            told: Vec::new(),
            klv: (Micros(0), 0),
            codec: None,
            packets: 0,
            bytes: 0,
        }));
        let ingest = Ingest::new(IngestConfig::default());
        let mut leg = Leg::new(id, stream, ingest, source, stall_ms * 1000, self.now);
        leg.address = address;
        self.add_leg(leg);
        // What was read before it came here.
        self.guard(stream, |w| w.leg_line(id));
    }

    /// Watch a line for `handle`.
    pub(super) fn hold(&mut self, mut line: Box<dyn Line>, handle: u64, reading: bool) -> Held {
        line.held_by(handle);
        let token = line.fd().map(|_| self.token(Sock::Line(handle)));
        let mut held = Held::new(line, token);
        held.watch(&self.epoll, reading);
        held
    }

    /// Watch it no longer.
    pub(super) fn let_go(&mut self, held: Held) -> Box<dyn Line> {
        if let (Some(fd), Some(token)) = (held.line.fd(), held.token) {
            self.unwatch(fd, token);
        }
        held.line
    }

    /// A line of a leg has something, takes something, or its time has come.
    pub fn leg_line(&mut self, id: LegId) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        let now = self.now;
        let Source::Line(l) = &mut leg.source else {
            self.legs.insert(id, leg);
            return;
        };
        let mut brought = Brought::default();
        if l.over.is_none() && l.reading {
            let result = l.held.line.work(now, &mut self.scratch, &mut brought);
            if let Err(over) = result {
                l.held.line.flush(now, &mut brought.found);
                l.over = Some(over);
            }
        }
        l.packets += brought.packets;
        l.bytes += brought.bytes;
        self.packets_in += brought.packets;
        self.bytes_in += brought.bytes;
        leg.address = brought.from.or(leg.address);
        if brought.packets > 0 {
            leg.last_packet = now;
        }
        for mut told in brought.told.drain(..) {
            told.wire = id;
            self.events.push(Event::Wire(told));
        }
        self.line_found(leg, brought.found);
        if brought.more {
            self.work_again(id);
        }
    }

    /// Its timer rang.
    pub(super) fn leg_line_due(&mut self, leg: &Leg) -> bool {
        matches!(&leg.source, Source::Line(l) if l.next_timer().is_some_and(|at| at <= self.now))
    }

    fn line_found(&mut self, mut leg: Leg, found: Vec<Found>) {
        let now = self.now;
        let Source::Line(l) = &mut leg.source else { return };
        let mut out = found;
        if let Some(pace) = &mut l.pace {
            let all = std::mem::take(&mut out);
            pace.due(now, &mut out);
            for found in all {
                pace.put(found, now, &mut out);
            }
        }
        if !out.is_empty() {
            let Some(mut live) = self.take(leg.stream) else { return };
            for found in out {
                self.one_found(&mut live, &mut leg, found);
            }
            self.pump_all(&mut live);
            self.put(live);
        }
        let Source::Line(l) = &mut leg.source else { return };
        let kept = l.pace.as_ref().is_some_and(|p| !p.is_empty());
        l.reading = l.over.is_none() && !l.pace.as_ref().is_some_and(|p| p.is_full(now));
        l.held.watch(&self.epoll, l.reading);
        let ended = if kept { None } else { l.over.take() };
        let wire = l.wire;
        self.set_leg_timer(&mut leg);
        let id = leg.id;
        if let Some(over) = ended {
            let closed =
                WireTold { code: over.code, detail: over.detail.clone(), ..WireTold::new(id, WireState::Closed) };
            self.events.push(leg.event(LegState::Closed, over.code, over.detail));
            self.legs.insert(id, leg);
            self.close_leg(id);
            if wire {
                self.events.push(Event::Wire(closed));
            }
        } else {
            self.legs.insert(id, leg);
        }
    }

    fn one_found(&mut self, live: &mut Live, leg: &mut Leg, found: Found) {
        let now = self.now;
        let Source::Line(l) = &mut leg.source else { return };
        match found {
            Found::Track(params) => {
                if l.codec.is_none_or(|known| known.kind() >= params.codec.kind()) {
                    l.codec = Some(params.codec);
                }
                let payload = params.codec.name();
                let changed = live.hub.set_track(leg.id, params).into_iter().collect();
                self.tracks_changed(live, changed);
                self.leg_heard(leg, payload);
            }
            Found::Unit(unit) => {
                self.leg_unit(live, leg, &unit);
            }
            Found::Klv(packet) => {
                if l.may_tell_klv(packet.len(), now) {
                    let (stream, leg) = (leg.stream, leg.id);
                    self.events.push(Event::Data { stream, leg, kind: DataKind::Klv, data: packet.to_vec() });
                }
            }
            Found::Programs(json) => {
                let (stream, leg) = (leg.stream, leg.id);
                self.events.push(Event::Data { stream, leg, kind: DataKind::Programs, data: json.into_bytes() });
            }
            Found::Discontinuity => live.hub.renew_leg(leg.id),
            Found::Problem { code, detail } => {
                if l.may_tell(code, now) {
                    self.events.push(leg.event(LegState::Problem, code, detail));
                }
            }
        }
    }
}
