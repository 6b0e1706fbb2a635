//! All paths of a session, and which are the best of them now.

use crate::time::Micros;

use super::flow::Class;
use super::keys::overhead_bytes;
use super::path::Path;
use super::types::PathId;
use super::wire::{delta24, TICK_US};

/// Paths of one session.
pub const MAX_PATHS: usize = 16;
/// What loss, cost and suspicion count for beside a microsecond of delay.
const LOSS_WEIGHT: f64 = 150_000.0;
pub(super) const COST_WEIGHT: i64 = 20_000;
pub(super) const SUSPECT_WEIGHT: i64 = 2_000_000;
/// The best path keeps its place against one that is better by less than this.
const STAY_US: i64 = 8_000;
/// A datagram takes no longer than this on the best link, in seconds, as long as its body has this many bytes.
const WORD_S: f64 = 0.04;
const LEAST_BODY_BYTES: usize = 240;
/// How long the quickest way is remembered after it went.
const MEMORY_US: u64 = 10_000_000;
/// Paths that are not slower than the quickest by more are near.
pub(super) const NEAR_US: i64 = 100_000;
/// The common reference of delays is moved when it is this far off.
const DRIFT_US: i64 = 60_000_000;

#[derive(Default)]
pub struct Paths {
    pub list: Vec<Path>,
    /// Those that are in, best first.
    pub(super) order: Vec<usize>,
    /// Point of reference of all delays: the first that was heard.
    anchor: Option<u32>,
    /// Least expected delay of the paths that are in.
    quickest: i64,
    usable: f64,
    pictures: f64,
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
        (self.usable, self.pictures) = (0.0, 0.0);
        for (index, path) in self.list.iter().enumerate().filter(|(_, path)| path.life.is_in()) {
            let loss = path.loss(now);
            let suspect = if path.life.is_sound() { 0 } else { SUSPECT_WEIGHT };
            let stay = if before == Some(index) { STAY_US } else { 0 };
            scores[index] =
                path.expected_us() + (loss * LOSS_WEIGHT) as i64 + suspect - stay + i64::from(path.cost) * COST_WEIGHT;
            let usable = path.rate.usable_bps() * (1.0 - loss);
            self.usable += usable;
            self.pictures += if path.takes(Class::Video) { usable } else { 0.0 };
            self.order.push(index);
        }
        self.order.sort_by_key(|index| scores[*index]);
        // Receivers hand units on by the quickest way of the last seconds, whether it is there now or not.
        let counts = |path: &&Path| path.life.is_in() || path.life.was_in(now, MEMORY_US);
        let known = self.list.iter().filter(counts).filter_map(|path| path.delay.expected());
        self.quickest = known.min().or(self.best().map(Path::expected_us)).unwrap_or(0);
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

    /// Of those that take pictures.
    pub fn pictures_bps(&self) -> f64 {
        self.pictures
    }

    /// What those may turn out to carry.
    pub fn hoped_bps(&self) -> f64 {
        let paths = self.order.iter().map(|index| &self.list[*index]);
        paths.filter(|path| path.takes(Class::Video)).map(|path| path.rate.hoped_bps()).sum()
    }

    /// It is about as quick as the quickest.
    pub fn is_near(&self, index: usize) -> bool {
        self.extra(&self.list[index]) < NEAR_US
    }

    /// How much longer than the quickest the quickest way is that is there. One that is suspect counts: nothing is given up
    /// for what may be a burst.
    pub fn least_extra_us(&self) -> i64 {
        self.order.iter().map(|index| self.extra(&self.list[*index])).min().unwrap_or(0)
    }

    /// Those that are in and about as quick as the quickest.
    pub fn near(&self) -> impl Iterator<Item = &Path> {
        self.order.iter().filter(|index| self.is_near(**index)).map(|index| &self.list[*index])
    }

    /// The longest body of a frame with such a header: what every path that is in lets through; and on thin links short, so
    /// that a word does not wait behind a picture.
    pub fn body_bytes(&self, header: usize) -> usize {
        let least = self.order.iter().map(|index| self.list[*index].mtu.known()).min();
        let mtu = usize::from(least.unwrap_or(super::wire::BASE_MTU)) - overhead_bytes() - header;
        let best = self.order.iter().map(|index| self.list[*index].rate.usable_bps()).fold(0.0, f64::max);
        let quick = (best * WORD_S / 8.0) as usize;
        mtu.min(quick.max(LEAST_BODY_BYTES))
    }

    /// The best link carries so little that headers weigh.
    pub fn is_thin(&self) -> bool {
        self.best().is_some_and(|path| path.rate.is_thin())
    }

    /// A path comes in, or is new: it has no more to catch up in sharing than the others.
    pub fn level(&mut self, index: usize) {
        let others = self.order.iter().filter(|other| **other != index).map(|other| self.list[*other].given);
        if let Some(least) = others.min_by(f64::total_cmp) {
            self.list[index].given = self.list[index].given.max(least);
        }
    }

    pub(super) fn extra(&self, path: &Path) -> i64 {
        path.expected_us() - self.quickest
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bundle::types::{PathKind, PathOptions};

    pub const NOW: Micros = Micros(10_000_000);

    pub fn paths(made: &[(&str, i64, u8)]) -> Paths {
        let mut paths = Paths::default();
        for (id, (name, delay_ms, cost)) in made.iter().enumerate() {
            let (id, name, cost) = (id as u8, (*name).into(), *cost);
            let options = PathOptions { id, name, kind: PathKind::Udp, mtu: 1350, cost, barred: 0 };
            let mut path = Path::new(&options, None, NOW);
            path.life.come_in(NOW);
            path.delay.sample(delay_ms * 1000, delay_ms * 1000, NOW);
            paths.list.push(path);
        }
        paths.rank(NOW);
        paths
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
