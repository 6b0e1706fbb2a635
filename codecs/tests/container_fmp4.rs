//! Fragmented MP4 against files of FFmpeg, cut anywhere; init segments that come again; claims that do not fit.

#[path = "container_support/mod.rs"]
mod support;

use codecs::container::fmp4_read::Fmp4Reader;
use codecs::container::{Found, Reader};
use codecs::hub::unit::{Codec, Kind};
use codecs::time::Micros;
use support::*;

fn read(data: &[u8], piece: usize) -> Vec<Found> {
    let (mut reader, mut out) = (Fmp4Reader::new(), Vec::new());
    for part in data.chunks(piece) {
        reader.push(part, Micros(9_000_000), &mut out).unwrap();
    }
    out
}

/// The boxes of a file: (kind, whole box).
fn boxes(data: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at + 8 <= data.len() {
        let size = u32::from_be_bytes(data[at..at + 4].try_into().unwrap()) as usize;
        out.push((String::from_utf8_lossy(&data[at + 4..at + 8]).into_owned(), data[at..at + size].to_vec()));
        at += size;
    }
    out
}

#[test]
fn files_of_ffmpeg_are_read_whole_however_they_are_cut() {
    for (file, codecs, sound_frames) in [
        ("fmp4_h264_b_aac.mp4", [Codec::H264, Codec::Aac], 95),
        ("fmp4_h265_opus.mp4", [Codec::H265, Codec::Opus], 101),
    ] {
        let data = vector(file);
        let all = read(&data, data.len());
        assert_eq!(tracks(&all).iter().map(|t| t.codec).collect::<std::collections::HashSet<_>>(), codecs.into());
        assert!(problems(&all).is_empty(), "{:?}", problems(&all));
        let (video, audio) = (units(&all, Kind::Video), units(&all, Kind::Audio));
        assert_eq!((video.len(), audio.len()), (25, sound_frames), "{file}");
        assert_eq!(video.iter().filter(|u| u.key).count(), 3);
        let steps = video.windows(2).map(|w| w[1].dts - w[0].dts).collect::<Vec<_>>();
        assert!(steps[1..].iter().all(|s| (7199..=7201).contains(s)), "{file}: {steps:?}");
        for piece in [1, 11, 1000] {
            assert_eq!(format!("{:?}", read(&data, piece)), format!("{all:?}"), "{file} in pieces of {piece}");
        }
    }
    let all = read(&vector("fmp4_h264_b_aac.mp4"), 4096);
    assert!(units(&all, Kind::Video).iter().filter(|u| u.pts != u.dts).count() >= 15, "composition offsets");
    // One fragment holds a group of pictures and its sound: they come in the order of their times.
    let order = all.iter().filter_map(|f| if let Found::Unit(u) = f { Some(u.kind) } else { None }).collect::<Vec<_>>();
    let turns = order.windows(2).filter(|w| w[0] != w[1]).count();
    assert!(turns > 30, "{turns}");
}

#[test]
fn init_segments_come_again_and_another_codec_follows() {
    let (a, b) = (vector("fmp4_h264_b_aac.mp4"), vector("fmp4_h265_opus.mp4"));
    let all = read(&[a.clone(), a.clone(), b, a].concat(), 5000);
    assert!(problems(&all).is_empty(), "{:?}", problems(&all));
    assert_eq!(units(&all, Kind::Video).len(), 100);
    let video = tracks(&all).into_iter().filter(|t| t.codec.kind() == Kind::Video).map(|t| t.codec).collect::<Vec<_>>();
    let mut turns = video.clone();
    turns.dedup();
    assert_eq!(turns, [Codec::H264, Codec::H265, Codec::H264]);
    let times = units(&all, Kind::Video).iter().map(|u| u.dts).collect::<Vec<_>>();
    assert!(times.windows(2).all(|w| w[1] > w[0]));
}

#[test]
fn boxes_that_mean_nothing_are_stepped_over_and_a_late_join_waits_for_its_init() {
    let parts = boxes(&vector("fmp4_h264_b_aac.mp4"));
    let kinds = parts.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>();
    assert_eq!(&kinds[..4], ["ftyp", "moov", "moof", "mdat"]);
    let sidx = [&[0u8, 0, 0, 20][..], b"sidx", &[0; 12]].concat();
    let large = [&[0u8, 0, 0, 1][..], b"emsg", &[0, 0, 0, 0, 0, 0, 0, 30], &[0; 14]].concat();
    let mut data = Vec::new();
    // A fragment before the first init segment can not be read.
    data.extend([parts[2].1.clone(), parts[3].1.clone()].concat());
    for (_, part) in &parts {
        data.extend(&sidx);
        data.extend(&large);
        // Inside a fragment nothing may stand between moof and mdat but what counts into the offsets.
        if part[4..8] == *b"mdat" {
            data.truncate(data.len() - sidx.len() - large.len());
        }
        data.extend(part);
    }
    let all = read(&data, 77);
    assert_eq!(units(&all, Kind::Video).len(), 25, "{:?}", problems(&all));
}

#[test]
fn claims_that_do_not_fit_are_refused_or_told() {
    let refused = |data: &[u8]| Fmp4Reader::new().push(data, Micros(1), &mut Vec::new()).unwrap_err().what;
    assert_eq!(refused(b"\0\0\0\x07moov"), "MP4 box smaller than its head");
    assert_eq!(refused(b"\x7f\xff\xff\xffmoov"), "MP4 box too large");
    assert_eq!(refused(b"\x7f\xff\xff\xffmoof"), "MP4 box too large");
    assert_eq!(refused(b"HTTP/1.1 404 Not Found\r\n"), "no MP4 box where one is due");
    let parts = boxes(&vector("fmp4_h264_b_aac.mp4"));
    let mut plain = parts[1].1.clone();
    let mvex = plain.windows(4).position(|w| w == b"mvex").unwrap();
    plain[mvex..mvex + 4].copy_from_slice(b"free");
    assert_eq!(refused(&plain), "an MP4 file without fragments");
    // A fragment cut short: its samples lie outside.
    let mut short = [&parts[0].1[..], &parts[1].1, &parts[2].1].concat();
    short.extend([0, 0, 0, 12, b'm', b'd', b'a', b't', 1, 2, 3, 4]);
    short.extend([parts[4].1.clone(), parts[5].1.clone()].concat());
    let all = read(&short, 100);
    assert_eq!(problems(&all)[0].0, "mp4-broken-fragment");
    assert!(!units(&all, Kind::Video).is_empty(), "the next fragment is read");
}

#[test]
fn a_few_bytes_do_not_become_many_samples() {
    let parts = boxes(&vector("fmp4_h264_b_aac.mp4"));
    let boxed = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
    let tfhd = boxed(b"tfhd", &[0, 2, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0]);
    let trun = boxed(b"trun", &[0, 0, 0, 0, 0, 0, 0x7f, 0xff]);
    let moof = boxed(b"moof", &boxed(b"traf", &[tfhd, trun].concat()));
    let all = read(&[&parts[0].1[..], &parts[1].1, &moof, &boxed(b"mdat", &[1, 2, 3])].concat(), 1000);
    assert_eq!(problems(&all)[0].1, "too many samples without a word of their own");
}

#[test]
fn samples_do_not_share_bytes_and_have_no_more_nal_units_than_a_fragment_may() {
    let parts = boxes(&vector("fmp4_h264_b_aac.mp4"));
    let boxed = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
    // A key picture with its sets in band, and a thousand NAL units of one byte behind.
    let whole = units(&read(&vector("fmp4_h264_b_aac.mp4"), 4096), Kind::Video)[0].clone();
    let nalu = |n: &[u8]| [&(n.len() as u32).to_be_bytes()[..], n].concat();
    let sample = whole.nalus.iter().map(|n| n.to_vec()).chain((0..1000).map(|_| vec![12])).flat_map(|n| nalu(&n));
    let sample = sample.collect::<Vec<_>>();
    let fragment = |runs: usize, apart: bool| {
        let tfhd = boxed(b"tfhd", &[0, 2, 0, 0, 0, 0, 0, 1]);
        let size = (sample.len() as u32).to_be_bytes();
        let made = |first: u32| {
            let run = |i: usize| {
                let at = first + if apart { (i * sample.len()) as u32 } else { 0 };
                let one = [&90u32.to_be_bytes()[..], &size].concat();
                boxed(b"trun", &[&[0, 0, 3, 1, 0, 0, 0, 1][..], &at.to_be_bytes(), &one].concat())
            };
            let runs = (0..runs).flat_map(run).collect::<Vec<_>>();
            boxed(b"moof", &boxed(b"traf", &[tfhd.clone(), runs].concat()))
        };
        let first = made(0).len() as u32 + 8;
        [made(first), boxed(b"mdat", &sample.repeat(if apart { runs } else { 1 }))].concat()
    };
    let found = |runs: usize, apart: bool| {
        let all = read(&[&parts[0].1[..], &parts[1].1, &fragment(runs, apart)].concat(), 1 << 20);
        let nalus = units(&all, Kind::Video).iter().map(|u| u.nalus.len()).sum::<usize>();
        (nalus / 1000, problems(&all).first().map(|p| p.1.clone()))
    };
    let words = Some("a fragment's samples are more than its bytes".to_owned());
    assert_eq!(found(3, true), (3, None));
    assert_eq!(found(3, false), (1, words.clone()));
    let (nalus, told) = found(200, true);
    assert!((130..=132).contains(&nalus) && told == words, "{nalus} thousand, {told:?}");
}

#[test]
fn a_sample_with_nothing_in_it_is_counted_and_no_unit() {
    let data = vector("fmp4_h264_b_aac.mp4");
    let whole = units(&read(&data, data.len()), Kind::Audio).len();
    // The first run of sound: a duration and a size for each sample.
    let runs = data.windows(4).enumerate().filter(|(_, w)| *w == b"trun").map(|(at, _)| at).collect::<Vec<_>>();
    let entry = runs[1] + 4 + 4 + 4 + 4;
    let flags = u32::from_be_bytes(data[runs[1] + 4..runs[1] + 8].try_into().unwrap());
    assert_eq!(flags, 0x301, "an offset, then durations and sizes");
    let (mut broken, third) = (data.clone(), entry + 2 * 8 + 4);
    broken[third..third + 4].copy_from_slice(&[0; 4]);
    let (mut reader, mut all) = (Fmp4Reader::new(), Vec::new());
    reader.push(&broken, Micros(9_000_000), &mut all).unwrap();
    let sound = units(&all, Kind::Audio);
    assert_eq!((sound.len(), reader.dropped_units()), (whole - 1, 1));
    assert!(sound.iter().all(|u| !u.is_empty()));
    assert_eq!(sound[2].pts - sound[1].pts, 2 * 1024, "its place in time stays empty");
}
