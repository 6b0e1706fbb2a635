//! What a voice is sent of what it hears: its share's payload, a cue, keys, noise, or nothing.

use super::bridge::Sink;
use super::member::{Far, Member, Own};
use super::share::{frames_at_once, Coder, Share, NOISE_DBOV};
use super::{usrp, Transmit};
use crate::audio::format::AudioCodec;
use crate::audio::frame_samples;
use crate::audio::noise::cn_payload;

/// A keyed transmitter stays keyed this long after the last word.
const HEARD_TICKS: u32 = 5;
/// Opus in silence with comfort noise: one packet each 400 ms keeps the path open (RFC 7587 §3.1.3).
const DTX_TICKS: u32 = 20;

impl Member {
    /// What it is sent in this tick of the mix that it hears.
    pub fn hear(&mut self, sink: &mut dyn Sink, share: Option<&mut Share>) {
        let never = self.settings.transmit == Transmit::Never;
        let sounding = share.as_ref().is_some_and(|s| s.sounding);
        let speaking = share.as_ref().is_some_and(|s| s.speaking);
        let cue = if never { false } else { self.mix_cue(share.as_deref()) };
        self.hears_speech = speaking || cue;
        match (&share, cue) {
            (_, true) => self.heard.push(&self.own.pcm),
            (Some(s), _) if s.sounding => self.heard.push(&s.pcm),
            _ => self.heard.push_silence(),
        }
        self.levels.set(self.said.rms_db(), self.heard.rms_db());
        self.hang = if self.hears_speech { HEARD_TICKS } else { self.hang.saturating_sub(1) };
        self.silent_ticks = if sounding || cue { 0 } else { self.silent_ticks.saturating_add(1) };
        let open = match self.settings.transmit {
            Transmit::Always => true,
            Transmit::Heard => self.hears_speech || self.hang > 0,
            Transmit::Never => false,
        } && !self.closed;
        match &self.far {
            Far::Rtp(_) => self.hear_rtp(sink, share, cue, open),
            Far::Usrp { .. } => self.hear_usrp(sink, share.as_deref(), cue, open),
            Far::Pcm { .. } if open => self.hear_pcm(sink, share.as_deref(), cue),
            Far::Pcm { .. } | Far::None => {}
        }
    }

    /// A cue plays: what it hears is mixed in `own`.
    fn mix_cue(&mut self, share: Option<&Share>) -> bool {
        let Some((frame, over)) = self.cues.next_frame() else { return false };
        self.own.pcm.clear();
        match share.filter(|s| over && s.sounding) {
            Some(share) => {
                let sum = share.pcm.iter().zip(frame).map(|(a, b)| a.saturating_add(*b));
                self.own.pcm.extend(sum);
            }
            None => self.own.pcm.extend_from_slice(frame),
        }
        true
    }

    fn hear_rtp(&mut self, sink: &mut dyn Sink, share: Option<&mut Share>, cue: bool, open: bool) {
        let (id, silent_ticks) = (self.id, self.silent_ticks);
        let settings = &self.settings;
        let Far::Rtp(outlet) = &mut self.far else { return };
        let frames = frames_at_once(outlet.config.format, outlet.config.ptime_ms);
        let mut send = |leaving: super::outlet::Leaving<'_>| sink.rtp(id, leaving);
        if !open {
            outlet.pause();
        } else if outlet.tick_keys(&mut send) {
            // Keys take the place of audio.
        } else if cue || share.is_none() {
            if !cue {
                self.own.pcm.clear();
                self.own.pcm.resize(frame_samples(outlet.config.format.rate_hz()), 0);
            }
            let fits = self.own.coder.as_ref().is_some_and(|c| c.fits(outlet.config.format, frames));
            if !fits {
                self.own.coder = Coder::new(outlet.config.format, frames);
            }
            if let Some(payload) = self.own.coder.as_mut().and_then(|c| c.frame(&self.own.pcm, !cue)) {
                outlet.audio_since(payload, frames, &mut send);
            }
        } else if let Some(share) = share {
            let opus = outlet.config.format.codec() == AudioCodec::Opus;
            let rests = settings.comfort_noise && !share.sounding && silent_ticks > 2;
            if rests && !opus && outlet.comfort_noise(&cn_payload(-f32::from(NOISE_DBOV)), &mut send) {
                // The far side makes its noise.
            } else if rests && opus && silent_ticks % DTX_TICKS != 0 {
                outlet.pause();
                // A longer packet is gathered on.
                let _ = share.payload();
            } else if let Some(payload) = share.payload() {
                if frames > 1 {
                    outlet.audio_since(payload, frames, &mut send);
                } else {
                    outlet.audio(payload, &mut send);
                }
            }
        }
        outlet.advance(1);
    }

    fn pcm<'a>(own: &'a Own, share: Option<&'a Share>, cue: bool) -> &'a [i16] {
        match share {
            _ if cue => &own.pcm,
            Some(share) => &share.pcm,
            None => &[],
        }
    }

    fn hear_usrp(&mut self, sink: &mut dyn Sink, share: Option<&Share>, cue: bool, open: bool) {
        // Silence is no reason to key a transmitter, whatever the setting.
        let open = open && (self.hears_speech || self.hang > 0);
        let Far::Usrp { seq, keyed } = &mut self.far else { return };
        if open {
            *keyed = true;
            self.bytes.clear();
            let pcm = Self::pcm(&self.own, share, cue);
            self.bytes.extend(pcm.iter().take(usrp::SAMPLES).flat_map(|s| s.to_le_bytes()));
            self.bytes.resize(usrp::SAMPLES * 2, 0);
            sink.record(self.id, &usrp::header(*seq, true), &self.bytes);
            *seq = seq.wrapping_add(1);
        } else if std::mem::take(keyed) {
            sink.record(self.id, &usrp::header(*seq, false), &[]);
            *seq = seq.wrapping_add(1);
        }
    }

    fn hear_pcm(&mut self, sink: &mut dyn Sink, share: Option<&Share>, cue: bool) {
        let Far::Pcm { rate_hz, channels } = self.far else { return };
        self.bytes.clear();
        let pcm = Self::pcm(&self.own, share, cue);
        for sample in pcm {
            for _ in 0..channels {
                self.bytes.extend_from_slice(&sample.to_le_bytes());
            }
        }
        self.bytes.resize(frame_samples(rate_hz) * usize::from(channels) * 2, 0);
        sink.record(self.id, &[], &self.bytes);
    }
}
