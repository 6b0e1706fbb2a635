//! So many a second, and no more at once: for answers to those who did not authenticate.

use crate::time::Micros;

#[derive(Debug, Clone)]
pub struct Budget {
    per_second: u64,
    /// Millionths of one.
    left: u64,
    at: Micros,
}

impl Budget {
    pub fn new(per_second: u32, now: Micros) -> Self {
        let per_second = u64::from(per_second);
        Self { per_second, left: per_second * 1_000_000, at: now }
    }

    /// Spend one; false when there is none left.
    pub fn take(&mut self, now: Micros) -> bool {
        let gained = now.since(self.at).min(1_000_000) * self.per_second;
        self.left = (self.left + gained).min(self.per_second * 1_000_000);
        self.at = self.at.max(now);
        let has = self.left >= 1_000_000;
        self.left -= if has { 1_000_000 } else { 0 };
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills_up_again_to_its_measure() {
        let mut budget = Budget::new(10, Micros(5));
        assert_eq!((0..20).filter(|_| budget.take(Micros(5))).count(), 10);
        assert!(!budget.take(Micros(100_004)) && budget.take(Micros(100_006)));
        assert_eq!((0..20).filter(|_| budget.take(Micros(900_000_000))).count(), 10);
        assert!(!budget.take(Micros(5)), "time that goes back gives nothing");
    }
}
