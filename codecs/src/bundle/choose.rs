//! Which path a piece takes: the one over which it arrives first, another one for its copy, or all by their rate.

use super::flow::{Class, Mode};
use super::flow_out::Lane;
use super::keys::overhead_bytes;
use super::path::Path;
use super::paths::{Paths, COST_WEIGHT, SUSPECT_WEIGHT};
use super::types::PathId;
use crate::time::Micros;

/// What the best path takes although another would be quicker by less than this.
const SPILL_US: i64 = 20_000;
/// A datagram waits a little at links and at the receiver.
const SPARE_US: i64 = 30_000;
/// Of spreading: a path slower than the quickest by more than this, or this part of the play-out, is used for what the
/// others do not carry.
const SLOWER_US: i64 = 60_000;

/// Queue of a slow path that second copies of pictures leave alone.
const COPY_QUEUE_US: u64 = 40_000;

/// What a piece needs of a path.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub class: Class,
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

impl Paths {
    fn fits(path: &Path, need: &Need) -> bool {
        let bytes = need.bytes + overhead_bytes();
        let takes = path.takes(need.class);
        takes && bytes <= usize::from(path.mtu.known()) && path.may_send(bytes) && (need.urgent || !path.is_full())
    }

    /// What goes there now is there in its time, with something to spare.
    fn in_time(&self, path: &Path, need: &Need) -> bool {
        self.extra(path) + SPARE_US <= need.left_us
    }

    pub fn choose(&self, need: &Need, now: Micros) -> Choice {
        match (need.lane, need.mode) {
            (Lane::Copy | Lane::Twin, _) => self.choose_other(need, now),
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
        let may = |index: &usize| {
            let path = &self.list[*index];
            need.avoid != Some(path.id) && Self::fits(path, need)
        };
        // A satellite that nothing speaks against is no way for what would come too late by it.
        let quick = self.order.iter().any(|index| may(index) && self.in_time(&self.list[*index], need));
        let allowed = self
            .order
            .iter()
            .enumerate()
            .filter(|(_, index)| may(index) && (!quick || self.in_time(&self.list[**index], need)));
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
            let blocked = self.order.iter().any(|index| {
                let path = &self.list[*index];
                need.avoid != Some(path.id) && path.takes(need.class)
            });
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
            // Second copies fill no queue of a slow path: it is what words have when the quick one fails.
            let crowded = !need.urgent && !self.is_near(**index) && path.delay.queue_us() > COPY_QUEUE_US;
            path.name != first
                && path.takes(need.class)
                && self.in_time(path, need)
                && !crowded
                && need.bytes + overhead_bytes() <= usize::from(path.mtu.known())
        });
        let Some(index) = other else { return self.choose_reserve(need, now) };
        let path = &self.list[*index];
        match Self::at(path, need, now) {
            _ if !Self::fits(path, need) && need.lane == Lane::Twin => Choice::Never,
            _ if !Self::fits(path, need) => Choice::Wait(now.plus_ms(5)),
            at if at <= now => Choice::Go(*index),
            at => Choice::Wait(at),
        }
    }

    /// A path that is out and yet answers: what has no second way otherwise loses nothing there.
    fn choose_reserve(&self, need: &Need, now: Micros) -> Choice {
        let first = need.avoid.and_then(|id| self.get(id)).map_or("", |path| &path.name);
        let reserve = self.list.iter().enumerate().filter(|(_, path)| {
            path.life.answers() && path.name != first && self.in_time(path, need) && Self::fits(path, need)
        });
        match reserve.min_by_key(|(_, path)| path.expected_us()) {
            Some((index, path)) if Self::at(path, need, now) <= now => Choice::Go(index),
            _ => Choice::Never,
        }
    }

    /// Over all by their rate; the slow and the dear only for what the others do not carry.
    fn choose_share(&self, need: &Need, now: Micros) -> Choice {
        let near = SLOWER_US.max(need.playout_us * 3 / 10);
        let takers = || self.order.iter().map(|index| &self.list[*index]).filter(|path| path.takes(need.class));
        let any_sound = takers().any(|path| path.life.is_sound() && self.in_time(path, need));
        let cheapest = takers().filter(|path| path.life.is_sound()).map(|path| path.cost).min().unwrap_or(0);
        let mut best: Option<(f64, usize)> = None;
        let mut reserve: Option<(i64, usize)> = None;
        let mut earliest = Micros(u64::MAX);
        for index in self.order.iter().copied() {
            let path = &self.list[index];
            if any_sound && !path.life.is_sound() || !Self::fits(path, need) {
                continue;
            }
            let (extra, at) = (self.extra(path), Self::at(path, need, now));
            if extra <= near && path.cost == cheapest {
                earliest = earliest.min(at);
                if at <= now && best.is_none_or(|(given, _)| path.given < given) {
                    best = Some((path.given, index));
                }
            } else if self.in_time(path, need) && at <= now && reserve.is_none_or(|(least, _)| extra < least) {
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
    use crate::bundle::paths::tests::{paths, NOW};

    fn need(mode: Mode, lane: Lane, avoid: Option<PathId>) -> Need {
        let class = Class::Video;
        Need { class, mode, lane, avoid, bytes: 1000, left_us: 200_000, playout_us: 200_000, urgent: false }
    }

    fn send(paths: &mut Paths, index: usize, now: Micros) {
        let path = &mut paths.list[index];
        path.left(1100, false, now);
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
    fn a_path_that_bars_a_class_never_takes_it_and_the_dearer_share_what_is_left() {
        let mut paths = paths(&[("lte-1", 30, 0), ("lte-2", 35, 2), ("lte-3", 40, 2)]);
        paths.list[0].barred = Class::Video.bit() | Class::Still.bit();
        paths.rank(NOW);
        let lanes = [Lane::First, Lane::Again, Lane::Twin, Lane::Copy];
        for (mode, lane) in Mode::ALL.into_iter().flat_map(|mode| lanes.map(|lane| (mode, lane))) {
            let picture = need(mode, lane, Some(1));
            assert_ne!(paths.choose(&picture, NOW), Choice::Go(0), "{mode:?} {lane:?}");
        }
        let word = Need { class: Class::Voice, ..need(Mode::Best, Lane::First, None) };
        assert_eq!(paths.choose(&word, NOW), Choice::Go(0), "what it does take");
        let mut counts = [0usize; 3];
        for step in 0..100 {
            let now = Micros(NOW.0 + step * 9_000);
            if let Choice::Go(index) = paths.choose(&need(Mode::Spread, Lane::First, None), now) {
                counts[index] += 1;
                send(&mut paths, index, now);
            }
        }
        assert!(counts[0] == 0 && counts[1].abs_diff(counts[2]) <= 1 && counts[1] > 40, "{counts:?}");
        // Nothing else is there: it goes nowhere, rather than where it must not.
        (1..3).for_each(|index| paths.list[index].life.go_out("path-silent", NOW));
        paths.rank(NOW);
        for (mode, lane) in Mode::ALL.into_iter().flat_map(|mode| lanes.map(|lane| (mode, lane))) {
            assert!(!matches!(paths.choose(&need(mode, lane, None), NOW), Choice::Go(0) | Choice::Wait(_)));
        }
        assert_eq!(paths.choose(&word, NOW), Choice::Go(0));
    }

    #[test]
    fn a_suspect_path_is_better_than_one_that_is_too_slow() {
        let mut paths = paths(&[("lte-1", 35, 0), ("sat", 280, 0)]);
        paths.list[0].life.asked(NOW);
        let now = Micros(NOW.0 + 400_000);
        let times = crate::bundle::life::Times { rtt: Some(70_000), feedback: Some(70_000), ..Default::default() };
        paths.list[0].life.look(&times, false, Others { sound: 0, suffice: false }, now);
        paths.rank(now);
        for (mode, lane) in [(Mode::Spread, Lane::First), (Mode::Best, Lane::First), (Mode::Spread, Lane::Again)] {
            let need = need(mode, lane, None);
            assert_eq!(paths.choose(&need, now), Choice::Go(0));
            assert_eq!(paths.choose(&Need { left_us: 400_000, ..need }, now), Choice::Go(1));
        }
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
        paths.list[1].life.go_out("path-silent", now);
        paths.rank(now);
        assert_eq!(paths.choose(&need(Mode::Spread, Lane::First, None), now), Choice::Go(0));
        paths.list[0].life.go_out("path-silent", now);
        paths.rank(now);
        assert_eq!(paths.choose(&need(Mode::Best, Lane::First, None), now), Choice::Never);
    }
}
