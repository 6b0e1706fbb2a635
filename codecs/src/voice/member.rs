//! One voice: its state, and what it says in this tick. What it is sent is `hearing`'s.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use super::bridge::{Sink, Tell};
use super::cue::Cues;
use super::inlet::Inlet;
use super::outlet::Outlet;
use super::share::{frames_at_once, Coder, Source};
use super::{rate_index, usrp, Settings, RATES_HZ};
use crate::audio::duck::Duck;
use crate::audio::format::{AudioCodec, Format};
use crate::audio::gain::Gain;
use crate::audio::level::{rms_db, Meter, SILENCE_DB};
use crate::audio::playout::{PlayoutConfig, Pulled};
use crate::audio::resample::Resampler;
use crate::audio::vox::Vox;
use crate::audio::FRAME_MS;
use crate::relay::event::{VoiceId, VoiceState};
use crate::time::Micros;

/// Between two words about the same problem.
const TELL_US: u64 = 1_000_000;

/// Levels for whoever looks, without asking the thread.
#[derive(Debug)]
pub struct Levels {
    said: AtomicU32,
    heard: AtomicU32,
}

impl Default for Levels {
    fn default() -> Self {
        let silence = SILENCE_DB.to_bits();
        Self { said: AtomicU32::new(silence), heard: AtomicU32::new(silence) }
    }
}

impl Levels {
    pub fn set(&self, said_db: f32, heard_db: f32) {
        self.said.store(said_db.to_bits(), Ordering::Relaxed);
        self.heard.store(heard_db.to_bits(), Ordering::Relaxed);
    }

    /// dBFS of what it says, of what it hears.
    pub fn get(&self) -> (f32, f32) {
        (f32::from_bits(self.said.load(Ordering::Relaxed)), f32::from_bits(self.heard.load(Ordering::Relaxed)))
    }
}

/// How the far side takes what it hears.
pub enum Far {
    Rtp(Box<Outlet>),
    Usrp {
        seq: u32,
        keyed: bool,
    },
    /// Records of this rate; channels above one get the same.
    Pcm {
        rate_hz: u32,
        channels: u8,
    },
    /// Only talks.
    None,
}

/// Own mix and encoder, while it hears what nobody else does (a cue).
#[derive(Default)]
pub(super) struct Own {
    pub(super) coder: Option<Coder>,
    pub(super) pcm: Vec<i16>,
}

pub struct Guard {
    pub loudspeaker: VoiceId,
    pub duck: Duck,
}

pub struct Member {
    pub id: VoiceId,
    pub far: Far,
    pub inlet: Inlet,
    pub settings: Settings,
    pub address: Option<SocketAddr>,
    pub guard: Option<Guard>,
    pub share: Option<usize>,
    pub cues: Cues,
    pub strangers: u64,
    pub unauthentic: u64,
    /// What the peer reports of us (RTCP).
    pub peer: PeerReport,
    pub(super) levels: Arc<Levels>,
    pub(super) gain_in: Gain,
    pub(super) vox: Vox,
    pub(super) said: Meter,
    pub(super) heard: Meter,
    pub(super) frame: Vec<i16>,
    pub(super) frame_rate_hz: u32,
    pub(super) converted: [Vec<i16>; 3],
    pub(super) converters: [Option<(u32, Resampler)>; 3],
    /// Rates that somebody wants its frames at.
    pub needs: [bool; 3],
    pub(super) playing: bool,
    pub(super) talking: bool,
    /// Speech is in what it hears.
    pub hears_speech: bool,
    pub(super) flowing: bool,
    pub(super) last_packet: Micros,
    pub keyed: bool,
    pub(super) hang: u32,
    pub(super) silent_ticks: u32,
    pub(super) own: Own,
    pub(super) bytes: Vec<u8>,
    pub(super) told: Vec<(&'static str, Micros)>,
    pub panic_next: bool,
    pub closed: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct PeerReport {
    pub rtt_ms: f64,
    pub loss_ratio: f64,
    pub jitter_ms: f64,
}

impl Source for Member {
    fn frame_at(&self, rate_hz: u32) -> Option<&[i16]> {
        if !self.playing {
            return None;
        }
        if rate_hz == self.frame_rate_hz {
            return Some(&self.frame);
        }
        let converted = &self.converted[rate_index(rate_hz)];
        (!converted.is_empty()).then_some(converted)
    }

    fn is_talking(&self) -> bool {
        self.talking
    }
}

impl Member {
    pub fn new(id: VoiceId, far: Far, inlet: Inlet, levels: Arc<Levels>) -> Self {
        let settings = Settings::default();
        Self {
            id,
            far,
            inlet,
            address: None,
            guard: None,
            share: None,
            cues: Cues::default(),
            strangers: 0,
            unauthentic: 0,
            peer: PeerReport::default(),
            levels,
            gain_in: Gain::new(0.0),
            vox: Vox::new(settings.vox_db, settings.vox_hang_ms),
            said: Meter::new(),
            heard: Meter::new(),
            frame: Vec::with_capacity(960),
            frame_rate_hz: 8_000,
            converted: Default::default(),
            converters: Default::default(),
            needs: [false; 3],
            playing: false,
            talking: false,
            hears_speech: false,
            flowing: false,
            last_packet: Micros(0),
            keyed: false,
            hang: 0,
            silent_ticks: 0,
            own: Own::default(),
            bytes: Vec::with_capacity(2 * 960 + 64),
            told: Vec::new(),
            panic_next: false,
            closed: false,
            settings,
        }
    }

    pub fn set(&mut self, settings: Settings) {
        self.gain_in.set_db(settings.gain_in_db);
        self.vox.set(settings.vox_db, settings.vox_hang_ms);
        self.inlet.set_config(PlayoutConfig { min_ms: settings.jitter_min_ms, max_ms: settings.jitter_max_ms });
        self.settings = settings;
    }

    /// The rate at which it hears.
    pub fn out_rate_hz(&self) -> u32 {
        match &self.far {
            Far::Rtp(outlet) => outlet.config.format.rate_hz(),
            Far::Usrp { .. } => usrp::RATE_HZ,
            Far::Pcm { rate_hz, .. } => *rate_hz,
            Far::None => 8_000,
        }
    }

    /// Codec and frames at once of what it is sent.
    pub fn out_format(&self) -> (Option<Format>, u32) {
        match &self.far {
            Far::Rtp(outlet) => {
                let format = outlet.config.format;
                (Some(format), frames_at_once(format, outlet.config.ptime_ms))
            }
            _ => (None, 1),
        }
    }

    /// Silence is filled with noise that is made here: where the far side can not make its own.
    pub fn fills_noise(&self) -> bool {
        let own = match &self.far {
            Far::Rtp(o) => o.config.comfort_noise_pt.is_some() || o.config.format.codec() == AudioCodec::Opus,
            _ => false,
        };
        self.settings.comfort_noise && !own
    }

    pub fn tell(&self, sink: &mut dyn Sink, state: VoiceState, code: &'static str, detail: String) {
        sink.tell(Tell { voice: self.id, state, code, detail, address: self.address });
    }

    /// Something to tell a person, once a second and code.
    pub fn problem(&mut self, sink: &mut dyn Sink, code: &'static str, detail: String, now: Micros) {
        if self.may_tell(code, now) {
            self.tell(sink, VoiceState::Problem, code, detail);
        }
    }

    pub fn may_tell(&mut self, code: &'static str, now: Micros) -> bool {
        match self.told.iter_mut().find(|(c, _)| *c == code) {
            Some((_, at)) if now.since(*at) < TELL_US => return false,
            Some((_, at)) => *at = now,
            None => self.told.push((code, now)),
        }
        true
    }

    /// A valid packet came.
    pub fn arrived(&mut self, sink: &mut dyn Sink, from: Option<SocketAddr>, now: Micros) {
        self.last_packet = now;
        if from.is_some() {
            self.address = from;
        }
        if !std::mem::replace(&mut self.flowing, true) {
            let codec = self.inlet.format().map_or("", Format::name);
            self.tell(sink, VoiceState::Media, "", codec.to_owned());
        }
    }

    pub fn keyed(&mut self, sink: &mut dyn Sink, keyed: bool) {
        if std::mem::replace(&mut self.keyed, keyed) != keyed {
            let state = if keyed { VoiceState::Key } else { VoiceState::Unkey };
            self.tell(sink, state, "", String::new());
        }
    }

    /// What it says in this tick. `loudspeaker`: speech is played beside its microphone.
    pub fn speak(&mut self, sink: &mut dyn Sink, loudspeaker: bool, now: Micros) {
        assert!(!std::mem::take(&mut self.panic_next), "asked for by a test");
        if self.flowing && now.since(self.last_packet) >= u64::from(self.settings.stop_ms) * 1000 {
            self.flowing = false;
            self.keyed(sink, false);
            self.tell(sink, VoiceState::Stopped, "", String::new());
        }
        if let Some(key) = self.inlet.tick_keys() {
            self.tell(sink, VoiceState::Dtmf, "", key.to_owned());
        }
        let pulled = self.inlet.pull(now, &mut self.frame);
        self.playing = pulled != Pulled::Silence && !self.settings.mute_in && !self.frame.is_empty();
        let rate_hz = self.inlet.rate_hz();
        if rate_hz != self.frame_rate_hz {
            self.frame_rate_hz = rate_hz;
            self.said = Meter::new();
        }
        let mut level_db = SILENCE_DB;
        if self.playing {
            self.gain_in.apply(&mut self.frame);
            if let Some(guard) = &mut self.guard {
                guard.duck.apply(loudspeaker, &mut self.frame);
            }
            level_db = rms_db(&self.frame);
            self.said.push(&self.frame);
        } else {
            self.said.push_silence();
        }
        let talking = self.vox.push_level(level_db);
        if talking != self.talking {
            self.talking = talking;
            let state = if talking { VoiceState::Talking } else { VoiceState::Quiet };
            self.tell(sink, state, "", String::new());
        }
        self.convert();
    }

    fn convert(&mut self) {
        for (i, rate) in RATES_HZ.iter().enumerate() {
            self.converted[i].clear();
            if !self.needs[i] || !self.playing || *rate == self.frame_rate_hz {
                continue;
            }
            let slot = &mut self.converters[i];
            if slot.as_ref().is_none_or(|(from, _)| *from != self.frame_rate_hz) {
                *slot = Resampler::new(self.frame_rate_hz, *rate).map(|r| (self.frame_rate_hz, r));
            }
            if let Some((_, converter)) = slot {
                converter.process(&self.frame, &mut self.converted[i]);
            }
        }
    }

    /// Ticks were left out.
    pub fn skip(&mut self, ticks: u64) {
        if let Far::Rtp(outlet) = &mut self.far {
            outlet.pause();
            outlet.advance(ticks.min(u64::from(u32::MAX)) as u32);
        }
    }

    pub fn levels_db(&self) -> (f32, f32) {
        (self.said.rms_db(), self.heard.rms_db())
    }

    pub fn is_flowing(&self) -> bool {
        self.flowing
    }

    pub fn set_loss(&mut self, percent: u8) {
        if let Some(coder) = &mut self.own.coder {
            coder.set_loss(percent);
        }
    }

    /// Age of what is heard when it leaves here, without the network.
    pub fn delay_ms(&self) -> f64 {
        self.inlet.stats().buffer_ms + f64::from(FRAME_MS)
    }
}
