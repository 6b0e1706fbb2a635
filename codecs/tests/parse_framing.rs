//! TCP framing: both forms, cut anywhere, and back into step after garbage.

mod parse_support;

use codecs::relay::framing::{frame, Deframer, Framed};
use parse_support::{Rng, Sender};

fn take(deframer: &mut Deframer) -> Vec<Framed> {
    std::iter::from_fn(|| deframer.next()).collect()
}

fn rtp(framed: Vec<Framed>) -> Vec<Vec<u8>> {
    let rtp = framed.into_iter().filter_map(|f| if let Framed::Rtp(p) = f { Some(p.to_vec()) } else { None });
    rtp.collect()
}

fn packets(count: usize) -> Vec<Vec<u8>> {
    let mut sender = Sender::new(0x1234_5678);
    (0..count).map(|i| sender.packet(i as u32 / 3 * 3600, i % 3 == 2, &vec![i as u8; 20 + i * 37 % 1300])).collect()
}

fn rfc4571(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    packets.iter().for_each(|p| frame(p, &mut out).unwrap());
    out
}

fn dollar(packets: &[Vec<u8>], channel: u8) -> Vec<u8> {
    let mut out = Vec::new();
    for p in packets {
        out.extend([b'$', channel]);
        frame(p, &mut out).unwrap();
    }
    out
}

fn rtcp() -> Vec<u8> {
    let mut p = vec![0x80, 200, 0, 6, 0x12, 0x34, 0x56, 0x78];
    p.resize(28, 0);
    p
}

#[test]
fn both_framings_cut_anywhere() {
    let packets = packets(60);
    let mut rng = Rng(1);
    for stream in [rfc4571(&packets), dollar(&packets, 0)] {
        for round in 0..100 {
            let mut deframer = Deframer::new();
            let mut got = Vec::new();
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let n = (1 + rng.below([1, 3, 200, 5000][round % 4])).min(rest.len());
                deframer.push(&rest[..n]);
                got.extend(take(&mut deframer));
                rest = &rest[n..];
            }
            assert_eq!(rtp(got), packets);
            assert_eq!(deframer.stats().skipped_bytes, 0);
        }
    }
}

#[test]
fn a_whole_packet_is_given_at_once() {
    let mut deframer = Deframer::new();
    for p in packets(5) {
        deframer.push(&rfc4571(std::slice::from_ref(&p)));
        assert_eq!(rtp(take(&mut deframer)), [p]);
    }
}

#[test]
fn rtcp_between_and_empty_frames() {
    let packets = packets(4);
    let mut stream = rfc4571(&packets[..2]);
    stream.extend([0, 0]);
    frame(&rtcp(), &mut stream).unwrap();
    stream.extend(rfc4571(&packets[2..]));
    let mut deframer = Deframer::new();
    deframer.push(&stream);
    let got = take(&mut deframer);
    assert_eq!(got[2], Framed::Rtcp(rtcp().into()));
    assert_eq!(rtp(got), packets);
}

#[test]
fn a_preamble_is_dropped() {
    let packets = packets(6);
    let mut stream = vec![1u8, 0, 0, 0, 0x42];
    stream.resize(256, 0);
    stream.extend(rfc4571(&packets));
    for size in [1, 100, 256, 10_000] {
        let mut deframer = Deframer::new();
        let mut got = Vec::new();
        for piece in stream.chunks(size) {
            deframer.push(piece);
            got.extend(take(&mut deframer));
        }
        assert_eq!(rtp(got), packets, "in pieces of {size}");
        assert_eq!(deframer.stats().skipped_bytes, 256);
    }
}

#[test]
fn back_into_step() {
    let packets = packets(200);
    let mut rng = Rng(4);
    for framed in [rfc4571 as fn(&[Vec<u8>]) -> Vec<u8>, |p| dollar(p, 0)] {
        for _ in 0..50 {
            let mut stream = framed(&packets[..50]);
            match rng.below(3) {
                0 => stream.extend(rng.bytes(1500)),      // garbage between frames
                1 => stream.truncate(stream.len() - 333), // the sender overwrote its own buffer
                _ => {
                    let at = stream.len() / 2;
                    stream[at..at + 700].fill(0xa7);
                }
            }
            stream.extend(framed(&packets[50..]));
            let mut deframer = Deframer::new();
            let mut got = Vec::new();
            for piece in stream.chunks(1460) {
                deframer.push(piece);
                got.extend(rtp(take(&mut deframer)));
            }
            let whole = got.iter().filter(|p| packets.contains(p)).count();
            assert!(whole >= 190, "{whole} of 200 came through");
            assert_eq!(got.last(), packets.last());
        }
    }
}

#[test]
fn endless_garbage_is_bounded_and_searched_cheaply() {
    let mut deframer = Deframer::new();
    deframer.push(&rfc4571(&packets(3)));
    let _ = take(&mut deframer);
    let mut rng = Rng(8);
    for _ in 0..3000 {
        deframer.push(&rng.bytes(1000));
        let _ = take(&mut deframer);
    }
    assert!(deframer.is_lost() || deframer.stats().skipped_bytes > 1_000_000);
    deframer.push(&rfc4571(&packets(300)));
    assert!(take(&mut deframer).len() > 100);
}
