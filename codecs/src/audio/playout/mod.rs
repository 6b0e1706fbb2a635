//! The adaptive jitter buffer: packets as they come in, a steady 20 ms frame at each tick of a clock not their own.
//!
//! What is controlled is the *slack*: how long after its earliest possible arrival (`delay`) a packet is decoded. It is
//! held above a target that lets 98 % of the packets come in time, by about a tick at most: packets are decoded on ticks, so
//! the slack goes in steps of 20 ms. Whatever drives it away (another clock, a target that moved) is put right by
//! pitch periods taken out or put in (`stretch`), so delay neither grows nor runs dry. Samples that wait over a tick
//! without need (*waste*) are taken out as well, as periods and pauses allow.
//!
//! ```text
//! insert ─► sequence (order, duplicates, restarts) ─► delay (lateness, target, drift) ─► packets
//! pull:  next packet there          decode
//!        gone, or not there yet     delay below target: conceal and wait; else conceal and go on (FEC if the next is there)
//!        nothing for 80 ms, DTX, CN gap: noise or silence; on again when the first packet has waited for the target
//! ```

mod correct;
mod piece;
mod types;

pub use types::{Arrived, PlayoutConfig, PlayoutStats, Pulled};

use super::codec::Decoder;
use super::delay::DelayEstimate;
use super::format::Format;
use super::frame_samples;
use super::noise::{cn_level, Noise};
use super::packets::{Kind, Packets, MAX_PAYLOAD_BYTES, SLOTS};
use super::sequence::{Place, Sequence};
use super::stretch;
use crate::error::ParseError;
use crate::time::Micros;

/// Transits that differ by more are of different time lines.
const RESTART_US: i64 = 2_000_000;
/// A transmission that begins anew (marker) this much later than its timestamps say: they stood still meanwhile.
const FROZEN_US: i64 = 250_000;
/// Below the target by more than this, what is missing is waited for.
const PATIENCE_US: i64 = 10_000;
/// A beginning talk spurt need not wait for the last milliseconds: a tick is 20 ms.
const EARLY_US: i64 = 5_000;
/// Slack may be this far below the target, or above target and tick, before it is put right.
const SHORT_US: i64 = 2_000;
const OVER_US: i64 = 5_000;
const TICK_US: i64 = 20_000;
/// Waste that is not worth an operation.
const WASTE_US: i64 = 2_000;
const HURRY_US: i64 = 60_000;
/// Delay above the configured most that is cut off at once.
const OVERDUE_US: i64 = 100_000;
/// Concealment has faded by then.
const CONCEAL_MS: usize = 80;
/// Slacks that are looked at, and how many must be known: also the rest between two corrections.
const SLACKS: usize = 10;
const SLACKS_LEAST: usize = 5;

pub struct Playout {
    config: PlayoutConfig,
    decoder: Decoder,
    sequence: Sequence,
    packets: Packets,
    delay: DelayEstimate,
    target_us: i64,
    rate_khz: usize,
    /// Talk goes on; else a gap, where nothing is expected.
    playing: bool,
    /// The next packet to decode. While `fresh`, an earlier one may still come.
    next_seq: i64,
    fresh: bool,
    /// Media time (samples) behind the last sample of `pending`.
    end_ts: i64,
    /// Decoded, not yet given.
    pending: Vec<i16>,
    packet_samples: usize,
    /// Samples made up since the last packet: of those, `held` did not move `end_ts` on, `advanced` did.
    made_up: usize,
    held: i64,
    advanced: i64,
    /// What a gap sounds like.
    noise_dbov: Option<u8>,
    dtx: bool,
    fading: bool,
    noise: Noise,
    slacks: [i64; SLACKS],
    slack_count: usize,
    /// Samples that were left of the tick before, of the last pulls.
    leftovers: [usize; SLACKS],
    pulls: usize,
    /// What was given last: half of what `stretch` looks at.
    past: Vec<i16>,
    made: Made,
    age_us: f64,
    stats: PlayoutStats,
    concealed: u64,
    expanded: u64,
    accelerated: u64,
}

/// What has gone into this frame.
#[derive(Debug, Clone, Copy, Default)]
struct Made {
    speech: bool,
    concealed: bool,
    noise: bool,
}

impl Playout {
    /// Fails only when libopus can not allocate.
    pub fn new(format: Format, config: PlayoutConfig) -> Result<Self, ParseError> {
        let mut playout = Self {
            config,
            decoder: Decoder::new(format)?,
            sequence: Sequence::default(),
            packets: Packets::default(),
            delay: DelayEstimate::default(),
            target_us: 0,
            rate_khz: (format.rate_hz() / 1000) as usize,
            playing: false,
            next_seq: 0,
            fresh: true,
            end_ts: 0,
            pending: Vec::new(),
            packet_samples: frame_samples(format.rate_hz()),
            made_up: 0,
            held: 0,
            advanced: 0,
            noise_dbov: None,
            dtx: false,
            fading: false,
            noise: Noise::new(1),
            slacks: [0; SLACKS],
            slack_count: 0,
            leftovers: [0; SLACKS],
            pulls: 0,
            past: Vec::new(),
            made: Made::default(),
            age_us: 0.0,
            stats: PlayoutStats::default(),
            concealed: 0,
            expanded: 0,
            accelerated: 0,
        };
        playout.retarget();
        Ok(playout)
    }

    /// The peer changed its payload type: what waits is dropped, figures are kept. Nothing when it is the same.
    pub fn set_format(&mut self, format: Format) -> Result<(), ParseError> {
        if format == self.decoder.format() {
            return Ok(());
        }
        self.bank();
        self.decoder = Decoder::new(format)?;
        self.rate_khz = (format.rate_hz() / 1000) as usize;
        self.packet_samples = frame_samples(format.rate_hz());
        self.sequence.forget_time();
        self.flush();
        Ok(())
    }

    pub fn set_config(&mut self, config: PlayoutConfig) {
        self.config = config;
        self.retarget();
    }

    pub fn format(&self) -> Format {
        self.decoder.format()
    }

    /// Of the frames that `pull` gives.
    pub fn rate_hz(&self) -> u32 {
        self.decoder.rate_hz()
    }

    /// Take a packet in. Duplicates, late and unbelievable ones are counted and dropped.
    pub fn insert(&mut self, packet: Arrived<'_>) {
        self.stats.packets += 1;
        if packet.payload.is_empty() || packet.payload.len() > MAX_PAYLOAD_BYTES {
            self.stats.undecodable += 1;
            return;
        }
        let kind = if packet.comfort_noise { Kind::ComfortNoise } else { Kind::Audio };
        let Some((seq, ts)) = self.place(&packet) else { return };
        self.delay.arrived(packet.arrival.0, self.media_us(self.samples_of(ts)), self.target_us);
        self.retarget();
        if !self.store(seq, ts, kind, packet.payload) {
            self.stats.late += 1;
        }
    }

    /// A packet of the same SSRC that is no audio (telephone-event): so that its sequence number is not taken for a loss.
    pub fn insert_other(&mut self, ssrc: u32, seq: u16, ts: u32) {
        match self.sequence.place(ssrc, seq, ts) {
            Place::New { seq, ts, .. } => {
                if !self.store(seq, ts, Kind::Other, &[]) {
                    // It was counted as lost when it was not there.
                    self.stats.lost = self.stats.lost.saturating_sub(1);
                }
            }
            Place::Restart { seq, ts } => {
                self.restart();
                self.store(seq, ts, Kind::Other, &[]);
            }
            Place::Duplicate | Place::Doubtful => {}
        }
    }

    /// Its extended sequence number and timestamp; `None` when it is of no use.
    fn place(&mut self, packet: &Arrived<'_>) -> Option<(i64, i64)> {
        let (seq, ts, reordered) = match self.sequence.place(packet.ssrc, packet.seq, packet.ts) {
            Place::New { seq, ts, reordered } => (seq, ts, reordered),
            Place::Restart { seq, ts } => {
                self.restart();
                return Some((seq, ts));
            }
            Place::Duplicate => {
                self.stats.duplicates += 1;
                return None;
            }
            Place::Doubtful => {
                self.stats.late += 1;
                return None;
            }
        };
        self.stats.reordered += u64::from(reordered);
        if !self.is_another_time(packet, ts) {
            return Some((seq, ts));
        }
        if reordered {
            self.stats.late += 1;
            return None;
        }
        self.restart();
        Some(self.sequence.start(packet.ssrc, packet.seq, packet.ts))
    }

    /// False: it comes too late.
    fn store(&mut self, seq: i64, ts: i64, kind: Kind, payload: &[u8]) -> bool {
        if self.fresh {
            // The first ones may come in any order, as far as there is room for it.
            self.next_seq = if self.packets.is_empty() { seq } else { self.next_seq.min(seq) };
        }
        if seq < self.next_seq {
            return false;
        }
        if seq >= self.next_seq + SLOTS {
            self.make_room(seq);
        }
        self.packets.put(seq, self.samples_of(ts), kind, payload);
        true
    }

    /// The next 20 ms in place of what was in `out`. To be called every 20 ms of the clock that `now` is of.
    pub fn pull(&mut self, now: Micros, out: &mut Vec<i16>) -> Pulled {
        let frame = frame_samples(self.rate_hz());
        self.made = Made::default();
        if self.playing {
            self.cut_off(now);
        }
        self.leftovers[self.pulls % SLACKS] = self.pending.len();
        self.pulls += 1;
        while self.pending.len() < frame {
            let missing = frame - self.pending.len();
            if self.playing || self.wakes(now) {
                self.next_piece(now, missing);
            } else {
                self.fill_gap(missing);
            }
        }
        if self.playing {
            let age = self.age(now, self.end_ts - self.pending.len() as i64) as f64;
            self.age_us += (age - self.age_us) / 16.0;
            self.correct(now, frame);
        }
        out.clear();
        out.extend_from_slice(&self.pending[..frame]);
        self.past.clear();
        self.past.extend_from_slice(&out[frame - stretch::past(self.rate_khz)..]);
        self.pending.drain(..frame);
        match self.made {
            Made { concealed: true, .. } => Pulled::Concealed,
            Made { speech: true, .. } => Pulled::Speech,
            Made { noise: true, .. } => Pulled::Noise,
            // All of it was decoded before, or nothing was there.
            _ if self.playing => Pulled::Speech,
            _ => Pulled::Silence,
        }
    }

    pub fn stats(&self) -> PlayoutStats {
        let khz = self.rate_khz as u64;
        PlayoutStats {
            concealed_ms: self.stats.concealed_ms + self.concealed / khz,
            expanded_ms: self.stats.expanded_ms + self.expanded / khz,
            accelerated_ms: self.stats.accelerated_ms + self.accelerated / khz,
            jitter_ms: self.delay.jitter_ms(),
            buffer_ms: self.age_us / 1000.0,
            target_ms: self.target_us as f64 / 1000.0,
            drift_ppm: self.delay.drift_ppm(),
            ..self.stats
        }
    }

    // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    fn samples_of(&self, ts: i64) -> i64 {
        // Rounded down always: packets that join in ticks join in samples too.
        (ts * i64::from(self.rate_hz())).div_euclid(i64::from(self.format().clock_hz()))
    }

    fn media_us(&self, samples: i64) -> i64 {
        samples * 1000 / self.rate_khz as i64
    }

    /// How long ago this sample could have come at the earliest, in µs.
    fn age(&self, now: Micros, samples: i64) -> i64 {
        self.delay.lateness(now.0, self.media_us(samples))
    }

    fn retarget(&mut self) {
        let (min, max) = (i64::from(self.config.min_ms.min(1000)), i64::from(self.config.max_ms.min(1000)));
        self.target_us = self.delay.target_us().clamp(min * 1000, max.max(min) * 1000);
    }

    /// Whether this packet's timestamp has nothing to do with those before.
    fn is_another_time(&self, packet: &Arrived<'_>, ts: i64) -> bool {
        if !self.delay.is_started() {
            return false;
        }
        let lateness = self.delay.lateness(packet.arrival.0, self.media_us(self.samples_of(ts)));
        let frozen = packet.marker && !self.playing && self.packets.is_empty() && lateness > FROZEN_US;
        lateness.abs() > RESTART_US || frozen
    }

    // ── what waits ───────────────────────────────────────────────────────────────────────────────────────────────

    /// A new source or time line: what is decoded already is still played.
    fn restart(&mut self) {
        self.stats.restarts += 1;
        self.packets.clear();
        self.playing = false;
        self.fresh = true;
        self.fading = true;
        self.noise_dbov = None;
        self.delay.restart();
    }

    fn flush(&mut self) {
        self.packets.clear();
        self.pending.clear();
        self.playing = false;
        self.fresh = true;
        self.fading = false;
        self.noise_dbov = None;
        self.dtx = false;
        self.made_up = 0;
        self.delay.restart();
    }

    /// Samples into milliseconds: the rate is about to change.
    fn bank(&mut self) {
        let stats = self.stats();
        self.stats.concealed_ms = stats.concealed_ms;
        self.stats.expanded_ms = stats.expanded_ms;
        self.stats.accelerated_ms = stats.accelerated_ms;
        (self.concealed, self.expanded, self.accelerated) = (0, 0, 0);
    }

    /// Nobody pulled, or the source is far ahead: the older half goes.
    fn make_room(&mut self, seq: i64) {
        let new_next = seq - SLOTS / 2;
        for old in self.next_seq..new_next.min(self.next_seq + SLOTS) {
            self.packets.remove(old);
        }
        self.stats.lost += (new_next - self.next_seq) as u64;
        self.next_seq = new_next;
        self.playing = false;
        self.fading = true;
    }
}
