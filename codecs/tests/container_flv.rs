//! FLV against files of FFmpeg 5.1 and 8, cut anywhere; what we write comes back, and FFmpeg decodes it.

#[path = "container_support/mod.rs"]
mod support;

use bytes::{BufMut, Bytes, BytesMut};
use codecs::container::flv::file::{FlvReader, FlvWriter};
use codecs::container::flv::tag_read::TagReader;
use codecs::container::{Found, Reader, Writer};
use codecs::hub::unit::{Codec, Kind};
use codecs::time::Micros;
use support::*;

fn read(data: &[u8], piece: usize) -> Vec<Found> {
    let (mut reader, mut out) = (FlvReader::new(), Vec::new());
    for part in data.chunks(piece) {
        reader.push(part, Micros(9_000_000), &mut out).unwrap();
    }
    out
}

#[test]
fn files_of_ffmpeg_are_read_whole_however_they_are_cut() {
    for (file, codecs, sound_frames) in
        [("flv_h264_b_aac.flv", [Codec::H264, Codec::Aac], 95), ("flv_h265_opus.flv", [Codec::H265, Codec::Opus], 101)]
    {
        let data = vector(file);
        let all = read(&data, data.len());
        assert_eq!(tracks(&all).iter().map(|t| t.codec).collect::<std::collections::HashSet<_>>(), codecs.into());
        let (video, audio) = (units(&all, Kind::Video), units(&all, Kind::Audio));
        assert_eq!((video.len(), audio.len()), (25, sound_frames), "{file}");
        assert_eq!(video.iter().filter(|u| u.key).count(), 3);
        let steps = video.windows(2).map(|w| w[1].dts - w[0].dts).collect::<Vec<_>>();
        // FFmpeg lays the edit list of the Opus file into its first step.
        assert!(steps[1..].iter().all(|s| *s == 7200), "{file}: {steps:?}");
        assert!(problems(&all).is_empty(), "{:?}", problems(&all));
        for piece in [1, 7, 1000] {
            assert_eq!(format!("{:?}", read(&data, piece)), format!("{all:?}"), "{file} in pieces of {piece}");
        }
    }
    let all = read(&vector("flv_h264_b_aac.flv"), 4096);
    let reordered = units(&all, Kind::Video).iter().filter(|u| u.pts != u.dts).count();
    assert!(reordered >= 15, "composition offsets are kept: {reordered}");
    assert!(tracks(&all).iter().any(|t| t.b_frames && t.width == 160));
}

#[test]
fn what_is_written_comes_back_and_ffmpeg_decodes_it() {
    let all = read(&vector("flv_h264_b_aac.flv"), 4096);
    let (mut writer, mut file) = (FlvWriter::new(false), BytesMut::new());
    assert!(!writer.carries(Codec::H265) && writer.carries(Codec::Aac));
    write_all(&mut writer, &all, &mut file);
    let counted = ffprobe(&file, "flv");
    assert_eq!(counted, [("h264".to_owned(), 25), ("aac".to_owned(), 95)]);

    for name in ["flv_h264_b_aac.flv", "flv_h265_opus.flv"] {
        let all = read(&vector(name), 4096);
        let (mut writer, mut file) = (FlvWriter::new(true), BytesMut::new());
        write_all(&mut writer, &all, &mut file);
        let again = read(&file, 333);
        assert!(problems(&again).is_empty());
        for kind in [Kind::Video, Kind::Audio] {
            let (before, after) = (units(&all, kind), units(&again, kind));
            assert_eq!(before.len(), after.len(), "{name} {kind:?}");
            for (a, b) in before.iter().zip(&after) {
                let keep = |n: &&Bytes| kind == Kind::Audio || slice(name, n);
                assert!(a.nalus.iter().filter(keep).eq(b.nalus.iter().filter(keep)));
                assert_eq!((a.key, (a.pts - a.dts + 45) / 90), (b.key, (b.pts - b.dts + 45) / 90));
            }
        }
    }
}

fn slice(file: &str, nalu: &[u8]) -> bool {
    if file.contains("h264") {
        matches!(nalu[0] & 31, 1..=5)
    } else {
        nalu[0] >> 1 & 63 < 32
    }
}

#[test]
fn codecs_that_do_not_pass_are_named_once() {
    let all = read(&vector("flv_av1.flv"), 512);
    assert_eq!(problems(&all), [("av1", "AV1".to_owned())]);
    assert!(units(&all, Kind::Video).is_empty());
    let (mut tags, mut out) = (TagReader::new(), Vec::new());
    for (body, said) in [
        (&[0x2f, 0xff, 0xfb][..], "MP3"),
        (&[0xb6, 1, 2], "Speex"),
        (&[0x66, 1, 2], "Nellymoser"),
        (&[0x90, b'f', b'L', b'a', b'C', 1], "FLAC"),
    ] {
        for t in 0..5u64 {
            tags.audio(t as u32 * 20, &Bytes::copy_from_slice(body), Micros(t * 2_000_000), &mut out);
        }
        assert_eq!(problems(&out), [("audio-unsupported", said.to_owned())]);
        out.clear();
        tags = TagReader::new();
    }
}

type Form = Box<dyn Fn(bool, &[u8]) -> Vec<u8>>;

#[test]
fn old_chinese_h265_multitrack_and_modifiers_are_read() {
    let all = read(&vector("flv_h265_opus.flv"), 4096);
    let video = units(&all, Kind::Video);
    let sets = tracks(&all).into_iter().find(|t| t.codec == Codec::H265).unwrap();
    let record = codecs::container::records::hvcc(&sets).unwrap();
    let picture = |unit: &codecs::hub::unit::AccessUnit| {
        let mut b = BytesMut::new();
        for nalu in &unit.nalus {
            b.put_u32(nalu.len() as u32);
            b.put_slice(nalu);
        }
        b.freeze()
    };
    let forms: [(&str, Form); 4] = [
        ("codec id 12", Box::new(|begin, data| [&[0x1c, u8::from(!begin), 0, 0, 0], data].concat())),
        ("hvc1", Box::new(|begin, data| [&[if begin { 0x90 } else { 0x93 }][..], b"hvc1", data].concat())),
        (
            "a modifier of nanoseconds",
            Box::new(|begin, data| {
                let packet = if begin { 0 } else { 3 };
                [&[0x97, 2, 0, 0, 9, packet][..], b"hvc1", data].concat()
            }),
        ),
        (
            "two tracks",
            Box::new(|begin, data| {
                let len = (data.len() as u32).to_be_bytes();
                let head = [0x96, 0x10 | if begin { 0 } else { 3 }];
                let other: &[u8] = if begin { data } else { &[0, 0, 0, 3, 2, 1, 0x80] };
                let other_len = (other.len() as u32).to_be_bytes();
                [&head[..], b"hvc1", &[0], &len[1..], data, &[1], &other_len[1..], other].concat()
            }),
        ),
    ];
    for (name, form) in forms {
        let (mut tags, mut out) = (TagReader::new(), Vec::new());
        tags.video(0, &Bytes::from(form(true, &record)), Micros(1), &mut out);
        for (i, unit) in video.iter().enumerate() {
            tags.video(
                i as u32 * 80,
                &Bytes::from(form(false, &picture(unit))),
                Micros(1 + i as u64 * 80_000),
                &mut out,
            );
        }
        assert_eq!(units(&out, Kind::Video).len(), 25, "{name}: {:?}", problems(&out));
        assert!(problems(&out).is_empty());
    }
}

/// As OBS sends several pictures: the first without a number, plain where FLV has its codec, the others numbered.
#[test]
fn of_several_pictures_and_sounds_the_one_without_a_number_is_taken_alone() {
    let all = read(&vector("flv_h264_b_aac.flv"), 4096);
    let (mut writer, mut file) = (FlvWriter::new(true), BytesMut::new());
    write_all(&mut writer, &all, &mut file);
    let (mut tags, mut out, mut at) = (TagReader::new(), Vec::new(), 13);
    while at < file.len() {
        let h = &file[at..at + 11];
        let (kind, size) = (h[0], u32::from_be_bytes([0, h[1], h[2], h[3]]) as usize);
        let time = u32::from_be_bytes([h[7], h[4], h[5], h[6]]);
        let body = file.clone().freeze().slice(at + 11..at + 11 + size);
        at += 11 + size + 4;
        if kind == 9 {
            // A second picture beside it, whose bytes are others.
            let packet = [0x86 | body[0] & 0x70, body[1]];
            let other = [&packet[..], b"avc1", &[1], &body[if body[1] == 0 { 5 } else { 2 }..]].concat();
            tags.video(time, &body, Micros(1), &mut out);
            tags.video(time, &Bytes::from(other), Micros(1), &mut out);
        } else if kind == 8 {
            let other = [&[0x95, body[1]][..], b"mp4a", &[1], &body[2..]].concat();
            tags.audio(time, &body, Micros(1), &mut out);
            tags.audio(time, &Bytes::from(other), Micros(1), &mut out);
        }
    }
    assert!(problems(&out).is_empty(), "{:?}", problems(&out));
    for kind in [Kind::Video, Kind::Audio] {
        assert_eq!(units(&out, kind).len(), units(&all, kind).len(), "{kind:?}");
    }
}

#[test]
fn a_packet_of_very_many_tracks_is_refused() {
    let (mut tags, mut out) = (TagReader::new(), Vec::new());
    let tracks = |n: usize| Bytes::from([&[0x96, 0x13][..], b"hvc1", &[0; 4].repeat(n)].concat());
    tags.video(0, &tracks(16), Micros(1), &mut out);
    assert_eq!(problems(&out), []);
    tags.video(0, &tracks(17), Micros(1), &mut out);
    assert_eq!(problems(&out)[0].0, "flv-broken-tag");
}

#[test]
fn what_drones_and_encoders_do_wrong_is_taken() {
    let data = vector("h264_baseline.h264");
    let nalus = codecs::packet::annexb::nalus(&data).map(|r| data[r].to_vec()).collect::<Vec<_>>();
    let (sps, pps) = (nalus.iter().find(|n| n[0] & 31 == 7).unwrap(), nalus.iter().find(|n| n[0] & 31 == 8).unwrap());
    let slices = nalus.iter().filter(|n| matches!(n[0] & 31, 1 | 5)).collect::<Vec<_>>();
    let (mut tags, mut out) = (TagReader::new(), Vec::new());
    // Byte stream format in place of lengths, parameter sets in band, an empty sequence header, times that run back.
    tags.video(0, &Bytes::from_static(&[0x17, 0, 0, 0, 0]), Micros(1), &mut out);
    let times = [1000, 1040, 1080, 900, 940, 0xffff_fff0, 30];
    for (i, (time, slice)) in times.iter().zip(&slices).enumerate() {
        let mut body = vec![if i == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0];
        for nalu in if i == 0 { vec![sps, pps, slice] } else { vec![*slice] } {
            body.extend([0, 0, 0, 1]);
            body.extend(nalu);
        }
        tags.video(*time, &Bytes::from(body), Micros(1 + i as u64 * 40_000), &mut out);
    }
    let times = units(&out, Kind::Video).iter().map(|u| u.dts).collect::<Vec<_>>();
    assert_eq!(times.len(), 7, "{:?}", problems(&out));
    assert!(times.windows(2).all(|w| w[1] > w[0]), "{times:?}");
}

#[test]
fn strangers_are_refused_and_broken_tags_are_told() {
    let mut out = Vec::new();
    assert!(FlvReader::new().push(b"HTTP/1.1 404", Micros(1), &mut out).is_err());
    assert!(FlvReader::new().push(b"FLV\x01\x05\xff\xff\xff\xff", Micros(1), &mut out).is_err());
    let (mut tags, mut out) = (TagReader::new(), Vec::new());
    tags.video(0, &Bytes::from_static(&[0x17, 0, 0, 0, 0, 1, 0x64, 0, 9, 0xff, 0xe1, 0x7f, 0xff]), Micros(1), &mut out);
    assert_eq!(problems(&out)[0].0, "flv-broken-tag");
}
