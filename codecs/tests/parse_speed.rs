//! How fast the hot path is, one core: `cargo test --release --no-default-features --test parse_speed -- --ignored --nocapture`.
//! Prints one line of JSON; asserts nothing about time.

mod parse_support;

use std::time::Instant;

use codecs::hub::unit::Codec;
use codecs::mpeg::ps_mux::PsMux;
use codecs::packet::Packetizer;
use codecs::relay::ingest::{Ingest, IngestConfig};
use codecs::time::Micros;
use parse_support::*;

/// 10 s of 4 Mb/s at 25 pictures a second.
fn pictures_4mbit() -> Vec<Vec<bytes::Bytes>> {
    (0..250).map(|i| h264_picture(i % 50 == 0, i, if i % 50 == 0 { 100_000 } else { 18_400 })).collect()
}

fn run(packets: &[(u64, Vec<u8>)]) -> (f64, f64, usize) {
    let rounds = 20;
    let bytes: usize = packets.iter().map(|(_, p)| p.len()).sum();
    let (mut units, begin) = (0, Instant::now());
    for _ in 0..rounds {
        let mut ingest = Ingest::new(IngestConfig::default());
        for (now, p) in packets {
            ingest.push_rtp(p, Micros(*now));
            while let Some(output) = ingest.poll() {
                units += usize::from(matches!(output, codecs::relay::ingest::IngestOutput::Unit(_)));
            }
        }
    }
    let s = begin.elapsed().as_secs_f64();
    ((bytes * rounds) as f64 / s / 1e6, s * 1e9 / (packets.len() * rounds) as f64, units / rounds)
}

#[test]
#[ignore = "a measurement"]
fn ingest_and_packetize() {
    let pictures = pictures_4mbit();
    let mux = PsMux::new(Some(0x1b), None);
    let (mut sender, mut ps, mut raw) = (Sender::new(7), Vec::new(), Vec::new());
    let mut packetizer = Packetizer::new(&params(Codec::H264, vec![]), 1200);
    let at = |i: usize, k: usize| 1_000_000 + i as u64 * 40_000 + k as u64 * 100;
    for (i, p) in pictures.iter().enumerate() {
        let ts = i as u32 * 3600;
        let pack = mux.video(p, i64::from(ts), i64::from(ts), i % 50 == 0);
        ps.extend(sender.pieces(ts, &pack, 1400, true).into_iter().enumerate().map(|(k, p)| (at(i, k), p)));
    }
    let mut sender = Sender::new(7);
    for (i, p) in pictures.iter().enumerate() {
        let payloads = packetizer.packetize(&unit(p.clone(), i % 50 == 0));
        for (k, (payload, part)) in payloads.iter().enumerate() {
            raw.push((at(i, k), sender.packet(i as u32 * 3600, part.marker, payload)));
        }
    }
    let units = pictures.iter().map(|p| unit(p.clone(), false)).collect::<Vec<_>>();
    let (mut parts, begin) = (0, Instant::now());
    for _ in 0..20 {
        parts += units.iter().map(|u| packetizer.packetize(u).len()).sum::<usize>();
    }
    let pack_ns = begin.elapsed().as_secs_f64() * 1e9 / parts as f64;
    let (ps_mb, ps_ns, ps_units) = run(&ps);
    let (raw_mb, raw_ns, raw_units) = run(&raw);
    assert!(ps_units >= 249 && raw_units >= 249);
    println!(
        "{{\"ps_mb_per_s\":{ps_mb:.0},\"ps_ns_per_packet\":{ps_ns:.0},\"h264_mb_per_s\":{raw_mb:.0},\
         \"h264_ns_per_packet\":{raw_ns:.0},\"packetize_ns_per_packet\":{pack_ns:.0}}}"
    );
}
