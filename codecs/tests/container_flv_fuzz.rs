//! The fuzz targets of FLV, RTMP chunks and fragmented MP4 on stable Rust: vectors, the kept corpus, mutations by seed.

#[path = "../fuzz/src/container_flv_cases.rs"]
mod cases;
#[path = "container_support/mod.rs"]
mod support;

use bytes::{Bytes, BytesMut};
use codecs::container::rtmp::write::ChunkWriter;
use codecs::container::rtmp::{kind, Message};
use support::{vector, Rng};

const ROUNDS: usize = 20_000;

/// As the files stand on the wire, each behind the byte that says how it is cut.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let cut = |data: &[u8]| [&[9u8], data].concat();
    let mut all = match target {
        "flv" => ["flv_h264_b_aac.flv", "flv_h265_opus.flv", "flv_av1.flv"].map(|f| cut(&vector(f)[..2500])).to_vec(),
        "fmp4" => {
            ["fmp4_h264_b_aac.mp4", "fmp4_h265_opus.mp4"].map(|f| cut(&vector(f)[..vector(f).len().min(9000)])).to_vec()
        }
        _ => {
            let flv = vector("flv_h264_b_aac.flv");
            let (mut writer, mut out, mut at) = (ChunkWriter::new(), BytesMut::new(), 13);
            writer.control(kind::SET_CHUNK_SIZE, 300, &mut out);
            writer.control(kind::WINDOW_ACK_SIZE, 5000, &mut out);
            while at < 3000 {
                let h = &flv[at..at + 11];
                let size = u32::from_be_bytes([0, h[1], h[2], h[3]]) as usize;
                let timestamp = u32::from_be_bytes([0xff, h[4], h[5], h[6]]);
                let data = Bytes::copy_from_slice(&flv[at + 11..at + 11 + size]);
                writer.message(h[0] % 60, &Message { kind: h[0], stream_id: 1, timestamp, data }, &mut out);
                at += 11 + size + 4;
            }
            vec![cut(&out)]
        }
    };
    let kept = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(kept).into_iter().flatten().flatten().map(|f| f.path()).collect();
    paths.sort();
    all.extend(paths.iter().map(|p| std::fs::read(p).expect("a file of the corpus")));
    all
}

fn mutate(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[rng.below(seeds.len())].clone();
    for _ in 0..1 + rng.below(6) {
        let at = rng.below(data.len().max(1)).min(data.len());
        match rng.below(6) {
            0 => data.truncate(at.max(40)),
            1 => data.insert(at, rng.below(256) as u8),
            _ if data.is_empty() => data.push(rng.below(256) as u8),
            2 => data[at.saturating_sub(1)] = [0, 1, 0x7f, 0x80, 0xff][rng.below(5)],
            3 => data[at.saturating_sub(1)] ^= 1 << rng.below(8),
            4 => {
                let other = &seeds[rng.below(seeds.len())];
                let from = rng.below(other.len());
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
            _ => {
                // The beginning is where lengths and counts stand.
                let at = rng.below(data.len().min(400));
                data[at] = rng.below(256) as u8;
            }
        }
    }
    data.truncate(32_768);
    data
}

#[test]
fn every_target_over_its_seeds_and_mutations() {
    for (name, case) in cases::ALL {
        let seeds = seeds(name);
        seeds.iter().for_each(|seed| case(seed));
        let mut rng = Rng(0x5eed_0000 + name.len() as u64);
        for round in 0..ROUNDS {
            let input = mutate(&mut rng, &seeds);
            let kept = input.clone();
            if std::panic::catch_unwind(move || case(&input)).is_err() {
                panic!("{name}, round {round}: {kept:02x?}");
            }
        }
    }
}

/// Writes the seeds that the corpus grows from: `cargo test --test container_flv_fuzz -- --ignored`.
#[test]
#[ignore = "writes fuzz/corpus"]
fn write_seeds() {
    for (name, _) in cases::ALL {
        let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (i, seed) in seeds(name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i}")), seed).unwrap();
        }
    }
}
