//! The RTP header of one source with its extension block (RFC 8285), made once and completed for each packet,
//! and what an outlet is made of.

use super::order::Extensions;
use crate::hub::unit::Kind;

/// Random starts, handed in so that this file needs no source of chance.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub seq: u16,
    pub ts: u32,
    pub rtx_seq: u16,
}

pub struct OutletConfig<'a> {
    pub kind: Kind,
    pub ssrc: u32,
    pub pt: u8,
    pub rtx: Option<(u32, u8)>,
    pub extensions: &'a Extensions,
    pub start: Start,
}

/// RTP header with its extension block, ready but for sequence, timestamp, marker and the moving extensions.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) bytes: [u8; 48],
    pub(super) len: usize,
    /// Where abs-send-time and transport-cc stand; 0: not there.
    abs_send_time_at: usize,
    transport_cc_at: usize,
}

impl Template {
    pub(super) fn new(ssrc: u32, pt: u8, mid_id: u8, mid: &str, ast: u8, tcc: u8) -> Self {
        let mut t = Template { bytes: [0; 48], len: 12, abs_send_time_at: 0, transport_cc_at: 0 };
        t.bytes[0] = 0x80;
        t.bytes[1] = pt;
        t.bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let mid = &mid.as_bytes()[..mid.len().min(16)];
        let mut at = 16;
        // RFC 8285 §4.2: id and length less one, then the data.
        if mid_id != 0 && !mid.is_empty() {
            t.bytes[at] = mid_id << 4 | (mid.len() - 1) as u8;
            t.bytes[at + 1..at + 1 + mid.len()].copy_from_slice(mid);
            at += 1 + mid.len();
        }
        if ast != 0 {
            t.bytes[at] = ast << 4 | 2;
            t.abs_send_time_at = at + 1;
            at += 4;
        }
        if tcc != 0 {
            t.bytes[at] = tcc << 4 | 1;
            t.transport_cc_at = at + 1;
            at += 3;
        }
        if at > 16 {
            let end = at.next_multiple_of(4);
            t.bytes[0] |= 0x10;
            t.bytes[12..16].copy_from_slice(&[0xbe, 0xde, 0, ((end - 16) / 4) as u8]);
            t.len = end;
        }
        t
    }

    pub(super) fn write(&self, out: &mut [u8], marker: bool, seq: u16, ts: u32, moving: &mut Moving) {
        out[..self.len].copy_from_slice(&self.bytes[..self.len]);
        out[1] |= u8::from(marker) << 7;
        out[2..4].copy_from_slice(&seq.to_be_bytes());
        out[4..8].copy_from_slice(&ts.to_be_bytes());
        if self.abs_send_time_at != 0 {
            let at = self.abs_send_time_at;
            out[at..at + 3].copy_from_slice(&moving.abs_send_time.to_be_bytes()[1..]);
        }
        if self.transport_cc_at != 0 {
            let at = self.transport_cc_at;
            out[at..at + 2].copy_from_slice(&moving.transport_seq.to_be_bytes());
            moving.transport_seq = moving.transport_seq.wrapping_add(1);
        }
    }
}

/// What differs from packet to packet in the extensions: the send time (24 bits, 6.18 s) and the running number that
/// all packets of a session share.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moving {
    pub abs_send_time: u32,
    pub transport_seq: u16,
}
