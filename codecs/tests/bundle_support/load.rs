//! What a kit sends: pictures, a call, stills; and how it came.

use bytes::Bytes;
use codecs::bundle::flow::{Class, FlowOptions, Mode};
use codecs::bundle::types::{Event, FlowId};
use codecs::time::Micros;

use super::world::World;
use super::Random;

/// One flow of a kit.
pub struct Load {
    pub flow: FlowId,
    pub options: FlowOptions,
    every_us: u64,
    /// Mean size, and every how many units there is a key unit, which is `KEY_TIMES` as large.
    pub bytes: usize,
    pub key_every: u64,
    next_at: u64,
    pub count: u64,
    random: Random,
    pub refused: u64,
    /// The next unit is to be a key unit: a source that was asked for one.
    key_wanted: bool,
    /// When each was given, by its number.
    pub given: Vec<u64>,
}

const KEY_TIMES: usize = 5;

impl Load {
    pub fn video(flow: FlowId, mode: Mode, playout_ms: u32, bps: usize) -> Self {
        Self::new(flow, FlowOptions { class: Class::Video, mode, playout_ms }, 40_000, bps / 8 / 25, 50)
    }

    pub fn voice(flow: FlowId, mode: Mode, playout_ms: u32) -> Self {
        Self::new(flow, FlowOptions { class: Class::Voice, mode, playout_ms }, 20_000, 60, 0)
    }

    pub fn stills(flow: FlowId) -> Self {
        let options = FlowOptions { class: Class::Still, mode: Mode::Best, playout_ms: 0 };
        Self::new(flow, options, 4_000_000, 4_000, 1)
    }

    fn new(flow: FlowId, options: FlowOptions, every_us: u64, bytes: usize, key_every: u64) -> Self {
        let (random, given) = (Random(flow.into()), Vec::new());
        Self {
            flow,
            options,
            every_us,
            bytes,
            key_every,
            next_at: 0,
            count: 0,
            random,
            refused: 0,
            key_wanted: false,
            given,
        }
    }

    fn unit(&mut self) -> (Bytes, bool) {
        let key = self.key_every > 0 && (self.count % self.key_every == 0 || std::mem::take(&mut self.key_wanted));
        let steady = self.key_every == 0 || self.key_every == 1;
        let share = self.key_every.max(1) as usize;
        // The mean over a group of pictures stays `bytes`.
        let mean = if steady { self.bytes } else { self.bytes * share / (share - 1 + KEY_TIMES) };
        let size = if key && !steady { mean * KEY_TIMES } else { mean };
        let size = if steady { size } else { (size as f64 * (0.7 + 0.6 * self.random.unit())) as usize };
        let mut unit = vec![0xa5; size.max(12)];
        unit[..8].copy_from_slice(&self.count.to_be_bytes());
        self.count += 1;
        (unit.into(), key)
    }
}

/// How the units of one flow came.
#[derive(Debug, Clone, Default)]
pub struct Came {
    pub units: u64,
    pub in_time: u64,
    pub late: u64,
    pub missing: u64,
    /// Most in a row that were missing.
    pub run: u64,
    /// The longest time between two that were handed on, less their distance at the source.
    pub freeze_ms: u64,
    /// When those that are missing were given, in milliseconds.
    pub lost_at: Vec<u64>,
}

impl World {
    /// Open the flows at the kit.
    pub fn open(&mut self, kit: usize, loads: &mut [Load]) {
        for load in loads {
            load.next_at = self.now;
            self.kits[kit].session.open_flow(load.flow, load.options, Micros(self.now));
        }
        self.flush_kit(kit);
    }

    /// Let time pass while the loads give their units; `each` is called every 10 ms.
    pub fn run_loads(
        &mut self,
        kit: usize,
        loads: &mut [Load],
        until: u64,
        mut each: impl FnMut(&mut World, &mut [Load]),
    ) {
        let mut look = self.now;
        let mut seen = self.kits[kit].events.len();
        while self.now < until {
            let next = loads.iter().map(|load| load.next_at).min().unwrap_or(until).min(look).min(until);
            if next > self.now {
                self.run_until(next);
            }
            if self.now >= look {
                each(self, loads);
                look = self.now + 10_000;
            }
            let events = &self.kits[kit].events;
            for (_, event) in &events[seen..] {
                if let Event::KeyWanted { flow } = event {
                    loads.iter_mut().filter(|load| load.flow == *flow).for_each(|load| load.key_wanted = true);
                }
            }
            seen = events.len();
            for load in loads.iter_mut() {
                while load.next_at <= self.now {
                    load.next_at += load.every_us;
                    let (unit, key) = load.unit();
                    load.given.push(self.now);
                    let taken = self.kits[kit].session.send_unit(load.flow, unit, key, Micros(self.now));
                    load.refused += u64::from(!taken);
                }
            }
            self.flush_kit(kit);
        }
    }

    /// Of the units given between `from` and `to` (microseconds), how those of this flow came. `allowed_ms`: how long after
    /// it was given a unit is in time.
    pub fn judge(&mut self, kit: usize, load: &Load, from: u64, to: u64, allowed_ms: u64) -> Came {
        let mut at = vec![None; load.given.len()];
        for (when, event) in &self.guest(kit).events {
            if let Event::Unit { flow, bytes, .. } = event {
                if *flow == load.flow {
                    let number = u64::from_be_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
                    at[number] = Some(*when);
                }
            }
        }
        let mut came = Came::default();
        let (mut run, mut last) = (0, None);
        for (given, at) in load.given.iter().zip(&at).filter(|(given, _)| (from..to).contains(*given)) {
            came.units += 1;
            run = if at.is_some() { 0 } else { run + 1 };
            came.run = came.run.max(run);
            let Some(at) = *at else {
                came.missing += 1;
                came.lost_at.push(given / 1000);
                continue;
            };
            if at <= given + allowed_ms * 1000 {
                came.in_time += 1;
            } else {
                came.late += 1;
            }
            if let Some(last) = last {
                came.freeze_ms =
                    came.freeze_ms.max((at.saturating_sub(last) / 1000).saturating_sub(load.every_us / 1000));
            }
            last = Some(at.max(last.unwrap_or(0)));
        }
        came
    }
}
