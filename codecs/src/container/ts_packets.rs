//! Transport packets written: continuity counters, adaptation fields, stuffing (ISO/IEC 13818-1 §2.4.3).

use bytes::{BufMut, Bytes, BytesMut};

use crate::mpeg::ts_sync::PACKET_BYTES;

const BODY_BYTES: usize = PACKET_BYTES - 4;

#[derive(Debug, Default)]
pub struct Packets {
    /// Few PIDs: a list is enough.
    counters: Vec<(u16, u8)>,
}

/// program_clock_reference_base, reserved bits, extension 0.
fn pcr_field(ticks: i64) -> [u8; 6] {
    let base = ticks as u64 & ((1 << 33) - 1);
    let [_, _, _, a, b, c, d, e] = (base << 7).to_be_bytes();
    [a, b, c, d, e | 0x7e, 0]
}

impl Packets {
    fn next(&mut self, pid: u16) -> u8 {
        match self.counters.iter_mut().find(|(p, _)| *p == pid) {
            Some((_, counter)) => {
                *counter = (*counter + 1) & 15;
                *counter
            }
            None => {
                self.counters.push((pid, 0));
                0
            }
        }
    }

    fn last(&self, pid: u16) -> u8 {
        self.counters.iter().find(|(p, _)| *p == pid).map_or(15, |(_, counter)| *counter)
    }

    /// A section behind its pointer field, the rest of the packet filled.
    pub fn section(&mut self, pid: u16, section: &[u8], out: &mut BytesMut) {
        for (i, piece) in section.chunks(BODY_BYTES).enumerate() {
            let start = if i == 0 { 0x40 } else { 0 };
            let counter = self.next(pid);
            out.put_slice(&[0x47, start | (pid >> 8) as u8, pid as u8, 0x10 | counter]);
            out.put_slice(piece);
            out.put_bytes(0xff, BODY_BYTES - piece.len());
        }
    }

    /// Nothing but a PCR; the counter stays (§2.4.3.3).
    pub fn clock(&mut self, pid: u16, pcr: i64, out: &mut BytesMut) {
        out.put_slice(&[0x47, (pid >> 8) as u8, pid as u8, 0x20 | self.last(pid)]);
        out.put_slice(&[BODY_BYTES as u8 - 1, 0x10]);
        out.put_slice(&pcr_field(pcr));
        out.put_bytes(0xff, BODY_BYTES - 8);
    }

    /// A PES packet: `header`, then `body`. `random`: a decoder can start here.
    pub fn pes(&mut self, pid: u16, header: &[u8], body: &[Bytes], random: bool, pcr: Option<i64>, out: &mut BytesMut) {
        let mut left = header.len() + body.iter().map(Bytes::len).sum::<usize>();
        let mut rest = std::iter::once(header).chain(body.iter().map(|b| &b[..]));
        let mut piece: &[u8] = rest.next().unwrap_or_default();
        let mut first = true;
        out.reserve((left / BODY_BYTES + 2) * PACKET_BYTES);
        while left > 0 {
            let flags = if first { u8::from(random) << 6 | u8::from(pcr.is_some()) << 4 } else { 0 };
            let needed = match (flags, first.then_some(pcr).flatten()) {
                (0, _) => 0,
                (_, None) => 2,
                (_, Some(_)) => 8,
            };
            let take = left.min(BODY_BYTES - needed);
            let adaptation = BODY_BYTES - take;
            let counter = self.next(pid);
            let control = if adaptation > 0 { 0x30 } else { 0x10 };
            out.put_slice(&[0x47, u8::from(first) << 6 | (pid >> 8) as u8, pid as u8, control | counter]);
            if adaptation > 0 {
                out.put_u8(adaptation as u8 - 1);
            }
            if adaptation > 1 {
                out.put_u8(flags);
                let mut used = 2;
                if let Some(pcr) = pcr.filter(|_| first) {
                    out.put_slice(&pcr_field(pcr));
                    used += 6;
                }
                out.put_bytes(0xff, adaptation - used);
            }
            let mut room = take;
            while room > 0 {
                if piece.is_empty() {
                    let Some(next) = rest.next() else { break };
                    piece = next;
                    continue;
                }
                let (now, later) = piece.split_at(room.min(piece.len()));
                out.put_slice(now);
                piece = later;
                room -= now.len();
            }
            left -= take;
            first = false;
        }
    }
}
