//! What a payload is, judged by its content; SDP and payload type only break ties (gb28181.md items 23, 27).

use super::{aac, annexb, h264, h265, mpeg_rtp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payload {
    Ps,
    Ts,
    H264,
    H265,
    Aac,
    /// AAC as MP4A-LATM (RFC 6416); only when it is named.
    Latm,
    Pcma,
    Pcmu,
    Opus,
    G722,
    Mjpeg,
    /// RFC 2250; only when they are named.
    Mpv,
    Mpa,
    /// A vendor's own format: says so instead of "timeout".
    Private,
    Unknown,
}

impl Payload {
    /// As gateway/codecs.pyi spells it.
    pub fn name(self) -> &'static str {
        match self {
            Payload::Ps => "ps",
            Payload::Ts => "ts",
            Payload::H264 => "h264",
            Payload::H265 => "h265",
            Payload::Aac => "aac",
            Payload::Latm => "latm",
            Payload::Pcma => "pcma",
            Payload::Pcmu => "pcmu",
            Payload::Opus => "opus",
            Payload::G722 => "g722",
            Payload::Mjpeg => "mjpeg",
            Payload::Mpv => "mpeg2video",
            Payload::Mpa => "mp2",
            Payload::Private => "private",
            Payload::Unknown => "unknown",
        }
    }

    pub fn from_hint(hint: &str) -> Payload {
        const ALL: [(&str, Payload); 17] = [
            ("ps", Payload::Ps),
            ("ts", Payload::Ts),
            ("mp2t", Payload::Ts),
            ("h264", Payload::H264),
            ("h265", Payload::H265),
            ("hevc", Payload::H265),
            ("aac", Payload::Aac),
            ("mpeg4-generic", Payload::Aac),
            ("mp4a-latm", Payload::Latm),
            ("pcma", Payload::Pcma),
            ("pcmu", Payload::Pcmu),
            ("opus", Payload::Opus),
            ("g722", Payload::G722),
            ("jpeg", Payload::Mjpeg),
            ("mjpeg", Payload::Mjpeg),
            ("mpeg2video", Payload::Mpv),
            ("mp2", Payload::Mpa),
        ];
        ALL.iter().find(|(name, _)| hint.eq_ignore_ascii_case(name)).map_or(Payload::Unknown, |(_, p)| *p)
    }

    pub fn is_audio(self) -> bool {
        use Payload::{Aac, Latm, Mpa, Opus, Pcma, Pcmu, G722};
        matches!(self, Aac | Latm | Pcma | Pcmu | Opus | G722 | Mpa)
    }
}

/// `hint`: "ps", "h264", … or empty; `pt`: the RTP payload type. `Unknown`: look at the next packet.
///
/// Order: what can't be mistaken (start codes, TS sync at a stride of 188, ADTS), then a structure that fits the hint,
/// then static payload types, then structure alone.
pub fn probe(payload: &[u8], pt: u8, hint: &str) -> Payload {
    if payload.len() < 4 {
        return audio_of(payload, pt, hint).unwrap_or(Payload::Unknown);
    }
    let hinted = Payload::from_hint(hint);
    // Before start codes: its own header may look like one. What lies of itself is told by what it begins with.
    if hinted == Payload::Mpv && mpeg_rtp::begins_picture(payload) {
        return Payload::Mpv;
    }
    if let Some(found) = by_start_code(payload).filter(|_| !matches!(hinted, Payload::Mpv | Payload::Mpa)) {
        return found;
    }
    if is_ts(payload) {
        return Payload::Ts;
    }
    if is_private(payload) {
        return Payload::Private;
    }
    // RFC 3551 table 5; a header that can be one (RFC 2435 §3.1)
    if (pt == 26 || hinted == Payload::Mjpeg) && looks_like_jpeg(payload) {
        return Payload::Mjpeg;
    }
    if let Some(found) = audio_of(payload, pt, hint) {
        return found;
    }
    if aac::Adts::parse(payload).is_ok_and(|a| a.frame_bytes <= payload.len()) || looks_like_aac_hbr(payload) {
        return Payload::Aac;
    }
    match (looks_like_h264(payload), looks_like_h265(payload), hinted) {
        (_, _, Payload::Mpv) => Payload::Unknown,
        (true, _, Payload::H264) => Payload::H264,
        (_, true, Payload::H265) => Payload::H265,
        // A middle piece of a program stream looks like anything: wait for its next pack header.
        (_, _, Payload::Ps | Payload::Ts) if !certain_h264(payload) && !certain_h265(payload) => Payload::Unknown,
        (true, false, _) => Payload::H264,
        (false, true, _) => Payload::H265,
        (true, true, _) if certain_h265(payload) => Payload::H265,
        (true, true, _) if certain_h264(payload) => Payload::H264,
        _ => Payload::Unknown,
    }
}

fn audio_of(payload: &[u8], pt: u8, hint: &str) -> Option<Payload> {
    let hinted = Payload::from_hint(hint);
    if payload.is_empty() {
        return None;
    }
    match (pt, hinted) {
        // RFC 3551 table 4: nobody uses these numbers for anything else
        (0, _) => Some(Payload::Pcmu),
        (8, _) => Some(Payload::Pcma),
        (9, _) => Some(Payload::G722),
        (_, audio) if audio.is_audio() && audio != Payload::Aac => Some(audio),
        (_, Payload::Aac) if looks_like_aac_hbr(payload) => Some(Payload::Aac),
        _ => None,
    }
}

/// Byte streams: a pack, a PES packet, or NAL units.
fn by_start_code(payload: &[u8]) -> Option<Payload> {
    if !annexb::has_start_code(payload) {
        return None;
    }
    let at = if payload[2] == 1 { 3 } else { 4 };
    match *payload.get(at)? {
        // pack, system, program stream map, private, padding, audio and video streams (ISO/IEC 13818-1 table 2-22)
        0xba..=0xef => Some(Payload::Ps),
        _ => {
            let nalu = &payload[at..];
            if certain_h265(nalu) {
                Some(Payload::H265)
            } else if looks_like_h264(nalu) {
                Some(Payload::H264)
            } else {
                looks_like_h265(nalu).then_some(Payload::H265)
            }
        }
    }
}

fn is_ts(payload: &[u8]) -> bool {
    payload.len() >= 188 && payload.len() % 188 == 0 && payload.chunks(188).all(|p| p[0] == 0x47)
}

/// Seen from devices with "vendor private" or stream encryption switched on: little-endian 1, then e2 42 instead of a
/// pack header; and the "IMKH" file header.
fn is_private(payload: &[u8]) -> bool {
    payload.starts_with(b"IMKH")
        || (payload.starts_with(&[1, 0, 0, 0])
            && payload[..payload.len().min(64)].windows(2).any(|w| w == [0xe2, 0x42]))
}

fn looks_like_jpeg(p: &[u8]) -> bool {
    p.len() > 8 && matches!(p[4], 0 | 1 | 64 | 65) && p[5] > 0 && p[6] > 0 && p[7] > 0
}

fn looks_like_aac_hbr(payload: &[u8]) -> bool {
    let [hi, lo, ..] = *payload else { return false };
    let bits = usize::from(u16::from_be_bytes([hi, lo]));
    if bits == 0 || bits % 16 != 0 || bits > 256 {
        return false;
    }
    let Some(headers) = payload.get(2..2 + bits / 8) else { return false };
    let size: usize = headers.chunks(2).map(|h| usize::from(u16::from_be_bytes([h[0], h[1]]) >> 3)).sum();
    size > 0 && size == payload.len() - 2 - bits / 8
}

fn looks_like_h264(p: &[u8]) -> bool {
    if p[0] & 0x80 != 0 {
        return false;
    }
    match p[0] & 0x1f {
        h264::SLICE | h264::SEI | h264::AUD | h264::IDR => p.len() > 1,
        h264::SPS => p[0] & 0x60 != 0 && matches!(p.get(1), Some(66 | 77 | 88 | 100 | 110 | 122 | 244)),
        h264::PPS => p[0] & 0x60 != 0,
        24 => aggregate_fits(&p[1..]),
        // FU-A: reserved bit clear, not start and end at once, a type that gets fragmented
        28 => p.len() > 2 && p[1] & 0x20 == 0 && p[1] & 0xc0 != 0xc0 && matches!(p[1] & 0x1f, 1..=8),
        _ => false,
    }
}

fn looks_like_h265(p: &[u8]) -> bool {
    // forbidden_zero_bit, nuh_layer_id 0, nuh_temporal_id_plus1 1..=7
    if p.len() < 4 || p[0] & 0x81 != 0 || p[1] & 0xf8 != 0 || p[1] & 7 == 0 {
        return false;
    }
    match h265::nal_type(p) {
        0..=9 | 16..=21 | h265::VPS..=h265::AUD | h265::PREFIX_SEI => true,
        48 => aggregate_fits(&p[2..]),
        49 => p[2] & 0xc0 != 0xc0 && matches!(p[2] & 0x3f, 0..=9 | 16..=21 | 32..=40),
        _ => false,
    }
}

/// A parameter set that can hardly be anything else.
fn certain_h264(p: &[u8]) -> bool {
    let sps = |n: &[u8]| h264::nal_type(n) == h264::SPS && n.len() > 4 && super::h264_params::Sps::parse(n).is_ok();
    match p.first().map(|b| b & 0x1f) {
        Some(24) if p[0] & 0x80 == 0 => p.len() > 3 && aggregate_fits(&p[1..]) && sps(&p[3..]),
        Some(h264::SPS) => looks_like_h264(p) && sps(p),
        _ => false,
    }
}

fn certain_h265(p: &[u8]) -> bool {
    if !looks_like_h265(p) {
        return false;
    }
    let parameter_set = |n: &[u8]| match h265::nal_type(n) {
        // vps_reserved_0xffff_16bits stands at bits 16..32 of the VPS
        h265::VPS => n.get(4..6) == Some(&[0xff, 0xff]),
        h265::SPS => super::h265_params::Sps::parse(n).is_ok(),
        _ => false,
    };
    match h265::nal_type(p) {
        48 => p.len() > 4 && parameter_set(&p[4..]),
        _ => parameter_set(p),
    }
}

/// A list of 16-bit lengths and bodies that ends where the payload ends.
fn aggregate_fits(mut rest: &[u8]) -> bool {
    let mut count = 0;
    while let [hi, lo, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*hi, *lo]));
        if len == 0 || len > tail.len() {
            return false;
        }
        count += 1;
        rest = &tail[len..];
    }
    count > 0 && rest.is_empty()
}
