//! What became of the units of late, by their number over its wraps.

/// Numbers are remembered that far back.
const SPAN: u64 = 4096;
const WORDS: usize = SPAN as usize / 64;

/// A ring of two bits for each of the last `SPAN` numbers.
#[derive(Debug, Clone)]
pub struct Recent {
    /// The highest number that was reached.
    newest: u64,
    handed_on: [u64; WORDS],
    given_up: [u64; WORDS],
}

fn place(n: u64) -> (usize, u64) {
    let at = n % SPAN;
    ((at / 64) as usize, 1 << (at % 64))
}

impl Recent {
    pub const SPAN: u64 = SPAN;

    /// `first` is the first number that can come; what is before it counts as given up.
    pub fn new(first: u64) -> Self {
        Self { newest: first.wrapping_sub(1), handed_on: [0; WORDS], given_up: [u64::MAX; WORDS] }
    }

    /// The number nearest to the newest whose low half is `n`.
    pub fn unwrap(&self, n: u32) -> u64 {
        self.newest.saturating_add_signed(self.distance(n))
    }

    /// How far `n` is ahead of the newest.
    pub fn distance(&self, n: u32) -> i64 {
        i64::from(n.wrapping_sub(self.newest as u32) as i32)
    }

    /// `n` is reached: how many fall out of sight of which nothing became, or are jumped over.
    pub fn reach(&mut self, n: u64) -> u64 {
        let mut nothing = 0;
        if n > self.newest.saturating_add(SPAN) {
            nothing = n - self.newest - SPAN;
            self.newest = n - SPAN;
        }
        while self.newest < n {
            self.newest += 1;
            let (word, bit) = place(self.newest);
            let known = (self.handed_on[word] | self.given_up[word]) & bit != 0;
            nothing += u64::from(!known);
            self.handed_on[word] &= !bit;
            self.given_up[word] &= !bit;
        }
        nothing
    }

    fn sees(&self, n: u64) -> bool {
        n <= self.newest && self.newest - n < SPAN
    }

    pub fn hand_on(&mut self, n: u64) {
        if self.sees(n) {
            let (word, bit) = place(n);
            self.handed_on[word] |= bit;
        }
    }

    pub fn give_up(&mut self, n: u64) {
        if self.sees(n) {
            let (word, bit) = place(n);
            self.given_up[word] |= bit;
        }
    }

    pub fn handed_on(&self, n: u64) -> bool {
        let (word, bit) = place(n);
        self.sees(n) && self.handed_on[word] & bit != 0
    }

    /// Also what is too old to be known.
    pub fn given_up(&self, n: u64) -> bool {
        let (word, bit) = place(n);
        n <= self.newest && (self.newest - n >= SPAN || self.given_up[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u64 = 1 << 32;

    #[test]
    fn what_became_of_a_number_is_known_for_a_while() {
        let mut r = Recent::new(FIRST);
        assert_eq!((r.unwrap(0), r.unwrap(u32::MAX), r.given_up(FIRST - 1)), (FIRST, FIRST - 1, true));
        assert_eq!(r.reach(FIRST + 2), 0);
        r.hand_on(FIRST);
        r.give_up(FIRST + 1);
        assert_eq!(
            [0, 1, 2].map(|n| (r.handed_on(FIRST + n), r.given_up(FIRST + n))),
            [(true, false), (false, true), (false, false)]
        );
        // Nothing became of one of those that fall out of sight.
        assert_eq!(r.reach(FIRST + 2 + SPAN), 1);
        assert!(!r.handed_on(FIRST) && r.given_up(FIRST));
    }

    #[test]
    fn a_jump_counts_what_it_passes_over() {
        let mut r = Recent::new(FIRST);
        r.reach(FIRST);
        r.hand_on(FIRST);
        assert_eq!(r.reach(FIRST + 3 * SPAN), 2 * SPAN);
        assert!(r.given_up(FIRST + 1) && !r.given_up(FIRST + 3 * SPAN));
        assert_eq!(r.unwrap(5), FIRST + 5);
    }
}
