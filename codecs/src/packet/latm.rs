//! AAC in LOAS/LATM (ISO/IEC 14496-3 §1.7): AudioSyncStream frames, StreamMuxConfig in band, one programme and layer.

use bytes::Bytes;

use super::aac;
use crate::bytes::BitReader;
use crate::error::ParseError;

/// syncword (11 bits 0x2B7) and audioMuxLengthBytes.
pub const HEADER_BYTES: usize = 3;
const MAX_SUBFRAMES: u32 = 64;

/// Of the whole frame that begins here.
pub fn frame_bytes(data: &[u8]) -> Option<usize> {
    let [0x56, second, third, ..] = *data else { return None };
    let len = usize::from(second & 0x1f) << 8 | usize::from(third);
    (second & 0xe0 == 0xe0 && len > 0).then_some(HEADER_BYTES + len)
}

#[derive(Debug, Clone, Copy)]
struct Mux {
    config: aac::Config,
    subframes: u32,
}

#[derive(Debug, Default)]
pub struct Depacketizer {
    mux: Option<Mux>,
}

impl Depacketizer {
    /// One AudioSyncStream frame with its header: raw AAC frames. `Ok(None)`: no configuration came yet.
    pub fn push(&mut self, frame: &[u8]) -> Result<Option<(aac::Config, Vec<Bytes>)>, ParseError> {
        let body = frame.get(HEADER_BYTES..).ok_or(ParseError::new("LOAS frame truncated", 0))?;
        let mut r = BitReader::new(body);
        if !r.bit()? {
            self.mux = Some(mux_config(&mut r)?);
        }
        let Some(mux) = self.mux else { return Ok(None) };
        let mut frames = Vec::new();
        for _ in 0..mux.subframes {
            // PayloadLengthInfo with frameLengthType 0
            let mut len = 0usize;
            loop {
                let part = r.bits(8)?;
                len += part as usize;
                if part != 255 {
                    break;
                }
            }
            if len == 0 || len > aac::MAX_FRAME_BYTES {
                return Err(ParseError::new("AAC frame length", 0));
            }
            let mut data = Vec::with_capacity(len);
            for _ in 0..len {
                data.push(r.bits(8)? as u8);
            }
            frames.push(data.into());
        }
        Ok(Some((mux.config, frames)))
    }
}

fn value(r: &mut BitReader) -> Result<u32, ParseError> {
    let bytes = r.bits(2)? + 1;
    r.bits(8 * bytes)
}

/// StreamMuxConfig (table 1.42).
fn mux_config(r: &mut BitReader) -> Result<Mux, ParseError> {
    let unsupported = ParseError::new("LATM of a form that nobody sends", 0);
    let version1 = r.bit()?;
    if version1 && r.bit()? {
        return Err(unsupported); // audioMuxVersionA
    }
    if version1 {
        value(r)?; // taraBufferFullness
    }
    let same_framing = r.bit()?;
    let subframes = r.bits(6)? + 1;
    let (programs, layers) = (r.bits(4)?, r.bits(3)?);
    if !same_framing || programs > 0 || layers > 0 || subframes > MAX_SUBFRAMES {
        return Err(unsupported);
    }
    let config = if version1 {
        let len = value(r)?;
        let (config, used) = specific_config(r)?;
        r.skip(len.checked_sub(used).filter(|n| *n <= 4096).ok_or(unsupported)?)?;
        config
    } else {
        specific_config(r)?.0
    };
    if r.bits(3)? != 0 {
        return Err(unsupported); // frameLengthType: only variable
    }
    r.skip(8)?; // latmBufferFullness
                // otherDataPresent: the length of what stands behind the frames, which nobody needs
    if r.bit()? {
        if version1 {
            value(r)?;
        } else {
            while r.bit()? {
                r.skip(8)?;
            }
            r.skip(8)?;
        }
    }
    if r.bit()? {
        r.skip(8)?; // crcCheckSum
    }
    Ok(Mux { config, subframes })
}

/// AudioSpecificConfig as far as GASpecificConfig without extensions, and the bits it took. HE-AAC that says so is given
/// as the AAC-LC within it: decoders find SBR by themselves.
fn specific_config(r: &mut BitReader) -> Result<(aac::Config, u32), ParseError> {
    let mut used = 0;
    let mut bits = |r: &mut BitReader, n: u32| {
        used += n;
        r.bits(n)
    };
    let mut object = bits(r, 5)?;
    let index = bits(r, 4)?;
    let explicit = if index == 15 { bits(r, 24)? } else { 0 };
    let channels = bits(r, 4)? as u8;
    if matches!(object, 5 | 29) {
        if bits(r, 4)? == 15 {
            bits(r, 24)?;
        }
        object = bits(r, 5)?;
    }
    if !(1..=4).contains(&object) || !(1..=7).contains(&channels) {
        return Err(ParseError::new("LATM carries another codec than AAC", 0));
    }
    // frameLengthFlag, dependsOnCoreCoder (with its delay), extensionFlag
    bits(r, 1)?;
    if bits(r, 1)? == 1 {
        bits(r, 14)?;
    }
    bits(r, 1)?;
    let sample_rate_hz = if index == 15 { explicit } else { aac::rate_hz(index)? };
    if sample_rate_hz == 0 {
        return Err(ParseError::new("AAC sample rate 0", 0));
    }
    Ok((aac::Config { object_type: object as u8, sample_rate_hz, channels }, used))
}
