//! What goes into the playout and comes out of it.

use crate::time::Micros;

/// Bounds of the delay that is added to absorb jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutConfig {
    pub min_ms: u32,
    pub max_ms: u32,
}

impl Default for PlayoutConfig {
    fn default() -> Self {
        Self { min_ms: 20, max_ms: 400 }
    }
}

/// One RTP packet of this leg's audio. Telephone events go to `dtmf`, not here.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    pub ssrc: u32,
    pub seq: u16,
    pub ts: u32,
    pub marker: bool,
    pub arrival: Micros,
    /// A comfort noise payload (RFC 3389, "CN") instead of the codec's.
    pub comfort_noise: bool,
    pub payload: &'a [u8],
}

/// What a pulled frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// What the peer said (possibly stretched or shortened).
    Speech,
    /// At least a part was lost and made up.
    Concealed,
    /// Comfort noise as the peer asked for (CN, DTX).
    Noise,
    /// Nothing to play: zeros. Before the first packet, between transmissions, after a long loss.
    Silence,
}

/// Since `new`, except the last four, which are of now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PlayoutStats {
    pub packets: u64,
    /// Never came in time: includes `late`.
    pub lost: u64,
    pub late: u64,
    pub duplicates: u64,
    pub reordered: u64,
    /// Packets that the codec could not read.
    pub undecodable: u64,
    pub restarts: u64,
    pub concealed_ms: u64,
    pub expanded_ms: u64,
    pub accelerated_ms: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Age of what goes out now: since the time when it could have come at the earliest.
    pub buffer_ms: f64,
    /// What the buffer aims at.
    pub target_ms: f64,
    /// The sender's clock against ours: positive when it is faster. 0 until half a minute has been seen.
    pub drift_ppm: f64,
}
