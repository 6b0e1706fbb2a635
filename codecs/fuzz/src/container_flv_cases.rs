//! Fuzz targets of FLV, RTMP's chunk stream and fragmented MP4: what a publisher or a web server can send.
//! codecs/tests/container_flv_fuzz.rs includes this file and runs it over vectors and mutations of them on stable Rust.

use bytes::{Bytes, BytesMut};
use codecs::container::cmaf::CmafWriter;
use codecs::container::flv::file::{FlvReader, FlvWriter};
use codecs::container::flv::tag_read::TagReader;
use codecs::container::fmp4_read::Fmp4Reader;
use codecs::container::rtmp::read::ChunkReader;
use codecs::container::rtmp::write::ChunkWriter;
use codecs::container::{Found, Reader, Writer};
use codecs::hub::unit::Kind;
use codecs::time::Micros;

pub type Case = fn(&[u8]);

pub const ALL: &[(&str, Case)] = &[("flv", flv), ("rtmp_chunks", rtmp_chunks), ("fmp4", fmp4)];

/// What holds for every reader; and whatever was read, the writers take.
fn judge(found: &[Found]) {
    let (mut last, mut known) = ([i64::MIN; 2], [false; 2]);
    let (mut flv, mut cmaf, mut out) = (FlvWriter::new(true), CmafWriter::new(200, 2000), BytesMut::new());
    for f in found {
        match f {
            Found::Track(params) => {
                let k = usize::from(params.codec.kind() == Kind::Audio);
                (known[k], last[k]) = (true, i64::MIN);
                flv.track(params, &mut out);
                cmaf.track(params, &mut out);
            }
            Found::Unit(unit) => {
                let k = usize::from(unit.kind == Kind::Audio);
                assert!(known[k], "a unit before its track");
                assert!(!unit.is_empty(), "an empty unit");
                assert!(unit.dts > last[k], "time stands still: {} after {}", unit.dts, last[k]);
                last[k] = unit.dts;
                flv.unit(unit, &mut out);
                cmaf.unit(unit, &mut out);
            }
            _ => {}
        }
    }
}

/// The first byte says how the rest is cut.
fn fed(data: &[u8], reader: &mut dyn Reader) {
    let Some((cut, data)) = data.split_first() else { return };
    let mut found = Vec::new();
    for (i, part) in data.chunks(1 + usize::from(*cut) * 16).enumerate() {
        if reader.push(part, Micros(10_000_000 + i as u64 * 10_000), &mut found).is_err() {
            break;
        }
    }
    reader.flush(Micros(60_000_000), &mut found);
    judge(&found);
}

pub fn flv(data: &[u8]) {
    fed(data, &mut FlvReader::new());
}

pub fn fmp4(data: &[u8]) {
    fed(data, &mut Fmp4Reader::new());
}

pub fn rtmp_chunks(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let (mut reader, mut messages) = (ChunkReader::new(2_500_000), Vec::new());
    let mut failed = false;
    for part in data.chunks(1 + usize::from(*cut) * 16) {
        failed |= reader.push(part, &mut messages).is_err();
        assert!(reader.held_bytes() <= data.len());
        let _ = (reader.acknowledge(), reader.window_asked());
        if failed {
            break;
        }
    }
    let (mut tags, mut found) = (TagReader::new(), Vec::new());
    for m in &messages {
        let body = Bytes::clone(&m.data);
        match m.kind {
            8 => tags.audio(m.timestamp, &body, Micros(1), &mut found),
            9 => tags.video(m.timestamp, &body, Micros(1), &mut found),
            _ => {}
        }
    }
    judge(&found);
    // Whatever was read can be written, and comes back the same.
    let (mut writer, mut out, mut again) = (ChunkWriter::new(), BytesMut::new(), Vec::new());
    messages.iter().for_each(|m| writer.message(5, m, &mut out));
    ChunkReader::new(1).push(&out, &mut again).expect("own chunks are refused");
    assert_eq!(again, messages);
}
