//! Payload formats, as packetizer and depacketizer pairs.

pub mod aac;
pub mod annexb;
pub mod g711;
pub mod h264;
pub mod h264_params;
pub mod h265;
pub mod h265_params;
pub mod jpeg;
pub mod jpeg_file;
pub mod l16;
pub mod latm;
pub mod latm_rtp;
pub mod mpeg_rtp;
pub mod nalus;
pub mod opus;
mod payloads;
pub mod probe;
pub mod probe_bytes;
pub mod sync_frames;
pub mod whole;

use bytes::Bytes;

use crate::hub::unit::{AccessUnit, Codec, TrackParams};
pub use payloads::{Part, Payloads};

/// How pictures are laid into packets. Only H.264 knows two ways (RFC 6184 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Small NAL units together, large ones in fragments: packetization-mode 1.
    #[default]
    Fragments,
    /// A packet for each NAL unit, whatever its size: packetization-mode 0.
    SingleNalUnits,
}

/// Cuts access units of one track into RTP payloads.
#[derive(Debug, Clone)]
pub struct Packetizer {
    codec: Codec,
    form: Form,
    max_payload: usize,
    channels: u8,
    parameter_sets: Vec<Bytes>,
}

/// Smaller than this no packetizer works: a fragment must carry something.
pub const MIN_PAYLOAD_BYTES: usize = 64;

impl Packetizer {
    /// `max_payload` counts what follows the RTP header (and extension); raised to `MIN_PAYLOAD_BYTES` if below.
    pub fn new(params: &TrackParams, max_payload: usize) -> Self {
        let max_payload = max_payload.max(MIN_PAYLOAD_BYTES);
        let channels = params.channels.max(1);
        let parameter_sets = params.parameter_sets.clone();
        Self { codec: params.codec, form: Form::Fragments, max_payload, channels, parameter_sets }
    }

    /// H.264 as a receiver of packetization-mode 0 takes it. NAL units over `h264::MAX_SINGLE_BYTES` fit no datagram:
    /// a unit that has one becomes empty.
    pub fn single_nal_units(params: &TrackParams) -> Self {
        Self { form: Form::SingleNalUnits, ..Self::new(params, h264::MAX_SINGLE_BYTES) }
    }

    /// A new generation of the track: other parameter sets, perhaps another codec.
    pub fn set_params(&mut self, params: &TrackParams) {
        self.codec = params.codec;
        self.channels = params.channels.max(1);
        self.parameter_sets.clone_from(&params.parameter_sets);
    }

    /// Empty when the unit holds nothing to send. Parameter sets go before a key frame that has none in band.
    pub fn packetize(&mut self, unit: &AccessUnit) -> Payloads {
        let max = self.max_payload;
        match self.codec {
            Codec::H264 if self.form == Form::SingleNalUnits => {
                h264::packetize_single(&unit.nalus, &self.parameter_sets, unit.key)
            }
            Codec::H264 => h264::packetize(&unit.nalus, &self.parameter_sets, unit.key, max),
            Codec::H265 => h265::packetize(&unit.nalus, &self.parameter_sets, unit.key, max),
            Codec::Mjpeg => jpeg::packetize(&unit.nalus, max),
            Codec::Aac => aac::packetize(&unit.nalus, max),
            Codec::Pcma | Codec::Pcmu | Codec::G722 => g711::packetize(&unit.nalus, max),
            Codec::L16 => l16::packetize(&unit.nalus, max, self.channels),
            Codec::Opus => opus::packetize(&unit.nalus, max),
            Codec::Mpeg2 | Codec::Mp2 | Codec::Ac3 | Codec::Eac3 => whole::packetize(&unit.nalus, max),
        }
    }
}
