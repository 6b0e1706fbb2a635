//! The fuzz target of a bundle's units on stable Rust: seeds of real pieces, the kept corpus, and mutations of both by seed.

#[path = "../fuzz/src/bundle_unit_cases.rs"]
mod bundle_unit_cases;
mod fuzz_support;

use bytes::Bytes;
use codecs::bundle::fragment::cut;

/// Mutated inputs of each target in one run.
const ROUNDS: u64 = 20_000;

fn record(step: u8, piece: &codecs::bundle::fragment::Piece) -> Vec<u8> {
    let h = &piece.head;
    let mut out = vec![step, u8::from(h.key)];
    out.extend(h.unit.to_be_bytes());
    for short in [h.index, h.data, h.parity] {
        out.extend(short.to_be_bytes());
    }
    out.extend(h.unit_len.to_be_bytes());
    out.extend(h.sent_ms.to_be_bytes());
    out.extend((piece.body.len() as u16).to_be_bytes());
    out
}

fn seeds() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for playout in [0u8, 10] {
        let mut input = vec![playout];
        for (n, len) in [10usize, 3000, 9000, 0, 700].into_iter().enumerate() {
            let unit = Bytes::from(vec![n as u8; len]);
            let pieces = cut(n as u32, &unit, n == 0, n as u32 * 40, 1000, n % 3);
            for piece in pieces.iter().skip(n % 2) {
                input.extend(record(5, piece));
            }
        }
        all.push(input);
    }
    all.extend(fuzz_support::kept("bundle_pieces"));
    all
}

#[test]
fn every_target_over_its_seeds_and_mutations() {
    for (name, case) in bundle_unit_cases::ALL {
        fuzz_support::tried(name, &seeds(), ROUNDS, *case);
    }
}
