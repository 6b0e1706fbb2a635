//! Which of a peer's payload types carries a track, or why none does.

use super::order::RtpMap;
use crate::hub::unit::{Codec, Kind, TrackParams};
use crate::packet::{jpeg, Form};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    Take(&'a RtpMap, Form),
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

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A WebRTC session. It takes packetization-mode 1, and shows B-frames in the wrong order or not at all.
    Browser,
    /// A session with its own socket: what SDP does not say has SDP's default.
    Phone,
    /// Plain RTP without a session, perhaps without SDP: a map without any fmtp says nothing.
    Plain,
}

/// RFC 6184 §8.1: no packetization-mode is mode 0. Mode 2 (interleaved) is not made here.
fn form(map: &RtpMap, side: Side) -> Option<Form> {
    match parameter(&map.fmtp, "packetization-mode") {
        Some("1") => Some(Form::Fragments),
        None if map.fmtp.is_empty() && side != Side::Phone => Some(Form::Fragments),
        Some("0") | None if side != Side::Browser => Some(Form::SingleNalUnits),
        _ => None,
    }
}

fn same_profile(map: &RtpMap, params: &TrackParams) -> bool {
    let offered = parameter(&map.fmtp, "profile-level-id").and_then(|v| u32::from_str_radix(v, 16).ok());
    offered.is_some_and(|id| id >> 16 == params.profile_level_id >> 16)
}

/// The stream's own H.264 profile comes before packetization-mode 1, and that before mode 0.
pub fn choose<'a>(maps: &'a [RtpMap], params: &TrackParams, side: Side) -> Choice<'a> {
    if maps.is_empty() {
        return Choice::NotWanted;
    }
    let fitting = || maps.iter().filter(|m| m.known_codec() == Some(params.codec));
    let found = match params.codec {
        Codec::H264 => {
            let usable = fitting().filter_map(|m| Some((m, form(m, side)?)));
            usable.min_by_key(|(m, form)| (!same_profile(m, params), *form == Form::SingleNalUnits))
        }
        // What RFC 2435 does not carry goes to nobody.
        Codec::Mjpeg if params.profile != jpeg::PLAIN_PROFILE => None,
        Codec::Aac | Codec::Opus => fitting().next().map(|m| (m, Form::Fragments)),
        // RFC 3551 §4.5.2: G.722 keeps the 8000 of a historic mistake.
        _ => fitting().find(|m| m.clock_hz == params.clock_hz).map(|m| (m, Form::Fragments)),
    };
    match (found, params.codec.kind()) {
        (Some(_), Kind::Video) if side != Side::Plain && params.b_frames => Choice::Refused("b-frames"),
        (Some((map, form)), _) => Choice::Take(map, form),
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
    fn the_same_profile_first_and_no_mode_0_to_browsers() {
        let maps = [
            map(96, "h264", 90_000, "packetization-mode=0;profile-level-id=42e01f"),
            map(97, "h264", 90_000, "profile-level-id=42e01f;packetization-mode=1"),
            map(98, "h264", 90_000, "packetization-mode=1;profile-level-id=4d001f"),
        ];
        let mut p = params(Codec::H264);
        p.profile_level_id = 0x4d0028;
        assert_eq!(choose(&maps, &p, Side::Browser), Choice::Take(&maps[2], Form::Fragments));
        p.profile_level_id = 0x640028;
        assert_eq!(choose(&maps, &p, Side::Browser), Choice::Take(&maps[1], Form::Fragments));
        assert_eq!(choose(&maps, &p, Side::Phone), Choice::Take(&maps[1], Form::Fragments));
        assert_eq!(choose(&maps[..1], &p, Side::Browser), Choice::Refused("codec-unsupported"));
    }

    #[test]
    fn phones_get_the_packetization_mode_that_they_say() {
        use Form::{Fragments, SingleNalUnits};
        let cases = [
            ("packetization-mode=0;profile-level-id=42e01f", Some(SingleNalUnits), Some(SingleNalUnits)),
            ("profile-level-id=42e01f", Some(SingleNalUnits), Some(SingleNalUnits)),
            ("", Some(SingleNalUnits), Some(Fragments)),
            ("Packetization-Mode = 1", Some(Fragments), Some(Fragments)),
            ("packetization-mode=2", None, None),
        ];
        for (fmtp, phone, plain) in cases {
            let maps = [map(96, "h264", 90_000, fmtp)];
            for (side, wanted) in [(Side::Phone, phone), (Side::Plain, plain)] {
                let wanted = wanted.map_or(Choice::Refused("codec-unsupported"), |form| Choice::Take(&maps[0], form));
                assert_eq!(choose(&maps, &params(Codec::H264), side), wanted, "{fmtp} {side:?}");
            }
        }
    }

    #[test]
    fn b_frames_are_refused_to_sessions_only() {
        let maps = [map(96, "h264", 90_000, "")];
        let mut p = params(Codec::H264);
        p.b_frames = true;
        assert_eq!(choose(&maps, &p, Side::Browser), Choice::Refused("b-frames"));
        assert_eq!(choose(&maps, &p, Side::Plain), Choice::Take(&maps[0], Form::Fragments));
    }

    #[test]
    fn sound_that_nobody_asked_for_is_no_refusal() {
        assert_eq!(choose(&[], &params(Codec::Pcma), Side::Browser), Choice::NotWanted);
        let maps = [map(111, "opus", 48_000, "")];
        assert_eq!(choose(&maps, &params(Codec::Pcma), Side::Browser), Choice::Refused("audio-unsupported"));
    }
}
