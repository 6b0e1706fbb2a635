//! Datagrams in: opened, counted for their path, and their frames handed to whom they concern.

use super::codes;
use super::frame::{next_frame, Frame};
use super::item::{Acked, Control, Item, Outcome};
use super::path::MAX_PONGS;
use super::paths::MAX_PATHS;
use super::rekey::Rekey;
use super::report::Report;
use super::session::{Session, Stage};
use super::stream_out::Part;
use super::suite;
use super::types::{Event, PathId, PathKind, PathOptions, Remote};
use super::wire::{DataHeader, Datagram, DATA_PREFIX_BYTES};
use crate::bytes::Reader;
use crate::error::ParseError;
use crate::time::Micros;

impl Session {
    pub(super) fn take_in(&mut self, path: Option<PathId>, from: Option<Remote>, datagram: &mut [u8], now: Micros) {
        match Datagram::parse(datagram) {
            Ok(Datagram::Data(header)) => self.on_data(path, from, header, datagram, now),
            Ok(Datagram::Accept { receiver, noise }) => self.on_accept(path, receiver, noise, now),
            Ok(Datagram::Refuse { receiver, code, formats }) => self.on_refuse(receiver, code, formats, now),
            Ok(Datagram::Retry { receiver, cookie }) => self.on_retry(path, receiver, cookie, now),
            Ok(Datagram::Reset { token, .. }) => self.on_reset(&token, now),
            // The door found that it repeats the greeting that this session began with.
            Ok(Datagram::Init(_)) => self.repeat_accept(from),
            Err(_) => self.refused_packets += 1,
        }
    }

    fn repeat_accept(&mut self, from: Option<Remote>) {
        if let (Some(guest), Some(from)) = (&mut self.guest, from) {
            guest.greeted(from);
        }
    }

    fn on_data(
        &mut self,
        hint: Option<PathId>,
        from: Option<Remote>,
        header: DataHeader,
        datagram: &mut [u8],
        now: Micros,
    ) {
        let len = datagram.len();
        let known = self.paths.position(header.path);
        // A kit's socket belongs to its path; a number that came before is a replay.
        let fits = header.receiver == self.index && hint.is_none_or(|hint| hint == header.path);
        let is_new = known.is_none_or(|index| self.paths.list[index].window.is_new(header.number));
        let Some(keys) = self.keys.as_mut().filter(|_| fits && is_new && !matches!(self.stage, Stage::Over)) else {
            self.refused_packets += 1;
            return;
        };
        let Some(plain) = keys.open(&header, datagram, now) else {
            self.refused_packets += 1;
            return;
        };
        if matches!(self.stage, Stage::Closing { .. }) {
            return; // It was told to go: whatever it still says is not heard.
        }
        let Some(index) = known.or_else(|| self.new_guest_path(header.path, from, now)) else {
            self.refused_packets += 1;
            return;
        };
        if matches!(self.stage, Stage::Greeted) {
            self.stage = Stage::Up;
            self.begin_guest(now);
        }
        self.heard = now;
        self.is_there(now);
        self.highest = self.highest.max(header.number + 1);
        let path = &mut self.paths.list[index];
        let newest = path.window.is_newest(header.number);
        path.window.take(header.number);
        path.heard(len, now);
        let word = |at: usize| u32::from(plain[at]) << 16 | u32::from(plain[at + 1]) << 8 | u32::from(plain[at + 2]);
        let (number, sent) = (word(0), word(3));
        self.note_address(index, from, now);
        match self.take_frames(index, from, &plain[DATA_PREFIX_BYTES..], now) {
            Ok(asks) => {
                let path = &mut self.paths.list[index];
                let number = path.received.number(number, newest);
                path.received.came(number, sent, len, asks, now);
            }
            Err(error) => self.close_for(error, now),
        }
        self.hand_on_units(now);
    }

    /// The peer authenticated itself and yet writes what the format does not allow: one of us is broken.
    fn close_for(&mut self, error: ParseError, now: Micros) {
        self.refused_packets += 1;
        self.end("bundle-protocol", error.to_string(), now);
    }

    /// A center learns of a kit's path by its first packet.
    fn new_guest_path(&mut self, id: PathId, from: Option<Remote>, now: Micros) -> Option<usize> {
        let from = from.filter(|_| !self.is_kit() && self.paths.list.len() < MAX_PATHS)?;
        let kind = match from {
            Remote::Udp(_) => PathKind::Udp,
            Remote::Stream(_) => PathKind::Stream,
        };
        let mtu = super::wire::MAX_DATAGRAM_BYTES as u16;
        let options = PathOptions { id, name: format!("path-{id}"), kind, mtu, cost: 0, barred: 0 };
        let path = self.new_path(&options, Some(from), now);
        self.paths.list.push(path);
        Some(self.paths.list.len() - 1)
    }

    /// Where an authentic packet came from, if that is not where the path led so far.
    fn note_address(&mut self, index: usize, from: Option<Remote>, now: Micros) {
        let Some(from) = from.filter(|_| !self.is_kit()) else { return };
        let path = &mut self.paths.list[index];
        if !path.is_strange(from, now) {
            return;
        }
        if path.remote.is_none() && matches!(from, Remote::Stream(_)) {
            return path.take_connection(from, now);
        }
        let greeted = self.guest.as_mut().is_some_and(|guest| guest.takes_greeting(from));
        path.ask_address(from, if greeted { super::wire::INIT_BYTES } else { 0 }, now);
    }

    fn take_frames(
        &mut self,
        index: usize,
        from: Option<Remote>,
        frames: &[u8],
        now: Micros,
    ) -> Result<bool, ParseError> {
        let mut reader = Reader::new(frames);
        let mut asks = false;
        while let Some(frame) = next_frame(&mut reader)? {
            asks |= !matches!(frame, Frame::Report(_) | Frame::Pong(_) | Frame::Bye { .. } | Frame::Want { .. });
            let tells = matches!(
                frame,
                Frame::Flow { .. }
                    | Frame::FlowClose { .. }
                    | Frame::FlowStop { .. }
                    | Frame::Open { .. }
                    | Frame::Reset(_)
                    | Frame::Path { .. }
            );
            let events = self.events.len();
            self.on_frame(index, from, frame, now);
            if tells && self.events.len() > events && !self.told.take(now) {
                return Err(ParseError::new("flows, streams and paths come and go too fast", reader.position()));
            }
            if self.keys.is_none() {
                break; // it was a farewell
            }
        }
        Ok(asks)
    }

    fn on_frame(&mut self, index: usize, from: Option<Remote>, frame: Frame<'_>, now: Micros) {
        match frame {
            Frame::Ping(nonce) => {
                let pongs = &mut self.paths.list[index].pongs;
                if pongs.len() < MAX_PONGS {
                    pongs.push(nonce);
                }
            }
            Frame::Pong(nonce) => self.on_pong(index, from, nonce, now),
            Frame::Report(report) => self.on_report(&report, now),
            Frame::Want { flow, unit, indexes } => {
                let fresh = self.paths.best().and_then(|path| path.feedback.us()).unwrap_or(100_000);
                if let Some(flow) = self.flows_out.iter_mut().find(|known| known.id == flow) {
                    flow.wanted(unit, indexes.iter(), fresh, now);
                }
            }
            Frame::Fill => {}
            Frame::Piece(piece) => self.on_piece(&piece, now),
            Frame::Stream { id, offset, fin, body } => {
                if !self.streams.on_data(id, offset, body, fin, &mut self.events) {
                    self.close_for(ParseError::new("a stream beyond its window or its end", 0), now);
                }
            }
            Frame::Open { id, purpose } => self.streams.on_open(id, purpose, &mut self.events),
            Frame::Window { id, offset } => self.streams.on_window(id, offset),
            Frame::Reset(id) => self.streams.on_reset(id, &mut self.events),
            Frame::Flow { flow, options, first } => self.on_flow(flow, options, first, now),
            Frame::FlowClose { flow, first } => self.on_flow_close(flow, first),
            Frame::FlowStop { flow, first } => self.on_flow_stop(flow, first),
            Frame::KeyWish(flow) => {
                let known = self.flows_out.iter_mut().find(|known| known.id == flow);
                if known.is_some_and(|known| known.waiting.asks_key(now)) {
                    self.event(Event::KeyWanted { flow });
                }
            }
            Frame::Path { path, kind, cost, barred, name } => self.on_path_named(path, (kind, cost, barred), name),
            Frame::PathGone(path) => {
                if let Some(gone) = self.paths.position(path).filter(|gone| !self.is_kit() && *gone != index) {
                    self.take_path_out(gone, "path-dropped", now);
                    self.paths.list[gone].remote = None;
                }
            }
            Frame::Rekey { second, phase, noise } => self.on_rekey(second, phase, noise, now),
            Frame::Bye { code, detail } => self.end(codes::ending(code), detail.to_owned(), now),
        }
    }

    fn on_pong(&mut self, index: usize, from: Option<Remote>, nonce: u64, now: Micros) {
        let path = &mut self.paths.list[index];
        if path.address_answer(nonce, from, now) {
            return self.paths.rank(now);
        }
        let open = path.sent.oldest_open();
        if let Some(sent) = path.pong(nonce) {
            path.rtt.sample(now.since(sent));
            path.life.answered(sent, open, now);
            path.mtu.answered(nonce, now);
            self.look_at(index, now);
        }
    }

    fn on_report(&mut self, report: &Report, now: Micros) {
        let (quickest, typical) = (self.paths.relative(report.quickest), self.paths.relative(report.typical));
        // A copy that took a slow path tells of the past: good for what came, not for how things are.
        let before = self.paths.get(report.path).and_then(|path| path.told_arrived);
        let fresh = before.is_none_or(|(before, at)| {
            super::wire::delta24(before, report.arrived) > 0 || now.since(at) > super::rate::LONG_AGO_US
        });
        if fresh {
            self.paths.list.iter_mut().for_each(|path| path.reported = now);
        }
        let Some(path) = self.paths.get_mut(report.path) else { return };
        let acked = path.sent.report(report, now, &mut self.outcomes);
        if fresh {
            path.told_arrived = Some((report.arrived, now));
            self.judge_path(report, &acked, quickest, typical, now);
        }
        self.settle(now);
        if let Some(index) = self.paths.position(report.path) {
            self.look_at(index, now);
        }
    }

    /// What a fresh report says of its path: delay, round trip, rate.
    fn judge_path(&mut self, report: &Report, acked: &Acked, quickest: i64, typical: i64, now: Micros) {
        let Some(path) = self.paths.get_mut(report.path) else { return };
        path.delay.sample(quickest, typical, now);
        path.figures.packets_lost += u64::from(acked.lost);
        if let Some(sent) = acked.newest_sent {
            let held = u64::from(report.held) * super::wire::TICK_US;
            path.feedback.sample(now.since(sent).saturating_sub(held));
            path.hold_us = held.max(path.hold_us - path.hold_us / 16);
            if path.candidate.is_some_and(|candidate| candidate.shows_before(report.highest, sent)) {
                path.keep_address(now);
            }
            let open = path.sent.oldest_open();
            path.life.answered(sent, open, now);
            path.passed = acked.newest_total;
        }
        let seen = super::rate::Seen {
            bytes: report.bytes,
            arrived: report.arrived,
            sent: path.figures.bytes_out,
            passed: path.passed,
            queue_us: path.delay.queue_us(),
            loss: path.loss(now),
        };
        if path.life.is_in() && path.rate.report(&seen, now) == super::rate::Verdict::Rebase {
            path.delay.rebase(now);
        }
    }

    /// Work off what reports and overdue answers brought out.
    pub(super) fn settle(&mut self, now: Micros) {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        for Outcome { item, came } in outcomes.drain(..) {
            match item {
                Item::Piece { flow, unit, index, near } => {
                    if let Some(flow) = self.flows_out.iter_mut().find(|known| known.id == flow) {
                        flow.settled(unit, index, near, came);
                    }
                }
                Item::Stream { id, offset, len, fin } => {
                    let part = Part { offset, len: len.into(), fin };
                    self.streams.settled(id, &part, came, &mut self.events);
                }
                Item::Control(control) if !came => self.repeat(control, now),
                Item::Control(_) => {}
            }
        }
        self.outcomes = outcomes;
    }

    /// A frame was lost: say it again if it still holds.
    fn repeat(&mut self, control: Control, _now: Micros) {
        let holds = match control {
            Control::Flow(flow) => self.flows_out.iter().any(|known| known.id == flow),
            // Whoever hears of a later opening knows that this one is over.
            Control::FlowClose(flow, _) => self.flows_out.iter().all(|known| known.id != flow),
            Control::FlowStop(flow, _) => self.flows_in.iter().all(|known| known.id != flow),
            Control::KeyWish(flow) => self.flows_in.iter().any(|known| known.id == flow),
            Control::Open(id) => self.streams.get(id).is_some(),
            Control::Window(id) => self.streams.window(id).is_some(),
            Control::Reset(_) => true,
            Control::Path(path) => self.paths.get(path).is_some(),
            Control::PathGone(path) => self.paths.get(path).is_none(),
            Control::Rekey => self.rekey.is_some(),
        };
        if holds {
            self.tell_peer(control);
        }
    }

    fn on_path_named(&mut self, id: PathId, is: (PathKind, u8, u8), name: &str) {
        let kit = self.is_kit();
        if let Some(path) = self.paths.get_mut(id).filter(|_| !kit) {
            (path.kind, path.cost, path.barred) = is;
            if path.name != name {
                name.clone_into(&mut path.name);
                if path.life.is_in() {
                    self.event(Event::PathUp { path: id, name: name.to_owned() });
                }
            }
        }
    }

    fn on_rekey(&mut self, second: bool, phase: u8, noise: &[u8], now: Micros) {
        let suite = suite::find(self.hello.suite).unwrap_or(suite::SUITES[0]);
        let Some(keys) = &mut self.keys else { return };
        if second {
            let split =
                self.rekey.as_mut().filter(|_| phase == keys.next_phase()).and_then(|r| r.answered(phase, noise));
            if let Some(split) = split {
                keys.install(&split, phase, now);
                self.rekey = None;
            }
            return;
        }
        if self.guest.is_none() || phase != keys.next_phase() {
            return;
        }
        let question = (phase, noise);
        let answer = Rekey::answer(self.rekey.as_ref(), suite, &self.identity, &self.peer, question, now);
        if let Some((split, rekey)) = answer {
            if let Some(split) = split {
                keys.install(&split, phase, now);
            }
            self.rekey = Some(rekey);
            self.tell_peer(Control::Rekey);
        }
    }
}
