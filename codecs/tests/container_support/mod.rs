//! What the tests of containers share: vectors, what a reader found by kind, and FFmpeg as the judge of what we write.

#![allow(dead_code)]

use std::io::Write;
use std::process::{Command, Stdio};

use bytes::BytesMut;
use codecs::container::{Found, Writer};
use codecs::hub::unit::{AccessUnit, Kind, TrackParams};

pub fn vector(name: &str) -> Vec<u8> {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/media").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn units(found: &[Found], kind: Kind) -> Vec<AccessUnit> {
    let of = |f: &Found| if let Found::Unit(u) = f { Some(u.clone()) } else { None };
    found.iter().filter_map(of).filter(|u| u.kind == kind).collect()
}

pub fn tracks(found: &[Found]) -> Vec<TrackParams> {
    found.iter().filter_map(|f| if let Found::Track(t) = f { Some(t.clone()) } else { None }).collect()
}

pub fn problems(found: &[Found]) -> Vec<(&'static str, String)> {
    let of = |f: &Found| if let Found::Problem { code, detail } = f { Some((*code, detail.clone())) } else { None };
    found.iter().filter_map(of).collect()
}

/// All tracks first, as who subscribes to a stream that runs already is told; then the units as they came.
pub fn write_all(writer: &mut dyn Writer, found: &[Found], out: &mut BytesMut) {
    for kind in [Kind::Video, Kind::Audio] {
        if let Some(track) = tracks(found).into_iter().rev().find(|t| t.codec.kind() == kind) {
            writer.track(&track, out);
        }
    }
    for found in found {
        if let Found::Unit(unit) = found {
            writer.unit(unit, out);
        }
    }
}

/// Codec and number of decoded frames of each stream, as ffprobe finds them. Any word of a decoder fails the test.
pub fn ffprobe(data: &[u8], format: &str) -> Vec<(String, usize)> {
    let mut child = Command::new("ffprobe")
        .args(["-v", "warning", "-f", format, "-count_frames", "-show_entries", "stream=codec_name,nb_read_frames"])
        .args(["-of", "csv=p=0", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffprobe is installed");
    let mut stdin = child.stdin.take().expect("piped");
    let data = data.to_vec();
    let feeder = std::thread::spawn(move || {
        let _ = stdin.write_all(&data);
    });
    let output = child.wait_with_output().expect("ffprobe ends");
    feeder.join().expect("fed");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "ffprobe complains");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |l: &str| {
        let mut fields = l.split(',');
        let name = fields.next().unwrap_or_default().to_owned();
        (name, fields.next().and_then(|n| n.parse().ok()).unwrap_or_default())
    };
    text.lines().filter(|l| !l.is_empty()).map(line).collect()
}

/// A small generator of numbers by seed (xorshift).
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}
