//! One mix in one codec, for all voices that hear the same: mixed once, encoded once.

use super::plan::Heard;
use crate::audio::codec::{Encoder, EncoderConfig};
use crate::audio::format::{AudioCodec, Format};
use crate::audio::gain::{Gain, Scale};
use crate::audio::mix::Mix;
use crate::audio::noise::Noise;
use crate::audio::{frame_samples, FRAME_MS};

/// Comfort noise that is made here lies at −62 dBFS: heard as "the line is open", not as noise.
pub const NOISE_DBOV: u8 = 62;
/// Frames of silence after which an encoder has come to rest: its last payload says the same from then on.
const REST_FRAMES: u32 = 10;

/// What makes two voices hear the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub heard: Vec<Heard>,
    pub rate_hz: u32,
    /// `None`: only the samples are wanted (USRP, PCM).
    pub format: Option<Format>,
    /// Frames of one packet where the codec makes them at once (Opus), else 1.
    pub frames: u32,
    pub gain_db: f32,
    pub fill_noise: bool,
}

/// An encoder with what it has not sent yet.
pub struct Coder {
    encoder: Encoder,
    frames: u32,
    pcm: Vec<i16>,
    gathered: u32,
    payload: Vec<u8>,
    silent: u32,
}

impl Coder {
    /// `None` when libopus has no memory.
    pub fn new(format: Format, frames: u32) -> Option<Self> {
        let encoder = Encoder::new(format, EncoderConfig::default()).ok()?;
        let pcm = Vec::with_capacity(frame_samples(format.rate_hz()) * frames as usize);
        Some(Self { encoder, frames, pcm, gathered: 0, payload: Vec::with_capacity(1500), silent: 0 })
    }

    pub fn fits(&self, format: Format, frames: u32) -> bool {
        self.encoder.format() == format && self.frames == frames
    }

    pub fn set_loss(&mut self, percent: u8) {
        self.encoder.set_loss(percent);
    }

    /// A frame in; the payload when one is ready. `silent`: the frame is zeros.
    pub fn frame(&mut self, pcm: &[i16], silent: bool) -> Option<&[u8]> {
        self.silent = if silent { self.silent.saturating_add(1) } else { 0 };
        self.gathered += 1;
        let rests = self.silent > REST_FRAMES + self.frames && !self.payload.is_empty();
        if self.frames == 1 {
            self.gathered = 0;
            if !rests {
                self.payload.clear();
                self.encoder.encode(pcm, &mut self.payload);
            }
            return Some(&self.payload);
        }
        self.pcm.extend_from_slice(pcm);
        if self.gathered < self.frames {
            return None;
        }
        self.gathered = 0;
        if !rests {
            self.payload.clear();
            self.encoder.encode(&self.pcm, &mut self.payload);
        }
        self.pcm.clear();
        Some(&self.payload)
    }
}

pub struct Share {
    pub key: Key,
    /// Slots of those who are heard.
    heard: Vec<(usize, Scale)>,
    coder: Option<Coder>,
    gain: Gain,
    mix: Mix,
    noise: Noise,
    pub pcm: Vec<i16>,
    /// Somebody gives sound in this tick; somebody's voice activity is on.
    pub sounding: bool,
    pub speaking: bool,
    encoded: bool,
    ready: bool,
    pub members: usize,
}

/// One who may be heard, as the share sees him.
pub trait Source {
    /// This tick's frame at a rate; `None` while nothing comes.
    fn frame_at(&self, rate_hz: u32) -> Option<&[i16]>;
    fn is_talking(&self) -> bool;
}

impl Share {
    pub fn new(key: Key, heard: Vec<(usize, Scale)>) -> Self {
        let gain = Gain::new(key.gain_db);
        let noise = Noise::new(0x5eed_1234 ^ heard.len() as u32);
        let pcm = Vec::with_capacity(frame_samples(key.rate_hz));
        Self {
            key,
            heard,
            coder: None,
            gain,
            mix: Mix::new(),
            noise,
            pcm,
            sounding: false,
            speaking: false,
            encoded: false,
            ready: false,
            members: 0,
        }
    }

    pub fn heard(&self) -> impl Iterator<Item = usize> + '_ {
        self.heard.iter().map(|(slot, _)| *slot)
    }

    pub fn take_coder(&mut self) -> Option<Coder> {
        self.coder.take()
    }

    pub fn give_coder(&mut self, coder: Coder) {
        if self.key.format.is_some_and(|f| coder.fits(f, self.key.frames)) {
            self.coder = Some(coder);
        }
    }

    pub fn set_loss(&mut self, percent: u8) {
        if let Some(coder) = &mut self.coder {
            coder.set_loss(percent);
        }
    }

    /// This tick's mix. Nothing is encoded before somebody wants it.
    pub fn mix<'a, S: Source + 'a>(&mut self, source: impl Fn(usize) -> Option<&'a S>) {
        let samples = frame_samples(self.key.rate_hz);
        self.encoded = false;
        self.ready = false;
        self.sounding = false;
        self.speaking = false;
        for (slot, scale) in &self.heard {
            let Some(one) = source(*slot) else { continue };
            let Some(frame) = one.frame_at(self.key.rate_hz) else { continue };
            if !self.sounding {
                self.mix.clear(samples);
                self.sounding = true;
            }
            self.mix.add(frame, *scale);
            self.speaking |= one.is_talking();
        }
        if self.sounding {
            self.mix.all(&mut self.pcm);
            self.gain.apply(&mut self.pcm);
            return;
        }
        self.pcm.clear();
        if self.key.fill_noise {
            self.noise.append(NOISE_DBOV, samples, &mut self.pcm);
        } else {
            self.pcm.resize(samples, 0);
        }
    }

    /// The payload of this tick, made when the first asks; `None` while a longer packet is gathered.
    pub fn payload(&mut self) -> Option<&[u8]> {
        if !self.encoded {
            self.encoded = true;
            let format = self.key.format?;
            if self.coder.is_none() {
                self.coder = Coder::new(format, self.key.frames);
            }
            let silent = !self.sounding && !self.key.fill_noise;
            self.ready = self.coder.as_mut()?.frame(&self.pcm, silent).is_some();
        }
        self.coder.as_ref().filter(|_| self.ready).map(|c| &c.payload[..])
    }
}

/// Frames that a codec wants at once.
pub fn frames_at_once(format: Format, ptime_ms: u32) -> u32 {
    if format.codec() == AudioCodec::Opus {
        (ptime_ms / FRAME_MS).clamp(1, 3)
    } else {
        1
    }
}
