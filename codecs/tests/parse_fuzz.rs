//! The fuzz targets on stable Rust: the kept corpus, and mutations of it by seed. `fuzz/run.sh` does it in earnest.

#[path = "../fuzz/src/cases.rs"]
mod parse_cases;
mod parse_support;

use std::path::PathBuf;

use codecs::hub::unit::Codec;
use codecs::mpeg::ps_mux::PsMux;
use codecs::packet::Packetizer;
use parse_support::*;

/// Mutated inputs of each target in one run.
const ROUNDS: usize = 20_000;

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let Ok(files) = std::fs::read_dir(corpus(target)) else { return Vec::new() };
    let mut paths = files.map(|f| f.unwrap().path()).collect::<Vec<_>>();
    paths.sort();
    paths.iter().map(|p| std::fs::read(p).unwrap()).collect()
}

fn mutate(rng: &mut Rng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut data = if inputs.is_empty() { vec![0; 64] } else { inputs[rng.below(inputs.len())].clone() };
    for _ in 0..1 + rng.below(8) {
        if data.is_empty() {
            data = rng.bytes(20);
        }
        let at = rng.below(data.len());
        match rng.below(7) {
            0 => data[at] = rng.u64() as u8,
            1 => data[at] ^= 1 << rng.below(8),
            2 => data.truncate(at),
            3 => data.insert(at, rng.u64() as u8),
            4 => data[at] = [0, 1, 0x7f, 0x80, 0xff, 0xba, 0xe0, 0x47][rng.below(8)],
            5 => {
                let end = (at + rng.below(40)).min(data.len());
                let piece = data[at..end].to_vec();
                let to = rng.below(data.len());
                data.splice(to..to, piece);
            }
            _ if !inputs.is_empty() => {
                let other = &inputs[rng.below(inputs.len())];
                data.truncate(at);
                data.extend_from_slice(&other[rng.below(other.len())..]);
            }
            _ => {}
        }
    }
    data.truncate(16_384);
    data
}

#[test]
fn every_target_over_its_corpus_and_mutations() {
    for (name, case) in parse_cases::ALL {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        inputs.iter().for_each(|input| case(input));
        let mut rng = Rng(0x5eed ^ name.len() as u64);
        for round in 0..ROUNDS {
            let input = mutate(&mut rng, &inputs);
            let kept = input.clone();
            if std::panic::catch_unwind(move || case(&input)).is_err() {
                panic!("{name}, round {round}: {kept:02x?}");
            }
        }
    }
}

#[test]
fn every_target_is_listed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for path in std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let ours = text.contains(&format!(" cases::{name}"));
        assert_eq!(ours, parse_cases::ALL.iter().any(|(n, _)| n == &name), "{name}");
    }
}

/// Two bytes of length before each piece, as `parse_cases::pieces` reads them.
fn packed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for p in pieces {
        out.extend((p.len() as u16).to_be_bytes());
        out.extend_from_slice(p);
    }
    out
}

fn seed(target: &str, name: &str, data: &[u8]) {
    std::fs::create_dir_all(corpus(target)).unwrap();
    std::fs::write(corpus(target).join(format!("seed-{name}")), data).unwrap();
}

/// Writes the seeds that the corpus grew from: `cargo test --test parse_fuzz -- --ignored`.
#[test]
#[ignore = "writes fuzz/corpus"]
fn write_seeds() {
    let mut sender = Sender::new(7);
    seed("rtp_header", "plain", &sender.packet(1, true, &[1, 2, 3]));
    let extended = [0xb1, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0, 9, 1];
    seed("rtp_header", "extension", &extended);
    let mut sr = vec![0x80, 200, 0, 6, 0, 0, 0, 7, 0xee, 0, 0, 0, 0, 0, 0, 0];
    sr.extend([1; 12]);
    seed("rtp_header", "sender-report", &sr);
    let steps = (0..60u16).flat_map(|i| [0xff, 0xf0u8.wrapping_add(i as u8 ^ 3), i as u8]);
    seed("jitter", "wrap", &std::iter::once(16).chain(steps).collect::<Vec<_>>());

    let coded = [(Codec::H264, "h264_baseline.h264", "h264"), (Codec::H265, "h265_p.h265", "h265")];
    for (codec, name, short) in coded {
        let all = pictures(codec, &vector(name));
        let mut packetizer = Packetizer::new(&params(codec, vec![]), 300);
        let mut payloads = Vec::new();
        for picture in &all[..3] {
            payloads.extend(packetizer.packetize(&unit(picture.clone(), false)).iter().map(|(p, _)| p.to_vec()));
        }
        seed(&format!("{short}_depacketize"), "fu", &packed(payloads.iter().map(|p| &p[..])));
        for (i, nalu) in all[0].iter().chain(&all[1]).enumerate() {
            seed("sps", &format!("{short}-{i}"), &nalu[..nalu.len().min(200)]);
            seed("probe", &format!("{short}-{i}"), &[&[96], &nalu[..nalu.len().min(100)]].concat());
        }
        let mut raw = vec![0x0c];
        let mut ps = vec![8];
        let mux = PsMux::new(Some(if short == "h264" { 0x1b } else { 0x24 }), Some(0x90));
        let mut packs = Vec::new();
        for (i, picture) in all[..4].iter().enumerate() {
            sender.pt = if short == "h264" { 98 } else { 99 };
            let ts = i as u32 * 3600;
            let units = packetizer.packetize(&unit(picture.clone(), i == 0));
            let packets = units.iter().map(|(p, m)| [vec![0x28 | 3], sender.packet(ts, m.marker, p)].concat());
            raw.extend(packed(packets.collect::<Vec<_>>().iter().map(|p| &p[..])));
            let mut pack = mux.video(picture, i64::from(ts), i64::from(ts), i == 0);
            pack.extend(mux.audio(&[0xd5; 80], i64::from(ts)));
            sender.pt = 96;
            let packets = sender.pieces(ts, &pack, 700, true).into_iter().map(|p| [vec![0x28 | 3], p].concat());
            ps.extend(packed(packets.collect::<Vec<_>>().iter().map(|p| &p[..])));
            packs.extend(pack);
        }
        seed("ingest", short, &raw);
        seed("ingest", &format!("ps-{short}"), &ps);
        seed("ps_demux", short, &packed(packs.chunks(333)));
    }
    seed("ps_demux", "other-muxer", &packed(vector("ps_h264.ps")[..6000].chunks(700)));
    let ts = vector("ts_h264_aac.ts");
    seed("ts_demux", "other-muxer", &packed(ts[..188 * 20].chunks(564)));
    let ts_pieces = ts[..188 * 14].chunks(188 * 7).map(|p| [&[1], p].concat()).collect::<Vec<_>>();
    seed("ingest", "ts", &[vec![0], packed(ts_pieces.iter().map(|p| &p[..]))].concat());
    let adts = vector("aac_16k_mono.aac");
    seed("aac", "adts", &packed([&adts[..400]]));
    seed("aac", "hbr", &packed([&[0, 32, 0, 0x18, 0, 0x10, 1, 2, 3, 4, 5][..], &[0, 16, 0, 0x40, 1, 2][..]]));
    let latm = [0x20, 0x00, 0x12, 0x08, 0x1f, 0xe0, 0x02, 0x08, 0x10];
    seed("latm_rtp", "in-band", &[vec![2], packed([&[&[1][..], &latm].concat()[..], &[1, 0x81, 0x04, 0x08]])].concat());
    seed("latm_rtp", "by-sdp", &[vec![1], packed([&[1, 2, 7, 8][..], &[0, 3, 7], &[1, 8, 9]])].concat());
    let key =
        [&[1u8, 0, 0, 0x21, 0, 0, 0, 1, 0xb3, 0x2d, 2, 0x40, 0x33][..], &[0, 0, 1, 0, 0, 0x0f, 0xff, 0xf8]].concat();
    let layer_2 = [&[0u8, 0, 0, 0, 0, 0xff, 0xfd, 0xa4, 0][..], &[7; 572]].concat();
    let eac3 = [&[0u8, 0, 0, 0, 0, 0x0b, 0x77, 0, 0x3f, 0x34, 0x80, 0][..], &[7; 121]].concat();
    seed("mpeg_rtp", "picture-and-sound", &packed([&key[..], &layer_2, &eac3, &[4, 4, 0, 1, 0, 9, 9, 9, 9, 5]]));
    seed("aac", "config", &[0x14, 0x08]);
    seed("probe", "ps", &[&[96], &vector("ps_h264.ps")[..80]].concat());
    seed("probe", "ts", &[&[96], &ts[..376]].concat());
    let mut stream = Vec::new();
    for i in 0..6u32 {
        let p = sender.packet(i, false, &[i as u8; 40]);
        codecs::relay::framing::frame(&p, &mut stream).unwrap();
        if i == 2 {
            stream.extend([9; 30]);
        }
    }
    seed("deframer", "rfc4571", &packed(stream.chunks(50)));
    let mut dollar = Vec::new();
    for i in 0..4u32 {
        dollar.extend([b'$', 0]);
        codecs::relay::framing::frame(&sender.packet(i, false, &[i as u8; 40]), &mut dollar).unwrap();
    }
    seed("deframer", "dollar", &packed(dollar.chunks(70)));
}
