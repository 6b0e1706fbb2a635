//! RTP and RTCP packets out of a TCP byte stream (being written).

use bytes::Bytes;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    Rtp(Bytes),
    Rtcp(Bytes),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeframerStats {
    pub frames: u64,
    /// Bytes thrown away while searching for the next packet.
    pub skipped_bytes: u64,
    /// How often framing was lost and found again.
    pub resyncs: u64,
}

/// RFC 4571 framing; recognises RTSP `$` framing and the 256-byte EHOME preamble, and searches past garbage.
#[derive(Debug, Default)]
pub struct Deframer {
    stats: DeframerStats,
}

impl Deframer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Take bytes as they came from the socket. Call `next` until `None` after each push.
    pub fn push(&mut self, data: &[u8]) {
        let _ = data;
    }

    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Framed> {
        None
    }

    pub fn stats(&self) -> DeframerStats {
        self.stats
    }
}
