//! One face for all codecs: payloads of packets to mono PCM at the codec's rate, and back.

use super::conceal::Concealer;
use super::format::{AudioCodec, Format};
use super::g722::{G722Decoder, G722Encoder};
use super::opus::{self, OpusDecoder, OpusEncoder};
use super::{g711, l16};
use crate::error::ParseError;

/// Longer packets are nobody's voice (Opus has this bound itself, RFC 6716 §3.2).
const MAX_PACKET_MS: usize = 120;

enum Inner {
    Alaw(Concealer),
    Ulaw(Concealer),
    G722(Box<G722Decoder>, Concealer),
    L16(Concealer),
    Opus(OpusDecoder),
}

/// Of one sender's stream. Holds all state between packets; a new source needs a new one.
pub struct Decoder {
    format: Format,
    inner: Inner,
}

impl Decoder {
    /// Fails only when libopus can not allocate.
    pub fn new(format: Format) -> Result<Self, ParseError> {
        let concealer = || Concealer::new(format.rate_hz());
        let inner = match format.codec() {
            AudioCodec::Pcma => Inner::Alaw(concealer()),
            AudioCodec::Pcmu => Inner::Ulaw(concealer()),
            AudioCodec::G722 => Inner::G722(Box::default(), concealer()),
            AudioCodec::L16 => Inner::L16(concealer()),
            AudioCodec::Opus => Inner::Opus(OpusDecoder::new(format.rate_hz())?),
        };
        Ok(Self { format, inner })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn rate_hz(&self) -> u32 {
        self.format.rate_hz()
    }

    /// Append the PCM of one payload to `out`; gives the number of samples. Bad bytes are an error, `out` is as before.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<usize, ParseError> {
        let samples = self.samples_in(payload).ok_or(ParseError::new("audio payload of no sensible length", 0))?;
        let start = out.len();
        let concealer = match &mut self.inner {
            Inner::Opus(decoder) => return decoder.decode(payload, out),
            Inner::Alaw(concealer) => {
                g711::decode_alaw(payload, out);
                concealer
            }
            Inner::Ulaw(concealer) => {
                g711::decode_ulaw(payload, out);
                concealer
            }
            Inner::G722(decoder, concealer) => {
                decoder.decode(payload, out);
                concealer
            }
            Inner::L16(concealer) => {
                l16::decode(payload, self.format.channels(), out);
                concealer
            }
        };
        concealer.heard(&mut out[start..]);
        Ok(samples)
    }

    /// Append `samples` of what was probably said where a packet is lost; fades to silence within 100 ms.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        match &mut self.inner {
            Inner::Opus(decoder) => decoder.conceal(samples, out),
            Inner::Alaw(concealer) | Inner::Ulaw(concealer) | Inner::G722(_, concealer) | Inner::L16(concealer) => {
                concealer.conceal(samples, out);
            }
        }
    }

    /// Like `conceal`, for the loss directly before `next`: from its in-band FEC where it has one (Opus). `decode(next)`
    /// comes after it.
    pub fn decode_fec(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) {
        let start = out.len();
        if let Inner::Opus(decoder) = &mut self.inner {
            if decoder.decode_fec(next, samples, out).is_ok() {
                return;
            }
            out.truncate(start);
        }
        self.conceal(samples, out);
    }

    /// Samples that `payload` holds, told without decoding; `None` when it can not be read.
    pub fn samples_in(&self, payload: &[u8]) -> Option<usize> {
        let samples = match self.format.codec() {
            AudioCodec::Pcma | AudioCodec::Pcmu => payload.len(),
            AudioCodec::G722 => payload.len() * 2,
            AudioCodec::L16 => payload.len() / 2 / usize::from(self.format.channels()),
            AudioCodec::Opus => opus::samples_in(payload, self.rate_hz())?,
        };
        (1..=MAX_PACKET_MS * self.rate_hz() as usize / 1000).contains(&samples).then_some(samples)
    }

    /// A payload that says "nothing worth sending" (Opus DTX: the table of contents alone).
    pub fn is_dtx(&self, payload: &[u8]) -> bool {
        self.format.codec() == AudioCodec::Opus && payload.len() <= 2
    }
}

/// How to encode. For Opus only; others have nothing to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderConfig {
    pub bitrate_bps: u32,
    /// 0 … 10. From 2 on an encoder takes twice the time; the default suits many legs on a small machine.
    pub complexity: u8,
    /// Expected loss in per cent: more of it, more in-band FEC. May be changed by `Encoder::set_loss`.
    pub loss_percent: u8,
    pub dtx: bool,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self { bitrate_bps: 24_000, complexity: 1, loss_percent: 5, dtx: false }
    }
}

enum Coder {
    Alaw,
    Ulaw,
    G722(Box<G722Encoder>),
    L16,
    Opus(OpusEncoder),
}

/// Of one stream to one peer.
pub struct Encoder {
    format: Format,
    coder: Coder,
}

impl Encoder {
    /// Fails only when libopus can not allocate.
    pub fn new(format: Format, config: EncoderConfig) -> Result<Self, ParseError> {
        let coder = match format.codec() {
            AudioCodec::Pcma => Coder::Alaw,
            AudioCodec::Pcmu => Coder::Ulaw,
            AudioCodec::G722 => Coder::G722(Box::default()),
            AudioCodec::L16 => Coder::L16,
            AudioCodec::Opus => Coder::Opus(OpusEncoder::new(format.rate_hz(), config)?),
        };
        Ok(Self { format, coder })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Append the payload of one frame (20, 40 or 60 ms mono at `format().rate_hz()`) to `out`; gives its length in bytes.
    ///
    /// 0: DTX, send nothing for this frame (timestamps go on). Another number of samples is an error of the caller:
    /// nothing is appended, 0. All but Opus may also be called for several frames of one packet with the same `out`.
    pub fn encode(&mut self, frame: &[i16], out: &mut Vec<u8>) -> usize {
        let one = super::frame_samples(self.format.rate_hz());
        if frame.is_empty() || frame.len() % one != 0 || frame.len() > 3 * one {
            return 0;
        }
        let start = out.len();
        match &mut self.coder {
            Coder::Alaw => g711::encode_alaw(frame, out),
            Coder::Ulaw => g711::encode_ulaw(frame, out),
            Coder::G722(encoder) => encoder.encode(frame, out),
            Coder::L16 => l16::encode(frame, self.format.channels(), out),
            Coder::Opus(encoder) => return encoder.encode(frame, out),
        }
        out.len() - start
    }

    /// The loss that the peer reports, in per cent (RTCP).
    pub fn set_loss(&mut self, percent: u8) {
        if let Coder::Opus(encoder) = &mut self.coder {
            encoder.set_loss(percent);
        }
    }
}
