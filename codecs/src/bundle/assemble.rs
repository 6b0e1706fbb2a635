//! Pieces of a flow back into units: copies dropped, losses repaired, and each unit handed on at its time or given up.
//!
//! With a play-out delay units leave in their order, each when it is due (`playout`). One that is not whole then is waited for
//! as long as no later one is due, and handed on late; after that it is given up. Without a delay each leaves as soon as it is
//! whole. Repair is done when a unit leaves, and only if it must be: pieces under way on a slower path cost no work.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::fragment::{Head, Shape};
use super::partial::{Partial, PIECE_COST};
use super::playout::Playout;
use super::recent::Recent;
use crate::time::Micros;

/// What a unit that nobody completes is kept for after its time, while nothing later is due.
const HOLD_US: u64 = 1_000_000;
/// A unit without play-out delay is given up that long after its first piece.
const PATIENCE_US: u64 = 2_000_000;
/// Gaps that are told at once.
const MAX_GAPS: usize = 256;
/// Units in a row of which nothing came that are asked for.
const MAX_UNSEEN: u64 = 64;
/// The index of a gap where no piece of the unit has come.
pub const WHOLE: u16 = u16::MAX;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of all units of the flow that wait, as they announce themselves. Full, the oldest leaves before its time: handed on
    /// if it can be made, else given up.
    pub flow_bytes: usize,
    pub unit_bytes: usize,
    /// Units that wait; full, as above.
    pub units: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { flow_bytes: 8 << 20, unit_bytes: 2 << 20, units: 2048 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    New,
    /// It is there already, or its unit is handed on.
    Duplicate,
    /// Its unit is given up.
    Late,
    /// It does not fit its unit, or the limits.
    Refused,
}

/// A unit that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub unit: u32,
    pub bytes: Bytes,
    pub key: bool,
    /// It became whole after its time.
    pub late: bool,
    /// Something before it was lost.
    pub after_loss: bool,
    pub sent_ms: u32,
}

/// A piece that is worth asking for: `index`, or all of the unit (`WHOLE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub unit: u32,
    pub index: u16,
    /// When something of this unit came last, or first of the one behind it. What is only reordered comes soon after.
    pub since: Micros,
    /// An answer that comes later is of no use.
    pub deadline: Micros,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Handed on in time.
    pub units: u64,
    /// Handed on after their time: nothing later had been due yet.
    pub units_late: u64,
    /// Never handed on.
    pub units_lost: u64,
    pub bytes: u64,
    /// Data pieces that were made of parity.
    pub pieces_recovered: u64,
    pub duplicates: u64,
    /// Of units that were given up.
    pub pieces_late: u64,
    pub pieces_refused: u64,
}

/// The receiving end of one flow. Pure: time comes with the calls.
pub struct Assembler {
    ordered: bool,
    limits: Limits,
    playout: Playout,
    /// By their number, carried over its wraps.
    pending: BTreeMap<u64, Partial>,
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
        Self {
            ordered: playout_ms > 0,
            limits,
            playout: Playout::new(playout_ms),
            pending: BTreeMap::new(),
            bytes: 0,
            next: FIRST,
            recent: Recent::new(FIRST),
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
        if !self.ordered && unit.can_be_made() {
            self.hand_on(n);
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
            Micros(arrival.0.saturating_add(PATIENCE_US))
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
        self.pending.iter().find(|(_, u)| u.can_be_made()).map(|(n, u)| (*n, u.target))
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
        let mut gaps = Vec::new();
        let mut expected = if self.ordered { self.next } else { u64::MAX };
        for (n, unit) in &self.pending {
            if unit.target > now {
                let deadline = unit.target;
                let unseen = expected.max(n.saturating_sub(MAX_UNSEEN))..*n;
                gaps.extend(unseen.map(|n| Gap { unit: n as u32, index: WHOLE, since: unit.began, deadline }));
                let own = |index| Gap { unit: *n as u32, index, since: unit.last, deadline };
                gaps.extend(unit.gaps().map(own));
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
    fn units_leave_in_order_when_they_are_due() {
        let mut a = Assembler::new(100, Limits::default());
        for n in [1, 0, 2] {
            for piece in pieces(n, 2500, 0).iter().rev() {
                assert_eq!(take(&mut a, piece, at(n)), Taken::New);
                assert_eq!(take(&mut a, piece, at(n)), Taken::Duplicate);
            }
        }
        assert_eq!(a.next_timer(), Some(Micros(120 * MS)));
        assert!(due(&mut a, Micros(119 * MS)).is_empty());
        let out = due(&mut a, Micros(161 * MS));
        assert_eq!(out.iter().map(|d| d.unit).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((&out[1].bytes, out[0].key, out[1].key), (&unit(1, 2500), true, false));
        assert!(out.iter().all(|d| !d.late && !d.after_loss));
        assert_eq!(due(&mut a, Micros(200 * MS)).len(), 1);
        assert_eq!(take(&mut a, &pieces(1, 2500, 0)[0], at(9)), Taken::Duplicate);
        assert_eq!((a.pending_bytes(), a.next_timer()), (0, None));
        let expected = Figures { units: 3, bytes: 7500, duplicates: 10, ..Figures::default() };
        assert_eq!(a.figures(), expected);
    }

    #[test]
    fn a_loss_is_made_good_or_asked_for_or_given_up() {
        let mut a = Assembler::new(100, Limits::default());
        let (first, second) = (pieces(0, 5000, 2), pieces(1, 5000, 1));
        for piece in first.iter().skip(2) {
            take(&mut a, piece, at(0));
        }
        assert_eq!(a.missing(at(0)).count(), 0);
        for piece in second.iter().skip(3) {
            take(&mut a, piece, at(1));
        }
        let third = pieces(3, 100, 0);
        take(&mut a, &third[0], at(3));
        let gaps: Vec<(u32, u16)> = a.missing(at(3)).map(|g| (g.unit, g.index)).collect();
        assert_eq!(gaps, [(1, 0), (1, 1), (2, WHOLE)]);
        let gap = a.missing(at(1)).next().expect("two pieces lack");
        assert_eq!((gap.since, gap.deadline), (at(1), Micros(160 * MS)));
        let out = due(&mut a, Micros(170 * MS));
        assert_eq!((out.len(), &out[0].bytes), (1, &unit(0, 5000)));
        // Nothing later is due: unit 1 may still come, late.
        take(&mut a, &second[0], Micros(171 * MS));
        assert!(due(&mut a, Micros(171 * MS)).is_empty());
        take(&mut a, &second[1], Micros(172 * MS));
        let out = due(&mut a, Micros(172 * MS));
        assert!(out[0].late && !out[0].after_loss && out[0].bytes == unit(1, 5000));
        assert!(!a.wants_key());
        let out = due(&mut a, Micros(240 * MS));
        assert!(out[0].after_loss && out[0].unit == 3 && a.wants_key());
        assert_eq!(take(&mut a, &pieces(2, 100, 0)[0], at(9)), Taken::Late);
        let f = a.figures();
        assert_eq!((f.units, f.units_late, f.units_lost, f.pieces_recovered, f.pieces_late), (2, 1, 1, 3, 1));
        for piece in pieces(10, 10, 0) {
            take(&mut a, &piece, at(10));
        }
        assert_eq!(due(&mut a, at(20)).len(), 1);
        assert!(!a.wants_key());
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
    fn without_delay_each_leaves_as_soon_as_it_is_whole() {
        let mut a = Assembler::new(0, Limits::default());
        let (first, second) = (pieces(0, 3000, 1), pieces(1, 10, 0));
        take(&mut a, &first[3], at(0));
        take(&mut a, &second[0], at(0));
        assert_eq!(due(&mut a, at(0)).iter().map(|d| d.unit).collect::<Vec<_>>(), [1]);
        take(&mut a, &first[0], at(1));
        take(&mut a, &first[1], at(1));
        assert_eq!(due(&mut a, at(1))[0].bytes, unit(0, 3000));
        assert_eq!(take(&mut a, &first[2], at(1)), Taken::Duplicate);
        take(&mut a, &pieces(2, 3000, 0)[0], at(2));
        let end = a.next_timer().expect("a unit waits");
        assert!(due(&mut a, end).is_empty());
        assert_eq!((a.figures().units_lost, a.pending_bytes(), a.next_timer()), (1, 0, None));
        assert_eq!(take(&mut a, &pieces(2, 3000, 0)[1], at(60)), Taken::Late);
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

    #[test]
    fn a_full_assembler_lets_the_oldest_go_before_its_time() {
        let limits = Limits { flow_bytes: 40_000, unit_bytes: 20_000, units: 8 };
        let mut a = Assembler::new(10_000, limits);
        assert_eq!(take(&mut a, &pieces(0, 20_001, 0)[0], at(0)), Taken::Refused);
        let mut out = Vec::new();
        for n in 0..50 {
            // Every third lacks a piece.
            for piece in pieces(n, 9000, 0).iter().skip(usize::from(n % 3 == 0)) {
                take(&mut a, piece, at(n));
                assert!(a.pending_bytes() <= limits.flow_bytes);
            }
            a.due(at(n), &mut out);
        }
        assert!(out.len() >= 30 && out.iter().all(|d| d.unit % 3 != 0), "{}", out.len());
        for n in 50..100 {
            take(&mut a, &pieces(n, 10, 0)[0], at(n));
            assert!(a.pending.len() <= limits.units);
        }
    }

    #[test]
    fn a_jump_of_numbers_ends_what_was_before() {
        let mut a = Assembler::new(100, Limits::default());
        take(&mut a, &pieces(0, 10, 0)[0], at(0));
        take(&mut a, &pieces(1, 5000, 0)[0], at(0));
        take(&mut a, &pieces(100_000, 10, 0)[0], at(1));
        let out = due(&mut a, at(9));
        assert_eq!(out.iter().map(|d| d.unit).collect::<Vec<_>>(), [0, 100_000]);
        assert_eq!(a.figures().units_lost, 99_999);
        assert_eq!(take(&mut a, &pieces(5, 10, 0)[0], at(9)), Taken::Late);
    }

    #[test]
    fn pieces_that_contradict_each_other_are_refused() {
        let mut a = Assembler::new(100, Limits::default());
        let good = pieces(0, 3000, 1);
        take(&mut a, &good[0], at(0));
        let head = Head { unit_len: 2999, ..good[1].head };
        assert_eq!(a.take(&head, &good[1].body, at(0)), Taken::Refused);
        assert_eq!(a.take(&good[1].head, &good[1].body[1..], at(0)), Taken::Refused);
        assert_eq!(a.take(&Head { key: false, ..good[1].head }, &good[1].body, at(0)), Taken::Refused);
        assert_eq!(a.figures().pieces_refused, 3);
    }

    /// Any order, any copies, any loss up to the parity, from a seed: every unit comes out, once, as it went in.
    #[test]
    fn what_the_parity_covers_arrives() {
        let mut seed = 7u64;
        let mut below = move |n: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % n.max(1)
        };
        for playout in [0, 400] {
            let mut a = Assembler::new(playout, Limits::default());
            let (mut way, mut lens) = (Vec::new(), Vec::new());
            for n in 0..300u32 {
                let (len, parity) = (below(if n % 50 == 0 { 600_000 } else { 20_000 }), below(6));
                lens.push(len);
                let mut all = pieces(n, len, parity);
                let words = Shape::of(&all[0].head).expect("ours").words;
                // One word may take all the loss: as many as it has parity.
                for _ in 0..below(if len == 0 { 1 } else { parity / words + 1 }) {
                    all.swap_remove(below(all.len()));
                }
                for piece in all {
                    for _ in 0..1 + below(2) {
                        way.push((u64::from(n) * 40 + 20 + below(150) as u64, piece.clone()));
                    }
                }
            }
            way.sort_by_key(|(ms, _)| *ms);
            let mut out = Vec::new();
            for (ms, piece) in way {
                take(&mut a, &piece, Micros(ms * MS));
                a.due(Micros(ms * MS), &mut out);
            }
            a.due(Micros(60_000 * MS), &mut out);
            if playout == 0 {
                out.sort_by_key(|d| d.unit);
            }
            assert_eq!(out.len(), 300);
            for (n, (d, len)) in out.iter().zip(lens).enumerate() {
                assert_eq!((d.unit, &d.bytes), (n as u32, &unit(n as u32, len)));
                assert!(!d.late && !d.after_loss);
            }
            assert_eq!((a.figures().units_lost, a.pending_bytes()), (0, 0));
        }
    }
}
