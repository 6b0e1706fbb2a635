//! Voices and rooms: who hears whom, every 20 ms. Pure: packets and time in, packets and events out. The sockets are
//! `relay::voices`'s.
//!
//! ```text
//! packet ─► inlet (playout, keys) ─► frame ─► voice ─┐            ┌─► outlet (header) ─► packet
//!                                                    ├─► share ───┼─► outlet
//! packet ─► inlet ─────────────────► frame ─► voice ─┘ mix, encode└─► outlet
//! ```
//! A *share* is one mix in one codec for all voices that hear the same: it is encoded once.

pub mod bridge;
pub mod clock;
pub mod cue;
mod hearing;
pub mod inlet;
pub mod member;
pub mod outlet;
pub mod plan;
pub mod share;
pub mod usrp;

use crate::audio::format::{AudioCodec, Format};

pub use bridge::{Bridge, Sink, Tell};
pub use member::{Far, Member};

/// Rooms of one voice.
pub const MAX_ROOMS: usize = 8;
/// Rates that frames are mixed at.
pub const RATES_HZ: [u32; 3] = [8_000, 16_000, 48_000];

/// Place of a rate in `RATES_HZ`.
pub fn rate_index(rate_hz: u32) -> usize {
    RATES_HZ.iter().position(|r| *r == rate_hz).unwrap_or(0)
}

/// Opus is decoded and encoded at 16 kHz in rooms: speech needs no more, and it costs a third.
pub fn wideband(format: Format) -> Format {
    match format.codec() {
        AudioCodec::Opus => format.at_rate(16_000).unwrap_or(format),
        _ => format,
    }
}

/// When a voice sends what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transmit {
    /// In every tick.
    Always,
    /// While somebody speaks or a cue plays, and a moment on.
    Heard,
    /// On hold.
    Never,
}

impl Transmit {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "always" => Transmit::Always,
            "heard" => Transmit::Heard,
            "never" => Transmit::Never,
            _ => return None,
        })
    }
}

/// As `Engine.set_voice` has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub gain_in_db: f32,
    pub gain_out_db: f32,
    pub transmit: Transmit,
    pub comfort_noise: bool,
    pub vox_db: f32,
    pub vox_hang_ms: u32,
    pub stop_ms: u32,
    pub jitter_min_ms: u32,
    pub jitter_max_ms: u32,
    pub mute_in: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gain_in_db: 0.0,
            gain_out_db: 0.0,
            transmit: Transmit::Always,
            comfort_noise: false,
            vox_db: -40.0,
            vox_hang_ms: 500,
            stop_ms: 400,
            jitter_min_ms: 20,
            jitter_max_ms: 400,
            mute_in: false,
        }
    }
}

/// What a member of a room may.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route {
    pub talk: bool,
    pub listen: bool,
    /// Of what it says in this room.
    pub gain_db: f32,
}
