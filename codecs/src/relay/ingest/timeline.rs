//! One continuous time per leg out of what sources call time (quirk 30): PTS that jump, stand still or run back, RTP
//! clocks, and the wall clock when neither will do. What comes out never goes back over restarts.

use crate::time::{pts33_delta, Micros};

/// 90 kHz ticks.
const SECOND: i64 = 90_000;
/// The least step between two pictures.
const LEAST: i64 = 90;
/// A composition offset (pts - dts) larger than this is not believed.
const MAX_REORDER: i64 = 2 * SECOND;
/// PTS found standing still this often while RTP moved: RTP is the clock from then on.
const STALE_PTS: u32 = 3;

/// The time of one unit as the source told it, all in 90 kHz.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceTime {
    /// 33 bits.
    pub pts: Option<u64>,
    pub dts: Option<u64>,
    /// RTP timestamp, unwrapped and brought to 90 kHz.
    pub rtp: Option<i64>,
}

/// What audio and video of one leg share: where the source's 33-bit clock lies on the leg's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mapping {
    offset: Option<i64>,
}

fn wall(now: Micros) -> i64 {
    (now.0.min(i64::MAX as u64 / 9) as i64) * 9 / 100
}

fn plausible(step: i64) -> bool {
    (1..=SECOND).contains(&step)
}

/// Unwraps 33 bits.
#[derive(Debug, Clone, Copy, Default)]
struct Unwrap33 {
    last: Option<i64>,
}

impl Unwrap33 {
    fn unwrap(&mut self, t: u64) -> i64 {
        let t = t & ((1 << 33) - 1);
        let at = match self.last {
            None => t as i64,
            Some(last) => last + pts33_delta(last.rem_euclid(1 << 33) as u64, t),
        };
        self.last = Some(at);
        at
    }
}

#[derive(Debug, Clone, Default)]
pub struct VideoClock {
    unwrap: Unwrap33,
    started: bool,
    last_source: Option<i64>,
    last_rtp: Option<i64>,
    last_wall: i64,
    last_dts: i64,
    last_pts: i64,
    stale: u32,
    /// The source says decoding times: where one is missing it is the presentation time.
    tells_dts: bool,
    /// Pictures since the last one with a time of its own, and how far they moved the clock.
    untimed: i64,
    untimed_step: i64,
    /// The usual step between pictures; 0: not known.
    typical: i64,
}

impl VideoClock {
    /// (pts, dts) in 90 kHz; dts strictly grows. `reorders`: pts may go back within a second, there being no dts.
    pub fn map(&mut self, t: SourceTime, reorders: bool, now: Micros, shared: &mut Mapping) -> (i64, i64) {
        let wall_now = wall(now);
        let pts = t.pts.map(|p| self.unwrap.unwrap(p));
        self.tells_dts |= t.dts.is_some();
        let lead = match (t.pts, t.dts) {
            (Some(p), Some(d)) => pts33_delta(d, p).clamp(0, MAX_REORDER),
            _ => 0,
        };
        let use_rtp = self.stale >= STALE_PTS && t.rtp.is_some();
        let source = if use_rtp { None } else { pts.map(|p| p - lead) };
        if !self.started {
            self.started = true;
            let first =
                source.and_then(|s| shared.offset.map(|o| s + o)).filter(|at| (at - wall_now).abs() <= 5 * SECOND);
            self.last_dts = first.unwrap_or(wall_now);
            self.last_pts = self.last_dts;
            self.remember(source, t.rtp, wall_now);
            if let Some(s) = source {
                shared.offset = Some(self.last_dts - s);
            }
            return (self.last_dts + lead, self.last_dts);
        }
        let source_step = source.zip(self.last_source).map(|(s, l)| s - l);
        let rtp_step = t.rtp.zip(self.last_rtp).map(|(r, l)| r - l);
        // Presentation order on one clock only: a step back is a B-frame.
        if reorders && lead == 0 && !self.tells_dts {
            if let Some(step) = source_step.or(rtp_step).filter(|s| (-SECOND..=SECOND).contains(s) && *s != 0) {
                self.remember(source, t.rtp, wall_now);
                let pts = self.last_pts + step;
                self.last_pts = pts;
                let depth = 4 * self.typical.clamp(SECOND / 60, SECOND / 4);
                self.last_dts = (self.last_dts + LEAST).max(pts - depth);
                return (pts, self.last_dts);
            }
        }
        if t == SourceTime::default() {
            let step = if self.typical > 0 { self.typical } else { SECOND / 25 };
            self.untimed += 1;
            self.untimed_step += step;
            self.last_dts += step;
            self.last_pts = self.last_dts;
            self.last_wall = wall_now;
            return (self.last_dts, self.last_dts);
        }
        if source_step == Some(0) && rtp_step.is_some_and(plausible) {
            self.stale = (self.stale + 1).min(STALE_PTS);
        }
        let wall_step = (wall_now - self.last_wall).clamp(LEAST, SECOND);
        let told = [source_step, rtp_step].into_iter().flatten().find(|s| plausible(*s));
        if let Some(step) = told {
            self.typical = (step / (self.untimed + 1)).max(LEAST);
        }
        // After a jump: beside the other track, where that one has gone on already.
        let beside = source.filter(|_| self.last_source.is_none()).and_then(|s| shared.offset.map(|o| s + o));
        let beside = beside.map(|at| at - self.last_dts).filter(|s| (LEAST..=5 * SECOND).contains(s));
        let step = told.map(|s| (s - self.untimed_step).max(LEAST)).or(beside).unwrap_or(wall_step);
        (self.untimed, self.untimed_step) = (0, 0);
        self.last_dts += step;
        self.last_pts = self.last_dts;
        self.remember(source, t.rtp, wall_now);
        if let Some(s) = source {
            shared.offset = Some(self.last_dts - s);
        }
        (self.last_dts + lead, self.last_dts)
    }

    /// The source's clock is another from now on.
    pub fn rebase(&mut self) {
        self.unwrap = Unwrap33::default();
        (self.last_source, self.last_rtp) = (None, None);
        (self.stale, self.tells_dts) = (0, false);
    }

    fn remember(&mut self, source: Option<i64>, rtp: Option<i64>, wall_now: i64) {
        self.last_source = source.or(self.last_source);
        self.last_rtp = rtp.or(self.last_rtp);
        self.last_wall = wall_now;
    }
}

/// Audio time in samples: counted while the source agrees within 60 ms, corrected forward when it does not.
#[derive(Debug, Clone, Default)]
pub struct AudioClock {
    unwrap: Unwrap33,
    last_source: Option<i64>,
    offset: Option<i64>,
    /// Samples.
    next: Option<i64>,
    last: i64,
    last_wall: i64,
}

impl AudioClock {
    /// The source's clock is another from now on.
    pub fn rebase(&mut self) {
        self.unwrap = Unwrap33::default();
        (self.last_source, self.offset) = (None, None);
    }

    /// pts in ticks of `clock_hz` for a unit that plays `duration` ticks.
    pub fn map(&mut self, t: SourceTime, clock_hz: u32, duration: u32, now: Micros, shared: &mut Mapping) -> i64 {
        const TOLERANCE: i64 = SECOND * 60 / 1000;
        let hz = i64::from(clock_hz.max(1));
        let wall_now = wall(now);
        let from_pts = t.pts.is_some();
        let source = match t.pts {
            Some(p) => Some(self.unwrap.unwrap(p)),
            None => t.rtp,
        };
        let expected = self.next.map(|n| n * SECOND / hz);
        let restart = match (source, self.last_source) {
            (Some(s), Some(last)) => !(0..=SECOND).contains(&(s - last)),
            _ => false,
        };
        if let Some(s) = source {
            if self.offset.is_none() || restart {
                let at = expected.unwrap_or(wall_now);
                let shared_at = shared.offset.filter(|_| from_pts).map(|o| s + o);
                // Silence is no restart: a gap of seconds stays a gap.
                let at = if restart { at.max(wall_now.min(self.last_wall + SECOND)).max(at) } else { at };
                let at = shared_at.filter(|x| (x - at).abs() <= 5 * SECOND).unwrap_or(at);
                self.offset = Some(at - s);
                if from_pts && shared.offset.is_none() {
                    shared.offset = self.offset;
                }
            }
            self.last_source = Some(s);
        }
        let mapped = source.zip(self.offset).map(|(s, o)| s + o);
        let at = match (expected, mapped) {
            (Some(e), Some(m)) if (m - e).abs() > TOLERANCE && m > e => m * hz / SECOND,
            (Some(e), Some(m)) if (m - e).abs() > TOLERANCE => {
                // The source lags what was counted: count on, but let it catch up from here.
                if e - m > SECOND {
                    self.offset = self.offset.map(|o| o + e - m);
                }
                self.next.unwrap_or_default()
            }
            (Some(_), _) => self.next.unwrap_or_default(),
            (None, m) => m.unwrap_or(wall_now) * hz / SECOND,
        };
        let at = if self.next.is_some() { at.max(self.last + 1) } else { at };
        self.last = at;
        self.next = Some(at + i64::from(duration));
        self.last_wall = wall_now;
        at
    }
}
