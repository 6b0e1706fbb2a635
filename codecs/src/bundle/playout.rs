//! When a unit is to be handed on: its sender's time carried over to our clock by the quickest way that was seen lately, and
//! the play-out delay behind it. Clocks need not agree, and may drift: only the differences of a few seconds count.

use crate::time::{ts_delta, Micros};

/// The quickest way is that of the last one to two such spans: a drift of 100 ppm is 2 ms in that time.
const SPAN_US: u64 = 10_000_000;

#[derive(Debug, Clone)]
pub struct Playout {
    playout_us: i64,
    /// The sender's clock over its wraps: the latest time heard, in its own 32 bits and in microseconds.
    newest: Option<(u32, i64)>,
    /// Smallest of arrival less sending, in this span and in the one before.
    quickest: i64,
    before: i64,
    span_began: Micros,
}

impl Playout {
    pub fn new(playout_ms: u32) -> Self {
        Self {
            playout_us: i64::from(playout_ms) * 1000,
            newest: None,
            quickest: i64::MAX,
            before: i64::MAX,
            span_began: Micros(0),
        }
    }

    /// The sender's time in microseconds over its wraps.
    fn unwrap(&mut self, sent_ms: u32) -> i64 {
        let Some((word, us)) = self.newest else {
            self.newest = Some((sent_ms, i64::from(sent_ms) * 1000));
            return i64::from(sent_ms) * 1000;
        };
        let found = us.saturating_add(ts_delta(word, sent_ms) * 1000);
        if found > us {
            self.newest = Some((sent_ms, found));
        }
        found
    }

    /// The first piece of a unit came: when to hand the unit on. Call once for each unit. Never later than `arrival` and the
    /// play-out delay.
    pub fn heard(&mut self, sent_ms: u32, arrival: Micros) -> Micros {
        let sent = self.unwrap(sent_ms);
        let way = arrival.0 as i64 - sent;
        let age = arrival.since(self.span_began);
        if age >= SPAN_US {
            self.before = if age >= 2 * SPAN_US { i64::MAX } else { self.quickest };
            self.quickest = i64::MAX;
            self.span_began = arrival;
        }
        self.quickest = self.quickest.min(way);
        let own = sent.saturating_add(self.quickest.min(self.before)).saturating_add(self.playout_us);
        let own = Micros(own.max(0) as u64);
        own.min(Micros(arrival.0.saturating_add(self.playout_us as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1000;

    #[test]
    fn jitter_is_taken_out_and_the_quickest_way_counts() {
        let mut p = Playout::new(100);
        let mut at = Vec::new();
        for (i, delay) in [50u64, 30, 90, 30, 129].into_iter().enumerate() {
            let sent = i as u64 * 40;
            at.push(p.heard(sent as u32, Micros((1000 + sent + delay) * MS)).0 / MS);
        }
        // The first could not know better; from then on it is 30 ms of way and 100 ms.
        assert_eq!(at, [1150, 1170, 1210, 1250, 1290]);
    }

    #[test]
    fn a_way_that_stays_slower_counts_after_a_while() {
        let mut p = Playout::new(200);
        let mut at = 0;
        for i in 0..1000u64 {
            let delay = if i < 100 { 35 } else { 280 };
            at = p.heard(i as u32 * 33, Micros((i * 33 + delay) * MS)).0 - i * 33 * MS;
        }
        assert_eq!(at, 480 * MS);
    }

    #[test]
    fn clocks_may_wrap_drift_and_be_anything() {
        for (start, drift) in [(0u32, 5000), (u32::MAX - 500, -5000), (1 << 31, 5000)] {
            let mut p = Playout::new(50);
            for i in 0..100_000i64 {
                // The sender's clock is 200 ppm quick or slow, and ours begins anywhere.
                let (sent, i) = (start.wrapping_add((i * 20 + i * 20 / drift) as u32), i as u64);
                let now = Micros(77_777_777 + i * 20 * MS);
                let wait = p.heard(sent, now).since(now);
                assert!((45 * MS..=50 * MS).contains(&wait), "{i}: {wait}");
            }
        }
    }

    #[test]
    fn impossible_times_are_bounded_by_the_arrival() {
        let mut p = Playout::new(1000);
        let mut sent = 1u32;
        for i in 0..10_000u64 {
            sent = sent.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let now = Micros(i * 7 * MS);
            assert!(p.heard(sent, now) <= now.plus_ms(1000));
        }
    }
}
