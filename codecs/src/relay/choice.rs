//! Which of a peer's payload types carries a track, or why none does.

use super::order::RtpMap;
use crate::hub::unit::{Codec, Kind, TrackParams};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    Take(&'a RtpMap),
    /// The peer asked for no track of this kind.
    NotWanted,
    Refused(&'static str),
}

/// The value of `name` in "a=1;b=2".
fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// We send FU-A and STAP-A: packetization-mode 1 (RFC 6184 §6.3). A map without any fmtp says nothing against it.
fn takes_fragments(map: &RtpMap) -> bool {
    map.fmtp.is_empty() || parameter(&map.fmtp, "packetization-mode") == Some("1")
}

fn same_profile(map: &RtpMap, params: &TrackParams) -> bool {
    let offered = parameter(&map.fmtp, "profile-level-id").and_then(|v| u32::from_str_radix(v, 16).ok());
    offered.is_some_and(|id| id >> 16 == params.profile_level_id >> 16)
}

/// `browser`: the peer decodes as browsers do, and shows B-frames in the wrong order or not at all.
pub fn choose<'a>(maps: &'a [RtpMap], params: &TrackParams, browser: bool) -> Choice<'a> {
    if maps.is_empty() {
        return Choice::NotWanted;
    }
    let fitting = || maps.iter().filter(|m| m.known_codec() == Some(params.codec));
    let found = match params.codec {
        Codec::H264 => {
            let usable = || fitting().filter(|m| takes_fragments(m));
            usable().find(|m| same_profile(m, params)).or_else(|| usable().next())
        }
        Codec::Aac | Codec::Opus => fitting().next(),
        // RFC 3551 §4.5.2: G.722 keeps the 8000 of a historic mistake.
        _ => fitting().find(|m| m.clock_hz == params.clock_hz),
    };
    match (found, params.codec.kind()) {
        (Some(_), Kind::Video) if browser && params.b_frames => Choice::Refused("b-frames"),
        (Some(map), _) => Choice::Take(map),
        (None, Kind::Video) => Choice::Refused("codec-unsupported"),
        (None, Kind::Audio) => Choice::Refused("audio-unsupported"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::track::tests::params;

    fn map(pt: u8, codec: &str, clock_hz: u32, fmtp: &str) -> RtpMap {
        RtpMap { pt, codec: codec.into(), clock_hz, rtx_pt: 0, fmtp: fmtp.into(), channels: 1 }
    }

    #[test]
    fn mode_1_only_and_the_same_profile_first() {
        let maps = [
            map(96, "h264", 90_000, "packetization-mode=0;profile-level-id=42e01f"),
            map(97, "h264", 90_000, "profile-level-id=42e01f;packetization-mode=1"),
            map(98, "h264", 90_000, "packetization-mode=1;profile-level-id=4d001f"),
        ];
        let mut p = params(Codec::H264);
        p.profile_level_id = 0x4d0028;
        assert_eq!(choose(&maps, &p, true), Choice::Take(&maps[2]));
        p.profile_level_id = 0x640028;
        assert_eq!(choose(&maps, &p, true), Choice::Take(&maps[1]));
        assert_eq!(choose(&maps[..1], &p, true), Choice::Refused("codec-unsupported"));
    }

    #[test]
    fn b_frames_are_refused_to_browsers_only() {
        let maps = [map(96, "h264", 90_000, "")];
        let mut p = params(Codec::H264);
        p.b_frames = true;
        assert_eq!(choose(&maps, &p, true), Choice::Refused("b-frames"));
        assert_eq!(choose(&maps, &p, false), Choice::Take(&maps[0]));
    }

    #[test]
    fn sound_that_nobody_asked_for_is_no_refusal() {
        assert_eq!(choose(&[], &params(Codec::Pcma), true), Choice::NotWanted);
        let maps = [map(111, "opus", 48_000, "")];
        assert_eq!(choose(&maps, &params(Codec::Pcma), true), Choice::Refused("audio-unsupported"));
    }
}
