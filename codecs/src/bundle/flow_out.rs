//! The sending end of one flow: units that wait, units that are being sent, and what must go again.
//!
//! A unit is cut only when its turn comes, so that its pieces fit the paths of that moment and a unit that is left out leaves
//! no gap in the numbers.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::time::Micros;

use super::assemble::WHOLE;
use super::figures::FlowFigures;
use super::flow::{Class, FlowOptions, Mode};
use super::fragment::Head;
use super::types::{FlowId, PathId};
use super::unit_out::UnitOut;
use super::waiting::Waiting;

/// Of units kept to be sent again.
const MAX_BYTES: usize = 8 << 20;
const MAX_UNITS: usize = 2048;
/// After its time a unit is kept this long: reports of it are still on their way.
const AFTER_US: i64 = 500_000;
const MAX_AGAIN: usize = 4096;
/// So long what went before counts in a flow's share.
const FADE_US: f64 = 20_000_000.0;
/// Which queue of a flow a piece is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Lost, and of use still.
    Again,
    /// Sent again just now with little time left: over another path as well.
    Twin,
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
    /// What all paths carry, or may be hoped to.
    pub hoped_bps: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    unit: u64,
    piece: usize,
}

pub struct FlowOut {
    pub id: FlowId,
    pub options: FlowOptions,
    /// The number of its first unit: it tells one opening of a flow from the next.
    pub opening: u32,
    pub waiting: Waiting,
    units: VecDeque<UnitOut>,
    kept_bytes: usize,
    /// Number of the first unit in `units`; on the wire its low half.
    first: u64,
    next: Place,
    copy: Place,
    again: VecDeque<(u64, u16)>,
    /// And the path that each must not take.
    twins: VecDeque<(u64, u16, PathId)>,
    /// Bytes of pictures that went of late, fading, and how many that were when its latest key picture was given.
    carried: f64,
    pub share: f64,
    faded: Micros,
    pub figures: FlowFigures,
}

impl FlowOut {
    /// `opening`: the number of its first unit.
    pub fn new(id: FlowId, options: FlowOptions, opening: u32) -> Self {
        let place = Place { unit: opening.into(), piece: 0 };
        Self {
            id,
            options,
            opening,
            waiting: Waiting::new(&options),
            units: VecDeque::new(),
            kept_bytes: 0,
            first: opening.into(),
            next: place,
            copy: place,
            again: VecDeque::new(),
            twins: VecDeque::new(),
            carried: 0.0,
            share: 0.0,
            faded: Micros(0),
            figures: FlowFigures { id, outgoing: true, ..FlowFigures::default() },
        }
    }

    fn useful_us(&self) -> i64 {
        self.options.useful_us() as i64
    }

    /// What is left of the time of a unit from `at`, when the way that it takes is `extra_us` longer than the quickest.
    pub fn left_us(&self, at: Micros, extra_us: i64, now: Micros) -> i64 {
        self.useful_us() - extra_us - now.since(at) as i64
    }

    /// Queue a unit. False: it is left out.
    pub fn give(&mut self, unit: Bytes, key: bool, now: Micros) -> bool {
        if key && self.options.class == Class::Video {
            self.share = self.carried;
        }
        self.waiting.give(unit, key, now)
    }

    /// Figures of now.
    pub fn figures(&self) -> FlowFigures {
        let dropped = self.figures.dropped + self.waiting.dropped();
        FlowFigures { dropped, ..self.figures.clone() }
    }

    /// Drop what came too late to be sent, and forget what is over. `extra_us`: how much longer than the quickest the best
    /// way is. True when a unit was left out since the last time.
    pub fn prune(&mut self, extra_us: i64, now: Micros) -> bool {
        let left_out = self.waiting.prune(extra_us, now);
        self.carried *= (1.0 - now.since(self.faded) as f64 / FADE_US).max(0.0);
        self.faded = now;
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
        left_out
    }

    /// Something may be sent. Cheap, and true too often rather than too seldom.
    pub fn has_work(&self) -> bool {
        !self.waiting.is_empty()
            || !self.again.is_empty()
            || !self.twins.is_empty()
            || self.next.unit < self.end()
            || self.copy.unit < self.end()
    }

    /// A unit was begun, and not all of it had its turn yet.
    pub fn is_midway(&self) -> bool {
        self.unit(self.next.unit).is_some_and(|unit| self.next.piece < unit.len())
    }

    /// Where the numbers of the flow's next opening begin: beyond all that anybody could take for units of this one.
    pub fn next_opening(&self) -> u32 {
        (self.end() as u32).wrapping_add(super::openings::APART)
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
            Lane::Twin => self.peek_twin(now),
            Lane::First => self.peek_first(cutting, now),
            Lane::Copy => self.peek_copy(now),
        }
    }

    /// The receiver can do without it, or it would come too late.
    fn is_idle(&self, number: u64, index: u16, now: Micros) -> bool {
        self.unit(number)
            .is_none_or(|unit| unit.came(index.into()) || unit.is_done() || self.left_us(unit.at, 0, now) <= 0)
    }

    fn peek_again(&mut self, now: Micros) -> Option<Turn> {
        while let Some((number, index)) = self.again.front().copied() {
            if !self.is_idle(number, index, now) {
                return self.turn(Lane::Again, number, index.into(), None);
            }
            self.again.pop_front();
        }
        None
    }

    fn peek_twin(&mut self, now: Micros) -> Option<Turn> {
        while let Some((number, index, avoid)) = self.twins.front().copied() {
            if !self.is_idle(number, index, now) {
                return self.turn(Lane::Twin, number, index.into(), Some(avoid));
            }
            self.twins.pop_front();
        }
        None
    }

    fn peek_first(&mut self, cutting: &Cutting, now: Micros) -> Option<Turn> {
        loop {
            if let Some(unit) = self.unit(self.next.unit) {
                if self.next.piece < unit.len() {
                    if self.left_us(unit.at, 0, now) > 0 {
                        return self.turn(Lane::First, self.next.unit, self.next.piece, None);
                    }
                    // Parity alone is no loss.
                    if self.next.piece < unit.data && !unit.is_done() {
                        let (bytes, key) = (unit.bytes, unit.key);
                        self.waiting.broke(bytes, key);
                    }
                }
                self.next = Place { unit: self.next.unit + 1, piece: 0 };
                continue;
            }
            let waiting = self.waiting.take(cutting.hoped_bps, now)?;
            let pieces = waiting.bytes.len().div_ceil(cutting.piece_bytes).max(1);
            let parity = match self.options.mode {
                Mode::Spread => (pieces as f64 * cutting.parity).ceil() as usize,
                Mode::Best | Mode::Duplicate => 0,
            };
            let number = self.end() as u32;
            let made = UnitOut::new(number, &waiting.bytes, waiting.key, waiting.at, cutting.piece_bytes, parity);
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
            self.figures.sent_bytes += waiting.bytes.len() as u64;
            self.figures.parity_bytes += (unit.bytes - waiting.bytes.len()) as u64;
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

    /// There is no other way for the twin.
    pub fn skip_twin(&mut self) {
        self.twins.pop_front();
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
            }
            Lane::Twin => {
                self.twins.pop_front();
                self.figures.pieces_resent += 1;
            }
            Lane::First => {
                self.next.piece += 1;
                self.carried += turn.len as f64;
            }
            Lane::Copy => {
                self.copy.piece += 1;
                self.figures.copy_bytes += turn.len as u64;
            }
        }
        if twice && self.twins.len() < MAX_AGAIN {
            self.twins.push_back((number, turn.index, path));
        }
        let copy = matches!(turn.lane, Lane::Copy | Lane::Twin);
        if let Some(unit) = self.unit_mut(number) {
            unit.sent(turn.index.into(), path, near, copy, now);
        }
    }

    /// One sending of a piece came, or was lost on its path, a `near` one or not.
    pub fn settled(&mut self, unit: u32, index: u16, near: bool, came: bool) {
        let number = self.number(unit);
        let again = self.unit_mut(number).is_some_and(|unit| unit.settled(index.into(), near, came));
        if again && self.again.len() < MAX_AGAIN {
            self.again.push_back((number, index));
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
                let asked = self.again.contains(&(number, index as u16));
                if !sent || self.again.len() >= MAX_AGAIN || asked {
                    continue;
                }
                if self.unit_mut(number).is_some_and(|unit| unit.wanted(index, fresh_us, now)) {
                    self.again.push_back((number, index as u16));
                }
            }
        }
    }

    /// The path that this piece took last.
    pub fn last_path(&self, turn: &Turn) -> Option<PathId> {
        self.unit(self.number(turn.unit))?.last_path(turn.index.into())
    }
}
