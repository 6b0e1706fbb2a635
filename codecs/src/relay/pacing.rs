//! How fast a subscriber's video may leave: about 2.5 times the track's rate, or what the peer says it can take.

use crate::time::Micros;

/// Packets of one run (one GSO call).
pub const MAX_RUN: usize = 16;
const FACTOR: f64 = 2.5;
/// No slower than this for lack of a figure: a small stream's key frame must not take a second.
const FLOOR_BPS: f64 = 4_000_000.0;
const UNKNOWN_BPS: f64 = 20_000_000.0;

#[derive(Debug, Default, Clone, Copy)]
pub struct Pacer {
    next: Micros,
    /// The peer's own estimate (REMB, transport-cc); 0: none.
    pub estimate_bps: f64,
}

impl Pacer {
    /// Bits per second now, for a track of `track_bps` (0: not known yet).
    pub fn rate(&self, track_bps: f64) -> f64 {
        let wished = if track_bps > 0.0 { (track_bps * FACTOR).max(FLOOR_BPS) } else { UNKNOWN_BPS };
        if self.estimate_bps > 0.0 && self.estimate_bps < wished {
            // An estimate grows only with what is sent: keep above the track's own rate.
            return self.estimate_bps.max(track_bps * 1.15).max(300_000.0);
        }
        wished
    }

    /// When the next run may leave; `None`: now.
    pub fn wait(&self, now: Micros) -> Option<Micros> {
        (self.next > now).then_some(self.next)
    }

    pub fn sent(&mut self, bytes: usize, track_bps: f64, now: Micros) {
        let cost = bytes as f64 * 8e6 / self.rate(track_bps);
        self.next = Micros(self.next.max(now).0 + cost as u64);
    }

    /// The socket was full.
    pub fn hold(&mut self, until: Micros) {
        self.next = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_frame_leaves_at_two_and_a_half_times_the_rate() {
        let mut pacer = Pacer::default();
        let mut now = Micros(0);
        let mut sent = 0;
        while sent < 125_000 {
            if let Some(at) = pacer.wait(now) {
                now = at;
            }
            pacer.sent(12_500, 4e6, now);
            sent += 12_500;
        }
        // 1 Mbit at 10 Mbit/s, the last run's own time not waited for.
        assert_eq!(now.0, 90_000);
    }

    #[test]
    fn idle_time_earns_no_burst() {
        let mut pacer = Pacer::default();
        pacer.sent(12_500, 4e6, Micros(0));
        assert_eq!(pacer.wait(Micros(60_000_000)), None);
        pacer.sent(12_500, 4e6, Micros(60_000_000));
        assert_eq!(pacer.wait(Micros(60_000_000)), Some(Micros(60_010_000)));
    }

    #[test]
    fn the_peers_estimate_holds_it_down_but_not_below_the_track() {
        let pacer = Pacer { estimate_bps: 5e6, ..Pacer::default() };
        assert_eq!(pacer.rate(4e6), 5e6);
        let thin = Pacer { estimate_bps: 1e6, ..Pacer::default() };
        assert_eq!(thin.rate(4e6), 4e6 * 1.15);
        assert_eq!(Pacer::default().rate(1e5), FLOOR_BPS);
    }
}
