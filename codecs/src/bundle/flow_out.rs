//! The sending end of one flow: units that wait, units that are being sent, and what must go again.
//!
//! A unit is cut only when its turn comes, so that its pieces fit the paths of that moment and a unit that is left out leaves
//! no gap in the numbers. What waits too long is left out whole; of pictures everything up to the next key unit with it, since
//! they mean nothing without it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::time::Micros;

use super::assemble::WHOLE;
use super::figures::FlowFigures;
use super::flow::{Class, FlowOptions, Mode};
use super::fragment::Head;
use super::types::{FlowId, PathId};
use super::unit_out::UnitOut;

/// Of units that wait and of units kept to be sent again, each.
const MAX_BYTES: usize = 8 << 20;
const MAX_UNITS: usize = 2048;
/// How long a unit without a play-out delay is of use.
const PATIENCE_US: i64 = 2_000_000;
/// After its time a unit is kept this long: reports of it are still on their way.
const AFTER_US: i64 = 500_000;
const MAX_AGAIN: usize = 4096;
/// Between key units that are asked for: when the receiver wishes one, and when we leave out all others until then.
const KEY_PAUSE_US: u64 = 1_000_000;
const OWN_KEY_PAUSE_US: u64 = 300_000;

/// Which queue of a flow a piece is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Lost, and of use still.
    Again,
    First,
    /// The second copy, over another path.
    Copy,
}

/// A piece whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub lane: Lane,
    pub unit: u32,
    pub index: u16,
    pub len: usize,
    pub key: bool,
    /// When the unit was given to us.
    pub at: Micros,
    /// The path that it must not take if there is another.
    pub avoid: Option<PathId>,
}

/// How units are to be cut now.
#[derive(Debug, Clone, Copy)]
pub struct Cutting {
    pub piece_bytes: usize,
    /// Parity pieces for each data piece.
    pub parity: f64,
    /// There is room for second copies of key units.
    pub copies: bool,
}

#[derive(Debug)]
struct Waiting {
    unit: Bytes,
    key: bool,
    at: Micros,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    unit: u64,
    piece: usize,
}

pub struct FlowOut {
    pub id: FlowId,
    pub options: FlowOptions,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    units: VecDeque<UnitOut>,
    kept_bytes: usize,
    /// Number of the first unit in `units`; on the wire its low half.
    first: u64,
    next: Place,
    copy: Place,
    again: VecDeque<(u64, u16, Option<PathId>)>,
    /// Everything up to the next key unit is left out.
    to_key: bool,
    /// When a key unit was asked of the source last, and given.
    key_asked: Option<Micros>,
    key_given: Option<Micros>,
    pub figures: FlowFigures,
    pub last_given: Option<Micros>,
}

impl FlowOut {
    pub fn new(id: FlowId, options: FlowOptions) -> Self {
        Self {
            id,
            options,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            units: VecDeque::new(),
            kept_bytes: 0,
            first: 0,
            next: Place::default(),
            copy: Place::default(),
            again: VecDeque::new(),
            to_key: false,
            key_asked: None,
            key_given: None,
            figures: FlowFigures { id, outgoing: true, ..FlowFigures::default() },
            last_given: None,
        }
    }

    /// How long a unit is of use after it was given to us and the quickest way is behind it.
    fn useful_us(&self) -> i64 {
        if self.options.playout_ms == 0 {
            PATIENCE_US
        } else {
            i64::from(self.options.playout_ms) * 1000
        }
    }

    /// What is left of the time of a unit from `at`, when the way that it takes is `extra_us` longer than the quickest.
    pub fn left_us(&self, at: Micros, extra_us: i64, now: Micros) -> i64 {
        self.useful_us() - extra_us - now.since(at) as i64
    }

    /// Queue a unit. False: it is left out.
    pub fn give(&mut self, unit: Bytes, key: bool, now: Micros) -> bool {
        self.last_given = Some(now);
        self.to_key &= !key;
        if key {
            self.key_given = Some(now);
        }
        let fits = unit.len() <= super::fragment::MAX_UNIT_BYTES;
        if self.to_key || !fits {
            self.figures.dropped += 1;
            self.to_key |= !fits && self.options.class == Class::Video;
            return false;
        }
        while self.waiting_bytes + unit.len() > MAX_BYTES || self.waiting.len() >= MAX_UNITS {
            self.leave_out();
        }
        if self.to_key && !key {
            self.figures.dropped += 1;
            return false;
        }
        self.to_key = false;
        self.waiting_bytes += unit.len();
        self.waiting.push_back(Waiting { unit, key, at: now });
        true
    }

    /// The first that waits goes unsent, and of pictures all that hang on it.
    fn leave_out(&mut self) {
        let mut count = 0;
        while let Some(front) = self.waiting.front() {
            if count > 0 && (front.key || self.options.class != Class::Video) {
                return;
            }
            self.waiting_bytes -= front.unit.len();
            self.waiting.pop_front();
            count += 1;
            self.figures.dropped += 1;
        }
        self.to_key = self.options.class == Class::Video;
    }

    /// Drop what came too late to be sent, and forget what is over. `extra_us`: how much longer than the quickest the best
    /// way is. True when a unit was left out.
    pub fn prune(&mut self, extra_us: i64, now: Micros) -> bool {
        let before = self.figures.dropped;
        let budget = (self.useful_us() - extra_us).max(20_000);
        while self.waiting.front().is_some_and(|front| {
            // A key unit is worth more than its place: it may use all of the time there is.
            now.since(front.at) as i64 > if front.key { budget } else { budget * 17 / 20 }
        }) {
            self.leave_out();
        }
        let useful = self.useful_us() + AFTER_US;
        while let Some(unit) = self.units.front() {
            let over = now.since(unit.at) as i64 > useful || unit.is_done() && self.first < self.next.unit;
            if !over && self.kept_bytes <= MAX_BYTES && self.units.len() <= MAX_UNITS {
                break;
            }
            self.kept_bytes -= unit.bytes;
            self.units.pop_front();
            self.first += 1;
        }
        for place in [&mut self.next, &mut self.copy] {
            if place.unit < self.first {
                *place = Place { unit: self.first, piece: 0 };
            }
        }
        self.figures.dropped > before
    }

    /// A key unit should be asked of the source: it is waited for and everything else is gone.
    pub fn wants_key(&mut self, now: Micros) -> bool {
        self.to_key && self.waiting.is_empty() && self.ask_after(OWN_KEY_PAUSE_US, now)
    }

    /// The receiver would like a key unit. True: ask for one; not if one is under way, or was asked for just now: key units
    /// are large, and a link that loses has no use for more of them.
    pub fn asks_key(&mut self, now: Micros) -> bool {
        self.ask_after(KEY_PAUSE_US, now)
    }

    fn ask_after(&mut self, pause: u64, now: Micros) -> bool {
        let recent = |at: Option<Micros>| at.is_some_and(|at| now.since(at) < pause);
        let asks = self.options.class == Class::Video && !recent(self.key_asked) && !recent(self.key_given);
        if asks {
            self.key_asked = Some(now);
        }
        asks
    }

    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Something may be sent. Cheap, and true too often rather than too seldom.
    pub fn has_work(&self) -> bool {
        !self.waiting.is_empty() || !self.again.is_empty() || self.next.unit < self.end() || self.copy.unit < self.end()
    }

    fn end(&self) -> u64 {
        self.first + self.units.len() as u64
    }

    fn unit(&self, number: u64) -> Option<&UnitOut> {
        self.units.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn unit_mut(&mut self, number: u64) -> Option<&mut UnitOut> {
        self.units.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The full number of one on the wire.
    fn number(&self, unit: u32) -> u64 {
        self.first + u64::from(unit.wrapping_sub(self.first as u32))
    }

    fn turn(&self, lane: Lane, number: u64, index: usize, avoid: Option<PathId>) -> Option<Turn> {
        let unit = self.unit(number)?;
        let (_, body) = unit.piece(index)?;
        let (unit_no, key, at) = (number as u32, unit.key, unit.at);
        Some(Turn { lane, unit: unit_no, index: index as u16, len: body.len(), key, at, avoid })
    }

    /// The next piece of `lane`.
    pub fn peek(&mut self, lane: Lane, cutting: &Cutting, now: Micros) -> Option<Turn> {
        match lane {
            Lane::Again => self.peek_again(now),
            Lane::First => self.peek_first(cutting),
            Lane::Copy => self.peek_copy(now),
        }
    }

    fn peek_again(&mut self, now: Micros) -> Option<Turn> {
        while let Some((number, index, avoid)) = self.again.front().copied() {
            let of_use = self
                .unit(number)
                .is_some_and(|unit| !unit.came(index.into()) && !unit.is_done() && self.left_us(unit.at, 0, now) > 0);
            if of_use {
                return self.turn(Lane::Again, number, index.into(), avoid);
            }
            self.again.pop_front();
        }
        None
    }

    fn peek_first(&mut self, cutting: &Cutting) -> Option<Turn> {
        loop {
            if let Some(unit) = self.unit(self.next.unit) {
                if self.next.piece < unit.len() {
                    return self.turn(Lane::First, self.next.unit, self.next.piece, None);
                }
                self.next = Place { unit: self.next.unit + 1, piece: 0 };
                continue;
            }
            let waiting = self.waiting.pop_front()?;
            self.waiting_bytes -= waiting.unit.len();
            let pieces = waiting.unit.len().div_ceil(cutting.piece_bytes).max(1);
            let parity = match self.options.mode {
                Mode::Spread => (pieces as f64 * cutting.parity).ceil() as usize,
                Mode::Best | Mode::Duplicate => 0,
            };
            let number = self.end() as u32;
            let made = UnitOut::new(number, &waiting.unit, waiting.key, waiting.at, cutting.piece_bytes, parity);
            let Some(mut unit) = made else {
                self.figures.dropped += 1;
                continue;
            };
            unit.copied = match self.options.mode {
                Mode::Duplicate => true,
                Mode::Spread => waiting.key && cutting.copies,
                Mode::Best => false,
            };
            self.figures.sent += 1;
            self.figures.sent_bytes += waiting.unit.len() as u64;
            self.figures.parity_bytes += (unit.bytes - waiting.unit.len()) as u64;
            self.kept_bytes += unit.bytes;
            self.units.push_back(unit);
        }
    }

    /// The second copy follows the first: a piece that was not sent yet has none.
    fn peek_copy(&mut self, now: Micros) -> Option<Turn> {
        while (self.copy.unit, self.copy.piece) < (self.next.unit, self.next.piece) {
            let Place { unit: number, piece } = self.copy;
            let useful = self.useful_us();
            let Some(unit) = self.unit(number) else { break };
            let over = now.since(unit.at) as i64 > useful || unit.is_done();
            if !unit.copied || over || piece >= unit.data {
                self.copy = Place { unit: number + 1, piece: 0 };
                continue;
            }
            if unit.came(piece) || unit.was_resent(piece) {
                self.copy.piece += 1;
                continue;
            }
            let avoid = unit.first_path(piece);
            return self.turn(Lane::Copy, number, piece, avoid);
        }
        None
    }

    /// There is no second way for what `turn` is a copy of: leave the unit's copies out.
    pub fn skip_copy(&mut self) {
        self.copy = Place { unit: self.copy.unit + 1, piece: 0 };
    }

    /// There is no other way for the second sending.
    pub fn skip_again(&mut self) {
        self.again.pop_front();
    }

    /// The piece of a turn, to be written.
    pub fn piece(&self, turn: &Turn) -> Option<(&Head, &Bytes)> {
        self.unit(self.number(turn.unit))?.piece(turn.index.into())
    }

    /// It goes out over `path`. `twice`: time is short, it goes over another one as well.
    pub fn took(&mut self, turn: &Turn, (path, near): (PathId, bool), twice: bool, now: Micros) {
        let number = self.number(turn.unit);
        match turn.lane {
            Lane::Again => {
                self.again.pop_front();
                self.figures.pieces_resent += 1;
                if twice && turn.avoid.is_none() {
                    self.again.push_front((number, turn.index, Some(path)));
                }
            }
            Lane::First => self.next.piece += 1,
            Lane::Copy => {
                self.copy.piece += 1;
                self.figures.copy_bytes += turn.len as u64;
            }
        }
        let copy = turn.lane == Lane::Copy || turn.avoid.is_some();
        if let Some(unit) = self.unit_mut(number) {
            unit.sent(turn.index.into(), path, near, copy, now);
        }
    }

    /// One sending of a piece came, or was lost on its path, a `near` one or not.
    pub fn settled(&mut self, unit: u32, index: u16, near: bool, came: bool) {
        let number = self.number(unit);
        let again = self.unit_mut(number).is_some_and(|unit| unit.settled(index.into(), near, came));
        if again && self.again.len() < MAX_AGAIN {
            self.again.push_back((number, index, None));
        }
    }

    /// The receiver lacks pieces of a unit and has little time left. `fresh_us`: how long a sending and the word of it take.
    pub fn wanted(&mut self, unit: u32, indexes: impl Iterator<Item = u16>, fresh_us: u64, now: Micros) {
        let number = self.number(unit);
        let next = self.next;
        for index in indexes {
            let Some(unit) = self.unit_mut(number) else { return };
            let range = if index == WHOLE { 0..unit.data } else { usize::from(index)..usize::from(index) + 1 };
            for index in range {
                let sent = (number, index) < (next.unit, next.piece);
                let asked = |entry: &(u64, u16, Option<PathId>)| entry.0 == number && usize::from(entry.1) == index;
                if !sent || self.again.len() >= MAX_AGAIN || self.again.iter().any(asked) {
                    continue;
                }
                if self.unit_mut(number).is_some_and(|unit| unit.wanted(index, fresh_us, now)) {
                    self.again.push_back((number, index as u16, None));
                }
            }
        }
    }

    /// The path that this piece took last.
    pub fn last_path(&self, turn: &Turn) -> Option<PathId> {
        self.unit(self.number(turn.unit))?.last_path(turn.index.into())
    }
}
