//! Datagrams out: which is due, what goes into it, sealing and noting it.

use super::flow::{Class, Mode};
use super::flow_out::Lane;
use super::frame::{Frame, MAX_WANTED, UNIT_HEADER_BYTES};
use super::frame_write::Writer;
use super::item::{Control, Item};
use super::path::Path;
use super::session::{Session, Stage};
use super::session_pick::{Filling, Job};
use super::suite::TAG_BYTES;
use super::types::{PathId, Remote, Transmit};
use super::wire::{DATA_HEADER_BYTES, DATA_PREFIX_BYTES};
use crate::time::Micros;

pub(super) const FRAMES_AT: usize = DATA_HEADER_BYTES + DATA_PREFIX_BYTES;
/// Time that is too short for a second try: the piece goes over two paths at once.
const SHORT_US: i64 = 20_000;

/// Reports alone then take a twentieth of 64 kb/s.
const THIN_REPORT_US: u64 = 150_000;
/// The format in which a path's barred classes are told; before, these bits were 0.
const BARRED_SINCE: u8 = 3;

/// A probe and an answer or two.
pub(super) const LEAST_BYTES: usize = 100;

/// A datagram that is being made.
pub(super) struct Draft {
    pub path: usize,
    pub end: usize,
    /// It wants a report.
    pub asks: bool,
    /// Nothing in it could have waited.
    pub urgent: bool,
}

impl Session {
    pub(super) fn next_datagram(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        match self.stage {
            Stage::Dialling(_) => self.next_greeting(now, buf),
            Stage::Greeted => self.next_accept(buf),
            Stage::Up => {
                self.wake = None;
                let made = self
                    .next_accept(buf)
                    .or_else(|| self.next_question(now, buf))
                    .or_else(|| self.next_probe(now, buf))
                    .or_else(|| self.next_due(now, buf))
                    .or_else(|| self.next_payload(now, buf))
                    .or_else(|| self.next_filling(now, buf));
                if made.is_none() {
                    self.idle = now;
                }
                made
            }
            Stage::Closing { .. } => self.next_farewell(now, buf),
            Stage::Over => None,
        }
    }

    /// What must go over a certain path now: answers, probes, reports, frames for the peer.
    fn next_due(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        for index in 0..self.paths.list.len() {
            let path = &self.paths.list[index];
            let due = !path.pongs.is_empty() || now >= path.ping_at;
            if due && self.leads_somewhere(index) && path.may_send(LEAST_BYTES) {
                return self.packet(index, now, buf);
            }
        }
        self.make_reports(self.report_patience_us(), now);
        let (best, second) = self.two_best();
        if !self.reports.is_empty() || !self.wants.is_empty() {
            // A copy that comes much later tells nothing new.
            let over = match self.reported_over {
                None => best,
                Some(_) => second.filter(|index| self.paths.is_near(*index)),
            };
            if let Some(over) = over {
                return self.packet(over, now, buf);
            }
            self.reports_done(None);
        }
        if !self.control.is_empty() || !self.streams.control.is_empty() {
            return self.packet(best?, now, buf);
        }
        if !self.control_copies.is_empty() {
            if let Some(second) = second {
                return self.packet(second, now, buf);
            }
            self.control_copies.clear();
        }
        None
    }

    /// The best path, and the best of another name: what must not be lost goes over both.
    fn two_best(&self) -> (Option<usize>, Option<usize>) {
        let best = self.paths.ordered().next();
        let name = best.map(|index| &self.paths.list[index].name);
        let second = self.paths.ordered().skip(1).find(|index| Some(&self.paths.list[*index].name) != name);
        (best, second)
    }

    /// There is an address to send to.
    pub(super) fn leads_somewhere(&self, index: usize) -> bool {
        self.is_kit() || self.paths.list[index].remote.is_some()
    }

    /// How long a report waits for a datagram that goes anyway: alone it is all headers, and on a thin link they weigh.
    pub(super) fn report_patience_us(&self) -> u64 {
        if self.paths.is_thin() {
            THIN_REPORT_US
        } else {
            0
        }
    }

    /// When a report is due, all paths that have news tell them; after `patience_us` if need be alone.
    fn make_reports(&mut self, patience_us: u64, now: Micros) {
        let is_due = |due: Option<Micros>| due.is_some_and(|due| due <= now);
        let due = self.paths.list.iter().any(|path| is_due(path.received.due_alone(patience_us)));
        if !due || self.paths.are_in() == 0 {
            return;
        }
        self.reported_over = None;
        self.reports.clear();
        for path in self.paths.list.iter_mut().filter(|path| path.received.has_news()) {
            self.reports.extend(path.received.report(path.id, now));
        }
    }

    /// Reports and wants went over `path`; after the second they are done.
    fn reports_done(&mut self, path: Option<PathId>) {
        match (self.reported_over, path) {
            (None, Some(path)) => self.reported_over = Some(path),
            _ => {
                self.reported_over = None;
                self.reports.clear();
                self.wants.clear();
            }
        }
    }

    fn next_payload(&mut self, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        let (_, path) = self.pick(None, now)?;
        self.packet(path, now, buf)
    }

    pub(super) fn put(&mut self, draft: &mut Draft, buf: &mut [u8], frame: &Frame<'_>) -> bool {
        let limit = self.limit(draft.path);
        let mut writer = Writer::new(&mut buf[..limit], draft.end);
        let put = writer.put(frame);
        draft.end = writer.position();
        put
    }

    /// Where the frames of a datagram for the path must end.
    fn limit(&self, path: usize) -> usize {
        usize::from(self.paths.list[path].mtu.known()) - TAG_BYTES
    }

    /// A datagram for the path with all that is to go there, as far as it fits.
    fn packet(&mut self, index: usize, now: Micros, buf: &mut [u8]) -> Option<Transmit> {
        let mut draft = Draft { path: index, end: FRAMES_AT, asks: false, urgent: true };
        self.items.clear();
        self.put_answers(&mut draft, buf, now);
        let life = &self.paths.list[index].life;
        let life_in = life.is_in();
        if life_in || life.answers() {
            if self.reports.is_empty() {
                self.make_reports(0, now);
            }
            self.put_reports(&mut draft, buf);
            self.put_control(&mut draft, buf);
            // What shows that a path is back must pass whatever its MTU is now.
            if life_in || draft.end == FRAMES_AT {
                self.fill(&mut draft, buf, now);
            }
        }
        if draft.end == FRAMES_AT {
            return None;
        }
        self.turn = self.turn.wrapping_add(1);
        self.seal(draft, buf, None, now)
    }

    fn put_answers(&mut self, draft: &mut Draft, buf: &mut [u8], now: Micros) {
        while let Some(nonce) = self.paths.list[draft.path].pongs.pop() {
            self.put(draft, buf, &Frame::Pong(nonce));
        }
        if now >= self.paths.list[draft.path].ping_at {
            let nonce = self.paths.list[draft.path].ping(now);
            self.put(draft, buf, &Frame::Ping(nonce));
            // A PING has its own answer: no report is needed for it.
            self.paths.list[draft.path].life.asked(now);
            self.plan_ping(draft.path, now);
        }
    }

    fn put_reports(&mut self, draft: &mut Draft, buf: &mut [u8]) {
        let id = self.paths.list[draft.path].id;
        if (self.reports.is_empty() && self.wants.is_empty()) || self.reported_over == Some(id) {
            return;
        }
        let (reports, wants) = (std::mem::take(&mut self.reports), std::mem::take(&mut self.wants));
        for report in &reports {
            self.put(draft, buf, &Frame::Report(*report));
        }
        let limit = self.limit(draft.path);
        let mut writer = Writer::new(&mut buf[..limit], draft.end);
        for (flow, unit, indexes) in &wants {
            writer.want(*flow, *unit, indexes);
        }
        draft.end = writer.position();
        (self.reports, self.wants) = (reports, wants);
        self.reports_done(Some(id));
    }

    fn put_control(&mut self, draft: &mut Draft, buf: &mut [u8]) {
        let is_best = self.paths.ordered().next() == Some(draft.path);
        if !is_best {
            let mut copies = std::mem::take(&mut self.control_copies);
            copies.retain(|control| !self.put_one(draft, buf, *control));
            self.control_copies = copies;
            return;
        }
        while let Some(control) = self.streams.control.pop_front() {
            self.tell_peer(control);
        }
        while let Some(control) = self.control.pop_front() {
            if !self.put_one(draft, buf, control) {
                self.control.push_front(control);
                return;
            }
            if self.control_copies.len() < MAX_WANTED && self.paths.are_in() > 1 {
                self.control_copies.push(control);
            }
        }
    }

    /// Write a frame as it holds now. True: written, or it does not hold any more.
    fn put_one(&mut self, draft: &mut Draft, buf: &mut [u8], control: Control) -> bool {
        let limit = self.limit(draft.path);
        let mut writer = Writer::new(&mut buf[..limit], draft.end);
        let written = match control {
            Control::Flow(id) => match self.flows_out.iter().find(|flow| flow.id == id) {
                Some(flow) => writer.put(&Frame::Flow { flow: id, options: flow.options, first: flow.opening }),
                None => return true,
            },
            Control::FlowClose(flow, first) => writer.put(&Frame::FlowClose { flow, first }),
            Control::FlowStop(flow, first) => writer.put(&Frame::FlowStop { flow, first }),
            Control::KeyWish(flow) => writer.put(&Frame::KeyWish(flow)),
            Control::Open(id) => match self.streams.get(id) {
                Some(stream) => writer.put(&Frame::Open { id, purpose: &stream.purpose }),
                None => return true,
            },
            Control::Window(id) => match self.streams.window(id) {
                Some(offset) => writer.put(&Frame::Window { id, offset }),
                None => return true,
            },
            Control::Reset(id) => writer.put(&Frame::Reset(id)),
            Control::Path(id) => match self.paths.get(id) {
                Some(&Path { kind, cost, barred, ref name, .. }) => {
                    let barred = if self.format < BARRED_SINCE { 0 } else { barred };
                    writer.put(&Frame::Path { path: id, kind, cost, barred, name })
                }
                None => return true,
            },
            Control::PathGone(path) => writer.put(&Frame::PathGone(path)),
            Control::Rekey => match &self.rekey {
                Some(rekey) => {
                    let second = self.guest.is_some();
                    writer.put(&Frame::Rekey { second, phase: rekey.phase, noise: &rekey.message })
                }
                None => return true,
            },
        };
        if written {
            draft.end = writer.position();
            draft.asks = true;
            self.items.push(Item::Control(control));
        }
        written
    }

    /// Pieces and parts, as long as they take this path and fit.
    fn fill(&mut self, draft: &mut Draft, buf: &mut [u8], now: Micros) {
        let limit = self.limit(draft.path);
        loop {
            let room = limit - draft.end;
            // Full, as a rule: nothing is looked for that could not be put.
            if room < UNIT_HEADER_BYTES {
                return;
            }
            let Some((job, path)) = self.pick(Some(Filling { path: draft.path, room }), now) else { return };
            let id = self.paths.list[path].id;
            let mut writer = Writer::new(&mut buf[..limit], draft.end);
            match job {
                Job::Piece(place, turn) => {
                    let flow = &mut self.flows_out[place];
                    let Some((head, body)) = flow.piece(&turn) else { return };
                    if !writer.piece(flow.id, head, body) {
                        return;
                    }
                    let near = self.paths.is_near(path);
                    draft.urgent &= flow.options.class <= Class::Voice;
                    self.items.push(Item::Piece { flow: flow.id, unit: turn.unit, index: turn.index, near });
                    // Another round would come too late: a second copy now is the better one.
                    let answer = self.paths.list[path].feedback.us().unwrap_or(100_000) as i64;
                    let short = flow.left_us(turn.at, 0, now) < 2 * answer + SHORT_US;
                    // Where everything goes twice what is lost does too, and wherever there is room for it.
                    let twice = short || self.cutting.copies || flow.options.mode == Mode::Duplicate;
                    let twice = match turn.lane {
                        Lane::Again => twice,
                        // The quick way is only suspect: a burst is no reason to hang on the slow one alone.
                        Lane::First => !near && self.paths.near().next().is_some(),
                        Lane::Twin | Lane::Copy => false,
                    };
                    flow.took(&turn, (id, near), twice, now);
                }
                Job::Part(id, part) => {
                    let Some(stream) = self.streams.get(id) else { return };
                    if !writer.stream(id, part.offset, part.fin, stream.out.bytes(&part)) {
                        return;
                    }
                    self.streams.sent(id, &part);
                    draft.urgent = false;
                    let (offset, len, fin) = (part.offset, part.len as u16, part.fin);
                    self.items.push(Item::Stream { id, offset, len, fin });
                }
            }
            draft.end = writer.position();
            draft.asks = true;
        }
    }

    pub(super) fn seal(&mut self, draft: Draft, buf: &mut [u8], to: Option<Remote>, now: Micros) -> Option<Transmit> {
        let path = &mut self.paths.list[draft.path];
        let number = path.sent.next_number() as u32;
        buf[DATA_HEADER_BYTES..DATA_HEADER_BYTES + 3].copy_from_slice(&number.to_be_bytes()[1..]);
        buf[DATA_HEADER_BYTES + 3..FRAMES_AT].copy_from_slice(&super::report::ticks(now).to_be_bytes()[1..]);
        let len = self.keys.as_mut()?.seal(path.id, buf, draft.end)?;
        path.sent.push(len, &self.items, draft.asks, now, &mut self.outcomes);
        self.items.clear();
        path.left(len, draft.urgent, now);
        path.given += len as f64 / path.rate.usable_bps().sqrt();
        if draft.asks {
            path.life.asked(now);
        }
        let (id, to) = (path.id, to.or(path.remote));
        if !self.outcomes.is_empty() {
            self.settle(now);
        }
        Some(Transmit { path: id, to, len })
    }
}
