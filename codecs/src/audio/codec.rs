//! One face for all codecs: payloads of packets to mono PCM at the codec's rate, and back.

use super::format::Format;
use crate::error::ParseError;

/// Of one sender's stream. Holds all state between packets; a new source needs a new one.
pub struct Decoder {
    format: Format,
}

impl Decoder {
    /// Fails only when libopus can not allocate.
    pub fn new(format: Format) -> Result<Self, ParseError> {
        Ok(Self { format })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn rate_hz(&self) -> u32 {
        self.format.rate_hz()
    }

    /// Append the PCM of one payload to `out`; gives the number of samples. Bad bytes are an error, `out` is as before.
    pub fn decode(&mut self, _payload: &[u8], _out: &mut Vec<i16>) -> Result<usize, ParseError> {
        unimplemented!()
    }

    /// Append `samples` of what was probably said where a packet is lost: fades to silence within 60 ms … 100 ms.
    pub fn conceal(&mut self, _samples: usize, _out: &mut Vec<i16>) {
        unimplemented!()
    }

    /// Like `conceal` for the loss directly before `next`, from its in-band FEC where it has one (Opus). Then `decode(next)`.
    pub fn decode_fec(&mut self, _next: &[u8], _samples: usize, _out: &mut Vec<i16>) {
        unimplemented!()
    }

    /// Samples that `payload` holds, told without decoding; `None` when it can not be read.
    pub fn samples_in(&self, _payload: &[u8]) -> Option<usize> {
        unimplemented!()
    }
}

/// How to encode. For Opus only; others have nothing to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderConfig {
    pub bitrate_bps: u32,
    /// 0 … 10. The default suits many legs on a small machine.
    pub complexity: u8,
    /// Expected loss in per cent: more of it, more in-band FEC. May be changed by `Encoder::set_loss`.
    pub loss_percent: u8,
    pub dtx: bool,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self { bitrate_bps: 24_000, complexity: 3, loss_percent: 5, dtx: false }
    }
}

/// Of one stream to one peer.
pub struct Encoder {
    format: Format,
}

impl Encoder {
    /// Fails only when libopus can not allocate.
    pub fn new(format: Format, _config: EncoderConfig) -> Result<Self, ParseError> {
        Ok(Self { format })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Append the payload of one frame (20 ms mono at `format().rate_hz()`) to `out`; gives its length in bytes.
    ///
    /// For a packet of 40 or 60 ms call it again with the same `out` (all but Opus: there, `encode` takes 40 or 60 ms
    /// at once). 0: DTX, send nothing for this frame (timestamps go on). Another number of samples is an error of the
    /// caller: nothing is appended, 0.
    pub fn encode(&mut self, _frame: &[i16], _out: &mut Vec<u8>) -> usize {
        unimplemented!()
    }

    /// The loss that the peer reports, in per cent (RTCP).
    pub fn set_loss(&mut self, _percent: u8) {}
}
