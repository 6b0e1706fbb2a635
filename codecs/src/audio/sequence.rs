//! Extended sequence numbers and timestamps of one source, and which packets of it have come.

use crate::time::{seq_delta, ts_delta};

/// RFC 3550 A.1: further ahead is a restart, not loss.
const MAX_DROPOUT: i32 = 3000;
/// Further behind is a restart too; it is also the length of the memory that tells duplicates from late packets.
const MAX_MISORDER: i32 = 128;

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    New {
        seq: i64,
        ts: i64,
        reordered: bool,
    },
    Duplicate,
    /// A jump that is not believed until its successor comes.
    Doubtful,
    /// The source started anew; state is that of a first packet.
    Restart {
        seq: i64,
        ts: i64,
    },
}

#[derive(Debug, Clone, Default)]
pub struct Sequence {
    started: bool,
    ssrc: u32,
    highest: i64,
    highest_ts: i64,
    /// Bit n: highest − n has come.
    seen: u128,
    /// Successor of a doubtful packet.
    awaited: Option<u16>,
}

impl Sequence {
    pub fn place(&mut self, ssrc: u32, seq: u16, ts: u32) -> Place {
        if !self.started {
            let (seq, ts) = self.start(ssrc, seq, ts);
            return Place::New { seq, ts, reordered: false };
        }
        if ssrc != self.ssrc {
            return self.restart(ssrc, seq, ts);
        }
        let delta = seq_delta(self.highest as u16, seq);
        if delta > MAX_DROPOUT || delta <= -MAX_MISORDER {
            if self.awaited == Some(seq) {
                return self.restart(ssrc, seq, ts);
            }
            self.awaited = Some(seq.wrapping_add(1));
            return Place::Doubtful;
        }
        let ts = self.highest_ts + ts_delta(self.highest_ts as u32, ts);
        let seq = self.highest + i64::from(delta);
        if delta > 0 {
            self.seen = self.seen.checked_shl(delta as u32).unwrap_or(0) | 1;
            self.highest = seq;
            self.highest_ts = ts;
            return Place::New { seq, ts, reordered: false };
        }
        let bit = 1u128 << -delta;
        if self.seen & bit != 0 {
            return Place::Duplicate;
        }
        self.seen |= bit;
        Place::New { seq, ts, reordered: true }
    }

    fn restart(&mut self, ssrc: u32, seq: u16, ts: u32) -> Place {
        let (seq, ts) = self.start(ssrc, seq, ts);
        Place::Restart { seq, ts }
    }

    /// Another clock: the next packet is a first one.
    pub fn forget_time(&mut self) {
        self.started = false;
    }

    /// This is the first packet of a time line; its extended sequence number and timestamp.
    pub fn start(&mut self, ssrc: u32, seq: u16, ts: u32) -> (i64, i64) {
        // Above zero by a whole span, so that what was reordered before the first one is not negative.
        *self = Self {
            started: true,
            ssrc,
            highest: i64::from(seq) + 0x1_0000,
            highest_ts: i64::from(ts) + (1 << 32),
            seen: 1,
            awaited: None,
        };
        (self.highest, self.highest_ts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_orders_and_doubts() {
        let mut sequence = Sequence::default();
        let seq = |place| match place {
            Place::New { seq, ts, .. } => (seq - 0x1_0000, ts - (1 << 32)),
            other => panic!("{other:?}"),
        };
        assert_eq!(seq(sequence.place(1, 65_535, u32::MAX - 159)), (65_535, i64::from(u32::MAX - 159)));
        assert_eq!(seq(sequence.place(1, 1, 160)), (65_537, (1 << 32) + 160));
        assert!(matches!(sequence.place(1, 0, 0), Place::New { reordered: true, .. }));
        assert_eq!(sequence.place(1, 0, 0), Place::Duplicate);
        assert_eq!(sequence.place(1, 20_000, 9), Place::Doubtful);
        assert_eq!(sequence.place(1, 30_000, 9), Place::Doubtful);
        assert!(matches!(sequence.place(1, 30_001, 169), Place::Restart { .. }));
        assert!(matches!(sequence.place(2, 7, 0), Place::Restart { .. }));
        assert!(matches!(sequence.place(2, 300, 0), Place::New { reordered: false, .. }));
        assert!(matches!(sequence.place(2, 299, 0), Place::New { reordered: true, .. }));
    }
}
