//! Which packet numbers of a path were taken already: a replayed packet is refused, an old one as well.
//!
//! Numbers are session-wide (they make the nonce), but each path has a window of its own: the path's id is authenticated
//! with the number, so that a pair of both is unique, and a path that is seconds slower than the others is not "old".

const WORDS: usize = 32;
/// Numbers below a path's highest that are still told apart.
pub const WINDOW: u64 = 64 * WORDS as u64;

#[derive(Debug, Default, Clone)]
pub struct ReplayWindow {
    /// One above the highest number taken; 0 as long as there is none.
    top: u64,
    taken: [u64; WORDS],
}

impl ReplayWindow {
    fn place(number: u64) -> (usize, u64) {
        ((number / 64 % WORDS as u64) as usize, 1 << (number % 64))
    }

    /// One that takes nothing below `floor`.
    pub fn above(floor: u64) -> Self {
        Self { top: floor, taken: [u64::MAX; WORDS] }
    }

    /// It is above all that were taken.
    pub fn is_newest(&self, number: u64) -> bool {
        number >= self.top
    }

    /// Neither taken nor too old. Ask before opening the packet, `take` only when it was authentic.
    pub fn is_new(&self, number: u64) -> bool {
        if number >= self.top {
            return true;
        }
        let (word, bit) = Self::place(number);
        self.top - number <= WINDOW && self.taken[word] & bit == 0
    }

    pub fn take(&mut self, number: u64) {
        if number >= self.top {
            if number - self.top >= WINDOW {
                self.taken = [0; WORDS];
            } else {
                for skipped in self.top..=number {
                    let (word, bit) = Self::place(skipped);
                    self.taken[word] &= !bit;
                }
            }
            self.top = number + 1;
        }
        let (word, bit) = Self::place(number);
        self.taken[word] |= bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_number_once_and_none_that_is_old() {
        let mut window = ReplayWindow::default();
        assert!(window.is_new(0) && window.is_new(5));
        window.take(5);
        assert!(!window.is_new(5) && window.is_new(4) && window.is_new(6));
        window.take(5 + WINDOW);
        assert!(window.is_new(6) && !window.is_new(5), "the window's end");
        window.take(1 << 47);
        assert!(!window.is_new(6) && !window.is_new(1 << 47) && window.is_new((1 << 47) - 1));
        let mut above = ReplayWindow::above(70);
        assert!(!above.is_new(69) && !above.is_new(0) && above.is_new(70));
        above.take(90);
        assert!(above.is_new(75) && !above.is_new(69));
    }

    /// Against a set that forgets nothing: what it takes was never taken, and what it refuses was taken or is old.
    #[test]
    fn like_a_set_with_a_horizon() {
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let mut window = ReplayWindow::default();
        let (mut set, mut top) = (HashSet::new(), 0u64);
        for step in 0..200_000u64 {
            let number = match random() % 50 {
                0 => top + random() % 5000,
                n if n < 30 => top + random() % 3,
                _ => top.saturating_sub(random() % 2500),
            };
            let old = number < top && top - number > WINDOW;
            assert_eq!(window.is_new(number), !set.contains(&number) && !old, "step {step}");
            if window.is_new(number) {
                window.take(number);
                set.insert(number);
                top = top.max(number + 1);
            }
        }
    }
}
