//! Fuzz targets of transport streams as containers, MJPEG, JPEG over RTP and vehicle terminals' frames.
//! codecs/tests/container_ts_fuzz.rs includes this file and runs it over vectors and mutations of them on stable Rust.

use bytes::{Bytes, BytesMut};
use codecs::container::jt1078::Jt1078Reader;
use codecs::container::mjpeg::MjpegReader;
use codecs::container::ts_read::TsReader;
use codecs::container::ts_write::TsWriter;
use codecs::container::{Found, Reader, Writer};
use codecs::hub::unit::Kind;
use codecs::packet::jpeg::Depacketizer;
use codecs::packet::jpeg_file::Picture;
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] = &[("container_ts", ts), ("mjpeg", mjpeg), ("jpeg_rtp", jpeg_rtp), ("jt1078", jt1078)];

/// The first byte says how the rest is cut, and which programme is wanted.
fn fed(data: &[u8], make: impl Fn(u8) -> Box<dyn Reader>) {
    let Some((cut, data)) = data.split_first() else { return };
    let mut reader = make(*cut);
    let mut found = Vec::new();
    for (i, part) in data.chunks(1 + usize::from(*cut) * 16).enumerate() {
        if reader.push(part, Micros(10_000_000 + i as u64 * 10_000), &mut found).is_err() {
            break;
        }
    }
    reader.flush(Micros(60_000_000), &mut found);
    let (mut last, mut known) = ([i64::MIN; 2], [false; 2]);
    let (mut writer, mut out, mut total) = (TsWriter::default(), BytesMut::new(), 0);
    for f in &found {
        match f {
            Found::Track(params) => {
                let k = usize::from(params.codec.kind() == Kind::Audio);
                (known[k], last[k]) = (true, i64::MIN);
                writer.track(params, &mut out);
            }
            Found::Unit(unit) => {
                let k = usize::from(unit.kind == Kind::Audio);
                assert!(known[k], "a unit before its track");
                assert!(unit.dts > last[k] && !unit.is_empty(), "time stands still, or an empty unit");
                last[k] = unit.dts;
                total += unit.len();
                writer.unit(unit, &mut out);
            }
            Found::Klv(packet) => total += packet.len(),
            _ => {}
        }
    }
    // A picture without Huffman tables gets them.
    assert!(total <= data.len() + found.len() * 420, "more came out than went in");
    assert!(out.len() % 188 == 0 && out.chunks(188).all(|p| p[0] == 0x47));
}

pub fn ts(data: &[u8]) {
    fed(data, |cut| Box::new(TsReader::new(u16::from(cut % 8 == 7) * 9)));
}

pub fn mjpeg(data: &[u8]) {
    fed(data, |_| Box::new(MjpegReader::new()));
}

pub fn jt1078(data: &[u8]) {
    fed(data, |_| Box::new(Jt1078Reader::new()));
}

/// Payloads, each behind two bytes: marker or loss, and length.
pub fn jpeg_rtp(data: &[u8]) {
    let mut depacketizer = Depacketizer::new();
    let mut rest = data;
    while let [how, len, tail @ ..] = rest {
        let n = (usize::from(*len) * 6).min(tail.len());
        if how & 0xf0 == 0xf0 {
            depacketizer.lost();
        }
        if let Ok(Some(file)) = depacketizer.push(&tail[..n], how & 1 == 1) {
            assert!(file.starts_with(&[0xff, 0xd8]) && file.ends_with(&[0xff, 0xd9]));
            assert!(Picture::parse(&file).is_ok_and(|p| p.plain.is_some()), "what we make of it can be read");
        }
        rest = &tail[n..];
    }
    let _ = Picture::parse(&Bytes::copy_from_slice(data));
}
