//! Segments come in bursts, seconds of media at once: their units are kept back and go on when their own time has come.
//! Live connections are not paced; what they bring late is late already.

use std::collections::VecDeque;
use std::mem::size_of;

use bytes::Bytes;

use crate::container::Found;
use crate::hub::unit::{AccessUnit, Kind};
use crate::time::Micros;

/// A unit that is early by less than this goes on at once: jitter is not to cost delay.
const SLACK_US: i64 = 300_000;
/// Reading stops while the newest unit lies so far ahead, or so much is kept.
const AHEAD_US: u64 = 10_000_000;
const MAX_BYTES: usize = 16 << 20;
/// Further ahead is no pause between segments but a clock that jumped.
const MAX_AHEAD_US: i64 = 30_000_000;
/// Later than this the source has paused: its time line begins anew.
const LATE_US: i64 = 3_000_000;
/// A source whose clock is faster than ours is followed so fast, once all of a window's units were early.
const WINDOW_US: u64 = 10_000_000;
const DRIFT_PPM: u64 = 200;

/// What keeping it takes, not only what it says: pictures may be of one byte.
fn cost(found: &Found) -> usize {
    let sets = |sets: &[Bytes]| sets.iter().map(|set| set.len() + size_of::<Bytes>()).sum::<usize>();
    size_of::<(Micros, Found)>()
        + match found {
            Found::Unit(unit) => sets(&unit.nalus),
            Found::Track(params) => sets(&params.parameter_sets),
            Found::Klv(packet) => packet.len(),
            Found::Programs(text) | Found::Problem { detail: text, .. } => text.len(),
            Found::Discontinuity => 0,
        }
}

#[derive(Default)]
pub struct PaceIn {
    queue: VecDeque<(Micros, Found)>,
    /// By `cost`.
    bytes: usize,
    /// When a unit of this decoding time is due.
    base: Option<(Micros, i64)>,
    clocks: [u32; 2],
    /// The last unit's time; nothing goes before what came before it.
    last_due: Micros,
    window: Option<(Micros, i64)>,
}

impl PaceIn {
    /// In the order they came; what is due already is in `out` afterwards.
    pub fn put(&mut self, found: Found, now: Micros, out: &mut Vec<Found>) {
        let due = match &found {
            Found::Unit(unit) => self.due_of(unit, now, out),
            Found::Track(params) => {
                self.clocks[usize::from(params.codec.kind() == Kind::Audio)] = params.clock_hz;
                self.last_due
            }
            Found::Discontinuity => {
                self.base = None;
                self.last_due
            }
            _ => self.last_due,
        };
        self.keep(due, found);
        self.due(now, out);
    }

    fn keep(&mut self, due: Micros, found: Found) {
        self.bytes += cost(&found);
        self.queue.push_back((due, found));
    }

    fn due_of(&mut self, unit: &AccessUnit, now: Micros, out: &mut Vec<Found>) -> Micros {
        let clock = i64::from(self.clocks[usize::from(unit.kind == Kind::Audio)].max(1));
        let dts_us = (i128::from(unit.dts) * 1_000_000 / i128::from(clock)) as i64;
        let (mut at, mut from) = self.base.unwrap_or((self.last_due.max(now), dts_us));
        let early = |at: Micros, from: i64| at.0 as i64 + (dts_us - from) - now.0 as i64;
        let mut ahead = early(at, from);
        if ahead > MAX_AHEAD_US {
            let detail = format!("{} s ahead", ahead / 1_000_000);
            out.push(Found::Problem { code: "time-ahead", detail });
            self.keep(self.last_due, Found::Discontinuity);
        }
        if !(-LATE_US..=MAX_AHEAD_US).contains(&ahead) {
            (at, from) = (self.last_due.max(now), dts_us);
            ahead = early(at, from);
        }
        at = self.follow(at, ahead, now);
        self.base = Some((at, from));
        let due = Micros((at.0 as i64 + dts_us - from - SLACK_US).max(0) as u64);
        self.last_due = self.last_due.max(due.min(Micros(now.0 + MAX_AHEAD_US as u64)));
        self.last_due
    }

    /// Of a window in which every unit was early, the source's clock is taken to be faster than ours.
    fn follow(&mut self, at: Micros, ahead: i64, now: Micros) -> Micros {
        let (begun, least) = self.window.unwrap_or((now, i64::MAX));
        if now.since(begun) < WINDOW_US {
            self.window = Some((begun, least.min(ahead)));
            return at;
        }
        self.window = None;
        let step = now.since(begun) * DRIFT_PPM / 1_000_000;
        if least > SLACK_US {
            Micros(at.0.saturating_sub(step))
        } else {
            at
        }
    }

    /// What is due by now.
    pub fn due(&mut self, now: Micros, out: &mut Vec<Found>) {
        while self.queue.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, mut found)) = self.queue.pop_front() else { return };
            self.bytes -= cost(&found);
            if let Found::Unit(unit) = &mut found {
                unit.arrival = now;
            }
            out.push(found);
        }
    }

    pub fn next_timer(&self) -> Option<Micros> {
        self.queue.front().map(|(at, _)| *at)
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Read no more for now.
    pub fn is_full(&self, now: Micros) -> bool {
        !self.queue.is_empty() && (self.last_due.since(now) > AHEAD_US || self.bytes > MAX_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::track::tests::{params, unit};
    use crate::hub::unit::Codec;

    fn video(ms: i64) -> Found {
        Found::Unit(unit(Codec::H264, true, ms * 90, 100, 0))
    }

    fn units(out: &mut Vec<Found>) -> usize {
        let n = out.iter().filter(|f| matches!(f, Found::Unit(_))).count();
        out.clear();
        n
    }

    #[test]
    fn a_segment_goes_out_on_its_own_time_line_and_reading_stops_far_ahead() {
        let (mut pace, mut out) = (PaceIn::default(), Vec::new());
        pace.put(Found::Track(params(Codec::H264)), Micros(1_000_000), &mut out);
        for n in 0..300 {
            pace.put(video(n * 40), Micros(1_000_000), &mut out);
        }
        // Up to 300 ms early go at once: 0, 40 … 280.
        assert_eq!(units(&mut out), 8);
        assert!(pace.is_full(Micros(1_000_000)) && !pace.is_full(Micros(3_000_000)));
        pace.due(Micros(3_000_000), &mut out);
        assert_eq!(units(&mut out), 50);
        pace.due(Micros(20_000_000), &mut out);
        assert!(units(&mut out) == 242 && pace.is_empty());
        // After a pause of the source its time begins anew: nothing is held for it.
        pace.put(video(12_000), Micros(60_000_000), &mut out);
        pace.put(video(13_000), Micros(60_000_000), &mut out);
        assert_eq!(units(&mut out), 1);
    }

    #[test]
    fn what_is_kept_is_counted_by_the_memory_it_takes() {
        let (mut pace, mut out) = (PaceIn::default(), Vec::new());
        pace.put(Found::Track(params(Codec::H264)), Micros(0), &mut out);
        pace.put(video(0), Micros(0), &mut out);
        let mut count = 0;
        while count < 200_000 && !pace.is_full(Micros(0)) {
            // A byte for each tick, four seconds ahead.
            pace.put(Found::Unit(unit(Codec::H264, false, 4 * 90_000 + count, 1, 0)), Micros(0), &mut out);
            count += 1;
        }
        assert!(pace.is_full(Micros(0)) && count < 150_000, "{count}");
        pace.due(Micros(20_000_000), &mut out);
        assert_eq!((pace.is_empty(), pace.bytes), (true, 0));
    }

    #[test]
    fn time_that_jumps_half_a_minute_ahead_is_told_and_not_waited_for() {
        let (mut pace, mut out) = (PaceIn::default(), Vec::new());
        pace.put(Found::Track(params(Codec::H264)), Micros(0), &mut out);
        pace.put(video(0), Micros(0), &mut out);
        pace.put(video(40_000_000), Micros(40_000), &mut out);
        assert!(out.iter().any(|f| matches!(f, Found::Problem { code: "time-ahead", .. })));
        assert!(matches!(&out[out.len() - 2..], [Found::Discontinuity, Found::Unit(_)]));
    }
}
