//! One direction of a link: rate with a queue, delay with jitter, losses in bursts, cuts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Random;

/// IPv4 and UDP headers.
const HEADERS: usize = 28;

#[derive(Debug, Clone)]
pub struct Shape {
    pub rate_bps: f64,
    /// What the queue holds, in time at the link's rate.
    pub queue_ms: f64,
    pub delay_ms: f64,
    /// Standard deviation.
    pub jitter_ms: f64,
    pub reorders: bool,
    /// Share of the time in which everything is lost, in bursts of 40 ms on average, 120 ms at most (Gilbert-Elliott).
    pub bursty: f64,
    /// Share of datagrams that come twice, and that come this much later.
    pub doubled: f64,
    pub strayed: (f64, f64),
    /// Datagrams longer than this never pass.
    pub mtu: usize,
}

impl Shape {
    /// The LTE of the issue: 35 ms, 8 Mb/s up.
    pub fn lte(bursty: f64) -> Self {
        Self {
            rate_bps: 8e6,
            queue_ms: 200.0,
            delay_ms: 35.0,
            jitter_ms: 4.0,
            reorders: false,
            bursty,
            doubled: 0.0,
            strayed: (0.0, 0.0),
            mtu: 1500,
        }
    }

    pub fn satellite() -> Self {
        Self { rate_bps: 2e6, queue_ms: 400.0, delay_ms: 280.0, jitter_ms: 3.0, bursty: 0.003, ..Self::lte(0.0) }
    }

    pub fn thin(rate_bps: f64) -> Self {
        Self { rate_bps, queue_ms: 400.0, ..Self::lte(0.0) }
    }
}

/// In the order of arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    arrives: u64,
    order: u64,
    departs: u64,
    datagram: Vec<u8>,
}

#[derive(Debug)]
pub struct Link {
    pub shape: Shape,
    pub cut: bool,
    /// What is sent does not move the weather.
    weather: Random,
    random: Random,
    free_at: f64,
    last_arrival: f64,
    bad: bool,
    turns_at: f64,
    /// Nothing moves before then: whoever carries it stands still.
    held_until: u64,
    in_flight: BinaryHeap<Reverse<Flying>>,
    count: u64,
    pub sent: u64,
    pub sent_bytes: u64,
    pub dropped: u64,
    /// When the radio was bad, in milliseconds.
    pub bursts: Vec<(u64, u64)>,
}

impl Link {
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            cut: false,
            weather: Random(seed ^ 0x77ea_74e5),
            random: Random(seed),
            free_at: 0.0,
            last_arrival: 0.0,
            bad: false,
            turns_at: 0.0,
            held_until: 0,
            in_flight: BinaryHeap::new(),
            count: 0,
            sent: 0,
            sent_bytes: 0,
            dropped: 0,
            bursts: Vec::new(),
        }
    }

    /// The state of the radio at `now_ms`.
    fn is_bad(&mut self, now_ms: f64) -> bool {
        if self.shape.bursty <= 0.0 {
            return false;
        }
        let good = self.mean_good_ms();
        while self.turns_at <= now_ms {
            self.bad = !self.bad;
            self.turns_at += if self.bad {
                let burst = self.weather.exponential(MEAN_BURST_MS).min(CAP_BURST_MS);
                self.bursts.push((self.turns_at as u64, (self.turns_at + burst) as u64));
                burst
            } else {
                self.weather.exponential(good)
            };
        }
        self.bad
    }

    /// Another share of bad time from now on; what is bad now stays so to its end.
    pub fn set_bursty(&mut self, share: f64, now_us: u64) {
        let now = now_us as f64 / 1000.0;
        let bad = self.is_bad(now);
        self.shape.bursty = share;
        if !bad && share > 0.0 {
            // Exponential times have no memory: the good time may begin anew.
            self.turns_at = now + self.weather.exponential(self.mean_good_ms());
        }
    }

    fn mean_good_ms(&self) -> f64 {
        // The mean of an exponential that is cut off at the cap.
        let mean = MEAN_BURST_MS * (1.0 - (-CAP_BURST_MS / MEAN_BURST_MS).exp());
        mean * (1.0 - self.shape.bursty) / self.shape.bursty
    }

    /// Cut: what waits for its turn is lost, what left before still arrives.
    pub fn set_cut(&mut self, cut: bool, now_us: u64) {
        self.cut = cut;
        if cut {
            self.in_flight.retain(|Reverse(flying)| flying.departs <= now_us);
            self.free_at = now_us as f64 / 1000.0;
        }
    }

    /// Whoever carries it stands still until then.
    pub fn hold(&mut self, until_us: u64) {
        self.held_until = self.held_until.max(until_us);
    }

    pub fn send(&mut self, now_us: u64, datagram: &[u8]) {
        let now = now_us.max(self.held_until) as f64 / 1000.0;
        self.sent += 1;
        self.sent_bytes += (datagram.len() + HEADERS) as u64;
        let takes = ((datagram.len() + HEADERS) * 8) as f64 / self.shape.rate_bps * 1000.0;
        let waits = (self.free_at - now).max(0.0);
        if self.cut || datagram.len() > self.shape.mtu || waits > self.shape.queue_ms {
            self.dropped += 1;
            return;
        }
        // It takes its turn and meets the radio as it is then.
        self.free_at = self.free_at.max(now) + takes;
        if self.is_bad(self.free_at) {
            self.dropped += 1;
            return;
        }
        let departs = (self.free_at * 1000.0) as u64;
        let copies = 1 + u64::from(self.random.unit() < self.shape.doubled);
        for _ in 0..copies {
            let jitter = (self.random.normal() * self.shape.jitter_ms).abs();
            let strays = self.random.unit() < self.shape.strayed.0;
            let stray = if strays { self.random.unit() * self.shape.strayed.1 } else { 0.0 };
            let mut arrival = self.free_at + self.shape.delay_ms + jitter + stray;
            if !self.shape.reorders && !strays {
                arrival = arrival.max(self.last_arrival);
                self.last_arrival = arrival;
            }
            self.count += 1;
            let (arrives, order, datagram) = ((arrival * 1000.0) as u64, self.count, datagram.to_vec());
            self.in_flight.push(Reverse(Flying { arrives, order, departs, datagram }));
        }
    }

    pub fn next_arrival(&self) -> Option<u64> {
        self.in_flight.peek().map(|Reverse(flying)| flying.arrives.max(self.held_until))
    }

    pub fn arrived(&mut self, now_us: u64) -> Option<Vec<u8>> {
        self.next_arrival().filter(|at| *at <= now_us)?;
        self.in_flight.pop().map(|Reverse(flying)| flying.datagram)
    }
}

const MEAN_BURST_MS: f64 = 40.0;
const CAP_BURST_MS: f64 = 120.0;
