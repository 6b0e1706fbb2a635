//! MPEG systems: program stream and transport stream (ISO/IEC 13818-1, as GB/T 28181 annex C uses them).

pub mod klv;
pub mod pes;
pub mod ps_demux;
mod ps_frames;
pub mod ps_mux;
mod ps_syntax;
pub mod psi;
pub mod sections;
pub mod ts_demux;
mod ts_gather;
mod ts_programs;
pub mod ts_roles;
pub mod ts_sync;

use bytes::Bytes;

/// A run of elementary stream bytes with one timestamp: for video a frame, for audio what one PES packet held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsChunk {
    /// 0xE0.. video, 0xC0.. audio (table 2-22).
    pub stream_id: u8,
    /// Table 2-34 and GB/T 28181 annex C; 0 when no map told it. A hint: devices lie.
    pub stream_type: u8,
    /// 33 bits, 90 kHz.
    pub pts: Option<u64>,
    pub dts: Option<u64>,
    pub data: Bytes,
    /// Bytes of it are missing.
    pub damaged: bool,
}

impl EsChunk {
    pub fn is_video(&self) -> bool {
        is_video_id(self.stream_id)
    }
}

pub fn is_video_id(stream_id: u8) -> bool {
    stream_id & 0xf0 == 0xe0
}

pub fn is_audio_id(stream_id: u8) -> bool {
    stream_id & 0xe0 == 0xc0
}

/// stream_type values that we meet (ISO/IEC 13818-1 table 2-34, GB/T 28181-2022 annex C).
pub mod stream_type {
    pub const MPEG1_VIDEO: u8 = 1;
    pub const MPEG2_VIDEO: u8 = 2;
    pub const MPEG1_AUDIO: u8 = 3;
    pub const MPEG2_AUDIO: u8 = 4;
    pub const AAC_ADTS: u8 = 0x0f;
    pub const AAC_LATM: u8 = 0x11;
    pub const MPEG4_VIDEO: u8 = 0x10;
    pub const H264: u8 = 0x1b;
    pub const H265: u8 = 0x24;
    pub const SVAC_VIDEO: u8 = 0x80;
    pub const G711A: u8 = 0x90;
    pub const G711U: u8 = 0x91;
    pub const G722_1: u8 = 0x92;
    pub const G723_1: u8 = 0x93;
    /// ATSC A/52 annex A.
    pub const AC3: u8 = 0x81;
    pub const EAC3: u8 = 0x87;
    pub const G729: u8 = 0x99;
    pub const SVAC_AUDIO: u8 = 0x9b;
    /// Ours, for private PES packets that their map names Opus.
    pub const OPUS: u8 = 0xf0;
}

/// Whether a sign that a frame ends here (RTP marker, timestamp change) can be believed. It is at first only watched;
/// confirmed a few times it counts, and once found wrong it must prove itself for much longer.
#[derive(Debug, Clone, Copy)]
pub struct Trust {
    missing: u8,
}

impl Default for Trust {
    fn default() -> Self {
        Self { missing: 2 }
    }
}

impl Trust {
    pub fn trusted(self) -> bool {
        self.missing == 0
    }

    pub fn confirm(&mut self) {
        self.missing = self.missing.saturating_sub(1);
    }

    pub fn deny(&mut self) {
        self.missing = 50;
    }
}
