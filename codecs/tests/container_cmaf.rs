//! CMAF for LL-HLS: parts and segments as asked, decoded by FFmpeg, read back; changes and gaps of the source.

#[path = "container_support/mod.rs"]
mod support;

use bytes::{Bytes, BytesMut};
use codecs::container::cmaf::CmafWriter;
use codecs::container::flv::file::FlvReader;
use codecs::container::fmp4_read::Fmp4Reader;
use codecs::container::{Found, Reader, Writer};
use codecs::hub::unit::{AccessUnit, Codec, Kind};
use codecs::time::Micros;
use support::*;

#[derive(Debug, Clone)]
struct Record {
    kind: u8,
    key: bool,
    begin: i64,
    length: i64,
    data: Vec<u8>,
}

fn records(mut bytes: &[u8]) -> Vec<Record> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let len = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let r = &bytes[4..4 + len];
        assert_eq!(&r[2..4], [0, 0]);
        out.push(Record {
            kind: r[0],
            key: r[1] & 1 == 1,
            begin: i64::from_be_bytes(r[4..12].try_into().unwrap()),
            length: i64::from(u32::from_be_bytes(r[12..16].try_into().unwrap())),
            data: r[16..].to_vec(),
        });
        bytes = &bytes[4 + len..];
    }
    out
}

fn source(file: &str) -> Vec<Found> {
    let mut out = Vec::new();
    let mut reader: Box<dyn Reader> =
        if file.ends_with("flv") { Box::new(FlvReader::new()) } else { Box::new(Fmp4Reader::new()) };
    reader.push(&vector(file), Micros(9_000_000), &mut out).unwrap();
    out
}

fn kinds(records: &[Record]) -> String {
    records.iter().map(|r| ['I', 'p', 'S', 'D'][usize::from(r.kind)]).collect()
}

fn media(records: &[Record]) -> Vec<u8> {
    records.iter().filter(|r| r.kind < 2).flat_map(|r| r.data.clone()).collect()
}

#[test]
fn parts_and_segments_are_as_asked_and_ffmpeg_decodes_them() {
    for (file, names, sound_left) in
        [("flv_h264_b_aac.flv", ["h264", "aac"], 15), ("flv_h265_opus.flv", ["hevc", "opus"], 16)]
    {
        let all = source(file);
        let (mut writer, mut out) = (CmafWriter::new(200, 800), BytesMut::new());
        write_all(&mut writer, &all, &mut out);
        let records = records(&out);
        assert_eq!(kinds(&records[..8]), "IpppppSp", "{file}: {}", kinds(&records));
        assert_eq!(kinds(&records).matches('S').count(), 2);
        let parts = records.iter().filter(|r| r.kind == 1).collect::<Vec<_>>();
        // 12.5 pictures a second: two fit into 200 ms.
        assert!(
            parts.iter().skip(1).all(|p| p.length == 2 * 7200),
            "{:?}",
            parts.iter().map(|p| p.length).collect::<Vec<_>>()
        );
        assert!(parts.windows(2).all(|w| w[1].begin == w[0].begin + w[0].length), "no gap between parts");
        assert_eq!(
            parts.iter().map(|p| p.key).collect::<Vec<_>>(),
            (0..parts.len()).map(|i| i % 5 == 0).collect::<Vec<_>>()
        );
        let ends = records.iter().filter(|r| r.kind == 2).map(|r| r.length).collect::<Vec<_>>();
        assert!(ends.iter().all(|l| (72_000..=73_000).contains(l)), "{ends:?}");
        // What is not yet in a part has no end yet: one or two pictures, and the sound beside them.
        let counted = ffprobe(&media(&records), "mp4");
        let sound = units(&all, Kind::Audio).len();
        assert_eq!(counted[0], (names[0].to_owned(), parts.len() * 2), "{file}");
        assert!(counted[1].0 == names[1] && counted[1].1 >= sound - sound_left, "{counted:?} of {sound}");
        let mut again = Vec::new();
        Fmp4Reader::new().push(&media(&records), Micros(9_000_000), &mut again).unwrap();
        assert!(problems(&again).is_empty());
        let (before, after) = (units(&all, Kind::Video), units(&again, Kind::Video));
        for (a, b) in before.iter().zip(&after) {
            assert_eq!((a.key, a.pts - a.dts), (b.key, b.pts - b.dts));
        }
        assert!(tracks(&again).iter().any(|t| t.codec.kind() == Kind::Video && t.width == 160));
    }
}

#[test]
fn a_stream_of_sound_alone_has_parts_too() {
    let all = source("flv_h264_b_aac.flv").into_iter().filter(|f| match f {
        Found::Unit(u) => u.kind == Kind::Audio,
        Found::Track(t) => t.codec == Codec::Aac,
        _ => false,
    });
    let (mut writer, mut out) = (CmafWriter::new(200, 800), BytesMut::new());
    write_all(&mut writer, &all.collect::<Vec<_>>(), &mut out);
    let records = records(&out);
    assert!(kinds(&records).starts_with("IpppppSpppppS"), "{}", kinds(&records));
    assert!(records.iter().filter(|r| r.kind == 1).all(|r| r.key && (20 * 90..=202 * 90).contains(&r.length)));
    let counted = ffprobe(&media(&records), "mp4");
    assert!(counted.len() == 1 && counted[0].0 == "aac" && counted[0].1 >= 80, "{counted:?}");
}

fn feed(writer: &mut CmafWriter, found: &[Found], shift_90k: i64, out: &mut BytesMut) {
    for kind in [Kind::Video, Kind::Audio] {
        if let Some(track) = tracks(found).into_iter().rev().find(|t| t.codec.kind() == kind) {
            writer.track(&track, out);
        }
    }
    for f in found {
        if let Found::Unit(u) = f {
            let rate = if u.kind == Kind::Video { 90_000 } else { 48_000 };
            let by = shift_90k * rate / 90_000;
            writer.unit(&AccessUnit { pts: u.pts + by, dts: u.dts + by, ..u.clone() }, out);
        }
    }
}

#[test]
fn another_codec_brings_a_new_init_segment_behind_a_discontinuity() {
    let (a, b) = (source("flv_h264_b_aac.flv"), source("flv_h265_opus.flv"));
    let (mut writer, mut out) = (CmafWriter::new(200, 800), BytesMut::new());
    feed(&mut writer, &a, 0, &mut out);
    feed(&mut writer, &b, 3 * 90_000, &mut out);
    let records = records(&out);
    let text = kinds(&records);
    assert_eq!((text.matches('I').count(), text.matches("SDI").count()), (2, 1), "{text}");
    let second = text.rfind('I').unwrap();
    assert_eq!(ffprobe(&media(&records[..second]), "mp4")[0], ("h264".to_owned(), 25), "nothing is lost at the change");
    assert_eq!(ffprobe(&media(&records[second..]), "mp4")[0].0, "hevc");
    assert!(records[second + 1].key);
}

#[test]
fn a_gap_of_the_source_is_a_discontinuity_and_nothing_stretches_over_it() {
    let a = source("flv_h264_b_aac.flv");
    let (mut writer, mut out) = (CmafWriter::new(200, 800), BytesMut::new());
    feed(&mut writer, &a, 0, &mut out);
    feed(&mut writer, &a, 60 * 90_000, &mut out);
    let records = records(&out);
    let text = kinds(&records);
    assert_eq!((text.matches('I').count(), text.matches("SD").count()), (1, 1), "{text}");
    assert!(records.iter().all(|r| r.length <= 82_000), "{:?}", records.iter().map(|r| r.length).max());
    let after = &records[text.find('D').unwrap() + 1];
    assert!(after.key && after.kind == 1);
}

#[test]
fn a_picture_that_stands_still_does_not_keep_its_sound_back() {
    let all = source("flv_h264_b_aac.flv");
    let audio = units(&all, Kind::Audio);
    let (mut writer, mut out) = (CmafWriter::new(200, 800), BytesMut::new());
    feed(&mut writer, &all, 0, &mut out);
    out.clear();
    let mut t = audio.last().unwrap().dts;
    for _ in 0..200 {
        t += 1024;
        let unit = AccessUnit { pts: t, dts: t, nalus: vec![Bytes::from_static(&[0x21, 0, 0])], ..audio[0].clone() };
        writer.unit(&unit, &mut out);
    }
    let found = records(&out);
    assert!(kinds(&found).matches('p').count() >= 3, "{}", kinds(&found));
    // And its segments end, near the asked length: one part of sound is a second and a half at most.
    let ends = found.iter().filter(|r| r.kind == 2).map(|r| r.length).collect::<Vec<_>>();
    assert!(ends.len() >= 2 && ends.iter().all(|l| *l <= 72_000 + 135_000), "{} {ends:?}", kinds(&found));
    assert!(found.iter().all(|r| r.kind == 1 || r.kind == 2), "{}", kinds(&found));
}

#[test]
fn sound_that_lies_ahead_of_its_picture_ends_no_segment() {
    let all = source("flv_h264_b_aac.flv");
    let (video, audio) = (units(&all, Kind::Video)[0].clone(), units(&all, Kind::Audio)[0].clone());
    let (mut writer, mut out) = (CmafWriter::new(200, 800), BytesMut::new());
    tracks(&all).into_iter().for_each(|track| writer.track(&track, &mut out));
    let begin = video.dts;
    // Three seconds: a key frame each second, and the sound two seconds ahead.
    for n in 0..75 {
        let nalu: &'static [u8] = if n % 25 == 0 { &[0x65, 0x88, 0x84, 0x21] } else { &[0x41, 0x9a, 0x21, 0x12] };
        let (at, key) = (begin + n * 3600, n % 25 == 0);
        let picture = AccessUnit { pts: at, dts: at, key, nalus: vec![Bytes::from_static(nalu)], ..video.clone() };
        writer.unit(&picture, &mut out);
        for half in 0..2 {
            let at = (at + 2 * 90_000) * 48_000 / 90_000 + half * 960;
            let nalus = vec![Bytes::from_static(&[0x21, 0, 0])];
            writer.unit(&AccessUnit { pts: at, dts: at, nalus, ..audio.clone() }, &mut out);
        }
    }
    let found = records(&out);
    let begun = found.windows(2).filter(|w| w[0].kind == 2).map(|w| w[1].key).collect::<Vec<_>>();
    assert!(begun.len() >= 2 && begun.iter().all(|key| *key), "{} {begun:?}", kinds(&found));
}

#[test]
fn a_part_ends_by_its_bytes_where_time_hardly_moves() {
    let all = source("flv_h264_b_aac.flv");
    let video = tracks(&all).into_iter().rev().find(|t| t.codec == Codec::H264).unwrap();
    let nalu = Bytes::from([&[0x41, 0x9a][..], &[7; 1 << 20]].concat());
    let (mut writer, mut out) = (CmafWriter::new(200, 800), BytesMut::new());
    writer.track(&video, &mut out);
    let (mut most, mut made) = (0, 0);
    for n in 0..100 {
        let nalus = vec![if n == 0 { Bytes::from_static(&[0x65, 0x88, 0x84, 0x21]) } else { nalu.clone() }];
        let unit = AccessUnit { pts: n, dts: n, key: n == 0, nalus, ..units(&all, Kind::Video)[0].clone() };
        writer.unit(&unit, &mut out);
        let found = records(&out.split());
        most = most.max(found.iter().map(|r| r.data.len()).max().unwrap_or(0));
        made += found.iter().map(|r| r.data.len()).sum::<usize>();
    }
    assert!(most < 12 << 20 && made > 80 << 20, "{most} bytes in one part, {made} in all");
}

#[test]
fn a_source_without_key_frames_is_asked_for_one_and_others_are_not() {
    let picture = |at: i64, key: bool| AccessUnit {
        kind: Kind::Video,
        nalus: vec![Bytes::from_static(if key { &[0x65, 0x88, 0x84, 0x21] } else { &[0x41, 0x9a, 0x21, 0x12] })],
        pts: at,
        dts: at,
        key,
        after_loss: false,
        arrival: Micros(0),
        capture_unix_us: None,
    };
    // Seconds at which it asks, of 12 seconds of 25 pictures with a key frame at these.
    let asks = |keys: &[i64]| {
        let (mut writer, mut out) = (CmafWriter::new(200, 2000), BytesMut::new());
        let all = source("flv_h264_b_aac.flv");
        let video = tracks(&all).into_iter().find(|t| t.codec == Codec::H264).unwrap();
        writer.track(&video, &mut out);
        let mut asked = Vec::new();
        for n in 0..300 {
            writer.unit(&picture(n * 3600, n % 25 == 0 && keys.contains(&(n / 25))), &mut out);
            if writer.wants_key() {
                asked.push(n / 25);
            }
        }
        (asked, kinds(&records(&out)).matches('S').count())
    };
    assert_eq!(asks(&[0, 2, 4, 6, 8, 10]), (vec![], 5));
    assert_eq!(asks(&[0, 4, 8]), (vec![], 2), "a group of twice the length is still no reason");
    assert_eq!(asks(&[0]), (vec![4, 6, 8, 10], 0), "and again, as the wish may have been lost");
    assert_eq!(asks(&[0, 5]), (vec![4, 9, 11], 1), "what comes ends the segment");
}

/// Where each unit of a kind lies, from the first picture on, as a player reads it.
fn read_back(records: &[Record], kind: Kind) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    Fmp4Reader::new().push(&media(records), Micros(0), &mut found).unwrap();
    let units = |kind: Kind| {
        let of =
            move |f: &Found| if let Found::Unit(u) = f { (u.kind == kind).then_some((u.pts, u.dts)) } else { None };
        found.iter().filter_map(of).collect::<Vec<_>>()
    };
    let first = units(Kind::Video)[0].1;
    let first = if kind == Kind::Video { first } else { first * 48_000 / 90_000 };
    units(kind).iter().map(|(pts, dts)| (pts - first, dts - first)).collect()
}

#[test]
fn pictures_that_are_decoded_before_the_time_line_begins_keep_their_distances() {
    let a = source("flv_h264_b_aac.flv");
    let written = |shift_90k: i64| {
        let (mut writer, mut out) = (CmafWriter::new(200, 800), BytesMut::new());
        feed(&mut writer, &a, shift_90k, &mut out);
        records(&out)
    };
    let begin = a.iter().find_map(|f| if let Found::Unit(u) = f { Some(u.dts) } else { None }).unwrap();
    let (usual, early) = (written(90_000), written(-begin - 43_200));
    assert!(early.iter().filter(|r| r.kind == 1).all(|r| r.begin >= 0), "begins of parts are on the time line");
    for kind in [Kind::Video, Kind::Audio] {
        assert_eq!(read_back(&early, kind), read_back(&usual, kind), "{kind:?}");
    }
}
