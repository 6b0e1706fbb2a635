//! AAC: RTP in RFC 3640's AAC-hbr mode, ADTS headers (ISO/IEC 14496-3 §1.A.2), AudioSpecificConfig (§1.6.2.1).

use bytes::{Bytes, BytesMut};

use super::payloads::PayloadsBuilder;
use super::Payloads;
use crate::bytes::{BitReader, Reader};
use crate::error::ParseError;

/// AU-size has 13 bits (RFC 3640 §3.3.6).
pub const MAX_FRAME_BYTES: usize = 8191;
/// Frames of 1024 samples at 8 kHz and up: a packet of half a second is already odd.
const MAX_FRAMES_PER_PACKET: usize = 64;
pub const SAMPLES_PER_FRAME: u32 = 1024;

const RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

pub(super) fn rate_hz(index: u32) -> Result<u32, ParseError> {
    RATES_HZ.get(index as usize).copied().ok_or(ParseError::new("AAC sampling index reserved", 0))
}

/// What a decoder must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    pub object_type: u8,
    pub sample_rate_hz: u32,
    /// channel_configuration: 1..=7; 0 when a program config element says it.
    pub channels: u8,
}

impl Config {
    /// AudioSpecificConfig, as in SDP's `config=`.
    pub fn parse(asc: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::new(asc);
        let mut object_type = r.bits(5)?;
        if object_type == 31 {
            object_type = 32 + r.bits(6)?;
        }
        let index = r.bits(4)?;
        let sample_rate_hz = match index {
            15 => r.bits(24)?,
            i => rate_hz(i)?,
        };
        let channels = r.bits(4)? as u8;
        if sample_rate_hz == 0 || channels > 7 {
            return Err(ParseError::new("AAC config out of range", 0));
        }
        Ok(Self { object_type: object_type as u8, sample_rate_hz, channels })
    }

    /// Two bytes for AAC-LC and its like at the usual rates; empty when it can't be said in two.
    pub fn to_asc(&self) -> Bytes {
        let index = RATES_HZ.iter().position(|r| *r == self.sample_rate_hz);
        match index {
            Some(i) if (1..31).contains(&self.object_type) => {
                let word = u16::from(self.object_type) << 11 | (i as u16) << 7 | u16::from(self.channels & 15) << 3;
                Bytes::copy_from_slice(&word.to_be_bytes())
            }
            _ => Bytes::new(),
        }
    }
}

impl Config {
    /// Seven bytes before a raw frame of `frame_bytes`; `None` where ADTS can't say it (an odd rate, too long a frame).
    /// HE-AAC goes as the AAC-LC within it.
    pub fn adts_header(&self, frame_bytes: usize) -> Option<Bytes> {
        let index = RATES_HZ.iter().position(|r| *r == self.sample_rate_hz)? as u8;
        let len = u16::try_from(frame_bytes + 7).ok().filter(|n| usize::from(*n) <= MAX_FRAME_BYTES)?;
        let profile = if (1..=4).contains(&self.object_type) { self.object_type - 1 } else { 1 };
        let (hi, lo) = ((len >> 11) as u8, (len & 7) as u8);
        let channels = self.channels & 7;
        let third = profile << 6 | index << 2 | channels >> 2;
        Some(Bytes::copy_from_slice(&[0xff, 0xf1, third, channels << 6 | hi, (len >> 3) as u8, lo << 5 | 0x1f, 0xfc]))
    }
}

/// One ADTS frame at the start of `data`: its configuration, header length and whole length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adts {
    pub config: Config,
    pub header_bytes: usize,
    pub frame_bytes: usize,
}

impl Adts {
    pub fn parse(data: &[u8]) -> Result<Self, ParseError> {
        let h = data.get(..7).ok_or(ParseError::new("ADTS header truncated", data.len()))?;
        // syncword, layer always 0
        if h[0] != 0xff || h[1] & 0xf6 != 0xf0 {
            return Err(ParseError::new("no ADTS sync word", 0));
        }
        let rate = RATES_HZ.get(usize::from(h[2] >> 2 & 15));
        let sample_rate_hz = *rate.ok_or(ParseError::new("ADTS sampling index reserved", 2))?;
        let header_bytes = if h[1] & 1 == 1 { 7 } else { 9 };
        let frame_bytes = usize::from(h[3] & 3) << 11 | usize::from(h[4]) << 3 | usize::from(h[5]) >> 5;
        if frame_bytes <= header_bytes {
            return Err(ParseError::new("ADTS frame shorter than its header", 3));
        }
        let channels = (h[2] & 1) << 2 | h[3] >> 6;
        let config = Config { object_type: (h[2] >> 6) + 1, sample_rate_hz, channels };
        Ok(Self { config, header_bytes, frame_bytes })
    }
}

/// The raw frames of a run of ADTS frames, up to the first thing that is none.
pub fn split_adts(mut data: &[u8]) -> (Option<Config>, Vec<&[u8]>) {
    let (mut config, mut frames) = (None, Vec::new());
    while let Ok(adts) = Adts::parse(data) {
        let Some(frame) = data.get(adts.header_bytes..adts.frame_bytes) else { break };
        config = Some(adts.config);
        frames.push(frame);
        data = &data[adts.frame_bytes..];
    }
    (config, frames)
}

/// Raw AAC frames out of RTP packets (RFC 3640 §3.2, sizeLength 13, indexLength 3), fragments joined.
#[derive(Debug, Default)]
pub struct Depacketizer {
    partial: BytesMut,
    expected: usize,
}

impl Depacketizer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn lost(&mut self) {
        self.partial.clear();
        self.expected = 0;
    }

    /// Whole frames. An unfinished fragment is kept for the next packet. Also takes bare ADTS.
    pub fn push(&mut self, payload: &[u8]) -> Result<(Option<Config>, Vec<Bytes>), ParseError> {
        if let (Some(config), frames) = split_adts(payload) {
            return Ok((Some(config), frames.into_iter().map(Bytes::copy_from_slice).collect()));
        }
        let mut r = Reader::new(payload);
        let header_bits = usize::from(r.u16()?);
        if header_bits == 0 || header_bits % 16 != 0 || header_bits / 16 > MAX_FRAMES_PER_PACKET {
            return Err(ParseError::new("AU-headers-length is not of AAC-hbr", 0));
        }
        let mut headers = Reader::new(r.take(header_bits / 8)?);
        let mut frames = Vec::with_capacity(header_bits / 16);
        while !headers.is_empty() {
            let size = usize::from(headers.u16()? >> 3);
            if header_bits == 16 && size > r.remaining() {
                // RFC 3640 §3.2.3.1: the one frame goes on in the next packets; each tells the whole size.
                if self.expected != size {
                    self.lost();
                    self.expected = size;
                }
                self.partial.extend_from_slice(r.rest());
                if self.partial.len() >= size {
                    let whole = self.partial.split_to(size).freeze();
                    self.lost();
                    frames.push(whole);
                }
                return Ok((None, frames));
            }
            let frame = r.take(size)?;
            if !frame.is_empty() {
                frames.push(Bytes::copy_from_slice(frame));
            }
        }
        self.lost();
        Ok((None, frames))
    }
}

/// The raw frames out of their packets.
pub fn unpack(payloads: &Payloads) -> Vec<Bytes> {
    let mut depacketizer = Depacketizer::new();
    // Our own packets: nothing in them is malformed.
    payloads.iter().filter_map(|(payload, _)| depacketizer.push(payload).ok()).flat_map(|(_, frames)| frames).collect()
}

/// One frame per packet; a frame that does not fit is fragmented. The marker ends every frame (RFC 3640 §3.1).
pub(super) fn packetize(units: &[Bytes], max: usize) -> Payloads {
    let mut out = PayloadsBuilder::new(units.iter().map(Bytes::len).sum(), max);
    let mut offset = 0;
    let mut packet = Vec::with_capacity(max);
    for frame in units.iter().filter(|f| !f.is_empty() && f.len() <= MAX_FRAME_BYTES) {
        let size = (frame.len() as u16) << 3;
        for piece in frame.chunks(max - 4) {
            packet.clear();
            packet.extend_from_slice(&[0, 16]);
            packet.extend_from_slice(&size.to_be_bytes());
            packet.extend_from_slice(piece);
            out.at_offset(&packet, offset);
        }
        out.mark_last();
        offset += SAMPLES_PER_FRAME;
    }
    out.finish_unmarked()
}
