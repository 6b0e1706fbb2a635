//! Opus over RTP (RFC 7587): one Opus packet per RTP packet, 48 kHz clock, never fragmented.

use bytes::Bytes;

use super::payloads::PayloadsBuilder;
use super::Payloads;

/// RFC 6716 §3.4: a frame has at most 1275 bytes, a packet at most 48 frames; far less is sensible in RTP.
pub const MAX_PACKET_BYTES: usize = 8 * 1275;

/// The packet, or `None` when it can't be one (empty, too long).
pub fn depacketize(payload: &[u8]) -> Option<&[u8]> {
    (!payload.is_empty() && payload.len() <= MAX_PACKET_BYTES).then_some(payload)
}

/// How long the packet plays, in ticks of 48 kHz (RFC 6716 §3.1, §3.2); 0 when it is malformed.
pub fn duration_48k(packet: &[u8]) -> u32 {
    let Some(&toc) = packet.first() else { return 0 };
    let config = toc >> 3;
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).map_or(0, |b| b & 0x3f)),
    };
    let total = frame * frames;
    if total > 5760 {
        0 // RFC 6716 §3.2.5: at most 120 ms
    } else {
        total
    }
}

pub(super) fn packetize(units: &[Bytes], max: usize) -> Payloads {
    let mut out = PayloadsBuilder::new(units.iter().map(Bytes::len).sum(), max);
    let mut offset = 0;
    for packet in units.iter().filter(|p| !p.is_empty() && p.len() <= max) {
        out.at_offset(packet, offset);
        offset += duration_48k(packet);
    }
    out.finish_unmarked()
}
