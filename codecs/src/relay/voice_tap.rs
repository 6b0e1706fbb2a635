//! A stream's audio track as a voice: its units go from the stream's thread to the voice thread.

use super::event::*;
use super::order::Command;
use super::queue::PassedHead;
use super::worker::{Live, Worker};
use crate::audio::format::Format;
use crate::hub::unit::{AccessUnit, Kind, TrackParams};

/// A unit longer than this is no second of sound.
const MAX_UNIT_BYTES: usize = 100_000;

fn format_of(params: &TrackParams) -> Option<Format> {
    let format = Format::new(params.codec.name(), params.clock_hz, params.channels)?;
    Some(crate::voice::wideband(format))
}

fn worker_of(handle: u64) -> usize {
    (handle & 0xff) as usize
}

impl Worker {
    /// On the stream's thread: a voice wants its sound, or no longer.
    pub fn tap(&mut self, stream: StreamId, voice: VoiceId, on: bool) {
        let Some(mut live) = self.take(stream) else {
            if on {
                self.end_taps(&[voice]);
            }
            return;
        };
        live.taps.retain(|v| *v != voice);
        if on {
            live.taps.push(voice);
            let params: Vec<TrackParams> = live.hub.track(Kind::Audio).map(|t| t.params.clone()).into_iter().collect();
            self.check_taps(&live, &params);
        }
        self.put(live);
    }

    /// A codec that is not converted here is told to those who wait for its sound.
    pub(super) fn check_taps(&self, live: &Live, changed: &[TrackParams]) {
        for params in changed.iter().filter(|p| p.codec.kind() == Kind::Audio && format_of(p).is_none()) {
            for voice in &live.taps {
                let detail = params.codec.name().to_owned();
                let (state, code) = (VoiceState::Problem, "audio-unsupported");
                self.events.push(Event::Voice { voice: *voice, state, code, detail, address: None });
            }
        }
    }

    pub(super) fn pass_to_taps(&self, live: &Live, unit: &AccessUnit) {
        let Some(track) = live.hub.track(Kind::Audio) else { return };
        let (Some(newest), Some(format)) = (track.newest(), format_of(&track.params)) else { return };
        let ts = newest.ts as u32;
        for voice in &live.taps {
            let Some(other) = self.all.get(worker_of(*voice)) else { continue };
            for part in unit.nalus.iter().filter(|p| p.len() <= MAX_UNIT_BYTES) {
                let head = PassedHead::Unit { voice: *voice, format, ts, ticks: format.frame_ticks(), at: self.now };
                other.pass(head, part);
            }
        }
    }

    /// The stream is gone.
    pub(super) fn end_taps(&self, voices: &[VoiceId]) {
        for voice in voices {
            if let Some(other) = self.all.get(worker_of(*voice)) {
                other.push(Command::TapEnded(*voice));
            }
        }
    }

    /// On the voice thread: its voice is gone.
    pub(super) fn untap(&self, stream: StreamId, voice: VoiceId) {
        if let Some(other) = self.all.get(worker_of(stream)) {
            other.push(Command::Tap { stream, voice, on: false });
        }
    }
}
