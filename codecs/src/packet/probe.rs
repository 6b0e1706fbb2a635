//! What a payload is, judged by its content; SDP and payload type only break ties (gb28181.md items 23, 27).

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payload {
    Ps,
    Ts,
    H264,
    H265,
    Aac,
    Pcma,
    Pcmu,
    Opus,
    G722,
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
            Payload::Pcma => "pcma",
            Payload::Pcmu => "pcmu",
            Payload::Opus => "opus",
            Payload::G722 => "g722",
            Payload::Private => "private",
            Payload::Unknown => "unknown",
        }
    }
}

/// `hint`: "ps", "h264", … or empty; `pt`: the RTP payload type.
pub fn probe(payload: &[u8], pt: u8, hint: &str) -> Payload {
    let _ = (payload, pt, hint);
    Payload::Unknown
}
