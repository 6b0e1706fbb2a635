//! Decoder configuration records, both ways: avcC and hvcC (ISO/IEC 14496-15 §5.3.3, §8.3.3), OpusHead and dOps (RFC 7845
//! §5.1, Opus in ISOBMFF §4.3.2), the AudioSpecificConfig that a decoder is given (ISO/IEC 14496-3 §1.6.2.1).

use bytes::{BufMut, Bytes, BytesMut};

use crate::bytes::{BitReader, Reader};
use crate::error::ParseError;
use crate::hub::unit::{Codec, TrackParams};
use crate::packet::{aac, h265};

/// Parameter sets of one record; no device sends more than a handful.
const MAX_SETS: usize = 64;

/// Parameter sets in the order the record has them, and how NAL units are counted in the samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoConfig {
    pub codec: Codec,
    /// 1, 2 or 4.
    pub length_bytes: usize,
    pub sets: Vec<Bytes>,
}

fn length_bytes(minus_one: u8) -> Result<usize, ParseError> {
    match minus_one & 3 {
        2 => Err(ParseError::new("NAL unit lengths of three bytes", 0)),
        n => Ok(usize::from(n) + 1),
    }
}

fn set(r: &mut Reader, whole: &Bytes) -> Result<Bytes, ParseError> {
    let len = usize::from(r.u16()?);
    let at = r.position();
    r.skip(len)?;
    Ok(whole.slice(at..at + len))
}

/// AVCDecoderConfigurationRecord.
pub fn parse_avcc(data: &Bytes) -> Result<VideoConfig, ParseError> {
    let mut r = Reader::new(data);
    if r.u8()? != 1 {
        return Err(ParseError::new("avcC of an unknown version", 0));
    }
    r.skip(3)?;
    let length_bytes = length_bytes(r.u8()?)?;
    let mut sets = Vec::new();
    for _ in 0..r.u8()? & 31 {
        sets.push(set(&mut r, data)?);
    }
    // Some senders end here; their PPS comes in band.
    let pps = if r.is_empty() { 0 } else { usize::from(r.u8()?) };
    for _ in 0..pps.min(MAX_SETS) {
        sets.push(set(&mut r, data)?);
    }
    sets.retain(|s| !s.is_empty());
    Ok(VideoConfig { codec: Codec::H264, length_bytes, sets })
}

/// HEVCDecoderConfigurationRecord.
pub fn parse_hvcc(data: &Bytes) -> Result<VideoConfig, ParseError> {
    let mut r = Reader::new(data);
    r.skip(21)?;
    let length_bytes = length_bytes(r.u8()?)?;
    let mut sets = Vec::new();
    for _ in 0..r.u8()? {
        let kind = r.u8()? & 63;
        for _ in 0..r.u16()? {
            let found = set(&mut r, data)?;
            if sets.len() >= MAX_SETS {
                return Err(ParseError::new("too many parameter sets", r.position()));
            }
            if !found.is_empty() && (h265::VPS..=h265::PPS).contains(&kind) {
                sets.push(found);
            }
        }
    }
    Ok(VideoConfig { codec: Codec::H265, length_bytes, sets })
}

fn put_set(out: &mut BytesMut, set: &[u8]) {
    let set = &set[..set.len().min(usize::from(u16::MAX))];
    out.put_u16(set.len() as u16);
    out.put_slice(set);
}

/// chroma_format_idc, luma and chroma bit depth less 8, of a High profile's SPS (ITU-T H.264 §7.3.2.1.1).
fn h264_chroma(sps: &[u8]) -> Result<(u8, u8, u8), ParseError> {
    let mut r = BitReader::rbsp(sps.get(4..).unwrap_or_default());
    r.ue()?;
    let chroma = r.ue_max(3, "chroma_format_idc out of range")?;
    if chroma == 3 {
        r.bit()?;
    }
    let depth = "bit depth out of range";
    Ok((chroma as u8, r.ue_max(6, depth)? as u8, r.ue_max(6, depth)? as u8))
}

/// What hvcC repeats of the SPS (ITU-T H.265 §7.3.2.2.1).
struct H265General {
    /// From general_profile_space to general_level_idc.
    profile_tier_level: [u8; 12],
    temporal_layers: u8,
    temporal_nested: bool,
    chroma_format: u8,
    luma_bits: u8,
    chroma_bits: u8,
}

impl H265General {
    fn parse(sps: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::rbsp(sps.get(2..).unwrap_or_default());
        r.skip(4)?;
        let sub_layers = r.bits(3)?;
        let temporal_nested = r.bit()?;
        let mut profile_tier_level = [0; 12];
        for byte in &mut profile_tier_level {
            *byte = r.bits(8)? as u8;
        }
        let mut bits = 0;
        for _ in 0..sub_layers {
            bits += if r.bit()? { 88 } else { 0 };
            bits += if r.bit()? { 8 } else { 0 };
        }
        r.skip(if sub_layers > 0 { (8 - sub_layers) * 2 } else { 0 } + bits)?;
        r.ue()?;
        let chroma = r.ue_max(3, "chroma_format_idc out of range")?;
        if chroma == 3 {
            r.bit()?;
        }
        r.ue()?;
        r.ue()?;
        if r.bit()? {
            for _ in 0..4 {
                r.ue()?;
            }
        }
        let depth = "bit depth out of range";
        Ok(Self {
            profile_tier_level,
            temporal_layers: sub_layers as u8 + 1,
            temporal_nested,
            chroma_format: chroma as u8,
            luma_bits: r.ue_max(7, depth)? as u8,
            chroma_bits: r.ue_max(7, depth)? as u8,
        })
    }
}

/// avcC of a track; `None` while its SPS is not known.
pub fn avcc(params: &TrackParams) -> Option<Bytes> {
    let of = |kind: u8| params.parameter_sets.iter().filter(move |n| n.first().is_some_and(|b| b & 31 == kind));
    let (sps, pps) = (of(7).take(31).collect::<Vec<_>>(), of(8).take(255).collect::<Vec<_>>());
    let first = sps.first().filter(|n| n.len() >= 4)?;
    let mut out = BytesMut::with_capacity(64);
    out.put_slice(&[1, first[1], first[2], first[3], 0xff, 0xe0 | sps.len() as u8]);
    sps.iter().for_each(|n| put_set(&mut out, n));
    out.put_u8(pps.len() as u8);
    pps.iter().for_each(|n| put_set(&mut out, n));
    // The extension for High profiles: chroma and bit depth are those of 4:2:0 in eight bits unless the SPS says more.
    if matches!(first[1], 100 | 110 | 122 | 144) {
        let (chroma, luma_bits, chroma_bits) = h264_chroma(first).unwrap_or((1, 0, 0));
        out.put_slice(&[0xfc | chroma, 0xf8 | luma_bits, 0xf8 | chroma_bits, 0]);
    }
    Some(out.freeze())
}

/// hvcC of a track; `None` while its parameter sets are not known.
pub fn hvcc(params: &TrackParams) -> Option<Bytes> {
    let of = |kind: u8| {
        params.parameter_sets.iter().filter(move |n| n.len() > 2 && h265::nal_type(n) == kind).collect::<Vec<_>>()
    };
    let arrays = [(h265::VPS, of(h265::VPS)), (h265::SPS, of(h265::SPS)), (h265::PPS, of(h265::PPS))];
    let sps = *arrays[1].1.first()?;
    let general = H265General::parse(sps).ok()?;
    let mut out = BytesMut::with_capacity(128);
    out.put_u8(1);
    out.put_slice(&general.profile_tier_level);
    out.put_slice(&[0xf0, 0, 0xfc]);
    out.put_slice(&[0xfc | general.chroma_format, 0xf8 | general.luma_bits, 0xf8 | general.chroma_bits]);
    out.put_u16(0);
    // constantFrameRate 0, one temporal layer, nested, four bytes of length
    out.put_u8(general.temporal_layers << 3 | u8::from(general.temporal_nested) << 2 | 3);
    out.put_u8(arrays.iter().filter(|(_, sets)| !sets.is_empty()).count() as u8);
    for (kind, sets) in arrays.iter().filter(|(_, sets)| !sets.is_empty()) {
        out.put_u8(0x80 | kind);
        out.put_u16(sets.len() as u16);
        sets.iter().for_each(|n| put_set(&mut out, n));
    }
    Some(out.freeze())
}

/// What AAC's decoder is told, reduced to its core: SBR and parametric stereo announced beside (object types 5 and 29) are
/// found in the frames by any decoder, and frames are counted at the core's rate.
pub fn parse_asc(asc: &[u8]) -> Result<aac::Config, ParseError> {
    let mut config = aac::Config::parse(asc)?;
    if matches!(config.object_type, 5 | 29) {
        config.object_type = 2;
    }
    if !(7_350..=96_000).contains(&config.sample_rate_hz) {
        return Err(ParseError::new("AAC sample rate out of range", 0));
    }
    Ok(config)
}

/// AudioSpecificConfig of an AAC track.
pub fn asc(params: &TrackParams) -> Option<Bytes> {
    let known = params.parameter_sets.first().filter(|s| !s.is_empty()).cloned();
    let config = aac::Config { object_type: 2, sample_rate_hz: params.sample_rate_hz, channels: params.channels };
    known.or_else(|| Some(config.to_asc()).filter(|s| !s.is_empty()))
}

/// "OpusHead" of one or two channels at 48 kHz (RFC 7845 §5.1).
pub fn opus_head(params: &TrackParams) -> Bytes {
    let mut out = BytesMut::with_capacity(19);
    out.put_slice(b"OpusHead");
    out.put_slice(&[1, params.channels.clamp(1, 2)]);
    out.put_u16_le(0);
    out.put_u32_le(48_000);
    out.put_slice(&[0, 0, 0]);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[
        0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
        0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
    ];
    const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];

    fn params(codec: Codec, sets: &[&[u8]]) -> TrackParams {
        TrackParams {
            codec,
            clock_hz: 90_000,
            generation: 0,
            width: 0,
            height: 0,
            profile: String::new(),
            profile_level_id: 0,
            b_frames: false,
            channels: 2,
            sample_rate_hz: 48_000,
            parameter_sets: sets.iter().map(|s| Bytes::copy_from_slice(s)).collect(),
        }
    }

    #[test]
    fn avcc_comes_back() {
        let record = avcc(&params(Codec::H264, &[SPS, PPS])).unwrap();
        assert_eq!(&record[..6], &[1, 0x64, 0, 0x0d, 0xff, 0xe1]);
        assert_eq!(&record[record.len() - 4..], &[0xfd, 0xf8, 0xf8, 0]);
        let config = parse_avcc(&record).unwrap();
        assert_eq!((config.length_bytes, config.sets), (4, vec![Bytes::from_static(SPS), Bytes::from_static(PPS)]));
        for cut in 0..record.len() - 4 {
            let _ = parse_avcc(&record.slice(..cut));
        }
        assert_eq!(avcc(&params(Codec::H264, &[PPS])), None);
        assert!(parse_avcc(&Bytes::from_static(&[1, 0, 0, 0, 0xfe, 0xe0, 0])).is_err());
    }

    #[test]
    fn aac_with_sbr_is_counted_at_the_rate_of_its_core() {
        // HE-AAC: object type 5, core 24 kHz, stereo, extension 48 kHz, core object type 2
        let config = parse_asc(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!((config.object_type, config.sample_rate_hz, config.channels), (2, 24_000, 2));
        assert!(parse_asc(&[]).is_err());
        assert_eq!(asc(&params(Codec::Aac, &[])).unwrap(), Bytes::from_static(&[0x11, 0x90]));
    }
}
