//! G.711 and G.722 over RTP (RFC 3551 §4.5.2, §4.5.14): one byte per tick of the 8 kHz RTP clock, no header.

use bytes::Bytes;

use super::payloads::PayloadsBuilder;
use super::Payloads;

/// 60 ms: what browsers and phones take at most in one packet.
const MAX_PACKET_BYTES: usize = 480;
/// 40 ms: what a longer unit is cut into.
const PIECE_BYTES: usize = 320;
/// 1 s in one packet is not believed.
pub const MAX_PAYLOAD_BYTES: usize = 8000;

/// The samples, or `None` when there are none or far too many.
pub fn depacketize(payload: &[u8]) -> Option<&[u8]> {
    (!payload.is_empty() && payload.len() <= MAX_PAYLOAD_BYTES).then_some(payload)
}

pub(super) fn packetize(units: &[Bytes], max: usize) -> Payloads {
    let total = units.iter().map(Bytes::len).sum();
    let mut out = PayloadsBuilder::new(total, max);
    let piece = if total <= MAX_PACKET_BYTES.min(max) { total.max(1) } else { PIECE_BYTES.min(max) };
    let mut offset = 0;
    for samples in units.iter().flat_map(|u| u.chunks(piece)) {
        out.at_offset(samples, offset);
        offset += samples.len() as u32;
    }
    out.finish_unmarked()
}
