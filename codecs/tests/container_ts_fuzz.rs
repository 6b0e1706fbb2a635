//! The fuzz targets of transport streams, MJPEG and vehicle terminals on stable Rust: vectors, the kept corpus, mutations by seed.

#[path = "../fuzz/src/container_ts_cases.rs"]
mod cases;
#[path = "container_support/mod.rs"]
mod support;

use support::{vector, Rng};

const ROUNDS: usize = 20_000;

/// As the files stand on the wire, each behind the byte that says how it is cut.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let cut = |data: &[u8]| [&[9u8], &data[..data.len().min(9000)]].concat();
    let files: &[&str] = match target {
        "container_ts" => &["ts_h264_aac.ts", "ts_h265_latm.ts", "ts_two_programs.ts", "ts_klv.ts"],
        "mjpeg" => &["jpeg_420.mjpeg", "jpeg_own.mjpeg"],
        _ => &[],
    };
    let mut all = files.iter().map(|f| cut(&vector(f))).collect::<Vec<_>>();
    if target == "jpeg_rtp" {
        let payloads = |tables: bool| {
            let head = [0, 0, 0, 0, 1, if tables { 255 } else { 60 }, 20, 15];
            let first = [
                &head[..],
                if tables { &[0, 0, 0, 128] } else { &[] },
                &vec![7; if tables { 128 } else { 0 }],
                &[1; 40],
            ]
            .concat();
            let second = [&[0, 0, 0, 40 + first.len() as u8 % 2, 1, head[5], 20, 15][..], &[2; 34]].concat();
            [first, second].map(|mut p| {
                p.resize(p.len().div_ceil(6) * 6, 9);
                [&[p[3] & 1, (p.len() / 6) as u8][..], &p].concat()
            })
        };
        all.extend([payloads(true).concat(), payloads(false).concat()]);
    }
    if target == "jt1078" {
        let mut ride = Vec::new();
        for (i, piece) in vector("h264_baseline.h264").chunks(400).take(12).enumerate() {
            let (sound, part) = (i % 4 == 3, [1, 3, 2, 0][i % 4]);
            ride.extend_from_slice(&[0x30, 0x31, 0x63, 0x64, 0x81, if sound { 0x86 } else { 98 }, 0, i as u8]);
            ride.extend_from_slice(&[1, 0x39, 0x12, 0x34, 0x56, 0x78, 1, if sound { 0x30 } else { part }]);
            ride.extend_from_slice(&(i as u64 * 13).to_be_bytes());
            ride.extend_from_slice(if sound { &[] } else { &[0, 40, 0, 40] });
            ride.extend_from_slice(&(piece.len() as u16).to_be_bytes());
            ride.extend_from_slice(piece);
        }
        all.push(cut(&ride));
    }
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

/// Writes the seeds that the corpus grows from: `cargo test --test container_ts_fuzz -- --ignored`.
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
