//! The fuzz targets of a bundle's datagrams and frames on stable Rust: seeds of each kind, the kept corpus, and mutations of
//! both by seed.

#[path = "../fuzz/src/bundle_wire_cases.rs"]
mod bundle_wire_cases;
mod fuzz_support;

use codecs::bundle::flow::{Class, FlowOptions, Mode};
use codecs::bundle::frame::Frame;
use codecs::bundle::frame_write::Writer;
use codecs::bundle::report::Received;
use codecs::bundle::types::PathKind;
use codecs::bundle::wire::{
    write_accept, write_init, write_refuse, write_reset, write_retry, DataHeader, FORMAT, VERSION,
};
use codecs::time::Micros;

/// Mutated inputs of each target in one run.
const ROUNDS: u64 = 20_000;

fn datagrams() -> Vec<Vec<u8>> {
    let mut data = vec![7; 80];
    DataHeader { phase: 1, receiver: 7, path: 2, number: 0x0123_4567_89ab }.write(&mut data);
    let init = write_init(1, 9, FORMAT, &[5; 120]).expect("it fits");
    vec![
        data,
        init,
        write_accept(9, &[1; 90]),
        write_refuse(VERSION, 9, 3),
        write_retry(9, &[2; 16]),
        write_reset(9, &[3; 16]),
    ]
}

fn received() -> Received {
    let mut received = Received::default();
    for number in [1u64, 2, 3, 7, 8, 20] {
        received.came(number, number as u32 * 15, 900, true, Micros(1_000_000 + number * 1000));
    }
    received
}

fn frames() -> Vec<u8> {
    let report = received().report(2, Micros(1_100_000)).expect("something came");
    let options = FlowOptions { class: Class::Video, mode: Mode::Spread, playout_ms: 400 };
    let (mut buf, all) = (
        vec![0; 2000],
        [
            Frame::Ping(7),
            Frame::Pong(7),
            Frame::Report(report),
            Frame::Stream { id: 4, offset: 9, fin: true, body: b"bytes" },
            Frame::Open { id: 4, purpose: "rpc" },
            Frame::Window { id: 4, offset: 99 },
            Frame::Reset(4),
            Frame::Flow { flow: 1, options, first: 7 },
            Frame::FlowClose { flow: 1, first: 7 },
            Frame::FlowStop { flow: 1, first: 7 },
            Frame::KeyWish(1),
            Frame::Path { path: 2, kind: PathKind::Stream, cost: 1, barred: 0x2a, name: "lte-1" },
            Frame::PathGone(2),
            Frame::Rekey { second: false, phase: 1, noise: b"noise" },
            Frame::Bye { code: "revoked", detail: "why" },
        ],
    );
    let mut writer = Writer::new(&mut buf, 0);
    assert!(all.iter().all(|frame| writer.put(frame)));
    assert_eq!(writer.want(1, 5, &[1, 2, 9]), 3);
    let unit = bytes::Bytes::from(vec![6; 900]);
    for piece in codecs::bundle::fragment::cut(3, &unit, true, 40, 400, 1) {
        assert!(writer.piece(1, &piece.head, &piece.body));
    }
    let end = writer.position();
    buf.truncate(end);
    buf
}

fn reports() -> Vec<u8> {
    let report = received().report(2, Micros(1_100_000)).expect("something came");
    let mut input = vec![0, 30, 10, 0];
    let mut told = vec![0; report.len()];
    report.write(&mut told);
    input.extend(&told);
    input.extend([20, 1, 1, 0, 0, 5, 0, 0, 90, 3, 200, 2, 9, 9, 0]);
    input.extend(&told);
    input
}

#[test]
fn every_target_over_its_seeds_and_mutations() {
    for (name, case) in bundle_wire_cases::ALL {
        let mut seeds = match *name {
            "bundle_wire" => datagrams(),
            "bundle_frames" => vec![frames()],
            _ => vec![reports()],
        };
        seeds.extend(fuzz_support::kept(name));
        fuzz_support::tried(name, &seeds, ROUNDS, *case);
    }
}
