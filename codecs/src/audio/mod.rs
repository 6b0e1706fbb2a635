//! What becomes of sound between two packets: codecs, playout, resampling, mixing, levels. Pure: samples and time in, samples out.
//!
//! PCM is mono `i16`. A *frame* is 20 ms of it. Levels are dBFS: 0 is the RMS of a full-scale square wave, so that a
//! full-scale sine has −3.01; −127 is digital silence.
//!
//! ```text
//! packet ─► playout (reorder, delay, decode, conceal, stretch) ─► frame ─► resample ─► gain ─► vox, level ─► mix
//! mix minus own ─► duck, gain ─► resample ─► codec::Encoder ─► payload
//! ```

pub mod codec;
mod conceal;
mod delay;
pub mod dtmf;
pub mod duck;
pub mod format;
pub mod g711;
pub mod g722;
mod g722_tables;
pub mod gain;
pub mod l16;
pub mod level;
pub mod mix;
pub mod mos;
pub mod noise;
pub mod opus;
mod packets;
mod pitch;
pub mod playout;
pub mod resample;
mod sequence;
mod stretch;
pub mod tone;
pub mod vox;

/// The tick of the media plane's audio clock.
pub const FRAME_MS: u32 = 20;

/// Samples of one 20 ms frame at `rate_hz`.
pub const fn frame_samples(rate_hz: u32) -> usize {
    (rate_hz / 1000 * FRAME_MS) as usize
}
