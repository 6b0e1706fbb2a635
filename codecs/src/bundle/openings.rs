//! A flow's openings: the same id may be closed and opened again at once, and what is said of one opening comes late, over
//! another path, after the next has begun. Each is known by the number of its first unit, and they lie far apart.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::fragment::Head;
use super::types::FlowId;
use crate::time::Micros;

/// Between the last unit of one opening and the first of the next.
pub const APART: u32 = 1 << 24;
/// Ends of the peer's flows that are remembered, the latest.
const MAX_LEFT: usize = 512;
/// Pieces that came before their flow was announced: kept for a moment, of one flow and of all.
const MAX_EARLY: usize = 256;
const EARLY_US: u64 = 1_000_000;

/// Whether an opening is later than another one of the same flow.
pub fn is_later(opening: u32, than: u32) -> bool {
    (opening.wrapping_sub(than) as i32) > 0
}

/// A piece that came before its flow was announced.
#[derive(Debug, Clone)]
pub struct EarlyPiece {
    flow: FlowId,
    pub head: Head,
    pub body: Bytes,
    pub came: Micros,
}

/// What is remembered of flows that are not open (yet, or any more).
#[derive(Debug, Default)]
pub struct Openings {
    /// Where our next opening of a flow begins. There are no more ids than 65,536.
    next: BTreeMap<FlowId, u32>,
    /// Of the peer's, which opening ended last.
    left: VecDeque<(FlowId, u32)>,
    early: Vec<EarlyPiece>,
}

impl Openings {
    pub fn next(&self, flow: FlowId) -> u32 {
        self.next.get(&flow).copied().unwrap_or_default()
    }

    /// One of ours ended.
    pub fn closed(&mut self, flow: FlowId, next: u32) {
        self.next.insert(flow, next);
    }

    /// One of the peer's ended.
    pub fn left(&mut self, flow: FlowId, opening: u32) {
        if self.has_left(flow, opening) {
            return;
        }
        self.left.retain(|(known, _)| *known != flow);
        if self.left.len() >= MAX_LEFT {
            self.left.pop_front();
        }
        self.left.push_back((flow, opening));
    }

    /// That opening of the peer's is over, or one after it is.
    pub fn has_left(&self, flow: FlowId, opening: u32) -> bool {
        self.left.iter().any(|(known, last)| *known == flow && !is_later(opening, *last))
    }

    /// Keep a piece of a flow that was not announced. Whoever keeps the most makes room: one whose flow never comes must not
    /// have another's lost.
    pub fn keep(&mut self, flow: FlowId, head: &Head, body: &[u8], now: Micros) {
        // What still comes of an opening that ended.
        if self.has_left(flow, head.unit.wrapping_sub(APART / 2)) {
            return;
        }
        if self.early.len() >= MAX_EARLY {
            self.early.retain(|piece| now.since(piece.came) < EARLY_US);
        }
        if self.early.len() >= MAX_EARLY {
            let count = |flow: FlowId| self.early.iter().filter(|piece| piece.flow == flow).count();
            let most = self.early.iter().map(|piece| (count(piece.flow), piece.flow)).max();
            if most.is_none_or(|(_, most)| most == flow) {
                return;
            }
            let oldest = self.early.iter().position(|piece| Some(piece.flow) == most.map(|(_, flow)| flow));
            self.early.remove(oldest.unwrap_or(0));
        }
        self.early.push(EarlyPiece { flow, head: *head, body: Bytes::copy_from_slice(body), came: now });
    }

    /// The flow was announced: what came of this opening before.
    pub fn take(&mut self, flow: FlowId, opening: u32, now: Micros) -> Vec<EarlyPiece> {
        let (own, others) = std::mem::take(&mut self.early).into_iter().partition(|piece| piece.flow == flow);
        self.early = others;
        let of_it = |piece: &EarlyPiece| piece.head.unit.wrapping_sub(opening) < APART / 2;
        let own: Vec<EarlyPiece> = own;
        own.into_iter().filter(|piece| of_it(piece) && now.since(piece.came) < EARLY_US).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = Micros(5_000_000);

    fn head(unit: u32) -> Head {
        Head { unit, index: 0, data: 1, parity: 0, unit_len: 1, sent_ms: 0, key: false }
    }

    #[test]
    fn an_opening_that_ended_does_not_begin_again() {
        let mut openings = Openings::default();
        openings.left(3, 7);
        assert!(
            openings.has_left(3, 7) && openings.has_left(3, 6) && !openings.has_left(3, 8) && !openings.has_left(4, 7)
        );
        openings.left(3, 5);
        assert!(openings.has_left(3, 7));
        (0..600).for_each(|flow| openings.left(1000 + flow, 1));
        assert_eq!(openings.left.len(), MAX_LEFT);
        assert!(is_later(3, u32::MAX - 3) && !is_later(3, 3) && !is_later(3, 4));
    }

    #[test]
    fn early_pieces_wait_for_their_own_flow() {
        let mut openings = Openings::default();
        (0..1000).for_each(|unit| openings.keep(9, &head(unit), b"9", NOW));
        (0..10).for_each(|unit| openings.keep(1, &head(unit), b"1", NOW));
        (0..10).for_each(|unit| openings.keep(2, &head(APART + unit), b"2", NOW));
        assert_eq!(openings.early.len(), MAX_EARLY);
        assert_eq!(openings.take(1, 0, NOW).len(), 10);
        assert_eq!((openings.take(2, 0, NOW).len(), openings.take(2, APART, NOW).len()), (0, 0), "of a later opening");
        openings.keep(2, &head(APART + 1), b"2", NOW);
        assert_eq!(openings.take(2, APART, NOW).len(), 1);
        openings.keep(4, &head(0), b"4", NOW);
        assert_eq!(openings.take(4, 0, Micros(NOW.0 + EARLY_US)).len(), 0);
        openings.left(5, 7);
        openings.keep(5, &head(8), b"5", NOW);
        openings.keep(5, &head(7 + APART), b"5", NOW);
        assert_eq!(openings.take(5, 7 + APART, NOW).len(), 1, "what came of the one before is not kept");
    }
}
