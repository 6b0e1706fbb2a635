//! Program and transport streams: real ones, and everything devices do to them.

mod parse_support;

use bytes::Bytes;
use codecs::hub::unit::Codec;
use codecs::mpeg::pes::PesHeader;
use codecs::mpeg::ps_demux::PsDemux;
use codecs::mpeg::ps_mux::PsMux;
use codecs::mpeg::ts_demux::{TsDemux, TsOutput};
use codecs::mpeg::{stream_type, EsChunk};
use parse_support::*;

fn drain(demux: &mut PsDemux) -> Vec<EsChunk> {
    std::iter::from_fn(|| demux.poll()).collect()
}

fn demux_all(data: &[u8]) -> Vec<EsChunk> {
    let mut demux = PsDemux::new();
    demux.push(data);
    demux.finish();
    drain(&mut demux)
}

fn video(chunks: &[EsChunk]) -> Vec<Vec<Bytes>> {
    chunks.iter().filter(|c| c.is_video()).map(|c| nalus(&c.data)).collect()
}

fn all_nalus(chunks: &[EsChunk]) -> Vec<Bytes> {
    video(chunks).concat()
}

fn mux() -> PsMux {
    PsMux::new(Some(stream_type::H264), Some(stream_type::G711A))
}

/// `count` pictures with a key frame every fourth, 3600 ticks apart, with voice between them.
fn stream(count: u32, len: usize) -> (Vec<Vec<Bytes>>, Vec<Vec<u8>>) {
    let pictures = (0..count).map(|i| h264_picture(i % 4 == 0, i, len)).collect::<Vec<_>>();
    let muxed = pictures.iter().enumerate().map(|(i, p)| {
        let pts = (1 << 33) - 7200 + i as i64 * 3600;
        let mut pack = mux().video(p, pts, pts, i % 4 == 0);
        pack.extend(mux().audio(&[0xd5; 320], pts));
        pack
    });
    let muxed = muxed.collect();
    (pictures, muxed)
}

#[test]
fn muxed_comes_back() {
    for len in [10, 2000, 400_000] {
        let (pictures, packs) = stream(5, len);
        let chunks = demux_all(&packs.concat());
        assert_eq!(video(&chunks), pictures);
        let pts = chunks.iter().filter(|c| c.is_video()).map(|c| c.pts.unwrap()).collect::<Vec<_>>();
        assert_eq!(pts, [(1u64 << 33) - 7200, (1 << 33) - 3600, 0, 3600, 7200]);
        let audio = chunks.iter().filter(|c| !c.is_video()).collect::<Vec<_>>();
        assert!(audio.len() == 5 && audio.iter().all(|c| c.data[..] == [0xd5; 320] && c.stream_type == 0x90));
    }
}

#[test]
fn cut_anywhere_gives_the_same() {
    let (pictures, packs) = stream(4, 700);
    let data = packs.concat();
    let whole = demux_all(&data);
    let mut rng = Rng(3);
    for round in 0..300 {
        let mut demux = PsDemux::new();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let n = 1 + rng.below([1, 5, 300, 1400][round % 4]).min(rest.len() - 1);
            demux.push(&rest[..n]);
            rest = &rest[n..];
        }
        demux.finish();
        let got = drain(&mut demux);
        assert_eq!(got, whole, "round {round}");
        assert_eq!(video(&got), pictures);
    }
}

#[test]
fn real_streams_of_another_muxer() {
    for (name, codec) in [("ps_h264.ps", Codec::H264), ("ps_h264_b.ps", Codec::H264), ("ps_h265.ps", Codec::H265)] {
        let data = vector(name);
        // what stands between system headers, by a simple reading of our own
        let chunks = demux_all(&data);
        let got = all_nalus(&chunks);
        let pictures = pictures(codec, &annexb(&got));
        assert_eq!(pictures.len(), 30, "{name}");
        assert!(chunks.iter().all(|c| !c.damaged));
        for size in [1, 7, 188, 1400] {
            let mut demux = PsDemux::new();
            data.chunks(size).for_each(|p| demux.push(p));
            demux.finish();
            assert_eq!(all_nalus(&drain(&mut demux)), got, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn a_proven_marker_ends_a_frame_at_once() {
    let (pictures, packs) = stream(8, 3000);
    let mut demux = PsDemux::new();
    let mut got = Vec::new();
    for (i, pack) in packs.iter().enumerate() {
        pack.chunks(1400).for_each(|p| demux.push(p));
        demux.end_hint();
        got.extend(drain(&mut demux));
        let frames = video(&got).len();
        assert_eq!(frames, if i < 2 { i } else { i + 1 }, "after pack {i}");
    }
    assert_eq!(video(&got), pictures);
}

#[test]
fn a_lying_marker_is_found_out() {
    let (pictures, packs) = stream(8, 3000);
    let mut demux = PsDemux::new();
    for pack in &packs {
        for piece in pack.chunks(1400) {
            demux.push(piece);
            demux.end_hint();
        }
    }
    demux.finish();
    assert_eq!(video(&drain(&mut demux)), pictures);
}

/// Replaces the first PES length of a pack.
fn with_pes_length(pack: &[u8], id: u8, length: u16) -> Vec<u8> {
    let mut out = pack.to_vec();
    let at = out.windows(4).position(|w| w == [0, 0, 1, id]).unwrap();
    out[at + 4..at + 6].copy_from_slice(&length.to_be_bytes());
    out
}

#[test]
fn pes_lengths_that_lie() {
    let (pictures, packs) = stream(6, 3000);
    for length in [0u16, 1, 100, 1500] {
        let data = packs.iter().map(|p| with_pes_length(p, 0xe0, length)).collect::<Vec<_>>();
        assert_eq!(video(&demux_all(&data.concat())), pictures, "length {length}");
        let mut demux = PsDemux::new();
        data.concat().chunks(11).for_each(|p| demux.push(p));
        demux.finish();
        assert_eq!(video(&drain(&mut demux)), pictures, "length {length}, in small pieces");
    }
    // too long: the next pack header at the start of a payload ends it
    let bare = pictures.iter().enumerate().map(|(i, p)| mux().video(p, i as i64 * 3600, i as i64 * 3600, false));
    let mut demux = PsDemux::new();
    for pack in bare {
        with_pes_length(&pack, 0xe0, 60_000).chunks(1400).for_each(|p| demux.push(p));
    }
    demux.finish();
    assert_eq!(video(&drain(&mut demux)), pictures);
    assert!(demux.stats().resyncs >= 5);
}

#[test]
fn maps_missing_late_or_wrong() {
    let picture = h264_picture(true, 0, 500);
    let good = mux().video(&picture, 0, 0, true);
    let at = good.windows(4).position(|w| w == [0, 0, 1, 0xbc]).unwrap();
    let len = 6 + usize::from(u16::from_be_bytes([good[at + 4], good[at + 5]]));
    let mut wrong_crc = good.clone();
    wrong_crc[at + len - 1] ^= 0xff;
    let mut wrong_info = good.clone();
    wrong_info[at + 14] = 0xff; // elementary_stream_info_length
    let mut wrong_map_length = good.clone();
    wrong_map_length[at + 10] = 0x7f;
    let without = [&good[..at], &good[at + len..]].concat();
    for (name, pack, bad) in
        [("crc", wrong_crc, 1), ("info", wrong_info, 1), ("map length", wrong_map_length, 1), ("missing", without, 0)]
    {
        let mut demux = PsDemux::new();
        demux.push(&pack);
        demux.finish();
        assert_eq!(video(&drain(&mut demux)), std::slice::from_ref(&picture), "{name}");
        assert_eq!(demux.stats().psm_bad, bad, "{name}");
    }
}

#[test]
fn private_packets_and_stray_start_codes() {
    let (pictures, packs) = stream(3, 500);
    let mut private = vec![0, 0, 1, 0xbd, 0, 12];
    private.extend([0, 0, 1, 0xba, 0, 0, 1, 0xe0, 1, 2, 3, 4]); // start codes inside it mean nothing
    let padding = [0, 0, 1, 0xbf, 0, 2, 9, 9];
    let mut data = Vec::new();
    for pack in &packs {
        data.extend_from_slice(pack);
        data.extend_from_slice(&private);
        data.extend_from_slice(&padding);
        data.extend_from_slice(&[0, 0, 0, 1]); // and a pack header follows: 00 00 00 01 00 00 01 BA
    }
    let mut demux = PsDemux::new();
    demux.push(&data);
    demux.finish();
    assert_eq!(video(&drain(&mut demux)), pictures);
    assert_eq!(demux.stats().skipped_packets, 6);
}

#[test]
fn an_empty_pack_header() {
    let (pictures, packs) = stream(3, 500);
    let bare = packs.iter().map(|p| {
        let pes = p.windows(4).position(|w| w == [0, 0, 1, 0xe0]).unwrap();
        [&[0, 0, 1, 0xba], &p[pes..]].concat()
    });
    assert_eq!(video(&demux_all(&bare.collect::<Vec<_>>().concat())), pictures);
}

#[test]
fn start_in_the_middle() {
    let (pictures, packs) = stream(6, 2000);
    let data = packs.concat();
    for from in [1, 13, 40, 333, 1999] {
        let got = video(&demux_all(&data[from..]));
        assert_eq!(got, pictures[1..], "from byte {from}");
    }
}

#[test]
fn loss_in_the_middle_of_a_frame() {
    let (pictures, packs) = stream(4, 5000);
    let mut demux = PsDemux::new();
    demux.push(&packs[0]);
    demux.push(&packs[1][..1400]);
    demux.lost();
    demux.push(&packs[1][2800..]);
    demux.push(&packs[2]);
    demux.push(&packs[3]);
    demux.finish();
    let chunks = drain(&mut demux);
    let damaged = chunks.iter().filter(|c| c.is_video()).map(|c| c.damaged).collect::<Vec<_>>();
    assert_eq!(damaged.iter().filter(|d| **d).count(), 1);
    let whole = chunks.into_iter().filter(|c| !c.damaged).collect::<Vec<_>>();
    assert_eq!(video(&whole), [pictures[0].clone(), pictures[2].clone(), pictures[3].clone()]);
}

#[test]
fn a_frame_without_end_is_bounded() {
    let mut demux = PsDemux::new();
    let mut head = vec![0, 0, 1, 0xba, 0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0];
    head.extend([0, 0, 0, 1, 0x65]);
    demux.push(&head);
    for _ in 0..20_000 {
        demux.push(&[0x55; 1400]);
    }
    assert_eq!(demux.stats().oversized, 1);
    demux.push(&mux().video(&h264_picture(true, 0, 10), 0, 0, true));
    demux.finish();
    assert_eq!(drain(&mut demux).iter().filter(|c| !c.damaged).count(), 1);
}

#[test]
fn noise_is_survived() {
    let mut rng = Rng(11);
    let (_, packs) = stream(3, 900);
    let clean = packs.concat();
    for _ in 0..400 {
        let mut data = clean.clone();
        for _ in 0..1 + rng.below(30) {
            let at = rng.below(data.len());
            data[at] = rng.u64() as u8;
        }
        let mut demux = PsDemux::new();
        data.chunks(1 + rng.below(1400)).for_each(|p| demux.push(p));
        // and it finds back: the last of three clean frames in a row comes whole
        clean.chunks(1400).for_each(|p| demux.push(p));
        demux.push(&packs[0]);
        demux.finish();
        let got = video(&drain(&mut demux));
        assert!(got.contains(&h264_picture(false, 2, 900)));
    }
}

fn chunks_of(demux: &mut TsDemux) -> Vec<EsChunk> {
    let outputs = std::iter::from_fn(|| demux.poll());
    outputs.filter_map(|o| if let TsOutput::Chunk(c) = o { Some(c) } else { None }).collect()
}

#[test]
fn transport_stream_of_another_muxer() {
    let data = vector("ts_h264_aac.ts");
    let run = |sizes: &mut dyn FnMut() -> usize| {
        let mut demux = TsDemux::new();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let n = sizes().clamp(1, rest.len());
            demux.push(&rest[..n]);
            rest = &rest[n..];
        }
        demux.finish();
        chunks_of(&mut demux)
    };
    let chunks = run(&mut || 188);
    let got = video(&chunks);
    assert_eq!(got.len(), 30);
    assert!(chunks.iter().filter(|c| c.is_video()).all(|c| c.stream_type == 0x1b && c.pts.is_some()));
    assert!(chunks.iter().any(|c| c.stream_type == 0x0f));
    let mut rng = Rng(5);
    assert_eq!(run(&mut || 1 + rng.below(500)), chunks);
    // garbage before it, a packet missing inside it
    let mut demux = TsDemux::new();
    demux.push(&[0xff; 77]);
    demux.push(&data[..188 * 27]);
    demux.push(&data[188 * 28..]);
    demux.finish();
    let damaged = chunks_of(&mut demux).iter().filter(|c| c.damaged).count();
    assert_eq!((damaged, demux.stats().missing), (1, 1));
}

#[test]
fn pes_header_of_every_length() {
    for extra in 0..=250usize {
        let mut data = vec![0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, extra as u8];
        data.resize(9 + extra, 0x21);
        data.extend([1, 2, 3]);
        let found = PesHeader::look(&data);
        assert!(matches!(found, codecs::mpeg::pes::Look::Found(h) if h.header_bytes == 9 + extra));
    }
}
