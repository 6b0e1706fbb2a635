//! The fuzz targets of a bundle's door and of a session with an ill-meaning peer, on stable Rust: seeds of sound traffic, the
//! kept corpus, and mutations of both by seed.

#[path = "../fuzz/src/bundle_peer_cases.rs"]
mod bundle_peer_cases;
mod fuzz_support;

use codecs::bundle::flow::{Class, FlowOptions, Mode};
use codecs::bundle::frame::Frame;
use codecs::bundle::frame_write::Writer;
use codecs::bundle::types::PathKind;
use codecs::bundle::wire::{write_init, DataHeader, FORMAT};

/// Mutated inputs of each target in one run: each takes handshakes.
const ROUNDS: u64 = 400;

fn record(first: u8, step: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first, step];
    out.extend((body.len() as u16).to_be_bytes());
    out.extend(body);
    out
}

fn knocks() -> Vec<u8> {
    let mut data = vec![7; 80];
    DataHeader { phase: 0, receiver: 7, path: 0, number: 1 }.write(&mut data);
    let init = write_init(1, 9, FORMAT, &[5; 120]).expect("it fits");
    let all = [
        (0, 1, &data[..]),
        (0, 2, &init),
        (1, 1, &[9; 130]),
        (2, 1, b"kit"),
        (2, 3, b"k"),
        (2, 5, b"kit"),
        (3, 1, b"x"),
    ];
    let mut out: Vec<u8> = all.iter().flat_map(|(kind, step, body)| record(*kind, *step, body)).collect();
    out.extend(record(4, 1, b""));
    out.extend(record(2, 7, b"kit"));
    out
}

fn packed(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut buf = vec![0; 1400];
    let mut writer = Writer::new(&mut buf, 0);
    assert!(frames.iter().all(|frame| writer.put(frame)));
    let end = writer.position();
    buf.truncate(end);
    buf
}

fn session(answers: u8) -> Vec<u8> {
    let options = FlowOptions { class: Class::Video, mode: Mode::Spread, playout_ms: 100 };
    let mut out = vec![answers];
    let path = Frame::Path { path: 0, kind: PathKind::Udp, cost: 0, barred: 0, name: "lte-1" };
    out.extend(record(0, 10, &packed(&[path, Frame::Flow { flow: 1, options, first: 0 }, Frame::Ping(5)])));
    let unit = bytes::Bytes::from(vec![6; 2500]);
    for piece in codecs::bundle::fragment::cut(0, &unit, true, 40, 900, 1) {
        let mut buf = vec![0; 1400];
        let mut writer = Writer::new(&mut buf, 0);
        assert!(writer.piece(1, &piece.head, &piece.body));
        let end = writer.position();
        out.extend(record(u8::from(piece.head.index == 1), 5, &buf[..end]));
    }
    let open = Frame::Open { id: 0, purpose: "rpc" };
    out.extend(record(0, 3, &packed(&[open, Frame::Stream { id: 0, offset: 0, fin: false, body: b"a question" }])));
    out.extend(record(64, 30, &packed(&[Frame::Window { id: 1, offset: 1 << 20 }, Frame::KeyWish(1)])));
    out.extend(record(0, 50, &packed(&[Frame::FlowStop { flow: 1, first: 0 }, Frame::Reset(1), Frame::PathGone(3)])));
    out.extend(record(0, 20, &packed(&[Frame::Bye { code: "shutdown", detail: "" }])));
    out
}

#[test]
fn every_target_over_its_seeds_and_mutations() {
    for (name, case) in bundle_peer_cases::ALL {
        let mut seeds = if *name == "bundle_door" { vec![knocks()] } else { vec![session(0), session(1)] };
        seeds.extend(fuzz_support::kept(name));
        fuzz_support::tried(name, &seeds, ROUNDS, *case);
    }
}
