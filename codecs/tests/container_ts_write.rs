//! Transport streams that we write: read by our reader, by FFmpeg and by GStreamer; intervals of tables and clock.

mod container_support;

use std::io::Write;
use std::process::{Command, Stdio};

use bytes::BytesMut;
use codecs::container::flv::file::FlvReader;
use codecs::container::fmp4_read::Fmp4Reader;
use codecs::container::ts_read::TsReader;
use codecs::container::ts_write::TsWriter;
use codecs::container::{Found, Reader, Writer};
use codecs::hub::unit::{Codec, Kind};
use codecs::packet::annexb;
use codecs::time::Micros;
use container_support::*;

const PACKET: usize = 188;

fn found(reader: &mut dyn Reader, data: &[u8]) -> Vec<Found> {
    let mut out = Vec::new();
    reader.push(data, Micros(5_000_000), &mut out).unwrap();
    reader.flush(Micros(5_000_000), &mut out);
    out
}

/// H.264 with B-frames and AAC, H.265 and Opus, H.265 with B-frames and AAC; pictures of each.
fn sources() -> [(Vec<Found>, usize, [&'static str; 2]); 3] {
    [
        (found(&mut FlvReader::new(), &vector("flv_h264_b_aac.flv")), 25, ["h264", "aac"]),
        (found(&mut Fmp4Reader::new(), &vector("fmp4_h265_opus.mp4")), 25, ["hevc", "opus"]),
        (found(&mut TsReader::new(0), &vector("ts_h265_latm.ts")), 30, ["hevc", "aac"]),
    ]
}

fn written(found: &[Found]) -> Vec<u8> {
    let (mut writer, mut out) = (TsWriter::new("Kamera 云台"), BytesMut::new());
    write_all(&mut writer, found, &mut out);
    assert_eq!(out.len() % PACKET, 0);
    assert!(out.chunks(PACKET).all(|p| p[0] == 0x47));
    out.to_vec()
}

fn content(found: &[Found], kind: Kind) -> Vec<Vec<u8>> {
    let keep = |n: &&bytes::Bytes| {
        kind == Kind::Audio || !matches!((n[0] & 31, n[0]), (9, _) | (_, 0x46 | 0x40 | 0x42 | 0x44) | (7 | 8, _))
    };
    units(found, kind).iter().map(|u| u.nalus.iter().filter(keep).flat_map(|n| n.to_vec()).collect()).collect()
}

#[test]
fn what_is_written_is_read_again() {
    for (source, _, names) in sources() {
        let again = found(&mut TsReader::new(0), &written(&source));
        assert_eq!(problems(&again), [], "{names:?}");
        for kind in [Kind::Video, Kind::Audio] {
            assert_eq!(content(&again, kind), content(&source, kind), "{names:?} {kind:?}");
            let (a, b) = (units(&again, kind), units(&source, kind));
            for (x, y) in a.iter().zip(&b) {
                let apart = (x.pts - a[0].pts) - (y.pts - b[0].pts);
                assert!(apart.abs() <= 1 && x.key == y.key, "{names:?} {kind:?} {apart}");
            }
        }
        let (a, b) = (tracks(&again), tracks(&source));
        let shape = |t: &codecs::hub::unit::TrackParams| (t.codec.name(), t.width, t.height, t.sample_rate_hz);
        let mut shapes = [a, b].map(|t| t.iter().map(shape).collect::<Vec<_>>());
        shapes.iter_mut().for_each(|s| {
            s.sort_unstable();
            s.dedup();
        });
        assert_eq!(shapes[0], shapes[1]);
    }
}

#[test]
fn ffmpeg_decodes_every_picture() {
    for (source, pictures, names) in sources() {
        let streams = ffprobe(&written(&source), "mpegts");
        assert_eq!(streams[0], (names[0].to_owned(), pictures), "{streams:?}");
        let sounds = units(&source, Kind::Audio).len();
        assert!(streams[1].0 == names[1] && streams[1].1 + 2 >= sounds, "{streams:?}, {sounds} frames of sound");
    }
}

#[test]
fn gstreamer_decodes_every_picture() {
    for (source, pictures, names) in sources() {
        let decoder = if names[0] == "h264" { "h264parse ! avdec_h264" } else { "h265parse ! avdec_h265" };
        let line = format!("fdsrc fd=0 ! tsdemux ! {decoder} ! videoconvert ! fakesink silent=false sync=false");
        let mut child = Command::new("gst-launch-1.0")
            .arg("-v")
            .args(line.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("gst-launch-1.0 is installed");
        let mut stdin = child.stdin.take().unwrap();
        let data = written(&source);
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&data)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let got = text.lines().filter(|l| l.contains("last-message") && l.contains("chain")).count();
        assert_eq!(got, pictures, "{names:?}");
    }
}

/// PCR of a packet, in 27 MHz / 300, and which packets begin a picture with a random access point.
fn pcr(p: &[u8]) -> Option<i64> {
    (p[3] & 0x20 != 0 && p[4] > 6 && p[5] & 0x10 != 0)
        .then(|| i64::from(u32::from_be_bytes([p[6], p[7], p[8], p[9]])) << 1 | i64::from(p[10] >> 7))
}

#[test]
fn tables_clock_and_counters() {
    for (source, _, names) in sources() {
        let data = written(&source);
        let (mut clock, mut tables, mut counters) = (None, None, std::collections::HashMap::new());
        let (mut since_tables, mut pcrs, mut waiting) = (0, 0, false);
        for p in data.chunks(PACKET) {
            let pid = u16::from_be_bytes([p[1], p[2]]) & 0x1fff;
            if let Some(now) = pcr(p) {
                if std::mem::take(&mut waiting) {
                    let last = tables.replace(now);
                    assert!(last.is_none_or(|last| now - last <= 9_000), "tables after {:?} to {now}", last);
                }
                if let Some(last) = clock.replace(now) {
                    // The first source begins with two pictures and nothing between.
                    pcrs += 1;
                    assert!(
                        now > last && (now - last <= 3_600 || pcrs < 3),
                        "{names:?}: PCR after {} ticks",
                        now - last
                    );
                }
            }
            if p[3] & 0x10 != 0 && pid != 0x1fff {
                let last = counters.insert(pid, p[3] & 15);
                assert!(last.is_none_or(|l: u8| (l + 1) & 15 == p[3] & 15), "counter of {pid}");
            }
            if pid == 0 {
                (since_tables, waiting) = (0, true);
            }
            since_tables += 1;
            // random_access_indicator: tables right before it
            let random = p[3] & 0x20 != 0 && p[4] > 0 && p[5] & 0x40 != 0;
            assert!(!random || since_tables <= 4, "{names:?}: a key frame {since_tables} packets behind the tables");
            // Time stamps lie ahead of the clock.
            let at = if p[3] & 0x20 != 0 { 5 + usize::from(p[4]) } else { 4 };
            if let (Some([0, 0, 1, _, _, _, _, f, _, a, b, c, d, e]), true) =
                (p.get(at..at + 14).and_then(|b| <&[u8; 14]>::try_from(b).ok()), p[1] & 0x40 != 0)
            {
                if f & 0x80 != 0 {
                    let [a, b, c, d, e] = [a, b, c, d, e].map(|x| i64::from(*x));
                    let pts = (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1;
                    let ahead = pts - clock.unwrap();
                    assert!((0..90_000).contains(&ahead), "{names:?}: PTS {ahead} ticks ahead of PCR");
                }
            }
        }
    }
}

#[test]
fn every_picture_has_a_delimiter_and_key_frames_their_sets() {
    for (source, _, names) in sources() {
        let again = found(&mut TsReader::new(0), &written(&source));
        for unit in units(&again, Kind::Video) {
            let types = unit.nalus.iter().map(|n| if names[0] == "h264" { n[0] & 31 } else { n[0] >> 1 & 63 });
            let types = types.collect::<Vec<_>>();
            let (delimiter, sets): (u8, &[u8]) = if names[0] == "h264" { (9, &[7, 8]) } else { (35, &[32, 33, 34]) };
            assert_eq!((types[0], types.iter().filter(|t| **t == delimiter).count()), (delimiter, 1));
            assert!(!unit.key || sets.iter().all(|s| types.contains(s)), "{types:?}");
        }
    }
}

#[test]
fn another_codec_is_another_version_of_the_map() {
    let [(h264, ..), (h265, ..), _] = sources();
    let (mut writer, mut out) = (TsWriter::default(), BytesMut::new());
    write_all(&mut writer, &h264, &mut out);
    // The stream goes on, as the hub makes it.
    let later = h265.iter().map(|f| match f {
        Found::Unit(u) => {
            let mut u = u.clone();
            let by = if u.kind == Kind::Video { 180_000 } else { 96_000 };
            (u.pts, u.dts) = (u.pts + by, u.dts + by);
            Found::Unit(u)
        }
        f => f.clone(),
    });
    write_all(&mut writer, &later.collect::<Vec<_>>(), &mut out);
    let again = found(&mut TsReader::new(0), &out);
    let mut codecs = tracks(&again).iter().map(|t| t.codec).collect::<Vec<_>>();
    codecs.dedup();
    codecs.retain(|c| c.kind() == Kind::Video);
    assert_eq!(codecs.last(), Some(&Codec::H265), "{codecs:?}");
    assert_eq!(units(&again, Kind::Video).len(), 50);
    assert!(!TsWriter::default().carries(Codec::Pcma) && TsWriter::default().carries(Codec::Opus));
    assert!(annexb::has_start_code(&[0, 0, 0, 1]));
}
