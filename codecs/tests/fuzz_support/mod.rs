//! What the fuzz targets on stable Rust share: the kept corpus, and mutations by seed.

use std::path::PathBuf;

/// The inputs that libFuzzer has kept of a target, in the order of their names.
pub fn kept(target: &str) -> impl Iterator<Item = Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path()).collect();
    paths.sort();
    paths.into_iter().map(|p| std::fs::read(p).expect("a file of the corpus"))
}

/// Each seed as it is, then `rounds` mutations of them.
pub fn tried(name: &str, seeds: &[Vec<u8>], rounds: u64, case: fn(&[u8])) {
    for seed in seeds {
        case(seed);
    }
    let mut rng = Rng(0x5eed_0000 + name.len() as u64);
    for _ in 0..rounds {
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
