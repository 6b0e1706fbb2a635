//! Fuzz targets of a bundle's units: what a peer's pieces may say. codecs/tests/bundle_units_fuzz.rs includes this file and
//! runs it over seeds and mutations of them on stable Rust.

use codecs::bundle::assemble::{Assembler, Limits, Taken};
use codecs::bundle::fragment::Head;
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] = &[("bundle_pieces", bundle_pieces)];

/// u8 play-out (tens of ms); then records of u8 time step, u8 flags (1 key), u32 unit, u16 index, data, parity, u32 unit
/// length, u32 sent, u16 body length. Nothing that comes out is larger than what was announced, in order where there is a
/// play-out, and nothing waits beyond the bounds.
pub fn bundle_pieces(data: &[u8]) {
    let Some((playout, mut rest)) = data.split_first() else { return };
    let limits = Limits { flow_bytes: 64 << 10, unit_bytes: 16 << 10, units: 64, ..Limits::default() };
    let mut assembler = Assembler::new(u32::from(*playout) * 10, limits);
    let (mut now, mut out, mut last) = (0u64, Vec::new(), None);
    let body = [0x5a; 16 << 10];
    while let Some((r, tail)) = rest.split_first_chunk::<22>() {
        rest = tail;
        let short = |at: usize| u16::from_be_bytes([r[at], r[at + 1]]);
        let long = |at: usize| u32::from_be_bytes([r[at], r[at + 1], r[at + 2], r[at + 3]]);
        now += u64::from(r[0]) * 3_000;
        let head = Head {
            unit: long(2),
            index: short(6),
            data: short(8),
            parity: short(10),
            unit_len: long(12),
            sent_ms: long(16),
            key: r[1] & 1 != 0,
        };
        let len = usize::from(short(20)).min(body.len());
        if assembler.take(&head, &body[..len], Micros(now)) == Taken::New {
            assert!(head.unit_len as usize <= limits.unit_bytes);
        }
        assert!(assembler.pending_bytes() <= limits.flow_bytes);
        assert!(assembler.missing(Micros(now)).count() <= 256);
        assembler.due(Micros(now), &mut out);
        for due in out.drain(..) {
            assert!(due.bytes.len() <= limits.unit_bytes);
            if *playout > 0 {
                // In order over the wraps, whatever is jumped over.
                assert!(last.is_none_or(|l: u32| (due.unit.wrapping_sub(l) as i32) > 0));
                last = Some(due.unit);
            }
        }
    }
    assembler.due(Micros(now + 20_000_000), &mut out);
    // One that is held back lets the next wait as long.
    for step in 1..=64 {
        assembler.due(Micros(now + step * 20_000_000), &mut out);
    }
    assert_eq!((assembler.pending_bytes(), assembler.next_timer()), (0, None));
}
