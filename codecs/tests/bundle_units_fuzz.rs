//! The fuzz target of a bundle's units on stable Rust: seeds of real pieces, the kept corpus, and mutations of both by seed.

#[path = "../fuzz/src/bundle_unit_cases.rs"]
mod bundle_unit_cases;

use std::path::PathBuf;

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
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/bundle_pieces");
    let mut paths: Vec<_> = std::fs::read_dir(kept).into_iter().flatten().flatten().map(|f| f.path()).collect();
    paths.sort();
    all.extend(paths.iter().map(|p| std::fs::read(p).expect("a file of the corpus")));
    all
}

/// xorshift64*: the same inputs in every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }
}

#[test]
fn every_target_over_its_seeds_and_mutations() {
    let seeds = seeds();
    for (name, case) in bundle_unit_cases::ALL {
        for seed in &seeds {
            case(seed);
        }
        let mut rng = Rng(0x5eed_0000 + name.len() as u64);
        for _ in 0..ROUNDS {
            let mut data = seeds[rng.below(seeds.len())].clone();
            for _ in 0..1 + rng.below(6) {
                let at = rng.below(data.len().max(1)).min(data.len());
                match rng.below(5) {
                    0 => data.truncate(at),
                    1 => data.insert(at, rng.below(256) as u8),
                    _ if data.is_empty() => data.push(rng.below(256) as u8),
                    2 => data[at.saturating_sub(1)] = [0, 1, 0x7f, 0x80, 0xff][rng.below(5)],
                    3 => data[at.saturating_sub(1)] ^= 1 << rng.below(8),
                    _ => data.splice(at..at, data.clone()[..at].iter().copied()).for_each(drop),
                }
            }
            data.truncate(8192);
            case(&data);
        }
    }
}
