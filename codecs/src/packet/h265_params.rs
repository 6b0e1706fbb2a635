//! H.265 parameter sets and slice headers, as far as a gateway needs them (ITU-T H.265 §7.3.2.2, §7.3.2.3, §7.3.6.1),
//! and the judgement whether a stream reorders pictures.
//!
//! **The rule for B-frames.** H.265 encoders for surveillance code every P picture as a "generalised" B slice that
//! refers to the past only, so a B slice says nothing. A stream has B-frames in the sense that matters to a viewer
//! (pictures shown in another order than sent) when its SPS allows reordering (`sps_max_num_reorder_pics` > 0) **and**
//! a B slice was seen whose picture order count lies before one sent earlier since the last intra random access point.

use super::h265;
use crate::bytes::BitReader;
use crate::error::ParseError;

pub const MAX_SIDE: u32 = 16_384;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sps {
    pub id: u32,
    pub profile_idc: u8,
    pub high_tier: bool,
    /// 30 times the level.
    pub level_idc: u8,
    /// Pixels after the conformance window.
    pub width: u32,
    pub height: u32,
    pub separate_colour_plane: bool,
    pub log2_max_poc_lsb: u32,
    pub max_num_reorder: u32,
}

impl Sps {
    /// `nalu` includes its two header bytes.
    pub fn parse(nalu: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::rbsp(nalu.get(2..).unwrap_or_default());
        r.skip(4)?; // sps_video_parameter_set_id
        let max_sub_layers = r.bits(3)?;
        if max_sub_layers > 6 {
            return Err(ParseError::new("sub-layers out of range", 2));
        }
        r.bit()?; // temporal_id_nesting
        let mut sps = Sps::default();
        profile_tier_level(&mut r, max_sub_layers, &mut sps)?;
        sps.id = r.ue_max(15, "SPS id out of range")?;
        let chroma = r.ue_max(3, "chroma_format_idc out of range")?;
        if chroma == 3 {
            sps.separate_colour_plane = r.bit()?;
        }
        let width = r.ue_max(MAX_SIDE, "picture too wide")?;
        let height = r.ue_max(MAX_SIDE, "picture too high")?;
        let mut window = [0u32; 4];
        if r.bit()? {
            for side in &mut window {
                *side = r.ue_max(MAX_SIDE, "conformance window out of range")?;
            }
        }
        // table 6-1; offsets are in chroma units
        let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma == 1 { 2 } else { 1 };
        sps.width = width.saturating_sub((window[0] + window[1]) * unit_x);
        sps.height = height.saturating_sub((window[2] + window[3]) * unit_y);
        if sps.width == 0 || sps.height == 0 {
            return Err(ParseError::new("nothing left after cropping", 0));
        }
        r.ue_max(8, "bit depth out of range")?;
        r.ue_max(8, "bit depth out of range")?;
        sps.log2_max_poc_lsb = r.ue_max(12, "log2_max_pic_order_cnt_lsb out of range")? + 4;
        let every_layer = r.bit()?;
        for _ in if every_layer { 0 } else { max_sub_layers }..=max_sub_layers {
            r.ue()?; // sps_max_dec_pic_buffering_minus1
            sps.max_num_reorder = r.ue_max(16, "reorder pictures out of range")?;
            r.ue()?; // sps_max_latency_increase_plus1
        }
        Ok(sps)
    }

    /// "main@4.0".
    pub fn profile(&self) -> String {
        let level = format!("{}.{}", self.level_idc / 30, self.level_idc % 30 / 3);
        match self.profile_idc {
            1 => format!("main@{level}"),
            2 => format!("main10@{level}"),
            3 => format!("main-still@{level}"),
            4 => format!("rext@{level}"),
            9 => format!("scc@{level}"),
            other => format!("profile-{other}@{level}"),
        }
    }
}

/// §7.3.3.
fn profile_tier_level(r: &mut BitReader, max_sub_layers: u32, sps: &mut Sps) -> Result<(), ParseError> {
    r.skip(2)?;
    sps.high_tier = r.bit()?;
    sps.profile_idc = r.bits(5)? as u8;
    r.skip(32 + 48)?; // compatibility flags; constraint flags and reserved bits
    sps.level_idc = r.bits(8)? as u8;
    let mut present = Vec::with_capacity(6);
    for _ in 0..max_sub_layers {
        present.push((r.bit()?, r.bit()?));
    }
    if max_sub_layers > 0 {
        r.skip((8 - max_sub_layers) * 2)?;
    }
    for (profile, level) in present {
        r.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Ok(())
}

/// What slice headers need of a PPS (§7.3.2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pps {
    pub id: u32,
    pub sps_id: u32,
    pub output_flag_present: bool,
    pub extra_slice_header_bits: u32,
}

impl Pps {
    pub fn parse(nalu: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::rbsp(nalu.get(2..).unwrap_or_default());
        let id = r.ue_max(63, "PPS id out of range")?;
        let sps_id = r.ue_max(15, "SPS id out of range")?;
        r.bit()?; // dependent_slice_segments_enabled_flag
        let output_flag_present = r.bit()?;
        Ok(Self { id, sps_id, output_flag_present, extra_slice_header_bits: r.bits(3)? })
    }
}

/// first_slice_segment_in_pic_flag: does this VCL NAL unit begin a picture?
pub fn begins_picture(nalu: &[u8]) -> bool {
    nalu.get(2).is_some_and(|b| b & 0x80 != 0)
}

/// The first slice segment of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    pub is_b: bool,
    pub is_intra: bool,
    /// 0 for IDR pictures.
    pub poc_lsb: u32,
}

impl Slice {
    /// The PPS that the first segment of a picture names; nothing is needed to read that.
    pub fn pps_id(nalu: &[u8]) -> Option<u32> {
        let mut r = BitReader::rbsp(nalu.get(2..)?);
        let first = r.bit().ok()?;
        if h265::IRAP.contains(&h265::nal_type(nalu)) {
            r.bit().ok()?;
        }
        r.ue().ok().filter(|_| first)
    }

    /// `Ok(None)` for segments that do not begin a picture, and for those whose PPS is not the one given.
    pub fn parse(nalu: &[u8], sps: &Sps, pps: &Pps) -> Result<Option<Self>, ParseError> {
        let kind = h265::nal_type(nalu);
        let mut r = BitReader::rbsp(nalu.get(2..).unwrap_or_default());
        if !r.bit()? {
            return Ok(None);
        }
        if h265::IRAP.contains(&kind) {
            r.bit()?; // no_output_of_prior_pics_flag
        }
        if r.ue_max(63, "PPS id out of range")? != pps.id {
            return Ok(None);
        }
        r.skip(pps.extra_slice_header_bits)?;
        let slice_type = r.ue_max(2, "slice_type out of range")?;
        if pps.output_flag_present {
            r.bit()?;
        }
        if sps.separate_colour_plane {
            r.skip(2)?;
        }
        let poc_lsb = if h265::IDR.contains(&kind) { 0 } else { r.bits(sps.log2_max_poc_lsb)? };
        Ok(Some(Self { is_b: slice_type == 0, is_intra: slice_type == 2, poc_lsb }))
    }
}

/// Watches picture order counts for the rule above.
#[derive(Debug, Clone, Default)]
pub struct ReorderWatch {
    highest: i64,
    /// POC of the last picture, for the most significant bits (§8.3.1, with every picture as reference).
    previous: i64,
    seen: bool,
}

impl ReorderWatch {
    /// True when this picture is shown before one that was sent earlier.
    pub fn picture(&mut self, nal_type: u8, slice: &Slice, sps: &Sps) -> bool {
        let span = 1i64 << sps.log2_max_poc_lsb.min(16);
        if h265::IRAP.contains(&nal_type) || !self.seen {
            // A picture order count counts from here; leading pictures of a CRA lie before it and count as reordered.
            let poc = i64::from(slice.poc_lsb);
            *self = Self { highest: poc, previous: poc, seen: true };
            return false;
        }
        let mut poc = self.previous - self.previous.rem_euclid(span) + i64::from(slice.poc_lsb);
        if poc - self.previous > span / 2 {
            poc -= span;
        } else if self.previous - poc >= span / 2 {
            poc += span;
        }
        self.previous = poc;
        let back = poc < self.highest;
        self.highest = self.highest.max(poc);
        back && slice.is_b && sps.max_num_reorder > 0
    }
}
