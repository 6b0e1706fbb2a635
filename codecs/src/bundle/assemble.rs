//! Pieces of a flow back into units: copies dropped, losses repaired, and each unit handed on at its time or given up.
//!
//! With a play-out delay units leave in their order, each when it is due (`playout`). One that is not whole then is waited for
//! as long as no later one is due, and handed on late; after that it is given up. Without a delay each leaves as soon as it is
//! whole. Repair is done when a unit leaves, and only if it must be: pieces under way on a slower path cost no work.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use super::assembled::{Due, Figures, Gap, Limits, Taken, WHOLE};
use super::fragment::{Head, Shape};
use super::partial::{Partial, PIECE_COST};
use super::playout::Playout;
use super::recent::Recent;
use crate::time::Micros;

/// What a unit that nobody completes is kept for after its time, while nothing later is due.
const HOLD_US: u64 = 1_000_000;
/// Gaps that are told at once.
const MAX_GAPS: usize = 256;
/// Units in a row of which nothing came that are asked for.
const MAX_UNSEEN: u64 = 64;
/// The receiving end of one flow. Pure: time comes with the calls.
pub struct Assembler {
    ordered: bool,
    limits: Limits,
    playout: Playout,
    /// By their number, carried over its wraps.
    pending: BTreeMap<u64, Partial>,
    /// Those of them that can be made: looked at with each datagram, so they are not searched for.
    makeable: BTreeSet<u64>,
    bytes: usize,
    /// With a play-out delay: everything before this is handed on or given up.
    next: u64,
    recent: Recent,
    ready: VecDeque<Due>,
    lost_before: bool,
    wants_key: bool,
    figures: Figures,
}

/// Where unit 0 is put, so that there is something before it.
const FIRST: u64 = 1 << 32;

impl Assembler {
    pub fn new(playout_ms: u32, limits: Limits) -> Self {
        Self::from(0, playout_ms, limits)
    }

    /// One whose first unit has this number; those before it are of an earlier opening of the flow.
    pub fn from(unit: u32, playout_ms: u32, limits: Limits) -> Self {
        let first = FIRST + u64::from(unit);
        Self {
            ordered: playout_ms > 0,
            limits,
            playout: Playout::new(playout_ms),
            pending: BTreeMap::new(),
            makeable: BTreeSet::new(),
            bytes: 0,
            next: first,
            recent: Recent::new(first),
            ready: VecDeque::new(),
            lost_before: false,
            wants_key: false,
            figures: Figures::default(),
        }
    }

    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// A unit was lost and no key unit has been handed on since.
    pub fn wants_key(&self) -> bool {
        self.wants_key
    }

    /// What waits, bookkeeping and all.
    pub fn pending_bytes(&self) -> usize {
        self.bytes
    }

    /// Units that wait.
    pub fn pending_units(&self) -> usize {
        self.pending.len()
    }

    /// So far ahead of what came last that it is of a later opening of the flow.
    pub fn is_beyond(&self, unit: u32) -> bool {
        self.recent.distance(unit) > i64::from(super::openings::APART / 2)
    }

    /// One piece, as it came.
    pub fn take(&mut self, head: &Head, body: &[u8], arrival: Micros) -> Taken {
        let taken = self.put(head, body, arrival);
        match taken {
            Taken::New => {}
            Taken::Duplicate => self.figures.duplicates += 1,
            Taken::Late => self.figures.pieces_late += 1,
            Taken::Refused => self.figures.pieces_refused += 1,
        }
        taken
    }

    fn put(&mut self, head: &Head, body: &[u8], arrival: Micros) -> Taken {
        let Some(shape) = Shape::of(head) else { return Taken::Refused };
        let index = usize::from(head.index);
        let cost = Partial::cost_of(&shape);
        if body.len() != shape.piece_bytes(index)
            || shape.unit_len > self.limits.unit_bytes
            || cost > self.limits.flow_bytes
        {
            return Taken::Refused;
        }
        let n = self.recent.unwrap(head.unit);
        if let Some(answer) = self.closed(n) {
            return answer;
        }
        if !self.pending.contains_key(&n) {
            self.make_room(n, cost);
            // It may have been the oldest itself.
            if let Some(answer) = self.closed(n) {
                return answer;
            }
            self.begin(n, head, shape, arrival);
        }
        let Some(unit) = self.pending.get_mut(&n) else { return Taken::Refused };
        if unit.head != (Head { index: 0, ..*head }) {
            return Taken::Refused;
        }
        if unit.has(index) {
            return Taken::Duplicate;
        }
        if index >= shape.data && self.bytes + body.len() + PIECE_COST > self.limits.flow_bytes {
            return Taken::Refused;
        }
        self.bytes += unit.put(index, body, arrival);
        if unit.can_be_made() {
            self.makeable.insert(n);
            if !self.ordered {
                self.hand_on(n);
            }
        }
        Taken::New
    }

    /// What is said of pieces of a unit that is over.
    fn closed(&self, n: u64) -> Option<Taken> {
        if self.recent.handed_on(n) {
            return Some(Taken::Duplicate);
        }
        let over = self.recent.given_up(n) || self.ordered && n < self.next;
        over.then_some(Taken::Late)
    }

    fn begin(&mut self, n: u64, head: &Head, shape: Shape, arrival: Micros) {
        let target = if self.ordered {
            self.playout.heard(head.sent_ms, arrival)
        } else {
            Micros(arrival.0.saturating_add(self.limits.patience_us))
        };
        let skipped = self.recent.reach(n);
        if !self.ordered && skipped > 0 {
            self.lost(skipped);
        }
        // A jump past everything that waits: what lies between will not come.
        if self.ordered && n - self.next >= Recent::SPAN {
            while let Some(first) = self.pending.keys().next().copied() {
                self.leave(first);
            }
            self.lost(n - self.next);
            self.next = n;
        }
        // A quicker way that appears must not have a later unit go before an earlier one, which would be given up for it.
        let before = self.pending.range(..n).next_back().map_or(Micros(0), |(_, u)| u.target);
        let behind = self.pending.range(n..).next().map_or(Micros(u64::MAX), |(_, u)| u.target);
        let target = if self.ordered { target.max(before).min(behind) } else { target };
        let unit = Partial::new(*head, shape, target, arrival);
        self.bytes += unit.cost;
        self.pending.insert(n, unit);
    }

    /// Until a unit of `cost` fits. Those before the newcomer leave first; it is the last to.
    fn make_room(&mut self, n: u64, cost: usize) {
        while self.bytes + cost > self.limits.flow_bytes || self.pending.len() >= self.limits.units {
            let Some(first) = self.pending.keys().next().copied() else { return };
            if first > n && self.ordered {
                self.skip_to(n + 1);
                return;
            }
            self.leave(first);
        }
    }

    /// The first leaves before its time.
    fn leave(&mut self, first: u64) {
        if self.pending.get(&first).is_some_and(Partial::can_be_made) {
            self.hand_on(first);
        } else {
            self.give_up(first);
        }
    }

    fn lost(&mut self, count: u64) {
        if count > 0 {
            self.figures.units_lost += count;
            self.lost_before = true;
            self.wants_key = true;
        }
    }

    /// Everything before `to` is over.
    fn skip_to(&mut self, to: u64) {
        if self.ordered && to > self.next {
            let before = self.pending.range(..to).map(|(n, _)| *n).collect::<Vec<_>>();
            for n in before {
                self.drop_unit(n);
                self.recent.give_up(n);
            }
            self.lost(to - self.next);
            self.next = to;
        }
    }

    fn drop_unit(&mut self, n: u64) -> Option<Partial> {
        let unit = self.pending.remove(&n)?;
        self.makeable.remove(&n);
        self.bytes -= unit.cost;
        Some(unit)
    }

    fn give_up(&mut self, n: u64) {
        if self.ordered {
            self.skip_to(n + 1);
        } else if self.drop_unit(n).is_some() {
            self.recent.give_up(n);
            self.lost(1);
        }
    }

    fn hand_on(&mut self, n: u64) {
        self.skip_to(n);
        let Some(unit) = self.drop_unit(n) else { return };
        let late = self.ordered && unit.whole_at.is_some_and(|at| at > unit.target);
        let head = unit.head;
        self.next = self.next.max(n + 1);
        let Some((bytes, made)) = unit.make() else {
            // Not seen: there is enough parity by count, and none is taken twice.
            self.recent.give_up(n);
            return self.lost(1);
        };
        self.recent.hand_on(n);
        self.figures.pieces_recovered += made;
        self.figures.bytes += bytes.len() as u64;
        *(if late { &mut self.figures.units_late } else { &mut self.figures.units }) += 1;
        let after_loss = std::mem::take(&mut self.lost_before);
        self.wants_key &= !head.key;
        self.ready.push_back(Due { unit: head.unit, bytes, key: head.key, late, after_loss, sent_ms: head.sent_ms });
    }

    /// The first of those that wait that can be made: the next to leave.
    fn candidate(&self) -> Option<(u64, Micros)> {
        let n = *self.makeable.first()?;
        self.pending.get(&n).map(|unit| (n, unit.target))
    }

    /// When the first that can not be made is given up, should nothing happen.
    fn expiry(&self) -> Option<(u64, Micros)> {
        let hold = if self.ordered { HOLD_US } else { 0 };
        let (n, unit) = self.pending.first_key_value().filter(|(_, u)| !u.can_be_made())?;
        Some((*n, Micros(unit.target.0.saturating_add(hold))))
    }

    /// Hand on what is due. Call after `take` and when `next_timer` says so.
    pub fn due(&mut self, now: Micros, out: &mut Vec<Due>) {
        if self.ordered {
            while let Some((n, _)) = self.candidate().filter(|(_, at)| *at <= now) {
                self.hand_on(n);
            }
        }
        while let Some((n, _)) = self.expiry().filter(|(_, at)| *at <= now) {
            self.give_up(n);
        }
        out.extend(self.ready.drain(..));
    }

    /// When to call `due` again, should nothing come.
    pub fn next_timer(&self) -> Option<Micros> {
        if !self.ready.is_empty() {
            return Some(Micros(0));
        }
        let candidate = if self.ordered { self.candidate() } else { None };
        candidate.into_iter().chain(self.expiry()).map(|(_, at)| at).min()
    }

    /// Pieces that lack and could still be of use at `now`, the oldest first; at most 256.
    pub fn missing(&self, now: Micros) -> impl Iterator<Item = Gap> {
        self.missing_since(now, now)
    }

    /// Of these, those of which nothing came since `before`: what came just now brings the rest with it, mostly.
    pub fn missing_since(&self, before: Micros, now: Micros) -> impl Iterator<Item = Gap> {
        let mut gaps = Vec::new();
        let mut expected = if self.ordered { self.next } else { u64::MAX };
        for (n, unit) in &self.pending {
            if unit.target > now {
                let deadline = unit.target;
                if unit.began <= before {
                    let unseen = expected.max(n.saturating_sub(MAX_UNSEEN))..*n;
                    gaps.extend(unseen.map(|n| Gap { unit: n as u32, index: WHOLE, since: unit.began, deadline }));
                }
                if unit.last <= before {
                    let own = |index| Gap { unit: *n as u32, index, since: unit.last, deadline };
                    gaps.extend(unit.gaps().map(own));
                }
            }
            expected = n + 1;
            if gaps.len() >= MAX_GAPS {
                break;
            }
        }
        gaps.truncate(MAX_GAPS);
        gaps.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::fragment::{cut, Piece};
    use super::*;

    const MS: u64 = 1000;

    fn unit(n: u32, len: usize) -> Bytes {
        (0..len).map(|i| (i as u32 * 17 + n * 5 + i as u32 / 97) as u8).collect()
    }

    fn pieces(n: u32, len: usize, parity: usize) -> Vec<Piece> {
        cut(n, &unit(n, len), n % 10 == 0, n * 40, 1000, parity)
    }

    /// Unit `n` is sent at 40·n ms and is 20 ms under way.
    fn at(n: u32) -> Micros {
        Micros((u64::from(n) * 40 + 20) * MS)
    }

    fn take(a: &mut Assembler, piece: &Piece, when: Micros) -> Taken {
        a.take(&piece.head, &piece.body, when)
    }

    fn due(a: &mut Assembler, when: Micros) -> Vec<Due> {
        let mut out = Vec::new();
        a.due(when, &mut out);
        out
    }

    #[test]
    fn no_later_unit_goes_before_an_earlier_one_when_a_quicker_way_appears() {
        for quick_from in [4, 12] {
            let mut a = Assembler::new(400, Limits::default());
            let delay = |i: u32| if i < quick_from { 280 } else { 35 };
            let mut order: Vec<u32> = (0..30).collect();
            order.sort_by_key(|i| i * 40 + delay(*i));
            for i in order {
                take(&mut a, &pieces(i, 10, 0)[0], Micros(u64::from(i * 40 + delay(i)) * MS));
            }
            let all: Vec<u64> = a.pending.values().map(|u| u.target.0).collect();
            assert!(all.len() == 30 && all.windows(2).all(|w| w[0] <= w[1]), "{all:?}");
            assert_eq!(all[29], (29 * 40 + 35 + 400) * MS);
        }
    }

    #[test]
    fn numbers_wrap() {
        for playout in [0, 100] {
            let mut a = Assembler::new(playout, Limits::default());
            let start = FIRST + u64::from(u32::MAX) - 5;
            (a.next, a.recent) = (start, Recent::new(start));
            let mut seen = Vec::new();
            for i in 0..12u32 {
                let n = (start as u32).wrapping_add(i);
                for piece in cut(n, &unit(i, 1500), false, n.wrapping_mul(40), 1000, 1).iter().skip(1) {
                    take(&mut a, piece, at(i));
                }
                seen.extend(due(&mut a, at(i)));
            }
            seen.extend(due(&mut a, at(100)));
            assert_eq!(seen.len(), 12);
            assert!(seen.iter().enumerate().all(|(i, d)| d.unit == (start as u32).wrapping_add(i as u32)));
            assert_eq!(a.figures().units_lost, 0);
        }
    }
}
