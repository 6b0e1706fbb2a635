//! H.264 over RTP (RFC 6184): packetization mode 1 (single NAL unit, STAP-A, FU-A) and mode 0 (single NAL unit only).

use bytes::Bytes;

use super::annexb;
use super::nalus::{Fragments, NaluSink};
use super::payloads::PayloadsBuilder;
use super::Payloads;
use crate::bytes::Reader;
use crate::error::ParseError;

pub const SLICE: u8 = 1;
pub const IDR: u8 = 5;
pub const SEI: u8 = 6;
pub const SPS: u8 = 7;
pub const PPS: u8 = 8;
pub const AUD: u8 = 9;
pub const END_OF_SEQUENCE: u8 = 10;
pub const END_OF_STREAM: u8 = 11;
pub const FILLER: u8 = 12;
/// The largest NAL unit that one UDP datagram carries beside IP, UDP and RTP headers, extensions and SRTP's tag.
pub const MAX_SINGLE_BYTES: usize = 65_400;
const STAP_A: u8 = 24;
const STAP_B: u8 = 25;
const FU_A: u8 = 28;

/// nal_unit_type, §7.3.1 of H.264; 0 for nothing.
pub fn nal_type(nalu: &[u8]) -> u8 {
    nalu.first().map_or(0, |b| b & 0x1f)
}

pub fn is_vcl(nal_type: u8) -> bool {
    (SLICE..=IDR).contains(&nal_type)
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
        let &indicator = payload.first().ok_or(ParseError::new("empty H.264 payload", 0))?;
        if annexb::has_start_code(payload) {
            // Some encoders put their byte stream into single NAL unit packets.
            self.end_of_unit(sink);
            annexb::nalus(payload).for_each(|r| sink.push(&payload[r]));
            return Ok(());
        }
        match indicator & 0x1f {
            FU_A => {
                let &bits = payload.get(1).ok_or(ParseError::new("FU-A truncated", 1))?;
                return self.fragments.piece(bits, &[indicator & 0xe0 | bits & 0x1f], &payload[2..], sink);
            }
            kind @ (STAP_A | STAP_B) => {
                self.end_of_unit(sink);
                let mut r = Reader::new(&payload[1..]);
                if kind == STAP_B {
                    r.skip(2)?; // DON: decoding order is the order of arrival here
                }
                while !r.is_empty() {
                    let len = r.u16()?;
                    sink.push(r.take(usize::from(len))?);
                }
            }
            1..=23 => {
                self.end_of_unit(sink);
                sink.push(payload);
            }
            _ => return Err(ParseError::new("H.264 payload structure not supported", 0)),
        }
        Ok(())
    }
}

/// What of a unit is sent: parameter sets before a key frame that lacks them. RFC 6184 has no use for delimiters;
/// fillers and end codes only cost.
fn sent<'a>(nalus: &'a [Bytes], parameter_sets: &'a [Bytes], key: bool) -> Vec<&'a Bytes> {
    let in_band = |wanted: u8| nalus.iter().any(|n| nal_type(n) == wanted);
    let missing = key && !(in_band(SPS) && in_band(PPS));
    let stored = parameter_sets.iter().filter(|_| missing);
    let dropped = |n: &&Bytes| matches!(nal_type(n), 0 | AUD | END_OF_SEQUENCE | END_OF_STREAM | FILLER | 24..);
    stored.chain(nalus.iter().filter(|n| !dropped(n))).collect()
}

/// One access unit as single NAL unit packets (RFC 6184 §6.2). Empty when one of them fits no datagram: a picture
/// without one of its slices is none.
pub(super) fn packetize_single(nalus: &[Bytes], parameter_sets: &[Bytes], key: bool) -> Payloads {
    let all = sent(nalus, parameter_sets, key);
    let mut out = PayloadsBuilder::new(all.iter().map(|n| n.len()).sum(), MAX_SINGLE_BYTES);
    if all.iter().all(|n| n.len() <= MAX_SINGLE_BYTES) {
        all.iter().for_each(|n| out.single(n));
    }
    out.finish()
}

/// The NAL units of an access unit out of its packets, of either mode.
pub fn unpack(payloads: &Payloads) -> Vec<Bytes> {
    let (mut depacketizer, mut sink) = (Depacketizer::new(), NaluSink::new());
    for (payload, _) in payloads.iter() {
        // Our own packets: nothing in them is malformed.
        let _ = depacketizer.push(payload, &mut sink);
    }
    sink.take()
}

/// One access unit into payloads: small NAL units together (STAP-A), large ones in fragments of equal size (FU-A).
pub(super) fn packetize(nalus: &[Bytes], parameter_sets: &[Bytes], key: bool, max: usize) -> Payloads {
    let all = sent(nalus, parameter_sets, key);
    let mut out = PayloadsBuilder::new(all.iter().map(|n| n.len()).sum(), max);
    let mut rest = all.as_slice();
    while let Some(first) = rest.first() {
        if first.len() > max {
            let (indicator, kind) = (first[0] & 0xe0 | FU_A, first[0] & 0x1f);
            out.fragments(&first[1..], |s, e| [indicator, u8::from(s) << 7 | u8::from(e) << 6 | kind]);
            rest = &rest[1..];
            continue;
        }
        let run = out.run_that_fits(rest, 1);
        if run < 2 {
            out.single(first);
            rest = &rest[1..];
            continue;
        }
        // RFC 6184 §5.7: F is the OR, NRI the maximum of what is aggregated.
        let f = rest[..run].iter().fold(0, |f, n| f | n[0] & 0x80);
        let nri = rest[..run].iter().map(|n| n[0] & 0x60).max().unwrap_or(0);
        out.aggregate(&[f | nri | STAP_A], &rest[..run]);
        rest = &rest[run..];
    }
    out.finish()
}
