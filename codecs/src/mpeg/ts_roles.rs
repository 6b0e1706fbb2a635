//! What an elementary stream of a programme is, judged by its map (ISO/IEC 13818-1 table 2-34, ETSI EN 300 468 annex D,
//! registrations of SMPTE-RA, GB/T 28181 annex C).

use super::sections::{MapStream, ProgramMap};
use super::stream_type;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// With the stream type that chunks of it carry.
    Video(u8),
    Audio(u8),
    /// SMPTE ST 336 in private PES packets (asynchronous), or in metadata access units (synchronous; MISB ST 1402).
    Klv {
        cells: bool,
    },
    /// Said nothing of: its content may show KLV.
    Private,
    /// A picture or sound that we do not carry, by its name.
    Foreign {
        video: bool,
        name: &'static str,
    },
    /// Subtitles, tables, what is nobody's picture or sound.
    Other,
}

pub fn role(map: &ProgramMap, s: &MapStream) -> Role {
    let video = |name| Role::Foreign { video: true, name };
    let audio = |name| Role::Foreign { video: false, name };
    if &map.format == b"HDMV" && s.stream_type >= 0x80 {
        return match s.stream_type {
            0x80 => audio("LPCM (Blu-ray)"),
            0x81 => Role::Audio(stream_type::AC3),
            0x83 => audio("TrueHD"),
            0x84 | 0xa1 => Role::Audio(stream_type::EAC3),
            0x82 | 0x85 | 0x86 | 0xa2 => audio("DTS"),
            0xea => video("VC-1"),
            _ => Role::Other,
        };
    }
    match s.stream_type {
        stream_type::H264 | stream_type::H265 => Role::Video(s.stream_type),
        stream_type::AAC_ADTS | stream_type::AAC_LATM | stream_type::G711A | stream_type::G711U => {
            Role::Audio(s.stream_type)
        }
        stream_type::MPEG1_VIDEO | stream_type::MPEG2_VIDEO => Role::Video(s.stream_type),
        stream_type::MPEG4_VIDEO => video("MPEG-4 part 2"),
        0x1f => video("H.264 SVC"),
        0x20 => video("H.264 MVC"),
        0x21 => video("JPEG 2000"),
        0x32 => video("JPEG XS"),
        0x33 => video("H.266"),
        0x42 => video("AVS"),
        stream_type::SVAC_VIDEO => video("SVAC"),
        0xd2 => video("AVS2"),
        0xd1 => video("Dirac"),
        0xea => video("VC-1"),
        stream_type::MPEG1_AUDIO | stream_type::MPEG2_AUDIO | stream_type::AC3 | stream_type::EAC3 => {
            Role::Audio(s.stream_type)
        }
        0x1c => audio("AAC (raw)"),
        0x2d | 0x2e => audio("MPEG-H 3D Audio"),
        0x82 | 0x85 | 0x8a => audio("DTS"),
        stream_type::G722_1 => audio("G.722.1"),
        stream_type::G723_1 => audio("G.723.1"),
        stream_type::G729 => audio("G.729"),
        stream_type::SVAC_AUDIO => audio("SVAC"),
        0x15 if &s.format == b"KLVA" || s.format == [0; 4] => Role::Klv { cells: true },
        6 => private(s),
        _ => Role::Other,
    }
}

fn private(s: &MapStream) -> Role {
    match (&s.format, s.dvb_tag) {
        (b"KLVA", _) => Role::Klv { cells: false },
        (b"Opus", _) => Role::Audio(stream_type::OPUS),
        (b"HEVC", _) => Role::Video(stream_type::H265),
        (b"AV01", _) => Role::Foreign { video: true, name: "AV1" },
        (b"VC-1", _) => Role::Foreign { video: true, name: "VC-1" },
        (b"BSSD", _) => Role::Foreign { video: false, name: "SMPTE 302M" },
        (b"AC-3", _) | (_, 0x6a) => Role::Audio(stream_type::AC3),
        (b"EAC3", _) | (_, 0x7a) => Role::Audio(stream_type::EAC3),
        (b"DTS1" | b"DTS2" | b"DTS3", _) | (_, 0x7b) => Role::Foreign { video: false, name: "DTS" },
        (_, 0x7c) => Role::Audio(stream_type::AAC_ADTS),
        ([0, 0, 0, 0], 0) => Role::Private,
        _ => Role::Other,
    }
}

/// Taken in only to be converted: where there is another one beside it, that one comes.
pub fn is_converted(role: Role) -> bool {
    use stream_type::{AC3, EAC3, MPEG1_AUDIO, MPEG1_VIDEO, MPEG2_AUDIO, MPEG2_VIDEO};
    matches!(role, Role::Video(MPEG1_VIDEO | MPEG2_VIDEO) | Role::Audio(MPEG1_AUDIO | MPEG2_AUDIO | AC3 | EAC3))
}

/// What a person calls it: a name of gateway/codecs.pyi where there is one.
pub fn name(role: Role) -> Option<&'static str> {
    match role {
        Role::Video(stream_type::H264) => Some("h264"),
        Role::Video(stream_type::MPEG1_VIDEO | stream_type::MPEG2_VIDEO) => Some("mpeg2video"),
        Role::Audio(stream_type::MPEG1_AUDIO | stream_type::MPEG2_AUDIO) => Some("mp2"),
        Role::Audio(stream_type::AC3) => Some("ac3"),
        Role::Audio(stream_type::EAC3) => Some("eac3"),
        Role::Video(_) => Some("h265"),
        Role::Audio(stream_type::G711A) => Some("pcma"),
        Role::Audio(stream_type::G711U) => Some("pcmu"),
        Role::Audio(stream_type::OPUS) => Some("opus"),
        Role::Audio(_) => Some("aac"),
        Role::Klv { .. } => Some("klv"),
        Role::Foreign { name, .. } => Some(name),
        Role::Private | Role::Other => None,
    }
}
