//! FLV (Adobe FLV 10.1 annex E, Enhanced RTMP v2): tags ↔ access units, and the file that HTTP-FLV sends. RTMP's audio and
//! video messages are the bodies of such tags.

mod enhanced;
pub mod file;
pub mod tag_read;
pub mod tag_write;

/// What a tag's first bytes are called by.
pub(crate) mod fourcc {
    pub const AVC: [u8; 4] = *b"avc1";
    pub const HEVC: [u8; 4] = *b"hvc1";
    pub const AV1: [u8; 4] = *b"av01";
    pub const AAC: [u8; 4] = *b"mp4a";
    pub const OPUS: [u8; 4] = *b"Opus";
}

/// Milliseconds modulo 2³², unwrapped: a step of half that or more is a step back.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unwrap32 {
    last: Option<i64>,
}

impl Unwrap32 {
    pub(crate) fn unwrap(&mut self, time: u32) -> i64 {
        let at = match self.last {
            None => i64::from(time),
            Some(last) => last + crate::time::ts_delta(last as u32, time),
        };
        self.last = Some(at);
        at
    }
}
