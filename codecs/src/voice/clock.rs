//! The 20 ms clock: an absolute schedule, what is late on it, and how late.

use crate::time::Micros;

pub const TICK_US: u64 = 20_000;
/// Ticks made up for after a stall; what is older is left out.
const BURST: u64 = 2;
/// Classes of 50 µs; the last takes all above 25 ms.
const CLASS_US: u64 = 50;
const CLASSES: usize = 500;

/// What is due when the timer rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// 0, 1 or 2 ticks to do now.
    pub ticks: u64,
    /// Ticks left out before them: timestamps go on by as much.
    pub skipped: u64,
    /// Microseconds since the newest of them should have begun.
    pub late_us: u64,
}

/// When ticks are due. Pure: the time is handed in.
#[derive(Debug, Clone)]
pub struct Schedule {
    next: Micros,
}

impl Schedule {
    pub fn new(first: Micros) -> Self {
        Self { next: first }
    }

    pub fn next(&self) -> Micros {
        self.next
    }

    pub fn due(&mut self, now: Micros) -> Due {
        if now < self.next {
            return Due::default();
        }
        let passed = now.since(self.next) / TICK_US + 1;
        let late_us = now.since(self.next) % TICK_US + (passed - 1) * TICK_US;
        self.next = Micros(self.next.0 + passed * TICK_US);
        let ticks = passed.min(BURST);
        Due { ticks, skipped: passed - ticks, late_us }
    }
}

/// Counts in classes, so that a percentile costs no memory per tick.
#[derive(Debug, Clone)]
pub struct Histogram {
    classes: Box<[u32; CLASSES]>,
    count: u64,
    pub max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { classes: Box::new([0; CLASSES]), count: 0, max_us: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, us: u64) {
        let class = ((us / CLASS_US) as usize).min(CLASSES - 1);
        self.classes[class] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// The upper edge of the class in which the share `p` (0 … 1) lies, in milliseconds; never above the largest seen.
    pub fn percentile_ms(&self, p: f64) -> f64 {
        let wanted = (self.count as f64 * p).ceil() as u64;
        let mut seen = 0;
        for (i, n) in self.classes.iter().enumerate() {
            seen += u64::from(*n);
            if seen >= wanted && seen > 0 {
                let edge = (i as u64 + 1) * CLASS_US;
                return if i == CLASSES - 1 { self.max_us } else { edge.min(self.max_us) } as f64 / 1000.0;
            }
        }
        0.0
    }

    pub fn clear(&mut self) {
        self.classes.fill(0);
        self.count = 0;
        self.max_us = 0;
    }
}

/// What the clock did since it was last asked.
#[derive(Debug, Default)]
pub struct Figures {
    pub late: Histogram,
    pub busy: Histogram,
    pub skipped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_absolute_and_never_bursts() {
        let mut s = Schedule::new(Micros(100_000));
        assert_eq!(s.due(Micros(99_999)), Due::default());
        assert_eq!(s.due(Micros(100_300)), Due { ticks: 1, skipped: 0, late_us: 300 });
        // Lateness of one tick does not move the next.
        assert_eq!(s.next(), Micros(120_000));
        assert_eq!(s.due(Micros(141_000)).ticks, 2);
        // 200 ms of standing still: two ticks at once, eight left out.
        let due = s.due(Micros(340_000));
        assert_eq!((due.ticks, due.skipped), (2, 8));
        assert_eq!(s.next(), Micros(360_000));
    }

    #[test]
    fn percentiles() {
        let mut h = Histogram::default();
        for i in 0..1000 {
            h.add(if i < 985 { 20 } else { 1_500 });
        }
        h.add(60_000);
        assert_eq!(h.percentile_ms(0.5), 0.05);
        assert_eq!(h.percentile_ms(0.99), 1.55);
        assert_eq!(h.max_us, 60_000);
        assert_eq!(h.percentile_ms(1.0), 60.0);
        h.clear();
        assert_eq!(h.percentile_ms(0.99), 0.0);
    }
}
