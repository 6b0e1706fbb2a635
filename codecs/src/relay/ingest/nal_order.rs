//! What a NAL unit says of the order of pictures, whichever codec's it is.

use bytes::Bytes;

use crate::hub::unit::Codec;
use crate::packet::{h264, h264_params, h265, h265_params};

/// (is a slice, begins a new picture when the one before has slices).
pub fn classify(codec: Codec, nalu: &[u8]) -> (bool, bool) {
    if codec == Codec::H264 {
        let kind = h264::nal_type(nalu);
        // H.264 §7.4.1.2.3; first_mb_in_slice is 0 exactly when its code is a single 1 bit.
        return match kind {
            h264::SLICE | h264::IDR | 2 => (true, nalu.get(1).is_some_and(|b| b & 0x80 != 0)),
            3 | 4 => (true, false),
            h264::SEI..=h264::AUD => (false, true),
            _ => (false, false),
        };
    }
    let kind = h265::nal_type(nalu);
    match kind {
        0..=31 => (true, h265_params::begins_picture(nalu)),
        h265::VPS..=h265::AUD | h265::PREFIX_SEI => (false, true),
        _ => (false, false),
    }
}

/// A parameter set that can be nothing else names the codec, whatever SDP or map say (quirk 27).
pub fn named_codec(nalus: &[Bytes]) -> Option<Codec> {
    nalus.iter().find_map(|n| {
        if h264::nal_type(n) == h264::SPS && n[0] & 0x80 == 0 && h264_params::Sps::parse(n).is_ok() {
            return Some(Codec::H264);
        }
        let h265_sps = h265::nal_type(n) == h265::SPS && n[0] & 0x81 == 0;
        (h265_sps && h265_params::Sps::parse(n).is_ok()).then_some(Codec::H265)
    })
}
