//! What flows through the hub: one decodable picture or audio frame.

use bytes::Bytes;

use crate::base64;
use crate::time::Micros;

/// Characters of parameter sets that SDP is told of: SPS and PPS take some dozens, and a SIP datagram some 1300 in all.
const MAX_SPROP: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    H264,
    H265,
    /// Whole JPEG files.
    Mjpeg,
    Aac,
    Pcma,
    Pcmu,
    Opus,
    G722,
    L16,
    /// MPEG-1 and MPEG-2 video, MPEG audio of any layer, AC-3 and E-AC-3: taken in for conversions, and by nobody else.
    Mpeg2,
    Mp2,
    Ac3,
    Eac3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Video,
    Audio,
}

impl Codec {
    pub fn kind(self) -> Kind {
        match self {
            Codec::H264 | Codec::H265 | Codec::Mjpeg | Codec::Mpeg2 => Kind::Video,
            _ => Kind::Audio,
        }
    }

    /// As gateway/codecs.pyi spells it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Mjpeg => "mjpeg",
            Codec::Aac => "aac",
            Codec::Pcma => "pcma",
            Codec::Pcmu => "pcmu",
            Codec::Opus => "opus",
            Codec::G722 => "g722",
            Codec::L16 => "l16",
            Codec::Mpeg2 => "mpeg2video",
            Codec::Mp2 => "mp2",
            Codec::Ac3 => "ac3",
            Codec::Eac3 => "eac3",
        }
    }
}

/// Parameters of a track. Two that differ in any field but `generation` are different generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackParams {
    pub codec: Codec,
    /// RTP clock on the way out: 90 000 for video, the codec's own for audio (8000 for G.711 and G.722, 48 000 for Opus).
    pub clock_hz: u32,
    pub generation: u32,
    /// Pixels after cropping; 0 when not known.
    pub width: u32,
    pub height: u32,
    /// "high@4.0", "main@3.1", …; empty when not known.
    pub profile: String,
    /// H.264 profile-level-id as in RFC 6184 §8.1, or 0.
    pub profile_level_id: u32,
    pub b_frames: bool,
    pub channels: u8,
    /// Audio sample rate; 0 for video.
    pub sample_rate_hz: u32,
    /// Parameter sets without start codes: (VPS,) SPS, PPS of video; AudioSpecificConfig of AAC.
    pub parameter_sets: Vec<Bytes>,
}

impl TrackParams {
    /// The parameter sets of video in base64, with commas between (RFC 6184 §8.1), in the order they stand here; empty
    /// when there are none, or more than SDP should carry.
    pub fn sprop(&self) -> String {
        let size: usize = self.parameter_sets.iter().map(|set| set.len().div_ceil(3) * 4 + 1).sum();
        if self.codec.kind() != Kind::Video || size > MAX_SPROP {
            return String::new();
        }
        self.parameter_sets.iter().map(|set| base64::encode(set)).collect::<Vec<_>>().join(",")
    }
}

/// One picture or one audio frame (several G.711 samples). Video: NAL units without start codes, in decoding order,
/// parameter sets included in band as they came; `nalus` are slices of one buffer. MJPEG: one JPEG file. MPEG-2: the picture's bytes with
/// their start codes.
#[derive(Debug, Clone)]
pub struct AccessUnit {
    pub kind: Kind,
    pub nalus: Vec<Bytes>,
    /// In `TrackParams::clock_hz`, continuous for the life of the leg (wraps undone, jumps smoothed), may start anywhere.
    pub pts: i64,
    pub dts: i64,
    /// A decoder can start here (IDR or CRA/BLA/IDR of H.265; always true for audio).
    pub key: bool,
    /// Something before it was lost.
    pub after_loss: bool,
    pub arrival: Micros,
    /// Unix microseconds at capture, where the source told it (RTCP SR).
    pub capture_unix_us: Option<i64>,
}

impl AccessUnit {
    pub fn len(&self) -> usize {
        self.nalus.iter().map(Bytes::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.nalus.iter().all(Bytes::is_empty)
    }
}
