//! What a way is like, and one way of a link: packets and `now` in, packets out when their time has come. No clock, no
//! socket. Times are nanoseconds of one clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::bursts::{Bursts, Random};
use crate::json::Value;

pub const MS: f64 = 1e6;
/// Packets on their way at once; what comes beyond is dropped and counted.
const FLYING: usize = 65_536;

#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// 0: as fast as the machine.
    pub rate_bps: f64,
    /// A packet that would wait longer than this is dropped (tail drop).
    pub queue_ms: f64,
    pub delay_ms: f64,
    /// Deviation of a normal spread around the delay, cut at three times itself.
    pub jitter_ms: f64,
    pub keep_order: bool,
    /// Share of packets lost in bursts, of `burst_ms` on average and at most `burst_cap_ms`.
    pub burst_loss: f64,
    pub burst_ms: f64,
    pub burst_cap_ms: f64,
    /// Share of packets lost without memory.
    pub loss: f64,
    pub duplicate: f64,
    /// A share that comes `late_ms` after its time, whatever else is kept in order.
    pub late: f64,
    pub late_ms: f64,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            rate_bps: 0.0,
            queue_ms: 200.0,
            delay_ms: 0.0,
            jitter_ms: 0.0,
            keep_order: true,
            burst_loss: 0.0,
            burst_ms: 40.0,
            burst_cap_ms: 120.0,
            loss: 0.0,
            duplicate: 0.0,
            late: 0.0,
            late_ms: 0.0,
        }
    }
}

impl Shape {
    pub fn set(&mut self, order: &Value) -> Result<(), String> {
        for (key, value) in order.map()? {
            match key.as_str() {
                "rate_bps" => self.rate_bps = value.number()?,
                "queue_ms" => self.queue_ms = value.number()?,
                "delay_ms" => self.delay_ms = value.number()?,
                "jitter_ms" => self.jitter_ms = value.number()?,
                "keep_order" => self.keep_order = value.truth()?,
                "burst_loss" => self.burst_loss = value.share()?.min(0.99),
                "burst_ms" => self.burst_ms = value.number()?,
                "burst_cap_ms" => self.burst_cap_ms = value.number()?,
                "loss" => self.loss = value.share()?,
                "duplicate" => self.duplicate = value.share()?,
                "late" => self.late = value.share()?,
                "late_ms" => self.late_ms = value.number()?,
                other => return Err(format!("a way has no '{other}'")),
            }
        }
        Ok(())
    }
}

/// Everything that went in is in exactly one of the counts behind `packets_in`, or still on its way.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
    pub lost_burst: u64,
    pub lost_random: u64,
    pub dropped_queue: u64,
    pub dropped_cut: u64,
    pub duplicated: u64,
    pub delayed_late: u64,
    /// The longest that a packet waited for its turn.
    pub queue_max_us: u64,
}

struct Waiting {
    departs: u64,
    packet: Vec<u8>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    arrives: u64,
    order: u64,
    packet: Vec<u8>,
}

/// One way. Its weather (`bursts`) and its dice for packets are apart: what is sent does not move the weather.
pub struct Way {
    shape: Shape,
    bursts: Bursts,
    dice: Random,
    cut: bool,
    busy_until: u64,
    last_arrival: u64,
    waiting: VecDeque<Waiting>,
    flying: BinaryHeap<Reverse<Flying>>,
    order: u64,
    spare: Vec<Vec<u8>>,
    pub figures: Figures,
}

impl Way {
    pub fn new(seed: u64, way: u64, now: u64) -> Way {
        let shape = Shape::default();
        Way {
            bursts: weather(seed, way, now, &shape),
            dice: Random::new(seed, 2 * way + 1),
            shape,
            cut: false,
            busy_until: 0,
            last_arrival: 0,
            waiting: VecDeque::new(),
            flying: BinaryHeap::new(),
            order: 0,
            spare: Vec::new(),
            figures: Figures::default(),
        }
    }

    /// The weather and the dice from the beginning, counted from `now`; figures from zero. Packets on their way stay.
    pub fn begin(&mut self, seed: u64, way: u64, now: u64) {
        self.bursts = weather(seed, way, now, &self.shape);
        self.dice = Random::new(seed, 2 * way + 1);
        self.figures = Figures::default();
    }

    pub fn set(&mut self, order: &Value, now: u64) -> Result<(), String> {
        let mut shape = self.shape.clone();
        shape.set(order)?;
        self.advance(now);
        self.bursts.change(now, shape.burst_loss, shape.burst_ms * MS, shape.burst_cap_ms * MS);
        self.shape = shape;
        Ok(())
    }

    /// Cut: what waits for its turn is lost, what is beyond the cut arrives.
    pub fn set_cut(&mut self, cut: bool, now: u64) {
        self.advance(now);
        self.cut = cut;
        if cut {
            self.figures.dropped_cut += self.waiting.len() as u64;
            self.waiting.clear();
            self.busy_until = now;
        }
    }

    pub fn offer(&mut self, packet: &[u8], now: u64) {
        self.figures.packets_in += 1;
        self.figures.bytes_in += packet.len() as u64;
        self.advance(now);
        if self.cut {
            self.figures.dropped_cut += 1;
            return;
        }
        let begins = self.busy_until.max(now);
        let wait = begins - now;
        if wait as f64 > self.shape.queue_ms * MS || self.waiting.len() + self.flying.len() >= FLYING {
            self.figures.dropped_queue += 1;
            return;
        }
        self.figures.queue_max_us = self.figures.queue_max_us.max(wait / 1000);
        let takes = if self.shape.rate_bps > 0.0 { packet.len() as f64 * 8e9 / self.shape.rate_bps } else { 0.0 };
        self.busy_until = begins + takes as u64;
        let mut held = self.spare.pop().unwrap_or_default();
        held.clear();
        held.extend_from_slice(packet);
        self.waiting.push_back(Waiting { departs: self.busy_until, packet: held });
    }

    /// Packets whose turn has come by `now` meet the weather of that moment.
    fn advance(&mut self, now: u64) {
        while self.waiting.front().is_some_and(|first| first.departs <= now) {
            let Waiting { departs, packet } = self.waiting.pop_front().expect("looked at");
            if self.bursts.bad_at(departs) {
                self.figures.lost_burst += 1;
                self.spare.push(packet);
            } else if self.shape.loss > 0.0 && self.dice.unit() < self.shape.loss {
                self.figures.lost_random += 1;
                self.spare.push(packet);
            } else {
                if self.shape.duplicate > 0.0 && self.dice.unit() < self.shape.duplicate {
                    self.figures.duplicated += 1;
                    self.fly(departs, packet.clone());
                }
                self.fly(departs, packet);
            }
        }
    }

    fn fly(&mut self, departs: u64, packet: Vec<u8>) {
        let shape = &self.shape;
        let mut takes_ms = shape.delay_ms;
        if shape.jitter_ms > 0.0 {
            takes_ms += self.dice.normal().clamp(-3.0, 3.0) * shape.jitter_ms;
        }
        let mut arrives = departs + (takes_ms.max(0.0) * MS) as u64;
        if shape.late > 0.0 && self.dice.unit() < shape.late {
            self.figures.delayed_late += 1;
            arrives += (shape.late_ms * MS) as u64;
        } else if shape.keep_order {
            arrives = arrives.max(self.last_arrival);
            self.last_arrival = arrives;
        }
        self.order += 1;
        self.flying.push(Reverse(Flying { arrives, order: self.order, packet }));
    }

    /// The next packet whose time has come, and that time. Give the packet back by `reuse`.
    pub fn take(&mut self, now: u64) -> Option<(u64, Vec<u8>)> {
        self.advance(now);
        if self.flying.peek()?.0.arrives > now {
            return None;
        }
        let Reverse(Flying { arrives, packet, .. }) = self.flying.pop()?;
        self.figures.packets_out += 1;
        self.figures.bytes_out += packet.len() as u64;
        Some((arrives, packet))
    }

    pub fn reuse(&mut self, packet: Vec<u8>) {
        if self.spare.len() < 1024 {
            self.spare.push(packet);
        }
    }

    /// When `take` may have something. A packet that waits can't arrive before its turn and the least delay, so no
    /// wake-up is spent on the turn itself.
    pub fn next(&self) -> Option<u64> {
        let least_ns = ((self.shape.delay_ms - 3.0 * self.shape.jitter_ms).max(0.0) * MS) as u64;
        let waiting = self.waiting.front().map(|first| first.departs + least_ns);
        let flying = self.flying.peek().map(|first| first.0.arrives);
        waiting.into_iter().chain(flying).min()
    }

    pub fn bursts(&self) -> (u64, u64) {
        (self.bursts.count, self.bursts.longest_ns)
    }

    pub fn on_the_way(&self) -> usize {
        self.waiting.len() + self.flying.len()
    }
}

fn weather(seed: u64, way: u64, now: u64, shape: &Shape) -> Bursts {
    let random = Random::new(seed, 2 * way);
    Bursts::new(random, now, shape.burst_loss, shape.burst_ms * MS, shape.burst_cap_ms * MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS_PER_MS: u64 = 1_000_000;

    fn way(order: &str) -> Way {
        let mut way = Way::new(5, 0, 0);
        way.set(&Value::parse(order).expect("JSON"), 0).expect("an order");
        way
    }

    fn arrivals(way: &mut Way) -> Vec<(u64, u8)> {
        let mut out = Vec::new();
        while let Some(next) = way.next() {
            while let Some((arrives, packet)) = way.take(next) {
                out.push((arrives, packet[0]));
            }
        }
        out
    }

    #[test]
    fn the_delay_is_kept_to_the_nanosecond() {
        let mut way = way(r#"{"delay_ms": 35}"#);
        way.offer(&[1; 100], 7);
        way.offer(&[2; 100], 9);
        assert_eq!(arrivals(&mut way), [(35 * NS_PER_MS + 7, 1), (35 * NS_PER_MS + 9, 2)]);
    }

    #[test]
    fn the_rate_spaces_packets_and_a_full_queue_drops_the_newest() {
        // 1000 bytes at 8 Mb/s take 1 ms; 5 ms may wait.
        let mut way = way(r#"{"rate_bps": 8e6, "queue_ms": 5}"#);
        for number in 0..20 {
            way.offer(&[number; 1000], 0);
        }
        let expected: Vec<(u64, u8)> = (0..6).map(|n| (u64::from(n + 1) * NS_PER_MS, n)).collect();
        assert_eq!(arrivals(&mut way), expected);
        assert_eq!(way.figures.dropped_queue, 14);
        assert_eq!(way.figures.queue_max_us, 5000);
    }

    #[test]
    fn jitter_keeps_the_order_or_does_not() {
        for keep in [true, false] {
            let mut way = way(&format!(r#"{{"delay_ms": 50, "jitter_ms": 10, "keep_order": {keep}}}"#));
            for number in 0..200 {
                way.offer(&[number; 50], u64::from(number) * NS_PER_MS);
            }
            let seen: Vec<u8> = arrivals(&mut way).into_iter().map(|(_, number)| number).collect();
            assert_eq!(seen.len(), 200);
            assert_eq!(seen.is_sorted(), keep);
        }
    }

    #[test]
    fn losses_and_doubles_are_counted_and_add_up() {
        let mut way = way(r#"{"burst_loss": 0.1, "loss": 0.05, "duplicate": 0.02, "delay_ms": 20}"#);
        let mut out = 0;
        for number in 0..200_000u64 {
            way.offer(&[0; 20], number * NS_PER_MS);
            out += std::iter::from_fn(|| way.take(number * NS_PER_MS)).count() as u64;
        }
        out += arrivals(&mut way).len() as u64;
        let figures = &way.figures;
        assert_eq!(figures.packets_in + figures.duplicated, out + figures.lost_burst + figures.lost_random);
        assert_eq!(figures.packets_out, out);
        assert!((17_000..23_000).contains(&figures.lost_burst), "{figures:?}");
        assert!((8_500..9_500).contains(&figures.lost_random), "{figures:?}");
        assert!((3_000..3_900).contains(&figures.duplicated), "{figures:?}");
    }

    #[test]
    fn a_cut_loses_what_waits_and_what_comes_but_not_what_flies() {
        let mut way = way(r#"{"rate_bps": 8e6, "delay_ms": 100}"#);
        for number in 0..10 {
            way.offer(&[number; 1000], 0);
        }
        way.set_cut(true, 3 * NS_PER_MS);
        way.offer(&[99; 1000], 4 * NS_PER_MS);
        way.set_cut(false, 50 * NS_PER_MS);
        way.offer(&[100; 1000], 60 * NS_PER_MS);
        let seen: Vec<u8> = arrivals(&mut way).into_iter().map(|(_, number)| number).collect();
        assert_eq!(seen, [0, 1, 2, 100]);
        assert_eq!(way.figures.dropped_cut, 8);
    }

    #[test]
    fn a_late_share_comes_behind_the_others() {
        let mut way = way(r#"{"delay_ms": 10, "late": 0.3, "late_ms": 3000}"#);
        for number in 0..100 {
            way.offer(&[number; 10], u64::from(number) * NS_PER_MS);
        }
        let late = arrivals(&mut way)
            .iter()
            .filter(|(at, number)| at - u64::from(*number) * NS_PER_MS > 3_000_000_000)
            .count();
        assert_eq!(late as u64, way.figures.delayed_late);
        assert!((15..45).contains(&late), "{late}");
    }

    #[test]
    fn the_weather_does_not_depend_on_what_is_sent() {
        let lost = |each: u64| {
            let mut way = way(r#"{"burst_loss": 0.1, "loss": 0.2}"#);
            let mut bad = Vec::new();
            for ms in 0..20_000u64 {
                let before = way.figures.lost_burst;
                for _ in 0..each {
                    way.offer(&[0; 20], ms * NS_PER_MS);
                }
                way.take(ms * NS_PER_MS);
                bad.push(way.figures.lost_burst > before);
            }
            bad
        };
        assert_eq!(lost(1), lost(3));
    }

    #[test]
    fn an_unknown_word_changes_nothing() {
        let mut way = way(r#"{"delay_ms": 35}"#);
        let order = Value::parse(r#"{"delay_ms": 1, "speed": 3}"#).expect("JSON");
        assert!(way.set(&order, 0).expect_err("refused").contains("speed"));
        assert_eq!(way.shape.delay_ms, 35.0);
    }
}
