//! A unit that is being sent: which of its pieces are under way, came, or are lost; and so, which must go again.
//!
//! The receiver can make a unit of any `data` of its pieces. So a lost piece is sent again only when those that came, are
//! under way or still wait for their turn no longer suffice: parity that was sent beforehand saves the second sending.

use bytes::Bytes;

use crate::time::Micros;

use super::fragment::{cut, Head, Piece};
use super::types::PathId;

/// Times that one piece goes out at most, copies aside.
const MAX_TRIES: u8 = 8;

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Sendings under way over near paths. One over a far path may still come, but is not waited for.
    near: u8,
    tries: u8,
    came: bool,
    /// Neither came nor is it to be sent again.
    given_up: bool,
    /// The path that its first sending took, and that of the last.
    first_path: PathId,
    last_path: PathId,
    last_sent: Micros,
}

#[derive(Debug)]
pub struct UnitOut {
    /// The sender's clock when the unit was given to us.
    pub at: Micros,
    pub key: bool,
    pub data: usize,
    /// A second copy is to go over another path.
    pub copied: bool,
    pub bytes: usize,
    pieces: Vec<Piece>,
    states: Vec<State>,
    /// Pieces that came, are under way, or have their turn before them.
    alive: usize,
    came: usize,
}

impl UnitOut {
    /// `None`: it can not be cut (over 2 MiB).
    pub fn new(number: u32, unit: &Bytes, key: bool, at: Micros, piece_bytes: usize, parity: usize) -> Option<Self> {
        let pieces = cut(number, unit, key, (at.0 / 1000) as u32, piece_bytes, parity);
        let data = usize::from(pieces.first()?.head.data);
        let bytes = pieces.iter().map(|piece| piece.body.len()).sum();
        let (states, alive) = (vec![State::default(); pieces.len()], pieces.len());
        Some(Self { at, key, data, copied: false, bytes, pieces, states, alive, came: 0 })
    }

    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn piece(&self, index: usize) -> Option<(&Head, &Bytes)> {
        self.pieces.get(index).map(|piece| (&piece.head, &piece.body))
    }

    /// The receiver has enough of it.
    pub fn is_done(&self) -> bool {
        self.came >= self.data
    }

    pub fn came(&self, index: usize) -> bool {
        self.states.get(index).is_none_or(|state| state.came)
    }

    /// Sent more than once already.
    pub fn was_resent(&self, index: usize) -> bool {
        self.states.get(index).is_some_and(|state| state.tries > 1)
    }

    pub fn first_path(&self, index: usize) -> Option<PathId> {
        self.states.get(index).filter(|state| state.tries > 0).map(|state| state.first_path)
    }

    pub fn last_path(&self, index: usize) -> Option<PathId> {
        self.states.get(index).filter(|state| state.tries > 0).map(|state| state.last_path)
    }

    /// The piece goes out over `path` now, which is `near` (about as quick as the quickest) or not; a `copy` is not a try.
    pub fn sent(&mut self, index: usize, path: PathId, near: bool, copy: bool, now: Micros) {
        let Some(state) = self.states.get_mut(index) else { return };
        if state.tries == 0 {
            state.first_path = path;
        }
        state.near = state.near.saturating_add(near.into());
        state.tries = state.tries.saturating_add(u8::from(!copy));
        (state.last_path, state.last_sent) = (path, now);
    }

    /// One sending of the piece came or was lost. True: the piece must go again.
    pub fn settled(&mut self, index: usize, near: bool, came: bool) -> bool {
        let Some(state) = self.states.get_mut(index) else { return false };
        state.near = state.near.saturating_sub(near.into());
        if came {
            if !state.came {
                self.came += 1;
                // It was only late: it counts again.
                self.alive += usize::from(std::mem::take(&mut state.given_up));
            }
            state.came = true;
            return false;
        }
        if state.came || state.near > 0 || state.given_up {
            return false;
        }
        if self.alive > self.data || state.tries >= MAX_TRIES {
            state.given_up = true;
            self.alive -= 1;
            return false;
        }
        true
    }

    /// The receiver lacks the piece. True: it is to go again. One that is surely still under way is let be: `fresh` is how
    /// long a sending and the word of it take.
    pub fn wanted(&mut self, index: usize, fresh: u64, now: Micros) -> bool {
        let Some(state) = self.states.get_mut(index) else { return false };
        if state.came || state.tries == 0 || state.tries >= MAX_TRIES || now.since(state.last_sent) < fresh {
            return false;
        }
        self.alive += usize::from(std::mem::take(&mut state.given_up));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(parity: usize) -> UnitOut {
        let mut unit =
            UnitOut::new(5, &Bytes::from(vec![1; 4000]), true, Micros(7_000_000), 1000, parity).expect("small");
        (0..unit.len()).for_each(|index| unit.sent(index, 1, true, false, Micros(7_000_000)));
        unit
    }

    #[test]
    fn without_parity_each_lost_piece_goes_again() {
        let mut unit = unit(0);
        assert_eq!((unit.len(), unit.data, unit.bytes), (4, 4, 4000));
        assert!(unit.settled(2, true, false));
        unit.sent(2, 3, true, false, Micros(7_100_000));
        assert_eq!((unit.first_path(2), unit.last_path(2), unit.was_resent(2)), (Some(1), Some(3), true));
        assert!(!unit.settled(2, true, true) && unit.came(2) && !unit.is_done());
        [0, 1, 3].into_iter().for_each(|index| assert!(!unit.settled(index, true, true)));
        assert!(unit.is_done());
    }

    #[test]
    fn parity_stands_in_for_what_is_lost() {
        let mut unit = unit(2);
        assert_eq!(unit.len(), 6);
        assert!(!unit.settled(0, true, false) && !unit.settled(4, true, false));
        assert!(unit.settled(1, true, false), "the third is one too many");
        // One of the first was only late: nothing more is needed.
        unit.settled(0, true, true);
        unit.sent(1, 2, true, false, Micros(7_100_000));
        assert!(!unit.settled(1, true, false));
    }

    #[test]
    fn a_copy_under_way_is_waited_for() {
        let mut unit = unit(0);
        unit.sent(0, 2, true, true, Micros(7_000_000));
        assert!(!unit.settled(0, true, false) && unit.settled(0, true, false));
        assert_eq!((unit.first_path(0), unit.was_resent(0)), (Some(1), false));
    }

    #[test]
    fn a_copy_on_a_far_path_is_not() {
        let mut unit = unit(0);
        unit.sent(0, 2, false, true, Micros(7_000_000));
        assert!(unit.settled(0, true, false), "a second sending is there earlier");
        unit.sent(0, 1, true, false, Micros(7_100_000));
        assert!(!unit.settled(0, false, false), "the far one was lost: no matter");
        assert!(!unit.settled(0, true, true) && unit.came(0));
    }

    #[test]
    fn what_the_receiver_asks_for_goes_unless_it_is_on_its_way() {
        let mut unit = unit(0);
        assert!(!unit.wanted(0, 100_000, Micros(7_050_000)) && unit.wanted(0, 100_000, Micros(7_150_000)));
        unit.settled(1, true, true);
        assert!(!unit.wanted(1, 100_000, Micros(7_150_000)) && !unit.wanted(99, 0, Micros(9_000_000)));
        for _ in 0..20 {
            unit.sent(2, 1, true, false, Micros(7_200_000));
        }
        assert!(!unit.wanted(2, 0, Micros(9_000_000)), "there is an end");
    }

    #[test]
    fn what_can_not_be_cut_is_no_unit() {
        assert!(UnitOut::new(0, &Bytes::from(vec![0; (2 << 20) + 1]), false, Micros(0), 1200, 0).is_none());
        assert_eq!(UnitOut::new(0, &Bytes::new(), false, Micros(0), 1200, 3).map(|unit| unit.len()), Some(1));
    }
}
