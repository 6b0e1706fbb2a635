//! H.264 parameter sets and slice headers, as far as a gateway needs them (ITU-T H.264 §7.3.2.1, §7.3.2.2, §7.3.3).

use crate::bytes::BitReader;
use crate::error::ParseError;

/// No picture side larger than this is believed (level 6.2 allows 16 384 at most).
pub const MAX_SIDE: u32 = 16_384;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sps {
    pub id: u32,
    pub profile_idc: u8,
    /// constraint_set flags and reserved bits, as on the wire.
    pub constraints: u8,
    pub level_idc: u8,
    /// Pixels after cropping.
    pub width: u32,
    pub height: u32,
    pub separate_colour_plane: bool,
    pub log2_max_frame_num: u32,
    pub frame_mbs_only: bool,
}

impl Sps {
    /// `nalu` includes its header byte.
    pub fn parse(nalu: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::rbsp(nalu.get(1..).unwrap_or_default());
        let profile_idc = r.bits(8)? as u8;
        let constraints = r.bits(8)? as u8;
        let level_idc = r.bits(8)? as u8;
        let id = r.ue_max(31, "SPS id out of range")?;
        let mut sps = Sps { id, profile_idc, constraints, level_idc, ..Sps::default() };
        let mut chroma_format = 1;
        if matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            chroma_format = r.ue_max(3, "chroma_format_idc out of range")?;
            if chroma_format == 3 {
                sps.separate_colour_plane = r.bit()?;
            }
            r.ue_max(6, "bit depth out of range")?;
            r.ue_max(6, "bit depth out of range")?;
            r.bit()?; // qpprime_y_zero_transform_bypass_flag
            if r.bit()? {
                let lists = if chroma_format == 3 { 12 } else { 8 };
                for i in 0..lists {
                    if r.bit()? {
                        skip_scaling_list(&mut r, if i < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        sps.log2_max_frame_num = r.ue_max(12, "log2_max_frame_num out of range")? + 4;
        match r.ue_max(2, "pic_order_cnt_type out of range")? {
            0 => {
                r.ue_max(12, "log2_max_pic_order_cnt_lsb out of range")?;
            }
            1 => {
                r.bit()?;
                r.se()?;
                r.se()?;
                for _ in 0..r.ue_max(255, "POC cycle out of range")? {
                    r.se()?;
                }
            }
            _ => {}
        }
        r.ue_max(16, "max_num_ref_frames out of range")?;
        r.bit()?; // gaps_in_frame_num_value_allowed_flag
        let width = (r.ue_max(MAX_SIDE / 16, "picture too wide")? + 1) * 16;
        let map_height = (r.ue_max(MAX_SIDE / 16, "picture too high")? + 1) * 16;
        sps.frame_mbs_only = r.bit()?;
        let fields = if sps.frame_mbs_only { 1 } else { 2 };
        if !sps.frame_mbs_only {
            r.bit()?; // mb_adaptive_frame_field_flag
        }
        r.bit()?; // direct_8x8_inference_flag
        let height = map_height * fields;
        let mut crop = [0u32; 4];
        if r.bit()? {
            for side in &mut crop {
                *side = r.ue_max(MAX_SIDE, "cropping out of range")?;
            }
        }
        // §7.4.2.1.1: units of cropping, table 6-1
        let chroma = if sps.separate_colour_plane { 0 } else { chroma_format };
        let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma == 1 { 2 } else { 1 } * fields;
        sps.width = width.saturating_sub((crop[0] + crop[1]) * unit_x);
        sps.height = height.saturating_sub((crop[2] + crop[3]) * unit_y);
        if sps.width == 0 || sps.height == 0 {
            return Err(ParseError::new("nothing left after cropping", 0));
        }
        Ok(sps)
    }

    /// profile-level-id of RFC 6184 §8.1.
    pub fn profile_level_id(&self) -> u32 {
        u32::from(self.profile_idc) << 16 | u32::from(self.constraints) << 8 | u32::from(self.level_idc)
    }

    /// "baseline@3.1", "high@4.0".
    pub fn profile(&self) -> String {
        let name = match self.profile_idc {
            66 => "baseline",
            77 => "main",
            88 => "extended",
            100 => "high",
            110 => "high10",
            122 => "high422",
            244 => "high444",
            other => return format!("profile-{other}@{}", self.level()),
        };
        format!("{name}@{}", self.level())
    }

    fn level(&self) -> String {
        // §A.3.1: level 1b is 9, or 11 with constraint_set3 below High
        let below_high = matches!(self.profile_idc, 66 | 77 | 88);
        if self.level_idc == 9 || (self.level_idc == 11 && below_high && self.constraints & 0x10 != 0) {
            return "1b".into();
        }
        format!("{}.{}", self.level_idc / 10, self.level_idc % 10)
    }
}

fn skip_scaling_list(r: &mut BitReader, size: u32) -> Result<(), ParseError> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = (last.wrapping_add(r.se()?)) & 0xff;
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

/// PPS id and the SPS it names.
pub fn pps_ids(nalu: &[u8]) -> Result<(u32, u32), ParseError> {
    let mut r = BitReader::rbsp(nalu.get(1..).unwrap_or_default());
    Ok((r.ue_max(255, "PPS id out of range")?, r.ue_max(31, "SPS id out of range")?))
}

/// The beginning of a slice header (§7.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// 0: this slice begins a picture (slices in order, as every profile but Extended and Baseline's ASO demands).
    pub first_mb: u32,
    /// 0..=9, table 7-6.
    pub slice_type: u32,
    pub pps_id: u32,
    /// Only read when the SPS is given.
    pub frame_num: Option<u32>,
    /// A field, and if so whether the bottom one.
    pub field: Option<bool>,
}

impl Slice {
    /// `sps`: needed for frame_num and the field flags only.
    pub fn parse(nalu: &[u8], sps: Option<&Sps>) -> Result<Self, ParseError> {
        let mut r = BitReader::rbsp(nalu.get(1..).unwrap_or_default());
        let first_mb = r.ue()?;
        let slice_type = r.ue_max(9, "slice_type out of range")?;
        let pps_id = r.ue_max(255, "PPS id out of range")?;
        let mut slice = Slice { first_mb, slice_type, pps_id, frame_num: None, field: None };
        if let Some(sps) = sps {
            if sps.separate_colour_plane {
                r.skip(2)?;
            }
            slice.frame_num = Some(r.bits(sps.log2_max_frame_num)?);
            if !sps.frame_mbs_only && r.bit()? {
                slice.field = Some(r.bit()?);
            }
        }
        Ok(slice)
    }

    /// A B slice can only be decoded with pictures that come after it in time: WebRTC shows such streams jerking.
    pub fn is_b(&self) -> bool {
        self.slice_type % 5 == 1
    }

    pub fn is_intra(&self) -> bool {
        matches!(self.slice_type % 5, 2 | 4)
    }
}

/// SEI payload type 6, recovery point: the number of frames to decode before the picture is right (§D.1.8).
pub fn recovery_frames(sei: &[u8]) -> Option<u32> {
    let mut r = BitReader::rbsp(sei.get(1..)?);
    for _ in 0..16 {
        let kind = sei_number(&mut r)?;
        let size = sei_number(&mut r)?;
        if kind == 6 {
            return r.ue().ok();
        }
        r.skip(size.checked_mul(8)?).ok()?;
    }
    None
}

fn sei_number(r: &mut BitReader) -> Option<u32> {
    let mut value = 0u32;
    for _ in 0..64 {
        let byte = r.bits(8).ok()?;
        value += byte;
        if byte != 255 {
            return Some(value);
        }
    }
    None
}
