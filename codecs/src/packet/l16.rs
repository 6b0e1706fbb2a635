//! L16 over RTP (RFC 3551 §4.5.11): big-endian samples, channels interleaved, one tick of the clock per sample of each.

use bytes::Bytes;

use super::payloads::PayloadsBuilder;
use super::Payloads;

pub(super) fn packetize(units: &[Bytes], max: usize, channels: u8) -> Payloads {
    let tick = 2 * usize::from(channels.max(1));
    let mut out = PayloadsBuilder::new(units.iter().map(Bytes::len).sum(), max);
    // Whole ticks, and pieces of like length: two halves rather than a packet and its rest.
    let mut offset = 0;
    for unit in units {
        let ticks = unit.len() / tick;
        let pieces = (ticks * tick).div_ceil(max / tick * tick).max(1);
        let piece = ticks.div_ceil(pieces).max(1) * tick;
        for samples in unit[..ticks * tick].chunks(piece) {
            out.at_offset(samples, offset);
            offset += (samples.len() / tick) as u32;
        }
    }
    out.finish_unmarked()
}
