//! Frames of vehicle terminals, exact and as real ones send them.

mod parse_support;

use bytes::BytesMut;
use codecs::container::jt1078::{AudioWriter, Header, Jt1078Reader};
use codecs::container::{Found, Reader};
use codecs::hub::unit::{AccessUnit, Codec, Kind};
use codecs::time::Micros;
use parse_support::*;

const SIM: [u8; 6] = [0x01, 0x39, 0x12, 0x34, 0x56, 0x78];

struct Terminal {
    id: Vec<u8>,
    seq: u16,
    max: usize,
    payload_type: u8,
}

impl Terminal {
    fn new() -> Self {
        Self { id: SIM.to_vec(), seq: 0, max: 950, payload_type: 98 }
    }

    fn fragment(&mut self, kind: u8, part: u8, at_ms: u64, body: &[u8]) -> Vec<u8> {
        let pt = if kind == 3 { 6 } else { self.payload_type };
        let mut out = [b"01cd", &[0x81, pt | u8::from(matches!(part, 0 | 2)) << 7][..]].concat();
        out.extend(self.seq.to_be_bytes());
        self.seq = self.seq.wrapping_add(1);
        out.extend(&self.id);
        out.extend([1, kind << 4 | part]);
        if kind < 4 {
            out.extend(at_ms.to_be_bytes());
        }
        if kind < 3 {
            out.extend([0, 40, 0, 40]);
        }
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
        out
    }

    fn picture(&mut self, key: bool, at_ms: u64, data: &[u8]) -> Vec<Vec<u8>> {
        let count = data.chunks(self.max).count();
        let max = self.max;
        let part = |i: usize| {
            if count == 1 {
                0
            } else if i == 0 {
                1
            } else if i + 1 == count {
                2
            } else {
                3
            }
        };
        data.chunks(max).enumerate().map(|(i, p)| self.fragment(u8::from(!key), part(i), at_ms, p)).collect()
    }
}

/// Thirty pictures with 40 ms of sound each, in frames.
fn ride(terminal: &mut Terminal, codec: Codec, name: &str) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (i, picture) in pictures(codec, &vector(name)).iter().enumerate() {
        let at = 1000 + i as u64 * 40;
        out.extend(terminal.picture(i % 10 == 0, at, &annexb(picture)));
        out.push(terminal.fragment(3, 0, at, &[0xd5; 320]));
    }
    out
}

#[derive(Default)]
struct Got {
    video: Vec<AccessUnit>,
    audio: Vec<AccessUnit>,
    codecs: Vec<&'static str>,
    problems: Vec<&'static str>,
}

fn read(data: &[u8], piece: usize) -> Got {
    let (mut reader, mut found) = (Jt1078Reader::new(), Vec::new());
    for p in data.chunks(piece) {
        reader.push(p, Micros(9_000_000), &mut found).unwrap();
    }
    let mut got = Got::default();
    for f in found {
        match f {
            Found::Unit(u) if u.kind == Kind::Video => got.video.push(u),
            Found::Unit(u) => got.audio.push(u),
            Found::Track(t) => got.codecs.push(t.codec.name()),
            Found::Problem { code, .. } => got.problems.push(code),
            _ => {}
        }
    }
    got.codecs.sort_unstable();
    got.codecs.dedup();
    got
}

fn content(units: &[AccessUnit]) -> Vec<Vec<u8>> {
    units.iter().map(|u| annexb(&u.nalus)).collect()
}

/// The last frame waits for nothing, but the very first for a second one.
#[test]
fn pictures_and_sound_cut_anywhere() {
    for (codec, name, pt) in [(Codec::H264, "h264_baseline.h264", 98), (Codec::H265, "h265_p.h265", 99)] {
        for (id, max) in [(&SIM[..], 950), (&[0, 0, 0, 0, 0x01, 0x39, 0x12, 0x34, 0x56, 0x78], 950), (&SIM, 1400)] {
            let mut terminal = Terminal { id: id.to_vec(), seq: 0xfff0, max, payload_type: pt };
            let data = ride(&mut terminal, codec, name).concat();
            let want = pictures(codec, &vector(name)).iter().map(|p| annexb(p)).collect::<Vec<_>>();
            for piece in [1, 700, 1 << 20] {
                let got = read(&data, piece);
                assert_eq!(got.problems, [] as [&str; 0], "{name} {piece}");
                assert_eq!(got.codecs, [codec.name(), "pcma"]);
                assert!(content(&got.video) == want && got.audio.len() == 30, "{name} {piece}");
                assert!(got.video.windows(2).all(|w| w[1].dts - w[0].dts == 3600));
                assert!(got.audio.windows(2).all(|w| w[1].dts - w[0].dts == 320));
            }
        }
    }
}

#[test]
fn a_missing_fragment_costs_its_picture_and_is_told() {
    let frames = ride(&mut Terminal::new(), Codec::H264, "h264_baseline.h264");
    let clean = read(&frames.concat(), 4096);
    let want = content(&clean.video);
    for lost in 1..frames.len() - 1 {
        let mut rest = frames.clone();
        rest.remove(lost);
        let got = read(&rest.concat(), 4096);
        assert!(content(&got.video).iter().all(|u| want.contains(u)), "{lost}: a damaged picture");
        // Without the first key frame nothing begins before the second.
        let first = frames.iter().position(|f| f[15] >> 4 == 3).unwrap();
        assert!(got.video.len() >= if lost < first { 20 } else { 29 }, "{lost}: {}", got.video.len());
    }
}

#[test]
fn vendor_headers_stuck_clocks_and_stray_bytes() {
    let mut terminal = Terminal::new();
    let sound = [&[0, 1, 160, 0][..], &[0xd5; 320]].concat();
    let data = (0..10).flat_map(|_| terminal.fragment(3, 0, 0, &sound)).collect::<Vec<_>>();
    let got = read(&data, 100);
    assert!(got.audio.len() == 10 && got.audio.iter().all(|u| u.nalus[0].len() == 320));
    assert!(got.audio.windows(2).all(|w| w[1].dts > w[0].dts));

    let frames = ride(&mut Terminal::new(), Codec::H264, "h264_baseline.h264");
    let half = frames.len() / 2;
    let data = [&b"GET / HTTP"[..], &frames[..half].concat(), &[7; 300], &frames[half..].concat()].concat();
    let got = read(&data, 333);
    assert!(got.problems.contains(&"framing-lost") && got.video.len() >= 20);
    // A length that says more than there is
    let mut frames = ride(&mut Terminal::new(), Codec::H264, "h264_baseline.h264");
    let at = Header::parse(&frames[5], 6).unwrap().unwrap().header_bytes - 2;
    frames[5][at..at + 2].copy_from_slice(&60_000u16.to_be_bytes());
    let got = read(&frames.concat(), 4096);
    assert!(got.video.len() >= 15, "{}", got.video.len());
}

#[test]
fn what_is_not_carried_is_named() {
    let mut terminal = Terminal { payload_type: 101, ..Terminal::new() };
    let svac =
        [terminal.picture(true, 0, &[1; 100]).concat(), terminal.picture(false, 40, &[1; 100]).concat()].concat();
    assert_eq!(read(&svac, 999).problems, ["codec-unsupported"]);
    let mut adpcm = Terminal::new().fragment(3, 0, 0, &[1; 168]);
    adpcm[5] = 0x80 | 26;
    assert_eq!(read(&adpcm.repeat(2), 999).problems, ["audio-unsupported"]);
    let mut reader = Jt1078Reader::new();
    assert!((0..100).any(|_| reader.push(&[0; 4096], Micros(0), &mut Vec::new()).is_err()));
}

#[test]
fn what_we_say_is_read_again() {
    let (mut writer, mut out) = (AudioWriter::new(&SIM, 3), BytesMut::new());
    for i in 0..5 {
        writer.frame(6, 20 * i, &[0x55; 160], &mut out);
    }
    let h = Header::parse(&out, 6).unwrap().unwrap();
    assert_eq!((h.channel, h.data_type, h.part, h.payload_type, h.body_bytes), (3, 3, 0, 6, 160));
    let got = read(&out, 50);
    assert_eq!((got.audio.len(), got.codecs), (5, vec!["pcma"]));
}
