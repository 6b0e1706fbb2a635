//! From a subscriber's sequence numbers back to the packets of the shared ring, and how much may be sent again.

use std::collections::VecDeque;

use crate::time::Micros;

/// Breaks in the numbering that are remembered; a NACK from before them is too old to answer.
const MAX_SEGMENTS: usize = 16;
/// Ticks between two pictures of a cached group while it is caught up with (1 ms at 90 kHz).
const CATCH_UP_TICKS: i64 = 90;

/// Frames before `live` are old when they are sent: their times are drawn together just before it, so that a player
/// shows the newest picture and does not wait through the group's whole duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUp {
    pub live_frame: u64,
    pub live_ts: i64,
}

impl CatchUp {
    pub fn ts(self, frame: u64, ts: i64) -> i64 {
        if frame >= self.live_frame {
            return ts;
        }
        ts.max(self.live_ts - (self.live_frame - frame) as i64 * CATCH_UP_TICKS)
    }
}

/// From `index` on, packet `index + n` is the track's packet `packet + n`.
#[derive(Debug, Clone, Copy)]
struct Segment {
    index: u64,
    packet: u64,
    catch_up: Option<CatchUp>,
}

#[derive(Debug, Default)]
pub struct Segments {
    list: VecDeque<Segment>,
}

/// A packet sent before: its 48-bit index, its number in the track, and how its time was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub index: u64,
    pub packet: u64,
    pub catch_up: Option<CatchUp>,
}

impl Segments {
    pub fn begin(&mut self, index: u64, packet: u64, catch_up: Option<CatchUp>) {
        if self.list.len() == MAX_SEGMENTS {
            self.list.pop_front();
        }
        self.list.push_back(Segment { index, packet, catch_up });
    }

    /// Indexes are counted from `base` on from now on.
    pub fn rebase(&mut self, base: u64) {
        let keep = self.list.partition_point(|s| s.index <= base).saturating_sub(1);
        self.list.drain(..keep);
        for s in &mut self.list {
            s.packet += base.saturating_sub(s.index);
            s.index = s.index.saturating_sub(base);
        }
    }

    /// Which packet carried `seq`, given that `next` is the index to be used next.
    pub fn find(&self, seq: u16, next: u64) -> Option<Sent> {
        let back = (next as u16).wrapping_sub(seq);
        if back == 0 || back > 0x4000 {
            return None;
        }
        let index = next.checked_sub(u64::from(back))?;
        let at = self.list.partition_point(|s| s.index <= index).checked_sub(1)?;
        let s = self.list[at];
        Some(Sent { index, packet: s.packet + (index - s.index), catch_up: s.catch_up })
    }
}

/// Bytes that may be sent again: as much as the track itself makes, with a key frame's worth at hand.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    bytes: f64,
    at: Micros,
}

const BURST_BYTES: f64 = 256.0 * 1024.0;

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: BURST_BYTES, at: Micros(0) }
    }
}

impl Budget {
    pub fn take(&mut self, bytes: usize, track_bps: f64, now: Micros) -> bool {
        let earned = now.since(self.at) as f64 * track_bps.max(500_000.0) / 8e6;
        self.bytes = (self.bytes + earned).min(BURST_BYTES);
        self.at = now;
        if self.bytes < bytes as f64 {
            return false;
        }
        self.bytes -= bytes as f64;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_over_breaks_and_wraps() {
        let mut s = Segments::default();
        s.begin(65_530, 100, None);
        s.begin(65_540, 500, None);
        let next = 65_550;
        assert_eq!(s.find(65_530, next).map(|f| (f.index, f.packet)), Some((65_530, 100)));
        assert_eq!(s.find(3, next).map(|f| (f.index, f.packet)), Some((65_539, 109)));
        assert_eq!(s.find(4, next).map(|f| f.packet), Some(500));
        assert_eq!(s.find(65_529, next), None);
        // Never sent yet.
        assert_eq!(s.find(next as u16, next), None);
        assert_eq!(s.find(20_000, next), None);
    }

    #[test]
    fn catching_up_keeps_order_and_ends_at_the_live_frame() {
        let c = CatchUp { live_frame: 10, live_ts: 27_000 };
        let times: Vec<i64> = (0..12).map(|f| c.ts(f, f as i64 * 3_000 - 3_000)).collect();
        assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
        assert_eq!(c.ts(10, 27_000), 27_000);
        assert_eq!(c.ts(9, 24_000), 26_910);
    }

    #[test]
    fn a_peer_that_asks_for_everything_gets_no_more_than_the_track_again() {
        let mut b = Budget::default();
        let mut sent = 0;
        for ms in 0..1000 {
            for _ in 0..10 {
                if b.take(1200, 4e6, Micros(ms * 1000)) {
                    sent += 1200;
                }
            }
        }
        assert!(sent <= 262_144 + 500_000, "{sent}");
    }
}
