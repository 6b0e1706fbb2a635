//! H.265 over RTP (RFC 7798, without DONL): single NAL unit, aggregation packet, fragmentation unit.

use bytes::Bytes;

use super::annexb;
use super::nalus::{Fragments, NaluSink};
use super::payloads::PayloadsBuilder;
use super::Payloads;
use crate::bytes::Reader;
use crate::error::ParseError;

pub const IRAP: std::ops::RangeInclusive<u8> = 16..=23;
pub const IDR: std::ops::RangeInclusive<u8> = 19..=20;
pub const VPS: u8 = 32;
pub const SPS: u8 = 33;
pub const PPS: u8 = 34;
pub const AUD: u8 = 35;
pub const END_OF_SEQUENCE: u8 = 36;
pub const END_OF_BITSTREAM: u8 = 37;
pub const FILLER: u8 = 38;
pub const PREFIX_SEI: u8 = 39;
pub const SUFFIX_SEI: u8 = 40;
const AP: u8 = 48;
const FU: u8 = 49;

/// nal_unit_type, §7.3.1.2 of H.265; 63 for nothing.
pub fn nal_type(nalu: &[u8]) -> u8 {
    nalu.first().map_or(63, |b| b >> 1 & 0x3f)
}

pub fn is_vcl(nal_type: u8) -> bool {
    nal_type < 32
}

/// Puts NAL units together. Where a unit ends is for the caller to say (marker, timestamp).
#[derive(Debug, Default)]
pub struct Depacketizer {
    fragments: Fragments,
}

impl Depacketizer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Packets before the next one are missing.
    pub fn lost(&mut self, sink: &mut NaluSink) {
        self.fragments.lost(sink);
    }

    /// The caller ends the unit here.
    pub fn end_of_unit(&mut self, sink: &mut NaluSink) {
        self.fragments.end(sink);
    }

    /// Errors leave what was gathered so far as it is.
    pub fn push(&mut self, payload: &[u8], sink: &mut NaluSink) -> Result<(), ParseError> {
        if payload.len() < 3 {
            return Err(ParseError::new("H.265 payload truncated", payload.len()));
        }
        if annexb::has_start_code(payload) {
            self.end_of_unit(sink);
            annexb::nalus(payload).for_each(|r| sink.push(&payload[r]));
            return Ok(());
        }
        match nal_type(payload) {
            FU => {
                let bits = payload[2];
                let header = [payload[0] & 0x81 | (bits & 0x3f) << 1, payload[1]];
                return self.fragments.piece(bits, &header, &payload[3..], sink);
            }
            AP => {
                self.end_of_unit(sink);
                let mut r = Reader::new(&payload[2..]);
                while !r.is_empty() {
                    let len = r.u16()?;
                    sink.push(r.take(usize::from(len))?);
                }
            }
            0..=47 => {
                self.end_of_unit(sink);
                sink.push(payload);
            }
            _ => return Err(ParseError::new("H.265 payload structure not supported", 0)),
        }
        Ok(())
    }
}

/// The NAL units of an access unit out of its packets.
pub fn unpack(payloads: &Payloads) -> Vec<Bytes> {
    let (mut depacketizer, mut sink) = (Depacketizer::new(), NaluSink::new());
    for (payload, _) in payloads.iter() {
        // Our own packets: nothing in them is malformed.
        let _ = depacketizer.push(payload, &mut sink);
    }
    sink.take()
}

/// One access unit into payloads: small NAL units together (AP), large ones in fragments of equal size (FU).
pub(super) fn packetize(nalus: &[Bytes], parameter_sets: &[Bytes], key: bool, max: usize) -> Payloads {
    let in_band = |wanted: u8| nalus.iter().any(|n| nal_type(n) == wanted);
    let missing = key && !(in_band(VPS) && in_band(SPS) && in_band(PPS));
    let stored = parameter_sets.iter().filter(|_| missing);
    let dropped =
        |n: &&Bytes| n.len() < 2 || matches!(nal_type(n), AUD | END_OF_SEQUENCE | END_OF_BITSTREAM | FILLER | 48..);
    let all = stored.chain(nalus.iter().filter(|n| !dropped(n))).filter(|n| n.len() >= 2).collect::<Vec<_>>();
    let mut out = PayloadsBuilder::new(all.iter().map(|n| n.len()).sum(), max);
    let mut rest = all.as_slice();
    while let Some(first) = rest.first() {
        if first.len() > max {
            let (h0, h1, kind) = (first[0] & 0x81 | FU << 1, first[1], nal_type(first));
            out.fragments(&first[2..], |s, e| [h0, h1, u8::from(s) << 7 | u8::from(e) << 6 | kind]);
            rest = &rest[1..];
            continue;
        }
        let run = out.run_that_fits(rest, 2);
        if run < 2 {
            out.single(first);
            rest = &rest[1..];
            continue;
        }
        // RFC 7798 §4.4.2: F is the OR, layer id and temporal id the lowest of what is aggregated.
        let group = &rest[..run];
        let f = group.iter().fold(0, |f, n| f | n[0] & 0x80);
        let ids = group.iter().map(|n| (n[0] & 1, n[1] >> 3)).min().unwrap_or_default();
        let tid = group.iter().map(|n| n[1] & 7).min().unwrap_or(1);
        out.aggregate(&[f | AP << 1 | ids.0, ids.1 << 3 | tid], group);
        rest = &rest[run..];
    }
    out.finish()
}
