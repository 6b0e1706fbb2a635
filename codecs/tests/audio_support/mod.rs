//! A talker, a network with faults from a seed, and what the playout made of them.
#![allow(dead_code)]

use codecs::audio::codec::{Encoder, EncoderConfig};
use codecs::audio::format::Format;
use codecs::audio::playout::{Arrived, Playout, PlayoutConfig, PlayoutStats, Pulled};
use codecs::audio::tone::{tone_db, Sine};
use codecs::time::Micros;

pub const TONE_HZ: f64 = 400.0;

/// "opus16": Opus with PCM of 16 kHz.
pub fn format(codec: &str, clock: u32) -> Format {
    if codec == "opus16" {
        return format("opus", clock).at_rate(16_000).expect("a rate of Opus");
    }
    let channels = if codec == "opus" { 2 } else { 1 };
    Format::new(codec, clock, channels).expect("a format of ours")
}

/// xorshift64*
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 24) as usize % n.max(1)
    }

    pub fn part(&mut self) -> f64 {
        self.below(1 << 30) as f64 / f64::from(1 << 30)
    }
}

/// Encodes a tone into packets.
pub struct Talker {
    encoder: Encoder,
    sine: Sine,
    packet_ms: u32,
    pub ssrc: u32,
    pub seq: u16,
    pub ts: u32,
}

impl Talker {
    pub fn new(codec: &str, clock: u32, packet_ms: u32) -> Self {
        let format = format(codec, clock);
        Self {
            encoder: Encoder::new(format, EncoderConfig { bitrate_bps: 24_000, ..EncoderConfig::default() }).unwrap(),
            sine: Sine::new(TONE_HZ, format.rate_hz(), -10.0),
            packet_ms,
            ssrc: 1,
            seq: 65_000,
            ts: 0xffff_0000,
        }
    }

    /// The next payload, in 10 ms or 20 ms steps.
    pub fn payload(&mut self) -> Vec<u8> {
        let format = self.encoder.format();
        let rate = format.rate_hz();
        let pcm = self.sine.take((rate / 1000 * self.packet_ms) as usize);
        let mut payload = Vec::new();
        if self.packet_ms % 20 == 0 {
            self.encoder.encode(&pcm, &mut payload);
        } else {
            match format.name() {
                "pcma" => codecs::audio::g711::encode_alaw(&pcm, &mut payload),
                "l16" => codecs::audio::l16::encode(&pcm, 1, &mut payload),
                // A coder of its own would forget between packets; the tone is continuous, so half frames do.
                "g722" => G722.with(|coder| coder.borrow_mut().encode(&pcm, &mut payload)),
                other => panic!("{other} in {} ms", self.packet_ms),
            }
        }
        payload
    }

    pub fn step(&mut self) {
        self.seq = self.seq.wrapping_add(1);
        self.skip();
    }

    /// Time goes on, nothing is sent.
    pub fn skip(&mut self) {
        self.ts = self.ts.wrapping_add(self.encoder.format().clock_hz() / 1000 * self.packet_ms);
    }

    pub fn send(&mut self, marker: bool, arrival: Micros, playout: &mut Playout) {
        let payload = self.payload();
        playout.insert(Arrived {
            ssrc: self.ssrc,
            seq: self.seq,
            ts: self.ts,
            marker,
            arrival,
            comfort_noise: false,
            payload: &payload,
        });
        self.step();
    }

    /// The nth packet of a telephone event in place of audio: all have the timestamp of its begin.
    pub fn send_key(&mut self, nth: u32, playout: &mut Playout) {
        playout.insert_other(self.ssrc, self.seq, self.ts.wrapping_sub(160 * nth));
        self.step();
    }

    pub fn send_noise(&mut self, dbov: u8, arrival: Micros, playout: &mut Playout) {
        playout.insert(Arrived {
            ssrc: self.ssrc,
            seq: self.seq,
            ts: self.ts,
            marker: false,
            arrival,
            comfort_noise: true,
            payload: &[dbov],
        });
        self.step();
    }
}

thread_local! {
    static G722: std::cell::RefCell<codecs::audio::g722::G722Encoder> =
        std::cell::RefCell::new(codecs::audio::g722::G722Encoder::new());
}

/// What happens to packets on the way.
#[derive(Clone, Copy)]
pub struct Network {
    pub loss: f64,
    /// Uniform between 0 and this.
    pub jitter_us: usize,
    pub duplicate: f64,
    /// The sender's clock is faster by this.
    pub ppm: f64,
    pub seed: u64,
    /// All are later by `step_us` in these seconds.
    pub step_at_s: u64,
    pub step_us: u64,
    pub step_until_s: u64,
    /// From here nothing passes for `stall_us`, then all at once.
    pub stall_at_s: u64,
    pub stall_us: u64,
    /// Sockets are read at the ticks only.
    pub read_at_ticks: bool,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            loss: 0.0,
            jitter_us: 0,
            duplicate: 0.0,
            ppm: 0.0,
            seed: 1,
            step_at_s: 0,
            step_us: 0,
            step_until_s: 0,
            stall_at_s: 0,
            stall_us: 0,
            read_at_ticks: false,
        }
    }
}

pub struct Run {
    codec: String,
    clock: u32,
    packet_ms: u32,
    seconds: u64,
    network: Network,
}

pub struct Outcome {
    pub stats: PlayoutStats,
    pub pcm: Vec<i16>,
    rate: u32,
    /// By tick.
    pulled: Vec<Pulled>,
    buffer_ms: Vec<f64>,
}

impl Run {
    pub fn new(codec: &str, clock: u32) -> Self {
        Self { codec: codec.into(), clock, packet_ms: 20, seconds: 60, network: Network::default() }
    }

    pub fn packet_ms(mut self, ms: u32) -> Self {
        self.packet_ms = ms;
        self
    }

    pub fn seconds(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }

    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    pub fn go(self, config: PlayoutConfig) -> Outcome {
        let mut talker = Talker::new(&self.codec, self.clock, self.packet_ms);
        let mut rng = Rng(self.network.seed);
        let mut playout = Playout::new(format(&self.codec, self.clock), config).unwrap();
        // Made in sending order, given in order of arrival: a heap is not needed, jitter is bounded.
        let mut under_way: Vec<(u64, u16, u32, Vec<u8>)> = Vec::new();
        let period_us = f64::from(self.packet_ms) * 1000.0 / (1.0 + self.network.ppm / 1e6);
        let mut sent = 0u64;
        let (mut pcm, mut frame) = (Vec::new(), Vec::new());
        let (mut pulled, mut buffer_ms) = (Vec::new(), Vec::new());
        for tick in 0..self.seconds * 50 {
            let now = 1_000_000 + tick * 20_000;
            loop {
                let at = 1_000_000 + (sent as f64 * period_us) as u64;
                if at > now {
                    break;
                }
                sent += 1;
                let payload = talker.payload();
                let n = self.network;
                let s = (at - 1_000_000) / 1_000_000;
                let mut arrival = at + 3000 + rng.below(n.jitter_us.max(1)) as u64;
                if n.step_us > 0 && (n.step_at_s..n.step_until_s).contains(&s) {
                    arrival += n.step_us;
                }
                let stall = 1_000_000 + n.stall_at_s * 1_000_000;
                if n.stall_us > 0 && (stall..stall + n.stall_us).contains(&arrival) {
                    arrival = stall + n.stall_us;
                }
                if rng.part() >= n.loss {
                    under_way.push((arrival, talker.seq, talker.ts, payload.clone()));
                    if rng.part() < n.duplicate {
                        under_way.push((arrival + 100, talker.seq, talker.ts, payload));
                    }
                }
                talker.step();
            }
            under_way.sort_by_key(|p| p.0);
            while under_way.first().is_some_and(|p| p.0 <= now) {
                let (arrival, seq, ts, payload) = under_way.remove(0);
                playout.insert(Arrived {
                    ssrc: 1,
                    seq,
                    ts,
                    marker: false,
                    arrival: Micros(if self.network.read_at_ticks { now } else { arrival }),
                    comfort_noise: false,
                    payload: &payload,
                });
            }
            pulled.push(playout.pull(Micros(now), &mut frame));
            pcm.extend_from_slice(&frame);
            buffer_ms.push(playout.stats().buffer_ms);
        }
        Outcome { stats: playout.stats(), pcm, rate: playout.rate_hz(), pulled, buffer_ms }
    }
}

impl Outcome {
    /// Level of the talker's tone, mean of seconds; after this second.
    pub fn tone_from(&self, second: usize) -> f64 {
        // Corrections shift its phase, so it is looked for in pieces.
        let piece = self.rate as usize / 10;
        let levels: Vec<f64> = self.pcm[second * self.rate as usize..]
            .chunks_exact(piece)
            .map(|pcm| 10f64.powf(tone_db(pcm, TONE_HZ, self.rate) / 10.0))
            .collect();
        10.0 * (levels.iter().sum::<f64>() / levels.len() as f64).log10()
    }

    pub fn most_buffer_ms(&self, from_s: usize) -> f64 {
        self.buffer_ms[from_s * 50..].iter().copied().fold(0.0, f64::max)
    }

    pub fn mean_buffer_ms(&self, from_s: usize, to_s: usize) -> f64 {
        let part = &self.buffer_ms[from_s * 50..to_s * 50];
        part.iter().sum::<f64>() / part.len() as f64
    }

    pub fn silent_frames(&self, from_s: usize) -> usize {
        self.pulled[from_s * 50..].iter().filter(|&&p| p == Pulled::Silence).count()
    }

    pub fn concealed_between(&self, from_s: usize, to_s: usize) -> usize {
        self.pulled[from_s * 50..to_s * 50].iter().filter(|&&p| p == Pulled::Concealed).count() * 20
    }
}
