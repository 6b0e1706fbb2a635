//! Transport streams of other muxers read, ours read by others: whole, cut, damaged, jumping.

mod parse_support;

use codecs::container::ts_read::TsReader;
use codecs::container::{Found, Reader};
use codecs::hub::unit::{AccessUnit, Codec, Kind, TrackParams};
use codecs::mpeg::ts_demux::PACKET_BYTES;
use codecs::time::Micros;
use parse_support::*;

#[derive(Default)]
struct Got {
    tracks: Vec<TrackParams>,
    video: Vec<AccessUnit>,
    audio: Vec<AccessUnit>,
    klv: Vec<Vec<u8>>,
    programs: Vec<String>,
    jumps: usize,
    problems: Vec<(&'static str, String)>,
}

impl Got {
    fn add(&mut self, found: Vec<Found>) {
        for f in found {
            match f {
                Found::Track(t) => self.tracks.push(t),
                Found::Unit(u) if u.kind == Kind::Video => self.video.push(u),
                Found::Unit(u) => self.audio.push(u),
                Found::Klv(k) => self.klv.push(k.to_vec()),
                Found::Programs(p) => self.programs.push(p),
                Found::Discontinuity => self.jumps += 1,
                Found::Problem { code, detail } => self.problems.push((code, detail)),
            }
        }
    }

    fn codecs(&self) -> Vec<&'static str> {
        let mut names = self.tracks.iter().map(|t| t.codec.name()).collect::<Vec<_>>();
        names.dedup();
        names
    }

    fn codes(&self) -> Vec<&'static str> {
        self.problems.iter().map(|(code, _)| *code).collect()
    }
}

const START: Micros = Micros(1_000_000_000);

fn read_in(program: u16, data: &[u8], mut size: impl FnMut() -> usize) -> Got {
    let (mut reader, mut got) = (TsReader::new(program), Got::default());
    let mut rest = data;
    while !rest.is_empty() {
        let n = size().clamp(1, rest.len());
        let mut found = Vec::new();
        reader.push(&rest[..n], START, &mut found).unwrap();
        got.add(found);
        rest = &rest[n..];
    }
    let mut found = Vec::new();
    reader.flush(START, &mut found);
    got.add(found);
    got
}

fn read(data: &[u8]) -> Got {
    read_in(0, data, || 1316)
}

fn bytes_of(units: &[AccessUnit]) -> Vec<Vec<u8>> {
    units.iter().map(|u| annexb(&u.nalus)).collect()
}

fn steps(units: &[AccessUnit]) -> Vec<i64> {
    units.windows(2).map(|w| w[1].dts - w[0].dts).collect()
}

#[test]
fn h265_with_b_frames_and_latm() {
    let data = vector("ts_h265_latm.ts");
    let got = read(&data);
    assert_eq!(got.problems, []);
    assert_eq!(got.video.len(), 30);
    assert!(steps(&got.video).iter().all(|s| *s == 3600), "{:?}", steps(&got.video));
    let mut shown = got.video.iter().map(|u| u.pts).collect::<Vec<_>>();
    shown.sort_unstable();
    assert!(shown.windows(2).all(|w| w[1] - w[0] == 3600));
    let video = got.tracks.iter().find(|t| t.codec == Codec::H265).unwrap();
    assert_eq!((video.width, video.height), (160, 120));
    assert!(got.tracks.iter().any(|t| t.codec == Codec::H265 && t.b_frames));
    let audio = got.tracks.iter().find(|t| t.codec == Codec::Aac).unwrap();
    assert_eq!((audio.sample_rate_hz, audio.channels), (48_000, 1));
    assert_eq!(audio.parameter_sets[0][..], [0x11, 0x88]);
    assert!((56..=58).contains(&got.audio.len()) && steps(&got.audio).iter().all(|s| *s == 1024));
    let mut rng = Rng(3);
    let cut = read_in(0, &data, || 1 + rng.below(700));
    assert!(bytes_of(&cut.video) == bytes_of(&got.video) && bytes_of(&cut.audio) == bytes_of(&got.audio));
}

#[test]
fn several_programmes() {
    let data = vector("ts_two_programs.ts");
    let list = r#"[{"number":7,"name":"Radio \"one\"","tracks":["mp2"]},{"number":9,"name":"Kamera Süd","tracks":["h264","opus"]}]"#;
    for program in [0, 9] {
        let got = read_in(program, &data, || 5000);
        assert_eq!(got.codecs(), ["h264", "opus"], "{program}");
        assert_eq!((got.video.len(), got.problems.len()), (30, 0), "{:?}", got.problems);
        assert!(got.audio.len() > 55 && steps(&got.audio).iter().all(|s| *s == 960));
        assert_eq!(got.programs.last().map(String::as_str), Some(list));
    }
    let radio = read_in(7, &data, || 5000);
    assert_eq!((radio.codecs(), radio.problems.len()), (vec!["mp2"], 0));
    assert!(radio.audio.len() > 20 && steps(&radio.audio).iter().all(|s| *s == 1152));
    let nobody = read_in(3, &data, || 5000);
    assert_eq!(nobody.problems, [("ts-no-program", "no programme 3; there are 7, 9".into())]);
}

#[test]
fn klv_beside_a_picture() {
    let got = read(&vector("ts_klv.ts"));
    assert_eq!((got.video.len(), got.klv.len(), got.problems.len()), (20, 3, 0), "{:?}", got.problems);
    for packet in &got.klv {
        assert!(packet.starts_with(&[0x06, 0x0e, 0x2b, 0x34]) && packet.len() == 17 + usize::from(packet[16]));
    }
}

#[test]
fn three_packet_lengths_are_one_stream() {
    let plain = vector("ts_h264_aac.ts");
    let want = read(&plain);
    assert_eq!((want.video.len(), want.codecs()), (30, vec!["h264", "aac"]));
    for (before, behind) in [(4, 0), (0, 16)] {
        let packets = plain.chunks(PACKET_BYTES);
        let data = packets.flat_map(|p| [&vec![0x46; before][..], p, &vec![0x11; behind]].concat()).collect::<Vec<_>>();
        let got = read(&data);
        assert!(bytes_of(&got.video) == bytes_of(&want.video), "{before} {behind}");
        assert!(bytes_of(&got.audio) == bytes_of(&want.audio) && got.problems.is_empty());
    }
}

/// Each packet lost, sent twice, or broken in turn: what comes out is whole, and what follows a loss says so.
#[test]
fn never_a_damaged_unit() {
    for name in ["ts_h264_aac.ts", "ts_h265_latm.ts"] {
        let data = vector(name);
        let clean = read(&data);
        let (video, audio) = (bytes_of(&clean.video), bytes_of(&clean.audio));
        // Nothing tells that the end of the very last picture is missing.
        let begins = |p: &[u8]| p[1] & 0x5f == 0x41 && p[2] == 0;
        let count = data.chunks(PACKET_BYTES).rposition(begins).unwrap();
        for at in 0..count {
            let (head, tail) = (&data[..at * PACKET_BYTES], &data[(at + 1) * PACKET_BYTES..]);
            let packet = &data[at * PACKET_BYTES..(at + 1) * PACKET_BYTES];
            let lossy = read(&[head, tail].concat());
            for (got, want) in [(bytes_of(&lossy.video), &video), (bytes_of(&lossy.audio), &audio)] {
                let odd = got.iter().position(|unit| !want.contains(unit));
                assert!(odd.is_none(), "{name} {at}: damaged unit {odd:?}: {:02x?}", &got[odd.unwrap()][..60]);
                assert!(got.len() + 22 >= want.len(), "{name} {at}: {} of {}", got.len(), want.len());
            }
            if let Some(i) = (0..lossy.video.len()).find(|i| bytes_of(&lossy.video[*i..=*i])[0] != video[*i]) {
                let unit = &lossy.video[i];
                assert!(i == 0 || unit.key || unit.after_loss, "{name} {at}: picture {i} does not say it");
            }
            let twice = read(&[head, packet, packet, tail].concat());
            assert!(bytes_of(&twice.video) == video && bytes_of(&twice.audio) == audio, "{name} {at}: doubled");
            assert!(
                twice.problems.is_empty() && twice.video.iter().chain(&twice.audio).all(|u| !u.after_loss),
                "{name} {at}"
            );
        }
    }
}

/// Adds to every PTS, DTS and PCR.
fn shifted(data: &[u8], by: i64) -> Vec<u8> {
    let mut out = data.to_vec();
    for p in out.chunks_mut(PACKET_BYTES) {
        let add = |t: u64| (t as i64 + by).rem_euclid(1 << 33) as u64;
        let mut at = 4;
        if p[3] & 0x20 != 0 {
            if p[4] > 6 && p[5] & 0x10 != 0 {
                let base = u64::from(u32::from_be_bytes([p[6], p[7], p[8], p[9]])) << 1 | u64::from(p[10] >> 7);
                let bits = add(base) << 7;
                let low = bits as u8 | p[10] & 0x7f;
                p[6..10].copy_from_slice(&((bits >> 8) as u32).to_be_bytes());
                p[10] = low;
            }
            at = 5 + usize::from(p[4]);
        }
        if p[1] & 0x40 == 0 || p.get(at..at + 3) != Some(&[0, 0, 1]) {
            continue;
        }
        let stamps = p[at + 7] >> 6;
        for k in 0..usize::from(stamps.saturating_sub(1)) {
            let f = &mut p[at + 9 + 5 * k..at + 14 + 5 * k];
            let t = u64::from(f[0] >> 1 & 7) << 30
                | u64::from(f[1]) << 22
                | u64::from(f[2] >> 1) << 15
                | u64::from(f[3]) << 7
                | u64::from(f[4] >> 1);
            let t = add(t);
            f[0] = f[0] & 0xf1 | ((t >> 30) as u8 & 7) << 1;
            (f[1], f[3]) = ((t >> 22) as u8, (t >> 7) as u8);
            (f[2], f[4]) = (((t >> 15) as u8 & 0x7f) << 1 | 1, ((t & 0x7f) as u8) << 1 | 1);
        }
    }
    out
}

#[test]
fn times_wrap_at_33_bits() {
    let data = vector("ts_h265_latm.ts");
    let want = read(&data);
    for before in [10_000, 60_000, 120_000, 180_000, 200_000] {
        let got = read(&shifted(&data, (1 << 33) - before));
        assert_eq!((got.jumps, got.problems.len()), (0, 0), "{before}");
        let times = |g: &Got| g.video.iter().chain(&g.audio).map(|u| u.pts - g.video[0].pts).collect::<Vec<_>>();
        assert_eq!(times(&got)[..30], times(&want)[..30], "{before}");
        assert_eq!(steps(&got.audio), steps(&want.audio));
    }
}

#[test]
fn a_clock_that_jumps_is_told_and_bridged() {
    let data = vector("ts_h264_aac.ts");
    for by in [-90_000 * 1000, 90_000 * 5000, 1 << 32] {
        let mut reader = TsReader::new(0);
        let mut got = Got::default();
        for (part, at) in [(&data, START), (&shifted(&data, by), START.plus_ms(1200))] {
            let mut found = Vec::new();
            reader.push(part, at, &mut found).unwrap();
            got.add(found);
        }
        assert_eq!(got.jumps, 1, "{by}");
        assert!(got.video.len() >= 58, "{}", got.video.len());
        assert!(steps(&got.video).iter().all(|s| (90..=2 * 90_000).contains(s)), "{by} {:?}", steps(&got.video));
        assert!(steps(&got.audio).iter().all(|s| *s > 0));
        // Picture and sound still lie beside each other.
        let end = |u: &AccessUnit, hz: i64| u.pts * 1000 / hz;
        let apart = end(got.video.last().unwrap(), 90_000) - end(got.audio.last().unwrap(), 16_000);
        let first = read(&data);
        let before = end(first.video.last().unwrap(), 90_000) - end(first.audio.last().unwrap(), 16_000);
        assert!((apart - before).abs() < 300, "{by}: {apart} ms, before {before} ms");
    }
}

#[test]
fn scrambled_packets_are_told() {
    let mut data = vector("ts_h264_aac.ts");
    data.chunks_mut(PACKET_BYTES).filter(|p| p[1] & 0x1f != 0 && p[2] == 0).for_each(|p| p[3] |= 0x80);
    let got = read(&data);
    assert!(got.video.is_empty() && got.codes().contains(&"ts-scrambled"), "{:?}", got.problems);
}

#[test]
fn tables_with_a_wrong_sum_are_told_and_not_believed() {
    let mut data = vector("ts_h264_aac.ts");
    let mut first = true;
    for p in data.chunks_mut(PACKET_BYTES).filter(|p| p[1] & 0x1f == 0x10 && p[2] == 0) {
        // The first map is broken, and says another PID
        if std::mem::take(&mut first) {
            p[20] ^= 4;
        }
    }
    let got = read(&data);
    assert_eq!(got.codes().first(), Some(&"ts-table-damaged"), "{:?}", got.problems);
    assert!(!got.video.is_empty());
}

#[test]
fn noise_between_packets_is_searched_past() {
    let data = vector("ts_h264_aac.ts");
    let middle = data.len() / 2 / PACKET_BYTES * PACKET_BYTES;
    let noise = Rng(9).bytes(1000);
    let got = read(&[&noise[..333], &data[..middle], &noise, &data[middle..]].concat());
    let want = bytes_of(&read(&data).video);
    assert!(bytes_of(&got.video).iter().all(|u| want.contains(u)) && got.video.len() >= 28);
    assert!(got.codes().contains(&"ts-sync-lost"));
}

#[test]
fn missing_packets_are_told() {
    let data = vector("ts_h264_aac.ts");
    let middle = data.len() / 2 / PACKET_BYTES * PACKET_BYTES;
    let got = read(&[&data[..middle], &data[middle + 5 * PACKET_BYTES..]].concat());
    assert!(got.codes().contains(&"ts-packets-lost"), "{:?}", got.problems);
    assert!(!got.codes().contains(&"ts-sync-lost"));
}

#[test]
fn nothing_in_it_says_so() {
    let null = [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat();
    assert_eq!(read(&null.repeat(20_000)).codes(), [] as [&str; 0]);
    let stray = [&[0x47, 0x01, 0x00, 0x10][..], &[0xff; 184]].concat();
    assert_eq!(read(&stray.repeat(20_000)).codes(), ["ts-no-program"]);
}

/// FFmpeg does not tell how long a picture is; after a second of stuffing in the right places nobody waits for the next.
#[test]
fn a_picture_whose_end_is_plain_does_not_wait_for_the_next() {
    let data = [vector("ts_h264_aac.ts"), shifted(&vector("ts_h264_aac.ts"), 108_000)].concat();
    let mut counters = std::collections::HashMap::new();
    let mut data = data;
    for p in data.chunks_mut(PACKET_BYTES).filter(|p| p[3] & 0x10 != 0) {
        let counter = counters.entry((p[1] & 0x1f, p[2])).or_insert(15u8);
        *counter = (*counter + 1) & 15;
        p[3] = p[3] & 0xf0 | *counter;
    }
    let begins = |p: &[u8]| p[1] & 0x5f == 0x41 && p[2] == 0;
    let (mut reader, mut got) = (TsReader::new(0), Got::default());
    let (mut begun, mut early) = (0, 0);
    for p in data.chunks(PACKET_BYTES) {
        begun += usize::from(begins(p));
        let mut found = Vec::new();
        reader.push(p, START, &mut found).unwrap();
        got.add(found);
        // As many as have begun: the newest did not wait.
        early += usize::from(got.video.len() == begun && begun > 1 && !begins(p));
    }
    assert_eq!((begun, got.problems.len()), (60, 0), "{:?}", got.problems);
    assert!(early > 0 && got.video.len() >= 59, "{early} {}", got.video.len());
    // A sender that then stuffs in the middle loses that picture's followers up to the next key frame, and is waited for.
    let all = read(&data);
    let want = bytes_of(&all.video);
    assert!(bytes_of(&got.video) == want[..got.video.len()]);
}
