//! MJPEG as cameras send it over HTTP, and JPEG over RTP both ways.

mod container_support;

use bytes::Bytes;
use codecs::container::mjpeg::MjpegReader;
use codecs::container::{Found, Reader};
use codecs::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use codecs::packet::jpeg::{self, Depacketizer, PLAIN_PROFILE};
use codecs::packet::jpeg_file::{Extent, Picture, Walk, DEFAULT_DHT};
use codecs::packet::{Packetizer, Payloads};
use codecs::time::Micros;
use container_support::*;

fn files(name: &str) -> Vec<Bytes> {
    let mut data = Bytes::from(vector(name));
    let mut out = Vec::new();
    while !data.is_empty() {
        let Extent::Ends(n) = Walk::default().look(&data) else { panic!("{name}: no end") };
        out.push(data.split_to(n));
    }
    out
}

fn read(pieces: &[&[u8]]) -> Vec<Found> {
    let (mut reader, mut out) = (MjpegReader::new(), Vec::new());
    for (i, piece) in pieces.iter().enumerate() {
        reader.push(piece, Micros(10_000_000 + i as u64 * 1000), &mut out).unwrap();
    }
    out
}

fn pictures(found: &[Found]) -> Vec<Bytes> {
    units(found, Kind::Video).iter().map(|u| u.nalus[0].clone()).collect()
}

fn multipart(files: &[Bytes], part: impl Fn(usize, &Bytes) -> String) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, f) in files.iter().enumerate() {
        out.extend_from_slice(part(i, f).as_bytes());
        out.extend_from_slice(f);
    }
    out
}

#[test]
fn multipart_of_every_habit_cut_anywhere() {
    let files = files("jpeg_420.mjpeg");
    assert_eq!(files.len(), 4);
    let bodies = [
        multipart(&files, |_, f| {
            format!("--myboundary\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", f.len())
        }),
        multipart(&files, |_, _| "\r\n--ipcamera\r\nContent-Type: image/jpeg\r\n\r\n".into()),
        multipart(&files, |_, _| "\n--x\nContent-type: image/jpg\nContent-Length: 17\n\n".into()),
        multipart(&files, |_, _| String::new()),
    ];
    for body in &bodies {
        for piece in [1, 13, 1000, body.len()] {
            let found = read(&body.chunks(piece).collect::<Vec<_>>());
            assert_eq!(pictures(&found), files, "{piece}");
            let track = &tracks(&found)[0];
            assert_eq!((track.codec, track.width, track.height), (Codec::Mjpeg, 160, 120));
            let times = units(&found, Kind::Video).iter().map(|u| u.dts).collect::<Vec<_>>();
            assert!(times.windows(2).all(|w| w[0] < w[1]));
        }
    }
}

#[test]
fn a_picture_cut_short_is_left_out() {
    let files = files("jpeg_420.mjpeg");
    let half = files[1].slice(..files[1].len() / 2);
    let body = multipart(&[files[0].clone(), half, files[2].clone()], |_, _| "--b\r\n\r\n".into());
    assert_eq!(pictures(&read(&[&body])), [files[0].clone(), files[2].clone()]);
}

#[test]
fn a_page_instead_of_pictures_is_an_error() {
    let mut reader = MjpegReader::new();
    let page = b"<html><body>401 Unauthorized</body></html>".repeat(1000);
    let ended = (0..20).any(|_| reader.push(&page, Micros(0), &mut Vec::new()).is_err());
    assert!(ended);
}

#[test]
fn pictures_without_huffman_tables_get_them() {
    let files = files("jpeg_420.mjpeg");
    let at = files[0].windows(2).position(|w| w == [0xff, 0xc4]).unwrap();
    let bare = [&files[0][..at], &files[0][at + DEFAULT_DHT.len()..]].concat();
    let found = read(&[&bare]);
    let whole = &pictures(&found)[0];
    assert!(whole.len() == files[0].len() && ffprobe(whole, "mjpeg") == [("mjpeg".to_owned(), 1)]);
}

fn track(profile: &str) -> TrackParams {
    TrackParams {
        codec: Codec::Mjpeg,
        clock_hz: 90_000,
        generation: 0,
        width: 160,
        height: 120,
        profile: profile.into(),
        profile_level_id: 0,
        b_frames: false,
        channels: 0,
        sample_rate_hz: 0,
        parameter_sets: Vec::new(),
    }
}

fn payloads(file: &Bytes) -> Payloads {
    let unit = AccessUnit {
        kind: Kind::Video,
        nalus: vec![file.clone()],
        pts: 0,
        dts: 0,
        key: true,
        after_loss: false,
        arrival: Micros(0),
        capture_unix_us: None,
    };
    Packetizer::new(&track(PLAIN_PROFILE), 1136).packetize(&unit)
}

/// What a decoder makes of it.
fn decoded(file: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "mjpeg", "-i", "-", "-f", "rawvideo", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    child.stdin.take().unwrap().write_all(file).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn rtp_carries_what_it_can_and_the_cache_the_rest() {
    for (name, plain) in
        [("jpeg_420.mjpeg", true), ("jpeg_422.mjpeg", true), ("jpeg_own.mjpeg", false), ("jpeg_444.mjpeg", false)]
    {
        for file in files(name) {
            let picture = Picture::parse(&file).unwrap();
            assert_eq!((picture.plain.is_some(), picture.width, picture.height), (plain, 160, 120), "{name}");
            let cut = payloads(&file);
            assert!(cut.len() > 2 && cut.iter().all(|(p, _)| p.len() <= 1136));
            let again = jpeg::unpack(&cut);
            assert_eq!(again.len(), 1);
            assert!(decoded(&again[0]) == decoded(&file), "{name}: another picture");
            assert!(plain || again[0] == file);
        }
    }
}

#[test]
fn lost_packets_cost_their_picture_only() {
    let files = files("jpeg_420.mjpeg");
    let (first, second) = (payloads(&files[0]), payloads(&files[1]));
    for lost in 0..first.len() {
        let mut depacketizer = Depacketizer::new();
        let mut got = Vec::new();
        for (i, (p, part)) in first.iter().enumerate() {
            if i == lost {
                depacketizer.lost();
            } else {
                got.extend(depacketizer.push(p, part.marker).ok().flatten());
            }
        }
        got.extend(second.iter().filter_map(|(p, part)| depacketizer.push(p, part.marker).unwrap()));
        assert_eq!(got.len(), 1, "{lost}");
        assert!(decoded(&got[0]) == decoded(&files[1]));
    }
}
