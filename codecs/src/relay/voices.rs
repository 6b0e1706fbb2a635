//! The voice thread's part of a worker: the clock, the sockets of voices, and what comes in on them. Who hears whom is
//! `voice::bridge`'s.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::event::*;
use super::queue::{Passed, PassedHead};
use super::sys::{self, Epoll, TimerFd};
use super::voice_in::RECORD_BYTES;
use super::voice_line::{Line, Out};
use super::worker::Worker;
use super::OrderError;
use crate::time::Micros;
use crate::voice::clock::{Figures, Schedule, TICK_US};
use crate::voice::Bridge;

/// Between two reports of a voice.
pub(super) const REPORT_US: u64 = 2_500_000;
pub struct Voices {
    pub bridge: Bridge,
    pub lines: HashMap<VoiceId, Line>,
    /// Sockets that are read when the clock ticks.
    pub calm: Epoll,
    pub figures: Figures,
    timer: TimerFd,
    schedule: Option<Schedule>,
    passed: Vec<Passed>,
    broken: Vec<VoiceId>,
    ready: Vec<u64>,
    pub(super) reports: Vec<(Micros, VoiceId)>,
    pub(super) scratch: Vec<u8>,
    pub(super) random: u64,
}

impl Voices {
    pub fn new() -> Result<Self, OrderError> {
        Ok(Self {
            bridge: Bridge::default(),
            lines: HashMap::new(),
            calm: Epoll::new()?,
            figures: Figures::default(),
            timer: TimerFd::new()?,
            schedule: None,
            passed: Vec::with_capacity(64),
            broken: Vec::new(),
            ready: Vec::with_capacity(64),
            reports: Vec::new(),
            scratch: vec![0; 2 * RECORD_BYTES],
            // Without chance the starts can be guessed: weaker against injection, no harm else.
            random: sys::chance() | 1,
        })
    }

    pub fn timer_fd(&self) -> RawFd {
        self.timer.raw()
    }

    pub fn report_from(&mut self, voice: VoiceId, now: Micros) {
        // Spread over the interval, so that a hundred calls do not report in one tick.
        let at = now.0 + REPORT_US / 5 + (voice >> 8) * 97_000 % (REPORT_US / 2);
        self.reports.push((Micros(at), voice));
    }
}

impl Worker {
    /// The clock ticks while there is something that it serves.
    pub fn set_voice_clock(&mut self) {
        let Some(voices) = self.voices.as_mut() else { return };
        if voices.schedule.is_none() {
            let first = sys::monotonic_us() + TICK_US;
            voices.schedule = Some(Schedule::new(Micros(first)));
            voices.timer.set(first, TICK_US);
        }
    }

    pub(super) fn rest_voice_clock(&mut self) {
        let idle = !self.sessions.values().any(|s| s.own_fds().is_some());
        if let Some(voices) = self.voices.as_mut().filter(|v| idle && v.lines.is_empty() && v.bridge.counts().0 == 0) {
            voices.schedule = None;
            voices.timer.set(0, 0);
        }
    }

    pub fn voice_clock_rings(&mut self) {
        let Some(voices) = self.voices.as_mut() else { return };
        voices.timer.clear();
        let Some(due) = voices.schedule.as_mut().map(|s| s.due(self.now)) else { return };
        if due.ticks == 0 {
            return;
        }
        voices.figures.late.add(due.late_us);
        voices.figures.skipped += due.skipped;
        self.read_calm();
        self.read_passed();
        let Some(voices) = self.voices.as_mut() else { return };
        if due.skipped > 0 {
            voices.bridge.skip(due.skipped);
        }
        let mut out = Out {
            outbox: &mut self.outbox,
            events: &self.events,
            lines: &mut voices.lines,
            broken: &mut voices.broken,
        };
        let newest = self.now.0.saturating_sub(due.late_us);
        for n in (0..due.ticks).rev() {
            voices.bridge.tick(&mut out, Micros(newest.saturating_sub(n * TICK_US)));
        }
        self.after_tick();
        let busy = sys::monotonic_us().saturating_sub(self.now.0);
        if let Some(voices) = self.voices.as_mut() {
            voices.figures.busy.add(busy);
        }
    }

    fn after_tick(&mut self) {
        let Some(voices) = self.voices.as_mut() else { return };
        let broken = std::mem::take(&mut voices.broken);
        let fallen = std::mem::take(&mut voices.bridge.fallen);
        for voice in broken {
            self.end_voice(voice, "link-down");
        }
        for voice in fallen {
            self.drop_line(voice);
        }
        self.voice_reports();
        if self.voices.as_ref().is_some_and(|v| v.lines.is_empty()) {
            self.rest_voice_clock();
        }
    }

    fn read_calm(&mut self) {
        for _ in 0..64 {
            let Some(voices) = self.voices.as_mut() else { return };
            let mut ready = std::mem::take(&mut voices.ready);
            ready.clear();
            voices.calm.wait(&mut ready, Some(0));
            for token in &ready {
                if let Some(sock) = self.sock(*token) {
                    self.on_ready(sock);
                }
            }
            let all = ready.len() < 64;
            if let Some(voices) = self.voices.as_mut() {
                voices.ready = ready;
            }
            if all {
                return;
            }
        }
    }

    fn read_passed(&mut self) {
        let Some(voices) = self.voices.as_mut() else { return };
        let mut list = std::mem::take(&mut voices.passed);
        self.commands.take_passed(&mut list);
        for passed in &mut list {
            match passed.head {
                PassedHead::Packet { session, from, at } => {
                    self.packets_in += 1;
                    self.arrival = at;
                    self.session_packet(session, &mut passed.data, from);
                }
                PassedHead::Unit { voice, format, ts, ticks, at } => {
                    self.arrival = at;
                    let data = &passed.data;
                    self.guard_voice(voice, |w| w.voice_unit(voice, format, ts, ticks, data));
                }
            }
        }
        if let Some(voices) = self.voices.as_mut() {
            voices.passed = list;
        }
    }

    /// Do a voice's work; if it panics, the voice ends and the thread goes on.
    pub fn guard_voice(&mut self, voice: VoiceId, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_ok() {
            return;
        }
        self.with_voices_out(|bridge, out| {
            let address = bridge.get(voice).and_then(|m| m.address);
            bridge.fall(voice, address, out);
        });
        if let Some(voices) = self.voices.as_mut() {
            voices.bridge.fallen.retain(|v| *v != voice);
        }
        self.drop_line(voice);
    }

    /// The bridge beside the way out.
    pub(super) fn with_voices_out<T>(&mut self, work: impl FnOnce(&mut Bridge, &mut Out<'_>) -> T) -> Option<T> {
        let voices = self.voices.as_mut()?;
        let mut out = Out {
            outbox: &mut self.outbox,
            events: &self.events,
            lines: &mut voices.lines,
            broken: &mut voices.broken,
        };
        Some(work(&mut voices.bridge, &mut out))
    }
}
