//! All paths of a session, which are the best of them now, and which one a piece takes.

use crate::time::Micros;

use super::flow::Mode;
use super::flow_out::Lane;
use super::keys::overhead_bytes;
use super::path::Path;
use super::types::PathId;
use super::wire::{delta24, TICK_US};

/// Paths of one session.
pub const MAX_PATHS: usize = 16;
/// What loss, cost and suspicion count for beside a microsecond of delay.
const LOSS_WEIGHT: f64 = 150_000.0;
const COST_WEIGHT: i64 = 20_000;
const SUSPECT_WEIGHT: i64 = 2_000_000;
/// The best path keeps its place against one that is better by less than this; and takes what another would by less.
const STAY_US: i64 = 8_000;
const SPILL_US: i64 = 20_000;
/// Of spreading: a path slower than the quickest by more than this, or this part of the play-out, is used for what the
/// others do not carry.
const SLOWER_US: i64 = 60_000;
/// Paths that are not slower than the quickest by more are near.
const NEAR_US: i64 = 100_000;
/// The common reference of delays is moved when it is this far off.
const DRIFT_US: i64 = 60_000_000;

/// What a piece needs of a path.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub mode: Mode,
    pub lane: Lane,
    pub avoid: Option<PathId>,
    /// Of the frame.
    pub bytes: usize,
    /// Microseconds that a way may take beyond the quickest.
    pub left_us: i64,
    pub playout_us: i64,
    /// A little ahead of its pace: voice and control.
    pub urgent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Go(usize),
    /// Not before then.
    Wait(Micros),
    /// No path will do.
    Never,
}

#[derive(Default)]
pub struct Paths {
    pub list: Vec<Path>,
    /// Those that are in, best first.
    order: Vec<usize>,
    /// Point of reference of all delays: the first that was heard.
    anchor: Option<u32>,
    /// Least expected delay of the paths that are in, and the least cost.
    quickest: i64,
    cheapest: u8,
    usable: f64,
}

impl Paths {
    pub fn position(&self, id: PathId) -> Option<usize> {
        self.list.iter().position(|path| path.id == id)
    }

    pub fn get(&self, id: PathId) -> Option<&Path> {
        self.list.iter().find(|path| path.id == id)
    }

    pub fn get_mut(&mut self, id: PathId) -> Option<&mut Path> {
        self.list.iter_mut().find(|path| path.id == id)
    }

    /// A delay on the wire (ticks, of two clocks) in microseconds relative to the session's reference.
    pub fn relative(&mut self, ticks: u32) -> i64 {
        let anchor = *self.anchor.get_or_insert(ticks);
        i64::from(delta24(anchor, ticks)) * TICK_US as i64
    }

    /// Clocks drift apart; what is relative must stay small.
    fn follow_drift(&mut self) {
        let Some(base) = self.list.iter().filter_map(|path| path.delay.base()).min() else { return };
        if base.abs() < DRIFT_US {
            return;
        }
        let ticks = base / TICK_US as i64;
        self.anchor = self.anchor.map(|anchor| anchor.wrapping_add(ticks as u32) & 0xff_ffff);
        self.list.iter_mut().for_each(|path| path.delay.shift(ticks * TICK_US as i64));
    }

    /// Judge anew which paths are best. Call when something changed, and every few milliseconds.
    pub fn rank(&mut self, now: Micros) {
        self.follow_drift();
        let before = self.order.first().copied();
        let mut scores = [i64::MAX; MAX_PATHS];
        self.order.clear();
        self.usable = 0.0;
        for (index, path) in self.list.iter().enumerate().filter(|(_, path)| path.life.is_in()) {
            let loss = path.loss(now);
            let suspect = if path.life.is_sound() { 0 } else { SUSPECT_WEIGHT };
            let stay = if before == Some(index) { STAY_US } else { 0 };
            scores[index] =
                path.expected_us() + (loss * LOSS_WEIGHT) as i64 + suspect - stay + i64::from(path.cost) * COST_WEIGHT;
            self.usable += path.rate.usable_bps() * (1.0 - loss);
            self.order.push(index);
        }
        self.order.sort_by_key(|index| scores[*index]);
        let sound = || self.order.iter().map(|index| &self.list[*index]).filter(|path| path.life.is_sound());
        let expected = |path: &Path| path.expected_us();
        self.quickest = sound().map(expected).min().or(self.best().map(expected)).unwrap_or(0);
        self.cheapest = sound().map(|path| path.cost).min().unwrap_or(0);
    }

    pub fn best(&self) -> Option<&Path> {
        self.order.first().map(|index| &self.list[*index])
    }

    /// Those that are in, best first.
    pub fn ordered(&self) -> impl Iterator<Item = usize> + '_ {
        self.order.iter().copied()
    }

    pub fn are_in(&self) -> usize {
        self.order.len()
    }

    /// Bits per second over all paths that are in, less what they lose.
    pub fn usable_bps(&self) -> f64 {
        self.usable
    }

    /// It is about as quick as the quickest.
    pub fn is_near(&self, index: usize) -> bool {
        self.extra(&self.list[index]) < NEAR_US
    }

    /// How much longer than the quickest the best way is.
    pub fn best_extra_us(&self) -> i64 {
        self.best().map_or(0, |path| path.expected_us() - self.quickest)
    }

    /// What every path that is in lets through: the size to cut by.
    pub fn mtu(&self) -> usize {
        let least = self.order.iter().map(|index| self.list[*index].mtu.known()).min();
        usize::from(least.unwrap_or(super::wire::BASE_MTU))
    }

    /// A path comes in, or is new: it has no more to catch up in sharing than the others.
    pub fn level(&mut self, index: usize) {
        let others = self.order.iter().filter(|other| **other != index).map(|other| self.list[*other].given);
        if let Some(least) = others.min_by(f64::total_cmp) {
            self.list[index].given = self.list[index].given.max(least);
        }
    }

    fn fits(path: &Path, need: &Need) -> bool {
        let bytes = need.bytes + overhead_bytes();
        bytes <= usize::from(path.mtu.known()) && path.may_send(bytes) && (need.urgent || !path.is_full())
    }

    fn extra(&self, path: &Path) -> i64 {
        path.expected_us() - self.quickest
    }

    pub fn choose(&self, need: &Need, now: Micros) -> Choice {
        match (need.lane, need.mode) {
            (Lane::Copy, _) => self.choose_other(need, now),
            (Lane::Again, _) => self.choose_quick(need, now),
            (Lane::First, Mode::Spread) => self.choose_share(need, now),
            (Lane::First, _) => self.choose_quick(need, now),
        }
    }

    fn at(path: &Path, need: &Need, now: Micros) -> Micros {
        path.free_at(need.urgent).max(now)
    }

    /// The one over which it arrives first; the best, unless another is better by a margin.
    fn choose_quick(&self, need: &Need, now: Micros) -> Choice {
        let allowed = self.order.iter().enumerate().filter(|(_, index)| {
            let path = &self.list[**index];
            need.avoid != Some(path.id) && Self::fits(path, need)
        });
        let found = allowed.min_by_key(|(place, index)| {
            let path = &self.list[**index];
            let wait = Self::at(path, need, now).since(now) as i64;
            let suspect = if path.life.is_sound() { 0 } else { SUSPECT_WEIGHT };
            let aside = if *place == 0 { 0 } else { SPILL_US };
            wait + path.expected_us() + aside + suspect + i64::from(path.cost) * COST_WEIGHT
        });
        let Some((_, index)) = found else {
            if need.avoid.is_some() {
                return self.choose_reserve(need, now);
            }
            let blocked = self.order.iter().any(|index| need.avoid != Some(self.list[*index].id));
            return if blocked { Choice::Wait(now.plus_ms(5)) } else { Choice::Never };
        };
        match Self::at(&self.list[*index], need, now) {
            at if at <= now => Choice::Go(*index),
            at => Choice::Wait(at),
        }
    }

    /// Another one than the first copy took, of another name, on which it still comes in time.
    fn choose_other(&self, need: &Need, now: Micros) -> Choice {
        let first = need.avoid.and_then(|id| self.get(id)).map_or("", |path| &path.name);
        let other = self.order.iter().find(|index| {
            let path = &self.list[**index];
            path.name != first
                && self.extra(path) <= need.left_us
                && need.bytes + overhead_bytes() <= usize::from(path.mtu.known())
        });
        let Some(index) = other else { return self.choose_reserve(need, now) };
        let path = &self.list[*index];
        match Self::at(path, need, now) {
            _ if !Self::fits(path, need) => Choice::Wait(now.plus_ms(5)),
            at if at <= now => Choice::Go(*index),
            at => Choice::Wait(at),
        }
    }

    /// A path that is out and yet answers: what has no second way otherwise loses nothing there.
    fn choose_reserve(&self, need: &Need, now: Micros) -> Choice {
        let first = need.avoid.and_then(|id| self.get(id)).map_or("", |path| &path.name);
        let reserve = self.list.iter().enumerate().filter(|(_, path)| {
            path.life.answers() && path.name != first && self.extra(path) <= need.left_us && Self::fits(path, need)
        });
        match reserve.min_by_key(|(_, path)| path.expected_us()) {
            Some((index, path)) if Self::at(path, need, now) <= now => Choice::Go(index),
            _ => Choice::Never,
        }
    }

    /// Over all by their rate; the slow and the dear only for what the others do not carry.
    fn choose_share(&self, need: &Need, now: Micros) -> Choice {
        let near = SLOWER_US.max(need.playout_us * 3 / 10);
        let any_sound = self.order.iter().any(|index| self.list[*index].life.is_sound());
        let mut best: Option<(f64, usize)> = None;
        let mut reserve: Option<(i64, usize)> = None;
        let mut earliest = Micros(u64::MAX);
        for index in self.order.iter().copied() {
            let path = &self.list[index];
            if any_sound && !path.life.is_sound() || !Self::fits(path, need) {
                continue;
            }
            let (extra, at) = (self.extra(path), Self::at(path, need, now));
            if extra <= near && path.cost == self.cheapest {
                earliest = earliest.min(at);
                if at <= now && best.is_none_or(|(given, _)| path.given < given) {
                    best = Some((path.given, index));
                }
            } else if extra < need.left_us && at <= now && reserve.is_none_or(|(least, _)| extra < least) {
                reserve = Some((extra, index));
            }
        }
        match (best, reserve) {
            (Some((_, index)), _) => Choice::Go(index),
            (None, Some((_, index))) if earliest.since(now) > SPILL_US as u64 => Choice::Go(index),
            _ if earliest < Micros(u64::MAX) => Choice::Wait(earliest),
            _ => self.choose_quick(need, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::life::Others;
    use crate::bundle::types::{PathKind, PathOptions};

    const NOW: Micros = Micros(10_000_000);

    fn paths(made: &[(&str, i64, u8)]) -> Paths {
        let mut paths = Paths::default();
        for (id, (name, delay_ms, cost)) in made.iter().enumerate() {
            let options =
                PathOptions { id: id as u8, name: (*name).into(), kind: PathKind::Udp, mtu: 1350, cost: *cost };
            let mut path = Path::new(&options, None, NOW);
            path.life.come_in(NOW);
            path.delay.sample(delay_ms * 1000, delay_ms * 1000, NOW);
            paths.list.push(path);
        }
        paths.rank(NOW);
        paths
    }

    fn need(mode: Mode, lane: Lane, avoid: Option<PathId>) -> Need {
        Need { mode, lane, avoid, bytes: 1000, left_us: 200_000, playout_us: 200_000, urgent: false }
    }

    fn send(paths: &mut Paths, index: usize, now: Micros) {
        let path = &mut paths.list[index];
        path.left(1100, now);
        path.given += 1100.0 / path.rate.usable_bps().sqrt();
    }

    #[test]
    fn best_is_the_quickest_until_it_is_full() {
        let mut paths = paths(&[("sat", 280, 0), ("lte-1", 35, 0), ("lte-2", 45, 0)]);
        let need = need(Mode::Best, Lane::First, None);
        assert_eq!(paths.choose(&need, NOW), Choice::Go(1));
        (0..7).for_each(|_| send(&mut paths, 1, NOW));
        assert_eq!(paths.choose(&need, NOW), Choice::Go(2), "what waits longer than the difference goes elsewhere");
        (0..7).for_each(|_| send(&mut paths, 2, NOW));
        assert!(matches!(paths.choose(&need, NOW), Choice::Wait(at) if at > NOW));
    }

    #[test]
    fn a_copy_takes_another_name_and_only_where_it_is_in_time() {
        let paths = paths(&[("lte-1", 35, 0), ("lte-1", 36, 0), ("sat", 280, 0)]);
        let copy = need(Mode::Duplicate, Lane::Copy, Some(0));
        assert_eq!(paths.choose(&copy, NOW), Choice::Never, "the satellite is too slow for 200 ms");
        assert_eq!(paths.choose(&Need { left_us: 400_000, ..copy }, NOW), Choice::Go(2));
    }

    #[test]
    fn shares_follow_the_rates_and_dear_paths_wait_their_turn() {
        let mut paths = paths(&[("lte-1", 35, 0), ("lte-2", 40, 0), ("sat", 280, 0), ("nr", 30, 9)]);
        let need = need(Mode::Spread, Lane::First, None);
        let mut counts = [0usize; 4];
        for step in 0..200 {
            let now = Micros(NOW.0 + step * 9_000);
            if let Choice::Go(index) = paths.choose(&need, now) {
                counts[index] += 1;
                send(&mut paths, index, now);
            }
        }
        assert!(counts[0].abs_diff(counts[1]) <= 1 && counts[0] > 90 && counts[2..] == [0, 0], "{counts:?}");
        (0..6).for_each(|_| [0, 1].into_iter().for_each(|index| send(&mut paths, index, Micros(NOW.0 + 1_800_000))));
        assert_eq!(paths.choose(&need, Micros(NOW.0 + 1_800_000)), Choice::Go(3), "the others are full");
    }

    #[test]
    fn suspicion_moves_everything_away() {
        let mut paths = paths(&[("lte-1", 35, 0), ("lte-2", 90, 0)]);
        let first = &mut paths.list[0];
        first.life.asked(NOW);
        let now = Micros(NOW.0 + 400_000);
        let times = crate::bundle::life::Times { rtt: Some(70_000), feedback: Some(70_000), ..Default::default() };
        first.life.look(&times, false, Others { sound: 1, suffice: true }, now);
        assert!(!first.life.is_sound());
        paths.rank(now);
        for need in [need(Mode::Best, Lane::First, None), need(Mode::Spread, Lane::First, None)] {
            assert_eq!(paths.choose(&need, now), Choice::Go(1));
        }
        // When all are, they are used all the same.
        paths.list[1].life.go_out("path-silent");
        paths.rank(now);
        assert_eq!(paths.choose(&need(Mode::Spread, Lane::First, None), now), Choice::Go(0));
        paths.list[0].life.go_out("path-silent");
        paths.rank(now);
        assert_eq!(paths.choose(&need(Mode::Best, Lane::First, None), now), Choice::Never);
    }

    #[test]
    fn the_reference_follows_drifting_clocks() {
        let mut paths = paths(&[("lte-1", 0, 0)]);
        paths.relative(5);
        let far = (DRIFT_US / TICK_US as i64 + 100) as u32;
        let us = paths.relative(5 + far);
        paths.list[0].delay = Default::default();
        paths.list[0].delay.sample(us, us, NOW);
        paths.rank(NOW);
        assert_eq!(paths.relative(5 + far), 0);
        assert_eq!(paths.list[0].delay.base(), Some(0));
    }
}
