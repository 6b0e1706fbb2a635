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

/// StreamMuxConfig as far as it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mux {
    pub config: aac::Config,
    subframes: u32,
}

impl Mux {
    /// StreamMuxConfig out of band, as in SDP's `config=` (RFC 6416 §7.3). What stands behind the AudioSpecificConfig
    /// is not looked at: GStreamer ends there, or writes SBR's sync extension, which has no place in version 0.
    pub fn parse(config: &[u8]) -> Result<Self, ParseError> {
        mux_head(&mut BitReader::new(config)).map(|(mux, _)| mux)
    }
}

#[derive(Debug, Default)]
pub struct Depacketizer {
    mux: Option<Mux>,
}

impl Depacketizer {
    /// One AudioSyncStream frame with its header: raw AAC frames. `Ok(None)`: no configuration came yet.
    pub fn push(&mut self, frame: &[u8]) -> Result<Option<Element>, ParseError> {
        let body = frame.get(HEADER_BYTES..).ok_or(ParseError::new("LOAS frame truncated", 0))?;
        let mut r = BitReader::new(body);
        if !r.bit()? {
            self.mux = Some(mux_config(&mut r)?);
        }
        let Some(mux) = self.mux else { return Ok(None) };
        Ok(Some((mux.config, subframes(&mut r, mux)?)))
    }

    /// One AudioMuxElement that stands alone: `in_band` with its StreamMuxConfig or the bit that says "as before"
    /// (muxConfigPresent), else of what `preset` told. Also how many bytes of it were read.
    pub fn element(&mut self, data: &[u8], in_band: bool) -> Result<Option<(Element, usize)>, ParseError> {
        let mut r = BitReader::new(data);
        if in_band && !r.bit()? {
            self.mux = Some(mux_config(&mut r)?);
        }
        let Some(mux) = self.mux else { return Ok(None) };
        let frames = subframes(&mut r, mux)?;
        Ok(Some(((mux.config, frames), r.position().div_ceil(8))))
    }

    pub fn preset(&mut self, mux: Mux) {
        self.mux = Some(mux);
    }
}

/// The raw AAC frames of one AudioMuxElement.
pub type Element = (aac::Config, Vec<Bytes>);

/// PayloadLengthInfo with frameLengthType 0, and PayloadMux, of each subframe (tables 1.44, 1.45).
fn subframes(r: &mut BitReader, mux: Mux) -> Result<Vec<Bytes>, ParseError> {
    let mut frames = Vec::new();
    for _ in 0..mux.subframes {
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
    Ok(frames)
}

fn value(r: &mut BitReader) -> Result<u32, ParseError> {
    let bytes = r.bits(2)? + 1;
    r.bits(8 * bytes)
}

const UNSUPPORTED: ParseError = ParseError::new("LATM of a form that nobody sends", 0);

/// StreamMuxConfig (table 1.42) up to the end of its AudioSpecificConfig, and whether it is of version 1.
fn mux_head(r: &mut BitReader) -> Result<(Mux, bool), ParseError> {
    let version1 = r.bit()?;
    if version1 && r.bit()? {
        return Err(UNSUPPORTED); // audioMuxVersionA
    }
    if version1 {
        value(r)?; // taraBufferFullness
    }
    let same_framing = r.bit()?;
    let subframes = r.bits(6)? + 1;
    let (programs, layers) = (r.bits(4)?, r.bits(3)?);
    if !same_framing || programs > 0 || layers > 0 || subframes > MAX_SUBFRAMES {
        return Err(UNSUPPORTED);
    }
    let config = if version1 {
        let len = value(r)?;
        let (config, used) = specific_config(r)?;
        r.skip(len.checked_sub(used).filter(|n| *n <= 4096).ok_or(UNSUPPORTED)?)?;
        config
    } else {
        specific_config(r)?.0
    };
    Ok((Mux { config, subframes }, version1))
}

fn mux_config(r: &mut BitReader) -> Result<Mux, ParseError> {
    let (mux, version1) = mux_head(r)?;
    if r.bits(3)? != 0 {
        return Err(UNSUPPORTED); // frameLengthType: only variable
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
    Ok(mux)
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
