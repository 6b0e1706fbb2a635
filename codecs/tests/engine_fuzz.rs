//! The engine's fuzz targets on stable Rust: seeds of every format, the kept corpus, and mutations of both by seed.

#[path = "../fuzz/src/engine_cases.rs"]
mod engine_cases;

use std::path::PathBuf;

use codecs::rtp::rtcp;

/// Mutated inputs of each target in one run.
const ROUNDS: u64 = 20_000;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut compound = Vec::new();
    rtcp::write_sender_report(&mut compound, 1, 2, 3, 4, 5);
    rtcp::write_sdes(&mut compound, 1, "cname");
    rtcp::write_nack(&mut compound, 1, 2, &[1, 2, 30]);
    rtcp::write_remb(&mut compound, 1, 5_000_000, &[1]);
    compound.extend([0x8f, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 100, 0, 5, 0, 0, 1, 0, 0x20, 2, 0xa8, 0, 4, 4, 8, 12]);
    match target {
        "stun" => {
            let mut message = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
            message.extend([0; 12]);
            message.extend(b"\x00\x06\x00\x05a:bcd\0\0\0");
            all.push(message);
        }
        "frame_port" => {
            let mut record = vec![0xf6, 1, 1, 0, 0, 13, 0, 1];
            record.extend([0; 24]);
            record.extend([0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0x65, 1, 2, 3, 4]);
            let mut input = (record.len() as u16).to_be_bytes().to_vec();
            input.extend(&record);
            input.extend(input.clone());
            all.push(input);
        }
        "srt_stream_id" => {
            let ids = ["#!::r=a,m=publish,u=dji,s=x", "publish:a:dji:x", "#!::u=dji", "a", "read:a"];
            all.extend(ids.map(|id| id.as_bytes().to_vec()));
        }
        "ts_datagrams" => {
            let mut input = vec![0];
            for (n, head) in [&[][..], &[0x80, 33, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9][..]].iter().enumerate() {
                let mut datagram = head.to_vec();
                datagram.extend([
                    0x47, 0x40, 0, 0x10, 0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 4, 0xb2,
                ]);
                datagram.resize(head.len() + 188, 0xff);
                input.push(n as u8 + 2);
                input.extend((datagram.len() as u16).to_be_bytes());
                input.extend(datagram);
            }
            all.push(input);
        }
        _ => all.push(compound),
    }
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
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
fn every_target_over_its_corpus_and_mutations() {
    for (name, case) in engine_cases::ALL {
        let seeds = seeds(name);
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
