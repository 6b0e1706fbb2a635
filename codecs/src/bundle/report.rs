//! What a receiver tells of one path: which datagrams came, when, how many bytes. Loss, delay, rate and round trip of the
//! sender's path control all follow from it, and what was lost is known by path and number.
//!
//! On the wire: path u8, highest u24, arrived u24 (receiver's clock when it came), held u16 (since then), quickest u24 and
//! typical u24 (arrival less send time over the interval, of two clocks that nobody set), bytes u32 (of the path, in all,
//! wrapping), count u8, then `count` pairs of u16: received and missing, from `highest` downwards. Times are ticks of 64 µs.

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::time::Micros;

use super::types::PathId;
use super::wire::{above24, unwrap24, TICK_US};

/// Runs told at most: 16 bursts within a report's reach are far beyond what a usable path does.
pub const MAX_RUNS: usize = 16;
/// Datagrams below the highest that a report can tell of.
pub const REACH: u64 = 1024;
const FIXED_BYTES: usize = 20;

/// The clock on the wire: 24 bits of 64 µs.
pub fn ticks(now: Micros) -> u32 {
    (now.0 / TICK_US) as u32 & 0xff_ffff
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    pub received: u16,
    /// Below them.
    pub missing: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    pub path: PathId,
    pub highest: u32,
    pub arrived: u32,
    pub held: u16,
    pub quickest: u32,
    pub typical: u32,
    pub bytes: u32,
    runs: [Run; MAX_RUNS],
    count: u8,
}

impl Report {
    pub fn runs(&self) -> &[Run] {
        &self.runs[..usize::from(self.count)]
    }

    /// Bytes of it on the wire, the frame's kind aside.
    pub fn len(&self) -> usize {
        FIXED_BYTES + 4 * usize::from(self.count)
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let at = reader.position();
        let mut report = Report { path: reader.u8()?, ..Report::default() };
        report.highest = u24(reader)?;
        report.arrived = u24(reader)?;
        report.held = reader.u16()?;
        report.quickest = u24(reader)?;
        report.typical = u24(reader)?;
        report.bytes = reader.u32()?;
        report.count = reader.u8()?;
        if report.count == 0 || usize::from(report.count) > MAX_RUNS {
            return Err(ParseError::new("too many runs in a report, or none", at));
        }
        let mut reach = 0;
        for run in &mut report.runs[..usize::from(report.count)] {
            *run = Run { received: reader.u16()?, missing: reader.u16()? };
            reach += u64::from(run.received) + u64::from(run.missing);
            if run.received == 0 || reach > REACH {
                return Err(ParseError::new("a report's runs reach too far", at));
            }
        }
        Ok(report)
    }

    /// Write to `buf`, which has `len` bytes at least; how many.
    pub fn write(&self, buf: &mut [u8]) -> usize {
        let three = |number: u32| {
            let [_, a, b, c] = number.to_be_bytes();
            [a, b, c]
        };
        buf[0] = self.path;
        buf[1..4].copy_from_slice(&three(self.highest));
        buf[4..7].copy_from_slice(&three(self.arrived));
        buf[7..9].copy_from_slice(&self.held.to_be_bytes());
        buf[9..12].copy_from_slice(&three(self.quickest));
        buf[12..15].copy_from_slice(&three(self.typical));
        buf[15..19].copy_from_slice(&self.bytes.to_be_bytes());
        buf[19] = self.count;
        for (pair, run) in buf[FIXED_BYTES..].chunks_exact_mut(4).zip(self.runs()) {
            pair[..2].copy_from_slice(&run.received.to_be_bytes());
            pair[2..].copy_from_slice(&run.missing.to_be_bytes());
        }
        self.len()
    }
}

fn u24(reader: &mut Reader<'_>) -> Result<u32, ParseError> {
    Ok(u32::from(reader.u8()?) << 16 | u32::from(reader.u16()?))
}

const WORDS: usize = (REACH / 64) as usize;
/// Between reports of a path that carries little.
const INTERVAL_US: u64 = 100_000;
/// Between reports of a path that carries a picture: what is lost is asked again that much earlier.
const BUSY_INTERVAL_US: u64 = 30_000;
const BUSY_BPS: u64 = 300_000;
/// What a path may reorder before a gap is told as one; learnt, within these.
const MIN_HOLD_US: u64 = 1_000;
const MAX_HOLD_US: u64 = 60_000;

/// The receiver's memory of one path.
#[derive(Debug, Default)]
pub struct Received {
    /// The highest path number, once one came.
    highest: Option<u64>,
    arrived: Micros,
    /// Bit `n % REACH`: number `n` came.
    came: [u64; WORDS],
    bytes: u64,
    /// Of the interval since the last report: least and sum of arrival less send time, relative to `anchor`.
    anchor: Option<u32>,
    least: i32,
    sum: i64,
    count: u32,
    due: Option<Micros>,
    told_at: Micros,
    told_bytes: u64,
    interval_us: u64,
    hold_us: u64,
    gap_at: Micros,
    /// Something was missing since the last report.
    gap: bool,
}

impl Received {
    /// The number of a datagram by its `low` bits. `newest`: it was sealed after all that came by this path before, so its
    /// number is above theirs, however far the sender went on: one that gives a path anew counts on from elsewhere.
    pub fn number(&self, low: u32, newest: bool) -> u64 {
        match self.highest {
            None => low.into(),
            Some(highest) if newest => above24(low, highest),
            Some(highest) => unwrap24(low, highest),
        }
    }

    /// A datagram of `number` came; `sent` is its send time, `asks`: it wants a report. Returns false for one that came before.
    pub fn came(&mut self, number: u64, sent: u32, bytes: usize, asks: bool, now: Micros) -> bool {
        let gap = match self.highest {
            None => false,
            Some(highest) if number > highest => {
                self.forget(highest + 1, number);
                number > highest + 1
            }
            Some(highest) => {
                if highest - number >= REACH || self.has(number) {
                    return false;
                }
                // What was thought lost was only late: wait that much longer from now on.
                let late = now.since(self.gap_at).min(MAX_HOLD_US);
                self.hold_us = self.hold_us.max(late + late / 4);
                false
            }
        };
        self.set(number);
        if self.highest.is_none_or(|highest| number > highest) {
            self.highest = Some(number);
            self.arrived = now;
        }
        self.bytes += bytes as u64;
        self.delay(super::wire::delta24(sent, ticks(now)) as u32 & 0xff_ffff);
        if gap {
            (self.gap_at, self.gap) = (now, true);
            let at = Micros(now.0 + self.hold_us.max(MIN_HOLD_US));
            self.due = Some(self.due.map_or(at, |due| due.min(at)));
        } else if asks && self.due.is_none() {
            let interval = self.interval_us.max(BUSY_INTERVAL_US);
            self.due = Some(Micros(self.told_at.0.saturating_add(interval)).max(Micros(now.0 + 5_000)));
        }
        true
    }

    fn delay(&mut self, delay: u32) {
        let anchor = *self.anchor.get_or_insert(delay);
        let relative = super::wire::delta24(anchor, delay);
        self.least = if self.count == 0 { relative } else { self.least.min(relative) };
        self.sum += i64::from(relative);
        self.count = self.count.saturating_add(1);
    }

    fn place(number: u64) -> (usize, u64) {
        ((number / 64 % WORDS as u64) as usize, 1 << (number % 64))
    }

    fn set(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.came[word] |= bit;
    }

    fn has(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.came[word] & bit != 0
    }

    /// Clear the bits of numbers that come into reach.
    fn forget(&mut self, from: u64, to: u64) {
        if to - from >= REACH {
            self.came = [0; WORDS];
            return;
        }
        for number in from..=to {
            let (word, bit) = Self::place(number);
            self.came[word] &= !bit;
        }
    }

    /// When a report is to be made.
    pub fn due(&self) -> Option<Micros> {
        self.due
    }

    /// When a report needs a datagram of its own, where one waits `patience_us` for another that it can ride in. A loss does
    /// not wait.
    pub fn due_alone(&self, patience_us: u64) -> Option<Micros> {
        let patience = if self.gap { 0 } else { patience_us };
        self.due.map(|due| Micros(due.0.saturating_add(patience)))
    }

    /// There is something that no report told yet.
    pub fn has_news(&self) -> bool {
        self.count > 0
    }

    /// The highest number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// The report of now; begins the next interval. `None` as long as nothing came.
    pub fn report(&mut self, path: PathId, now: Micros) -> Option<Report> {
        let highest = self.highest?;
        let mut report = Report {
            path,
            highest: highest as u32 & 0xff_ffff,
            arrived: ticks(self.arrived),
            held: (now.since(self.arrived) / TICK_US).min(u64::from(u16::MAX)) as u16,
            bytes: self.bytes as u32,
            ..Report::default()
        };
        let anchor = self.anchor.unwrap_or_default();
        let mean = self.sum.checked_div(self.count.into()).map_or(self.least, |mean| mean as i32);
        report.quickest = anchor.wrapping_add(self.least as u32) & 0xff_ffff;
        report.typical = anchor.wrapping_add(mean as u32) & 0xff_ffff;
        self.runs(highest, &mut report);
        // Two clocks drift: the anchor follows, so that what is relative to it stays small.
        self.anchor = Some(report.quickest);
        (self.least, self.sum, self.count, self.due, self.gap) = (0, 0, 0, None, false);
        let (bits, over) = (8 * (self.bytes - self.told_bytes), now.since(self.told_at).max(1));
        self.interval_us = if bits * 1_000_000 / over > BUSY_BPS { BUSY_INTERVAL_US } else { INTERVAL_US };
        (self.told_at, self.told_bytes) = (now, self.bytes);
        self.hold_us -= self.hold_us / 64;
        Some(report)
    }

    fn runs(&self, highest: u64, report: &mut Report) {
        let lowest = highest.saturating_sub(REACH - 1);
        let mut number = highest;
        let mut run = Run::default();
        loop {
            if self.has(number) {
                if run.missing > 0 {
                    report.runs[usize::from(report.count)] = run;
                    report.count += 1;
                    run = Run::default();
                    if usize::from(report.count) == MAX_RUNS {
                        return;
                    }
                }
                run.received += 1;
            } else {
                run.missing += 1;
            }
            if number == lowest {
                break;
            }
            number -= 1;
        }
        // Nothing is said of what lies below the last datagram that came.
        report.runs[usize::from(report.count)] = Run { missing: 0, ..run };
        report.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Micros {
        Micros(1_000_000 + ms * 1000)
    }

    fn told(report: &Report) -> Vec<(u16, u16)> {
        report.runs().iter().map(|run| (run.received, run.missing)).collect()
    }

    #[test]
    fn a_report_says_what_came_and_what_is_missing() {
        let mut received = Received::default();
        assert_eq!(received.report(0, ms(0)), None);
        for number in [0, 1, 2, 5, 6, 9] {
            assert!(received.came(number, ticks(ms(0)), 100, true, ms(35)));
        }
        assert!(!received.came(5, 0, 100, true, ms(35)), "twice");
        let report = received.report(3, ms(45)).expect("something came");
        assert_eq!((report.path, report.highest, report.bytes), (3, 9, 600));
        assert_eq!(told(&report), [(1, 2), (2, 2), (3, 0)]);
        assert_eq!(report.held, (10_000 / TICK_US) as u16);
        let delay = i64::from(report.quickest) * TICK_US as i64;
        assert!((delay - 35_000).abs() <= 128, "{delay}");
        let mut wire = [0; 128];
        let len = report.write(&mut wire);
        assert_eq!(len, report.len());
        assert_eq!(Report::parse(&mut Reader::new(&wire[..len])), Ok(report));
        for cut in 0..len {
            assert!(Report::parse(&mut Reader::new(&wire[..cut])).is_err());
        }
    }

    #[test]
    fn a_gap_is_told_at_once_and_a_late_one_teaches_patience() {
        let mut received = Received::default();
        received.came(0, 0, 100, true, ms(0));
        received.report(0, ms(1));
        received.came(1, 0, 100, true, ms(2));
        assert!(received.due().expect("asked for") > ms(50), "no hurry");
        let alone = Micros(received.due().expect("asked for").0 + 150_000);
        assert_eq!(received.due_alone(150_000), Some(alone), "it may ride with another");
        received.came(3, 0, 100, true, ms(4));
        assert!(received.due_alone(150_000).expect("a gap") <= ms(5));
        received.came(2, 0, 100, true, ms(12));
        received.report(0, ms(13));
        received.came(5, 0, 100, true, ms(14));
        let due = received.due().expect("a gap");
        assert!(due >= ms(22) && due <= ms(26), "{due:?}");
    }

    #[test]
    fn far_jumps_and_old_numbers() {
        let mut received = Received::default();
        received.came(10, 0, 1, false, ms(0));
        received.came(10_000_000, 0, 1, false, ms(0));
        assert!(!received.came(10, 0, 1, false, ms(0)), "out of reach");
        let report = received.report(0, ms(0)).expect("something came");
        assert_eq!(told(&report), [(1, 0)]);
        for number in 0..40 {
            received.came(10_000_001 + 2 * number, 0, 1, false, ms(0));
        }
        let report = received.report(0, ms(0)).expect("something came");
        assert_eq!(report.runs().len(), MAX_RUNS);
        let mut wire = [0; 128];
        let len = report.write(&mut wire);
        assert_eq!(Report::parse(&mut Reader::new(&wire[..len])), Ok(report));
    }

    /// A path that was given anew hours later, under its old id.
    #[test]
    fn a_path_that_counts_on_from_elsewhere_is_heard() {
        let mut received = Received::default();
        received.came(received.number(0x83_3aa0, true), 0, 1, false, ms(0));
        let first = received.number(0x08_0000, true);
        assert!(received.came(first, 0, 1, false, ms(10)), "half of the space and more lies between");
        assert!(received.came(received.number(0x08_0002, true), 0, 1, false, ms(20)));
        assert!(received.came(received.number(0x08_0001, false), 0, 1, false, ms(30)), "reordered");
        let report = received.report(0, ms(40)).expect("something came");
        assert_eq!((report.highest, told(&report)), (0x08_0002, vec![(3, 0)]));
    }

    /// The clock on the wire wraps every 18 minutes, and starts anywhere.
    #[test]
    fn delays_survive_the_wrap() {
        let mut received = Received::default();
        let wrap = Micros((1 << 24) * TICK_US);
        received.came(0, ticks(Micros(wrap.0 - 1000)), 1, false, Micros(wrap.0 + 39_000));
        received.came(1, ticks(Micros(wrap.0 + 9000)), 1, false, Micros(wrap.0 + 59_000));
        let report = received.report(0, Micros(wrap.0 + 60_000)).expect("something came");
        assert!((report.quickest as i64 * TICK_US as i64 - 40_000).abs() <= 128);
        assert!((report.typical as i64 * TICK_US as i64 - 45_000).abs() <= 192);
    }
}
