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

/// Milliseconds modulo 2³², unwrapped: a step of half that or more is a step back. Modulo 2³³, of which 90 kHz make a
/// multiple of their own 33 bits: however often a sender jumps, nothing grows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unwrap32 {
    last: Option<i64>,
}

impl Unwrap32 {
    pub(crate) fn unwrap(&mut self, time: u32) -> i64 {
        let at = match self.last {
            None => i64::from(time),
            Some(last) => (last + crate::time::ts_delta(last as u32, time)) & ((1 << 33) - 1),
        };
        self.last = Some(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_often_a_sender_jumps_its_time_stays_a_number() {
        let (mut unwrap, mut time, mut jumped) = (Unwrap32::default(), 0u32, 0i64);
        for _ in 0..1000 {
            time = time.wrapping_add(0x7fff_ffff);
            jumped += 0x7fff_ffff;
            let at = unwrap.unwrap(time);
            assert!((0..1 << 33).contains(&at), "{at}");
            // In 33 bits of 90 kHz, as the time is used, no step is lost.
            assert_eq!((at * 90 - jumped * 90) & ((1 << 33) - 1), 0);
        }
        assert_eq!(Unwrap32 { last: Some(5) }.unwrap(0xffff_ffff), (1 << 33) - 1, "a step back is one");
    }
}
