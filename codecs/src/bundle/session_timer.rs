//! What time alone brings about: answers that are overdue, paths that go out and come in, units that are due, new keys.

use super::assemble::Due;
use super::dial;
use super::figures::PathFigures;
use super::flow::Class;
use super::item::Control;
use super::life::{Change, Others, Standing};
use super::path::Path;
use super::paths::NEAR_US;
use super::rate::Demand;
use super::rekey::Rekey;
use super::session::{Session, Stage};
use super::streams::Streams;
use super::suite;
use super::types::{Event, PathOptions};
use crate::time::Micros;

/// Between two rounds while something is under way.
const BUSY_US: u64 = 10_000;
/// From one look in vain to the next. What waits for its pace then leaves together, and the pace allows for it
/// (`path::BURST_US`): a wake-up costs more than a datagram.
const REST_US: u64 = 5_000;
/// Without one authentic packet for so long there is no session any more.
const SILENT_US: u64 = 60_000_000;
/// A center's greeting that nobody followed up.
const GREETED_US: u64 = 10_000_000;
/// Probes of a path: in use, in use and thin, suspect, idle, out (at first, later).
const PING_ACTIVE_US: u64 = 200_000;
const PING_THIN_US: u64 = 1_000_000;
const PING_SUSPECT_US: u64 = 40_000;
const PING_IDLE_US: u64 = 2_000_000;
const PING_OUT_US: u64 = 200_000;
/// While nothing is in, or one alone: what comes back first is all there is, or half of it.
const PING_FEW_US: u64 = 60_000;
const PING_LONG_OUT_US: u64 = 1_000_000;
const LONG_OUT_US: u64 = 120_000_000;
/// After an absence that long a path may be another one: its rate is found anew.
const LONG_AWAY_US: u64 = 30_000_000;
/// There is room enough where this many times what is wanted passes, and the largest step up of a source: from nothing to a
/// full picture.
const MUCH_ROOM: f64 = 3.0;
const LARGE_STEP_BPS: f64 = 5_000_000.0;
/// Of a path that costs, everything but suspicion takes this much longer.
const DEAR: u64 = 5;

impl Session {
    pub(super) fn tick(&mut self, now: Micros) {
        match self.stage {
            Stage::Dialling(_) => return self.dial_timer(now),
            Stage::Greeted if now.since(self.heard) > GREETED_US => {
                return self.end("peer-silent", "the greeting was not followed up".to_owned(), now);
            }
            Stage::Greeted | Stage::Closing { .. } | Stage::Over => return,
            Stage::Up if now.since(self.heard) > SILENT_US => return self.end("peer-silent", String::new(), now),
            Stage::Up if self.reset_at().is_some_and(|at| now > at) => {
                return self.end("center-restarted", String::new(), now);
            }
            Stage::Up => {}
        }
        self.ticked = now;
        if self.control.len() + self.streams.control.len() > super::session::MAX_CONTROL {
            return self.end("bundle-protocol", "it acknowledges nothing".to_owned(), now);
        }
        for index in 0..self.paths.list.len() {
            self.look_at(index, now);
        }
        self.settle(now);
        self.paths.rank(now);
        let wanted = self.meter.wanted_bps(now) as f64;
        // Not only all together must fit, but each picture in its time.
        let short = wanted > self.paths.usable_bps() || self.meter.lacked_bps(now) > self.paths.pictures_bps();
        // What nobody comes near to using is not looked for: filling costs money by the hour.
        let uses = wanted > 0.0 && self.paths.usable_bps() < (MUCH_ROOM * wanted).max(LARGE_STEP_BPS);
        let demand = Demand { wanted: uses, short, alone: self.paths.are_in() == 1 };
        let looked = |path: &&mut Path| path.life.is_in() && path.cost == 0 && path.takes(Class::Video);
        for path in self.paths.list.iter_mut().filter(looked) {
            path.rate.turn(demand, path.feedback.us().unwrap_or_default(), now);
        }
        if self.meter.is_met(self.paths.pictures_bps(), now) {
            self.flows_out.iter_mut().for_each(|flow| flow.waiting.hope());
        }
        self.plan_cutting(now);
        self.serve_flows(now);
        self.hand_on_units(now);
        self.renew_keys(now);
        if let Some((usable_bps, wanted_bps)) = self.meter.tells(self.paths.pictures_bps() as u64, now) {
            self.event(Event::Rate { usable_bps, wanted_bps });
        }
    }

    /// Judge one path: what is overdue on it, and whether it is in.
    pub(super) fn look_at(&mut self, index: usize, now: Micros) {
        let others = self.others(index, now);
        let path = &mut self.paths.list[index];
        let times = path.times();
        let lost = path.sent.overdue(times.overdue_before(now), now, &mut self.outcomes);
        path.figures.packets_lost += u64::from(lost);
        path.note_loss(now);
        if path.life.standing() == Standing::Out && path.ping_overdue(now) {
            path.life.missed();
        }
        let sound = path.life.is_sound();
        let lossy = path.sent.loss.is_bad(times.told_after(), now);
        let change = path.life.look(&times, lossy, others, now);
        if sound && !path.life.is_sound() {
            self.ask_the_quiet(index, now);
        }
        match change {
            None if sound == self.paths.list[index].life.is_sound() => {}
            None => self.paths.rank(now),
            Some(Change::In) => {
                let path = &mut self.paths.list[index];
                let (id, name) = (path.id, path.name.clone());
                path.ping_at = now;
                // It may be another one now. As long as it only stood in, what did not fit was no loss.
                path.mtu.reset(now);
                if now.since(path.out_since) > LONG_AWAY_US {
                    path.rate.restart();
                }
                self.paths.rank(now);
                self.paths.level(index);
                self.flows_out.iter_mut().for_each(|flow| flow.waiting.hope());
                self.event(Event::PathUp { path: id, name });
                if self.is_kit() {
                    // The first word of its name may have come by another path, before the center had this one.
                    self.tell_peer(Control::Path(id));
                }
            }
            Some(Change::Out(code)) => self.path_is_out(index, code, now),
        }
    }

    /// This path gave no answer in its time. It is asked at once, and while the session is idle so are the others of which
    /// nothing was heard of late: what cut it may have cut them, and else they are asked but every few seconds.
    fn ask_the_quiet(&mut self, index: usize, now: Micros) {
        let idle = !self.meter.is_active(now);
        for (other, path) in self.paths.list.iter_mut().enumerate().filter(|(_, path)| path.life.is_in()) {
            let pause = PING_ACTIVE_US * if path.cost > 0 { DEAR } else { 1 };
            if other == index || idle && path.heard.is_none_or(|at| now.since(at) > pause) {
                path.ping_at = path.ping_at.min(now);
            }
        }
    }

    /// What could stand in for a path: those as quick as it is. A satellite is no substitute for a radio link, nor does it
    /// keep one waiting.
    fn others(&self, index: usize, now: Micros) -> Others {
        let slowest = self.paths.list[index].expected_us() + NEAR_US;
        let stands_in =
            |(other, path): &(usize, &Path)| *other != index && path.life.is_sound() && path.expected_us() < slowest;
        let all = self.paths.list.iter().enumerate().filter(stands_in);
        let (sound, usable) = all.fold((0, 0.0), |sum, (_, path)| (sum.0 + 1, sum.1 + path.rate.usable_bps()));
        Others { sound, suffice: sound > 0 && usable >= self.meter.wanted_bps(now) as f64 }
    }

    /// A path is out: what was under way on it goes elsewhere.
    fn path_is_out(&mut self, index: usize, code: &'static str, now: Micros) {
        let path = &mut self.paths.list[index];
        path.sent.overdue(Micros(now.0 + 1), now, &mut self.outcomes);
        path.out_since = now;
        path.ping_at = now;
        let (id, name) = (path.id, path.name.clone());
        self.settle(now);
        self.paths.rank(now);
        self.event(Event::PathDown { path: id, name, code });
    }

    /// A path goes because somebody says so.
    pub(super) fn take_path_out(&mut self, index: usize, code: &'static str, now: Micros) {
        let path = &mut self.paths.list[index];
        let was_in = path.life.is_in();
        path.life.go_out(code, now);
        if was_in {
            self.path_is_out(index, code, now);
        }
    }

    /// When the path is to be probed next.
    pub(super) fn plan_ping(&mut self, index: usize, now: Micros) {
        let (active, asks) = (self.meter.is_active(now), self.reset.is_some());
        let few = self.paths.near().nth(1).is_none();
        let out_us = if few { PING_FEW_US } else { PING_OUT_US };
        let path = &mut self.paths.list[index];
        let dear = if path.cost > 0 { DEAR } else { 1 };
        let pause = match path.life.standing() {
            // It is said that the center is gone: it is given more than one chance to answer.
            Standing::In if asks => PING_FEW_US,
            // On a thin path that is suspect for its own queue they would be what fills it.
            Standing::In if !path.life.is_sound() && path.rate.is_thin() => PING_ACTIVE_US,
            Standing::In if !path.life.is_sound() => PING_SUSPECT_US,
            Standing::In if active && path.rate.is_thin() => PING_THIN_US * dear,
            Standing::In if active => PING_ACTIVE_US * dear,
            Standing::In => PING_IDLE_US * dear,
            _ if now.since(path.heard.unwrap_or_default()) > LONG_OUT_US => PING_LONG_OUT_US * dear,
            _ => out_us * dear,
        };
        path.ping_at = Micros(now.0 + pause);
    }

    /// How units that are cut from now on are cut.
    fn plan_cutting(&mut self, now: Micros) {
        self.cutting.piece_bytes = self.paths.body_bytes(super::frame::PIECE_HEADER_BYTES);
        let loss = self.paths.near().map(|path| path.lossy).fold(0.0, f64::max);
        let usable: f64 = self.paths.near().map(|path| path.rate.usable_bps() * (1.0 - path.loss(now))).sum();
        let wanted = self.meter.wanted_bps(now) as f64;
        // Parity and copies take what is to spare, never what pictures need.
        let spare = if wanted > 0.0 { ((0.85 * usable - wanted) / wanted).max(0.0) } else { 1.0 };
        // Over one path a burst takes the parity with the rest, and what goes again waits behind it.
        let useful =
            if loss < 0.003 || self.paths.near().nth(1).is_none() { 0.0 } else { (0.05 + 3.0 * loss).min(0.5) };
        self.cutting.parity = useful.min(spare);
        self.cutting.copies = spare > 0.3;
        self.cutting.hoped_bps = self.paths.hoped_bps();
    }

    /// Late units out, wishes told.
    fn serve_flows(&mut self, now: Micros) {
        self.rank_flows();
        let extra = self.paths.least_extra_us();
        for place in 0..self.flows_out.len() {
            let flow = &mut self.flows_out[place];
            if flow.prune(extra, now) {
                self.meter.left_out();
            }
            self.meter.lacked(flow.waiting.take_lacked_bps(), now);
            if flow.waiting.wants_key(now) {
                let flow = flow.id;
                self.event(Event::KeyWanted { flow });
            }
        }
        let (best, slowest) = (self.paths.best(), self.paths.ordered().map(|index| &self.paths.list[index]));
        let answer = best.and_then(|path| path.feedback.us()).unwrap_or(100_000);
        let spread =
            slowest.map(|path| path.expected_us()).max().unwrap_or(0) - best.map_or(0, |path| path.expected_us());
        let patience = self.paths.list.iter().map(|path| path.sent.patience_us()).max().unwrap_or(0);
        let settle = (spread.max(0) as u64 + patience).max(answer);
        for place in 0..self.flows_in.len() {
            let wants = &mut self.wants;
            self.flows_in[place].wants(answer, settle, now, |flow, unit, indexes| {
                if wants.len() < 64 {
                    wants.push((flow, unit, indexes.to_vec()));
                }
            });
            if self.flows_in[place].wishes_key(now) {
                let flow = self.flows_in[place].id;
                self.tell_peer(Control::KeyWish(flow));
            }
        }
    }

    /// Units that are whole and due, and those that are given up.
    pub(super) fn hand_on_units(&mut self, now: Micros) {
        let mut dues = std::mem::take(&mut self.dues);
        for place in 0..self.flows_in.len() {
            self.flows_in[place].due(now, &mut dues);
            let flow = self.flows_in[place].id;
            for due in dues.drain(..) {
                let Due { bytes, key, after_loss, .. } = due;
                self.event(Event::Unit { flow, bytes, key, after_loss });
            }
        }
        self.dues = dues;
    }

    fn renew_keys(&mut self, now: Micros) {
        let Some(keys) = self.keys.as_ref().filter(|keys| self.guest.is_none() && keys.are_used_up(now)) else {
            return;
        };
        if self.rekey.as_ref().is_some_and(|rekey| rekey.is_open() && !rekey.is_stale(now)) {
            return;
        }
        let suite = suite::find(self.hello.suite).unwrap_or(suite::SUITES[0]);
        self.rekey = Some(Rekey::ask(suite, &self.identity, &self.peer, keys.next_phase(), now));
        self.tell_peer(Control::Rekey);
    }

    /// A session begins: nothing of an earlier one is left but what the paths are.
    pub(super) fn begin(&mut self, now: Micros) {
        self.used_paths.clear();
        self.highest = 0;
        let old = std::mem::take(&mut self.paths);
        for path in old.list {
            let (id, kind, cost, barred) = (path.id, path.kind, path.cost, path.barred);
            let options = PathOptions { id, name: path.name, kind, mtu: path.mtu.max(), cost, barred };
            let mut fresh = self.new_path(&options, path.remote, now);
            let PathFigures { bytes_in, bytes_out, packets_in, packets_out, packets_lost, .. } = path.figures;
            fresh.figures =
                PathFigures { bytes_in, bytes_out, packets_in, packets_out, packets_lost, ..PathFigures::default() };
            self.paths.list.push(fresh);
        }
        self.forget_traffic();
        self.heard = now;
    }

    fn forget_traffic(&mut self) {
        self.flows_out.clear();
        self.flows_in.clear();
        self.streams = Streams::new(self.is_kit());
        self.control.clear();
        self.control_copies.clear();
        self.reports.clear();
        self.wants.clear();
        self.rekey = None;
        self.openings = Default::default();
        (self.reset, self.refuted) = (None, None);
    }

    /// The kit behind the greeting showed that it has the keys.
    pub(super) fn begin_guest(&mut self, now: Micros) {
        self.heard = now;
        self.event(Event::Up { peer_key: self.peer, hello: self.hello.clone() });
    }

    /// The session is over. A kit dials again, sooner or later by the reason.
    pub(super) fn end(&mut self, code: &'static str, detail: String, now: Micros) {
        if matches!(self.stage, Stage::Dialling(_) | Stage::Over) {
            return;
        }
        let told = !matches!(self.stage, Stage::Greeted);
        let closing = matches!(self.stage, Stage::Closing { .. });
        self.forget_traffic();
        if self.is_kit() && !closing {
            for index in 0..self.paths.list.len() {
                self.take_path_out(index, code, now);
            }
            self.redial(Micros(now.0 + dial::rest_after(code)));
        } else {
            self.keys = None;
            self.stage = Stage::Over;
        }
        if told {
            self.event(Event::Down { code, detail });
        }
    }

    pub(super) fn earliest_timer(&self) -> Option<Micros> {
        match &self.stage {
            Stage::Dialling(dial) => (!self.paths.list.is_empty()).then(|| dial.next_timer()),
            Stage::Greeted => Some(Micros(self.heard.0 + GREETED_US + 1)),
            Stage::Closing { next, .. } => Some(*next),
            Stage::Over => None,
            Stage::Up => {
                let under_way = self.paths.list.iter().any(|path| path.sent.under_way_bytes() > 0);
                // What is given and all left out is work too: a source that does not fit is looked after.
                let active = self.meter.is_active(self.ticked);
                let flows = !self.flows_in.is_empty() || self.flows_out.iter().any(|flow| flow.has_work());
                let busy = active || under_way || flows;
                let round = busy.then_some(Micros(self.ticked.0 + BUSY_US));
                // Whatever could not be done just now is not tried again at once. The round is not put off by it: every
                // datagram that comes is a look.
                let others = self.timers().min().map(|at| at.max(Micros(self.idle.0 + REST_US)));
                round.into_iter().chain(others).min()
            }
        }
    }

    fn timers(&self) -> impl Iterator<Item = Micros> + '_ {
        let patience = self.report_patience_us();
        let of_paths = self.paths.list.iter().enumerate().flat_map(move |(index, path)| {
            let ping =
                (self.leads_somewhere(index) && path.may_send(super::session_out::LEAST_BYTES)).then_some(path.ping_at);
            let question = path.candidate.map(|candidate| candidate.next);
            let probe = path.mtu.next_timer().filter(|_| path.may_probe());
            let report = path.received.due_alone(patience).filter(|_| self.paths.are_in() > 0);
            [ping, question, probe, report, path.life.next_look(&path.times())]
        });
        let of_flows = self.flows_in.iter().map(|flow| flow.assembler.next_timer());
        let reset = self.reset_at().map(|at| Micros(at.0 + 1));
        let ends = [self.wake, reset, Some(Micros(self.heard.0 + SILENT_US + 1))];
        of_paths.chain(of_flows).chain(ends).flatten()
    }
}
