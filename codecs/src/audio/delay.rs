//! How late packets come: the earliest possible time, the spread above it, and the sender's clock against ours.
//!
//! A packet's transit is its arrival minus its media time, both in µs; only differences of it mean anything. The *base*
//! is the least transit of the last seconds, and a packet's *lateness* its transit above the base.

use std::collections::VecDeque;

const BUCKET_US: i64 = 4000;
const BUCKETS: usize = 256;
/// This part of the packets shall come in time.
const QUANTILE: f32 = 0.98;
/// Memory of the spread: about 500 packets.
const FORGET: f32 = 0.998;
/// What is assumed before the first packets have told, in ms, and how many packets the assumption weighs.
const PRIOR_US: i64 = 40_000;
const PRIOR: f32 = 4.0;
/// The base is the least of three such windows.
const WINDOW_US: u64 = 2_000_000;
const WINDOWS: usize = 3;
/// Windows that the clocks' drift is computed from: two minutes, and at least half a minute.
const DRIFT_WINDOWS: usize = 60;
const DRIFT_LEAST: usize = 15;
/// So many late packets, as they leak away by a twentieth a packet, raise the target at once.
const BURST: f32 = 3.0;
/// A raised target sinks by this part a packet: to a third within ten seconds.
const SINK: i64 = 512;
/// No late packet raises it further.
const RAISE_MOST_US: i64 = 500_000;
/// Packets closer together than this come from one stall, which counts once.
const BURST_US: u64 = 1000;

#[derive(Debug, Clone)]
pub struct DelayEstimate {
    /// Least transit: of the window that is running first.
    least: [i64; WINDOWS],
    window_start: u64,
    base: i64,
    histogram: Box<[f32; BUCKETS]>,
    seen: f32,
    raised_us: i64,
    late: f32,
    late_most: i64,
    last_transit: Option<i64>,
    last_arrival: u64,
    jitter_us: f64,
    /// Seconds and least transit of finished windows.
    minima: VecDeque<(f64, f64)>,
    started: bool,
}

impl Default for DelayEstimate {
    fn default() -> Self {
        let mut histogram = Box::new([0.0; BUCKETS]);
        histogram[(PRIOR_US / BUCKET_US) as usize - 1] = 1.0;
        Self {
            least: [i64::MAX; WINDOWS],
            window_start: 0,
            base: 0,
            histogram,
            seen: PRIOR,
            raised_us: 0,
            late: 0.0,
            late_most: 0,
            last_transit: None,
            last_arrival: 0,
            jitter_us: 0.0,
            minima: VecDeque::with_capacity(DRIFT_WINDOWS),
            started: false,
        }
    }
}

impl DelayEstimate {
    /// Another time line: the base is unknown, the spread stays a good guess.
    pub fn restart(&mut self) {
        self.started = false;
        self.least = [i64::MAX; WINDOWS];
        self.last_transit = None;
        self.minima.clear();
    }

    pub fn is_started(&self) -> bool {
        self.started
    }

    /// Transit of a packet above the base; negative: it is the earliest so far.
    pub fn lateness(&self, arrival: u64, media_us: i64) -> i64 {
        (arrival as i64).wrapping_sub(media_us).wrapping_sub(self.base)
    }

    /// A packet came. `target_us`: what the buffer aims at now.
    pub fn arrived(&mut self, arrival: u64, media_us: i64, target_us: i64) {
        let transit = arrival as i64 - media_us;
        if let Some(last) = self.last_transit.replace(transit) {
            self.jitter_us += ((transit - last).abs() as f64 - self.jitter_us) / 16.0;
        }
        if !self.started {
            self.started = true;
            self.window_start = arrival;
            self.base = transit;
        }
        self.roll(arrival);
        self.least[0] = self.least[0].min(transit);
        let base = self.least.iter().copied().min().unwrap_or(transit);
        self.move_base(base);
        let same_burst = arrival.saturating_sub(self.last_arrival) < BURST_US;
        self.last_arrival = arrival;
        let lateness = (transit - self.base).max(0);
        if !same_burst || lateness <= target_us {
            self.count(lateness, target_us);
        }
    }

    /// The delay that lets the wanted part of the packets come in time, in µs.
    pub fn target_us(&self) -> i64 {
        let mut left = 1.0 - QUANTILE;
        for bucket in (0..BUCKETS).rev() {
            left -= self.histogram[bucket];
            if left < 0.0 {
                return ((bucket as i64 + 1) * BUCKET_US).max(self.raised_us);
            }
        }
        self.raised_us
    }

    pub fn jitter_ms(&self) -> f64 {
        self.jitter_us / 1000.0
    }

    /// Positive: the sender's clock is faster than ours. By least squares over the windows' minima.
    pub fn drift_ppm(&self) -> f64 {
        let n = self.minima.len() as f64;
        if self.minima.len() < DRIFT_LEAST {
            return 0.0;
        }
        let (t0, y0) = self.minima[0];
        let (mut st, mut sy, mut stt, mut sty) = (0.0, 0.0, 0.0, 0.0);
        for &(t, y) in &self.minima {
            let (t, y) = (t - t0, y - y0);
            st += t;
            sy += y;
            stt += t * t;
            sty += t * y;
        }
        let spread = n * stt - st * st;
        if spread <= 0.0 {
            return 0.0;
        }
        // µs a second are ppm.
        -(n * sty - st * sy) / spread
    }

    fn roll(&mut self, arrival: u64) {
        let passed = arrival.saturating_sub(self.window_start);
        if passed < WINDOW_US {
            return;
        }
        if self.least[0] != i64::MAX {
            if self.minima.len() == DRIFT_WINDOWS {
                self.minima.pop_front();
            }
            let middle = (self.window_start + WINDOW_US / 2) as f64 / 1e6;
            self.minima.push_back((middle, self.least[0] as f64));
        }
        // After a long pause the old minima say little: the clocks went apart meanwhile.
        let steps = (passed / WINDOW_US).min(WINDOWS as u64) as usize;
        self.least.rotate_right(steps % WINDOWS);
        self.least[..steps].fill(i64::MAX);
        self.window_start = arrival;
    }

    /// The base went: what was counted is as late as before, in terms of the new one.
    fn move_base(&mut self, base: i64) {
        let buckets = (self.base - base) / BUCKET_US;
        if buckets > 0 && buckets < BUCKETS as i64 {
            let buckets = buckets as usize;
            let top: f32 = self.histogram[BUCKETS - buckets..].iter().sum();
            self.histogram.copy_within(..BUCKETS - buckets, buckets);
            self.histogram[..buckets].fill(0.0);
            self.histogram[BUCKETS - 1] += top;
        }
        self.base = base;
    }

    fn count(&mut self, lateness: i64, target_us: i64) {
        self.seen += 1.0;
        let keep = (1.0 - 1.0 / self.seen).min(FORGET);
        self.histogram.iter_mut().for_each(|weight| *weight *= keep);
        self.histogram[((lateness / BUCKET_US) as usize).min(BUCKETS - 1)] += 1.0 - keep;
        self.raised_us -= self.raised_us / SINK;
        self.late *= 0.95;
        if lateness > target_us {
            self.late += 1.0;
            self.late_most = self.late_most.max(lateness).min(RAISE_MOST_US);
        }
        if self.late >= BURST - 0.5 {
            self.raised_us = self.raised_us.max(self.late_most + BUCKET_US);
            self.late = 0.0;
            self.late_most = 0;
        } else if self.late < 0.5 {
            self.late_most = 0;
        }
    }
}
