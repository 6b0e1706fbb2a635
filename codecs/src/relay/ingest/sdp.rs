//! What SDP's fmtp tells ahead of the media: parameter sets (RFC 6184 §8.1, RFC 7798 §7.1) and AAC's config (RFC 3640 §4.1).

use bytes::Bytes;

use super::tracks::Tracks;
use super::PayloadMap;
use crate::base64;
use crate::hub::unit::Codec;
use crate::packet::{aac, latm, latm_rtp};

/// Longer values are not parameter sets.
const MAX_VALUE: usize = 4096;

pub fn preset(map: &PayloadMap, tracks: &mut Tracks, aac: &mut Option<aac::Config>) {
    let sets = |names: &[&str]| {
        let values = names.iter().filter_map(|name| value(&map.fmtp, name)).flat_map(|v| v.split(','));
        values.filter_map(base64::decode).map(Bytes::from).collect::<Vec<_>>()
    };
    match map.codec {
        Codec::H264 => tracks.video.preset(Codec::H264, sets(&["sprop-parameter-sets"]).into_iter()),
        Codec::H265 => tracks.video.preset(Codec::H265, sets(&["sprop-vps", "sprop-sps", "sprop-pps"]).into_iter()),
        Codec::Aac if !map.latm => {
            *aac = value(&map.fmtp, "config").and_then(hex).and_then(|asc| aac::Config::parse(&asc).ok()).or(*aac)
        }
        _ => {}
    }
}

/// What MP4A-LATM's fmtp tells: the configuration, and whether one comes in band as well (RFC 6416 §7.3).
pub fn latm(map: &PayloadMap) -> latm_rtp::Depacketizer {
    let config = value(&map.fmtp, "config").and_then(hex).and_then(|data| latm::Mux::parse(&data).ok());
    latm_rtp::Depacketizer::new(config, value(&map.fmtp, "cpresent").map(|v| v != "0"))
}

fn value<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    let pairs = fmtp.split(';').filter_map(|p| p.split_once('='));
    let mut found = pairs.filter(|(n, v)| n.trim().eq_ignore_ascii_case(name) && v.len() <= MAX_VALUE);
    found.next().map(|(_, v)| v.trim())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<Vec<_>>>()?;
    Some(digits.chunks_exact(2).map(|d| d[0] << 4 | d[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(
            value("packetization-mode=1; sprop-parameter-sets=Z0I=,aM4=;x", "sprop-parameter-sets"),
            Some("Z0I=,aM4=")
        );
        assert_eq!(hex("1588"), Some(vec![0x15, 0x88]));
        assert_eq!(hex("15g8"), None);
    }
}
