//! What went out over one path and is not yet known to have come: by this a report's gap is attributed to the path that
//! lost it, and to what was in it, so that exactly that is sent again.
//!
//! A datagram is *lost* when a later one of the same path came and enough time lay between them for the path's own
//! reordering; or when nothing came at all for so long that the answer is overdue. One that came soon after it was called lost
//! teaches the path's patience; those that never do, or seconds later, have it fade.

use std::collections::VecDeque;

use crate::time::Micros;

use super::item::{Acked, Item, Outcome};
use super::measure::Loss;
use super::report::Report;
use super::wire::unwrap24;

/// Datagrams kept at most; a path that has more under way than this carries 40 Mb/s with a second of delay.
pub const MAX_RECORDS: usize = 8192;
/// How long one that is lost, or came, is remembered behind older ones that are still open.
const FORGET_US: u64 = 3_000_000;
const MIN_PATIENCE_US: u64 = 4_000;
const MAX_PATIENCE_US: u64 = 120_000;
/// Patience would have helped against this much reordering; what strays by seconds is as good as lost.
const LEARN_US: u64 = 2 * MAX_PATIENCE_US;
/// On a path that was never seen to reorder, this many later ones are enough (RFC 9002 §6.1.1).
const LATER_ONES: u64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    UnderWay,
    Came,
    /// A later one came.
    Lost,
    /// Nothing came, for too long.
    Overdue,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    at: Micros,
    /// Place of its first item, counted from the session's beginning.
    item: u64,
    bytes: u16,
    items: u16,
    /// Bytes of all that were sent up to it, itself too.
    total: u64,
    /// It wants a report; one that does not is never missed.
    asks: bool,
    state: State,
}

#[derive(Debug)]
pub struct Sent {
    records: VecDeque<Record>,
    items: VecDeque<Item>,
    /// Number of the first record; the next to send is `first + records.len()`.
    first: u64,
    /// Place of the first item.
    first_item: u64,
    /// No record below this number is under way.
    open: u64,
    highest_came: Option<u64>,
    total: u64,
    under_way_bytes: u64,
    patience_us: u64,
    /// What became of those that wanted a report.
    pub loss: Loss,
}

impl Default for Sent {
    fn default() -> Self {
        Self {
            records: VecDeque::with_capacity(256),
            items: VecDeque::with_capacity(256),
            first: 0,
            first_item: 0,
            open: 0,
            highest_came: None,
            total: 0,
            under_way_bytes: 0,
            patience_us: MIN_PATIENCE_US,
            loss: Loss::default(),
        }
    }
}

impl Sent {
    /// Numbers begin at `first`: above all that a path of the same id may have used before.
    pub fn from(first: u64) -> Self {
        Self { first, open: first, ..Self::default() }
    }

    /// The number that the next datagram of this path gets.
    pub fn next_number(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// Bytes that want a report and have none.
    pub fn under_way_bytes(&self) -> u64 {
        self.under_way_bytes
    }

    /// Send time of the oldest datagram that wants a report and has none.
    pub fn oldest_open(&self) -> Option<Micros> {
        let open = self.record(self.open)?;
        self.records.range(open..).find(|record| record.asks && record.state == State::UnderWay).map(|record| record.at)
    }

    /// How much the path is known to reorder.
    pub fn patience_us(&self) -> u64 {
        self.patience_us
    }

    /// Note a datagram that goes out now, and what is in it. `out`: the oldest had to be given up for want of room.
    pub fn push(&mut self, bytes: usize, items: &[Item], asks: bool, now: Micros, out: &mut Vec<Outcome>) {
        if self.records.len() >= MAX_RECORDS {
            self.lose(0, State::Overdue, out);
            self.pop();
        }
        let item = self.first_item + self.items.len() as u64;
        let (state, count) = (State::UnderWay, items.len() as u16);
        self.total += bytes as u64;
        let (bytes, total) = (bytes as u16, self.total);
        self.records.push_back(Record { at: now, item, bytes, items: count, total, asks, state });
        self.items.extend(items);
        self.under_way_bytes += if asks { u64::from(bytes) } else { 0 };
    }

    fn record(&self, number: u64) -> Option<usize> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        (index < self.records.len()).then_some(index)
    }

    fn settle(&mut self, index: usize, state: State, out: &mut Vec<Outcome>) {
        let record = &mut self.records[index];
        if record.state == State::UnderWay && record.asks {
            self.under_way_bytes -= u64::from(record.bytes);
            self.loss.add(state == State::Came, record.at);
        }
        record.state = state;
        let from = (record.item - self.first_item) as usize;
        let items = self.items.range(from..from + usize::from(record.items));
        out.extend(items.map(|item| Outcome { item: *item, came: state == State::Came }));
        while self.record(self.open).is_some_and(|open| self.records[open].state != State::UnderWay) {
            self.open += 1;
        }
    }

    /// True when it was still under way and wanted an answer.
    fn lose(&mut self, index: usize, state: State, out: &mut Vec<Outcome>) -> bool {
        let record = self.records[index];
        if record.state != State::UnderWay {
            return false;
        }
        self.settle(index, state, out);
        record.asks
    }

    fn pop(&mut self) {
        if let Some(record) = self.records.pop_front() {
            if record.state == State::Lost {
                self.lose_patience();
            }
            self.items.drain(..usize::from(record.items));
            self.first_item += u64::from(record.items);
            self.first += 1;
            self.open = self.open.max(self.first);
        }
    }

    /// Take a report in. Outcomes are appended to `out`; what is told twice is not repeated.
    pub fn report(&mut self, report: &Report, now: Micros, out: &mut Vec<Outcome>) -> Acked {
        let mut acked = Acked::default();
        let near = self.highest_came.unwrap_or_else(|| self.next_number().saturating_sub(1));
        let highest = unwrap24(report.highest, near);
        if highest >= self.next_number() {
            return acked; // of a number that was never sent
        }
        let newest = self.record(highest).map_or(now, |index| self.records[index].at);
        let mut number = highest;
        'runs: for run in report.runs() {
            for _ in 0..run.received {
                let Some(index) = self.record(number) else { break 'runs };
                self.came(index, newest, &mut acked, out);
                if number == highest && self.highest_came.is_none_or(|before| highest > before) {
                    acked.newest_sent = Some(self.records[index].at);
                    acked.newest_total = self.records[index].total;
                }
                let Some(below) = number.checked_sub(1) else { break 'runs };
                number = below;
            }
            let Some(below) = number.checked_sub(run.missing.into()) else { break };
            number = below;
        }
        self.highest_came = self.highest_came.max(Some(highest));
        self.give_up_below(highest, &mut acked, out);
        self.forget(now);
        acked
    }

    /// `newest`: send time of the highest that came.
    fn came(&mut self, index: usize, newest: Micros, acked: &mut Acked, out: &mut Vec<Outcome>) {
        let record = self.records[index];
        match record.state {
            State::Came => return,
            State::Lost if newest.since(record.at) > LEARN_US => self.lose_patience(),
            // Sent again for nothing: the path reorders by more than was thought.
            State::Lost => self.patience_us = (self.patience_us * 3 / 2).min(MAX_PATIENCE_US),
            State::Overdue => {}
            State::UnderWay => acked.came += u32::from(record.asks),
        }
        if record.state != State::UnderWay && record.asks {
            self.loss.amend(record.at);
        }
        acked.came_bytes += u64::from(record.bytes);
        self.settle(index, State::Came, out);
    }

    fn lose_patience(&mut self) {
        self.patience_us = (self.patience_us - self.patience_us / 16).max(MIN_PATIENCE_US);
    }

    /// `highest` came: what was sent clearly before it and did not is lost.
    fn give_up_below(&mut self, highest: u64, acked: &mut Acked, out: &mut Vec<Outcome>) {
        let Some(top) = self.record(highest) else { return };
        let at = self.records[top].at;
        let in_order = self.patience_us == MIN_PATIENCE_US;
        for number in self.open..highest {
            let Some(index) = self.record(number) else { break };
            let apart = at.since(self.records[index].at);
            if apart < self.patience_us && !(in_order && highest - number >= LATER_ONES) {
                break;
            }
            acked.lost += u32::from(self.lose(index, State::Lost, out));
        }
    }

    /// Give up what was sent before `before` and has no answer: it is overdue. How many that wanted one.
    pub fn overdue(&mut self, before: Micros, now: Micros, out: &mut Vec<Outcome>) -> u32 {
        let mut lost = 0;
        while let Some(index) = self.record(self.open) {
            if self.records[index].at >= before {
                break;
            }
            lost += u32::from(self.lose(index, State::Overdue, out));
        }
        self.forget(now);
        lost
    }

    /// Drop what is settled from the front. What was lost is remembered a while: it may have been only late.
    fn forget(&mut self, now: Micros) {
        while let Some(record) = self.records.front() {
            let keep = match record.state {
                State::UnderWay => true,
                State::Came => false,
                State::Lost | State::Overdue => now.since(record.at) < FORGET_US,
            };
            if keep {
                break;
            }
            self.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::report::{ticks, Received};

    fn ms(ms: u64) -> Micros {
        Micros(ms * 1000)
    }

    fn piece(index: u16) -> Item {
        Item::Piece { flow: 1, unit: 7, index, near: true }
    }

    struct Two {
        sent: Sent,
        received: Received,
        out: Vec<Outcome>,
    }

    impl Two {
        fn new() -> Self {
            Self { sent: Sent::default(), received: Received::default(), out: Vec::new() }
        }

        fn send(&mut self, index: u16, at: u64, arrives: Option<u64>) {
            let number = self.sent.next_number();
            self.sent.push(1000, &[piece(index)], true, ms(at), &mut self.out);
            if let Some(arrival) = arrives {
                self.received.came(number, ticks(ms(at)), 1000, true, ms(arrival));
            }
        }

        fn report(&mut self, at: u64) -> Acked {
            let report = self.received.report(0, ms(at)).expect("something came");
            self.sent.report(&report, ms(at), &mut self.out)
        }

        fn lost(&self) -> Vec<u16> {
            self.of(false)
        }

        fn of(&self, came: bool) -> Vec<u16> {
            let matching = self.out.iter().filter(|outcome| outcome.came == came);
            matching
                .map(|outcome| match outcome.item {
                    Item::Piece { index, .. } => index,
                    other => panic!("{other:?}"),
                })
                .collect()
        }
    }

    #[test]
    fn a_gap_is_what_was_in_it() {
        let mut two = Two::new();
        for index in 0..10 {
            two.send(index, 10 * u64::from(index), (index != 3 && index != 4).then_some(35 + 10 * u64::from(index)));
        }
        let acked = two.report(130);
        assert_eq!((acked.came, acked.lost, acked.came_bytes), (8, 2, 8000));
        assert_eq!(acked.newest_sent, Some(ms(90)));
        assert_eq!((two.lost(), two.of(true).len(), two.sent.under_way_bytes()), (vec![3, 4], 8, 0));
        // Told again, nothing new follows.
        two.out.clear();
        assert_eq!(two.report(140), Acked::default());
        assert!(two.out.is_empty());
    }

    #[test]
    fn the_end_of_a_run_is_lost_when_its_answer_is_overdue() {
        let mut two = Two::new();
        two.send(0, 0, Some(35));
        two.send(1, 1, None);
        two.report(36);
        assert_eq!((two.lost(), two.sent.oldest_open()), (vec![], Some(ms(1))));
        assert_eq!(two.sent.overdue(ms(1), ms(100), &mut two.out), 0);
        assert_eq!(two.sent.overdue(ms(2), ms(100), &mut two.out), 1);
        assert_eq!((two.lost(), two.sent.oldest_open(), two.sent.under_way_bytes()), (vec![1], None, 0));
    }

    #[test]
    fn one_that_was_only_late_teaches_patience() {
        let mut two = Two::new();
        two.send(0, 0, None);
        two.send(1, 10, Some(45));
        two.report(46);
        assert_eq!(two.lost(), vec![0]);
        two.received.came(0, 0, 1000, true, ms(50));
        two.report(51);
        assert_eq!(two.of(true), vec![1, 0]);
        assert_eq!(two.sent.patience_us(), MIN_PATIENCE_US * 3 / 2);
        // Three later ones within the patience are no loss any more.
        two.out.clear();
        two.send(2, 60, None);
        for index in 3..8 {
            two.send(index, 61, Some(96));
        }
        two.report(97);
        assert!(two.lost().is_empty());
    }

    #[test]
    fn reports_of_what_was_never_sent_change_nothing() {
        let mut two = Two::new();
        two.send(0, 0, None);
        for number in [1, 5, 70_000] {
            let mut other = Received::default();
            other.came(number, 0, 1, true, ms(1));
            let report = other.report(0, ms(1)).expect("something came");
            assert_eq!(two.sent.report(&report, ms(1), &mut two.out), Acked::default());
        }
        assert!(two.out.is_empty() && two.sent.under_way_bytes() == 1000);
    }

    #[test]
    fn a_full_memory_gives_the_oldest_up() {
        let mut two = Two::new();
        for _ in 0..MAX_RECORDS + 10 {
            two.send(0, 0, None);
        }
        assert_eq!((two.lost().len(), two.sent.under_way_bytes()), (10, 1000 * MAX_RECORDS as u64));
    }
}
