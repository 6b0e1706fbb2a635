//! How fast containers go, one core: `cargo test --release --no-default-features --test container_speed -- --ignored --nocapture`.
//! Prints one line of JSON; asserts nothing about time.

mod parse_support;

use std::time::Instant;

use bytes::BytesMut;
use codecs::container::ts_read::TsReader;
use codecs::container::ts_write::TsWriter;
use codecs::container::{Found, Reader, Writer};
use codecs::hub::unit::Codec;
use codecs::time::Micros;
use parse_support::*;

const ROUNDS: usize = 20;

#[test]
#[ignore = "a measurement"]
fn transport_streams() {
    // 10 s of 4 Mb/s at 25 pictures a second.
    let pictures = (0..250u32).map(|i| h264_picture(i % 50 == 0, i, if i % 50 == 0 { 100_000 } else { 18_400 }));
    let units = pictures.enumerate().map(|(i, p)| {
        let mut u = unit(p, i % 50 == 0);
        (u.pts, u.dts) = (i as i64 * 3600, i as i64 * 3600);
        u
    });
    let units = units.collect::<Vec<_>>();
    let (mut out, begin) = (BytesMut::new(), Instant::now());
    for _ in 0..ROUNDS {
        out.clear();
        let mut writer = TsWriter::default();
        writer.track(&params(Codec::H264, vec![]), &mut out);
        units.iter().for_each(|u| writer.unit(u, &mut out));
    }
    let write = begin.elapsed().as_secs_f64();
    let total = (out.len() * ROUNDS) as f64;
    let (mut found, mut count, begin) = (Vec::new(), 0, Instant::now());
    for _ in 0..ROUNDS {
        let mut reader = TsReader::new(0);
        for (i, datagram) in out.chunks(1316).enumerate() {
            reader.push(datagram, Micros(1_000_000 + i as u64 * 2_600), &mut found).unwrap();
            count += found.drain(..).filter(|f| matches!(f, Found::Unit(_))).count();
        }
    }
    let read = begin.elapsed().as_secs_f64();
    assert!(count >= 249 * ROUNDS);
    println!(
        "{{\"ts_write_mb_per_s\":{:.0},\"ts_read_mb_per_s\":{:.0},\"ts_read_ns_per_packet\":{:.0}}}",
        total / write / 1e6,
        total / read / 1e6,
        read * 1e9 / (total / 188.0)
    );
}
